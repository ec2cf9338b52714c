//! Which expectations of a test do not hold?

use flow_model::{
    case::{Count, Expectation, Expected, Happened, Happening, Order, RunState, Target, contains},
    expr::Expr,
    failure::Failure,
    span::Span,
    value::Value,
};

use indexmap::IndexMap;

use super::{
    Made,
    world::{World, answer::fits},
};
use crate::machine::{Awaited, Outcome, Status};

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmet {
    /// Where it stands.
    pub span: Span,
    /// What was expected, in words.
    pub expected: String,
    /// What happened instead, in words.
    pub actual: String,
}

/// What does not hold, with its number among the expectations.
pub(super) fn unmet(world: &World<'_>, status: &Status) -> Vec<(usize, Unmet)> {
    let expectations = world.case.expectations.iter().enumerate();
    expectations.filter_map(|(index, expected)| Some((index, check(world, status, expected)?))).collect()
}

/// How often it was called or emitted what an expectation is about, to go forward: what takes something back is not
/// counted.
pub(super) fn made_of(world: &World<'_>, expected: &Expected) -> usize {
    let fits = |with: &Option<Expr>, value: &Value| {
        let pattern = with.as_ref().and_then(|with| world.eval(with).ok());
        pattern.is_none_or(|pattern| contains(value, &pattern))
    };
    match expected {
        Expected::Called { target, with, .. } => {
            let asked = asked(world, target).filter(|asked| fits(with, asked)).count();
            asked + calls(world, target).filter(|call| !call.is_undo && fits(with, &call.args)).count()
        }
        Expected::Emitted { event, with, .. } => emitted(world, event).filter(|content| fits(with, content)).count(),
        _ => 0,
    }
}

/// The contents of the events of a name.
fn emitted<'w>(world: &'w World<'_>, event: &str) -> impl Iterator<Item = &'w Value> {
    world.report.emitted.iter().filter(move |(name, _)| name == event).map(|(_, content)| content)
}

/// What was asked, where that is what an expectation is about.
fn asked<'w>(world: &'w World<'_>, target: &Target) -> impl Iterator<Item = &'w Value> {
    let is_it = *target == Target::Approve;
    world.report.asked.iter().filter(move |_| is_it)
}

/// The calls of an operation, without those that are there because of a fault alone.
fn calls<'w>(world: &'w World<'_>, target: &Target) -> impl Iterator<Item = &'w Made> {
    let made = world.report.calls.iter().filter(|call| !call.is_extra);
    made.filter(|call| fits(target, &call.connection, &call.operation))
}

