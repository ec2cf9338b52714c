//! What becomes of a delivery that is sent again, where nothing names it?
//!
//! In: a trigger without `dedupe:`, and how its deliveries are verified. Out: a warning, as senders repeat what they are not
//! sure of; a mistake where the signature of a delivery holds for ever, as anybody who has seen it can send it then.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    plan::TriggerKind,
    schema::{Place, VerifyCall},
    span::Span,
    ty::{Type, Types},
    value::Value,
};

use super::lower::Lowering;
use crate::ast::{self, TriggerSource};

impl Lowering<'_> {
    /// Reports that a delivery of this trigger can start a second run.
    pub(super) fn no_dedupe(&mut self, written: &ast::Trigger, kind: &TriggerKind, payload: &Type) {
        let types = &self.el.names.types;
        let (end, own, id) = match &written.source {
            TriggerSource::Http { method, path } if method.text != "GET" => {
                let body = match kind {
                    TriggerKind::Http { body: Some(body), .. } => id_of(types, body),
                    _ => None,
                };
                (path.span, "request", body.map(|id| format!(".body.{id}")))
            }
            TriggerSource::Connection(path) => (path.span(), "event", id_of(types, payload).map(|id| format!(".{id}"))),
            // A request that only asks may be answered twice, and the engine numbers the times and events that it starts runs for.
            TriggerSource::Http { .. }
            | TriggerSource::Every(_)
            | TriggerSource::Cron { .. }
            | TriggerSource::Event(_)
            | TriggerSource::File(_)
            | TriggerSource::Missing => return,
        };
        let verify = match kind {
            TriggerKind::Http { verify, .. } | TriggerKind::Webhook { verify, .. } => verify.as_ref(),
            _ => None,
        };
        let for_ever = verify.filter(|call| !call.scheme.limits_time());
        let (code, message, why) = if for_ever.is_some() {
            let message = "whoever has seen a delivery can start this flow with it at any time";
            (Code::E0608, message, "its signature limits no time")
        } else {
            let message = "a delivery that is sent again starts a second run";
            (Code::W0602, message, "senders repeat what they are not sure of")
        };
        let mut problem = Diagnostic::new(code, message, Span { start: written.span.start, ..end }, "no `dedupe:`");
        if let Some(declared) = self.declared_trigger(written) {
            problem = problem.label(declared, "declared without `dedupe:`");
        }
        let name = written.bind.as_ref().map_or(own, |name| name.text.as_str());
        let bind =
            if written.bind.is_some() { String::new() } else { format!("bind the payload with `as {own}`, and ") };
        let key = match (id, &written.source, for_ever.and_then(signature)) {
            (Some(id), ..) => format!("{name}{id}"),
            // The signature over a body names it as well as any id.
            (None, TriggerSource::Http { .. }, Some(header)) => format!("{name}.headers[\"{header}\"]"),
            (None, TriggerSource::Http { .. }, None) => format!("{name}.body.id"),
            (None, ..) => format!("{name}.id"),
        };
        let help = format!("{why}: {bind}say what names a delivery, such as `dedupe: {key} for 72h`");
        self.el.problems.push(problem.help(help));
    }
}

/// The field that names an event, or what a body tells of.
fn id_of(types: &Types, ty: &Type) -> Option<String> {
    let fields = types.fields(ty)?;
    let is_there = |name: &&str| fields.get(*name).is_some_and(|field| !field.ty.is_nullable());
    let some_id = || fields.keys().map(String::as_str).find(|name| name.ends_with("_id") && is_there(name));
    ["id", "event_id", "uuid"].into_iter().find(is_there).or_else(some_id).map(str::to_owned)
}

/// The header with the signature, as programs see it, where its name is known.
fn signature(call: &VerifyCall) -> Option<String> {
    let Place::Header(header) = &call.scheme.header else { return None };
    let header = match header {
        Expr::Slot(slot) => call.args.get(usize::try_from(slot.0).ok()?)?,
        fixed => fixed,
    };
    match header {
        Expr::Literal(Value::String(name)) => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}
