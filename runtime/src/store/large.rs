//! Where does a text lie that is too large for a row?
//!
//! In a file of its own below the data folder, by its digest; the row holds `@` and the digest instead, which is no JSON. So
//! lists and histories never touch what is large, the database stays small, and the same text is there once. The file is
//! synced before the transaction that names it. Which texts and files are named by which run is in the table `refs`: what
//! nobody names any more is removed.

use std::{borrow::Cow, path::Path, time::SystemTime};

use flow_model::file::Sha256;

use super::{Batch, Error, NewRun, write::text};
use crate::blob::Disk;

/// The size in bytes above which a text has a file of its own: with less, SQLite is the faster one (see "Internal Versus
/// External BLOBs" in its documentation).
const LARGE: usize = 100 << 10;

/// The folder below the data folder.
const FOLDER: &str = "values";

/// How a file is written in the tagged form of values.
const FILE: &str = "\"$file\":{\"sha256\":\"";

/// Large texts below a data folder. A clone is the same place.
#[derive(Clone, Debug)]
pub(super) struct Large(Disk);

impl Large {
    pub(super) fn new(data: &Path) -> Self {
        Self(Disk::new(data.join(FOLDER)))
    }

    /// What the row holds instead of a large text: where that lies, and is on disk when this returns.
    pub(super) fn put(&self, text: &str) -> Result<Option<String>, Error> {
        if text.len() <= LARGE {
            return Ok(None);
        }
        Ok(Some(format!("@{}", self.0.put_now(text.as_bytes())?.sha256)))
    }

    /// Puts down those of a batch's texts that are large, and syncs them: meant to be done before the batch waits for its
    /// turn to be written, since everybody waits for the writer. Blocks. What of a batch is not looked at here, since it is
    /// hardly ever large, the writer puts down.
    pub(super) fn put_texts_of(&self, batch: &Batch) -> Result<Held, Error> {
        let mut held = Held::default();
        for row in &batch.rows {
            self.put_into(&mut held, Cow::Borrowed(&row.body))?;
        }
        if !held.0.is_empty() {
            // The journal holds all of these too, so they are large only where a row is.
            let outcome = batch.standing.outcome.iter().map(text);
            let answer = batch.answer.iter().map(text);
            let letters = batch.dead_letters.iter().map(|letter| text(&letter.value));
            let causes = batch.dead_letters.iter().filter_map(|letter| letter.cause.as_ref()).map(text);
            for told in outcome.chain(answer).chain(letters).chain(causes) {
                self.put_into(&mut held, Cow::Owned(told))?;
            }
        }
        let begins = batch.begins.iter().map(|(_, new)| new);
        for start in batch.new.iter().chain(begins).filter_map(|new| new.queued.as_ref()) {
            self.put_into(&mut held, Cow::Owned(text(start)))?;
        }
        Ok(held)
    }

    fn put_into(&self, held: &mut Held, text: Cow<'_, str>) -> Result<(), Error> {
        if let Some(name) = self.put(&text)? {
            held.0.push((text.into_owned(), name));
        }
        Ok(())
    }

    /// The text that a row stands for.
    pub(super) fn get(&self, held: String) -> Result<String, Error> {
        let Some(digest) = named(&held) else { return Ok(held) };
        let bytes = self.0.get_now(digest)?;
        String::from_utf8(bytes).map_err(|_| crate::blob::Error::Damaged(digest).into())
    }

