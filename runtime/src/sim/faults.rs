//! Which faults does a test not survive?
//!
//! In: a test that passes. Out: how many schedules were tried, and the shortest one under which an expectation breaks. Each
//! schedule is one fault: the process ends before or after one of the writes of the journal, the answer of a call is lost,
//! a call fails once with one of the errors that its operation has, or the event that starts the run comes twice.
//!
//! What has to hold: a crash, a lost answer, a repeated event and an error that is retried change nothing, so every
//! expectation holds; a call that is repeated because of the fault counts once, since whoever is called knows it by its key.
//! Where an error ends a step, the flow may fail with it or deal with it in its own way. Then it has to end, and what the
//! test expects at most still holds: what is `called never` or `3 times` is not called more often.

use std::{fmt, str::FromStr, sync::Arc};

use flow_model::{
    case::{Case, Count, Expected, RunState},
    failure::ErrorKind,
    plan::{Plan, TriggerKind},
    schema::{Connector, Operation},
};

use super::{Report, Unmet, run_under};
use crate::{
    eval::Library,
    machine::{Outcome, Status},
};

/// How many schedules are tried for one test.
const MOST: usize = 2_000;

/// Something that goes wrong once. Writes and calls are counted from 1, over the run and those that it begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process ends before a write of the journal: what led to it has happened and is not recorded.
    CrashBefore(usize),
    /// The process ends after a write, before anything that follows from it is done.
    CrashAfter(usize),
    /// A call does what it does, and its answer is lost.
    Lost(usize),
    /// A call fails with that error, and does nothing.
    Fails(usize, ErrorKind),
    /// The event that starts the run comes a second time.
    Twice,
}

/// Writes `crash-before:3`, `lost:2`, `RateLimited:2`, `twice`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrashBefore(write) => write!(f, "crash-before:{write}"),
            Self::CrashAfter(write) => write!(f, "crash-after:{write}"),
            Self::Lost(call) => write!(f, "lost:{call}"),
            Self::Fails(call, kind) => write!(f, "{kind}:{call}"),
            Self::Twice => f.write_str("twice"),
        }
    }
}

/// Text that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a fault: they are `crash-before:N` and `crash-after:N` (the write of the journal), `lost:N` and `Kind:N` \
     (the call), and `twice`"
)]
pub struct NoFault(String);

impl FromStr for Fault {
    type Err = NoFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NoFault(text.chars().take(60).collect());
        if text == "twice" {
            return Ok(Self::Twice);
        }
        let (what, number) = text.split_once(':').ok_or_else(wrong)?;
        let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        match what {
            "crash-before" => Ok(Self::CrashBefore(number)),
            "crash-after" => Ok(Self::CrashAfter(number)),
            "lost" => Ok(Self::Lost(number)),
            kind if kind.starts_with(|first: char| first.is_ascii_uppercase()) => {
                let kind = kind.parse().map_err(|_| wrong())?;
                Ok(Self::Fails(number, kind))
            }
            _ => Err(wrong()),
        }
    }
}

/// What faults showed of a test.
#[derive(Clone, Debug)]
pub struct Faulted {
    /// How many schedules were tried.
    pub tried: usize,
    /// How many there are.
    pub possible: usize,
    /// Under how many of them an expectation breaks.
    pub failing: usize,
    /// The fault with the shortest story of those, and its report.
    pub shortest: Option<(Fault, Report)>,
}

/// Runs a test under each fault. It has to pass without.
pub fn explore(case: &Case, plan: &Arc<Plan>, plans: &[Arc<Plan>], library: &Library) -> Faulted {
    let calm = run_under(case, plan, plans, library, None);
    let all = possible(case, plan, plans, &calm);
    let possible = all.len();
    // Where there are too many, some of each part of the story.
    let step = possible.div_ceil(MOST).max(1);
    let mut faulted = Faulted { tried: 0, possible, failing: 0, shortest: None };
    for fault in all.into_iter().step_by(step) {
        let report = run_under(case, plan, plans, library, Some(&fault));
        faulted.tried += 1;
        if report.has_passed() {
            continue;
        }
        faulted.failing += 1;
        let shortest = faulted.shortest.as_ref().map_or(usize::MAX, |(_, report)| report.trace.len());
        if report.trace.len() < shortest {
            faulted.shortest = Some((fault, report));
        }
    }
    faulted
}

