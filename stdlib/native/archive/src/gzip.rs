//! gzip (RFC 1952).

use std::io::Write as _;

use flate2::{
    Compression,
    write::{GzEncoder, MultiGzDecoder},
};
use flow_model::{failure::Failure, value::Value};
use flow_runtime::connector::NativeCall;

use crate::{invalid, kept, most_size, too_large, write};

/// How much is unpacked at once: what comes out is at most a thousand times as much.
const PACKED: usize = 4 << 10;

pub(crate) async fn compress(call: &NativeCall<'_>) -> Result<Value, Failure> {
    let file = call.file("file")?;
    let mut reader = call.read(&file).await?;
    let mut writer = call.blobs().create().await?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let never = |error: std::io::Error| invalid(format!("`{}` can't be compressed: {error}", file.name));
    while let Some(chunk) = reader.next().await? {
        encoder.write_all(&chunk).map_err(never)?;
        write(&mut *writer, std::mem::take(encoder.get_mut())).await?;
    }
    write(&mut *writer, encoder.finish().map_err(never)?).await?;
    kept(writer, &format!("{}.gz", file.name)).await
}

pub(crate) async fn unpack(call: &NativeCall<'_>) -> Result<Value, Failure> {
    let file = call.file("file")?;
    let most = most_size(call);
    let mut reader = call.read(&file).await?;
    let mut writer = call.blobs().create().await?;
    let mut decoder = MultiGzDecoder::new(Vec::new());
    let broken =
        |error: std::io::Error| invalid(format!("`{}` is not compressed with gzip, or is damaged: {error}", file.name));
    let mut size = 0u64;
    while let Some(chunk) = reader.next().await? {
        for piece in chunk.chunks(PACKED) {
            decoder.write_all(piece).map_err(broken)?;
            let out = std::mem::take(decoder.get_mut());
            size += out.len() as u64;
            if size > most {
                return Err(too_large(&file.name, most));
            }
            write(&mut *writer, out).await?;
        }
    }
    let rest = decoder.finish().map_err(broken)?;
    if size + rest.len() as u64 > most {
        return Err(too_large(&file.name, most));
    }
    write(&mut *writer, rest).await?;
    let name = file.name.strip_suffix(".gz").filter(|name| !name.is_empty()).unwrap_or(&file.name);
    kept(writer, name).await
}
