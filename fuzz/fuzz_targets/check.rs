//! Checks any bytes as a program, lays it out twice, and mends it.

#![no_main]

use flow_compiler::{Catalog, LoadError, Loader, check};
use flow_model::span::FileId;
use libfuzzer_sys::fuzz_target;

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    let checked = check("main.flow", bytes, &catalog, &NoFiles);
    let (Ok(text), Some(_)) = (std::str::from_utf8(bytes), &checked.program) else { return };
    let laid_out = flow_compiler::format(text);
    assert_eq!(flow_compiler::format(&laid_out), laid_out, "laying out is idempotent");
    let told = |text: &str| check("main.flow", text.as_bytes(), &catalog, &NoFiles).diagnostics;
    let mended = flow_compiler::mend(FileId(0), text, told);
    assert!(told(&mended.text).len() + mended.done.len() <= checked.diagnostics.len(), "mending leaves less");
});
