//! Where do the rows of a statement go?
//!
//! One, all, or pages of a stream. A stream is read to its end at once, so that all its rows are of the same moment and no
//! connection is held while a program works through them; what does not fit into the first page is written to disk, row
//! by row, as the journal writes values. So memory holds a page, whatever the length of the result, and a run that goes on
//! after a crash goes on with the rows that it had begun with.

use std::sync::Arc;

use flow_model::{
    failure::{ErrorKind, Failure},
    file::File,
    ty::{Type, TypeDef},
    value::Value,
};
use flow_runtime::{
    blob::{self, BlobWriter, Blobs},
    connector::NativeCall,
};
use indexmap::IndexMap;

/// How many rows a page has at most.
const PAGE_ROWS: usize = 1_000;

/// How long a page gets, in bytes as they are written; it may have one row more.
const PAGE_BYTES: usize = 1 << 20;

/// How much of a result is held in memory as a list.
const MOST_BYTES: usize = 16 << 20;

/// How much is written to disk at once.
const CHUNK: usize = 256 << 10;

/// Takes the rows of a statement.
pub(crate) struct Rows<'a> {
    shape: Shape,
    kind: Kind,
    rows: Vec<Value>,
    bytes: usize,
    rest: Option<Rest<'a>>,
}

enum Kind {
    None,
    One,
    All,
    Paged,
}

/// What becomes of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A record, a field for each column.
    Record,
    /// The value of the only column.
    Value,
}

/// The rows that go to disk.
struct Rest<'a> {
    blobs: &'a dyn Blobs,
    writer: Option<Box<dyn BlobWriter>>,
    chunk: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// Rows that nobody asks for.
    pub(crate) fn none() -> Self {
        Self { shape: Shape::Record, kind: Kind::None, rows: Vec::new(), bytes: 0, rest: None }
    }

    pub(crate) fn one(call: &NativeCall<'a>) -> Self {
        Self { shape: shape(call), kind: Kind::One, ..Self::none() }
    }

    pub(crate) fn all(call: &NativeCall<'a>) -> Self {
        Self { shape: shape(call), kind: Kind::All, ..Self::none() }
    }

    pub(crate) fn paged(call: &NativeCall<'a>) -> Self {
        let rest = Rest { blobs: call.blobs(), writer: None, chunk: Vec::new() };
        Self { shape: shape(call), kind: Kind::Paged, rest: Some(rest), ..Self::none() }
    }

    /// Says whether anybody asks for rows.
    pub(crate) fn are_wanted(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    /// Takes a row.
    pub(crate) async fn take(&mut self, columns: &[String], values: Vec<Value>) -> Result<(), Failure> {
        let row = match self.shape {
            Shape::Record => record(columns, values)?,
            Shape::Value => only(columns, values)?,
        };
        match self.kind {
            Kind::None => {}
            Kind::One if self.rows.is_empty() => self.rows.push(row),
            Kind::One => {
                let message = "the statement gives more than one row: add a condition or `limit 1`, or use `query_all`";
                return Err(Failure::new(ErrorKind::Mismatch, message));
            }
            Kind::All => {
                self.bytes = self.bytes.saturating_add(written(&row)?.len());
                if self.bytes > MOST_BYTES {
                    let message = format!("the rows are longer than {MOST_BYTES} bytes: `query` gives them one by one");
                    return Err(Failure::new(ErrorKind::Invalid, message));
                }
                self.rows.push(row);
            }
            Kind::Paged => {
                let line = written(&row)?;
                let is_full = self.rows.len() >= PAGE_ROWS || self.bytes >= PAGE_BYTES;
                match &mut self.rest {
                    Some(rest) if is_full => rest.add(&line).await?,
                    _ => {
                        self.bytes += line.len();
                        self.rows.push(row);
                    }
                }
            }
        }
        Ok(())
    }

    /// The result, when all rows were taken.
    pub(crate) async fn finish(self) -> Result<Value, Failure> {
        Ok(match self.kind {
            Kind::None => Value::Null,
            Kind::One => self.rows.into_iter().next().unwrap_or(Value::Null),
            Kind::All => Value::List(self.rows),
            Kind::Paged => {
                let rest = match self.rest {
                    Some(rest) => rest.finish().await?,
                    None => None,
                };
                let next = rest.map_or(Value::Null, |file| Value::File(Arc::new(file)));
                NativeCall::page_of(self.rows, next)
            }
        })
    }
}

