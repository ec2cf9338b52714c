//! The command line of `flowc runs`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use flow_model::units::Millis;

use super::{Data, Format, Programs};

/// Look at runs and their history, and decide about them.
///
/// Every command works also while `flowc serve` uses the data folder: what changes something is then asked of that process,
/// and is on disk when the command returns.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Runs {
    #[command(subcommand)]
    pub(crate) command: RunsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    List(RunsList),
    Show(RunsShow),
    /// Say what a run waits for, and what can be done about it
    #[command(after_help = "\
Examples:
  flowc runs why T7U8V
  flowc runs why T7U8V --format json | jq '.waits[].for'")]
    Why(RunsWhy),
    Resume(RunsResume),
    /// Stop a run, and undo what it has done
    ///
    /// The steps that have an `undo` are undone, newest first. What comes later from calls under way is written down, and
    /// the run does not go on.
    #[command(after_help = "\
Examples:
  flowc runs cancel T7U8V
  flowc runs cancel T7U8V --because 'ordered twice'")]
    Cancel(RunsCancel),
    /// Say yes to what a run asks with `approve`
    #[command(after_help = "\
Examples:
  flowc runs list --state waiting
  flowc runs approve T7U8V --by jenny --note 'checked with the customer'")]
    Approve(RunsAnswer),
    /// Say no to what a run asks with `approve`
    #[command(after_help = "\
