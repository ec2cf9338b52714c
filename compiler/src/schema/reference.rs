//! Which operation of the same connector does a declaration call?
//!
//! In: `contacts.find(email: email)` after `lookup(…)`, `undo:` and in `webhooks { … }`, or the name alone. Out: the
//! operation with a value for each of its parameters.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    schema::{Operation, OperationCall},
    span::Span,
};

use super::{Context, Template};
use crate::{
    ast::{self, ExprKind},
    names::{chain, similar},
};

/// The operation that a name stands for.
pub(super) fn operation_named<'n>(
    context: &Context<'_, 'n>,
    written: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Option<(String, Operation)> {
    if matches!(written.kind, ExprKind::Missing) {
        return None;
    }
    let info = context.names.connectors.get(context.connector)?;
    let Some(path) = chain(written) else {
        problems.push(wrong("this is no operation", written.span, "not a name", "name an operation: `contacts.find`"));
        return None;
    };
    let name = path.text();
    if let Some(operation) = info.schema.operations.get(&name) {
        if !operation.types.is_empty() {
            let message = format!("`{name}` leaves the type of its answer to its caller");
            let help = "name an operation without `<…>`: a declaration can't give it a type";
            problems.push(wrong(&message, path.span(), "takes types", help));
            return None;
        }
        return Some((name, operation.clone()));
    }
    let message = format!("`{}` has no operation `{name}`", context.connector);
    let help = match similar(&name, info.schema.operations.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name an operation that this connector declares".to_owned(),
    };
    problems.push(wrong(&message, path.span(), "not declared here", &help));
    None
}

/// A call of an operation; `template` is what its arguments see. `what` names the property, and `example` shows it.
pub(super) fn operation_call(
    context: &Context<'_, '_>,
    template: &mut Template<'_>,
    what: &str,
    written: &ast::Expr,
    example: &str,
    problems: &mut Vec<Diagnostic>,
) -> Option<(OperationCall, Operation)> {
    let (callee, args) = match &written.kind {
        ExprKind::Missing => return None,
        ExprKind::Call { callee, args, .. } => (callee, args),
        _ => {
            let help = format!("write `{example}`");
            problems.push(wrong(&format!("`{what}` calls an operation"), written.span, "not a call", &help));
            return None;
        }
    };
    let (name, operation) = operation_named(context, callee, problems)?;
    let declared = context.names.connectors.get(context.connector).and_then(|info| info.operations.get(&name));
    let args = template.call(context, &format!("`{name}`"), callee.span, declared, written.span, args, &operation)?;
    Some((OperationCall { operation: name, args }, operation))
}

/// Reports a call that a declaration can't make.
pub(super) fn wrong(message: &str, span: Span, label: &str, help: &str) -> Diagnostic {
    Diagnostic::new(Code::E0521, message, span, label).help(help)
}
