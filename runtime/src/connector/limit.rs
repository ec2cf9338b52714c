//! The rate limit of a connection, shared by all runs that use it: at most so many requests in any window of its period.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use flow_model::schema::Rate;
use tokio::{sync, time::Instant};

/// The limiters of all connections.
#[derive(Default)]
pub(super) struct Limiters(Mutex<HashMap<String, Arc<Limiter>>>);

/// When the latest requests left, oldest first. The lock is fair: who asks first goes first, and who gives up while it
/// waits has used nothing.
#[derive(Default)]
struct Limiter(sync::Mutex<VecDeque<Instant>>);

impl Limiters {
    /// Waits until a request of that connection may leave.
    pub(super) async fn pass(&self, connection: &str, rate: Rate) {
        let limiter = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(connection.to_owned()).or_default())
        };
        limiter.pass(rate).await;
    }
}

impl Limiter {
    async fn pass(&self, rate: Rate) {
        let count = usize::try_from(rate.count.max(1)).unwrap_or(usize::MAX);
        let mut left = self.0.lock().await;
        // A newer plan may allow more: what lies further back than its count does not matter.
        while left.len() > count {
            left.pop_front();
        }
        if left.len() == count
            && let Some(oldest) = left.front().copied()
        {
            // The place stays taken until the wait is over, so that giving up changes nothing.
            tokio::time::sleep_until(oldest + rate.period.duration()).await;
            left.pop_front();
        }
        left.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flow_model::units::Millis;
    use futures::FutureExt as _;

    use super::*;

    const RATE: Rate = Rate { count: 3, period: Millis::seconds(10) };

    #[tokio::test(start_paused = true)]
    async fn no_window_of_the_period_sees_more_than_the_count() {
        let limiters = Limiters::default();
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..10 {
            limiters.pass("crm", RATE).await;
            times.push(start.elapsed().as_secs());
        }
        assert_eq!(times, [0, 0, 0, 10, 10, 10, 20, 20, 20, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_have_limits_of_their_own() {
        let limiters = Limiters::default();
        for _ in 0..3 {
            limiters.pass("a", RATE).await;
        }
        assert!(limiters.pass("b", RATE).now_or_never().is_some());
        assert!(limiters.pass("a", RATE).now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_has_used_nothing() {
        let limiters = Limiters::default();
        let start = Instant::now();
        for _ in 0..3 {
            limiters.pass("a", RATE).await;
        }
        let gave_up = tokio::time::timeout(Duration::from_secs(1), limiters.pass("a", RATE)).await;
        assert!(gave_up.is_err());
        limiters.pass("a", RATE).await;
        assert_eq!(start.elapsed().as_secs(), 10);
    }
}
