//! Where do journals live, and when is something durable?
//!
//! In: batches, each with what one turn of a run added. Out: the same after a crash. [`Store::commit`] returns when its
//! batch is on disk, and not before; a batch is there as a whole or not at all. [`Sqlite`] is the implementation for one
//! machine, [`Memory`] the one for tests. Reading works beside a process that writes: see [`read`].

mod expire;
mod gather;
mod large;
mod lock;
mod memory;
mod origin;
mod read;
mod repair;
mod schema;
mod sqlite;
mod told;
mod verify;
mod windows;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use flow_model::{
    file::Sha256,
    plan::Keep,
    schema::Rate,
    units::{Instant, Millis},
    value::Value,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::origin::Origin;
pub use self::{
    memory::Memory,
    origin::adopt,
    read::{Reader, read},
    repair::{Repaired, repair},
    sqlite::{Sizes, Sqlite, compact},
    verify::{Kept, Verified},
};
use crate::{
    journal::{Checkpoint, Damage, History, Row, RunId},
    machine::{Cause, Event, Outcome, Place, Response, Start, Wanted},
};

/// Why a run waits that has not begun.
pub(crate) const NO_ROOM: &str = "waits for its turn: as many runs as may be are under way";

/// Why a run waits that more events are gathered for.
pub(crate) const GATHERS: &str = "gathers events before it begins";

/// Why the store did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another process uses the data folder.
    #[error("the data folder `{}` is in use by {}: stop it first, or choose another folder", .folder.display(), holder(*.pid))]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process, where it is known.
        pid: Option<u32>,
    },
    /// The folder can't be used.
    #[error("the data folder `{}` can't be used: {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: Arc<std::io::Error>,
    },
    /// The folder was copied from another one, where its runs may be going on.
    #[error("the data folder `{}` is a copy of another one: if its runs went on here, they might do twice what they do there", .folder.display())]
    Copied {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no journal in the folder.
    #[error("there are no runs in `{}`: the folder has no journal", .folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// The journal was written by a newer program.
    #[error("the journal has version {found}, and this program knows up to {known}: use a newer one")]
    Newer {
        /// The version of the journal.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// The database reports an error.
    #[error("the journal can't be read or written: {0}")]
    Database(Arc<rusqlite::Error>),
    /// A run's journal is damaged.
    #[error("the journal of run {run} is damaged: {damage}")]
    Damaged {
        /// The run.
        run: RunId,
        /// What is wrong.
        damage: Damage,
    },
    /// The database itself is damaged, and not only runs in it.
    #[error("the database in `{}` is damaged: {said}", .folder.display())]
    Pages {
        /// The folder.
        folder: PathBuf,
        /// What SQLite says of it.
        said: String,
    },
    /// The bytes of files and of large values can't be read or written.
    #[error(transparent)]
    Blobs(#[from] crate::blob::Error),
    /// Another process has opened the folder since.
    #[error("another process has taken the data folder over: this one writes no more")]
    TakenOver,
    /// An earlier commit failed, so what is on disk is not known.
    #[error("an earlier write failed: start again, so that runs go on from what is on disk")]
    Closed,
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// What one turn of a run adds.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The run.
    pub run: RunId,
    /// For its first batch.
    pub new: Option<NewRun>,
    /// Entries of its journal, in order.
    pub rows: Vec<Row>,
    /// What becomes of its checkpoint.
    pub mark: Mark,
    /// How it stands after them.
    pub standing: Standing,
    /// What `respond` said, if it did in this turn.
    pub answer: Option<Response>,
    /// What could not be delivered.
    pub dead_letters: Vec<DeadLetter>,
    /// What it does on the bus, in order.
    pub bus: Vec<Bus>,
    /// Runs that it begins.
    pub begins: Vec<(RunId, NewRun)>,
    /// What it tells other runs, unless they are over.
    pub mail: Vec<(RunId, Event)>,
    /// What it has been told and need not hear again.
    pub read: Vec<i64>,
    /// No more events are gathered for it, if that time has come; then nothing else is written.
    pub closes: bool,
    /// Dead letters that are dealt with by it, and how.
    pub settles: Vec<(i64, String)>,
    /// When it began, if that is in this turn.
    pub begun_at: Option<Instant>,
    /// The time of the turn.
    pub at: Instant,
    /// How far the clock had been set by then in the life of the process, in milliseconds. Windows of `dedupe`, and the times
    /// until which events are gathered, last as long however it is set.
    pub set_by: i64,
}

impl Batch {
    /// A batch that says how a run stands, and nothing more.
    pub fn new(run: RunId, standing: Standing, at: Instant) -> Self {
        Self {
            run,
            new: None,
            rows: Vec::new(),
            mark: Mark::Stays,
            standing,
            answer: None,
            dead_letters: Vec::new(),
            bus: Vec::new(),
            begins: Vec::new(),
            mail: Vec::new(),
            read: Vec::new(),
            closes: false,
            settles: Vec::new(),
            begun_at: None,
            at,
            set_by: 0,
        }
    }

    /// The time of the turn by a clock that nobody has set in the life of the process.
    pub(super) fn even(&self) -> Instant {
        self.at.moved(-self.set_by)
    }
}

/// What becomes of the checkpoint of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// It stays, if there is one.
    #[default]
    Stays,
    /// This one takes its place: how the run stands after the batch's entries.
    Moves(Checkpoint),
    /// It is not needed any more.
    Goes,
}

/// What a run does on the bus.
#[derive(Clone, Debug, PartialEq)]
pub enum Bus {
    /// It waits for an event.
    Listen {
        /// Where.
        place: Place,
        /// The event's name.
        event: String,
        /// What the event has to have, where that is known: of others it is not told.
        wanted: Option<Wanted>,
    },
    /// It no longer does.
    Stop(Place),
    /// It emits an event: whoever waits for one with this name is told, unless it wants another.
    Emit {
        /// Where.
        place: Place,
        /// The event's name.
        event: String,
        /// Its content.
        value: Value,
    },
}

/// A run that begins.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The flow.
    pub flow: String,
    /// The digest of the plan that it is pinned to.
    pub plan: String,
    /// What started it, in words.
    pub trigger: Option<String>,
    /// How a repetition of the same event is known.
    pub dedupe: Option<Dedupe>,
    /// With what it begins, when it does not begin at once.
    pub queued: Option<Start>,
    /// How many runs of its kind may be under way.
    pub gate: Option<Gate>,
    /// The run that called it, and where.
    pub parent: Option<(RunId, Place)>,
    /// What its trigger keeps, also where the event is known and no run begins.
    pub notes: Vec<Note>,
    /// How several events become one run: the one that is gathering already takes this one's event.
    pub gather: Option<Gather>,
}