impl Rest<'_> {
    async fn add(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.chunk.extend_from_slice(line);
        if self.chunk.len() >= CHUNK { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), Failure> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(self.blobs.create().await?),
        };
        Ok(writer.write(std::mem::take(&mut self.chunk).into()).await?)
    }

    async fn finish(mut self) -> Result<Option<File>, Failure> {
        if !self.chunk.is_empty() {
            self.write().await?;
        }
        let Some(writer) = self.writer else { return Ok(None) };
        let kept = writer.finish().await?;
        Ok(Some(File::new(kept.sha256, kept.size, "rows.ndjson", "application/x-ndjson")))
    }
}

/// The next page of a stream, of the rows that are left on disk.
pub(crate) async fn page(call: &NativeCall<'_>, left: &File) -> Result<Value, Failure> {
    let mut reader = blob::open(call.blobs(), left).await?;
    let (mut rows, mut bytes, mut unread) = (Vec::new(), 0, Vec::new());
    let damaged = || Failure::new(ErrorKind::Mismatch, "the rows that were kept on disk can't be read");
    while rows.len() < PAGE_ROWS && bytes < PAGE_BYTES {
        let Some(chunk) = reader.next().await? else { break };
        unread.extend_from_slice(&chunk);
        let mut begins = 0;
        while rows.len() < PAGE_ROWS && bytes < PAGE_BYTES {
            let line = unread.get(begins..).unwrap_or_default();
            let Some(end) = line.iter().position(|byte| *byte == b'\n') else { break };
            rows.push(line.get(..end).and_then(|line| serde_json::from_slice(line).ok()).ok_or_else(damaged)?);
            begins += end + 1;
            bytes += end + 1;
        }
        unread.drain(..begins);
    }
    if rows.is_empty() {
        return Err(damaged());
    }
    let read = bytes as u64;
    let rest = left.part(read, left.size.saturating_sub(read));
    Ok(NativeCall::page_of(rows, if rest.size == 0 { Value::Null } else { Value::File(Arc::new(rest)) }))
}

/// A row as a line of its own.
fn written(row: &Value) -> Result<Vec<u8>, Failure> {
    let unfit = |error| Failure::new(ErrorKind::Mismatch, format!("the row can't be kept: {error}"));
    let mut line = serde_json::to_vec(row).map_err(unfit)?;
    line.push(b'\n');
    Ok(line)
}

/// What the caller's type makes of a row.
fn shape(call: &NativeCall<'_>) -> Shape {
    let mut ty = call.result();
    while let Type::Optional(inner) | Type::List(inner) | Type::Stream(inner) = ty {
        ty = inner;
    }
    match ty {
        Type::Record(_) | Type::Map(_) | Type::Json | Type::Unknown | Type::Variable(_) => Shape::Record,
        Type::Named(name) if !matches!(call.types().get(name), Some(TypeDef::Enum(_))) => Shape::Record,
        _ => Shape::Value,
    }
}

fn record(columns: &[String], values: Vec<Value>) -> Result<Value, Failure> {
    let mut fields = IndexMap::with_capacity(columns.len());
    for (column, value) in columns.iter().zip(values) {
        if fields.insert(column.clone(), value).is_some() {
            let message = format!("the statement gives two columns `{column}`: name one otherwise, with `as`");
            return Err(Failure::new(ErrorKind::Mismatch, message));
        }
    }
    Ok(Value::Record(fields))
}

fn only(columns: &[String], values: Vec<Value>) -> Result<Value, Failure> {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => {
            let message = format!(
                "the type that the caller gives is one value, and the statement gives {} columns: give a record",
                columns.len()
            );
            Err(Failure::new(ErrorKind::Mismatch, message))
        }
    }
}
