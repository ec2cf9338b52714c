//! A clock that a test sets.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use flow_model::units::Instant;
use tokio::sync::watch;

use super::Clock;

/// A clock that a test sets.
pub(crate) struct Hands {
    now: watch::Sender<Instant>,
    sleepers: watch::Sender<BTreeSet<Instant>>,
}

impl Hands {
    pub(crate) fn at(now: Instant) -> Arc<Self> {
        Arc::new(Self { now: watch::Sender::new(now), sleepers: watch::Sender::new(BTreeSet::new()) })
    }

    pub(crate) fn set(&self, now: Instant) {
        self.now.send_replace(now);
    }

    /// Waits until something sleeps until that time.
    pub(crate) async fn slept_until(&self, at: Instant) {
        self.sleepers.subscribe().wait_for(|sleepers| sleepers.contains(&at)).await.unwrap();
    }
}

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Instant {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: Instant) {
        self.sleepers.send_modify(|sleepers| {
            sleepers.insert(at);
        });
        self.now.subscribe().wait_for(|now| *now >= at).await.unwrap();
        self.sleepers.send_modify(|sleepers| {
            sleepers.remove(&at);
        });
    }
}
