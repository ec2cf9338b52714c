//! The command line: what can be asked of `flowc`, and the help of each command.

mod connections;
mod polls;
mod runs;
mod webhooks;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::styling};
use flow_runtime::sim::faults::{Fault, NoFault};

pub(crate) use self::{
    connections::{Connect, Connections, ConnectionsCommand, ConnectionsList, ConnectionsTest},
    polls::{Polls, PollsCommand, PollsList, PollsReset},
    runs::{
        DeadLetters, DeadLettersCommand, Journal, JournalAdopt, JournalCommand, JournalCompact, JournalRepair,
        JournalVerify, LettersDrop, LettersList, LettersReplay, LettersShow, OneLetter, OneRun, Runs, RunsAnswer,
        RunsCancel, RunsCommand, RunsExport, RunsList, RunsResolve, RunsResume, RunsShow, RunsWhy, State,
    },
    webhooks::{Webhooks, WebhooksAt, WebhooksCommand, WebhooksList, WebhooksRegister, WebhooksRemove},
};
use crate::exit;

/// The colours of `--help`.
const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

/// Checks, runs and serves Flow programs.
///
/// A program is a `.flow` file that says when something happens, what is called and where the data goes. `flowc check`
/// proves as much as can be proved before anything runs; `flowc run` and `flowc serve` execute it durably: what a run
/// has done is on disk before it goes on, and a run that was interrupted continues where it was.
#[derive(Debug, Parser)]
#[command(name = "flowc", version, styles = STYLES, max_term_width = 100, after_help = exit::TABLE)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// When to use colour: `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Check),
    Run(Run),
    Serve(Serve),
    Deploy(Deploy),
    Runs(Runs),
    DeadLetters(DeadLetters),
    Journal(Journal),
    Graph(Graph),
    Facts(Facts),
    Doc(Doc),
    Fmt(Fmt),
    Test(Test),
    New(New),
    Import(Import),
    Connect(Connect),
    Connections(Connections),
    Connectors(Connectors),
    Webhooks(Webhooks),
    Polls(Polls),
    Secrets(Secrets),
    Lsp(Lsp),
    Explain(Explain),
    #[command(hide = true)]
    ReadPdf(ReadPdf),
    #[command(hide = true)]
    RenderPdf(RenderPdf),
}

/// Find mistakes in programs without running them.
///
/// Each `.flow` file is checked as a program, with the files that it uses; of a folder, every `.flow` file below it.
/// All mistakes are reported in one go, on standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc check order.flow
  flowc check                       every .flow file below the current folder
  flowc check --fix order.flow      mend what can be mended, then check
  flowc check --format json flows/ | jq '.diagnostics[].code'
  flowc check --env production .    with the settings of that environment in flow.toml
  flowc check --format sarif . > flow.sarif

Exits with 0 when there are no errors (warnings do not count), 1 when there are, 2 when a path can't
be read.
`flowc explain E0301` tells more about a code.")]
pub(crate) struct Check {
    /// Files, or folders to search for `.flow` files
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// How diagnostics are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Report,
    /// Change the files as the fixes of the diagnostics say, then check them
    #[arg(long)]
    pub(crate) fix: bool,
    #[command(flatten)]
    pub(crate) environment: Environment,
}

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// For people
    Human,
    /// For programs; the shape is a promise
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Commands that mark lines of a pull request on GitHub
    Github,
}

/// Human or machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

/// Run a flow once and print its result.
///
/// The steps are shown on standard error while they happen; the result, as JSON, is all that is written to standard
/// output. The run is durable: its history stays in the data folder, and if it is interrupted,
/// `flowc runs resume` continues it where it was.
///
/// The input is an object with the flow's parameters. A flow without parameters that is started by a trigger takes the
/// trigger's payload in its place; no signature is asked for then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc run packing.flow
  flowc run refunds.flow --flow refund --input '{\"payment\": \"pi_123\", \"amount\": 500}'
  flowc run receipt.flow --input @event.json
  jq .lead contact.json | flowc run leads.flow --input -

