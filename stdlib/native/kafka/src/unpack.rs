//! The records of a batch as they were before they were compressed.

use std::io::{self, Read};

use bytes::Bytes;
use kafka_protocol::records::Compression;

/// The most that a batch may hold: none that a broker takes with its limits as they come holds more than a few.
const MOST_BYTES: u64 = 64 << 20;

/// How the blocks of snappy-java begin: its name, its version, and the oldest that reads it.
const BLOCKS: (&[u8], usize) = (b"\x82SNAPPY\0", 16);

pub(crate) fn unpacked(bytes: &Bytes, compression: Compression) -> io::Result<Bytes> {
    match compression {
        Compression::None => Ok(bytes.clone()),
        Compression::Gzip => whole(flate2::read::MultiGzDecoder::new(&bytes[..])),
        Compression::Lz4 => whole(lz4_flex::frame::FrameDecoder::new(&bytes[..])),
        Compression::Zstd => whole(zstd::stream::read::Decoder::new(&bytes[..])?),
        Compression::Snappy => snappy(bytes),
    }
}

fn whole(packed: impl Read) -> io::Result<Bytes> {
    let mut all = Vec::new();
    packed.take(MOST_BYTES + 1).read_to_end(&mut all)?;
    if all.len() as u64 > MOST_BYTES { Err(too_much()) } else { Ok(all.into()) }
}

/// One block, or several with their lengths before them.
fn snappy(bytes: &[u8]) -> io::Result<Bytes> {
    let mut all = Vec::new();
    if !bytes.starts_with(BLOCKS.0) {
        block(bytes, &mut all)?;
        return Ok(all.into());
    }
    let mut rest = bytes.get(BLOCKS.1..).ok_or_else(damaged)?;
    while !rest.is_empty() {
        let (length, more) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (packed, more) = more.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
        block(packed, &mut all)?;
        rest = more;
    }
    Ok(all.into())
}

fn block(packed: &[u8], all: &mut Vec<u8>) -> io::Result<()> {
    let length = snap::raw::decompress_len(packed)?;
    if (all.len() + length) as u64 > MOST_BYTES {
        return Err(too_much());
    }
    all.extend(snap::raw::Decoder::new().decompress_vec(packed)?);
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a compressed batch is cut off")
}

fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a batch holds more than {MOST_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn batches_are_unpacked_and_bombs_are_not() {
        let text = b"naive ".repeat(1000);
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&text).unwrap();
        let packed = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        let length = u32::try_from(packed.len()).unwrap().to_be_bytes();
        let blocks = [BLOCKS.0, &[0, 0, 0, 1, 0, 0, 0, 1], &length, &packed, &length, &packed].concat();
        for (compression, packed, times) in [
            (Compression::Gzip, gzip(&text), 1),
            (Compression::Lz4, lz4.finish().unwrap(), 1),
            (Compression::Zstd, zstd::encode_all(&text[..], 3).unwrap(), 1),
            (Compression::Snappy, packed, 1),
            (Compression::Snappy, blocks, 2),
        ] {
            assert_eq!(unpacked(&packed.clone().into(), compression).unwrap(), text.repeat(times), "{compression:?}");
            let cut = Bytes::from(packed).slice(..20);
            assert!(unpacked(&cut, compression).is_err(), "{compression:?}");
        }
        let bomb = vec![0; usize::try_from(MOST_BYTES).unwrap() + 1];
        let snappy = snap::raw::Encoder::new().compress_vec(&bomb).unwrap();
        for (compression, packed) in [(Compression::Gzip, gzip(&bomb)), (Compression::Snappy, snappy)] {
            let error = unpacked(&packed.into(), compression).unwrap_err();
            assert!(error.to_string().contains("more than"), "{error}");
        }
    }
}
