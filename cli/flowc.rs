//! The binary `flowc`; all of it is in the crate `flow-cli`.

use std::process::ExitCode;

/// A run is many small values that live for a moment; the allocator of the system takes a fifth more CPU for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flow_cli::main()
}