Exits with 0 when the run completed, 3 when it failed, 4 when it waits for a decision, 130 when it
was interrupted. `flowc --help` lists all exit codes.")]
pub(crate) struct Run {
    /// The program, or a folder with a `main.flow`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Which flow, where the program has several
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
    /// The parameters: JSON, `@file`, or `-` for standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,
    /// Which trigger the input is a payload of, where the flow has several
    #[arg(long, value_name = "TRIGGER")]
    pub(crate) trigger: Option<String>,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Listen for triggers and run the flows that they start.
///
/// Prints the address and the routes, continues every run that was interrupted, then takes webhooks and schedules until
/// SIGTERM or Ctrl-C: no new work is taken then, steps that are under way may finish, and what remains continues at the
/// next start. Of a folder, `main.flow` is the program, and without one every file that declares a flow.
///
/// On SIGHUP, and with `--watch` when a file has changed, the programs are read again. New runs use the new versions, runs
/// that have begun keep theirs; programs with mistakes are not taken up, and the versions before go on serving.
///
/// An event is acknowledged only after its run is on disk. Secrets come from the environment: `secret("stripe/webhook")`
/// is the variable STRIPE_WEBHOOK. All that is missing is reported before anything starts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  STRIPE_WEBHOOK=whsec_… SLACK_BOT_TOKEN=xoxb-… flowc serve receipt.flow
  flowc serve flows/ --listen 0.0.0.0:8080
  flowc serve receipt.flow --listen 127.0.0.1:0 --log json
  flowc serve flows/ --watch

Webhooks of a connection are received at POST /hooks/<connection>, `on http` at its own path.
Exits with 0 after a clean stop, 1 when a program has errors, 6 when something is missing or the
address is taken.")]
pub(crate) struct Serve {
    /// A program, or a folder with programs
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// The address to listen on; port 0 takes any free one [default: that of flow.toml, else 127.0.0.1:4711]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Take up new versions of the programs when their files change
    #[arg(long)]
    pub(crate) watch: bool,
    /// How the log on standard error is written; the variable FLOW_LOG sets its level (`info`, `debug`)
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) log: Format,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// See whether runs that are under way can go on, before a new version is served.
///
/// A run keeps the plan that it began with, so that changes of a flow do not touch it. It still needs its secrets and variables,
/// its accounts, and a `flowc` that knows what the plan says. All runs that are not over are looked at, beside a server that may be
/// using the data folder, and those that could not go on with this `flowc` and this project are named. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc deploy --check-running
  flowc deploy --check-running flows/ --env production --format json | jq '.versions[].stopped[]'

Exits with 0 when all can go on, 1 when some can not or the program has errors.")]
pub(crate) struct Deploy {
    /// A program, or a folder with programs
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    /// Look at the runs that are under way
    #[arg(long, required = true)]
    pub(crate) check_running: bool,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Where runs are kept.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// The folder that holds runs and their history [default: `.flow` beside flow.toml or the program]
    #[arg(long = "data", value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) environment: Environment,
}

/// Which programs are meant, and how what is said of them is written.
#[derive(Debug, Args)]
pub(crate) struct Programs {
    /// The program, or a folder with programs
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Which environment of the project is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct Environment {
    /// The environment of flow.toml whose settings hold [default: the one that flow.toml names]
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Look at connectors: what they offer, and what each operation needs and does.
///
/// The connectors are those that come with Flow and those of the project around the current folder.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Connectors {
    #[command(subcommand)]
    pub(crate) command: ConnectorsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorsCommand {
    List(ConnectorsList),
    Show(ConnectorsShow),
    Test(ConnectorsTest),
}

/// List the connectors, each with a line on what it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc connectors list
  flowc connectors list --format json | jq -r '.[].name'")]
pub(crate) struct ConnectorsList {
    /// How they are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
}

/// Replay what was recorded of a system: requests, answers, results, and what it sends by itself.
///
/// Each operation that has a recorded pair is carried out against a server on this machine that answers as it was recorded.
/// Compared are the request that leaves and what becomes of the answer. With `--spec`, each request is also held against the
/// vendor's own description. A recorded delivery is verified and read as by `flowc serve`; compared are its events, or the refusal.
///
/// With `--made-up`, what each operation sends is held against the description without any pair: it is called with arguments that are
/// made up, once with all of them and once with those alone that must be given. Where the description has an example of the answer,
/// it has to read as the declared result.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc connectors test shop
  flowc connectors test shop --spec openapi.yaml
  flowc connectors test shop --spec openapi.yaml --made-up
  flowc connectors test stripe --pairs recorded/stripe --spec spec3.json.gz")]
pub(crate) struct ConnectorsTest {
    /// The connector
    #[arg(value_name = "NAME")]
    pub(crate) connector: String,
    /// The folder with the pairs; without it, `connectors/NAME.pairs` of the project
    #[arg(long, value_name = "FOLDER")]
    pub(crate) pairs: Option<PathBuf>,
    /// An OpenAPI description, JSON or YAML, which may be compressed with gzip
    #[arg(long, value_name = "SPEC")]
    pub(crate) spec: Option<PathBuf>,
    /// Hold requests with made-up arguments against the description, in the place of recorded pairs
    #[arg(long, requires = "spec", conflicts_with = "pairs")]
    pub(crate) made_up: bool,
}

/// Show what a connector offers, or one of its operations.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc connectors show slack
  flowc connectors show stripe refunds.create
  flowc connectors show stripe --format json | jq -r '.operations[].signature'")]
pub(crate) struct ConnectorsShow {
    /// The connector
    #[arg(value_name = "NAME")]
    pub(crate) connector: String,
    /// One of its operations
    #[arg(value_name = "OPERATION")]
    pub(crate) operation: Option<String>,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
}

/// Keep the texts of secrets in an encrypted store.
///
/// The store is in the data folder, encrypted with age. Its key is in a file of your own that FLOW_SECRETS_KEY names (else
/// `flow/secrets.key` below ~/.config), which is made when it is first needed; with FLOW_SECRETS_PASSPHRASE set it is in the
/// store, and the passphrase opens it.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Secrets {
    #[command(subcommand)]
    pub(crate) command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    Set(SecretsSet),
    List(SecretsList),
    Rm(SecretsRm),
}

/// Store the text of a secret, read from standard input or asked for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc secrets set stripe/webhook                        asks for the text and does not show it
  pass show stripe | flowc secrets set stripe/webhook")]
pub(crate) struct SecretsSet {
    /// The name that the program uses: `stripe/webhook` in `secret(\"stripe/webhook\")`
    #[arg(value_name = "NAME")]
    pub(crate) secret: String,
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// List the names of the secrets in the store. Their texts are shown by no command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc secrets list
  flowc secrets list --data /var/lib/flow")]
pub(crate) struct SecretsList {
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Take a secret out of the store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc secrets rm stripe/webhook")]
pub(crate) struct SecretsRm {
    /// The name of the secret
    #[arg(value_name = "NAME")]
    pub(crate) secret: String,
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Draw a flow as a graph.
///
/// The drawing is written to standard output as text: Mermaid, which many wikis and forges show as a picture, or DOT of
/// Graphviz.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc graph order.flow
  flowc graph orders.flow --flow fulfil_order --format dot | dot -Tsvg > order.svg")]
pub(crate) struct Graph {
    /// The program, or a folder with a `main.flow`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The notation
    #[arg(long, value_name = "FORMAT", default_value = "mermaid")]
    pub(crate) format: Drawing,
    /// Which flow, where the program has several
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
    #[command(flatten)]
    pub(crate) environment: Environment,
}

/// A notation for graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    Mermaid,
    Dot,
}

/// Tell what a flow can reach, what it needs and how it can end, before it runs.
///
/// For each flow: the connections with the hosts that their requests go to, how many calls one run makes at most and what
/// the declared limits allow, secrets with the variables that they are read from, OAuth scopes, configuration, errors.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc facts order.flow
  flowc facts order.flow --flow refund
  flowc facts order.flow --format json | jq '.flows[].secrets[].variable'")]
pub(crate) struct Facts {
    /// The program, or a folder with a `main.flow`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only this flow
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
    /// How they are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) environment: Environment,
}

/// Write the documentation of a program, in Markdown.
///
/// For each item of the file: what it is, its doc comment (`///`), and of a flow what starts it and the errors that it can
/// end with.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc doc order.flow > order.md")]
pub(crate) struct Doc {
    /// The program, or a folder with a `main.flow`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) environment: Environment,
}

/// Write programs in the one layout.
///
/// There are no options: every program looks the same. Comments are kept, and what is not Flow is left as it is, byte for
/// byte.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc fmt                         every .flow file below the current folder
  flowc fmt order.flow
  flowc fmt --check .               change nothing; name the files that would change
  flowc fmt --stdin < order.flow    what an editor needs

Exits with 0 when all is well, 1 when `--check` finds a file that would change.")]
pub(crate) struct Fmt {
    /// Files, or folders to search for `.flow` files
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Change nothing; name the files that would change
    #[arg(long)]
    pub(crate) check: bool,
    /// Read a program from standard input and write it to standard output
    #[arg(long, conflicts_with_all = ["check"])]
    pub(crate) stdin: bool,
}

/// Run the tests of programs.
///
/// A test (`test "…" for flow { given … stub … expect … }`) runs its flow without network and disk: operations answer what
/// the test says, and time passes as fast as nothing happens. Each test is shown with the time that went by on its clock;
/// of one that fails, what was expected, what happened, and the calls that were made. At the end stands which steps no test
/// has reached.
///
/// With `--faults`, each test that passes is run again under each fault that can meet it, one at a time: the process ends
/// before or after each write of the journal, the answer of a call is lost, a call fails once with each of its errors, the
/// event comes twice. Shown is the shortest story in which an expectation breaks.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc test                        the tests in every .flow file below the current folder
  flowc test order.flow
  flowc test --filter \"is down\"     the tests with that in their name, or of a flow so named
  flowc test --format junit > report.xml
  flowc test --faults               each test again under every crash, lost answer, error and repeated event
  flowc test order.flow --faults=lost:2
                                    the story when the answer of the second call is lost

Exits with 0 when all tests pass, 1 when a program has errors, 3 when a test fails.")]
pub(crate) struct Test {
    /// Files, or folders to search for `.flow` files
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Only tests that have this text in their name or the name of their flow
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Run each test again under each fault, or under one: `crash-before:N` and `crash-after:N` (the write of the
    /// journal), `lost:N` and `RateLimited:N` (the call), `twice`
    #[arg(long, value_name = "FAULT", num_args = 0..=1, require_equals = true, default_missing_value = "all",
        value_parser = Faults::read)]
    pub(crate) faults: Option<Faults>,
    /// How the results are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Results,
    #[command(flatten)]
    pub(crate) environment: Environment,
}

/// Which faults tests are run under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Each that can meet the test.
    All,
    /// One.
    One(Fault),
}

impl Faults {
    fn read(text: &str) -> Result<Self, NoFault> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}

/// How the results of tests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Results {
    /// For people
    Human,
    /// For programs; the shape is a promise
    Json,
    /// XML as JUnit writes it, for continuous integration
    Junit,
}

/// Make a project, a folder with a program, its tests and a flow.toml; or a connector.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc new orders                  then, in that folder: flowc test, flowc run main.flow
  flowc new connector shop          writes connectors/shop.flow in the project around the current folder")]
pub(crate) struct New {
    /// The folder to make; its last part names the project. `connector` makes a connector
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// The name of the connector
    #[arg(value_name = "NAME")]
    pub(crate) connector: Option<String>,
}

/// Make a connector from the description of an API.
///
/// Writes a `.flow` file that checks without errors: operations with their types, documentation, effects and errors, the
/// base URL and how the credential is sent. What could not be carried over is said in its comments. The file is the
/// project's own from then on: change it where the description is wrong.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub(crate) from: ImportFrom,
}

