//! How are runs carried out, so that they survive the end of the process?
//!
//! The engine is the host of the machine ([`crate::machine`]). For each turn of a run it applies what has happened, writes
//! events and records in one batch, and only when that is on disk carries out what follows: calls, timers, answers. A run
//! that waits holds no task; one that waits long holds no memory but an entry among the timers. After a crash the journal
//! is replayed and what was under way is taken up again: calls that are safe to repeat are made again with the same key,
//! others end as interrupted.
//!
//! When a write fails, the engine halts: nothing is acknowledged or performed any more, and the process has to start again
//! from what is on disk.

mod again;
mod attempt;
mod begin;
mod clock;
mod deploy;
mod drive;
mod env;
mod gate;
mod gather;
mod live;
mod look;
mod mark;
mod notes;
mod pinned;
mod polls;
mod progress;
mod room;
mod settings;
mod sleep;
mod submit;
mod tidy;
mod wait;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use flow_model::plan::Plan;
use tokio::sync::{Semaphore, broadcast};

pub use self::{
    again::{Redo, RedoError},
    polls::{Held, Polling},
    progress::{Happening, Progress, StepEnd},
    settings::{Limits, Settings},
    submit::{Accepted, Newness, Share, Submission, SubmitError, started_by},
    tidy::Removed,
    wait::{Answer, Asks, ControlError},
};
use self::{
    deploy::Deployed,
    drive::{Cell, Due},
};
pub(crate) use self::{polls::Poller, submit::scope};
use crate::{
    blob::Blobs,
    store::{Begun, Error, Gathered, Sqlite, Store},
    timer::Timers,
    worker::Workers,
};
pub use crate::{
    journal::RunId,
    store::{Filter, RunDetail, RunState, RunSummary},
};

/// How many runs are brought into memory at the same time.
const MOST_LOADS: usize = 64;

/// Carries out runs. Dropping it ends all work where it stands, as a crash does; [`Engine::shutdown`] ends it in order.
pub struct Engine {
    inner: Arc<Inner>,
}

/// What all tasks of the engine share.
struct Inner {
    store: Arc<dyn Store>,
    settings: Settings,
    /// For calls.
    rooms: room::Rooms,
    /// For bringing runs into memory.
    loads: Semaphore,
    /// Tasks that drive runs and make calls.
    workers: Workers,
    /// The task that watches the timers.
    watch: Workers,
    timers: Timers<Due>,
    horizon: sleep::Horizon,
    life: clock::Life,
    polls: polls::Polls,
    /// Held while plans are put down that are on no list yet.
    deploying: tokio::sync::Mutex<()>,
    progress: broadcast::Sender<Arc<Progress>>,
    state: Mutex<State>,
    /// Whoever waits for a run.
    waiters: wait::Waiters,
    halted: wait::Halted,
    /// Runs that are being accepted and are not among the cells yet.
    accepting: AtomicUsize,
    closing: AtomicBool,
    recovered: AtomicBool,
    held: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The plans that new runs use, by flow.
    deployed: BTreeMap<String, Deployed>,
    /// Plans by digest: those in use.
    plans: HashMap<String, Arc<Plan>>,
    /// Runs that something is under way for, or that wait for a short time.
    cells: HashMap<RunId, Cell>,
    /// Runs that wait for room.
    gates: gate::Gates,
    /// Runs that events are gathered for.
    gathering: HashMap<RunId, gather::Gathering>,
}

