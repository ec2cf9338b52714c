//! The command line of `flowc connect` and `flowc connections`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Data, Programs};

/// Connect a connection with an account: a person agrees, in a browser.
///
/// For connections whose connector declares `authorization_code` or `device_code`. A URL is opened, and printed; once the
/// person has agreed there, the tokens are stored, encrypted, in the data folder, and renewed from then on. Runs that wait
/// for this connection go on.
///
/// The browser comes back to `http://127.0.0.1:4712/callback`: register that with the vendor as redirect URL, or give
/// another with `--redirect`. Where the browser is on another machine, `--paste` asks for the URL that it ended up at.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc connect crm
  flowc connect crm orders.flow --redirect http://localhost:8123/oauth
  flowc connect crm --paste          on a server: open the URL elsewhere, and paste where it ends

Exits with 0 when it is connected, 3 when the person or the vendor refuses, 6 when a secret is missing
or the address is taken.")]
pub(crate) struct Connect {
    /// The connection, as the program names it
    #[arg(value_name = "NAME")]
    pub(crate) connection: String,
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    /// Where the browser comes back to, as it is registered with the vendor
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4712/callback")]
    pub(crate) redirect: String,
    /// Listen nowhere, and ask for the URL that the browser ended up at
    #[arg(long)]
    pub(crate) paste: bool,
    /// Print the URL, and open no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Look at connections and their credentials.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Connections {
    #[command(subcommand)]
    pub(crate) command: ConnectionsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionsCommand {
    List(ConnectionsList),
    Test(ConnectionsTest),
}

/// List the connections of a program: how each gets its credential, and how things stand with it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc connections list
  flowc connections list orders.flow --format json | jq '.connections[] | select(.state == \"ended\").name'")]
pub(crate) struct ConnectionsList {
    #[command(flatten)]
    pub(crate) of: Programs,
}

/// Show whether credentials work, by the operation that each connector names for that (`probe:`).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc connections test
  flowc connections test orders.flow --only crm

Exits with 0 when all that were tried work, 3 when one does not.")]
pub(crate) struct ConnectionsTest {
    #[command(flatten)]
    pub(crate) of: Programs,
    /// Only this connection
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Option<String>,
}