/// What describes the API.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    /// An OpenAPI description: 2.0 (Swagger), 3.0 or 3.1, as JSON or YAML
    #[command(after_help = "\
Examples:
  flowc import openapi stripe.json --only 'customers.*' --name stripe
  flowc import openapi petstore.yaml --output -")]
    Openapi(ImportArgs),
    /// A discovery document of Google
    #[command(after_help = "\
Examples:
  flowc import discovery drive.v3.json
  flowc import discovery sheets.v4.json --only 'spreadsheets.*'")]
    Discovery(ImportArgs),
}

/// What to import, and where to.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The description: a file, which may be compressed with gzip
    #[arg(value_name = "SPEC")]
    pub(crate) description: PathBuf,
    /// Only operations whose name or path matches, such as `customers.*` or `/v1/customers/*`
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Option<String>,
    /// What to call the connector; without it, the title of the description says
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Where to write; `-` is standard output. Without it: `connectors/NAME.flow` in a project, else `NAME.flow`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Serve an editor: mistakes while you type, fixes, formatting.
///
/// Speaks the Language Server Protocol over standard input and output; editors start it by themselves.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc lsp                         what the configuration of an editor names for `.flow` files")]
pub(crate) struct Lsp {}

/// Explain a diagnostic code: the rule, why it is there, an example and its correction.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc explain E0601
  flowc explain unsafe-retry        by its name
  flowc explain                     all codes with their titles")]
