//! How do the triggers that poll stand in this process, and how does one learn that it has to read from elsewhere?
//!
//! Each has an entry while its task lives. A task holds its turn while it looks and while it starts runs, so that whoever changes
//! what is kept of it does so between two looks; the task then begins with what is kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use flow_model::units::Instant;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{Engine, notes::of, submit::scope};
use crate::store::Error;

/// How a trigger that polls stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polling {
    /// The flow that it starts.
    pub flow: String,
    /// The trigger, as the list of runs calls it.
    pub on: String,
    /// When it has looked last.
    pub looked: Option<Instant>,
    /// When it looks next.
    pub next: Option<Instant>,
    /// How many looks have failed since one went well.
    pub failures: u32,
    /// Why the last one has failed.
    pub failure: Option<String>,
}

/// The triggers that poll, by flow and trigger.
#[derive(Debug, Default)]
pub(super) struct Polls(Mutex<BTreeMap<(String, String), Weak<Poller>>>);

/// The entry of one.
#[derive(Debug, Default)]
pub(crate) struct Poller {
    /// Held while it looks. Whether what is kept of it is known.
    pub(crate) knows: tokio::sync::Mutex<bool>,
    /// Told when what is kept of it has changed.
    pub(crate) changed: Notify,
    stands: Mutex<Polling>,
}

impl Poller {
    /// Takes note of how it stands.
    pub(crate) fn stands(&self, looked: Instant, next: Instant, failure: Option<(u32, String)>) {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        (stands.looked, stands.next) = (Some(looked), Some(next));
        let (failures, failure) = failure.map_or((0, None), |(failures, failure)| (failures, Some(failure)));
        (stands.failures, stands.failure) = (failures, failure);
    }
}

impl Engine {
    /// The entry of a trigger that polls.
    pub(crate) fn poller(&self, flow: &str, on: &str) -> Arc<Poller> {
        let mut all = self.inner.polls.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry((flow.to_owned(), on.to_owned())).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let stands = Polling { flow: flow.to_owned(), on: on.to_owned(), ..Polling::default() };
            let poller = Arc::new(Poller { stands: Mutex::new(stands), ..Poller::default() });
            *entry = Arc::downgrade(&poller);
            poller
        })
    }

    /// How the triggers stand that poll in this process.
    pub fn polls(&self) -> Vec<Polling> {
        let all = self.inner.polls.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = all.values().filter_map(Weak::upgrade);
        alive.map(|poller| poller.stands.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    /// Keeps these notes of a trigger that polls in the place of all that it has, and lets it look at once. A look that is under
    /// way ends before. On disk when this returns.
    ///
    /// # Errors
    /// When they can't be read or written.
    pub async fn read_from(&self, flow: &str, on: &str, notes: BTreeMap<String, String>) -> Result<(), Error> {
        self.inner.halted.check()?;
        let poller = self.poller(flow, on);
        let mut knows = poller.knows.lock().await;
        let scope = scope(flow, Some(on));
        let mut all: BTreeMap<String, String> =
            self.inner.store.notes(&scope).await?.into_keys().map(|key| (key, String::new())).collect();
        all.extend(notes);
        let kept = self.inner.store.keep(of(&scope, all)).await;
        kept.inspect_err(|error| self.inner.halt(error.clone()))?;
        *knows = false;
        poller.changed.notify_one();
        Ok(())
    }
}