    /// The digests after one of what lies here, in order.
    pub(super) fn after(&self, digest: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error> {
        Ok(self.0.list_now(digest, most)?)
    }

    /// Removes a text that was last written before a time; says how many bytes that freed.
    pub(super) fn remove(&self, digest: Sha256, written_before: SystemTime) -> Result<u64, Error> {
        Ok(self.0.remove_now(digest, written_before)?)
    }
}

impl Batch {
    /// Says whether some texts of a batch are large.
    pub(super) fn has_large_texts(&self) -> bool {
        let waits = |new: &NewRun| new.queued.as_ref().is_some_and(|start| text(start).len() > LARGE);
        self.rows.iter().any(|row| row.body.len() > LARGE)
            || self.new.as_ref().is_some_and(waits)
            || self.begins.iter().any(|(_, new)| waits(new))
    }
}

/// Large texts that are on disk, each with what a row holds in its place.
#[derive(Default)]
pub(super) struct Held(Vec<(String, String)>);

impl Held {
    /// What a row holds in place of a text.
    pub(super) fn of(&self, text: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == text).map(|(_, name)| name.as_str())
    }
}

/// The digest that a row holds in place of a text.
fn named(held: &str) -> Option<Sha256> {
    held.strip_prefix('@')?.parse().ok()
}

/// The digests of the files that a text names, and of the text itself where that is large.
pub(super) fn refers(text: &str) -> Vec<Sha256> {
    let files = text.match_indices(FILE).filter_map(|(at, _)| text.get(at + FILE.len()..)?.get(..64)?.parse().ok());
    named(text).into_iter().chain(files).collect()
}

#[cfg(test)]
mod tests {
    use flow_model::{file::File, units::Instant, value::Value};

    use super::*;
    use crate::{
        journal::{Row, RunId},
        machine::Outcome,
        store::{RunState, Standing},
    };

    #[test]
    fn what_is_large_lies_in_a_file_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let large = Large::new(folder.path());
        assert_eq!(large.put("{}").unwrap(), None);
        let text = format!("\"{}\"", "x".repeat(LARGE));
        let held = large.put(&text).unwrap().unwrap();
        assert!(held.starts_with('@') && held.len() == 65, "{held}");
        assert_eq!(large.put(&text).unwrap(), Some(held.clone()));
        assert_eq!(large.get(held.clone()).unwrap(), text);
        assert_eq!(large.after(None, 10).unwrap(), refers(&held));
        let digest = refers(&held)[0];
        assert_eq!(large.remove(digest, SystemTime::UNIX_EPOCH).unwrap(), 0, "it was written since");
        let later = SystemTime::now() + std::time::Duration::from_secs(1);
        assert_eq!(large.remove(digest, later).unwrap(), text.len() as u64);
        assert!(matches!(large.get(held), Err(Error::Blobs(crate::blob::Error::Missing(_)))));
    }

    #[test]
    fn the_large_texts_of_a_batch_are_on_disk_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let large = Large::new(folder.path());
        let value = Value::text("x".repeat(LARGE));
        let body = format!("[{}]", text(&value));
        let row = |seq, body: &str| Row { seq, version: 1, body: body.to_owned(), checksum: [0; 16] };
        let (run, outcome) = (RunId::new(Instant(0), 1), Some(Outcome::Completed(value)));
        let standing = Standing { state: RunState::Completed, reason: None, wake_at: None, outcome: outcome.clone() };
        let rows = vec![row(0, "{}"), row(1, &body)];
        let batch = Batch { rows, ..Batch::new(run, standing, Instant(0)) };
        let held = large.put_texts_of(&batch).unwrap();
        for long in [body, text(&outcome.unwrap())] {
            assert_eq!(large.get(held.of(&long).unwrap().to_owned()).unwrap(), long);
        }
        assert_eq!(held.of("{}"), None);
    }

    #[test]
    fn the_files_that_a_value_names_are_found_and_text_that_looks_so_is_none() {
        let file = |text: &[u8]| Value::File(File::new(Sha256::of(text), 1, "a", "b").into());
        let value = Value::List(vec![file(b"one"), Value::record([("f", file(b"two"))])]);
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(refers(&text), [Sha256::of(b"one"), Sha256::of(b"two")]);
        let quoted = serde_json::to_string(&Value::text(text)).unwrap();
        assert_eq!(refers(&quoted), []);
    }
}
