//! `flowc read-pdf`: what does a document of a stranger say, read where it can do no harm?
//!
//! `pdf.text` starts this for each document. Whatever the document does to the reader ends with this process.

use std::io::Read as _;

use flow_stdlib::native::{MOST_BYTES_OF_PDF, pages_of_pdf};
use serde_json::json;

use crate::{
    args,
    exit::Exit,
    trouble::{Trouble, said},
    ui,
};

/// How much memory the process may have, in bytes: 3 GiB of addresses, of which this program takes some itself.
#[cfg(unix)]
const MOST_MEMORY: u64 = 3 << 30;

/// How long it may work, in seconds: that it ends by itself matters when whoever has started it is gone.
#[cfg(unix)]
const MOST_SECONDS: u64 = 300;

/// Reads a document from standard input, and writes what it says.
///
/// # Errors
/// The input can't be read, or the output can't be written.
pub(crate) fn read_pdf(args: &args::ReadPdf) -> Result<Exit, Trouble> {
    bound();
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(MOST_BYTES_OF_PDF + 1).read_to_end(&mut bytes);
    read.map_err(|error| Trouble::new(Exit::Environment, format!("the document can't be read: {}", said(&error))))?;
    let told = match pages_of_pdf(&args.name, &bytes) {
        Ok(pages) => json!({ "pages": pages }),
        Err(why) => json!({ "why": why }),
    };
    ui::print(&told.to_string())?;
    Ok(Exit::Done)
}

/// Bounds what this process may take. Where that can't be done, whoever has started it still ends it in time.
pub(super) fn bound() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let to = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
        let _ = setrlimit(Resource::Core, to(0));
        let _ = setrlimit(Resource::As, to(MOST_MEMORY));
        let _ = setrlimit(Resource::Cpu, to(MOST_SECONDS));
    }
}
