//! How does one process live and end?
//!
//! The engine runs on one thread. When nothing can go on and no operation of the store or on files is under way, the clock moves to the
//! earliest time that anyone waits for.

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use flow_model::units::Millis;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

use super::{
    blobs::Counted,
    disk::{Busy, Disk, Fault, Pace},
    outside::{Caller, Outside},
    wreck::Files,
};
use crate::{
    chance::{Chance, Seeded, SystemChance},
    connector::{Admission, Asking, Attempt, Invocation, Parked, Performer},
    engine::{Engine, Settings},
    eval::Library,
    store::{Sqlite, Store},
    timer::Clock,
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<T> {
    /// The story was told to its end.
    Well(T),
    /// It crashed.
    Crashed,
}

/// Nothing is left to happen, and the story is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is left to happen, and the story is not over")]
pub struct Stuck;

/// One process of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// What becomes of its writes.
    pub fault: Fault,
    /// How its store works.
    pub pace: Pace,
    /// When it is killed, whatever it does.
    pub lasts: Option<Millis>,
}

/// Starts a process on a data folder and lets it live through a story, or until it crashes.
///
/// # Panics
/// The folder can't be opened, or nothing is left to happen and the story is not over.
pub fn process<T, F: Future<Output = T>>(
    outside: &Arc<Outside>,
    data: &Path,
    fault: Fault,
    story: impl FnOnce(Arc<Engine>) -> F,
) -> Ended<T> {
    match live(outside, data, &Life { fault, pace: Pace::Real, lasts: None }, story) {
        Ok(ended) => ended,
        Err(stuck) => panic!("{stuck}"),
    }
}

/// The same for a process whose store may work at a drawn pace: then equal arguments lead to the same calls and writes. A
/// crash leaves the files as they were at that moment, as the end of a real process would.
///
/// # Errors
/// Nothing is left to happen, and the story is not over.
///
/// # Panics
/// The folder can't be opened.
pub fn live<T, F: Future<Output = T>>(
    outside: &Arc<Outside>,
    data: &Path,
    life: &Life,
    story: impl FnOnce(Arc<Engine>) -> F,
) -> Result<Ended<T>, Stuck> {
    let own = Own { performer: Arc::new(Caller::new(outside)), library: Library::default() };
    lived(outside, data, life, own, Arc::default(), story)
}

/// What a process has of its own.
pub struct Own {
    /// What carries out its calls; the clock stands still meanwhile.
    pub performer: Arc<dyn Performer>,
    /// The functions that its plans call.
    pub library: Library,
}

/// Calls that take their time in the real world: the clock of the simulation stands still meanwhile.
struct Really {
    performer: Arc<dyn Performer>,
    busy: Arc<AtomicUsize>,
}

#[async_trait]
impl Performer for Really {
    fn admit(&self, asking: &Asking<'_>) -> Admission {
        self.performer.admit(asking)
    }

    fn withdraw(&self, ticket: &str) {
        self.performer.withdraw(ticket);
    }

    async fn parks(&self, invocation: &Invocation) -> Option<Parked> {
        let _busy = Busy::new(&self.busy);
        self.performer.parks(invocation).await
    }

    async fn perform(&self, invocation: Invocation) -> Attempt {
        let _busy = Busy::new(&self.busy);
        self.performer.perform(invocation).await
    }
}

/// The same for a process that calls real servers: they are reached from its own thread, and answer from others.
///
/// # Errors
/// Nothing is left to happen, and the story is not over.
///
/// # Panics
/// The folder can't be opened.
pub fn live_over<T, F: Future<Output = T>>(
    outside: &Arc<Outside>,
    data: &Path,
    life: &Life,
    own: Own,
    story: impl FnOnce(Arc<Engine>) -> F,
) -> Result<Ended<T>, Stuck> {
    let busy = Arc::new(AtomicUsize::new(0));
    let performer = Arc::new(Really { performer: own.performer, busy: Arc::clone(&busy) });
    lived(outside, data, life, Own { performer, ..own }, busy, story)
}

fn lived<T, F: Future<Output = T>>(
    outside: &Arc<Outside>,
    data: &Path,
    life: &Life,
    own: Own,
    busy: Arc<AtomicUsize>,
    story: impl FnOnce(Arc<Engine>) -> F,
) -> Result<Ended<T>, Stuck> {
    let (crashed, stuck) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let runtime = runtime(outside, &busy, &stuck);
    let wreck = Arc::new(Mutex::new(None));
    let ended = runtime.block_on(async {
        let store = Disk {
            inner: Arc::new(Sqlite::open(data).expect("the folder is free: the process before has ended")),
            folder: data.to_owned(),
            fault: life.fault,
            chance: match life.pace {
                Pace::Real => None,
                Pace::Drawn(seed) => Some(Seeded::new(seed)),
            },
            clock: Arc::clone(&outside.clock),
            writes: AtomicUsize::new(0),
            busy: Arc::clone(&busy),
            crashed: Arc::clone(&crashed),
            wreck: Arc::clone(&wreck),
        };
        let settings = settings(outside, data, life.pace, own);
        let blobs = Arc::new(Counted { inner: Arc::clone(&settings.blobs), busy });
        let engine = Engine::with_store(Settings { blobs, ..settings }, Arc::new(store) as Arc<dyn Store>);
        let engine = Arc::new(engine);
        let until = life.lasts.map(|lasts| outside.clock.now().after(lasts));
        let killed = async {
            match until {
                Some(until) => outside.clock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = crashed.notified() => Ok(Ended::Crashed),
            ended = story(engine) => Ok(Ended::Well(ended)),
            () = killed => Ok(Ended::Crashed),
            () = stuck.notified() => Err(Stuck),
        }
    });
    let mut left = wreck.lock().unwrap_or_else(PoisonError::into_inner).take();
    if left.is_none() && matches!(ended, Ok(Ended::Crashed)) && life.pace != Pace::Real {
        left = Some(Files::read(data).expect("the folder is there"));
    }
    drop(runtime);
    if let Some(files) = left {
        files.put(data).expect("the folder can be written");
    }
    ended
}

/// A runtime of one thread that moves the clock when there is nothing else to do.
fn runtime(outside: &Arc<Outside>, busy: &Arc<AtomicUsize>, stuck: &Arc<Notify>) -> Runtime {
    let (busy, clock, stuck) = (Arc::clone(busy), Arc::clone(&outside.clock), Arc::clone(stuck));
    let idle = move || {
        if busy.load(Ordering::SeqCst) == 0 && !clock.advance() {
            stuck.notify_one();
        }
    };
    Builder::new_current_thread().enable_all().on_thread_park(idle).build().expect("a thread has what it needs")
}

fn settings(outside: &Arc<Outside>, data: &Path, pace: Pace, own: Own) -> Settings {
    let env = outside.env.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Own { performer, library } = own;
    Settings {
        clock: Arc::clone(&outside.clock) as Arc<dyn Clock>,
        chance: match pace {
            Pace::Real => Arc::new(SystemChance),
            Pace::Drawn(seed) => Arc::new(Seeded::new(!seed)) as Arc<dyn Chance>,
        },
        limits: outside.limits.clone(),
        ..Settings::new(data, library, Arc::new(env), performer)
    }
}
