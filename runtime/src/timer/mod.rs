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
use flow_model::units::{Instant, Millis};
use futures::future::BoxFuture;
use tokio::sync::Notify;

/// Where the time comes from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Instant;

    /// Returns when [`now`](Self::now) is at or after a time; never before.
    async fn sleep_until(&self, at: Instant);

    /// By how many milliseconds the clock was set so far, forward less backward: by how much more it went on than time did.
    fn set_by(&self) -> i64 {
        0
    }

    /// Returns when [`set_by`](Self::set_by) is another than that.
    async fn until_set(&self, known: i64) {
        let _ = known;
        std::future::pending().await
    }

    /// Is over when so much time has gone by from now on, whatever the clock is set to meanwhile.
    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        self.sleep_until(self.now().after(span))
    }

    /// Is over when as much time has gone by as lies between now and then, whatever the clock is set to meanwhile: for what has
    /// to last so long. What has to happen at a time of the wall waits for [that](Self::sleep_until).
    fn sleep_as_far_as(&self, at: Instant) -> BoxFuture<'_, ()> {
        self.sleep(at.since(self.now()))
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// By how much the clock on the wall may run ahead of time, or behind, between two looks. More than that is a clock that was
/// set.
const BOUND: i64 = 1000;

/// Two readings that should be one are taken again when more than this lies between them.
const APART: Duration = Duration::from_millis(20);

/// What the clock of the machine has been compared with.
#[derive(Debug, Default)]
struct Compared {
    /// The clock on the wall, and a clock that nobody sets, at the latest look.
    last: Option<(i64, Duration)>,
    set_by: i64,
}

static COMPARED: Mutex<Compared> = Mutex::new(Compared { last: None, set_by: 0 });

impl Compared {
    fn look(&mut self, wall: i64, even: Duration) {
        if let Some((wall_then, even_then)) = self.last {
            let passed = i64::try_from(even.saturating_sub(even_then).as_millis()).unwrap_or(i64::MAX);
            let by = wall.saturating_sub(wall_then).saturating_sub(passed);
            if !(-BOUND..=BOUND).contains(&by) {
                self.set_by = self.set_by.saturating_add(by);
            }
        }
        self.last = Some((wall, even));
    }
}

/// The time of a clock that nobody sets. It goes on while the machine is suspended, where the system can tell that.
fn even() -> Duration {
    #[cfg(unix)]
    {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(CLOCK);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
    #[cfg(not(unix))]
    {
        static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        FIRST.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// Both clocks at the same moment: the process may stand still between two readings.
fn both() -> (i64, Duration) {
    loop {
        let before = even();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let after = even();
        if after.saturating_sub(before) <= APART {
            return (i64::try_from(since.as_millis()).unwrap_or(i64::MAX), after);
        }
    }
}

/// How long the system clock sleeps before it looks again: a clock that was set forward is seen within this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let mut compared = COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, even) = both();
        compared.look(wall, even);
        Instant(wall)
    }

    fn set_by(&self) -> i64 {
        COMPARED.lock().unwrap_or_else(PoisonError::into_inner).set_by
    }

    async fn until_set(&self, known: i64) {
        while self.set_by() == known {
            tokio::time::sleep(LOOK_AGAIN).await;
            let _ = self.now();
        }
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        // Timers stand still while the machine is suspended, and this clock does not.
        let until = even().saturating_add(span.duration());
        Box::pin(async move {
            loop {
                let left = until.saturating_sub(even());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        })
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

    /// All that is asked for.
    pub(crate) fn keys(&self) -> Vec<K> {
        self.lock().iter().map(|(_, key)| key.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_goes_on() {
        let mut compared = Compared::default();
        let mut look = |wall, even| {
            compared.look(wall, Duration::from_millis(even));
            compared.set_by
        };
        assert_eq!(look(1_000_000, 500), 0);
        assert_eq!(look(1_060_000, 60_500), 0, "time has gone by, or the machine was suspended");
        assert_eq!(look(1_061_000, 60_500), 0, "within the bound it is followed");
        assert_eq!(look(1_062_000, 60_500), 0, "each look begins anew, so that what drifts is no step");
        assert_eq!(look(31_537_063_000, 61_500), 31_536_000_000, "a year");
        assert_eq!(look(1_064_000, 62_500), 0, "and back");
        assert_eq!(look(1_000_000, 63_500), -65_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_span_goes_by_the_clock_that_nobody_sets_and_not_by_timers() {
        let before = even();
        SystemClock.sleep(Millis(20)).await;
        assert!(even() >= before + Duration::from_millis(20), "timers do not go by that clock here");
    }

    #[test]
    fn the_clock_of_the_machine_is_not_set_by_looking_at_it() {
        let before = SystemClock.set_by();
        let first = SystemClock.now();
        assert!(SystemClock.now() >= first);
        assert_eq!(SystemClock.set_by(), before);
    }
}
