//! How many calls are under way at the same time, of all connections and of one?
//!
//! A call that a system does not answer takes up room until its time is over. So one connection has a share of all room and
//! no more, whoever calls it, and those of other systems go on. As many as wait for their share are also bounded: a run whose
//! call finds more than that is put out of memory, and asks again later.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use flow_model::plan::Plan;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// How many calls may wait for each that may be under way.
const QUEUE: usize = 16;

/// The room that there is.
pub(super) struct Rooms {
    all: Arc<Semaphore>,
    /// The share of one connection.
    share: usize,
    shares: Mutex<HashMap<String, Arc<Share>>>,
}

struct Share {
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Room for one call, until it is dropped.
pub(super) struct Permit {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// One that waits for its share, however that ends.
struct Waiting<'a>(&'a Share);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Rooms {
    pub(super) fn new(limits: &Limits) -> Self {
        let share = limits.calls_of_one.min(limits.calls).max(1);
        Self { all: Arc::new(Semaphore::new(limits.calls)), share, shares: Mutex::default() }
    }

    fn share(&self, plan: &Plan, connection: &str) -> Arc<Share> {
        // Flows that have the same connection share its room, as they share its limits.
        let connector = plan.connections.get(connection).map_or("", |connection| &connection.connector);
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let share = shares.entry(format!("{connector} {connection}")).or_insert_with(|| {
            let room = Arc::new(Semaphore::new(self.share));
            Arc::new(Share { room, waiting: AtomicUsize::new(0) })
        });
        Arc::clone(share)
    }

    /// Says whether more calls of a connection wait for room than may.
    pub(super) fn is_crowded(&self, plan: &Plan, connection: &str) -> bool {
        self.share(plan, connection).waiting.load(Ordering::SeqCst) >= self.share.saturating_mul(QUEUE)
    }

    /// Waits for room.
    pub(super) async fn take(&self, plan: &Plan, connection: &str) -> Option<Permit> {
        let share = self.share(plan, connection);
        share.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&share);
        // Before the room of all, so that who waits for its share takes up none of that.
        let of_share = Arc::clone(&share.room).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Permit { _share: of_share, _all: of_all })
    }

    /// Takes room if there is some.
    pub(super) fn take_at_once(&self, plan: &Plan, connection: &str) -> Option<Permit> {
        let of_share = Arc::clone(&self.share(plan, connection).room).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Permit { _share: of_share, _all: of_all })
    }
}