/// How several events become one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// What events are gathered within: the flow, its trigger, and its plan.
    pub scope: String,
    /// `per`: each of these for itself.
    pub key: String,
    /// Which events the run sees.
    pub keep: Keep,
    /// Where the event stands among them, where that is not as they come.
    pub rank: Option<Rank>,
}

/// Where an event stands among others of its trigger, as the `order` of its declaration tells: that of a later one is
/// greater, and of those that are equal the one that has come later is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rank {
    /// A number; of a time, microseconds since 1970.
    Number(i64),
    /// A text, by its bytes.
    Text(String),
}

impl Rank {
    /// What a value is as a rank; none for what has no order.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Self::Number(*number)),
            Value::Timestamp(at) => Some(Self::Number(at.as_microsecond())),
            Value::String(text) => Some(Self::Text(text.to_string())),
            _ => None,
        }
    }
}

impl Gather {
    /// When the run begins if an event of that time is the last one, and at the latest if it is the first one.
    pub(super) fn times(&self, at: Instant) -> (Instant, Option<Instant>) {
        match self.keep {
            Keep::Latest { quiet, most } => (at.after(quiet), most.map(|most| at.after(most))),
            Keep::All { within, .. } => (at.after(within), Some(at.after(within))),
        }
    }
}

/// A run that events are gathered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The run.
    pub run: RunId,
    /// When it begins; none when it begins now.
    pub until: Option<Instant>,
}