fn check(world: &World<'_>, status: &Status, expectation: &Expectation) -> Option<Unmet> {
    let unmet = |expected: String, actual: String| Some(Unmet { span: expectation.span, expected, actual });
    let value = |expr: &Expr| world.eval(expr);
    match &expectation.what {
        Expected::Run { state, fields } => {
            let expected: Result<IndexMap<String, Value>, Failure> =
                fields.iter().map(|(name, field)| Ok((name.clone(), value(field)?))).collect();
            let expected = match expected {
                Ok(expected) => expected,
                Err(failure) => return unmet("a value".to_owned(), failure.message),
            };
            let holds = match (state, &world.report.outcome, status) {
                (RunState::Completed, Some(Outcome::Completed(_)), _)
                | (RunState::Failed(None), Some(Outcome::Failed { .. }), _) => true,
                (RunState::Failed(Some(kind)), Some(Outcome::Failed { failure, .. }), _) => {
                    let has = |name: &str, expected: &Value| match name {
                        "message" => expected.equals(&Value::String(failure.message.as_str().into())),
                        _ => contains(failure.fields.get(name).unwrap_or(&Value::Null), expected),
                    };
                    failure.kind == *kind && expected.iter().all(|(name, expected)| has(name, expected))
                }
                (RunState::NeedsDecision, None, Status::Undecided { .. }) => true,
                _ => false,
            };
            let words = match state {
                RunState::Completed => "the run completes".to_owned(),
                RunState::Failed(None) => "the run fails".to_owned(),
                RunState::Failed(Some(kind)) if expected.is_empty() => format!("the run fails with `{kind}`"),
                RunState::Failed(Some(kind)) => {
                    format!("the run fails with `{kind}` {}", Value::Record(expected).to_json())
                }
                RunState::NeedsDecision => "the run waits for a decision".to_owned(),
            };
            if holds { None } else { unmet(words, ended(world, status)) }
        }
        Expected::Result(pattern) => match (value(pattern), &world.report.outcome) {
            (Err(failure), _) => unmet("a value".to_owned(), failure.message),
            (Ok(pattern), Some(Outcome::Completed(result))) if contains(result, &pattern) => None,
            (Ok(pattern), Some(Outcome::Completed(result))) => {
                unmet(format!("the result has {}", pattern.to_json()), format!("it is {}", result.to_json()))
            }
            (Ok(pattern), _) => unmet(format!("the result has {}", pattern.to_json()), ended(world, status)),
        },
        Expected::Called { target, count, with } => {
            let pattern = match with.as_ref().map(value).transpose() {
                Ok(pattern) => pattern,
                Err(failure) => return unmet("arguments".to_owned(), failure.message),
            };
            let calls: Vec<&Value> = asked(world, target).chain(calls(world, target).map(|call| &call.args)).collect();
            let (expected, actual) = counted("called", &named(target), *count, &calls, pattern.as_ref())?;
            unmet(expected, actual)
        }
        Expected::Emitted { event, count, with } => {
            let pattern = match with.as_ref().map(value).transpose() {
                Ok(pattern) => pattern,
                Err(failure) => return unmet("a value".to_owned(), failure.message),
            };
            let emitted: Vec<&Value> = emitted(world, event).collect();
            let (expected, actual) = counted("emitted", &format!("`{event}`"), *count, &emitted, pattern.as_ref())?;
            unmet(expected, actual)
        }
        Expected::Never { what, order } => match violation(world, what, order.as_deref()) {
            Ok(None) => None,
            Ok(Some(actual)) => unmet(invariant(world, what, order.as_deref()), actual),
            Err(failure) => unmet("a condition".to_owned(), failure.message),
        },
        Expected::DeadLetter { queue, contains: pattern } => {
            let pattern = match pattern.as_ref().map(value).transpose() {
                Ok(pattern) => pattern,
                Err(failure) => return unmet("a value".to_owned(), failure.message),
            };
            let letters: Vec<&Value> =
                world.report.dead_letters.iter().filter(|(name, _)| name == queue).map(|(_, value)| value).collect();
            if letters.iter().any(|letter| pattern.as_ref().is_none_or(|pattern| contains(letter, pattern))) {
                return None;
            }
            let with = pattern.map(|pattern| format!(" with {}", pattern.to_json())).unwrap_or_default();
            let actual = match letters.as_slice() {
                [] => format!("`{queue}` is empty"),
                letters => format!(
                    "it has {}",
                    letters.iter().map(|letter| letter.to_json().to_string()).collect::<Vec<_>>().join(", ")
                ),
            };
            unmet(format!("`{queue}` has a dead letter{with}"), actual)
        }
        Expected::Responded { status: expected, body } => {
            let pattern = match body.as_ref().map(value).transpose() {
                Ok(pattern) => pattern,
                Err(failure) => return unmet("a value".to_owned(), failure.message),
            };
            let with = pattern.as_ref().map(|body| format!(" {}", body.to_json())).unwrap_or_default();
            let words = format!("the caller is told {expected}{with}");
            match &world.report.response {
                None => unmet(words, "nobody answered".to_owned()),
                Some(response) => {
                    let body_fits = pattern
                        .is_none_or(|pattern| response.body.as_ref().is_some_and(|body| contains(body, &pattern)));
                    if response.status == *expected && body_fits {
                        return None;
                    }
                    let body = response.body.as_ref().map(|body| format!(" {}", body.to_json())).unwrap_or_default();
                    unmet(words, format!("the answer is {}{body}", response.status))
                }
            }
        }
    }
}

/// The first call that should never have been made, in the light of others, in words.
fn violation(
    world: &World<'_>,
    what: &Happening,
    order: Option<&(Order, Happening)>,
) -> Result<Option<String>, Failure> {
    let all = happened(world, what)?;
    let said = |index: usize| {
        world.report.calls.get(index).map_or_else(String::new, |call| {
            let outcome = call.outcome.as_ref().err().map(|failure| format!(" → {}", failure.kind)).unwrap_or_default();
            format!(
                "call {} is `{}.{}` with {}{outcome}",
                index + 1,
                call.connection,
                call.operation,
                call.args.to_json()
            )
        })
    };
    let Some((order, other)) = order else { return Ok(all.first().map(|index| said(*index))) };
    let others = happened(world, other)?;
    for index in all {
        let against = others.iter().find(|other| match order {
            Order::After => **other < index,
            Order::Before => **other > index,
        });
        if let Some(against) = against {
            return Ok(Some(format!("{}, and {}", said(index.min(*against)), said(index.max(*against)))));
        }
    }
    Ok(None)
}

/// The numbers of the calls that fit, without those that are there because of a fault alone.
fn happened(world: &World<'_>, what: &Happening) -> Result<Vec<usize>, Failure> {
    let pattern = what.with.as_ref().map(|with| world.eval(with)).transpose()?;
    let mut found = Vec::new();
    for (index, call) in world.report.calls.iter().enumerate() {
        let became = match what.happened {
            Happened::Called => true,
            Happened::Succeeded => call.outcome.is_ok(),
            Happened::Failed => call.outcome.is_err(),
        };
        let is_it = became
            && !call.is_extra
            && fits(&what.target, &call.connection, &call.operation)
            && pattern.as_ref().is_none_or(|pattern| contains(&call.args, pattern));
        let holds = match &what.filter {
            Some(filter) if is_it => world.eval_of(filter, Some(&call.args))? == Value::Bool(true),
            _ => true,
        };
        if is_it && holds {
            found.push(index);
        }
    }
    Ok(found)
}

