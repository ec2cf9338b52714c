//! Is this process the only one that writes to a data folder?
//!
//! The lock is one of the operating system, so it goes away with the process, however it ends. The file says who holds it.
//! Such locks don't hold between machines that share a network folder; the epoch in the database is for that.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    sync::Arc,
};

use super::Error;

/// The exclusive use of a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, Error> {
        let fail = |source: std::io::Error| Error::Folder { folder: folder.to_owned(), source: Arc::new(source) };
        let path = folder.join("lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(fs4::TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is a courtesy; that someone does is what counts.
                let _ = file.read_to_string(&mut text);
                return Err(Error::Locked { folder: folder.to_owned(), pid: text.trim().parse().ok() });
            }
            Err(fs4::TryLockError::Error(error)) => return Err(fail(error)),
        }
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
        let _ = fs4::FileExt::unlock(&self.0);
    }
}
