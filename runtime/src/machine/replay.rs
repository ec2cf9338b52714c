//! Does a journal give the same run again?

use std::{collections::VecDeque, sync::Arc};

use flow_model::{plan::Plan, units::Instant};

use super::{Action, Event, Machine, Record};
use crate::eval::Library;

/// A journal and the machine disagree: the journal was written by another version, or was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entry {entry} of the journal does not follow from those before it: {message}")]
pub struct Diverged {
    /// The entry, counted from 0.
    pub entry: usize,
    /// What the two say.
    pub message: String,
}

/// What an entry of a journal says.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Said {
    /// Something happened.
    Event(Event),
    /// The machine concluded something.
    Record(Record),
}

/// Applies the events of a journal to a new machine, and compares what it concludes with the journal's records.
///
/// # Errors
/// Says which entry does not follow.
pub fn replay<'e>(
    run: &str,
    plan: Arc<Plan>,
    library: Library,
    entries: impl IntoIterator<Item = (Instant, &'e Said)>,
) -> Result<Machine, Diverged> {
    let mut replay = Replay::new(run, plan, library);
    for (at, said) in entries {
        replay.push(at, said)?;
    }
    replay.end()
}

/// A replay under way, which sees one entry at a time: a long journal need not be in memory as a whole.
pub(crate) struct Replay {
    machine: Machine,
    /// What has to come next.
    concluded: VecDeque<Record>,
    count: usize,
}

impl Replay {
    pub(crate) fn new(run: &str, plan: Arc<Plan>, library: Library) -> Self {
        Self::after(Machine::new(run, plan, library), 0)
    }

    /// A replay of what comes after so many entries.
    pub(crate) fn after(machine: Machine, count: usize) -> Self {
        Self { machine, concluded: VecDeque::new(), count }
    }

    /// The machine as far as it has come.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When it does not follow; the replay is of no more use then.
    pub(crate) fn push(&mut self, at: Instant, said: &Said) -> Result<(), Diverged> {
        let entry = self.count;
        self.count += 1;
        match (said, self.concluded.pop_front()) {
            (Said::Event(event), None) => self.concluded.extend(records(self.machine.apply(event, at))),
            (Said::Record(record), Some(expected)) if *record == expected => {}
            (said, expected) => {
                let expected = expected.map_or("an event".to_owned(), |record| brief(&Said::Record(record)));
                return Err(Diverged { entry, message: format!("it should be {expected} and is {}", brief(said)) });
            }
        }
        Ok(())
    }

    /// The machine, when the journal is at its end.
    ///
    /// # Errors
    /// When something is missing.
    pub(crate) fn end(mut self) -> Result<Machine, Diverged> {
        let missing = |record| format!("{} is missing", brief(&Said::Record(record)));
        match self.concluded.pop_front() {
            None => Ok(self.machine),
            Some(record) => Err(Diverged { entry: self.count, message: missing(record) }),
        }
    }
}

/// What an entry is about, without the data in it.
fn brief(said: &Said) -> String {
    match said {
        Said::Event(_) => "an event".to_owned(),
        Said::Record(record) => match record {
            Record::Scheduled { place, .. } => format!("the start of `{place}`"),
            Record::Waits { place, until } => format!("the wait of `{place}` until {until}"),
            Record::StepFailed { place, failure } => format!("the failure of `{place}` with {}", failure.kind),
            Record::Undecided { place, .. } => format!("the doubt about `{place}`"),
            Record::Dropped { place } => format!("the end of `{place}`"),
            Record::PassedOver { place, .. } => format!("the failure passed over at `{place}`"),
            Record::Responded(_) => "the answer".to_owned(),
            Record::Logged { place, .. } => format!("the line of `{place}`"),
            Record::Observed { place, .. } => format!("what `{place}` saw"),
            Record::DeadLettered { place, .. } => format!("the dead letter of `{place}`"),
            Record::Emitted { place, .. } => format!("the event of `{place}`"),
            Record::Listens { place, .. } => format!("the wait of `{place}` for an event"),
            Record::Asked { place, .. } => format!("the question of `{place}`"),
            Record::Called { place, .. } => format!("the call of a flow at `{place}`"),
            Record::Undoing { place: Some(place), .. } => format!("the undoing of `{place}`"),
            Record::Undoing { place: None, .. } => "the undoing of the run".to_owned(),
            Record::UndoFailed { place, .. } => format!("the failure to undo at `{place}`"),
            Record::Ended(_) => "the end of the run".to_owned(),
        },
    }
}

fn records(actions: Vec<Action>) -> impl Iterator<Item = Record> {
    actions.into_iter().filter_map(|action| match action {
        Action::Record(record) => Some(record),
        Action::Perform(_) | Action::Abort(_) | Action::Wake { .. } | Action::Begin(_) | Action::Cancel { .. } => None,
    })
}
