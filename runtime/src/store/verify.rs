//! Is the journal still what was written?
//!
//! Each run is looked at by itself: its rows have a number, a length by their body, and a checksum over all that and the
//! checksum before it, so that a changed, missing or swapped row is seen. Damage in one run stops nothing but that run.

use super::{Error, Reader, RunState, repair};
use crate::journal::{self, Chain, Checkpoint, Damage, Row, RunId};

/// What is wrong with a run whose plan is not there.
pub(super) const NO_PLAN: &str = "its plan is missing or changed";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// How many runs were looked at.
    pub runs: u64,
    /// How many entries of journals.
    pub entries: u64,
    /// Runs whose journal is damaged, and how, in the order of their ids.
    pub damaged: Vec<(Kept, Damage)>,
    /// Runs whose plan is missing, or is not the one that they began with.
    pub without_plan: Vec<Kept>,
    /// Runs that repairing has ended for the same reason, and how they are damaged: there is nothing to do about them.
    pub repaired: Vec<(Kept, String)>,
    /// What SQLite says of its own pages, where that is not well.
    pub pages: Vec<String>,
}

/// A run that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub run: RunId,
    /// Its flow.
    pub flow: String,
    /// Its state.
    pub state: RunState,
    /// The digest of its plan.
    pub plan: String,
}

impl Verified {
    /// Says whether all is as it was written, but for what was dealt with.
    pub fn is_well(&self) -> bool {
        self.damaged.is_empty() && self.without_plan.is_empty() && self.pages.is_empty()
    }
}

impl Reader {
    /// Looks at every run, beside a process that may be writing. Memory is bounded by the longest journal.
    ///
    /// # Errors
    /// When the database can't be read at all.
    pub fn verify(&self) -> Result<Verified, Error> {
        let mut verified = Verified { pages: self.pages()?, ..Verified::default() };
        let plans = self.plans_that_are_as_written()?;
        let mut after = None;
        loop {
            let some = self.kept_after(after.as_ref())?;
            let Some(last) = some.last() else { return Ok(verified) };
            after = Some(last.run.clone());
            for kept in some {
                let rows = self.rows(&kept.run)?;
                verified.runs += 1;
                verified.entries += rows.len() as u64;
                let checkpoint = self.checkpoint(&kept.run)?;
                let read = journal::read(&kept.run, &rows).map(drop);
                let damage = read.and_then(|()| checkpoint.map_or(Ok(()), |at| fits(&kept.run, &at, &rows))).err();
                let lacks_plan = !plans.contains(&kept.plan);
                if damage.is_none() && !lacks_plan {
                    continue;
                }
                let why = damage.as_ref().map_or_else(|| NO_PLAN.to_owned(), Damage::to_string);
                if repair::was_repaired(&self.folder, &kept, &why, &rows) {
                    verified.repaired.push((kept, why));
                    continue;
                }
                verified.damaged.extend(damage.map(|damage| (kept.clone(), damage)));
                verified.without_plan.extend(lacks_plan.then_some(kept));
            }
        }
    }
}

/// Says whether a checkpoint is what was written, and stands after one of these rows.
fn fits(run: &RunId, checkpoint: &Checkpoint, rows: &[Row]) -> Result<(), Damage> {
    let latest = checkpoint.seq.checked_sub(1).and_then(|latest| rows.get(usize::try_from(latest).ok()?));
    Chain::after(run.clone(), checkpoint)?.ends_with(latest)
}

#[cfg(test)]
mod tests {
    use flow_model::units::Instant;
    use rusqlite::Connection;

    use super::*;
    use crate::{
        journal::Entry,
        machine::{Event, Said},
        store::{Batch, Mark, NewRun, Sqlite, Standing, Store, read, schema},
    };

