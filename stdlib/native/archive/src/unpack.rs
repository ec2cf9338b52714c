//! Taking files out of a ZIP archive.

use std::io::Read as _;

use bytes::Bytes;
use flow_model::{failure::Failure, file::plain_name, value::Value};
use flow_runtime::connector::NativeCall;
use tokio::{io::AsyncWriteExt as _, sync::mpsc, task};
use zip::{ZipArchive, result::ZipError};

use crate::{PIECE, invalid, kept, machine, most_size, too_large, write};

/// What comes next out of the archive.
enum Part {
    /// A file at a path.
    Begin(String),
    Piece(Bytes),
}

/// How much may come out.
#[derive(Clone, Copy)]
struct Most {
    files: usize,
    size: u64,
}

pub(crate) async fn unzip(call: &NativeCall<'_>) -> Result<Value, Failure> {
    let file = call.file("file")?;
    let files = if let Value::Int(most) = call.arg("most_files") { usize::try_from(*most).unwrap_or(0) } else { 0 };
    let most = Most { files, size: most_size(call) };
    // The list of the files stands at the end, so that the archive is read from there.
    let mut archive = tokio::fs::File::from_std(tempfile::tempfile().map_err(|error| machine(&error))?);
    let mut reader = call.read(&file).await?;
    while let Some(chunk) = reader.next().await? {
        archive.write_all(&chunk).await.map_err(|error| machine(&error))?;
    }
    archive.flush().await.map_err(|error| machine(&error))?;
    let archive = archive.into_std().await;
    let (parts, mut next) = mpsc::channel(8);
    let name = file.name.clone();
    let unpacking = task::spawn_blocking(move || unpack(&name, archive, most, &parts));
    let mut entries = Vec::new();
    let mut open = None;
    while let Some(part) = next.recv().await {
        match (part, &mut open) {
            (Part::Begin(path), _) => {
                entries.extend(entry(open.take()).await?);
                open = Some((path, call.blobs().create().await?));
            }
            (Part::Piece(bytes), Some((_, writer))) => write(&mut **writer, bytes).await?,
            (Part::Piece(_), None) => {}
        }
    }
    unpacking.await.map_err(|error| invalid(format!("`{}` can't be unpacked: {error}", file.name)))??;
    entries.extend(entry(open).await?);
    Ok(Value::List(entries))
}

async fn entry(open: Option<(String, Box<dyn flow_runtime::blob::BlobWriter>)>) -> Result<Option<Value>, Failure> {
    let Some((path, writer)) = open else { return Ok(None) };
    let file = kept(writer, &plain_name(&path)).await?;
    Ok(Some(Value::record([("path", Value::text(path)), ("file", file)])))
}

/// Reads an archive, and sends what is in it. When nobody takes it any more, why is said there.
fn unpack(name: &str, archive: std::fs::File, most: Most, parts: &mpsc::Sender<Part>) -> Result<(), Failure> {
    let broken = |error: &ZipError| match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => machine(error),
        ZipError::UnsupportedArchive(why) if why.contains("assword") => {
            invalid(format!("`{name}` is encrypted, and can't be unpacked"))
        }
        error => invalid(format!("`{name}` is no ZIP archive, or is damaged: {error}")),
    };
    let mut archive = ZipArchive::new(archive).map_err(|error| broken(&error))?;
    // Of honest archives, no byte belongs to two files: so one that is small holds no more than is unpacked from it once.
    if archive.has_overlapping_entries().map_err(|error| broken(&error))? {
        return Err(invalid(format!("`{name}` has files that share their bytes with others, and is not unpacked")));
    }
    let mut left = most.size;
    let mut files = 0;
    for index in 0..archive.len() {
        let mut inside = archive.by_index(index).map_err(|error| broken(&error))?;
        if inside.is_dir() {
            continue;
        }
        files += 1;
        if files > most.files {
            let most = most.files;
            return Err(invalid(format!(
                "`{name}` holds more than {most} files: `most_files` says how many may come out"
            )));
        }
        let Some(path) = inside.enclosed_name() else {
            let shown = inside.name().map_err(|error| broken(&error))?.into_owned();
            return Err(invalid(format!("`{name}` has a file whose path leads out of the archive: `{shown}`")));
        };
        if inside.is_symlink() {
            let shown = path.display();
            return Err(invalid(format!(
                "`{name}` has a link, `{shown}`, and links are not followed: pack what it leads to"
            )));
        }
        let path = path.to_string_lossy().replace('\\', "/");
        if parts.blocking_send(Part::Begin(path)).is_err() {
            return Ok(());
        }
        loop {
            let mut piece = vec![0; PIECE];
            let length = inside.read(&mut piece).map_err(|error| broken(&ZipError::Io(error)))?;
            if length == 0 {
                break;
            }
            left = left.checked_sub(length as u64).ok_or_else(|| too_large(name, most.size))?;
            piece.truncate(length);
            if parts.blocking_send(Part::Piece(piece.into())).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
