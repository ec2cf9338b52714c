//! The command `flowc`: arguments, files, terminal.
//!
//! This is where compiler, runtime and connectors meet, and the only reader of the environment and of files that are
//! named on the command line. Left out on purpose: the language and the execution of plans.

mod args;
mod asking;
mod commands;
mod contract;
mod environment;
mod exit;
mod host;
mod interrupt;
mod live;
mod log;
mod program;
mod secrets;
mod suggest;
mod trouble;
mod ui;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{args::Command, exit::Exit, trouble::Trouble};

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let cli = args::Cli::parse();
    ui::choose_color(cli.color);
    let exit = perform(&cli.command).unwrap_or_else(|trouble| {
        ui::say_trouble(&trouble);
        trouble.exit()
    });
    exit.into()
}

fn perform(command: &Command) -> Result<Exit, Trouble> {
    match command {
        Command::Check(args) => commands::check::check(args),
        Command::Run(args) => commands::run::run(args),
        Command::Serve(args) => commands::serve::serve(args),
        Command::Deploy(args) => commands::deploy::deploy(args),
        Command::Runs(args) => commands::runs::runs(args),
        Command::Webhooks(args) => commands::webhooks::webhooks(args),
        Command::Polls(args) => commands::polls::polls(args),
        Command::Journal(args) => commands::journal::journal(args),
        Command::DeadLetters(args) => commands::dead_letters::dead_letters(args),
        Command::Graph(args) => commands::graph::graph(args),
        Command::Facts(args) => commands::facts::facts(args),
        Command::Doc(args) => commands::doc::doc(args),
        Command::Fmt(args) => commands::fmt::fmt(args),
        Command::Test(args) => commands::test::test(args),
        Command::New(args) => commands::new::new(args),
        Command::Import(args) => commands::import::import(args),
        Command::Connect(args) => commands::connections::connect(args),
        Command::Connections(args) => commands::connections::connections(args),
        Command::Connectors(args) => commands::connectors::connectors(args),
        Command::Secrets(args) => commands::secrets::secrets(args),
        Command::Lsp(_) => commands::lsp::lsp(),
        Command::Explain(args) => commands::explain::explain(args),
        Command::ReadPdf(args) => commands::read_pdf::read_pdf(args),
        Command::RenderPdf(_) => commands::render_pdf::render_pdf(),
    }
}
