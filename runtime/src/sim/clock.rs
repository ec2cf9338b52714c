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
use tokio::sync::oneshot;

use crate::timer::Clock;

/// The clock.
#[derive(Debug, Default)]
pub struct VirtualClock {
    now: AtomicI64,
    sleepers: Mutex<BTreeMap<(Instant, u64), oneshot::Sender<()>>>,
    next: AtomicU64,
    /// When it is set back: after so many looks that have seen this time or a later one, by so much.
    set_back: Mutex<Option<(Instant, usize, Millis)>>,
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

    /// Moves the clock by hand, in either direction, by milliseconds.
    pub fn shift(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
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
            let (wake, woken) = oneshot::channel();
            let id = self.next.fetch_add(1, Ordering::SeqCst);
            self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).insert((at, id), wake);
            // The clock drops no sleeper that still waits.
            let _ = woken.await;
        }
    }
}
