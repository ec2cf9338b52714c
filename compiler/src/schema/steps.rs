//! Operations with a body in Flow: what do they do to the system?
//!
//! In: the body as written. Out: the operation, with the effect that follows from those that it calls, the gravest one. What
//! the body means is checked where flows are lowered.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    schema::{Call, Effect, Operation},
    span::Span,
    ty::Type,
};

use super::{Context, operation::effect_written};
use crate::{
    ast::{self, Block, ExprKind},
    names::{chain, walk},
};

/// Completes an operation that has a body.
pub(super) fn operation(
    context: &Context<'_, '_>,
    written: &ast::Operation,
    body: &Block,
    mut operation: Operation,
    problems: &mut Vec<Diagnostic>,
) -> Operation {
    let wrong = |message: String, span: Span, label: &str, help: &str| {
        Diagnostic::new(Code::E0528, message, span, label).help(help)
    };
    let name = written.name.text();
    if let (Type::Stream(_), Some(result)) = (&operation.result, &written.result) {
        let help = "declare a list, and collect what the body goes through: `step all = found.collect(max: 1_000)`";
        problems.push(wrong(format!("`{name}` has a body and can't give a stream"), result.span, "a stream", help));
    }
    if let Some(ty) = written.types.first() {
        let help = "name the types that the body works with";
        problems.push(wrong(
            format!("`{name}` has a body and leaves no types to its caller"),
            ty.span,
            "not known here",
            help,
        ));
    }
    let mut way = vec![name.clone()];
    let mut circle = None;
    operation.effect = effect(context, body, &mut way, &mut circle);
    if let Some(span) = circle {
        let help = "a run would never end: to try again until something holds, write `repeat`";
        problems.push(wrong(format!("`{name}` calls itself"), span, "calls it again", help));
    }
    operation.call = Call::Body;
    operation
}

/// The gravest effect of what a body calls.
fn effect(context: &Context<'_, '_>, body: &Block, way: &mut Vec<String>, circle: &mut Option<Span>) -> Effect {
    let mut calls = Calls(Vec::new());
    walk::block(body, &mut calls);
    let info = context.names.connectors.get(context.connector);
    let mut gravest = Effect::Read;
    for (name, span) in calls.0 {
        if way.first() == Some(&name) {
            circle.get_or_insert(span);
        }
        let written = info.and_then(|info| info.ast.operations.iter().find(|written| written.name.text() == name));
        let found = match written {
            Some(ast::Operation { body: Some(_), .. }) if way.contains(&name) => continue,
            Some(ast::Operation { body: Some(body), .. }) => {
                way.push(name);
                effect(context, body, way, circle)
            }
            Some(written) => effect_written(written).unwrap_or(Effect::Create),
            None => continue,
        };
        if grave(found) > grave(gravest) {
            gravest = found;
        }
    }
    gravest
}

fn grave(effect: Effect) -> u8 {
    match effect {
        Effect::Read => 0,
        Effect::Idempotent => 1,
        Effect::Create => 2,
        Effect::Destroy => 3,
    }
}

/// The operations that steps name, with the places.
struct Calls(Vec<(String, Span)>);

impl<'a> walk::Visitor<'a> for Calls {
    fn step(&mut self, step: &'a ast::Step) {
        if let ExprKind::Call { callee, .. } = &step.call.kind
            && let Some(path) = chain(callee)
        {
            self.0.push((path.text(), callee.span));
        }
    }
}
