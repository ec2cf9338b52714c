//! The files of a simulated process: while one is made, looked for or removed, the clock stands still.
//!
//! Left out on purpose: reading. A reader is a stream that others hold; who reads files in a simulation has to hold the clock.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use flow_model::file::Sha256;

use super::disk::Busy;
use crate::blob::{Blob, BlobReader, BlobWriter, Blobs, Error, Part};

/// Files whose operations count as under way.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) inner: Arc<dyn Blobs>,
    pub(super) busy: Arc<AtomicUsize>,
}

#[async_trait]
impl Blobs for Counted {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, Error> {
        let _busy = Busy::new(&self.busy);
        let inner = self.inner.create().await?;
        Ok(Box::new(CountedWriter { inner, busy: Arc::clone(&self.busy) }))
    }

    async fn open(&self, sha256: Sha256, part: Part) -> Result<BlobReader, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.open(sha256, part).await
    }

    fn path(&self, sha256: Sha256) -> Result<Option<PathBuf>, Error> {
        self.inner.path(sha256)
    }

    async fn list(&self, after: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.list(after, most).await
    }

    async fn remove(&self, sha256: Sha256, written_before: SystemTime) -> Result<u64, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.remove(sha256, written_before).await
    }

    fn clear_unfinished(&self) -> Result<(), Error> {
        self.inner.clear_unfinished()
    }
}

struct CountedWriter {
    inner: Box<dyn BlobWriter>,
    busy: Arc<AtomicUsize>,
}

#[async_trait]
impl BlobWriter for CountedWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.write(chunk).await
    }

    async fn finish(self: Box<Self>) -> Result<Blob, Error> {
        let _busy = Busy::new(&self.busy);
        self.inner.finish().await
    }
}
