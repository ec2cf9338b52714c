//! One step as a line: mark, place, call, and how it stands.

use flow_model::units::Instant;
use flow_runtime::{journal::Waits, machine::Place};

use crate::ui::{CARE, HINT, QUIET, STRONG, WELL, WRONG, plain, styled, table::width, time::length};

/// The column that holds the places, and the one that holds the calls, where they are not longer.
const PLACES: usize = 18;
const CALLS: usize = 22;

/// A step that is not over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) place: Place,
    /// Connection and operation; none for what waits.
    pub(super) call: Option<(String, String)>,
    /// For what, where that is more than a time.
    pub(super) waits: Option<Waits>,
    pub(super) started_at: Instant,
    pub(super) attempt: u32,
    pub(super) stage: Stage,
}

/// What a step is doing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// It has not left yet.
    Queued,
    /// An attempt is under way.
    Calling,
    /// An attempt has failed, for that reason.
    Failing(String),
    /// It waits for that time; after a failure, for the next attempt.
    Waiting(Instant, Option<String>),
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Completed,
    Failed(String),
    Undecided(String),
    Dropped,
}

impl Step {
    /// The line of a step that is not over; `frame` turns the wheel.
    pub(super) fn line(&self, now: Instant, frame: usize) -> String {
        const WHEEL: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        let wheel = WHEEL.get(frame % WHEEL.len()).copied().unwrap_or("·");
        let since = length(now.since(self.started_at));
        match &self.stage {
            Stage::Queued => self.row(styled(QUIET, "·"), styled(QUIET, "waits for its turn")),
            Stage::Calling if self.attempt > 1 => {
                self.row(styled(HINT, wheel), format!("{since}, {}", styled(CARE, format!("attempt {}", self.attempt))))
            }
            Stage::Calling => self.row(styled(HINT, wheel), since),
            Stage::Failing(why) => self.row(styled(CARE, "↻"), format!("{since}, {}", plain(why))),
            Stage::Waiting(until, Some(why)) => {
                let next = format!("attempt {} in {}", self.attempt + 1, length(until.since(now)));
                self.row(styled(CARE, "↻"), format!("{} after {}", styled(CARE, next), plain(why)))
            }
            Stage::Waiting(until, None) => self.row(styled(HINT, "◷"), format!("{} left", length(until.since(now)))),
        }
    }

    /// The line that says that an attempt failed and another follows, for where nothing is drawn again.
    pub(super) fn retry(&self, until: Instant, why: &str, now: Instant) -> String {
        let next = format!("attempt {} in {}", self.attempt + 1, length(until.since(now)));
        self.row(styled(CARE, "↻"), format!("{next} after {}", plain(why)))
    }

    /// Says whether this is a sleep whose time has come: no message says so.
    pub(super) fn has_slept(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Waiting(until, None) if self.call.is_none() && until <= now)
    }

    /// The line of a step that is over, and a line with the reason if it failed.
    pub(super) fn ended(&self, end: &End, attempts: u32, at: Instant) -> String {
        let took = length(at.since(self.started_at));
        let tries = if attempts > 1 { format!(", {attempts} attempts") } else { String::new() };
        match end {
            End::Completed => self.row(styled(WELL, "✓"), format!("{took}{tries}")),
            End::Failed(why) => {
                format!(
                    "{}\n      {}",
                    self.row(styled(WRONG, "✗"), format!("{took}{tries}")),
                    styled(WRONG, plain(why))
                )
            }
            End::Undecided(why) => {
                format!("{}\n      {}", self.row(styled(CARE, "?"), format!("{took}{tries}")), styled(CARE, plain(why)))
            }
            End::Dropped => self.row(styled(QUIET, "-"), styled(QUIET, format!("{took}, no longer needed"))),
        }
    }

    fn row(&self, mark: String, rest: String) -> String {
        let place = self.place.to_string();
        let call = match &self.call {
            Some((connection, operation)) => format!("{connection}.{operation}"),
            None => match &self.waits {
                None | Some(Waits::Turn(_)) => "sleep".to_owned(),
                Some(Waits::Event(_)) => "wait".to_owned(),
                Some(Waits::Approval { .. }) => "approve".to_owned(),
                Some(Waits::Run { flow, .. }) => flow.clone(),
            },
        };
        let gap = |text: &str, column: usize| " ".repeat(column.saturating_sub(width(text)) + 2);
        let (to_call, to_rest) = (gap(&place, PLACES), gap(&call, CALLS));
        format!("  {mark} {}{to_call}{}{to_rest}{rest}", styled(STRONG, &place), styled(QUIET, &call))
    }
}
