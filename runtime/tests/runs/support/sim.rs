//! A world outside: a clock that jumps to the next thing that is due, connectors that answer as told, and a process that
//! ends where the test says.
//!
//! The engine runs on one thread. When nothing can go on and no write is under way, the clock moves to the earliest time
//! that anyone waits for.

use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use flow_model::{
    units::{Instant, Millis},
    value::Value,
};
use flow_runtime::{
    connector::{Attempt, Invocation, Performer, Reached},
    engine::{Engine, Filter, Limits, RunDetail, RunId, RunSummary, Settings},
    eval::Library,
    journal::Row,
    machine::{Event, Start},
    store::{Batch, Committed, Error, Note, Sqlite, Store, Unfinished},
    timer::Clock,
};
use tokio::sync::{Notify, oneshot};

use super::random::answer_of;

/// The clock.
#[derive(Default)]
pub(crate) struct VirtualClock {
    now: AtomicI64,
    sleepers: Mutex<BTreeMap<(Instant, u64), oneshot::Sender<()>>>,
    next: AtomicUsize,
    /// When it is set back: after so many looks that have seen this time or a later one, by so much.
    set_back: Mutex<Option<(Instant, usize, Millis)>>,
}

impl VirtualClock {
    /// Sets itself back by a time when a moment has come and that many have seen it.
    pub(crate) fn set_back_after(&self, moment: Instant, looks: usize, by: Millis) {
        *self.set_back.lock().unwrap() = Some((moment, looks, by));
    }

    /// Moves to the earliest time that someone waits for; says whether there is one.
    fn advance(&self) -> bool {
        let mut sleepers = self.sleepers.lock().unwrap();
        sleepers.retain(|_, sleeper| !sleeper.is_closed());
        let Some(((at, _), _)) = sleepers.first_key_value() else { return false };
        self.now.store(at.0, Ordering::SeqCst);
        let due = *at;
        let later = sleepers.split_off(&(Instant(due.0 + 1), 0));
        for (_, sleeper) in std::mem::replace(&mut *sleepers, later) {
            let _ = sleeper.send(());
        }
        true
    }

    /// Moves the clock by hand, in either direction.
    pub(crate) fn shift(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        let now = Instant(self.now.load(Ordering::SeqCst));
        let mut set_back = self.set_back.lock().unwrap();
        match &mut *set_back {
            Some((moment, 0, by)) if *moment <= now => {
                self.shift(-(by.0 as i64));
                *set_back = None;
            }
            Some((moment, looks, _)) if *moment <= now => *looks -= 1,
            _ => {}
        }
        now
    }

    async fn sleep_until(&self, at: Instant) {
        while at > self.now() {
            let (wake, woken) = oneshot::channel();
            let id = self.next.fetch_add(1, Ordering::SeqCst) as u64;
            self.sleepers.lock().unwrap().insert((at, id), wake);
            let _ = woken.await;
        }
    }
}

/// A call that reached the world.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) operation: String,
    pub(crate) arg: Value,
    pub(crate) key: String,
    /// When it came.
    pub(crate) at: Instant,
    /// How many calls with the same key came before it.
    pub(crate) before: usize,
}

/// How the world answers.
pub(crate) struct Reply {
    pub(crate) after: Millis,
    pub(crate) attempt: Attempt,
}

impl Reply {
    pub(crate) fn ok(value: Value) -> Self {
        let attempt = Attempt { outcome: Ok(value), retry_after: None, reached: Reached::Answered };
        Self { after: Millis(10), attempt }
    }

    pub(crate) fn err(kind: flow_model::failure::ErrorKind, reached: Reached) -> Self {
        let outcome = Err(super::play::failure(kind));
        Self { after: Millis(10), attempt: Attempt { outcome, retry_after: None, reached } }
    }

    pub(crate) fn after(self, after: u64) -> Self {
        Self { after: Millis(after), ..self }
    }
}

type Script = dyn Fn(&Made) -> Reply + Send + Sync;

/// The world that outlives the process.
pub(crate) struct World {
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) made: Mutex<Vec<Made>>,
    /// Calls under way, and the most there were.
    pub(crate) under_way: AtomicUsize,
    pub(crate) most_under_way: AtomicUsize,
    script: Box<Script>,
    /// The environment of the processes that start from now on.
    pub(crate) env: Mutex<BTreeMap<String, String>>,
    pub(crate) limits: Limits,
}

impl World {
    pub(crate) fn new(script: impl Fn(&Made) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Self::with_limits(Limits { reserve: 0, ..Limits::default() }, script)
    }

    pub(crate) fn with_limits(limits: Limits, script: impl Fn(&Made) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        let clock = Arc::new(VirtualClock::default());
        clock.shift(1_700_000_000_000);
        Arc::new(Self {
            clock,
            made: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            script: Box::new(script),
            env: Mutex::default(),
            limits,
        })
    }

    /// A world that answers every call, some sooner, some later.
    pub(crate) fn kind() -> Arc<Self> {
        Self::new(|made| {
            let Value::Int(answer) = answer_of(&made.arg) else { panic!("answers are integers") };
            Reply::ok(Value::Int(answer)).after(10 + answer as u64)
        })
    }