impl Engine {
    /// Opens the data folder. Nothing runs until [`Engine::resume`] and [`Engine::submit`].
    ///
    /// # Errors
    /// When another process uses the folder, or it can't be used.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let store = Sqlite::open(&settings.data)?;
        settings.blobs.clear_unfinished()?;
        Ok(Self::with_store(settings, Arc::new(store)))
    }

    /// The same over another store.
    pub fn with_store(settings: Settings, store: Arc<dyn Store>) -> Self {
        let (progress, _) = broadcast::channel(settings.limits.progress);
        let rooms = room::Rooms::new(&settings.limits);
        let inner = Inner {
            store,
            rooms,
            loads: Semaphore::new(MOST_LOADS),
            workers: Workers::default(),
            watch: Workers::default(),
            timers: Timers::new(),
            horizon: sleep::Horizon::default(),
            life: clock::Life::begins(&*settings.clock),
            polls: polls::Polls::default(),
            deploying: tokio::sync::Mutex::default(),
            progress,
            state: Mutex::default(),
            waiters: wait::Waiters::default(),
            halted: wait::Halted::default(),
            accepting: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            recovered: AtomicBool::new(false),
            held: AtomicBool::new(false),
            settings,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Continues every run that is not over, each with the plan that it began with, and begins to watch the timers. It has
    /// to be called once, within a tokio runtime. Returns how many runs are not over.
    ///
    /// # Errors
    /// When the store can't be read, or is a copy of one where the runs may be going on.
    pub async fn resume(&self) -> Result<usize, Error> {
        let inner = &self.inner;
        inner.store.check_origin()?;
        inner.recall_gates(&inner.store.gated().await?).await?;
        let open: u64 = inner.store.standing().await?.values().sum();
        let until = inner.begin_to_look();
        for run in &inner.store.awake(until).await? {
            match (run.state, run.wake_at) {
                _ if run.progress == Begun::NotYet => {
                    if run.mail > 0 {
                        inner.post(&run.run, drive::Message::Mail);
                    }
                    if let Some(until) = run.gathers {
                        let gathered = Gathered { run: run.run.clone(), until: Some(until) };
                        inner.gathered(gathered, run.gate.clone(), 0);
                    } else if run.gate.is_none() {
                        inner.post(&run.run, drive::Message::Begin);
                    }
                }
                _ if run.mail > 0 => inner.post(&run.run, drive::Message::Mail),
                (RunState::Waiting | RunState::NeedsDecision, Some(at)) => {
                    inner.timers.arm(at, Due::Run(run.run.clone()));
                }
                (RunState::Waiting | RunState::NeedsDecision, None) => {}
                _ => inner.post(&run.run, drive::Message::Look),
            }
        }
        inner.look_beyond(until).await?;
        inner.open_gates();
        inner.recovered.store(true, Ordering::SeqCst);
        self.watch();
        Ok(usize::try_from(open).unwrap_or(usize::MAX))
    }

    /// That this is not a copy of a store in which its runs may be going on, unless all of them are over.
    ///
    /// # Errors
    /// When it is, or the store can't be read.
    pub async fn check_origin(&self) -> Result<(), Error> {
        let copied = self.inner.store.check_origin();
        if copied.is_err() && self.inner.store.standing().await?.is_empty() { Ok(()) } else { copied }
    }

    /// Begins to watch the timers without continuing any run, for a process that carries out new runs only. It has to be
    /// called once, within a tokio runtime, and not beside [`Engine::resume`], which does the same.
    pub fn watch(&self) {
        self.inner.watch.spawn(Arc::clone(&self.inner).watch_timers());
        self.inner.watch.spawn(Arc::clone(&self.inner).watch_clock());
    }

    /// Where the bytes of files lie.
    pub(crate) fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::clone(&self.inner.settings.blobs)
    }

    /// How many runs that are not over stand how.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn standing(&self) -> Result<BTreeMap<RunState, u64>, Error> {
        self.inner.store.standing().await
    }

    /// The connections that were called, and whether the breaker of each keeps calls from leaving.
    pub fn breakers(&self) -> BTreeMap<String, bool> {
        self.inner.settings.performer.breakers()
    }

    /// Says whether runs of earlier processes have been taken up again.
    pub fn has_recovered(&self) -> bool {
        self.inner.recovered.load(Ordering::SeqCst)
    }

    /// Lets nothing leave from now on: what is asked of runs is written down, and a later process carries it out. For a
    /// process that only passes on what someone wants.
    pub fn hold(&self) {
        self.inner.held.store(true, Ordering::SeqCst);
    }

    /// What happens from now on. A receiver that is slow misses some: it is for live display.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Progress>> {
        self.inner.progress.subscribe()
    }

    /// Runs, newest first, without their results and answers.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn runs(&self, filter: Filter) -> Result<Vec<RunSummary>, Error> {
        self.inner.store.list(filter).await
    }

    /// A run with its result and answer, without its steps.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Error> {
        self.inner.store.summary(run).await
    }

    /// A run with all that is known of it.
    ///
    /// # Errors
    /// When the store can't be read, or the run's journal is damaged.
    pub async fn run(&self, run: &RunId) -> Result<Option<RunDetail>, Error> {
        self.inner.store.detail(run).await
    }

    /// Stops: takes no more work, lets calls that are under way end and be recorded within the grace period, and ends the
    /// rest where it stands. Runs that are not over are continued by the next [`Engine::resume`].
    pub async fn shutdown(&self) {
        let inner = &self.inner;
        inner.closing.store(true, Ordering::SeqCst);
        inner.watch.abort();
        inner.stop_waiting_calls();
        let clock = Arc::clone(&inner.settings.clock);
        tokio::select! {
            biased;
            () = inner.workers.idle() => {}
            () = clock.sleep(inner.settings.limits.grace) => {}
        }
        inner.workers.abort();
        inner.workers.idle().await;
        inner.watch.idle().await;
        inner.waiters.wake_all();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.inner.closing.store(true, Ordering::SeqCst);
        self.inner.watch.abort();
        self.inner.workers.abort();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether nothing leaves any more.
    fn is_closing(&self) -> bool {
        self.is_shut() || self.held.load(Ordering::SeqCst)
    }

    /// Says whether the engine has shut down, or is about to.
    fn is_shut(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}

/// Things that wait for a run, in their order.
type Inbox = VecDeque<drive::Message>;
