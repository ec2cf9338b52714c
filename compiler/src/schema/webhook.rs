//! Which deliveries are an event, and what of them is it?
//!
//! In: `trigger name as Type { webhook: …, when: …, verify: …, dedupe: …, order: … }`. Out: the whole trigger. One that polls is read by
//! [`super::poll`].

use flow_model::{
    diagnostic::Diagnostic,
    expr::Ambient,
    schema::{EventOrder, WebhookTrigger},
    ty::Type,
    value::Value,
};

use super::{
    Context, Section,
    poll::{goes_nowhere, poll},
    section::{texts, wrong_value},
    template::{over_answer, typed_over_answer},
    verification::verify_call,
};
use crate::{
    ast::{self, PropertyValue},
    names::literal,
};

const PROPERTIES: [&str; 7] = ["webhook", "when", "verify", "dedupe", "order", "events", "answer"];

/// Completes a trigger.
pub(super) fn webhook(
    context: &Context<'_, '_>,
    written: &ast::WebhookTrigger,
    mut trigger: WebhookTrigger,
    problems: &mut Vec<Diagnostic>,
) -> WebhookTrigger {
    if written.properties.iter().any(|property| property.name.text == "poll") {
        return poll(context, written, trigger, problems);
    }
    let what = format!("the trigger `{}`", written.name.text());
    let section = Section::new(what, written.name.span(), &written.properties, &PROPERTIES, problems);
    let help = "a system sends what it sends: only a trigger that polls takes parameters";
    problems.extend(written.params.iter().map(|param| goes_nowhere(written, param, help)));
    let query = (Ambient::Query, Type::Map(Box::new(Type::String)));
    let found = section.require(
        "webhook",
        "say where the event is: `webhook: body`, `webhook: each body`, or `poll: …`",
        problems,
    );
    let event = match found.map(|property| (&property.value, property)) {
        Some((PropertyValue::Each(list), _)) => {
            trigger.each = true;
            Some(list)
        }
        Some((PropertyValue::Expr(event), _)) => Some(event),
        Some((_, property)) => {
            problems.push(wrong_value("webhook", property.span, "not where the event is", "write `webhook: body`"));
            None
        }
        None => None,
    };
    if let Some(event) = event {
        trigger.webhook = over_answer(context, event, None, std::slice::from_ref(&query), problems);
    }
    if let Some(when) = section.expr("when", problems) {
        // With `each`, a condition is over one item of the list, written `.member`.
        let mut sees = vec![query];
        if trigger.each {
            sees.push((Ambient::Item, Type::Json));
        }
        trigger.when = Some(over_answer(context, when, Some(&Type::Bool), &sees, problems));
    }
    if let Some(dedupe) = section.expr("dedupe", problems) {
        let item = [(Ambient::Item, trigger.payload.clone())];
        trigger.dedupe = Some(over_answer(context, dedupe, None, &item, problems));
    }
    if let Some(order) = section.expr("order", problems) {
        trigger.order = self::order(context, order, &trigger.payload, problems);
    }
    if let Some(events) = section.expr("events", problems) {
        trigger.events = texts("events", events, problems);
    }
    if let Some(answer) = section.expr("answer", problems) {
        trigger.answer = taken(answer, problems);
    }
    if let Some(verify) = section.expr("verify", problems) {
        let within = Some(context.connector);
        trigger.verify = verify_call(context.names, context.definitions, verify, within, problems);
    }
    trigger
}

/// What tells which of two events is the later.
fn order(
    context: &Context<'_, '_>,
    written: &ast::Expr,
    payload: &Type,
    problems: &mut Vec<Diagnostic>,
) -> Option<EventOrder> {
    match &written.kind {
        ast::ExprKind::Missing => None,
        ast::ExprKind::Name(_) | ast::ExprKind::Literal(_) => {
            let help =
                "write what tells which event is the later, `order: .created`, or leave it out where nothing does";
            problems.push(wrong_value("order", written.span, "not an order", help));
            None
        }
        _ => {
            let item = [(Ambient::Item, payload.clone())];
            let (expr, ty) = typed_over_answer(context, written, None, &item, problems);
            if !matches!(ty, Type::Timestamp | Type::Int | Type::String | Type::Unknown) {
                let help = "name a field of type `Timestamp`, `Int` or `String` that is never null";
                problems.push(wrong_value("order", written.span, &format!("of type `{ty}`"), help));
            }
            Some(EventOrder::By(expr))
        }
    }
}

/// The status of a delivery that is taken. Any other would have the system send it again.
fn taken(written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<u16> {
    let status = match literal(written) {
        Some(Value::Int(status)) => u16::try_from(status).ok().filter(|status| (200..300).contains(status)),
        _ => None,
    };
    if status.is_none() && !matches!(written.kind, ast::ExprKind::Missing) {
        let help = "write the status that the system takes for a yes: `answer: 200`";
        problems.push(wrong_value("answer", written.span, "not a status from 200 to 299", help));
    }
    status
}
