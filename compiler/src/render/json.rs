//! Diagnostics as JSON, for editors, review bots and scripts.
//!
//! The shape is a promise: members are added, never changed or removed. Lines and columns are counted from 1, columns in
//! characters; `end` is one past the last character; `offset` is in bytes of UTF-8.
//!
//! ```json
//! {
//!   "version": 1,
//!   "errors": 1,
//!   "warnings": 0,
//!   "diagnostics": [{
//!     "code": "E0201", "name": "unknown-name", "severity": "error",
//!     "message": "there is no policy `patiant`",
//!     "file": "main.flow", "line": 5, "column": 34, "offset": 96,
//!     "end": { "line": 5, "column": 41, "offset": 103 },
//!     "labels": [{ "file": "main.flow", "line": 5, "column": 34, "offset": 96,
//!                  "end": { "line": 5, "column": 41, "offset": 103 }, "text": "not known" }],
//!     "help": "did you mean `patient`?",
//!     "fixes": [{ "title": "write `patient`",
//!                 "edits": [{ "file": "main.flow", "line": 5, "column": 34, "offset": 96,
//!                             "end": { "line": 5, "column": 41, "offset": 103 }, "text": "patient" }] }]
//!   }]
//! }
//! ```

use flow_model::{
    diagnostic::{Diagnostic, Severity},
    span::{Files, Span},
};
use serde::Serialize;
use serde_json::Value;

use super::Sources;

/// The version of the shape.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    code: &'static str,
    name: &'static str,
    severity: Severity,
    message: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    labels: Vec<Placed<'a>>,
    help: Option<&'a str>,
    fixes: Vec<Fix<'a>>,
}

#[derive(Serialize)]
struct Fix<'a> {
    title: &'a str,
    edits: Vec<Placed<'a>>,
}

#[derive(Serialize)]
struct Placed<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    text: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    #[serde(flatten)]
    start: Position,
    end: Position,
}

#[derive(Serialize)]
struct Position {
    line: usize,
    column: usize,
    offset: usize,
}

/// Writes diagnostics as JSON, in the order given, in the shape that the documentation of this module shows.
///
/// # Panics
/// Never: the shape has no map with keys that JSON can't write.
pub fn json(files: &Files, diagnostics: &[Diagnostic]) -> Value {
    let sources = Sources::new(files);
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity() == severity).count();
    let report = Report {
        version: VERSION,
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        diagnostics: diagnostics.iter().map(|diagnostic| entry(&sources, diagnostic)).collect(),
    };
    serde_json::to_value(report).expect("the report has only text keys")
}

fn entry<'a>(sources: &Sources<'a>, diagnostic: &'a Diagnostic) -> Entry<'a> {
    let placed = |span: Span, text: &'a str| Placed { place: place(sources, span), text };
    Entry {
        code: diagnostic.code.id(),
        name: diagnostic.code.name(),
        severity: diagnostic.severity(),
        message: &diagnostic.message,
        place: place(sources, diagnostic.span()),
        labels: diagnostic.labels.iter().map(|label| placed(label.span, &label.text)).collect(),
        help: diagnostic.help.as_deref(),
        fixes: diagnostic
            .fixes
            .iter()
            .map(|fix| Fix {
                title: &fix.title,
                edits: fix.edits.iter().map(|edit| placed(edit.span, &edit.text)).collect(),
            })
            .collect(),
    }
}

fn place<'a>(sources: &Sources<'a>, span: Span) -> Place<'a> {
    let position = |offset: u32| {
        let (line, column, offset) = sources.position(span.file, offset);
        Position { line, column, offset }
    };
    Place { file: sources.path(span.file), start: position(span.start), end: position(span.end) }
}
