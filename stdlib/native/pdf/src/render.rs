//! A template and its data as a PDF.

use std::path::PathBuf;

use flow_model::failure::Failure;
use jiff::Timestamp as At;
use typst::{
    World as _, WorldExt as _, comemo,
    diag::SourceDiagnostic,
    ecow::EcoVec,
    foundations::{Datetime, Dict, IntoValue as _, Smart, Str, Value as Typst},
};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, Timestamp};

use crate::{invalid, world::Folder};

/// How many mistakes are told of at once.
const MOST_TOLD: usize = 3;

/// How many documents ago a part was used last that is kept for the next one.
const KEPT: usize = 8;

/// What a document is made of.
pub(crate) struct Job {
    pub(crate) folder: PathBuf,
    pub(crate) template: String,
    pub(crate) fonts: Option<PathBuf>,
    /// `sys.inputs.data`
    pub(crate) data: Typst,
    /// `sys.inputs.files`
    pub(crate) files: Dict,
    /// When it is made: what `datetime.today()` says, and the document of itself.
    pub(crate) date: Option<At>,
}

/// The bytes of the PDF.
///
/// # Errors
/// `Invalid` with what is wrong with the template, and where.
pub(crate) fn render(job: Job) -> Result<Vec<u8>, Failure> {
    let date = job.date.and_then(datetime);
    let inputs = [(Str::from("data"), job.data), (Str::from("files"), job.files.into_value())].into_iter().collect();
    let folder = Folder::open(&job.folder, &job.template, inputs, job.fonts.as_deref(), date)?;
    let compiled = typst::compile::<PagedDocument>(&folder).output;
    let options =
        PdfOptions { creator: Smart::Custom(None), timestamp: date.map(Timestamp::new_utc), ..PdfOptions::default() };
    let written = compiled.and_then(|document| typst_pdf::pdf(&document, &options));
    comemo::evict(KEPT);
    written.map_err(|mistakes| told(&folder, &mistakes))
}

fn datetime(at: At) -> Option<Datetime> {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let part = |number: i8| number.unsigned_abs();
    Datetime::from_ymd_hms(
        at.year().into(),
        part(at.month()),
        part(at.day()),
        part(at.hour()),
        part(at.minute()),
        part(at.second()),
    )
}

/// What is wrong with a template: where, what, and what may help.
fn told(folder: &Folder, mistakes: &EcoVec<SourceDiagnostic>) -> Failure {
    let mut lines: Vec<String> = mistakes.iter().take(MOST_TOLD).map(|mistake| mistake_told(folder, mistake)).collect();
    if mistakes.len() > MOST_TOLD {
        lines.push(format!("and {} more", mistakes.len() - MOST_TOLD));
    }
    invalid(lines.join("; "))
}

fn mistake_told(folder: &Folder, mistake: &SourceDiagnostic) -> String {
    let mut text = String::new();
    if let Some(id) = mistake.span.id() {
        let start = folder.range(mistake.span).map(|range| range.start);
        let place = folder.source(id).ok().and_then(|source| source.lines().byte_to_line_column(start?));
        text = match place {
            Some((line, column)) => {
                format!("`{}`, line {}, column {}: ", id.get().vpath().get_without_slash(), line + 1, column + 1)
            }
            None => format!("`{}`: ", id.get().vpath().get_without_slash()),
        };
    }
    text.push_str(&mistake.message);
    for hint in &mistake.hints {
        text.push_str(" (");
        text.push_str(&hint.v);
        text.push(')');
    }
    text
}
