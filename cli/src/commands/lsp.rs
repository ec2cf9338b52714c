//! `flowc lsp`: the language server, for editors.

use crate::{exit::Exit, program, trouble::Trouble};

/// Serves the editor that started this, over standard input and output, until it says goodbye.
///
/// # Errors
/// The editor went away, or does not speak the protocol.
pub(crate) fn lsp() -> Result<Exit, Trouble> {
    flow_lsp::serve(&program::Disk).map_err(|error| Trouble::new(Exit::Environment, error.to_string()))?;
    Ok(Exit::Done)
}
