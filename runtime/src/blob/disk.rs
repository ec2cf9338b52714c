//! Bytes in files of a data folder: `blobs/ab/cdef…`, by the digest.
//!
//! A file is written beside its place, hashed on the way, synced and renamed, and the folders are synced: it is there as a
//! whole or not at all, also when the machine loses power.

use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use flow_model::file::Sha256;
use sha2::Digest as _;

use super::{Blob, BlobReader, BlobWriter, Blobs, Error, Part};
use crate::worker::blocking;

/// Where what is not finished lies.
const UNFINISHED: &str = "unfinished";

/// After how many bytes of a file it is looked whether the disk has room for more.
const LOOK: u64 = 1 << 20;

/// Bytes below a folder. A clone is the same place.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    /// So much of the disk is left free.
    reserve: u64,
    count: AtomicU64,
    /// Held while a blob gets its place and while one is removed: what was just written again is not removed.
    places: Mutex<()>,
}

impl Disk {
    /// Bytes below a folder, which is made when something is written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::leaving(root, 0)
    }

    /// The same, which takes no files when the disk has fewer bytes left than those: they are for the journal, so that what is
    /// under way can be recorded. A file that is being written when it comes to that is not kept.
    pub fn leaving(root: impl Into<PathBuf>, reserve: u64) -> Self {
        let (root, count, places) = (root.into(), AtomicU64::new(0), Mutex::new(()));
        Self(Arc::new(Folder { root, reserve, count, places }))
    }

    /// Keeps bytes that are in memory. It blocks: for threads that may.
    pub(crate) fn put_now(&self, bytes: &[u8]) -> Result<Blob, Error> {
        let (file, path) = self.0.create()?;
        let mut unfinished = Unfinished { file, path, digest: sha2::Sha256::new(), size: 0 };
        unfinished.write(bytes)?;
        unfinished.finish(&self.0)
    }

    /// Reads bytes into memory. It blocks.
    pub(crate) fn get_now(&self, sha256: Sha256) -> Result<Vec<u8>, Error> {
        let bytes = fs::read(self.0.place(sha256)).map_err(|error| absent(error, sha256))?;
        if Sha256::of(&bytes) == sha256 { Ok(bytes) } else { Err(Error::Damaged(sha256)) }
    }

    /// [`Blobs::list`], blocking.
    pub(crate) fn list_now(&self, after: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error> {
        self.0.list(after, most)
    }

    /// [`Blobs::remove`], blocking.
    pub(crate) fn remove_now(&self, sha256: Sha256, written_before: SystemTime) -> Result<u64, Error> {
        self.0.remove(sha256, written_before)
    }
}