    /// A folder with three runs of four entries each.
    async fn folder() -> (tempfile::TempDir, Vec<RunId>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path()).unwrap();
        let plan = b"{}".to_vec();
        let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&plan));
        store.add_plan(digest.clone(), "f".into(), plan).await.unwrap();
        let runs: Vec<RunId> = (1..=3).map(|number| RunId::new(Instant(1000), number)).collect();
        for run in &runs {
            let mut chain = Chain::new(run.clone());
            let entry = |at| Entry { at: Instant(at), said: Said::Event(Event::Cancelled { reason: "why".into() }) };
            let rows = (0..4).map(|at| chain.write(&entry(at))).collect();
            let new = NewRun {
                flow: "f".into(),
                plan: digest.clone(),
                trigger: None,
                dedupe: None,
                queued: None,
                gate: None,
                parent: None,
                notes: Vec::new(),
                gather: None,
            };
            let standing = Standing { state: RunState::Running, reason: None, wake_at: None, outcome: None };
            let batch = Batch { new: Some(new), rows, ..Batch::new(run.clone(), standing, Instant(1)) };
            store.commit(batch).await.unwrap();
        }
        (folder, runs)
    }

    fn change(folder: &tempfile::TempDir, statement: &str) {
        let connection = Connection::open(folder.path().join(schema::FILE)).unwrap();
        connection.execute_batch(statement).unwrap();
    }

    fn verify(folder: &tempfile::TempDir) -> Verified {
        read(folder.path()).unwrap().verify().unwrap()
    }

    fn damaged(verified: &Verified) -> Vec<(RunId, Damage)> {
        verified.damaged.iter().map(|(kept, damage)| (kept.run.clone(), damage.clone())).collect()
    }

    fn without_plan(folder: &tempfile::TempDir) -> Vec<RunId> {
        verify(folder).without_plan.into_iter().map(|kept| kept.run).collect()
    }

    #[tokio::test]
    async fn what_is_as_it_was_written_is_well() {
        let (folder, _) = folder().await;
        let verified = verify(&folder);
        assert_eq!((verified.runs, verified.entries, verified.is_well()), (3, 12, true), "{verified:?}");
    }

    #[tokio::test]
    async fn case_02_a_changed_bit_and_a_hole_are_found_in_their_run_and_no_other() {
        let (folder, runs) = folder().await;
        let (first, second, third) = (&runs[0], &runs[1], &runs[2]);
        change(
            &folder,
            &format!("update journal set body = replace(body, 'why', 'whz') where run = '{first}' and seq = 2"),
        );
        change(&folder, &format!("delete from journal where run = '{second}' and seq = 1"));
        let verified = verify(&folder);
        let expected = [(first.clone(), Damage::Checksum { seq: 2 }), (second.clone(), Damage::Gap { expected: 1 })];
        assert_eq!((damaged(&verified), verified.runs), (expected.to_vec(), 3));
        assert_eq!((verified.damaged[0].0.flow.as_str(), verified.damaged[0].0.state), ("f", RunState::Running));
        // Renumbering hides no hole, and rows of another run are not taken for its own.
        change(&folder, &format!("update journal set seq = seq - 1 where run = '{second}' and seq > 1"));
        change(&folder, &format!("update journal set run = '{third}', seq = seq + 4 where run = '{first}'"));
        let damaged = damaged(&verify(&folder));
        let expected = [(second.clone(), Damage::Checksum { seq: 1 }), (third.clone(), Damage::Checksum { seq: 4 })];
        assert_eq!(damaged, expected);
    }

    #[tokio::test]
    async fn a_checkpoint_that_is_changed_or_stands_after_an_entry_that_is_not_there_is_found() {
        let (folder, runs) = folder().await;
        let rows = read(folder.path()).unwrap().rows(&runs[0]).unwrap();
        let mut chain = Chain::new(runs[0].clone());
        rows.iter().for_each(|row| drop(chain.read(row).unwrap()));
        let standing = Standing { state: RunState::Running, reason: None, wake_at: None, outcome: None };
        let mark = Mark::Moves(chain.checkpoint("form", "body".into()));
        let store = Sqlite::open(folder.path()).unwrap();
        store.commit(Batch { mark, ..Batch::new(runs[0].clone(), standing, Instant(2)) }).await.unwrap();
        drop(store);
        assert!(verify(&folder).is_well());
        change(&folder, &format!("delete from journal where run = '{}' and seq = 3", runs[0]));
        assert_eq!(damaged(&verify(&folder)), [(runs[0].clone(), Damage::Gap { expected: 3 })]);
        change(&folder, "update checkpoints set body = 'bodz'");
        assert_eq!(damaged(&verify(&folder)), [(runs[0].clone(), Damage::Checkpoint { seq: 4 })]);
    }

    #[tokio::test]
    async fn a_plan_that_is_missing_or_changed_is_found() {
        let (folder, runs) = folder().await;
        change(&folder, "update plans set plan = cast('{ }' as blob)");
        assert_eq!(without_plan(&folder), runs);
        change(&folder, "delete from plans");
        assert_eq!(without_plan(&folder), runs);
    }
}
