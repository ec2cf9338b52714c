//! What time is it, and what is due?
//!
//! The clock is handed in. Timers lie in one queue that a single task watches, so a waiting run holds an entry there and
//! no task.

#[cfg(test)]
pub(crate) mod hands;

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use flow_model::units::Instant;
use tokio::sync::Notify;

/// Where the time comes from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Instant;

    /// Returns when [`now`](Self::now) is at or after a time; never before.
    async fn sleep_until(&self, at: Instant);
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// How long the system clock sleeps before it looks again: a clock that was set forward is seen within this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, at: Instant) {
        loop {
            let left = at.since(self.now()).duration();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }
}

/// What is due when.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    queue: Mutex<BTreeSet<(Instant, K)>>,
    changed: Notify,
}

impl<K: Ord + Clone> Timers<K> {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(BTreeSet::new()), changed: Notify::new() }
    }

    /// Asks for a key at a time. Asking twice is asking once.
    pub(crate) fn arm(&self, at: Instant, key: K) {
        let mut queue = self.lock();
        let next = queue.first().map(|(first, _)| *first);
        queue.insert((at, key));
        drop(queue);
        if next.is_none_or(|next| at < next) {
            self.changed.notify_one();
        }
    }

    /// Takes a request back.
    pub(crate) fn disarm(&self, at: Instant, key: K) {
        self.lock().remove(&(at, key));
    }

    /// Waits for the next key that is due. To be called by one task.
    pub(crate) async fn next(&self, clock: &dyn Clock) -> K {
        loop {
            let first = self.lock().first().map(|(at, _)| *at);
            match first {
                None => self.changed.notified().await,
                Some(at) if at <= clock.now() => {
                    if let Some((_, key)) = self.lock().pop_first() {
                        return key;
                    }
                }
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = clock.sleep_until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Instant, K)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