    /// Lets the world go on for a moment.
    pub(crate) async fn tick(&self) {
        self.clock.sleep_until(self.clock.now().after(Millis(1))).await;
    }

    pub(crate) fn made(&self) -> Vec<Made> {
        self.made.lock().unwrap().clone()
    }

    /// How often each key came.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.made().into_iter().for_each(|made| *counts.entry(made.key).or_default() += 1);
        counts
    }
}

/// What the world was asked for by one process.
struct Caller(Arc<World>);

/// Counts a call as under way, however it ends.
struct UnderWay<'a>(&'a World);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Performer for Caller {
    async fn perform(&self, invocation: Invocation) -> Attempt {
        let Invocation { operation, mut args, key, .. } = invocation;
        let world = &self.0;
        let made = {
            let mut all = world.made.lock().unwrap();
            let before = all.iter().filter(|made| made.key == key).count();
            all.push(Made { operation, arg: args.remove(0), key, at: world.clock.now(), before });
            all.last().unwrap().clone()
        };
        let count = world.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        let _under_way = UnderWay(world);
        world.most_under_way.fetch_max(count, Ordering::SeqCst);
        let Reply { after, attempt } = (world.script)(&made);
        world.clock.sleep_until(world.clock.now().after(after)).await;
        attempt
    }
}

/// Where the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Never,
    /// Before the write with that number, counted from 0.
    Before(usize),
    /// After that write, before anyone hears of it.
    After(usize),
    /// That write fails, and all after it.
    Refused(usize),
}

/// SQLite, and the end of the process at one of its writes.
pub(crate) struct Faulty {
    inner: Sqlite,
    fault: Fault,
    writes: AtomicUsize,
    busy: Arc<AtomicUsize>,
    crashed: Arc<Notify>,
}

/// Counts an operation of the store as under way: the clock stands still meanwhile.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Faulty {
    async fn crash<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn add_plan(&self, digest: String, flow: String, plan: Vec<u8>) -> Result<(), Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.add_plan(digest, flow, plan).await
    }

    async fn plan(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.plan(digest).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        let _busy = Busy::new(&self.busy);
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Before(at) if number >= at => self.crash().await,
            Fault::After(at) if number == at => {
                self.inner.commit(batch).await?;
                self.crash().await
            }
            Fault::After(at) if number > at => self.crash().await,
            Fault::Refused(at) if number >= at => Err(Error::Closed),
            _ => self.inner.commit(batch).await,
        }
    }

    async fn rows(&self, run: &RunId) -> Result<Vec<Row>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.rows(run).await
    }

    async fn start(&self, run: &RunId) -> Result<Option<Start>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.start(run).await
    }

    async fn mail(&self, run: &RunId) -> Result<Vec<(i64, Event)>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.mail(run).await
    }

    async fn keep(&self, notes: Vec<Note>) -> Result<(), Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.keep(notes).await
    }

    async fn notes(&self, scope: &str) -> Result<BTreeMap<String, String>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.notes(scope).await
    }

    async fn begun_since(&self, scope: &str, since: Instant) -> Result<Vec<Instant>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.begun_since(scope, since).await
    }

    async fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.summary(run).await
    }

    async fn detail(&self, run: &RunId) -> Result<Option<RunDetail>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.detail(run).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<RunSummary>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.list(filter).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.unfinished().await
    }

    fn space(&self) -> Option<u64> {
        self.inner.space()
    }
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended<T> {
    /// The story was told to its end.
    Well(T),
    Crashed,
}

/// Starts a process on a data folder and lets it live through a story, or until it crashes.
pub(crate) fn process<T, F: Future<Output = T>>(
    world: &Arc<World>,
    data: &Path,
    fault: Fault,
    story: impl FnOnce(Arc<Engine>) -> F,
) -> Ended<T> {
    let busy = Arc::new(AtomicUsize::new(0));
    let (crashed, stuck) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let idle = {
        let (busy, clock, stuck) = (Arc::clone(&busy), Arc::clone(&world.clock), Arc::clone(&stuck));
        move || {
            if busy.load(Ordering::SeqCst) == 0 && !clock.advance() {
                stuck.notify_one();
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().on_thread_park(idle).build().unwrap();
    let result = runtime.block_on(async {
        let inner = Sqlite::open(data).expect("the folder is free: the process before has ended");
        let crash = Arc::clone(&crashed);
        let store = Faulty { inner, fault, writes: AtomicUsize::new(0), busy, crashed: crash };
        let settings = Settings {
            clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
            limits: world.limits.clone(),
            ..Settings::new(
                data,
                Library::default(),
                Arc::new(world.env.lock().unwrap().clone()),
                Arc::new(Caller(Arc::clone(world))),
            )
        };
        let engine = Arc::new(Engine::with_store(settings, Arc::new(store)));
        tokio::select! {
            biased;
            () = crashed.notified() => Ended::Crashed,
            ended = story(engine) => Ended::Well(ended),
            () = stuck.notified() => panic!("nothing is left to happen, and the story is not over"),
        }
    });
    drop(runtime);
    result
}
