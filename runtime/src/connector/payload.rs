//! The body of a request: bytes in memory and files, in a row.
//!
//! A file stays where it lies until the request leaves, and is then read chunk by chunk; so a request takes little memory
//! whatever it carries, also where it is written in base64 within text. How long the body is, is known before: many systems take
//! no upload whose length is not said.

use std::{future::ready, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flow_model::{failure::Failure, file::File};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::pace::{Leaving, PIECE};
use crate::blob::{self, Blobs};

/// A body.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload(Vec<Chunk>);

/// A part of a body.
#[derive(Clone, Debug)]
pub(super) enum Chunk {
    Bytes(Bytes),
    File(File),
    /// A file in base64 with padding (RFC 4648, section 4).
    Base64(File),
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() { Self::default() } else { Self(vec![Chunk::Bytes(bytes.into())]) }
    }
}

impl From<File> for Payload {
    fn from(file: File) -> Self {
        match file.content() {
            Some(content) => Self(vec![Chunk::Bytes(Bytes::from_owner(Arc::clone(content)))]),
            None => Self(vec![Chunk::File(file)]),
        }
    }
}

impl Payload {
    /// A file in base64.
    pub(super) fn base64(file: File) -> Self {
        match file.content() {
            Some(content) => STANDARD.encode(content).into_bytes().into(),
            None => Self(vec![Chunk::Base64(file)]),
        }
    }

    /// Adds what follows.
    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The parts that are in memory.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter_map(|chunk| match chunk {
            Chunk::Bytes(bytes) => Some(bytes),
            Chunk::File(_) | Chunk::Base64(_) => None,
        })
    }

    /// The files.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.0.iter().filter_map(|chunk| match chunk {
            Chunk::Bytes(_) => None,
            Chunk::File(file) | Chunk::Base64(file) => Some(file),
        })
    }

    /// How many bytes it has, where it does not leave in one piece: that has to be said beside it then.
    pub(super) fn length(&self) -> Option<u64> {
        let is_small = || self.in_memory().map(|bytes| bytes.len() as u64).sum::<u64>() <= PIECE as u64;
        let is_one_piece = self.files().next().is_none() && is_small();
        let of = |chunk: &Chunk| match chunk {
            Chunk::Bytes(bytes) => bytes.len() as u64,
            Chunk::File(file) => file.size,
            Chunk::Base64(file) => file.size.div_ceil(3).saturating_mul(4),
        };
        (!is_one_piece).then(|| self.0.iter().fold(0, |length: u64, chunk| length.saturating_add(of(chunk))))
    }

    /// The SHA-256 of the whole, in hexadecimal; none where a file stands beside other parts, and for a part of a file: they would have to be read.
    pub(super) fn sha256(&self) -> Option<String> {
        match self.0.as_slice() {
            [Chunk::File(file)] => file.from.is_none().then(|| file.sha256.to_string()),
            _ if self.files().next().is_some() => None,
            _ => {
                let mut digest = Sha256::new();
                self.in_memory().for_each(|bytes| digest.update(bytes));
                Some(hex::encode(digest.finalize()))
            }
        }
    }

    /// The body as it is sent; how it leaves is seen there.
    ///
    /// # Errors
    /// When the bytes of a file are not there.
    pub(super) async fn body(&self, blobs: &dyn Blobs, leaving: &Leaving) -> Result<reqwest::Body, Failure> {
        if self.length().is_none() {
            let whole: Vec<u8> = self.in_memory().flat_map(|bytes| bytes.iter().copied()).collect();
            return Ok(whole.into());
        }
        let mut parts = Vec::new();
        for chunk in &self.0 {
            parts.push(match chunk {
                Chunk::Bytes(bytes) => stream::iter([Ok(bytes.clone())]).boxed(),
                Chunk::File(file) => blob::open(blobs, file).await?.into_stream().boxed(),
                Chunk::Base64(file) => in_base64(blob::open(blobs, file).await?.into_stream()).boxed(),
            });
        }
        Ok(reqwest::Body::wrap_stream(leaving.paced(stream::iter(parts).flatten())))
    }
}

/// Bytes in base64: what does not fill three bytes waits for the next piece.
fn in_base64<E>(pieces: impl Stream<Item = Result<Bytes, E>>) -> impl Stream<Item = Result<Bytes, E>> {
    let ends = pieces.map(Some).chain(stream::iter([None]));
    let written = ends.scan(Vec::new(), |left: &mut Vec<u8>, piece| {
        let whole = match piece {
            Some(Ok(bytes)) => {
                left.extend_from_slice(&bytes);
                left.len() - left.len() % 3
            }
            Some(Err(error)) => return ready(Some(Err(error))),
            None => left.len(),
        };
        let rest = left.split_off(whole);
        let text = STANDARD.encode(std::mem::replace(left, rest));
        ready(Some(Ok(Bytes::from(text))))
    });
    written.filter(|piece| ready(!matches!(piece, Ok(bytes) if bytes.is_empty())))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn base64_is_the_same_however_the_bytes_come() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for (length, piece) in [(0, 1), (1, 1), (2, 5), (3, 2), (999, 1), (1000, 7), (1000, 64), (1000, 1000)] {
            let pieces: Vec<_> =
                bytes[..length].chunks(piece).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
            let written: Vec<_> = in_base64(stream::iter(pieces)).map(Result::unwrap).collect().await;
            assert_eq!(
                written.concat(),
                STANDARD.encode(&bytes[..length]).into_bytes(),
                "{length} in pieces of {piece}"
            );
            assert_eq!(written.concat().len(), length.div_ceil(3) * 4);
        }
    }
}
