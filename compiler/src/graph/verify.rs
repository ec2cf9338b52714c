//! How is it known who sends a webhook?
//!
//! In: a trigger with its clauses. Out: the scheme by which each delivery is verified, in the kind of the trigger; or a problem
//! where nobody checks, or where the scheme is another system's.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    plan::TriggerKind,
    span::Span,
};

use super::lower::Lowering;
use crate::{
    ast::{self, TriggerClause, TriggerClauseValue, TriggerSource},
    names::similar,
};

impl Lowering<'_> {
    /// Finds out who proves itself how; a webhook that nobody verifies must say so.
    pub(super) fn verify(
        &mut self,
        written: &ast::Trigger,
        clauses: &BTreeMap<&str, &TriggerClause>,
        kind: &mut TriggerKind,
    ) {
        let declared = match &*kind {
            TriggerKind::Http { verify, .. } | TriggerKind::Webhook { verify, .. } => verify.is_some(),
            TriggerKind::Every(_)
            | TriggerKind::Cron { .. }
            | TriggerKind::Event { .. }
            | TriggerKind::File { .. }
            | TriggerKind::Poll { .. } => {
                return;
            }
        };
        let Some(clause) = clauses.get("verify") else {
            let is_named_wrong = written.clauses.iter().any(|clause| similar(&clause.name.text, ["verify"]).is_some());
            if !declared && !is_named_wrong {
                self.unverified(written);
            }
            return;
        };
        match &clause.value {
            TriggerClauseValue::Expr(call) => {
                let (names, definitions) = (self.el.names, self.el.definitions);
                if let TriggerKind::Webhook { connection, .. } = &*kind {
                    self.foreign_verification(connection, call);
                }
                let written = crate::schema::verify_call(names, definitions, call, None, &mut self.el.problems);
                if let TriggerKind::Http { verify, .. } | TriggerKind::Webhook { verify, .. } = kind {
                    *verify = written;
                }
            }
            TriggerClauseValue::NoneBecause(reason) => {
                if let TriggerKind::Http { verify, .. } | TriggerKind::Webhook { verify, .. } = kind {
                    *verify = None;
                }
                if reason.as_ref().is_none_or(|reason| reason.text.trim().is_empty()) {
                    self.el.problems.push(
                        Diagnostic::new(Code::E0603, "`verify: none` needs a reason", clause.span, "says no why")
                            .help("write why nobody else can call it: `verify: none because \"only reachable from our own network\"`"),
                    );
                }
            }
            _ => {
                self.wrong_clause(clause, "write `verify: hmac_sha256(header: \"X-Signature\", secret: secret(\"…\"))`")
            }
        }
    }

    /// A webhook of one system that is verified as another one signs its own.
    fn foreign_verification(&mut self, connection: &str, call: &ast::Expr) {
        let names = self.el.names;
        let ast::ExprKind::Call { callee, .. } = &call.kind else { return };
        let ast::ExprKind::Member { of, name, .. } = &callee.kind else { return };
        let ast::ExprKind::Name(scheme) = &of.kind else { return };
        let Some(sender) = names.connections.get(connection).map(|one| one.connector.as_str()) else { return };
        let Some(info) = names.connectors.get(sender) else { return };
        if sender == scheme || !names.connectors.contains_key(scheme) {
            return;
        }
        let own: Vec<String> = info.schema.verifications.keys().map(|own| format!("`{sender}.{own}(…)`")).collect();
        let message = format!("`{scheme}.{}` is not how `{sender}` signs its webhooks", name.text);
        let problem =
            Diagnostic::new(Code::E0603, message, callee.span, "fits no delivery").label(info.span, "declared here");
        self.el.problems.push(match own.as_slice() {
            [] => problem.help(
                "leave `verify:` out, so that it is verified as the connector declares, or write `hmac_sha256(…)`",
            ),
            own => problem.help(format!("leave it out, or write {}", own.join(" or "))),
        });
    }

    fn unverified(&mut self, written: &ast::Trigger) {
        let head = match &written.source {
            TriggerSource::Http { path, .. } => Span { start: written.span.start, ..path.span },
            TriggerSource::Connection(path) => Span { start: written.span.start, ..path.span() },
            TriggerSource::Every(_)
            | TriggerSource::Cron { .. }
            | TriggerSource::Event(_)
            | TriggerSource::File(_)
            | TriggerSource::Missing => written.span,
        };
        let mut problem =
            Diagnostic::new(Code::E0603, "nobody checks who sends this webhook", head, "anyone can start the flow");
        if let Some(declared) = self.declared_trigger(written) {
            problem = problem.label(declared, "declared without `verify:`");
        }
        self.el.problems.push(problem.help(
            "add `verify: hmac_sha256(header: \"X-Signature\", secret: secret(\"…\"))`, a scheme of a connector, \
             or `verify: none because \"…\"`",
        ));
    }
}
