//! `flowc render-pdf`: what is made of a template, where it can do no harm?
//!
//! `pdf.render` starts this for each document. Whatever the template does ends with this process.

use std::io::{Read as _, Write as _};

use flow_stdlib::native::rendered_pdf;
use serde_json::json;

use super::read_pdf::bound;
use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// Makes the document that standard input asks for, and writes it, or why there is none.
///
/// # Errors
/// The input can't be read, or the output can't be written.
pub(crate) fn render_pdf() -> Result<Exit, Trouble> {
    bound();
    let trouble =
        |what: &str, error: &std::io::Error| Trouble::new(Exit::Environment, format!("{what}: {}", said(error)));
    let mut job = Vec::new();
    std::io::stdin().read_to_end(&mut job).map_err(|error| trouble("what is asked for can't be read", &error))?;
    let told = rendered_pdf(&job).unwrap_or_else(|why| json!({ "why": why }).to_string().into_bytes());
    let mut output = std::io::stdout().lock();
    let written = output.write_all(&told).and_then(|()| output.flush());
    written.map_err(|error| trouble("the document can't be written", &error))?;
    Ok(Exit::Done)
}
