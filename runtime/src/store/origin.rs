//! Is this the folder that its runs began in, or a copy of it?
//!
//! In a copy, whatever is under way would be done a second time beside the original. The database holds what tells its file
//! from others: when the file was made, which no copy takes along, or its number where the file system does not know that.
//! A folder that is moved within its file system stays itself. What is copied below the files, as snapshots of disks and of
//! machines are, can't be told from the original.

use std::{fs, path::Path, sync::Arc, time::UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::{Error, lock::Lock, schema};

/// What tells the database of a folder from its copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// When it was made, in nanoseconds of the epoch.
    made: Option<i64>,
    /// Its number in its file system.
    inode: Option<i64>,
}

impl Origin {
    pub(crate) fn of(folder: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Folder { folder: folder.to_owned(), source: Arc::new(source) };
        let file = fs::metadata(folder.join(schema::FILE)).map_err(fail)?;
        let made = file.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        Ok(Self { made: made.and_then(|made| i64::try_from(made.as_nanos()).ok()), inode: inode(&file) })
    }

    fn kept(connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection.prepare("select value from meta where name = ?")?;
        let mut value = |name: &str| statement.query_row([name], |row| row.get(0)).optional();
        Ok(Self { made: value("made")?, inode: value("inode")? })
    }

    fn keep(self, connection: &mut Connection) -> Result<(), Error> {
        let transaction = connection.transaction()?;
        for (name, value) in [("made", self.made), ("inode", self.inode)] {
            match value {
                Some(value) => transaction.execute(
                    "insert or replace into meta (name, value) values (?, ?)",
                    rusqlite::params![name, value],
                )?,
                None => transaction.execute("delete from meta where name = ?", [name])?,
            };
        }
        Ok(transaction.commit()?)
    }

    /// Says whether a file that was marked with this has been copied into one with the other. Where nothing is known of
    /// either, it has not.
    pub(crate) fn is_of_original_of(self, now: Self) -> bool {
        let differ = |kept: Option<i64>, now: Option<i64>| Some(kept? != now?);
        differ(self.made, now.made).or(differ(self.inode, now.inode)).unwrap_or(false)
    }
}

#[cfg(unix)]
fn inode(file: &fs::Metadata) -> Option<i64> {
    Some(std::os::unix::fs::MetadataExt::ino(file).cast_signed())
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> Option<i64> {
    None
}

/// Says whether the database is a copy. One that holds no mark yet is marked, and is none.
pub(super) fn is_copy(connection: &mut Connection, folder: &Path) -> Result<bool, Error> {
    let (kept, now) = (Origin::kept(connection)?, Origin::of(folder)?);
    if kept == Origin::default() {
        now.keep(connection)?;
    }
    Ok(kept.is_of_original_of(now))
}

/// Makes a copy of a data folder the one in which its runs go on. Says whether it was a copy.
///
/// # Errors
/// When there is no journal, another process uses the folder, or it can't be written.
pub fn adopt(folder: &Path) -> Result<bool, Error> {
    drop(schema::open_read_only(folder)?);
    let _lock = Lock::take(folder)?;
    let mut connection = schema::open(folder)?;
    let was_copy = is_copy(&mut connection, folder)?;
    Origin::of(folder)?.keep(&mut connection)?;
    Ok(was_copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &Path) -> bool {
        is_copy(&mut schema::open(folder).unwrap(), folder).unwrap()
    }

    #[test]
    fn a_copy_is_told_from_what_it_was_copied_from_until_it_is_adopted() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        fs::create_dir(&first).unwrap();
        fs::create_dir(&second).unwrap();
        assert_eq!((opened(&first), opened(&first)), (false, false));
        fs::copy(first.join(schema::FILE), second.join(schema::FILE)).unwrap();
        assert_eq!((opened(&second), opened(&second), opened(&first)), (true, true, false));
        let moved = folder.path().join("moved");
        fs::rename(&first, &moved).unwrap();
        assert!(!opened(&moved), "it has only another name");
        assert!(adopt(&second).unwrap());
        assert!(!opened(&second) && !adopt(&second).unwrap());
        assert!(matches!(adopt(&first), Err(Error::Empty { .. })));
    }

    #[test]
    fn when_a_file_was_made_says_more_than_its_number() {
        let mark = |made, inode| Origin { made, inode };
        let kept = mark(Some(1), Some(2));
        assert!(!kept.is_of_original_of(mark(Some(1), Some(3))), "some file systems number anew");
        assert!(kept.is_of_original_of(mark(Some(4), Some(2))), "numbers are given again");
        assert!(kept.is_of_original_of(mark(None, Some(3))));
        assert!(!kept.is_of_original_of(mark(None, None)));
        assert!(!Origin::default().is_of_original_of(kept));
    }
}