/// All faults that can meet a test that went so.
fn possible(case: &Case, plan: &Plan, plans: &[Arc<Plan>], calm: &Report) -> Vec<Fault> {
    let mut faults = Vec::new();
    for write in 1..=calm.writes {
        faults.extend([Fault::CrashBefore(write), Fault::CrashAfter(write)]);
    }
    for (made, number) in calm.calls.iter().zip(1..) {
        if made.outcome.is_ok() {
            faults.push(Fault::Lost(number));
        }
        let plans = plans.iter().map(|plan| &**plan).chain([plan]);
        let kinds = plans.filter_map(|plan| declared(plan, &made.connection, &made.operation)).next();
        faults.extend(kinds.into_iter().flatten().map(|kind| Fault::Fails(number, kind)));
    }
    let trigger = case.trigger.and_then(|index| plan.triggers.get(index));
    if trigger.is_some_and(|trigger| matches!(trigger.kind, TriggerKind::Http { .. } | TriggerKind::Webhook { .. })) {
        faults.push(Fault::Twice);
    }
    faults
}

/// The errors that an operation can answer with.
fn declared(plan: &Plan, connection: &str, operation: &str) -> Option<Vec<ErrorKind>> {
    let connector: &Connector = plan.connectors.get(&plan.connections.get(connection)?.connector)?;
    let operation: &Operation = connector.operations.get(operation)?;
    let mut kinds = connector.kinds_of(operation);
    // That no answer came is a fault of its own, and one that does not fit comes from a system that is not as declared.
    kinds.retain(|kind| !matches!(kind, ErrorKind::Timeout | ErrorKind::Mismatch));
    Some(kinds)
}

/// Leaves of what does not hold that which must, when an error of that kind has ended a step.
pub(super) fn lawful(
    case: &Case,
    unmet: Vec<(usize, Unmet)>,
    ended_by: &ErrorKind,
    outcome: Option<&Outcome>,
    status: &Status,
    made: impl Fn(&Expected) -> usize,
) -> Vec<Unmet> {
    let must = |index: usize| match case.expectations.get(index).map(|expectation| &expectation.what) {
        Some(Expected::Never { .. }) => true,
        Some(Expected::Run { state: expected, .. }) => !may_end(expected, ended_by, outcome, status),
        Some(
            expected @ (Expected::Called { count: Count::Exactly(most), .. }
            | Expected::Emitted { count: Count::Exactly(most), .. }),
        ) => made(expected) > *most as usize,
        Some(
            Expected::Called { count: Count::AtLeastOnce, .. }
            | Expected::Emitted { count: Count::AtLeastOnce, .. }
            | Expected::Result(_)
            | Expected::DeadLetter { .. }
            | Expected::Responded { .. },
        ) => false,
        None => true,
    };
    unmet.into_iter().filter(|(index, _)| must(*index)).map(|(_, unmet)| unmet).collect()
}

/// Says whether a run may end so that was expected to end in another way.
fn may_end(expected: &RunState, ended_by: &ErrorKind, outcome: Option<&Outcome>, status: &Status) -> bool {
    match outcome {
        Some(Outcome::Completed(_) | Outcome::Cancelled { .. }) => true,
        Some(Outcome::Failed { failure, .. }) => {
            // What the program declares it says on purpose.
            failure.kind == *ended_by || matches!(failure.kind, ErrorKind::Declared(_))
        }
        None => *expected == RunState::NeedsDecision && matches!(status, Status::Undecided { .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_as_they_are_read() {
        let faults = [
            Fault::CrashBefore(1),
            Fault::CrashAfter(12),
            Fault::Lost(3),
            Fault::Fails(2, ErrorKind::RateLimited),
            Fault::Fails(2, ErrorKind::Declared("CardDeclined".into())),
            Fault::Twice,
        ];
        for fault in faults {
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault);
        }
        for wrong in ["", "lost", "lost:", "lost:0", "lost:-1", "crash:1", "twice:1", "odd:3"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
