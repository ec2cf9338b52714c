//! What happens to a run, and what follows from it.
//!
//! Events are the run's only input: the journal holds them, and applying them in their order to a new machine gives the
//! same run again. Records are what the machine concludes; they are journaled beside the events so that people can read a
//! history without running it, and so that a replay can be compared with what was concluded then.

use std::collections::BTreeMap;

use flow_model::{
    failure::Failure,
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};
use serde::{Deserialize, Serialize};

use super::Place;
use crate::{
    connector::{Reached, Terms},
    observe::Trace,
};

/// What happened. Each is journaled before anything that follows from it is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The run was accepted.
    Started(Start),
    /// An attempt of a call that is not safe to repeat is about to leave.
    Began {
        /// The step.
        place: Place,
        /// Counts from 1.
        attempt: u32,
    },
    /// An attempt has ended.
    Attempted {
        /// The step.
        place: Place,
        /// Counts from 1.
        attempt: u32,
        /// Its result.
        outcome: Result<Value, Failure>,
        /// Whether the call can have taken effect.
        reached: Reached,
        /// The least wait that the server asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<Millis>,
        /// A random number, drawn by the host: the jitter of the wait that follows a failure.
        draw: u32,
        /// Whether it was let through to see whether the system works again: a failure then is none of the attempts that
        /// the policy counts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        probe: bool,
    },
    /// An attempt may not leave yet.
    Held {
        /// The step.
        place: Place,
        /// Counts from 1.
        attempt: u32,
        /// When it asks again.
        until: Instant,
        /// What it waits for, in words.
        because: String,
    },
    /// The process ended while an attempt of a call that is not safe to repeat was under way.
    Lost {
        /// The step.
        place: Place,
        /// Counts from 1.
        attempt: u32,
    },
    /// A timer is due.
    Fired {
        /// The step or `sleep` that waits.
        place: Place,
    },
    /// The run's deadline has passed.
    Expired,
    /// The clock was set while a process lives: what lasts a while lasts as long all the same.
    ClockSet {
        /// When the process began.
        life: Instant,
        /// By how much the clock has been set in its life, in milliseconds: forward less backward.
        total: i64,
        /// By how much of that the run does not know yet.
        by: i64,
    },
    /// Someone cancelled the run.
    Cancelled {
        /// Why, in words.
        reason: String,
    },
    /// Someone decided about a step whose outcome is not known.
    Resolved {
        /// The step.
        place: Place,
        /// What is to be done.
        decision: Decision,
    },
    /// An event came that a `wait` waits for.
    Received {
        /// The `wait`.
        place: Place,
        /// The event.
        value: Value,
    },
    /// Someone decided about an `approve`.
    Decided {
        /// The `approve`.
        place: Place,
        /// What they say.
        verdict: Verdict,
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What they say besides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The run of another flow, which this one called, is over.
    Returned {
        /// The call.
        place: Place,
        /// How it ended.
        outcome: Outcome,
    },
}

impl Event {
    /// The place that it is about; none for what is about the run as a whole.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Began { place, .. }
            | Self::Attempted { place, .. }
            | Self::Held { place, .. }
            | Self::Lost { place, .. }
            | Self::Fired { place }
            | Self::Resolved { place, .. }
            | Self::Received { place, .. }
            | Self::Decided { place, .. }
            | Self::Returned { place, .. } => Some(place),
            Self::Started(_) | Self::Expired | Self::ClockSet { .. } | Self::Cancelled { .. } => None,
        }
    }
}

/// What someone says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Refused,
}

/// How a run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The version of the interpreter that the run began with; it goes on by the rules of that one.
    #[serde(default = "first")]
    pub version: u32,
    /// Which of the plan's triggers; none when it was started with parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<usize>,
    /// The trigger's payload, or the record of parameters.
    pub payload: Value,
    /// The environment variables that the body reads and that are set: a run sees the same ones to its end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The trace that the run continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// Random letters, drawn by the host, of which `uuid()` and `random()` are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// What the idempotency keys of its calls are made of, where that is not its id: it follows from the event that started
    /// it, so that one which comes again when nobody remembers it leads to the same keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// That it does again what another run did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
}

impl Default for Start {
    /// Of this version, without a trigger and a payload.
    fn default() -> Self {
        let (version, payload, env) = (super::VERSION, Value::Null, BTreeMap::new());
        Self { version, trigger: None, payload, env, seed: None, trace: None, keys: None, again: None }
    }
}

/// The version of those that did not write it down.
fn first() -> u32 {
    1
}

/// That a run does again what another run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Again {
    /// The other run.
    pub run: String,
    /// From which step on; what the other run did besides that and what followed from it is kept.
    pub from: String,
    /// What the idempotency keys of the other run are made of, as its calls have them, so that what took effect there takes
    /// none again. Without that it has its own, and all calls are new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// When it began.
    pub at: Instant,
    /// The runs that the other run called, by place: where one is called again with the same keys, it does the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub called: BTreeMap<String, String>,
}

/// What is to be done about a step whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// The call did not take effect: make it.
    Retry,
    /// The call took effect, and this was its result.
    Result(Value),
    /// The run goes on as if the step had failed with this.
    Fail(Failure),
}

