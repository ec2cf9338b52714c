//! Checks any bytes as a program, lays it out twice, and mends it.

use flow_compiler::{Catalog, LoadError, Loader};
use flow_model::span::FileId;

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

/// What holds of whatever is given.
pub fn check(bytes: &[u8]) {
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    let checked = flow_compiler::check("main.flow", bytes, &catalog, &NoFiles);
    let (Ok(text), Some(_)) = (std::str::from_utf8(bytes), &checked.program) else { return };
    let laid_out = flow_compiler::format(text);
    assert_eq!(flow_compiler::format(&laid_out), laid_out, "laying out is idempotent");
    let told = |text: &str| flow_compiler::check("main.flow", text.as_bytes(), &catalog, &NoFiles).diagnostics;
    let mended = flow_compiler::mend(FileId(0), text, told);
    assert!(told(&mended.text).len() + mended.done.len() <= checked.diagnostics.len(), "mending leaves less");
}
