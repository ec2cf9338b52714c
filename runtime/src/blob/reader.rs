//! Reads bytes chunk by chunk, and checks at their end that they are what was written.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use flow_model::file::Sha256;
use futures::Stream;
use sha2::Digest as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf, Take};

use super::Error;

/// How many bytes a chunk has at most.
const CHUNK: usize = 128 << 10;

/// Bytes that are being read: chunk by chunk with [`BlobReader::next`], or as a [`Stream`], or as an [`AsyncRead`].
#[derive(Debug)]
pub struct BlobReader {
    source: Source,
    left: u64,
    /// The digest of what was read; only when all is.
    check: Option<(Sha256, sha2::Sha256)>,
    chunk: Vec<u8>,
}

#[derive(Debug)]
enum Source {
    File(Take<tokio::fs::File>),
    Memory(Bytes),
}

impl BlobReader {
    /// Reads so many bytes of a file from where it stands; `whole` is the digest to be found at the end.
    pub(super) fn of_file(file: tokio::fs::File, left: u64, whole: Option<Sha256>) -> Self {
        Self::new(Source::File(file.take(left)), left, whole)
    }

    pub(super) fn of_bytes(bytes: Bytes, whole: Option<Sha256>) -> Self {
        let left = bytes.len() as u64;
        Self::new(Source::Memory(bytes), left, whole)
    }

    fn new(source: Source, left: u64, whole: Option<Sha256>) -> Self {
        let check = whole.map(|digest| (digest, sha2::Sha256::new()));
        Self { source, left, check, chunk: Vec::new() }
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// When the disk can't be read, or the bytes are not what was written.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut chunk = vec![0; usize::try_from(self.left).unwrap_or(CHUNK).clamp(1, CHUNK)];
        let count = self.read(&mut chunk).await.map_err(Error::of_reading)?;
        chunk.truncate(count);
        Ok((count > 0).then(|| chunk.into()))
    }

    /// Takes note of what was read, and checks it at the end.
    fn follow(&mut self, read: &[u8]) -> io::Result<()> {
        if let Some((_, digest)) = &mut self.check {
            digest.update(read);
        }
        self.left = self.left.saturating_sub(read.len() as u64);
        if (self.left == 0 || read.is_empty())
            && let Some((whole, digest)) = self.check.take()
            && (self.left > 0 || Sha256(digest.finalize().into()) != whole)
        {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Error::Damaged(whole)));
        }
        Ok(())
    }
}

impl Error {
    /// The error that hides in one of reading.
    fn of_reading(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(inner) => inner.clone(),
            None => error.into(),
        }
    }
}

impl AsyncRead for BlobReader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if to.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = to.filled().len();
        match &mut this.source {
            Source::Memory(bytes) => {
                let taken = bytes.split_to(to.remaining().min(bytes.len()));
                to.put_slice(&taken);
            }
            Source::File(file) => match Pin::new(file).poll_read(context, to) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            },
        }
        let read = to.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.follow(read))
    }
}

impl Stream for BlobReader {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        if this.left == 0 && this.check.is_none() {
            return Poll::Ready(None);
        }
        let mut chunk = std::mem::take(&mut this.chunk);
        chunk.resize(usize::try_from(this.left).unwrap_or(CHUNK).clamp(1, CHUNK), 0);
        let mut to = ReadBuf::new(&mut chunk);
        match Pin::new(&mut *this).poll_read(context, &mut to) {
            Poll::Pending => {
                this.chunk = chunk;
                Poll::Pending
            }
            Poll::Ready(Err(error)) => {
                this.left = 0;
                this.check = None;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(Ok(())) => {
                let count = to.filled().len();
                chunk.truncate(count);
                if count == 0 {
                    this.left = 0;
                }
                Poll::Ready((count > 0).then(|| Ok(chunk.into())))
            }
        }
    }
}
