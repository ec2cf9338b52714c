//! What can happen to a write?
//!
//! A store in front of a real one. It counts writes and lets the process end at one of them: before it, after it, or in the
//! middle, so that the disk keeps any part of what was not synced yet. Or it refuses writes, or says that there is no room.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::PathBuf,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time::SystemTime,
};

use async_trait::async_trait;
use flow_model::{
    file::Sha256,
    units::{Instant, Millis},
};
use tokio::{sync::Notify, task::unconstrained};

use super::{clock::VirtualClock, wreck::Files};
use crate::{
    chance::Seeded,
    journal::{Checkpoint, Row, RunId},
    machine::{Event, Start},
    store::{
        Batch, Committed, Error, Expiry, Filter, Letter, Letters, Note, RunDetail, RunState, RunSummary, Store, Tidied,
        Unfinished,
    },
    timer::Clock as _,
};

/// Where the process ends, or what becomes of its writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens.
    #[default]
    Never,
    /// The process ends before the write with that number, counted from 0.
    Before(usize),
    /// It ends after that write, before anyone hears of it.
    After(usize),
    /// It ends between that write and its sync: what is left of it is drawn.
    Torn(usize),
    /// That write fails, and all after it.
    Refused(usize),
    /// From that write on there is no room left but what is kept for runs under way.
    Low(usize),
    /// From that write on more is handed in than it can write.
    Slow(usize),
}

/// How long operations of the store take, and in which order they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the machine does them: other work goes on meanwhile, in an order that may differ each time.
    Real,
    /// Each takes a time on the clock of the simulation that follows from the seed.
    Drawn(u64),
}

/// The store of one process.
pub(super) struct Disk {
    pub(super) inner: Arc<dyn Store>,
    pub(super) folder: PathBuf,
    pub(super) fault: Fault,
    /// What is drawn, where the pace is.
    pub(super) chance: Option<Seeded>,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) writes: AtomicUsize,
    /// Operations under way: the clock stands still meanwhile.
    pub(super) busy: Arc<AtomicUsize>,
    pub(super) crashed: Arc<Notify>,
    /// What a crash in the middle of a write leaves.
    pub(super) wreck: Arc<Mutex<Option<Files>>>,
}

/// Counts an operation of the store or on files as under way.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Busy {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The longest that an operation takes where that is drawn.
const SLOWEST: u64 = 4;

impl Disk {
    async fn crash<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }

    /// Carries out an operation at the pace of this disk.
    async fn operate<T>(&self, operation: impl Future<Output = T> + Send) -> T {
        match &self.chance {
            None => {
                let _busy = Busy::new(&self.busy);
                operation.await
            }
            Some(chance) => {
                let until = self.clock.now().after(Millis(chance.below(SLOWEST)));
                self.clock.sleep_until(until).await;
                wait(operation)
            }
        }
    }

    /// Carries out an operation that writes, unless this is where something goes wrong.
    async fn write<T>(&self, write: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Before(at) if number >= at => self.crash().await,
            Fault::After(at) | Fault::Torn(at) if number > at => self.crash().await,
            Fault::After(at) if number == at => {
                self.operate(write).await?;
                self.crash().await
            }
            Fault::Torn(at) if number == at => {
                self.tear(write)?;
                self.crash().await
            }
            Fault::Refused(at) if number >= at => Err(Error::Closed),
            _ => self.operate(write).await,
        }
    }

    /// Writes, and draws what a crash before the sync leaves of it.
    fn tear<T>(&self, write: impl Future<Output = Result<T, Error>>) -> Result<(), Error> {
        let fail = |source| Error::Folder { folder: self.folder.clone(), source: Arc::new(source) };
        let before = Files::read(&self.folder).map_err(fail)?;
        wait(write)?;
        let after = Files::read(&self.folder).map_err(fail)?;
        let seed = self.chance.as_ref().map_or(0, |chance| chance.below(u64::MAX));
        let torn = Files::torn(&before, &after, &Seeded::new(seed));
        *self.wreck.lock().unwrap_or_else(PoisonError::into_inner) = Some(torn);
        Ok(())
    }
}

#[async_trait]
impl Store for Disk {
    async fn add_plan(&self, digest: String, flow: String, plan: Vec<u8>) -> Result<(), Error> {
        self.write(self.inner.add_plan(digest, flow, plan)).await
    }

