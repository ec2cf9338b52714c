//! What of the past is removed, and when?
//!
//! Runs that ended long ago go with all that belongs to them, where somebody says how long they are kept; otherwise they stay.
//! What nobody needs any more goes always: plans that no run has or can come to, large values and files that no run names.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use flow_model::{
    plan::{NodeKind, Plan},
    units::Millis,
};

use super::{Engine, Inner};
use crate::store::{Error, Expiry, Tidied};

/// How often is looked for what can go.
const EVERY: Millis = Millis::seconds(3600);

/// How many runs are removed in one write, so that others come between.
const RUNS: usize = 200;

/// How many files are looked at together.
const FILES: usize = 1000;

/// Files that were written since may belong to a step that has not ended yet.
const YOUNG: Duration = Duration::from_secs(24 * 3600);

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many runs.
    pub runs: u64,
    /// How many plans.
    pub plans: u64,
    /// How many bytes of large values and files.
    pub bytes: u64,
}

impl Engine {
    /// Removes runs that ended longer ago than that, and what nobody needs any more.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub async fn tidy(&self, keep: Option<Millis>) -> Result<Removed, Error> {
        self.inner.tidy(keep).await
    }

    /// Does so now and again. It has to be called once, within a tokio runtime.
    pub fn tidy_regularly(&self, keep: Option<Millis>) {
        let inner = Arc::clone(&self.inner);
        self.inner.watch.spawn(async move {
            while !inner.is_closing() {
                match inner.tidy(keep).await {
                    Ok(Removed { runs: 0, plans: 0, bytes: 0 }) => {}
                    Ok(Removed { runs, plans, bytes }) => tracing::info!(runs, plans, bytes, "old runs are removed"),
                    Err(error) => tracing::error!(%error, "old runs can't be removed"),
                }
                inner.settings.clock.sleep(EVERY).await;
            }
        });
    }
}

impl Inner {
    async fn tidy(&self, keep: Option<Millis>) -> Result<Removed, Error> {
        self.halted.check()?;
        let now = u64::try_from(self.settings.clock.now().0).unwrap_or(0);
        let written_before = SystemTime::UNIX_EPOCH + Duration::from_millis(now).saturating_sub(YOUNG);
        let mut removed = Removed::default();
        if let Some(keep) = keep {
            removed.runs = self.expire(keep).await?;
        }
        let Tidied { plans, bytes } = {
            // A plan that is being deployed is on no list yet.
            let _deploying = self.deploying.lock().await;
            let tidied = self.store.tidy(self.plans_that_may_be_needed().await?, written_before).await;
            self.written(tidied)?
        };
        (removed.plans, removed.bytes) = (plans, bytes);
        let mut after = None;
        loop {
            let some = self.settings.blobs.list(after, FILES).await?;
            let Some(last) = some.last() else { return Ok(removed) };
            after = Some(*last);
            for file in self.store.unnamed(some).await? {
                removed.bytes += self.settings.blobs.remove(file, written_before).await?;
            }
        }
    }

    async fn expire(&self, keep: Millis) -> Result<u64, Error> {
        let now = self.settings.clock.now();
        let ended_before = flow_model::units::Instant(now.0.saturating_sub(i64::try_from(keep.0).unwrap_or(i64::MAX)));
        let mut count = 0;
        loop {
            let removed = self.written(self.store.expire(Expiry { ended_before, now, most: RUNS }).await)?;
            count += removed;
            if removed < RUNS as u64 || self.is_closing() {
                return Ok(count);
            }
        }
    }

    /// What came of a write; when that has failed, what is on disk is not known. Files that can't be removed stay, and nothing
    /// else.
    fn written<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|error| {
            if !matches!(error, Error::Blobs(_)) {
                self.halt(error.clone());
            }
        })
    }

    /// Plans that are deployed or in use, those of all runs, and those of the flows that they call.
    async fn plans_that_may_be_needed(&self) -> Result<BTreeSet<String>, Error> {
        let mut open: Vec<String> = self.state().plans.keys().cloned().collect();
        open.extend(self.store.plans().await?);
        let mut needed = BTreeSet::new();
        while let Some(digest) = open.pop() {
            if !needed.insert(digest.clone()) {
                continue;
            }
            let plan = self.store.plan(&digest).await?;
            let Some(plan) = plan.and_then(|plan| serde_json::from_slice::<Plan>(&plan).ok()) else { continue };
            open.extend(plan.graph.node_weights().filter_map(|node| match &node.kind {
                NodeKind::Run { digest, .. } => Some(digest.clone()),
                _ => None,
            }));
        }
        Ok(needed)
    }
}
