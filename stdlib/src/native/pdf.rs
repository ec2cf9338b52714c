//! `pdf.text` and `pdf.render` by processes of their own: a document or a template that takes its process with it, never lets it end,
//! or fills the memory harms that process alone. It is ended when its step is given up.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_native_pdf::whole;
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};
use serde_json::Value as Json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::child::{self, Bounds, Ended};

/// How many documents are worked with at a time.
static PLACES: Semaphore = Semaphore::const_new(4);

/// How much text a document may hold: 256 MiB, as JSON.
const MOST_TEXT: u64 = 256 << 20;

/// How long a document may be that is made: 256 MiB.
const MOST_MADE: u64 = 256 << 20;

/// How each document begins (ISO 32000-1, section 7.5.2).
const BEGINS: &[u8] = b"%PDF-";

/// What the work may take: of the memory, the program takes some itself.
const BOUNDS: Bounds = Bounds { memory: 3 << 30, seconds: 300 };

/// Binds both to a program that does the work.
pub(super) fn bind(table: NativeTable, program: &Path) -> NativeTable {
    table.with("pdf", "text", Text(program.to_owned())).with("pdf", "render", Render(program.to_owned()))
}

/// A place to work at. Whoever waits for one holds nothing yet: what the program is given is read after that.
async fn place() -> Result<SemaphorePermit<'static>, Failure> {
    PLACES.acquire().await.map_err(|error| away(&error.to_string()))
}

/// Runs the program.
async fn ran(program: &Path, args: &[&str], input: Vec<u8>, most: u64) -> Result<Ended, Failure> {
    let mut command = Command::new(program);
    // It needs nothing that stands in the environment, and secrets may.
    command.env_clear().args(args);
    child::ran(command, input, most, BOUNDS).await.map_err(|error| away(&error.to_string()))
}

fn away(error: &str) -> Failure {
    Failure::new(ErrorKind::Unavailable, format!("what works with PDFs does not start: {error}"))
}

struct Render(PathBuf);

#[async_trait]
impl NativeOperation for Render {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let template = call.text("template")?;
        let unfit = |why: &str| {
            let message = format!("the template `{template}` can't be made into a PDF: {why}");
            Failure::new(ErrorKind::Invalid, message)
        };
        let _place = place().await?;
        let job = flow_native_pdf::job(&call).await?;
        let Ended { status, output, .. } = ran(&self.0, &["render-pdf"], job, MOST_MADE).await?;
        let document = output.map_err(|error| unfit(&error.to_string()))?;
        if !status.success() {
            let why = format!("what makes it ended with {status}, as one does of which too much is asked");
            return Err(unfit(&why).into());
        }
        if document.starts_with(BEGINS) {
            return Ok(flow_native_pdf::kept(&call, document).await?);
        }
        let told: Json = serde_json::from_slice(&document).unwrap_or_default();
        let why = told["why"].as_str().ok_or_else(|| away("what it says does not read"))?;
        Err(Failure::new(ErrorKind::Invalid, why).into())
    }
}

struct Text(PathBuf);

#[async_trait]
impl NativeOperation for Text {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let file = call.file("file")?;
        let _place = place().await?;
        let bytes = whole(&call, &file).await?;
        let ended = ran(&self.0, &["read-pdf", "--", &file.name], bytes, MOST_TEXT).await?;
        let Ended { status, output, .. } = ended;
        let told = output.map_err(|error| unfit(&file.name, &error.to_string()))?;
        if !status.success() {
            let why = format!("its reader ended with {status}, as one does of which too much is asked");
            return Err(unfit(&file.name, &why).into());
        }
        let told: Json = serde_json::from_slice(&told).unwrap_or_default();
        match (told["pages"].as_array(), told["why"].as_str()) {
            (Some(pages), _) => {
                Ok(Value::List(pages.iter().map(|page| Value::text(page.as_str().unwrap_or_default())).collect()))
            }
            (None, Some(why)) => Err(Failure::new(ErrorKind::Invalid, why).into()),
            (None, None) => Err(away("what it says does not read").into()),
        }
    }
}

fn unfit(name: &str, why: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("`{name}` can't be read as a PDF: {why}"))
}
