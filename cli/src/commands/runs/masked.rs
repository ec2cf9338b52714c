//! What of a run do people see who need no names?
//!
//! In: a run with its values, and the plan that it is pinned to. Out: the same without what is marked `@pii`: the result,
//! the answer, the fields of errors and dead letters read `***` there. What `log` wrote was masked before it was kept.

use flow_model::{
    failure::Failure,
    mask::Mask,
    plan::{NodeKind, Plan},
    value::Value,
};
use flow_runtime::{
    machine::{Cause, Outcome, Place},
    store::RunDetail,
};

/// Hides what is personal. Without the plan nobody knows what is, so every value is hidden.
pub(super) fn masked(mut detail: RunDetail, plan: Option<&Plan>) -> RunDetail {
    let shown = |failure: Failure, place: &Place| failure.hiding(&at(place, plan));
    detail.summary.outcome = detail.summary.outcome.map(|outcome| match outcome {
        Outcome::Completed(value) => Outcome::Completed(result(plan).apply(value)),
        Outcome::Failed { failure, place } => {
            let failure = match &place {
                Some(place) => shown(failure, place),
                None => failure,
            };
            Outcome::Failed { failure, place }
        }
        Outcome::Cancelled { reason } => Outcome::Cancelled { reason },
    });
    if let Some(answer) = &mut detail.summary.answer {
        answer.body = answer.body.take().map(|body| answered(plan).apply(body));
    }
    for step in &mut detail.history.steps {
        step.failure = step.failure.take().map(|failure| shown(failure, &step.place));
    }
    for line in &mut detail.history.lines {
        line.failure = line.failure.take().map(|failure| shown(failure, &line.place));
    }
    for left in &mut detail.dead_letters {
        left.value = letter(std::mem::replace(&mut left.value, Value::Null), &left.place, plan);
        left.cause = left.cause.take().map(|left| cause(left, plan));
    }
    detail
}

/// What a dead letter of a run holds, without what is personal.
pub(in crate::commands) fn letter(value: Value, place: &Place, plan: Option<&Plan>) -> Value {
    at(place, plan).apply(value)
}

/// What a dead letter was left for, without what is personal.
pub(in crate::commands) fn cause(cause: Cause, plan: Option<&Plan>) -> Cause {
    Cause { failure: cause.failure.hiding(&at(&cause.place, plan)), ..cause }
}

fn at(place: &Place, plan: Option<&Plan>) -> Mask {
    plan.map_or_else(Mask::all, |plan| plan.personal_at(&place.path))
}

fn result(plan: Option<&Plan>) -> Mask {
    plan.map_or_else(Mask::all, Plan::personal_result)
}

/// What is personal in any of the answers that the flow may give.
fn answered(plan: Option<&Plan>) -> Mask {
    let Some(plan) = plan else { return Mask::all() };
    let answers = plan.graph.node_weights().filter(|node| matches!(node.kind, NodeKind::Respond { .. }));
    answers.filter_map(|node| plan.personal.get(&node.path)).fold(Mask::default(), Mask::join)
}
