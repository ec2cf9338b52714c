//! The command line of `flowc webhooks`.

use clap::{Args, Subcommand};

use super::Programs;

/// See where other systems send what happens, and tell them.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    pub(crate) command: WebhooksCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    List(WebhooksList),
    Register(WebhooksRegister),
    Remove(WebhooksRemove),
}

/// List the URLs that programs listen to: what to register with each vendor.
///
/// Each URL with the flows that it starts, the events that they ask for, and how the sender proves itself. URLs begin with
/// `public_url` of `[serve]` in flow.toml, which is how others reach the server; without it, paths are shown. What `flowc webhooks register` has set up is shown with the id that the
/// system has given it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc webhooks list
  flowc webhooks list orders.flow
  flowc webhooks list --format json | jq -r '.webhooks[].url'

Exits with 0, also when nothing is listened to.")]
pub(crate) struct WebhooksList {
    #[command(flatten)]
    pub(crate) of: Programs,
}

/// Which webhooks are meant, of which programs.
#[derive(Debug, Args)]
pub(crate) struct WebhooksAt {
    #[command(flatten)]
    pub(crate) of: Programs,
    /// Only those of this connection
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Option<String>,
}

/// Tell systems where to send what happens: once, however often this runs.
///
/// For each connection that flows listen to, and whose connector says how (`webhooks { register: … }`). Events are sent to
/// `/hooks/NAME` below `public_url` of `[serve]` in flow.toml, or below `--url`. A secret that the system answers with is kept in the
/// encrypted store, under the name that the flows verify by.
///
/// What was asked is written down before it is asked. Where an answer was lost, running this again finds out what the system did.
/// A webhook that is there already is left alone, or renewed where it would end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc webhooks register
  flowc webhooks register orders.flow --url https://flow.example.com
  flowc webhooks register --only payments --secret stripe/webhook --format json

Exits with 0 when all are registered, 3 when a system refuses or something has to be settled by hand,
6 when a secret is missing.")]
pub(crate) struct WebhooksRegister {
    #[command(flatten)]
    pub(crate) at: WebhooksAt,
    /// The URL under which others reach the server
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The name under which the system's secret is kept [default: the one that flows verify by]
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Option<String>,
}

/// Tell systems to send nothing any more, and forget what was registered.
///
/// Only what `flowc webhooks register` has set up is taken away. The secrets stay in the store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc webhooks remove
  flowc webhooks remove orders.flow --only payments

Exits with 0 when none is left, 3 when a system refuses.")]
pub(crate) struct WebhooksRemove {
    #[command(flatten)]
    pub(crate) at: WebhooksAt,
}
