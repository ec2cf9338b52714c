//! The binary `flowc`; all of it is in the crate `flow-cli`.

use std::process::ExitCode;

/// A run allocates many small values and frees them on another thread: glibc's allocator takes a quarter more time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flow_cli::main()
}
