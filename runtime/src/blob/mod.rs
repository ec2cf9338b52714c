//! Where do the bytes of files and of large values lie?
//!
//! In: bytes as a stream. Out: the same bytes, by their digest; so what is written twice is kept once. Nothing here holds
//! more than a chunk in memory. [`Disk`] keeps them below a data folder, [`Memory`] in memory, for tests and simulations.
//! Who needs a blob, and until when, is the store's affair: see [`crate::store`].

mod disk;
mod memory;
mod reader;

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use flow_model::{
    failure::{ErrorKind, Failure},
    file::{File, Sha256},
    value::Value,
};

pub use self::{disk::Disk, memory::Memory, reader::BlobReader};

/// Why bytes could not be kept or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nothing with this digest is there.
    #[error("the bytes with the digest {0} are not in the data folder")]
    Missing(Sha256),
    /// The bytes are not what was written.
    #[error("the bytes with the digest {0} are damaged: they are not what was written")]
    Damaged(Sha256),
    /// There is no room.
    #[error("the disk is full")]
    Full,
    /// What room there is is kept for what is under way.
    #[error("the disk has only {0} bytes left, which are kept for runs under way: no more files are kept")]
    Low(u64),
    /// The disk reports an error.
    #[error("the disk can't be read or written: {0}")]
    Disk(Arc<std::io::Error>),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::Full,
            _ => Self::Disk(Arc::new(error)),
        }
    }
}

/// As a step sees it: a disk that is full now may have room later.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Missing(_) => ErrorKind::NotFound,
            Error::Damaged(_) => ErrorKind::Mismatch,
            Error::Full | Error::Low(_) | Error::Disk(_) => ErrorKind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

/// Bytes that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Their digest.
    pub sha256: Sha256,
    /// How many they are.
    pub size: u64,
}

/// Which bytes to read: from the first, and at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many are passed over; beyond the end nothing is left.
    pub from: u64,
    /// At most so many are read; all when there is no limit.
    pub most: Option<u64>,
}

impl Part {
    /// All bytes.
    pub const ALL: Self = Self { from: 0, most: None };
}

/// A place for bytes.
#[async_trait]
pub trait Blobs: Send + Sync + std::fmt::Debug {
    /// Begins to write. Nothing is kept until [`BlobWriter::finish`].
    ///
    /// # Errors
    /// When the disk can't be written.
    async fn create(&self) -> Result<Box<dyn BlobWriter>, Error>;

    /// Reads bytes. Whoever reads all of them to their end has read what was written, or gets an error.
    ///
    /// # Errors
    /// When they are not there, or the disk can't be read.
    async fn open(&self, sha256: Sha256, part: Part) -> Result<BlobReader, Error>;

    /// The file in which the bytes lie, for libraries that read files themselves; none where they lie in no file.
    ///
    /// # Errors
    /// When they are not there.
    fn path(&self, sha256: Sha256) -> Result<Option<PathBuf>, Error>;

    /// All that is kept: digests in order, at most so many after one.
    ///
    /// # Errors
    /// When the disk can't be read.
    async fn list(&self, after: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error>;

    /// Removes bytes that were last written before a time; says how many bytes that freed. What was written since stays:
    /// a run that has just made them may not have said so yet.
    ///
    /// # Errors
    /// When the disk can't be written.
    async fn remove(&self, sha256: Sha256, written_before: SystemTime) -> Result<u64, Error>;

    /// Removes what was begun and not finished by processes that are gone. Only for the process that has the folder alone,
    /// before it writes.
    ///
    /// # Errors
    /// When the disk can't be written.
    fn clear_unfinished(&self) -> Result<(), Error>;
}

/// Writes bytes. Dropped before its end, it leaves nothing.
#[async_trait]
pub trait BlobWriter: Send {
    /// Adds a chunk.
    ///
    /// # Errors
    /// When the disk can't be written.
    async fn write(&mut self, chunk: Bytes) -> Result<(), Error>;

    /// Keeps what was written. On disk when it returns.
    ///
    /// # Errors
    /// When the disk can't be written.
    async fn finish(self: Box<Self>) -> Result<Blob, Error>;
}

/// From how many bytes on a file that came as a value is kept where files lie.
const LARGE: usize = 16 << 10;

/// Keeps the bytes of large files that came as values, so that the value is small whatever their size.
///
/// # Errors
/// When the disk can't be written.
pub async fn settle(blobs: &dyn Blobs, mut value: Value) -> Result<Value, Error> {
    let mut large = Vec::new();
    each_file(&mut value, &mut |file| {
        let content = file.content().filter(|content| content.len() >= LARGE).map(Arc::clone);
        if let Some(content) = content {
            *file = Arc::new(file.without_content());
            large.push(content);
        }
    });
    for content in large {
        keep(blobs, Bytes::from_owner(content)).await?;
    }
    Ok(value)
}

/// Goes through the files of a value.
fn each_file(value: &mut Value, see: &mut dyn FnMut(&mut Arc<File>)) {
    match value {
        Value::File(file) => see(file),
        Value::List(items) => items.iter_mut().for_each(|item| each_file(item, see)),
        Value::Record(fields) => fields.values_mut().for_each(|field| each_file(field, see)),
        _ => {}
    }
}

/// Keeps bytes that are in memory.
///
/// # Errors
/// When the disk can't be written.
pub async fn keep(blobs: &dyn Blobs, bytes: Bytes) -> Result<Blob, Error> {
    let mut writer = blobs.create().await?;
    writer.write(bytes).await?;
    writer.finish().await
}

/// Reads the bytes of a file, or of the part of one that it is, wherever they are.
///
/// # Errors
/// When they are not there, or the disk can't be read.
pub async fn open(blobs: &dyn Blobs, file: &File) -> Result<BlobReader, Error> {
    match (file.content(), file.from) {
        (Some(content), _) => Ok(BlobReader::of_bytes(Bytes::from_owner(Arc::clone(content)), None)),
        (None, None) => blobs.open(file.sha256, Part::ALL).await,
        (None, Some(from)) => blobs.open(file.sha256, Part { from, most: Some(file.size) }).await,
    }
}

/// Reads all bytes into memory.
///
/// # Errors
/// When they are not there, or not what was written.
pub async fn load(blobs: &dyn Blobs, sha256: Sha256) -> Result<Vec<u8>, Error> {
    let mut reader = blobs.open(sha256, Part::ALL).await?;
    let mut bytes = Vec::with_capacity(usize::try_from(reader.left()).unwrap_or(0));
    while let Some(chunk) = reader.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