    async fn plan(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        self.operate(self.inner.plan(digest)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        self.write(self.inner.commit(batch)).await
    }

    async fn rows_from(&self, run: &RunId, seq: u64) -> Result<Vec<Row>, Error> {
        self.operate(self.inner.rows_from(run, seq)).await
    }

    async fn checkpoint(&self, run: &RunId) -> Result<Option<Checkpoint>, Error> {
        self.operate(self.inner.checkpoint(run)).await
    }

    async fn start(&self, run: &RunId) -> Result<Option<Start>, Error> {
        self.operate(self.inner.start(run)).await
    }

    async fn mail(&self, run: &RunId) -> Result<Vec<(i64, Event)>, Error> {
        self.operate(self.inner.mail(run)).await
    }

    async fn clock_is_set(&self, by: i64) -> Result<(), Error> {
        self.write(self.inner.clock_is_set(by)).await
    }

    async fn keep(&self, notes: Vec<Note>) -> Result<(), Error> {
        self.write(self.inner.keep(notes)).await
    }

    async fn notes(&self, scope: &str) -> Result<BTreeMap<String, String>, Error> {
        self.operate(self.inner.notes(scope)).await
    }

    async fn begun_since(&self, scope: &str, since: Instant) -> Result<Vec<Instant>, Error> {
        self.operate(self.inner.begun_since(scope, since)).await
    }

    async fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Error> {
        self.operate(self.inner.summary(run)).await
    }

    async fn detail(&self, run: &RunId) -> Result<Option<RunDetail>, Error> {
        self.operate(self.inner.detail(run)).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<RunSummary>, Error> {
        self.operate(self.inner.list(filter)).await
    }

    async fn letter(&self, id: i64) -> Result<Option<Letter>, Error> {
        self.operate(self.inner.letter(id)).await
    }

    async fn letters(&self, which: Letters) -> Result<Vec<Letter>, Error> {
        self.operate(self.inner.letters(which)).await
    }

    async fn settle(&self, id: i64, how: String) -> Result<(), Error> {
        self.write(self.inner.settle(id, how)).await
    }

    async fn awake(&self, until: Instant) -> Result<Vec<Unfinished>, Error> {
        self.operate(self.inner.awake(until)).await
    }

    async fn due(&self, after: Instant, until: Instant) -> Result<Vec<(Instant, RunId)>, Error> {
        self.operate(self.inner.due(after, until)).await
    }

    async fn next_due(&self, after: Instant) -> Result<Option<Instant>, Error> {
        self.operate(self.inner.next_due(after)).await
    }

    async fn gated(&self) -> Result<Vec<Unfinished>, Error> {
        self.operate(self.inner.gated()).await
    }

    async fn pinned(&self) -> Result<BTreeSet<String>, Error> {
        self.operate(self.inner.pinned()).await
    }

    async fn plans(&self) -> Result<BTreeSet<String>, Error> {
        self.operate(self.inner.plans()).await
    }

    async fn standing(&self) -> Result<BTreeMap<RunState, u64>, Error> {
        self.operate(self.inner.standing()).await
    }

    async fn expire(&self, expiry: Expiry) -> Result<u64, Error> {
        self.write(self.inner.expire(expiry)).await
    }

    async fn tidy(&self, plans: BTreeSet<String>, written_before: SystemTime) -> Result<Tidied, Error> {
        self.write(self.inner.tidy(plans, written_before)).await
    }

    async fn unnamed(&self, blobs: Vec<Sha256>) -> Result<Vec<Sha256>, Error> {
        self.operate(self.inner.unnamed(blobs)).await
    }

    fn space(&self) -> Option<u64> {
        match self.fault {
            Fault::Low(at) if self.writes.load(Ordering::SeqCst) >= at => Some(0),
            _ => self.inner.space(),
        }
    }

    fn is_slow(&self) -> bool {
        matches!(self.fault, Fault::Slow(at) if self.writes.load(Ordering::SeqCst) >= at)
    }
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a result and lets nothing else happen meanwhile, so that the order of things does not depend on how long the
/// machine takes.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    // Without this, a task that has done much would be told to let others go first, again and again.
    let mut future = pin!(unconstrained(future));
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