impl Folder {
    fn place(&self, sha256: Sha256) -> PathBuf {
        let name = sha256.to_string();
        let (first, rest) = name.split_at(2);
        self.root.join(first).join(rest)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether the disk has room for files. Where that can't be known, a write will tell.
    fn has_room(&self) -> Result<(), Error> {
        match fs4::available_space(&self.root) {
            Ok(space) if space < self.reserve => Err(Error::Low(space)),
            _ => Ok(()),
        }
    }

    fn create(&self) -> io::Result<(File, PathBuf)> {
        let folder = self.root.join(UNFINISHED);
        make(&folder)?;
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{count}", std::process::id()));
        Ok((File::create(&path)?, path))
    }

    /// Puts a file that is synced in its place.
    fn put(&self, beside: &Path, sha256: Sha256) -> io::Result<()> {
        let place = self.place(sha256);
        let parent = place.parent().unwrap_or(&self.root);
        let _places = self.lock();
        make(parent)?;
        // One that is there already is replaced by the same bytes: so it counts as written now.
        fs::rename(beside, &place)?;
        sync(parent)
    }

    fn list(&self, after: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error> {
        let mut found = Vec::new();
        let after = after.map(|digest| digest.to_string());
        for first in names(&self.root)? {
            if first.len() != 2 || after.as_ref().is_some_and(|after| after.get(..2) > Some(first.as_str())) {
                continue;
            }
            for rest in names(&self.root.join(&first))? {
                let name = format!("{first}{rest}");
                if after.as_ref().is_none_or(|after| *after < name) {
                    found.extend(name.parse::<Sha256>());
                }
                if found.len() == most {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    fn remove(&self, sha256: Sha256, written_before: SystemTime) -> Result<u64, Error> {
        let place = self.place(sha256);
        let _places = self.lock();
        match fs::metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
            Ok(known) if known.modified()? >= written_before => Ok(0),
            Ok(known) => {
                fs::remove_file(&place)?;
                Ok(known.len())
            }
        }
    }
}

/// Makes a folder that no other user reads, and syncs the one that it lies in.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    for above in folder.ancestors().skip(1).take(2).filter(|above| above.is_dir()) {
        sync(above)?;
    }
    Ok(())
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A file that is being written; it is removed unless it was finished.
struct Unfinished {
    file: File,
    path: PathBuf,
    digest: sha2::Sha256,
    size: u64,
}

impl Unfinished {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.file.write_all(chunk)?;
        self.digest.update(chunk);
        self.size += chunk.len() as u64;
        Ok(())
    }

    fn finish(self, folder: &Folder) -> Result<Blob, Error> {
        self.file.sync_all()?;
        let (sha256, size) = (Sha256(self.digest.clone().finalize().into()), self.size);
        folder.put(&self.path, sha256)?;
        Ok(Blob { sha256, size })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing by this name.
        let _ = fs::remove_file(&self.path);
    }
}

struct Writer {
    folder: Arc<Folder>,
    /// None after a write that failed, and while one goes on.
    unfinished: Option<Unfinished>,
}

impl Writer {
    fn gone() -> Error {
        io::Error::other("an earlier write failed").into()
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        let mut unfinished = self.unfinished.take().ok_or_else(Self::gone)?;
        let folder = Arc::clone(&self.folder);
        let written = blocking(move || {
            if unfinished.size / LOOK != (unfinished.size + chunk.len() as u64) / LOOK {
                folder.has_room()?;
            }
            unfinished.write(&chunk)?;
            Ok::<_, Error>(unfinished)
        });
        self.unfinished = Some(written.await?);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Blob, Error> {
        let unfinished = self.unfinished.take().ok_or_else(Self::gone)?;
        let folder = Arc::clone(&self.folder);
        blocking(move || unfinished.finish(&folder)).await
    }
}

#[async_trait]
impl Blobs for Disk {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, Error> {
        let folder = Arc::clone(&self.0);
        let made = blocking(move || {
            let (file, path) = folder.create()?;
            // Removed again where there is no room.
            let unfinished = Unfinished { file, path, digest: sha2::Sha256::new(), size: 0 };
            folder.has_room().map(|()| unfinished)
        });
        let unfinished = Some(made.await?);
        Ok(Box::new(Writer { folder: Arc::clone(&self.0), unfinished }))
    }

    async fn open(&self, sha256: Sha256, part: Part) -> Result<BlobReader, Error> {
        let place = self.0.place(sha256);
        blocking(move || {
            let mut file = File::open(place).map_err(|error| absent(error, sha256))?;
            let size = file.metadata()?.len();
            let from = part.from.min(size);
            let left = part.most.unwrap_or(u64::MAX).min(size - from);
            file.seek(SeekFrom::Start(from))?;
            let whole = (part == Part::ALL).then_some(sha256);
            Ok(BlobReader::of_file(tokio::fs::File::from_std(file), left, whole))
        })
        .await
    }

    fn path(&self, sha256: Sha256) -> Result<Option<PathBuf>, Error> {
        let place = self.0.place(sha256);
        if place.is_file() { Ok(Some(place)) } else { Err(Error::Missing(sha256)) }
    }

    async fn list(&self, after: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error> {
        let folder = Arc::clone(&self.0);
        blocking(move || folder.list(after, most)).await
    }

    async fn remove(&self, sha256: Sha256, written_before: SystemTime) -> Result<u64, Error> {
        let folder = Arc::clone(&self.0);
        blocking(move || folder.remove(sha256, written_before)).await
    }

    fn clear_unfinished(&self) -> Result<(), Error> {
        let folder = self.0.root.join(UNFINISHED);
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The names in a folder, in order; none when it is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = entries
        .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
        .collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

fn absent(error: io::Error, sha256: Sha256) -> Error {
    if error.kind() == io::ErrorKind::NotFound { Error::Missing(sha256) } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_left_of_the_disk_for_the_journal_takes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = || fs::read_dir(folder.path().join(UNFINISHED)).map_or(0, Iterator::count);
        let full = Disk::leaving(folder.path(), u64::MAX);
        assert!(matches!(full.create().await, Err(Error::Low(_))));
        assert_eq!(unfinished(), 0);
        // One that was begun in time ends where the room does.
        let (file, path) = full.0.create().unwrap();
        let begun = Unfinished { file, path, digest: sha2::Sha256::new(), size: 0 };
        let mut writer = Writer { folder: Arc::clone(&full.0), unfinished: Some(begun) };
        writer.write(Bytes::from(vec![7; 1000])).await.unwrap();
        assert!(matches!(writer.write(Bytes::from(vec![7; 2 << 20])).await, Err(Error::Low(_))));
        assert!(writer.write(Bytes::from_static(b"more")).await.is_err());
        assert_eq!(unfinished(), 0);
        // What the journal itself keeps beside it is kept.
        assert!(full.put_now(b"a large value of a run under way").is_ok());
        assert!(super::super::keep(&Disk::leaving(folder.path(), 1), Bytes::from_static(b"a")).await.is_ok());
    }
}
