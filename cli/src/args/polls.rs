//! The command line of `flowc polls`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Data, Programs};

/// See how far triggers that poll have read, and let one read from elsewhere.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Polls {
    #[command(subcommand)]
    pub(crate) command: PollsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PollsCommand {
    List(PollsList),
    Reset(PollsReset),
}

/// List the triggers that poll, with how far each has read.
///
/// Where `flowc serve` works on the data folder, also when it has looked last, when it looks next, and why the last look has
/// failed, if it has.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc polls list
  flowc polls list orders.flow --format json | jq '.polls[].read'

Exits with 0, also when nothing polls.")]
pub(crate) struct PollsList {
    #[command(flatten)]
    pub(crate) of: Programs,
}

/// Let a trigger that polls read from elsewhere.
///
/// What is kept of it, how far was read and which items were seen, is replaced. Items that have had a run get another if they
/// are listed again. Where `flowc serve` works on the data folder, it is asked to, between two looks, and looks at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc polls reset follow --to start                        a run for everything that is listed
  flowc polls reset follow --to now                          none for what is there already
  flowc polls reset follow --to 2026-01-31T09:00:00Z         a run for each item from then on
  flowc polls reset follow --on sales.deal.changed --to 4711

Exits with 0 when it is done, 2 when it can't read from there.")]
pub(crate) struct PollsReset {
    /// The flow that the trigger starts
    #[arg(value_name = "FLOW")]
    pub(crate) flow: String,
    /// The program, or a folder with programs
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,
    /// The trigger, where the flow has several that poll, as `flowc polls list` shows it
    #[arg(long, value_name = "TRIGGER")]
    pub(crate) on: Option<String>,
    /// From where it reads: `now`, `start`, or a cursor (a time, a number, a text)
    #[arg(long, value_name = "now|start|CURSOR", allow_hyphen_values = true)]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) data: Data,
}
