//! `csv`: tables as files.
//!
//! A page of a stream is read from where the one before ended, so that memory holds a page whatever the length of the
//! table. What a row's type asks for is checked here, where line and column are known.

use std::sync::Arc;

use async_trait::async_trait;
use flow_model::{
    boundary,
    csv::{self, CsvLines, CsvRow, CsvRows, Formulas},
    failure::{ErrorKind, Failure},
    file::{self as model, plain_name},
    ty::{Field, Type, TypeDef},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable, from_text};
use indexmap::IndexMap;

/// How many rows a page has at most.
const PAGE_ROWS: usize = 1_000;

/// After how many bytes of the table a page ends.
const PAGE_BYTES: u64 = 1 << 20;

/// How much is written to disk at once.
const CHUNK: usize = 256 << 10;

/// Binds the operations of `csv` to their code.
pub(super) fn bind(table: NativeTable) -> NativeTable {
    table.with("csv", "read", Read).with("csv", "write", Write).local("csv")
}

struct Read;

#[async_trait]
impl NativeOperation for Read {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let file = call.file("file")?;
        let wrong = |told: String| Failure::new(ErrorKind::Mismatch, format!("`{}`: {told}", file.name));
        let mut rows = CsvRows::new(separator(&call)?);
        let mut at = 0;
        if let Some(begin) = Begin::of(call.cursor()) {
            at = begin.at;
            rows = rows.from(begin.line, begin.names).map_err(wrong)?;
        } else if let Some(names) = names(call.arg("columns")) {
            rows = rows.from(1, names).map_err(wrong)?;
        }
        let mut reader = call.read(&file.part(at, file.size.saturating_sub(at))).await.map_err(Failure::from)?;
        let (mut items, mut piece, mut read, mut is_over) = (Vec::new(), Vec::new().into(), 0, false);
        let (begins, mut from) = (at, 0);
        while items.len() < PAGE_ROWS && at - begins < PAGE_BYTES {
            if from == read && !is_over {
                piece = match reader.next().await.map_err(Failure::from)? {
                    Some(chunk) => chunk,
                    None => Vec::new().into(),
                };
                (from, read, is_over) = (0, piece.len(), piece.is_empty());
            }
            let knew = rows.names().is_some();
            let (took, row) = rows.read(piece.get(from..).unwrap_or_default()).map_err(wrong)?;
            (from, at) = (from + took, at + took as u64);
            if !knew && let Some(names) = rows.names() {
                has_columns(&call, names).map_err(wrong)?;
            }
            match row {
                CsvRow::More => {}
                CsvRow::Row(line, row) => items.push(fitting(&call, line, row).map_err(wrong)?),
                CsvRow::End => return Ok(NativeCall::page_of(items, Value::Null)),
            }
        }
        let next = Begin { at, line: rows.line(), names: rows.names().unwrap_or_default().to_vec() };
        Ok(NativeCall::page_of(items, next.cursor()))
    }
}

/// Where a page begins.
struct Begin {
    at: u64,
    line: u64,
    names: Vec<String>,
}

impl Begin {
    fn of(cursor: &Value) -> Option<Self> {
        let number = |name| match cursor.get(name) {
            Some(Value::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        Some(Self { at: number("at")?, line: number("line")?, names: names(cursor.get("columns")?)? })
    }

    fn cursor(self) -> Value {
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let names = self.names.into_iter().map(Value::text).collect();
        Value::record([("at", number(self.at)), ("line", number(self.line)), ("columns", Value::List(names))])
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    let Value::List(names) = value else { return None };
    Some(names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect())
}

fn separator(call: &NativeCall<'_>) -> Result<u8, Failure> {
    let wrong = || Failure::new(ErrorKind::Invalid, "`separator` should be one character, such as `;`");
    csv::separator(call.text("separator")?).ok_or_else(wrong)
}

/// The type of a row.
fn item<'a>(call: &NativeCall<'a>) -> &'a Type {
    let mut ty = call.result();
    while let Type::Optional(inner) | Type::List(inner) | Type::Stream(inner) = ty {
        ty = inner;
    }
    ty
}

/// The fields of a row, where its type has any.
fn fields<'a>(call: &NativeCall<'a>) -> Option<&'a IndexMap<String, Field>> {
    match item(call) {
        Type::Record(fields) => Some(fields),
        Type::Named(name) => match call.types().get(name) {
            Some(TypeDef::Record(fields)) => Some(fields),
            _ => None,
        },
        _ => None,
    }
}

/// Each field that has to be there is a column.
fn has_columns(call: &NativeCall<'_>, names: &[String]) -> Result<(), String> {
    for (name, field) in fields(call).into_iter().flatten() {
        let name = field.json_name.as_ref().unwrap_or(name);
        if !names.contains(name) && field.default.is_none() && !matches!(field.ty, Type::Optional(_)) {
            let there: Vec<String> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
            return Err(format!("there is no column `{name}`; there are {}", there.join(", ")));
        }
    }
    Ok(())
}

/// A row as its type asks for it.
fn fitting(call: &NativeCall<'_>, line: u64, row: IndexMap<String, Value>) -> Result<Value, String> {
    let types = call.types();
    let row = from_text(Value::Record(row), item(call), types);
    for (name, field) in fields(call).into_iter().flatten() {
        let name = field.json_name.as_ref().unwrap_or(name);
        // A time in digits is read with the row as a whole.
        if let (Some(value), None) = (row.get(name), field.format) {
            boundary::convert(value, &field.ty, types)
                .and_then(|value| boundary::within(&value, &field.bounds))
                .map_err(|mismatch| format!("line {line}, column `{name}`: {mismatch}"))?;
        }
    }
    Ok(row)
}

struct Write;

#[async_trait]
impl NativeOperation for Write {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let keeps_formulas = call.arg("formulas").as_str() == Some("keep");
        let formulas = if keeps_formulas { Formulas::Keep } else { Formulas::Escape };
        let Value::List(rows) = call.arg("rows") else {
            return Err(Failure::new(ErrorKind::Invalid, "`rows` should be a list").into());
        };
        let lines = CsvLines::new(separator(&call)?, names(call.arg("columns")), rows, formulas);
        let mut text = String::new();
        lines.head(&mut text);
        let mut writer = call.blobs().create().await.map_err(Failure::from)?;
        for (at, row) in rows.iter().enumerate() {
            lines.row(&mut text, at, row).map_err(|why| Failure::new(ErrorKind::Invalid, why))?;
            if text.len() >= CHUNK {
                writer.write(std::mem::take(&mut text).into()).await.map_err(Failure::from)?;
            }
        }
        writer.write(text.into()).await.map_err(Failure::from)?;
        let kept = writer.finish().await.map_err(Failure::from)?;
        let name = plain_name(call.text("name")?);
        Ok(Value::File(Arc::new(model::File::new(kept.sha256, kept.size, name, "text/csv"))))
    }
}
