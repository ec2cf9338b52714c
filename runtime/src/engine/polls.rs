//! How do the triggers that poll stand in this process, and how does one learn that it has to read from elsewhere?
//!
//! Each has an entry while its task lives. A task holds its turn while it looks and while it starts runs, so that whoever changes
//! what is kept of it does so between two looks; the task then begins with what is kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use flow_model::units::{Instant, Millis};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{Engine, notes::of, submit::scope};
use crate::{connector::Waiting, store::Error};

/// How long a look may wait for its turn until the log has a line of it.
const LONG: Millis = Millis::seconds(60);

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
    /// When it began in this process, or a look went well, whichever was later.
    #[serde(default)]
    pub fresh: Option<Instant>,
    /// What a look waits for that may not leave.
    #[serde(default)]
    pub held: Option<Held>,
}

/// What a look waits for that the limits or the breaker of its connection do not let leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What, in words.
    pub because: String,
    /// Since when.
    pub since: Instant,
    /// When it asks again.
    pub until: Instant,
    /// Whether the log has a line of it.
    #[serde(skip)]
    told: bool,
}

impl Held {
    /// One that the log has no line of.
    pub(crate) fn new(because: String, since: Instant, until: Instant) -> Self {
        Self { because, since, until, told: false }
    }
}

impl Polling {
    /// When it looks next, or asks next whether it may.
    pub fn asks(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until).or(self.next)
    }
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
    /// Takes note that a look waits: for its turn, or that its system works again. The log has a line of that when it is not
    /// over soon, and one when it is.
    pub(crate) fn waits(&self, because: String, waits: Waiting, now: Instant, until: Instant) {
        let mut stands = self.lock();
        let (since, told) = stands.held.as_ref().map_or((now, false), |held| (held.since, held.told));
        let tells = waits == Waiting::Recovery || until.since(since) > LONG;
        if tells && !told {
            let Polling { flow, on, .. } = &*stands;
            tracing::warn!(flow, on, because, again = %until.since(now), "what has happened is not read for now");
        }
        stands.held = Some(Held { told: told || tells, ..Held::new(because, since, until) });
    }

    /// Takes note that a look leaves.
    pub(crate) fn leaves(&self, now: Instant) {
        let mut stands = self.lock();
        if let Some(Held { since, told: true, .. }) = stands.held.take() {
            let Polling { flow, on, .. } = &*stands;
            tracing::info!(flow, on, after = %now.since(since), "what has happened is looked at again");
        }
    }

    /// Takes note that a look went well.
    pub(crate) fn went_well(&self, at: Instant) {
        self.lock().fresh = Some(at);
    }

    fn lock(&self) -> MutexGuard<'_, Polling> {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of how it stands.
    pub(crate) fn stands(&self, looked: Instant, next: Instant, failure: Option<(u32, String)>) {
        let mut stands = self.lock();
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
            let fresh = Some(self.inner.settings.clock.now());
            let stands = Polling { flow: flow.to_owned(), on: on.to_owned(), fresh, ..Polling::default() };
            let poller = Arc::new(Poller { stands: Mutex::new(stands), ..Poller::default() });
            *entry = Arc::downgrade(&poller);
            poller
        })
    }

    /// How the triggers stand that poll in this process.
    pub fn polls(&self) -> Vec<Polling> {
        let all = self.inner.polls.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = all.values().filter_map(Weak::upgrade);
        alive.map(|poller| poller.lock().clone()).collect()
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