pub(crate) struct Explain {
    /// The code or its name; without it, all codes are listed
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// Read the text of a PDF on standard input, for a server that has to go on whatever the document does.
///
/// Bounded in memory and processor time. Writes JSON: `{"pages": […]}`, or `{"why": "…"}`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc read-pdf letter.pdf < letter.pdf")]
pub(crate) struct ReadPdf {
    /// What the document is called where something is said of it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Make a PDF of what standard input asks for, for a server that has to go on whatever the template does.
///
/// Bounded in memory and processor time. Writes the PDF, or JSON: `{"why": "…"}`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc render-pdf < job > letter.pdf")]
pub(crate) struct RenderPdf {}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_command_has_examples_and_a_line_about_itself() {
        fn look(command: &clap::Command, below: &str) {
            for command in command.get_subcommands() {
                let name = format!("{below} {}", command.get_name());
                assert!(command.get_about().is_some(), "{name}: no line about itself");
                if command.has_subcommands() {
                    look(command, &name);
                } else {
                    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                    assert!(after.contains("Examples:\n") && after.contains(&name), "{name}: no example");
                }
                for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                    assert!(argument.get_help().is_some(), "{name}: {} has no help", argument.get_id());
                }
            }
        }
        look(&Cli::command(), "flowc");
    }
}