/// What the machine concludes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A step is to be performed.
    Scheduled {
        /// The step.
        place: Place,
        /// The connection.
        connection: String,
        /// The operation.
        operation: String,
        /// Whether a call may be repeated.
        repeat: Repeat,
    },
    /// A step or `sleep` waits for a time.
    Waits {
        /// The step or `sleep`.
        place: Place,
        /// Until when.
        until: Instant,
    },
    /// A step is over without a result.
    StepFailed {
        /// The step.
        place: Place,
        /// Why.
        failure: Failure,
    },
    /// A step's outcome is not known, and nothing in the program deals with that.
    Undecided {
        /// The step.
        place: Place,
        /// What is known.
        failure: Failure,
    },
    /// A step is no longer needed, because its run or branch has ended.
    Dropped {
        /// The step or `sleep`.
        place: Place,
    },
    /// A failure did no harm, because the program says so: `optional`, `on error skip`.
    PassedOver {
        /// Where.
        place: Place,
        /// What.
        failure: Failure,
    },
    /// The caller of the webhook has its answer.
    Responded(Response),
    /// `log`
    Logged {
        /// Where.
        place: Place,
        /// The line.
        text: String,
    },
    /// `now()`, `uuid()`, `random()`: what the program saw.
    Observed {
        /// Where.
        place: Place,
        /// What.
        value: Value,
    },
    /// `dead_letter`
    DeadLettered {
        /// Where.
        place: Place,
        /// The queue.
        queue: String,
        /// What is kept.
        value: Value,
        /// What it was left for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// `emit`
    Emitted {
        /// Where.
        place: Place,
        /// The event's name.
        event: String,
        /// Its content.
        value: Value,
    },
    /// A `wait` waits for an event.
    Listens {
        /// The `wait`.
        place: Place,
        /// The event's name.
        event: String,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Instant>,
    },
    /// An `approve` waits for a person.
    Asked {
        /// The `approve`.
        place: Place,
        /// What is asked.
        question: String,
        /// Who is asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Instant>,
    },
    /// Another flow is called.
    Called {
        /// The call.
        place: Place,
        /// The flow.
        flow: String,
        /// Its run.
        run: String,
    },
    /// What steps have done is being undone.
    Undoing {
        /// The `saga` or `race`; none for the run as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
        /// Why, in words.
        because: String,
    },
    /// What a step has done could not be undone.
    UndoFailed {
        /// Where in the step's `undo`.
        place: Place,
        /// Why.
        failure: Failure,
    },
    /// The run is over.
    Ended(Outcome),
}

/// What a dead letter was left for: what the `catch` has caught in which `dead_letter` stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// What was caught.
    pub failure: Failure,
    /// Where it came from.
    pub place: Place,
    /// The connection that was called there, where it was a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
}

/// Whether a call may be made again without doing more than once what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repeat {
    /// Reads, idempotent calls and those that take a key.
    Safe,
    /// All others.
    Unsafe,
}

/// What `respond` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// With a value.
    Completed(Value),
    /// With a failure that nothing caught.
    Failed {
        /// Why.
        failure: Failure,
        /// Where; none for the run as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
    },
    /// By someone's wish.
    Cancelled {
        /// Why, in words.
        reason: String,
    },
}

/// What the host has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Journal this, before any other action of the same event is carried out.
    Record(Record),
    /// Make an attempt.
    Perform(Box<Call>),
    /// Stop an attempt: nobody waits for it.
    Abort(Place),
    /// Report [`Event::Fired`] at that time, not before.
    Wake {
        /// The step or `sleep`.
        place: Place,
        /// When.
        until: Instant,
    },
    /// Begin the run of another flow, in the same step in which the records are journaled, and report
    /// [`Event::Returned`] when it is over.
    Begin(Child),
    /// Cancel the run of another flow, in the same step in which the records are journaled.
    Cancel {
        /// The run.
        run: String,
        /// Why, in words.
        reason: String,
    },
}

/// A run of another flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// The call.
    pub place: Place,
    /// The run's id, which follows from the calling run and the place.
    pub run: String,
    /// The flow.
    pub flow: String,
    /// The digest of its plan.
    pub digest: String,
    /// The record of its parameters.
    pub params: Value,
    /// What its idempotency keys are made of, where they follow from what started the calling run.
    pub keys: Option<String>,
    /// The run whose doings it does again with the same keys.
    pub again: Option<String>,
}

/// An attempt to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The step.
    pub place: Place,
    /// Counts from 1.
    pub attempt: u32,
    /// The connection, a key of the plan's connections.
    pub connection: String,
    /// The operation.
    pub operation: String,
    /// The type of the result, where the operation leaves it to its caller.
    pub result: Option<Type>,
    /// Where the page of a stream begins that is to be fetched, null for the first; none when no stream is.
    pub page: Option<Value>,
    /// A value for each parameter.
    pub args: Vec<Value>,
    /// The parameters for which `null` is written, by number.
    pub nulls: Vec<usize>,
    /// The idempotency key, the same for all attempts.
    pub key: String,
    /// How long the attempt may take.
    pub timeout: Millis,
    /// What the policy in force says of when it may leave.
    pub terms: Terms,
    /// Whether the call may be repeated.
    pub repeat: Repeat,
    /// Whether [`Event::Began`] was applied for this attempt.
    pub progress: Progress,
    /// What becomes of it while its system does not work.
    pub outage: Outage,
}

/// What becomes of a call while its system does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It waits.
    WaitedFor,
    /// The program deals with its failure (`catch`, `optional`, `first`, `on error collect`): it fails.
    DealtWith,
}

/// Whether an attempt that is not safe to repeat may have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// It has not.
    Waiting,
    /// It may have.
    Begun,
}