/// What a trigger keeps of what it has seen: the latest time of a schedule, a cursor, a file. The latest text of a key
/// counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What keys are compared within: the flow and its trigger.
    pub scope: String,
    /// The key.
    pub key: String,
    /// What is kept; with an empty text, the key is forgotten.
    pub text: String,
}

/// How many runs of a kind may be under way, and how many may begin in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What runs are counted within: the flow and its trigger.
    pub scope: String,
    /// `per`: the limit is for each of these.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// How many may be under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Where its event stands among those that wait, where that is not as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
}

/// How a repetition of an event is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// What keys are compared within: the flow and its trigger.
    pub scope: String,
    /// The key.
    pub key: String,
    /// How long it is remembered.
    pub window: Millis,
    /// A digest of the event's body: the same key with another body is refused.
    pub body_digest: Option<String>,
}

impl Dedupe {
    /// What the idempotency keys of the event's run are made of, so that the same event leads to the same keys when it comes
    /// after its window: the key with its scope, and the digest of the body, or of what else the event is where it has none.
    /// Another event that has the same key by its author's wish leads to others.
    pub(crate) fn origin(&self, event: impl FnOnce() -> String) -> String {
        let body = self.body_digest.clone().unwrap_or_else(event);
        let parts = [&self.scope, &self.key, &body].map(|part| format!("{}:{part}", part.len()));
        Sha256::of(parts.concat().as_bytes()).to_string()
    }
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Its state.
    pub state: RunState,
    /// Why it waits or failed, in words.
    pub reason: Option<String>,
    /// When it has to be looked at next; none while calls are under way, and when nothing will happen by itself.
    pub wake_at: Option<Instant>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// What could not be delivered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadLetter {
    /// The run.
    pub run: RunId,
    /// Where.
    pub place: Place,
    /// The queue.
    pub queue: String,
    /// What was kept.
    pub value: Value,
    /// What it was left for, where a `catch` led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// When.
    pub at: Instant,
}

/// How many bytes of JSON the cause of a dead letter takes at most to stand in lists, which hold nothing that is large.
pub const LISTED_CAUSE: usize = 4 << 10;

/// A dead letter as it lies in the store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Letter {
    /// Its number.
    pub id: i64,
    /// The run that left it.
    pub run: RunId,
    /// Its flow.
    pub flow: String,
    /// Where.
    pub place: Place,
    /// The queue.
    pub queue: String,
    /// When.
    pub at: Instant,
    /// What was kept; not in lists.
    pub value: Option<Value>,
    /// What it was left for, where a `catch` led to it and it was not left before causes were kept. In lists only where it
    /// takes at most [`LISTED_CAUSE`] bytes of JSON.
    pub cause: Option<Cause>,
    /// What became of it, if something did.
    pub settled: Option<String>,
}

/// Which dead letters to list: newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letters {
    /// In one queue.
    pub queue: Option<String>,
    /// Whether those are left out that are dealt with.
    pub which: WhichLetters,
    /// At most so many.
    pub limit: usize,
}

/// Whether dead letters are listed that are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichLetters {
    /// They are not.
    Open,
    /// They are.
    All,
}

/// An event that a run has emitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Emitted {
    /// The run.
    pub run: RunId,
    /// Where.
    pub place: Place,
    /// Its name.
    pub event: String,
    /// Its content.
    pub value: Value,
    /// When.
    pub at: Instant,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is on disk.
    Done(Done),
    /// The event is on disk, and several of its kind become this run.
    Gathered(Gathered),
    /// Nothing was written but the notes of the trigger: the event is known, and this is its run.
    Duplicate {
        /// The run.
        run: RunId,
        /// Whether the event's body is that of the first one.
        body: SameBody,
    },
}

