//! What is written down about a run, and is it still what was written?
//!
//! An entry is an event or a record of the machine, with its time. Each becomes one row: its number in the run, the version
//! of its form, its text, and a checksum over all that and the checksum before it. So a changed, missing or swapped row is
//! seen when the journal is read, and nothing is replayed past it.

mod checkpoint;
mod history;
mod id;
mod why;

use flow_model::units::Instant;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::{
    checkpoint::Checkpoint,
    history::{AttemptHistory, History, Line, StepHistory, StepState, Waits},
    id::{BadRunId, RunId},
    why::{Wait, Why},
};
use crate::machine::Said;

/// The version of the form of entries. Older ones stay readable.
pub const VERSION: u32 = 1;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was made; never before the one before it.
    pub at: Instant,
    /// What it says.
    pub said: Said,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in its run, from 0 without gaps.
    pub seq: u64,
    /// [`VERSION`] when it was written.
    pub version: u32,
    /// The entry as JSON.
    pub body: String,
    /// The first 16 bytes of SHA-256 over the checksum before it, the run, the number, the version and the body.
    pub checksum: [u8; 16],
}

/// Why a journal can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Rows are missing or out of order.
    #[error("entry {expected} of the journal is missing")]
    Gap {
        /// The number that should come next.
        expected: u64,
    },
    /// A row is not what was written.
    #[error("entry {seq} of the journal is damaged")]
    Checksum {
        /// The row's number.
        seq: u64,
    },
    /// A row has a form that this program does not know.
    #[error(
        "entry {seq} of the journal has version {version}, and this program reads up to {VERSION}: use a newer one"
    )]
    Newer {
        /// The row's number.
        seq: u64,
        /// Its version.
        version: u32,
    },
    /// A checkpoint is not what was written.
    #[error("the checkpoint before entry {seq} is damaged: the run is taken up from its first entry instead")]
    Checkpoint {
        /// The number of the entry after it.
        seq: u64,
    },
    /// A row does not read.
    #[error("entry {seq} of the journal does not read: {message}")]
    Form {
        /// The row's number.
        seq: u64,
        /// Why.
        message: String,
    },
}

/// The rows of one run, in order: writes the next one, or checks it.
#[derive(Clone, Debug)]
pub struct Chain {
    run: RunId,
    next: u64,
    last: [u8; 16],
}

impl Chain {
    /// The chain of a run that has no rows.
    pub fn new(run: RunId) -> Self {
        Self { run, next: 0, last: [0; 16] }
    }

    /// Writes the next entry.
    ///
    /// # Panics
    /// Never: entries have no map with keys that JSON can't write.
    pub fn write(&mut self, entry: &Entry) -> Row {
        let body = serde_json::to_string(entry).expect("an entry is always writable as JSON");
        let checksum = self.checksum(self.next, VERSION, &body);
        let row = Row { seq: self.next, version: VERSION, body, checksum };
        self.next += 1;
        self.last = checksum;
        row
    }

    /// Reads the next row.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(&mut self, row: &Row) -> Result<Entry, Damage> {
        if row.seq != self.next {
            return Err(Damage::Gap { expected: self.next });
        }
        if row.checksum != self.checksum(row.seq, row.version, &row.body) {
            return Err(Damage::Checksum { seq: row.seq });
        }
        if row.version > VERSION {
            return Err(Damage::Newer { seq: row.seq, version: row.version });
        }
        let entry = serde_json::from_str(&row.body)
            .map_err(|error| Damage::Form { seq: row.seq, message: error.to_string() })?;
        self.next += 1;
        self.last = row.checksum;
        Ok(entry)
    }

    fn checksum(&self, seq: u64, version: u32, body: &str) -> [u8; 16] {
        let mut digest = Sha256::new();
        digest.update(self.last);
        digest.update(self.run.as_str());
        digest.update(seq.to_be_bytes());
        digest.update(version.to_be_bytes());
        digest.update(body);
        let mut checksum = [0; 16];
        for (to, from) in checksum.iter_mut().zip(digest.finalize()) {
            *to = from;
        }
        checksum
    }
}

/// Reads all rows of a run.
///
/// # Errors
/// Says what is wrong with the first row that is.
pub fn read(run: &RunId, rows: &[Row]) -> Result<(Vec<Entry>, Chain), Damage> {
    let mut chain = Chain::new(run.clone());
    let entries = rows.iter().map(|row| chain.read(row)).collect::<Result<_, _>>()?;
    Ok((entries, chain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Event, Record, Response};

    fn rows() -> (RunId, Vec<Row>) {
        let run = RunId::new(Instant(1_700_000_000_000), 7);
        let mut chain = Chain::new(run.clone());
        let entry = |at, said| Entry { at: Instant(at), said };
        let rows = [
            entry(1, Said::Event(Event::Cancelled { reason: "a".into() })),
            entry(2, Said::Record(Record::Responded(Response { status: 202, body: None }))),
            entry(3, Said::Event(Event::Expired)),
        ];
        (run, rows.iter().map(|entry| chain.write(entry)).collect())
    }

    #[test]
    fn a_journal_reads_back() {
        let (run, rows) = rows();
        let (entries, mut chain) = read(&run, &rows).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.at.0).collect::<Vec<_>>(), [1, 2, 3]);
        let next = chain.write(&Entry { at: Instant(4), said: Said::Event(Event::Expired) });
        assert_eq!(next.seq, 3);
    }

    #[test]
    fn each_changed_byte_is_seen() {
        let (run, rows) = rows();
        for (index, row) in rows.iter().enumerate() {
            for byte in 0..row.body.len() {
                let mut bytes = row.body.clone().into_bytes();
                bytes[byte] ^= 1;
                let Ok(body) = String::from_utf8(bytes) else { continue };
                let mut changed = rows.clone();
                changed[index].body = body;
                assert_eq!(read(&run, &changed).unwrap_err(), Damage::Checksum { seq: index as u64 });
            }
        }
    }

    #[test]
    fn missing_swapped_and_foreign_rows_are_seen() {
        let (run, rows) = rows();
        let missing = [rows[0].clone(), rows[2].clone()];
        assert_eq!(read(&run, &missing).unwrap_err(), Damage::Gap { expected: 1 });
        let mut renumbered = missing;
        renumbered[1].seq = 1;
        assert_eq!(read(&run, &renumbered).unwrap_err(), Damage::Checksum { seq: 1 });
        let other = RunId::new(Instant(1_700_000_000_000), 8);
        assert_eq!(read(&other, &rows).unwrap_err(), Damage::Checksum { seq: 0 });
    }

    #[test]
    fn rows_of_a_newer_program_are_refused() {
        let (run, _) = rows();
        let mut chain = Chain::new(run.clone());
        let body = "{}".to_owned();
        let checksum = chain.checksum(0, VERSION + 1, &body);
        let row = Row { seq: 0, version: VERSION + 1, body, checksum };
        assert_eq!(chain.read(&row).unwrap_err(), Damage::Newer { seq: 0, version: VERSION + 1 });
    }
}
