//! What is left of the files of a journal after a crash?
//!
//! A disk keeps what was synced. Of what was written since, it may keep any part: sectors are written in any order, and a
//! file may have any length in between (T. S. Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). SQLite
//! writes its log, syncs it, and only then changes the database, so a crash in the middle of a commit finds either a part
//! of the log with the database as it was, or the whole log and a part of the database.

use std::{collections::BTreeMap, fs, io, path::Path};

use crate::chance::Seeded;

/// What disks write as a whole.
const SECTOR: usize = 512;

/// The name that those of all files of the journal begin with.
const JOURNAL: &str = "journal.sqlite";

/// The database itself.
const DATABASE: &str = JOURNAL;

/// What SQLite makes again by itself.
const SHARED: &str = "-shm";

/// The contents of the files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// The files as they are now.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(JOURNAL) && !name.ends_with(SHARED) {
                files.insert(name, fs::read(entry.path())?);
            }
        }
        Ok(Self(files))
    }

    /// Puts the folder into this state.
    pub(super) fn put(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(JOURNAL) {
                fs::remove_file(entry.path())?;
            }
        }
        self.0.iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
    }

    /// What may be left when the crash comes between these two states, before the second is synced.
    pub(super) fn torn(before: &Self, after: &Self, chance: &Seeded) -> Self {
        let old = |name: &str| before.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let database_changes = after.0.get(DATABASE).is_some_and(|bytes| bytes != old(DATABASE));
        let files = after.0.iter().map(|(name, bytes)| {
            let is_torn = (name == DATABASE) == database_changes;
            (name.clone(), if is_torn { tear(old(name), bytes, chance) } else { bytes.clone() })
        });
        Self(files.collect())
    }
}

/// Some sectors of the new bytes, in place of the others the old ones or nothing.
fn tear(old: &[u8], new: &[u8], chance: &Seeded) -> Vec<u8> {
    let mut torn = Vec::with_capacity(new.len());
    for (index, sector) in new.chunks(SECTOR).enumerate() {
        let before = old.get(index * SECTOR..).unwrap_or_default();
        let keeps = before.len().min(sector.len());
        if chance.one_in(2) {
            torn.extend_from_slice(sector);
        } else {
            torn.extend_from_slice(before.get(..keeps).unwrap_or_default());
            torn.resize(torn.len() + sector.len() - keeps, 0);
        }
    }
    let (short, long) = (old.len().min(new.len()), new.len());
    let length = short + usize::try_from(chance.below((long - short) as u64 + 1)).unwrap_or(0);
    torn.truncate(length);
    torn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(database: &[u8], log: &[u8]) -> Files {
        Files([(DATABASE.to_owned(), database.to_vec()), (format!("{DATABASE}-wal"), log.to_vec())].into())
    }

    #[test]
    fn a_crash_in_the_middle_of_a_commit_leaves_parts_of_the_log_or_of_the_database_never_of_both() {
        let before = files(&[1; 2048], &[2; 1024]);
        let (mut partly, mut short) = (false, false);
        for seed in 0..64 {
            let after = files(&[1; 2048], &[3; 4096]);
            let torn = Files::torn(&before, &after, &Seeded::new(seed));
            assert_eq!(torn.0[DATABASE], [1; 2048], "the database is as it was");
            let log = &torn.0["journal.sqlite-wal"];
            assert!(log.len() >= 1024 && log.iter().all(|byte| [0, 2, 3].contains(byte)));
            partly |= log.contains(&3) && log.contains(&0);
            short |= !log.len().is_multiple_of(SECTOR);
            let after = files(&[4; 4096], &[3; 4096]);
            let torn = Files::torn(&before, &after, &Seeded::new(seed));
            assert_eq!(torn.0["journal.sqlite-wal"], [3; 4096], "the log was synced before");
        }
        assert!(partly && short);
    }
}
