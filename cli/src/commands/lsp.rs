//! `flowc lsp`: the language server, for editors.

use std::path::Path;

use flow_lsp::{Home, Settings};

use crate::{
    args,
    exit::Exit,
    program::{self, Place},
    trouble::Trouble,
};

/// Serves the editor that started this, over standard input and output, until it says goodbye.
///
/// # Errors
/// The editor went away, or does not speak the protocol.
pub(crate) fn lsp() -> Result<Exit, Trouble> {
    flow_lsp::serve(&program::Disk).map_err(|error| Trouble::new(Exit::Environment, error.to_string()))?;
    Ok(Exit::Done)
}

impl Home for program::Disk {
    /// Read anew for each question: `flow.toml` and the connectors beside it are files that change, too. A project that
    /// can't be read is none; `flowc check` says why.
    fn settings(&self, program: &Path) -> Settings {
        Place::of(program, &args::Environment { name: None }).map(Place::settings_for_editor).unwrap_or_default()
    }
}
