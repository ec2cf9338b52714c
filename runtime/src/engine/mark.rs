//! When is it kept how a run stands, and how is a run taken up from there?
//!
//! A journal is replayed to bring a run into memory, which takes as long as the journal is. So when a journal has grown by
//! many entries, the batch that makes it do so also has a checkpoint: what replaying all of it up to here would give. The
//! run is then taken up from there. What is written for checkpoints is in the long run at most half of what is written for
//! entries, since the journal first grows by twice what the latest one took. A run with few entries has none, however large
//! they are.
//!
//! A checkpoint that is damaged, or of another version of the program, is passed over: the journal is whole, and gives the
//! same.

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{plan::Plan, units::Instant};

use super::{
    RunId,
    live::{Broken, Live, Open},
};
use crate::{
    eval::Library,
    journal::{Chain, Checkpoint, Damage, Row},
    machine::{FORM, Machine, Place},
    observe::Trace,
    store::{Error, Mark, Store},
};

/// The size above which it is not kept how a run stands: writing would hold up other runs.
const MOST: usize = 32 << 20;

/// Why a checkpoint is passed over.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error("it has the form {0}, and this program reads {FORM}")]
    Form(String),
    #[error("it does not read: {0}")]
    Unread(#[from] serde_json::Error),
    #[error("it ends early")]
    Short,
    #[error("it is that of another plan")]
    Plan,
}

/// How much a journal has grown since it was kept how its run stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    entries: usize,
    bytes: usize,
    /// What the latest checkpoint takes, if there is one.
    kept: Option<usize>,
    /// [`super::Limits::checkpoint`].
    every: usize,
}

impl Growth {
    pub(super) fn new(every: usize) -> Self {
        Self { entries: 0, bytes: 0, kept: None, every }
    }

    pub(super) fn add(&mut self, entry: &Row) {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.body.len());
    }

    fn is_much(&self) -> bool {
        let kept = self.kept.unwrap_or_default();
        self.every == 0 || (self.entries >= self.every && self.bytes >= kept.saturating_mul(2))
    }
}

impl Live {
    /// What becomes of the run's checkpoint with the batch that is about to be written.
    pub(super) fn mark(&mut self) -> Mark {
        if self.machine.outcome().is_some() {
            return if self.growth.kept.is_some() { Mark::Goes } else { Mark::Stays };
        }
        if !self.growth.is_much() {
            return Mark::Stays;
        }
        let Some(snapshot) = self.machine.snapshot() else { return Mark::Stays };
        let steps: Vec<_> = self.steps.iter().collect();
        // A trace of its own follows from the run.
        let given = (self.trace != Trace::of(&self.run, None)).then_some(self.trace);
        let Ok(rest) = serde_json::to_string(&(self.machine.plan().digest(), self.at, given, steps)) else {
            return Mark::Stays;
        };
        let body = format!("{rest}\n{snapshot}");
        self.growth = Growth { kept: Some(body.len()), ..Growth::new(self.growth.every) };
        if body.len() > MOST { Mark::Stays } else { Mark::Moves(self.chain.checkpoint(FORM, body)) }
    }

    /// The run as a checkpoint gives it; the entries after that are still to be replayed.
    fn restore(
        run: RunId,
        plan: Arc<Plan>,
        library: Library,
        every: usize,
        checkpoint: &Checkpoint,
    ) -> Result<Self, Unusable> {
        let chain = Chain::after(run.clone(), checkpoint)?;
        if checkpoint.form != FORM {
            return Err(Unusable::Form(checkpoint.form.clone()));
        }
        let (rest, snapshot) = checkpoint.body.split_once('\n').ok_or(Unusable::Short)?;
        let (digest, at, given, steps): (String, Instant, Option<Trace>, Vec<(Place, Open)>) =
            serde_json::from_str(rest)?;
        if digest != plan.digest() {
            return Err(Unusable::Plan);
        }
        let trace = Trace::of(&run, given);
        let machine = Machine::restore(run.as_str(), plan, library, snapshot)?;
        let growth = Growth { kept: Some(checkpoint.body.len()), ..Growth::new(every) };
        let (steps, listening) = (steps.into_iter().collect(), BTreeSet::new());
        Ok(Self { machine, run, trace, chain, at, listening, steps, queued: None, growth })
    }

    /// A run from its journal, and from its checkpoint where there is one; none when its journal is empty.
    pub(super) async fn read(
        store: &dyn Store,
        run: &RunId,
        plan: Arc<Plan>,
        library: Library,
        every: usize,
    ) -> Result<Result<Option<Self>, Broken>, Error> {
        let kept = store.checkpoint(run).await?;
        let restored = match &kept {
            None => None,
            Some(checkpoint) => {
                let restored = Self::restore(run.clone(), Arc::clone(&plan), library.clone(), every, checkpoint);
                let passed_over = |why: &Unusable| {
                    tracing::warn!(%run, %why, "a checkpoint is passed over: the run is taken up from its first entry");
                };
                restored.inspect_err(passed_over).ok()
            }
        };
        let (live, rows) = match restored {
            Some(live) => {
                let rows = store.rows_from(run, live.chain.next().saturating_sub(1)).await?;
                (live, rows)
            }
            None => {
                let rows = store.rows(run).await?;
                if rows.is_empty() {
                    return Ok(Ok(None));
                }
                let mut live = Self::new(run.clone(), plan, library, every);
                live.growth.kept = kept.map(|_| 0);
                (live, rows)
            }
        };
        Ok(live.replay(rows).map(Some))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(every: usize, kept: Option<usize>, entries: usize, length: usize) -> bool {
        let mut growth = Growth { kept, ..Growth::new(every) };
        let row = Row { seq: 0, version: 1, body: "x".repeat(length), checksum: [0; 16] };
        (0..entries).for_each(|_| growth.add(&row));
        growth.is_much()
    }

    #[test]
    fn a_journal_has_to_grow_by_many_entries_and_by_twice_what_is_kept_of_it() {
        assert!(!grown(100, None, 99, 1_000_000) && grown(100, None, 100, 1));
        assert!(!grown(100, Some(80), 100, 1) && !grown(100, Some(80), 159, 1) && grown(100, Some(80), 160, 1));
        assert!(grown(0, Some(80), 0, 1) && !grown(usize::MAX, None, 1000, 1000));
    }
}
