//! Archives: ZIP and gzip.
//!
//! In: calls of the operations that `stdlib/connectors/archive/archive.flow` declares `native`. Out: files, kept piece by piece, so
//! that memory holds a piece whatever their size. What others have packed is not believed: how much comes out is counted as it
//! comes, and no path leads out of the archive.

mod gzip;
mod pack;
mod unpack;

use async_trait::async_trait;
use bytes::Bytes;
use flow_model::{
    failure::{ErrorKind, Failure},
    file::{File, media_type_of},
    value::Value,
};
use flow_runtime::{
    blob::BlobWriter,
    connector::{NativeCall, NativeFailure, NativeOperation, NativeTable},
};

/// How much is worked on at once, in bytes.
const PIECE: usize = 64 << 10;

/// Binds the operations of `archive` to their code.
#[must_use]
pub fn bind(table: NativeTable) -> NativeTable {
    table
        .with("archive", "zip", Archive::Zip)
        .with("archive", "unzip", Archive::Unzip)
        .with("archive", "gzip", Archive::Gzip)
        .with("archive", "gunzip", Archive::Gunzip)
        .local("archive")
}

enum Archive {
    Zip,
    Unzip,
    Gzip,
    Gunzip,
}

#[async_trait]
impl NativeOperation for Archive {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let value = match self {
            Self::Zip => pack::zip(&call).await,
            Self::Unzip => unpack::unzip(&call).await,
            Self::Gzip => gzip::compress(&call).await,
            Self::Gunzip => gzip::unpack(&call).await,
        };
        Ok(value?)
    }
}

/// The file that was written.
async fn kept(writer: Box<dyn BlobWriter>, name: &str) -> Result<Value, Failure> {
    let kept = writer.finish().await?;
    Ok(Value::File(File::new(kept.sha256, kept.size, name, media_type_of(name)).into()))
}

async fn write(writer: &mut dyn BlobWriter, bytes: impl Into<Bytes>) -> Result<(), Failure> {
    let bytes = bytes.into();
    if bytes.is_empty() { Ok(()) } else { Ok(writer.write(bytes).await?) }
}

/// How many bytes may come out.
fn most_size(call: &NativeCall<'_>) -> u64 {
    if let Value::Size(most) = call.arg("most_size") { *most } else { u64::MAX }
}

fn too_large(name: &str, most: u64) -> Failure {
    invalid(format!("`{name}` holds more than {most} bytes: `most_size` says how many may come out"))
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}

/// What this machine can't do for the moment.
fn machine(error: &std::io::Error) -> Failure {
    Failure::new(ErrorKind::Unavailable, format!("the disk can't be read or written: {error}"))
}