/// What else has come of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Runs that have been told something.
    pub mailed: Vec<RunId>,
    /// Those of its runs that are new; the others were begun before.
    pub begun: Vec<RunId>,
    /// Runs that have gathered one more event.
    pub gathered: Vec<Gathered>,
    /// No more events are gathered for the run.
    pub closed: bool,
}

/// Whether a repeated event has the body of the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameBody {
    /// It has, or there is no digest of one of them.
    Yes,
    /// It has another.
    No,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Calls are under way.
    Running,
    /// It waits for a time.
    Waiting,
    /// It waits for a person.
    NeedsDecision,
    /// It ended with a value.
    Completed,
    /// It ended with a failure.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Waiting, Self::NeedsDecision, Self::Completed, Self::Failed, Self::Cancelled];

    /// The name that people see and type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::NeedsDecision => "needs_decision",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Says whether the run is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RunState {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|state| format!("`{state}`")).collect();
            format!("`{name}` is not the state of a run: it is one of {}", names.join(", "))
        })
    }
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// Its flow.
    pub flow: String,
    /// The digest of the plan that it is pinned to.
    pub plan: String,
    /// What started it, in words.
    pub trigger: Option<String>,
    /// Its state.
    pub state: RunState,
    /// Why it waits or failed, in words.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Instant,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// When it goes on by itself, if it waits for a time.
    pub wake_at: Option<Instant>,
    /// How it ended; not in lists.
    pub outcome: Option<Outcome>,
    /// What `respond` said; not in lists.
    pub answer: Option<Response>,
}

/// A run with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDetail {
    /// The run as in a list.
    pub summary: RunSummary,
    /// Its steps and lines.
    pub history: History,
    /// What could not be delivered.
    pub dead_letters: Vec<DeadLetter>,
}

/// Which runs to list: newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Of one flow.
    pub flow: Option<String>,
    /// In one of these states; all when empty.
    pub states: Vec<RunState>,
    /// Started before this one.
    pub before: Option<RunId>,
    /// At most so many. Default 50.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self { flow: None, states: Vec::new(), before: None, limit: 50 }
    }
}

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The run.
    pub run: RunId,
    /// Its state.
    pub state: RunState,
    /// When it has to be looked at next.
    pub wake_at: Option<Instant>,
    /// Whether it has begun.
    pub progress: Begun,
    /// How many runs of its kind may be under way.
    pub gate: Option<Gate>,
    /// Until when events are gathered for it.
    pub gathers: Option<Instant>,
    /// How many things it has been told and not heard.
    pub mail: u64,
}

/// Whether a run has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has.
    Yes,
    /// It is accepted and waits for room.
    NotYet,
}

/// Which runs are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Those that ended before.
    pub ended_before: Instant,
    /// The time.
    pub now: Instant,
    /// At most so many.
    pub most: usize,
}

/// What was removed beside runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// How many plans.
    pub plans: u64,
    /// How many bytes of large values and files.
    pub bytes: u64,
}

/// A place for journals.
#[async_trait]
pub trait Store: Send + Sync {
    /// Keeps a plan by its digest. Durable when it returns.
    async fn add_plan(&self, digest: String, flow: String, plan: Vec<u8>) -> Result<(), Error>;

