//! Exit codes: what a script can tell from how `flowc` ended.

use std::process::ExitCode;

/// How `flowc` ended. The numbers are a promise to scripts: none is ever given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done; a run completed.
    Done = 0,
    /// The program has errors.
    Program = 1,
    /// The command line or the input is wrong; clap uses the same number.
    Usage = 2,
    /// The run failed, or a test.
    Failed = 3,
    /// The run waits for a decision.
    NeedsDecision = 4,
    /// The run was cancelled.
    Cancelled = 5,
    /// Something outside the program is missing or in the way.
    Environment = 6,
    /// Ctrl-C or SIGTERM came before the run ended: 128 + SIGINT, as shells report it.
    Interrupted = 130,
}

/// The table that `--help` shows.
pub(crate) const TABLE: &str = "\
Exit codes:
    0  what was asked for is done; the run completed
    1  the program has errors
    2  the command line or the input is wrong
    3  the run failed, or a test
    4  the run waits for a decision
    5  the run was cancelled
    6  something is missing or in the way: a secret, a variable, the data folder, the port
  130  interrupted before the run ended";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_code_in_order() {
        let codes = [
            Exit::Done,
            Exit::Program,
            Exit::Usage,
            Exit::Failed,
            Exit::NeedsDecision,
            Exit::Cancelled,
            Exit::Environment,
            Exit::Interrupted,
        ];
        let listed: Vec<u8> =
            TABLE.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
        assert_eq!(listed, codes.map(|code| code as u8));
    }
}
