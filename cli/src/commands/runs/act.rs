//! `flowc runs cancel|approve|reject|resolve`: what people want of a run.

use std::path::Path;

use flow_runtime::{
    control::{Ask, How, Told},
    engine::{Redo, RunState},
    machine::Verdict,
    store::RunSummary,
};

use super::{command, find, open};
use crate::{
    args,
    asking::{self, Answered, Doer},
    environment,
    exit::Exit,
    program::input,
    trouble::Trouble,
    ui::{self, CARE, HINT, QUIET, STRONG, WELL, plain, styled},
};

/// Why a run is cancelled about which nothing else is said.
const CANCELLED: &str = "cancelled by hand";

/// Cancels a run.
///
/// # Errors
/// There is no such run, or it is over.
pub(super) fn cancel(args: &args::RunsCancel) -> Result<Exit, Trouble> {
    let run = find(&open(&args.of.data, &args.of.program)?, &args.of.run)?;
    let reason = args.because.clone().unwrap_or_else(|| match user() {
        Some(user) => format!("{CANCELLED} ({user})"),
        None => CANCELLED.to_owned(),
    });
    let answered = ask(&args.of, &Ask::Cancel { run: run.id.clone(), reason })?;
    let Told::Done { state, .. } = &answered.told else { return Ok(Exit::Done) };
    let done = match state {
        RunState::Cancelled => format!("{} is {}", styled(STRONG, &run.id), styled(CARE, "cancelled")),
        _ => format!("{} ends as {}: its steps are undone first", styled(STRONG, &run.id), styled(CARE, "cancelled")),
    };
    tell(&done, &run, &args.of, &answered)
}

/// Answers an `approve`.
///
/// # Errors
/// There is no such run, or it asks nothing.
pub(super) fn answer(args: &args::RunsAnswer, verdict: Verdict) -> Result<Exit, Trouble> {
    let run = find(&open(&args.of.data, &args.of.program)?, &args.of.run)?;
    let by = args.by.clone().or_else(user);
    let said = match verdict {
        Verdict::Approved => styled(WELL, "approved"),
        Verdict::Refused => styled(CARE, "rejected"),
    };
    let by_whom = by.as_deref().map(|by| format!(" by {}", plain(by))).unwrap_or_default();
    let (step, note) = (args.step.clone(), args.note.clone());
    let answered = ask(&args.of, &Ask::Answer { run: run.id.clone(), step, verdict, by, note })?;
    tell(&format!("{} is {said}{by_whom}", at(&run, &answered)), &run, &args.of, &answered)
}

/// Decides about a step whose outcome is not known.
///
/// # Errors
/// There is no such run, nothing is to be decided, or the result does not fit.
pub(super) fn resolve(args: &args::RunsResolve) -> Result<Exit, Trouble> {
    let run = find(&open(&args.of.data, &args.of.program)?, &args.of.run)?;
    let (how, said) = match (&args.result, &args.fail) {
        (Some(result), _) => (How::Result(input::read("--result", result)?), "has that result"),
        (None, Some(reason)) => (How::Fail(reason.clone()), "counts as failed"),
        (None, None) if args.skip => (How::Skip, "is skipped"),
        (None, None) => (How::Retry, "is called again"),
    };
    let answered = ask(&args.of, &Ask::Resolve { run: run.id.clone(), step: args.step.clone(), how })?;
    tell(&format!("{} {said}", at(&run, &answered)), &run, &args.of, &answered)
}

/// Begins a run that does again what another did.
///
/// # Errors
/// There is no such run, or it can't be done again.
pub(super) fn again(of: &args::OneRun, redo: Redo) -> Result<Exit, Trouble> {
    let run = find(&open(&of.data, &of.program)?, &of.run)?;
    let answered = ask(of, &Ask::Again { run: run.id.clone(), redo })?;
    begun(&answered, &open_folder(of)?)
}

/// Says which run has begun.
///
/// # Errors
/// The output can't be written.
pub(in crate::commands) fn begun(answered: &Answered, data: &Path) -> Result<Exit, Trouble> {
    let Told::Begun { run } = &answered.told else { return Ok(Exit::Done) };
    let next = match answered.by {
        Doer::Other => format!("{} {}", styled(QUIET, "to see what comes of it:"), command("show", run, data)),
        Doer::Us => format!(
            "{} {}",
            styled(QUIET, "nobody serves the data folder; to let the run go on:"),
            styled(HINT, command("resume", run, data))
        ),
    };
    ui::print(&format!("run {} begins\n  {next}\n", styled(STRONG, run)))?;
    Ok(Exit::Done)
}

fn ask(of: &args::OneRun, ask: &Ask) -> Result<Answered, Trouble> {
    asking::ask(&of.data, &of.program, ask, &[])
}

/// The step and the run that something was about.
fn at(run: &RunSummary, answered: &Answered) -> String {
    match &answered.told {
        Told::Done { step: Some(step), .. } => {
            format!("{} of {}", styled(STRONG, format!("`{step}`")), styled(QUIET, &run.id))
        }
        _ => run.id.to_string(),
    }
}

/// Says what was done, and how the run goes on.
fn tell(done: &str, run: &RunSummary, of: &args::OneRun, answered: &Answered) -> Result<Exit, Trouble> {
    let data = open_folder(of)?;
    let Told::Done { state, reason, .. } = &answered.told else { return Ok(Exit::Done) };
    let mut text = format!("{done}\n");
    let reason = reason.as_deref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
    match (state.is_final(), answered.by) {
        (true, _) if *state == RunState::Cancelled => {}
        (true, _) => text.push_str(&format!("  the run is {state}{reason}\n")),
        (false, _) if *state == RunState::NeedsDecision => {
            text.push_str(&format!("  the run needs a decision{reason}\n"));
        }
        (false, Doer::Other) => text.push_str(&format!("  {}\n", styled(QUIET, "the run goes on"))),
        (false, Doer::Us) => text.push_str(&format!(
            "  {} {}\n",
            styled(QUIET, "nobody serves the data folder; to let the run go on:"),
            styled(HINT, command("resume", &run.id, &data))
        )),
    }
    ui::print(&text)?;
    Ok(Exit::Done)
}

fn open_folder(of: &args::OneRun) -> Result<std::path::PathBuf, Trouble> {
    super::folder(&of.data, &of.program)
}

/// Who sits at this machine.
fn user() -> Option<String> {
    let variables = environment::variables();
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| variables.get(*name).filter(|user| !user.is_empty()).cloned())
}