    /// The plan with a digest.
    async fn plan(&self, digest: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Writes a batch. Durable when it returns.
    async fn commit(&self, batch: Batch) -> Result<Committed, Error>;

    /// The journal of a run.
    async fn rows(&self, run: &RunId) -> Result<Vec<Row>, Error> {
        self.rows_from(run, 0).await
    }

    /// The journal of a run from an entry on.
    async fn rows_from(&self, run: &RunId, seq: u64) -> Result<Vec<Row>, Error>;

    /// The latest checkpoint of a run, if it has one.
    async fn checkpoint(&self, run: &RunId) -> Result<Option<Checkpoint>, Error>;

    /// With what a run begins that has not begun yet.
    async fn start(&self, run: &RunId) -> Result<Option<Start>, Error>;

    /// What a run has been told, oldest first, and the numbers by which that is known.
    async fn mail(&self, run: &RunId) -> Result<Vec<(i64, Event)>, Error>;

    /// Keeps notes of triggers. Durable when it returns.
    async fn keep(&self, notes: Vec<Note>) -> Result<(), Error>;

    /// What a trigger has kept, by key.
    async fn notes(&self, scope: &str) -> Result<BTreeMap<String, String>, Error>;

    /// When runs within a gate's scope began after a time, oldest first.
    async fn begun_since(&self, scope: &str, since: Instant) -> Result<Vec<Instant>, Error>;

    /// A run with its result and answer.
    async fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Error>;

    /// A run with all that is known of it.
    async fn detail(&self, run: &RunId) -> Result<Option<RunDetail>, Error>;

    /// Runs, newest first, without their results and answers.
    async fn list(&self, filter: Filter) -> Result<Vec<RunSummary>, Error>;

    /// A dead letter, with what was kept.
    async fn letter(&self, id: i64) -> Result<Option<Letter>, Error>;

    /// Dead letters, newest first, without what was kept.
    async fn letters(&self, which: Letters) -> Result<Vec<Letter>, Error>;

    /// Writes what became of a dead letter, unless something has. Durable when it returns.
    async fn settle(&self, id: i64, how: String) -> Result<(), Error>;

    /// Runs that go on by themselves until a time, or have been told something, in the order in which they were accepted.
    /// Those that sleep longer, or wait for someone, are left out.
    async fn awake(&self, until: Instant) -> Result<Vec<Unfinished>, Error>;

    /// Runs that wake after a time and until another, the earliest first.
    async fn due(&self, after: Instant, until: Instant) -> Result<Vec<(Instant, RunId)>, Error>;

    /// The first time after another at which a run wakes.
    async fn next_due(&self, after: Instant) -> Result<Option<Instant>, Error>;

    /// Runs that are not over and count for `concurrency` and `at_most`, in the order in which they were accepted.
    async fn gated(&self) -> Result<Vec<Unfinished>, Error>;

    /// The digests of the plans of runs that are not over, where they are kept.
    async fn pinned(&self) -> Result<BTreeSet<String>, Error>;

    /// The digests of the plans of all runs, where they are kept.
    async fn plans(&self) -> Result<BTreeSet<String>, Error>;

    /// How many runs that are not over stand how.
    async fn standing(&self) -> Result<BTreeMap<RunState, u64>, Error>;

    /// Removes runs that ended long ago, of each plan the oldest first, with all that belongs to them; says how many. A run
    /// stays while a dead letter of it is open, while the run that called it stays, and while it counts for `at_most`.
    async fn expire(&self, expiry: Expiry) -> Result<u64, Error>;

    /// Removes what nobody needs any more: plans that no run has, but for these, and large values that no run has and that
    /// were written before a time.
    async fn tidy(&self, plans: BTreeSet<String>, written_before: SystemTime) -> Result<Tidied, Error>;

    /// Of these blobs, those that nothing names which is kept.
    async fn unnamed(&self, blobs: Vec<Sha256>) -> Result<Vec<Sha256>, Error>;

    /// Takes note of how far the clock has been set in the life of the process, as batches do. Durable when it returns.
    async fn clock_is_set(&self, by: i64) -> Result<(), Error>;

    /// How many bytes can still be written, where that is known.
    fn space(&self) -> Option<u64>;

    /// That the runs may go on here.
    ///
    /// # Errors
    /// When this is a copy of a folder in which they may be going on: [`adopt`] makes it the one in which they do.
    fn check_origin(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Says whether what was handed in lately has waited long to be written, because there was so much of it.
    fn is_slow(&self) -> bool {
        false
    }
}
