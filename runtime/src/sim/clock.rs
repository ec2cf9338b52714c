//! What time is it in a simulation?
//!
//! A clock that stands still while anything can go on, and then moves to the earliest time that anyone waits for.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use flow_model::units::{Instant, Millis};
use futures::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use crate::timer::Clock;

/// The clock.
#[derive(Debug, Default)]
pub struct VirtualClock {
    now: AtomicI64,
    sleepers: Mutex<BTreeMap<(Instant, u64), oneshot::Sender<()>>>,
    next: AtomicU64,
    /// When it is set back: after so many looks that have seen this time or a later one, by so much.
    set_back: Mutex<Option<(Instant, usize, Millis)>>,
    /// By how much it was set.
    set_by: watch::Sender<i64>,
}

impl VirtualClock {
    /// A clock that stands at a time.
    pub fn at(now: Instant) -> Self {
        Self { now: AtomicI64::new(now.0), ..Self::default() }
    }

    /// Sets itself back by a time when a moment has come and that many have seen it.
    pub fn set_back_after(&self, moment: Instant, looks: usize, by: Millis) {
        *self.set_back.lock().unwrap_or_else(PoisonError::into_inner) = Some((moment, looks, by));
    }

    /// Lets time go by, in either direction, by milliseconds: also while a machine is suspended, or nobody lives.
    pub fn shift(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the clock, forward or backward, by milliseconds, while no time goes by.
    pub fn set(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
        self.set_by.send_modify(|set_by| *set_by += by);
        // Whoever sleeps looks again.
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Sleeps until a time, or until the clock is set.
    async fn doze(&self, until: Instant) {
        let (wake, woken) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).insert((until, id), wake);
        // It is dropped when the clock is set.
        let _ = woken.await;
    }

    /// Moves to the earliest time that someone waits for; says whether there is one.
    pub(super) fn advance(&self) -> bool {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.retain(|_, sleeper| !sleeper.is_closed());
        let Some(((at, _), _)) = sleepers.first_key_value() else { return false };
        let due = *at;
        // It may stand later already, where it was moved by hand.
        self.now.fetch_max(due.0, Ordering::SeqCst);
        let later = sleepers.split_off(&(Instant(due.0 + 1), 0));
        for (_, sleeper) in std::mem::replace(&mut *sleepers, later) {
            // Whoever slept may be gone.
            let _ = sleeper.send(());
        }
        true
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        let now = Instant(self.now.load(Ordering::SeqCst));
        let mut set_back = self.set_back.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *set_back {
            Some((moment, 0, by)) if *moment <= now => {
                self.shift(i64::try_from(by.0).map_or(i64::MIN, |by| -by));
                *set_back = None;
            }
            Some((moment, looks, _)) if *moment <= now => *looks -= 1,
            _ => {}
        }
        now
    }

    async fn sleep_until(&self, at: Instant) {
        while at > self.now() {
            self.doze(at).await;
        }
    }

    fn set_by(&self) -> i64 {
        *self.set_by.borrow()
    }

    async fn until_set(&self, known: i64) {
        // The sender is this clock, which is borrowed.
        let _ = self.set_by.subscribe().wait_for(|set_by| *set_by != known).await;
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        let even = self.now().moved(-self.set_by()).after(span);
        Box::pin(async move {
            while even > self.now().moved(-self.set_by()) {
                self.doze(even.moved(self.set_by())).await;
            }
        })
    }
}
