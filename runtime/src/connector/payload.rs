//! The body of a request: bytes in memory and files, in a row.
//!
//! A file stays where it lies until the request leaves, and is then read chunk by chunk; so a request takes little memory
//! whatever it carries. How long the body is, is known before: many systems take no upload whose length is not said.

use std::sync::Arc;

use bytes::Bytes;
use flow_model::{failure::Failure, file::File};
use futures::{StreamExt as _, TryStreamExt as _, stream};
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
    /// Adds what follows.
    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The parts that are in memory.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter_map(|chunk| match chunk {
            Chunk::Bytes(bytes) => Some(bytes),
            Chunk::File(_) => None,
        })
    }

    /// The files.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.0.iter().filter_map(|chunk| match chunk {
            Chunk::Bytes(_) => None,
            Chunk::File(file) => Some(file),
        })
    }

    /// How many bytes it has, where it does not leave in one piece: that has to be said beside it then.
    pub(super) fn length(&self) -> Option<u64> {
        let bytes: u64 = self.in_memory().map(|bytes| bytes.len() as u64).sum();
        let is_one_piece = bytes <= PIECE as u64 && self.files().next().is_none();
        (!is_one_piece).then(|| self.files().fold(bytes, |length, file| length.saturating_add(file.size)))
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
            });
        }
        Ok(reqwest::Body::wrap_stream(leaving.paced(stream::iter(parts).flatten())))
    }
}
