//! `pdf.text`, read by a process of its own: a document that takes the reader with it, never lets it end, or fills the memory harms
//! that process alone. It is ended when its step is given up.

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
use tokio::sync::Semaphore;

use super::child::{self, Bounds, Ended};

/// How many documents are read at a time.
static PLACES: Semaphore = Semaphore::const_new(4);

/// How much text a document may hold: 256 MiB, as JSON.
const MOST_TEXT: u64 = 256 << 20;

/// What reading may take: of the memory, the program takes some itself.
const BOUNDS: Bounds = Bounds { memory: 3 << 30, seconds: 300 };

/// Binds `pdf.text` to a program that reads.
pub(super) fn bind(table: NativeTable, program: &Path) -> NativeTable {
    table.with("pdf", "text", Text(program.to_owned()))
}

struct Text(PathBuf);

#[async_trait]
impl NativeOperation for Text {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let file = call.file("file")?;
        let bytes = whole(&call, &file).await?;
        let away =
            |error: String| Failure::new(ErrorKind::Unavailable, format!("what reads a PDF does not start: {error}"));
        let _place = PLACES.acquire().await.map_err(|error| away(error.to_string()))?;
        let mut command = Command::new(&self.0);
        // It needs nothing that stands in the environment, and secrets may.
        command.env_clear().args(["read-pdf", "--", &file.name]);
        let Ended { status, output, .. } =
            child::ran(command, bytes, MOST_TEXT, BOUNDS).await.map_err(|error| away(error.to_string()))?;
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
            (None, None) => Err(away("what it says does not read".to_owned()).into()),
        }
    }
}

fn unfit(name: &str, why: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("`{name}` can't be read as a PDF: {why}"))
}
