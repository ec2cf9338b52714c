//! What is a document made of, written so that another process can make it?
//!
//! A job is one line of JSON, with what the call says, and after it the bytes of the files, one after the other.

use std::path::PathBuf;

use flow_model::{failure::Failure, value::Value};
use flow_runtime::connector::NativeCall;
use serde::{Deserialize, Serialize};
use typst::foundations::{Bytes, Dict, IntoValue as _};

use crate::{data, invalid, render, whole};

/// A template, and all that it sees.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    folder: PathBuf,
    template: String,
    fonts: Option<PathBuf>,
    data: Value,
    /// A point in time or null.
    date: Value,
    /// The names of files with their lengths in bytes.
    files: Vec<(String, usize)>,
    /// The bytes of all of them.
    #[serde(skip)]
    bytes: Vec<u8>,
}

impl Job {
    /// What a call asks for.
    ///
    /// # Errors
    /// `Invalid` when an argument is no file, or one is too large; what the disk says when it can't be read.
    pub(crate) async fn of(call: &NativeCall<'_>) -> Result<Self, Failure> {
        let (mut files, mut bytes) = (Vec::new(), Vec::new());
        if let Value::Record(given) = call.arg("files") {
            for (name, file) in given {
                let before = bytes.len();
                match file {
                    Value::File(file) => bytes.extend(whole(call, file).await?),
                    Value::Bytes(content) => bytes.extend_from_slice(content),
                    Value::String(text) => bytes.extend_from_slice(text.as_bytes()),
                    other => return Err(invalid(format!("`files.{name}` should be a file and is {}", other.kind()))),
                }
                files.push((name.clone(), bytes.len() - before));
            }
        }
        Ok(Self {
            folder: PathBuf::from(call.config("folder").as_str().unwrap_or_default()),
            template: call.text("template")?.to_owned(),
            fonts: call.config("fonts").as_str().map(PathBuf::from),
            data: call.arg("data").clone(),
            date: call.arg("date").clone(),
            files,
            bytes,
        })
    }

    /// As it goes to another process.
    pub(crate) fn written(&self) -> Result<Vec<u8>, Failure> {
        let unfit = |error: serde_json::Error| invalid(format!("the data of the document can't be written: {error}"));
        let mut written = serde_json::to_vec(self).map_err(unfit)?;
        written.push(b'\n');
        written.extend_from_slice(&self.bytes);
        Ok(written)
    }

    /// As it has come from another process.
    ///
    /// # Errors
    /// Why it does not read.
    pub(crate) fn read(written: &[u8]) -> Result<Self, String> {
        let end = written.iter().position(|byte| *byte == b'\n').ok_or("its first line has no end")?;
        let (line, rest) = written.split_at(end);
        let job: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        Ok(Self { bytes: rest.get(1..).unwrap_or_default().to_vec(), ..job })
    }

    /// As the document is made of it.
    pub(crate) fn ready(self) -> render::Job {
        let (mut files, mut rest) = (Dict::new(), self.bytes.as_slice());
        for (name, length) in self.files {
            let (content, after) = rest.split_at(length.min(rest.len()));
            files.insert(name.as_str().into(), Bytes::new(content.to_vec()).into_value());
            rest = after;
        }
        let date = match self.date {
            Value::Timestamp(at) => Some(at),
            _ => None,
        };
        let Self { folder, template, fonts, .. } = self;
        render::Job { folder, template, fonts, data: data::typst(&self.data), files, date }
    }
}
