//! The binary `flowc`; all of it is in the crate `flow-cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    flow_cli::main()
}
