//! Documents: made from templates, and read.
//!
//! In: calls of the operations that `stdlib/connectors/pdf/pdf.flow` declares `native`. Out: a PDF as a file, or the text of
//! one page by page. A template is read from its connection's folder alone; nothing is fetched, and the clock is not looked
//! at, so that the same data give the same bytes.

mod data;
mod job;
mod render;
mod text;
mod work;
mod world;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    file::{File, plain_name},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};

use job::Job;

/// How large a file may be that is read whole: 64 MiB.
pub const MOST_BYTES: u64 = 64 << 20;

/// Binds the operations of the connector `pdf`.
#[must_use]
pub fn bind(table: NativeTable) -> NativeTable {
    table.with("pdf", "render", Render).with("pdf", "text", Text).local("pdf")
}

struct Render;

#[async_trait]
impl NativeOperation for Render {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let place = work::place().await?;
        let job = Job::of(&call).await?;
        let document = work::done(place, move || render::render(job.ready())).await??;
        Ok(kept(&call, document).await?)
    }
}

/// What a call of `pdf.render` asks for, as [`rendered`] takes it.
///
/// # Errors
/// `Invalid` when an argument is no file, or one is too large; what the disk says when it can't be read.
pub async fn job(call: &NativeCall<'_>) -> Result<Vec<u8>, Failure> {
    Job::of(call).await?.written()
}

/// The PDF that a job asks for. It takes as long, and as much memory, as the template makes it take: this is for a process that
/// can be spared.
///
/// # Errors
/// Why there is none, in words.
pub fn rendered(job: &[u8]) -> Result<Vec<u8>, String> {
    let job = Job::read(job).map_err(|why| format!("what is asked for does not read: {why}"))?;
    match work::undisturbed(|| render::render(job.ready())) {
        Some(Ok(document)) => Ok(document),
        Some(Err(failure)) => Err(failure.message),
        None => Err(work::DAMAGED.to_owned()),
    }
}

/// The result of a call of `pdf.render` that gave this document.
///
/// # Errors
/// What the disk says when it can't be kept.
pub async fn kept(call: &NativeCall<'_>, document: Vec<u8>) -> Result<Value, Failure> {
    let mut writer = call.blobs().create().await.map_err(Failure::from)?;
    writer.write(document.into()).await.map_err(Failure::from)?;
    let kept = writer.finish().await.map_err(Failure::from)?;
    let name = plain_name(call.text("name")?);
    Ok(Value::File(File::new(kept.sha256, kept.size, name, "application/pdf").into()))
}

struct Text;

#[async_trait]
impl NativeOperation for Text {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let file = call.file("file")?;
        let place = work::place().await?;
        let (name, bytes) = (file.name.clone(), whole(&call, &file).await?);
        let pages = work::done(place, move || text::pages(&name, &bytes)).await??;
        Ok(Value::List(pages.into_iter().map(Value::text).collect()))
    }
}

/// The text of each page of a PDF. It takes as long, and as much memory, as the document makes it take; and a document can be made
/// so that it never ends, or takes the process with it: this is for a process that can be spared.
///
/// # Errors
/// Why there is none, in words.
pub fn pages(name: &str, bytes: &[u8]) -> Result<Vec<String>, String> {
    match work::undisturbed(|| text::pages(name, bytes)) {
        Some(Ok(pages)) => Ok(pages),
        Some(Err(failure)) => Err(failure.message),
        None => Err(work::DAMAGED.to_owned()),
    }
}

/// All bytes of a file.
///
/// # Errors
/// `Invalid` when it is too large; what the disk says when it can't be read.
pub async fn whole(call: &NativeCall<'_>, file: &File) -> Result<Vec<u8>, Failure> {
    if file.size > MOST_BYTES {
        return Err(invalid(format!("`{}` has {} bytes, and at most {MOST_BYTES} are read", file.name, file.size)));
    }
    let mut reader = call.read(file).await.map_err(Failure::from)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await.map_err(Failure::from)? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