Examples:
  flowc runs reject T7U8V --by jenny --note 'paid out already'")]
    Reject(RunsAnswer),
    Resolve(RunsResolve),
    Retry(RunsRetry),
    Replay(RunsReplay),
    Export(RunsExport),
}

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct OneRun {
    /// The run's id, or as much of its beginning or end as tells it from others
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// List runs, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc runs list                   the runs in ./.flow
  flowc runs list receipt.flow --state failed
  flowc runs list --data /var/lib/flow --format json | jq '.[].id'")]
pub(crate) struct RunsList {
    #[command(flatten)]
    pub(crate) of: Programs,
    /// Only the runs of this flow
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
    /// Only the runs in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<State>,
    /// How many at most
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) limit: usize,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum State {
    /// Calls are under way
    Running,
    /// It waits for a time, an event, a person or another run
    Waiting,
    /// Ended with a result
    Completed,
    /// Ended with an error
    Failed,
    /// Stopped on request
    Cancelled,
    /// A call may or may not have taken effect, and is not safe to repeat
    NeedsDecision,
}

/// Show a run: each step with its attempts and times, and how it ended.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc runs show 01JD3Q9GZ1M4C1Q2VE5S6T7U8V
  flowc runs show T7U8V receipt.flow         the beginning or the end of an id is enough
  flowc runs show T7U8V --format json | jq '.steps[] | select(.state == \"failed\")'")]
pub(crate) struct RunsShow {
    #[command(flatten)]
    pub(crate) of: OneRun,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    /// Show personal data too, which otherwise reads `***`
    #[arg(long)]
    pub(crate) reveal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunsWhy {
    #[command(flatten)]
    pub(crate) of: OneRun,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
}

/// Continue a run that was interrupted, and watch it to its end.
///
/// The run goes on with the program as it was when it began, and without repeating what it has done. `flowc serve`
/// continues all runs of its data folder by itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc runs resume 01JD3Q9GZ1M4C1Q2VE5S6T7U8V
  flowc runs resume T7U8V receipt.flow")]
pub(crate) struct RunsResume {
    #[command(flatten)]
    pub(crate) of: OneRun,
}

#[derive(Debug, Args)]
pub(crate) struct RunsCancel {
    #[command(flatten)]
    pub(crate) of: OneRun,
    /// Why, for its history
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunsAnswer {
    #[command(flatten)]
    pub(crate) of: OneRun,
    /// Which `approve`, where the run asks several things
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Who says so [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// What is said besides; the flow can read it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

/// Decide about a step of which it is not known whether it took effect.
///
/// A call that is not safe to repeat was under way when the process ended or the connection broke. Look up in the system
/// that was called whether it did its work, then say so.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how").required(true).args(["retry", "skip", "result", "fail"]))]
#[command(after_help = "\
Examples:
  flowc runs list --state needs_decision
  flowc runs why T7U8V                                  says what is known
  flowc runs resolve T7U8V --retry                      it did nothing: call it again
  flowc runs resolve T7U8V --result '{\"id\": \"ch_12\"}'   it worked, and this is what it gave")]
pub(crate) struct RunsResolve {
    #[command(flatten)]
    pub(crate) of: OneRun,
    /// Which step, where several are open
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// The call did nothing: make it again
    #[arg(long)]
    pub(crate) retry: bool,
    /// Go on without its result, where the flow can
    #[arg(long)]
    pub(crate) skip: bool,
    /// The call worked, and gave this: JSON, `@file`, or `-` for standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) result: Option<String>,
    /// Let the step count as failed, for this reason
    #[arg(long, value_name = "TEXT")]
    pub(crate) fail: Option<String>,
}

/// Call the step again at which a run failed, and go on from there.
///
/// A new run does it; the one that failed stays as it is. What went well is kept and not done again. The call has the
/// idempotency key that it had, so that the system that is called takes no effect twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc runs list --state failed
  flowc runs retry T7U8V")]
pub(crate) struct RunsRetry {
    #[command(flatten)]
    pub(crate) of: OneRun,
}

/// Do again what a run did, from the beginning or from a step on, as something new.
///
/// A new run does it, with the program and the input of the other. With `--from`, results of the steps that do not follow
/// from that step are kept. Calls have idempotency keys of their own, so they take effect again: to let a call that failed
/// be made once more, use `flowc runs retry`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc runs replay T7U8V
  flowc runs replay T7U8V --from invoice
  flowc runs replay T7U8V --from 'lines/orders.execute[3]'   the fourth item of a `for`")]
pub(crate) struct RunsReplay {
    #[command(flatten)]
    pub(crate) of: OneRun,
    /// The step, as `flowc runs show` names it
    #[arg(long, value_name = "STEP")]
    pub(crate) from: Option<String>,
}

/// Write all that is known of a run as JSON: its plan, its journal, its events and dead letters.
///
/// The journal holds what steps gave and what the run was started with, so the text may hold personal data. Secrets are in
/// no journal.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc runs export T7U8V > run.json
  flowc runs export T7U8V | jq '.journal[].said'")]
pub(crate) struct RunsExport {
    #[command(flatten)]
    pub(crate) of: OneRun,
}

/// Look at what could not be delivered, and deal with it.
///
/// `dead_letter QUEUE { … }` in a flow keeps something for later, with the run that it comes from. A letter is open until it
/// is replayed or dropped.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    pub(crate) command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    List(LettersList),
    Show(LettersShow),
    Replay(LettersReplay),
    Drop(LettersDrop),
}

/// List dead letters, newest first, with why each was left, and without what they hold.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc dead-letters list
  flowc dead-letters list --queue crm_backlog --format json | jq '.[].id'")]
pub(crate) struct LettersList {
    #[command(flatten)]
    pub(crate) of: Programs,
    /// Only those in this queue
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<String>,
    /// Also those that are dealt with
    #[arg(long)]
    pub(crate) all: bool,
    /// How many at most
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) limit: usize,
}

/// Which dead letter.
#[derive(Debug, Args)]
pub(crate) struct OneLetter {
    /// Its number
    #[arg(value_name = "NUMBER")]
    pub(crate) letter: i64,
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Show a dead letter with what it holds, and why it was left.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc dead-letters show 12
  flowc dead-letters show 12 --format json | jq .value")]
pub(crate) struct LettersShow {
    #[command(flatten)]
    pub(crate) of: OneLetter,
    /// Show personal data too, which otherwise reads `***`
    #[arg(long)]
    pub(crate) reveal: bool,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
}

/// Start a run for a dead letter, and close it.
///
/// With `--flow`, what the letter holds becomes the parameters of that flow. Without, the run that left it is done again
/// from its beginning, as `flowc runs replay` does it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc dead-letters replay 12
  flowc dead-letters replay 12 orders.flow --flow add_to_crm")]
pub(crate) struct LettersReplay {
    #[command(flatten)]
    pub(crate) of: OneLetter,
    /// The flow that takes what the letter holds
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
}

/// Close a dead letter without doing anything about it. It stays in `list --all`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc dead-letters drop 12")]
pub(crate) struct LettersDrop {
    #[command(flatten)]
    pub(crate) of: OneLetter,
}

/// Look after the journal, which holds all runs.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Journal {
    #[command(subcommand)]
    pub(crate) command: JournalCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    Verify(JournalVerify),
    Repair(JournalRepair),
    Compact(JournalCompact),
    Adopt(JournalAdopt),
}

/// Check that every run's journal is what was written.
///
/// Each entry has a number and a checksum over itself and the entries before it. Runs whose journal or plan is damaged are
/// named; a server goes on with all others. Nothing is changed, and `flowc serve` may be using the data folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc journal verify
  flowc journal verify --data /var/lib/flow --format json | jq '.damaged[].run'

Exits with 0 when all is well, 6 when something is damaged.")]
pub(crate) struct JournalVerify {
    #[command(flatten)]
    pub(crate) of: Programs,
}

/// End the runs that can't go on because their journal is damaged.
///
/// Such a run is never continued past the damage: it waits as `needs_decision`, and all others go on. This ends it as failed, so
/// that a run that called it goes on with that. What there is of it is put down first, in the folder `damaged` of the data folder;
/// its entries stay in the journal too. `flowc serve` must not be using the data folder now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc journal verify
  flowc journal repair
  flowc journal repair --data /var/lib/flow")]
pub(crate) struct JournalRepair {
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Remove what is not needed any more, and make the files as small as they can be.
///
/// Removed are runs that are over for longer than they are kept (`--keep`, or `keep` in `[runs]` of `flow.toml`; without
/// either, no run is), plans that no run has, and large values and files that no run names. A run stays while one of its
/// dead letters is open, and while the run that called it stays. `flowc serve` does the same each hour; it must not be using
/// the data folder now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc journal compact
  flowc journal compact --keep 30d --data /var/lib/flow")]
pub(crate) struct JournalCompact {
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    /// Remove runs that ended longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) keep: Option<Millis>,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// Let the runs of a copied data folder go on there.
///
/// A folder that was copied, or put back from a backup, is not served: the one that it was copied from may still be going on,
/// and both would make the same calls. This says that it does not. The runs go on from where they were when the copy was made,
/// with their idempotency keys. What they did after that is not known here: a call that is not safe to repeat and was made since
/// is made again, so look at what has happened where that matters.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flowc journal adopt
  flowc journal adopt --data /var/lib/flow")]
pub(crate) struct JournalAdopt {
    /// The program, or its folder
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) program: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

fn duration(text: &str) -> Result<Millis, String> {
    flow_compiler::project::duration(text).ok_or_else(|| "it is a length of time, such as `30d` or `12h`".to_owned())
}
