//! Bytes in memory: for tests and simulations.

use std::{
    collections::BTreeMap,
    ops::Bound,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use flow_model::file::Sha256;

use super::{Blob, BlobReader, BlobWriter, Blobs, Error, Part};

/// Bytes in memory. A clone is the same place.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<Sha256, Bytes>>>);

impl Memory {
    /// An empty place.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sha256, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    place: Memory,
    bytes: Vec<u8>,
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Blob, Error> {
        let (sha256, size) = (Sha256::of(&self.bytes), self.bytes.len() as u64);
        self.place.lock().insert(sha256, self.bytes.into());
        Ok(Blob { sha256, size })
    }
}

#[async_trait]
impl Blobs for Memory {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, Error> {
        Ok(Box::new(Writer { place: self.clone(), bytes: Vec::new() }))
    }

    async fn open(&self, sha256: Sha256, part: Part) -> Result<BlobReader, Error> {
        let bytes = self.lock().get(&sha256).cloned().ok_or(Error::Missing(sha256))?;
        let place = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
        let from = place(part.from);
        let end = part.most.map_or(bytes.len(), |most| place(part.from.saturating_add(most)));
        Ok(BlobReader::of_bytes(bytes.slice(from..end.max(from)), (part == Part::ALL).then_some(sha256)))
    }

    fn path(&self, sha256: Sha256) -> Result<Option<PathBuf>, Error> {
        if self.lock().contains_key(&sha256) { Ok(None) } else { Err(Error::Missing(sha256)) }
    }

    async fn list(&self, after: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.lock().range((from, Bound::Unbounded)).map(|(digest, _)| *digest).take(most).collect())
    }

    /// Removes bytes whenever they were written: nothing here knows the time.
    async fn remove(&self, sha256: Sha256, _written_before: SystemTime) -> Result<u64, Error> {
        Ok(self.lock().remove(&sha256).map_or(0, |bytes| bytes.len() as u64))
    }

    fn clear_unfinished(&self) -> Result<(), Error> {
        Ok(())
    }
}
