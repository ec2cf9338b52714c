//! What is happening right now? For live display; the journal is what counts.

use flow_model::{
    failure::{ErrorKind, Failure},
    units::Instant,
};

use super::{RunId, RunState};
use crate::{
    machine::{Place, Record},
    observe::Trace,
};

/// Something that has happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The run.
    pub run: RunId,
    /// Its flow.
    pub flow: String,
    /// Its trace.
    pub trace: Trace,
    /// When.
    pub at: Instant,
    /// What.
    pub what: Happening,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// The run began.
    RunStarted,
    /// A step is to be performed.
    StepStarted {
        /// The step.
        place: Place,
        /// The connection.
        connection: String,
        /// The operation.
        operation: String,
    },
    /// An attempt leaves now.
    AttemptStarted {
        /// The step.
        place: Place,
        /// Counts from 1.
        attempt: u32,
    },
    /// An attempt has failed; what follows comes next.
    AttemptFailed {
        /// The step.
        place: Place,
        /// Counts from 1.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// A step has its result.
    StepCompleted {
        /// The step.
        place: Place,
        /// How many attempts it took.
        attempts: u32,
    },
    /// A step is over, with all its attempts and waits.
    StepOver {
        /// The step.
        place: Place,
        /// The connection.
        connection: String,
        /// The operation.
        operation: String,
        /// When it was to be performed.
        began: Instant,
        /// What came of it.
        ended: StepEnd,
    },
    /// The machine has concluded something: a wait, a failed step, a line, the answer, the end.
    Concluded(Record),
    /// The run now stands so, after all of the above.
    Standing(RunState),
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It has its result.
    Completed,
    /// It has failed with this kind.
    Failed(ErrorKind),
    /// Nobody waits for it any more.
    Dropped,
}