/// What an invariant says, in words.
fn invariant(world: &World<'_>, what: &Happening, order: Option<&(Order, Happening)>) -> String {
    let said = |happening: &Happening| {
        let verb = match happening.happened {
            Happened::Called => "called",
            Happened::Succeeded => "succeeded",
            Happened::Failed => "failed",
        };
        let with = happening.with.as_ref().and_then(|with| world.eval(with).ok());
        let with = with.map(|with| format!(" with {}", with.to_json())).unwrap_or_default();
        let filter = if happening.filter.is_some() { " where the condition holds" } else { "" };
        format!("{} {verb}{with}{filter}", named(&happening.target))
    };
    match order {
        None => format!("never {}", said(what)),
        Some((Order::After, other)) => format!("never {} after {}", said(what), said(other)),
        Some((Order::Before, other)) => format!("never {} before {}", said(what), said(other)),
    }
}

fn named(target: &Target) -> String {
    match target {
        Target::All => "any operation".to_owned(),
        Target::Operation { connection, operation } => format!("`{connection}.{operation}`"),
        Target::Approve => "`approve`".to_owned(),
        Target::Wait(event) => format!("`wait {event}`"),
    }
}

/// What was expected of how often something happens, and what happened, in words; none where it holds.
fn counted(verb: &str, name: &str, count: Count, all: &[&Value], pattern: Option<&Value>) -> Option<(String, String)> {
    let fitting = all.iter().filter(|one| pattern.is_none_or(|pattern| contains(one, pattern))).count();
    let holds = match count {
        Count::AtLeastOnce => fitting > 0,
        Count::Exactly(times) => fitting == times as usize,
    };
    if holds {
        return None;
    }
    let with = pattern.map(|pattern| format!(" with {}", pattern.to_json())).unwrap_or_default();
    Some((format!("{name} is {}{with}", times(verb, count)), made(verb, all, fitting, pattern)))
}

fn times(verb: &str, count: Count) -> String {
    match count {
        Count::AtLeastOnce => format!("{verb} at least once"),
        Count::Exactly(0) => format!("never {verb}"),
        Count::Exactly(1) => format!("{verb} once"),
        Count::Exactly(times) => format!("{verb} {times} times"),
    }
}

/// How often, and with what where that is the question.
fn made(verb: &str, all: &[&Value], fitting: usize, pattern: Option<&Value>) -> String {
    const MOST_SHOWN: usize = 3;
    let times = |count: usize| if count == 1 { "once".to_owned() } else { format!("{count} times") };
    match (all.len(), pattern) {
        (0, _) => format!("it is never {verb}"),
        (count, None) => format!("it is {verb} {}", times(count)),
        (count, Some(_)) => {
            let shown: Vec<_> = all.iter().take(MOST_SHOWN).map(|one| one.to_json().to_string()).collect();
            let more = if count > MOST_SHOWN { ", …" } else { "" };
            format!("it is {verb} {}, {} of them so: {}{more}", times(count), fitting, shown.join(", "))
        }
    }
}

/// How a run ends, in words.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed(value) => format!("the run completes with {}", value.to_json()),
        Outcome::Failed { failure, place } => {
            let at = place.as_ref().map(|place| format!(" at `{place}`")).unwrap_or_default();
            let fields = match failure.fields.is_empty() {
                true => String::new(),
                false => format!(" {}", Value::Record(failure.fields.clone()).to_json()),
            };
            format!("the run fails{at}: {failure}{fields}")
        }
        Outcome::Cancelled { reason } => format!("the run is cancelled: {reason}"),
    }
}

/// How the run of the test stands, in words.
pub(super) fn ended(world: &World<'_>, status: &Status) -> String {
    match (&world.report.outcome, status) {
        (Some(ended), _) => outcome(ended),
        (None, Status::Undecided { steps, .. }) => {
            let steps: Vec<_> =
                steps.iter().map(|(place, failure)| format!("`{place}` ({})", failure.message)).collect();
            format!("the run waits for a decision about {}", steps.join(", "))
        }
        (None, Status::Awaiting { what, .. }) => {
            let stub = what.iter().find_map(|(_, what)| match what {
                Awaited::Event(event) => Some(format!("`stub wait {event} returns {{ … }}`")),
                Awaited::Approval { .. } => Some("`stub approve returns { approved: true }`".to_owned()),
                Awaited::Run { .. } => None,
            });
            let stub = stub.map(|stub| format!("; say what comes, such as {stub}")).unwrap_or_default();
            let what: Vec<_> = what.iter().map(|(place, what)| format!("`{place}` waits for {what}")).collect();
            format!("the run does not end: {}{stub}", what.join(", "))
        }
        (None, _) => "the run does not end".to_owned(),
    }
}
