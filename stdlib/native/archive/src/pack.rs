//! Packing into a ZIP archive.

use std::{
    collections::BTreeSet,
    io::{Read as _, Seek as _, Write as _},
};

use bytes::Bytes;
use flow_model::{failure::Failure, file::File, value::Value};
use flow_runtime::connector::NativeCall;
use tokio::{sync::mpsc, task};
use zip::{CompressionMethod, ZipWriter, result::ZipResult, write::SimpleFileOptions};

use crate::{PIECE, invalid, kept, machine, write};

/// What comes next in the archive.
enum Part {
    /// A file, with its size.
    Begin(String, u64),
    Piece(Bytes),
}

pub(crate) async fn zip(call: &NativeCall<'_>) -> Result<Value, Failure> {
    let files = files(call)?;
    let name = call.text("name")?;
    let (parts, next) = mpsc::channel(8);
    let packing = task::spawn_blocking(move || pack(next));
    let read = send(call, &files, parts).await;
    let packed = packing.await.map_err(|error| invalid(format!("the archive was not made: {error}")))?;
    read?;
    let mut archive = packed.map_err(|error| invalid(format!("the archive can't be made: {error}")))?;
    let mut writer = call.blobs().create().await?;
    loop {
        // The archive was just written, so that its pages are in memory.
        let mut piece = vec![0; PIECE];
        let length = archive.read(&mut piece).map_err(|error| machine(&error))?;
        if length == 0 {
            return kept(writer, name).await;
        }
        piece.truncate(length);
        write(&mut *writer, piece).await?;
    }
}

/// The files, each with a name of its own.
fn files(call: &NativeCall<'_>) -> Result<Vec<File>, Failure> {
    let Value::List(files) = call.arg("files") else { return Ok(Vec::new()) };
    let files: Vec<File> = files
        .iter()
        .filter_map(|file| if let Value::File(file) = file { Some((**file).clone()) } else { None })
        .collect();
    let mut names = BTreeSet::new();
    match files.iter().find(|file| !names.insert(file.name.as_str())) {
        Some(twice) => Err(invalid(format!("two of the files are called `{}`", twice.name))),
        None => Ok(files),
    }
}

/// Sends the files to where they are packed. When nobody takes them any more, why is said there.
async fn send(call: &NativeCall<'_>, files: &[File], parts: mpsc::Sender<Part>) -> Result<(), Failure> {
    for file in files {
        if parts.send(Part::Begin(file.name.clone(), file.size)).await.is_err() {
            return Ok(());
        }
        let mut reader = call.read(file).await?;
        while let Some(chunk) = reader.next().await? {
            if parts.send(Part::Piece(chunk)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn pack(mut parts: mpsc::Receiver<Part>) -> ZipResult<std::fs::File> {
    let mut archive = ZipWriter::new(tempfile::tempfile()?);
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Begin(name, size) => {
                // From 4 GiB on, sizes need more room.
                let options = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Deflated)
                    .large_file(size >= u64::from(u32::MAX));
                archive.start_file(name, options)?;
            }
            Part::Piece(bytes) => archive.write_all(&bytes)?,
        }
    }
    let mut file = archive.finish()?;
    file.rewind()?;
    Ok(file)
}
