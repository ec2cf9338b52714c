//! The command line of `flowc webhooks`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Environment, Format};

/// See where other systems send what happens.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    pub(crate) command: WebhooksCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    List(WebhooksList),
}

/// List the URLs that programs listen to: what to register with each vendor.
///
/// Each URL with the flows that it starts, the events that they ask for, and how the sender proves itself. URLs begin with
/// `public_url` of `[serve]` in flow.toml, which is how others reach the server; without it, paths are shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc webhooks list
  flowc webhooks list orders.flow
  flowc webhooks list --format json | jq -r '.webhooks[].url'

Exits with 0, also when nothing is listened to.")]
pub(crate) struct WebhooksList {
    /// The program, or a folder with programs
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,
    /// How the list is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) environment: Environment,
}
