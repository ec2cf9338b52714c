//! How often is a call tried, and may it be?
//!
//! In: the policies of step, connection and connector. Out: the one in force, and a problem when it would repeat a call
//! that is not safe to repeat. Without a policy, what is safe is tried again and what is not is tried once.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    plan::{DEFAULT_TIMEOUT, Policy, Retry},
    schema::{Effect, Operation},
    span::Span,
};

use super::lower::Lowering;
use crate::{ast, names::ConnectorInfo};

/// The policy of a call, and the place that makes it retry, if one does.
pub(super) fn in_force(
    lowering: &mut Lowering<'_>,
    step: &ast::Step,
    connection: &str,
    operation: &Operation,
) -> (Policy, Option<Span>) {
    // What stands on the step that calls an operation with a body goes for the steps of the body, and theirs before it.
    let around = lowering.within.iter().flat_map(|within| &within.with);
    let with: Vec<_> = around.chain(&step.with).cloned().collect();
    of(lowering, &with, connection, operation)
}

/// The same of a call with these `with` clauses.
pub(super) fn of(
    lowering: &mut Lowering<'_>,
    with: &[ast::PolicyUse],
    connection: &str,
    operation: &Operation,
) -> (Policy, Option<Span>) {
    let names = lowering.el.names;
    let (own, own_span) = names.policy(with, &mut lowering.el.problems);
    let below = names.connections.get(connection);
    let (theirs, their_span) = below.map_or((Policy::default(), None), |info| (info.policy.clone(), info.retry_span));
    let span = if own.retry.is_some() { own_span } else { their_span };
    let merged = crate::schema::over(&own, &theirs);
    let standard = if operation.is_retriable() { Retry::standard() } else { Retry::none() };
    // Without a place nobody wrote it: a connector's default holds for what is safe to repeat.
    let retry = match (merged.retry, span) {
        (Some(retry), Some(_)) => retry,
        (Some(retry), None) if operation.is_retriable() => retry,
        _ => standard,
    };
    let timeout = Some(merged.timeout.unwrap_or(DEFAULT_TIMEOUT));
    (Policy { timeout, retry: Some(retry), breaker: merged.breaker, budget: merged.budget }, span)
}

/// Reports a call that would be repeated and is not safe to.
pub(super) fn check(
    lowering: &mut Lowering<'_>,
    policy: &Policy,
    retries: Span,
    step: &ast::Step,
    connection: &str,
    info: &ConnectorInfo<'_>,
    name: &str,
) {
    let Some(operation) = info.schema.operations.get(name) else { return };
    let times = policy.retry.as_ref().map_or(0, |retry| retry.times);
    if times == 0 || operation.is_retriable() {
        return;
    }
    let what = match operation.effect {
        Effect::Destroy => "takes something away, or does what can't be undone, on each call",
        Effect::Read | Effect::Idempotent | Effect::Create => "creates something new on each call, and sends no key",
    };
    let retried = if times == 1 { "retries once".to_owned() } else { format!("retries {times} times") };
    let mut problem = Diagnostic::new(
        Code::E0601,
        format!("`{connection}.{name}` would be retried but is not safe to repeat"),
        step.call.span,
        what,
    )
    .label(retries, retried);
    if let Some(effect) = info.operations.get(name).and_then(|spans| spans.effect) {
        problem = problem.label(effect, "declared here, without `key:`");
    }
    let mut own = step.with.iter().filter_map(|used| match &used.what {
        ast::PolicyUseWhat::Inline(entries) => entries.iter().rfind(|entry| entry.name.text == "retry"),
        ast::PolicyUseWhat::Named(_) => None,
    });
    if let Some(retry) = own.next_back() {
        let edit = Edit { span: retry.span, text: "retry: none".to_owned() };
        lowering.el.problems.push(
            problem
                .help("leave `retry` out here: what is not safe to repeat is tried once, unless its connector declares a `key:`")
                .fix("write `retry: none`", vec![edit]),
        );
        return;
    }
    // A later `with` goes before an earlier one, so this works whatever stands there.
    let end = step.with.last().map_or(step.call.span, |used| used.span).end;
    let place = Span { start: end, end, ..step.call.span };
    lowering.el.problems.push(
        problem
            .help("retry nothing here: add `with { retry: none }` to the step")
            .fix("add `with { retry: none }`", vec![Edit { span: place, text: " with { retry: none }".to_owned() }]),
    );
}
