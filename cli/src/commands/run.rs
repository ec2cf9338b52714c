//! `flowc run`: one run of a flow, watched to its end.

use std::{path::Path, pin::pin, sync::Arc, time::Duration};

use flow_model::plan::Plan;
use flow_runtime::{
    engine::{Engine, Happening, Progress, RunId, RunState, RunSummary, SubmitError},
    machine::Outcome,
    timer::{Clock as _, SystemClock},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::MissedTickBehavior,
};

use super::runs::command;
use crate::{
    args,
    exit::Exit,
    host::{self, Host, Surroundings},
    interrupt::Interrupts,
    live::Display,
    program::{self, input::Start, needs::Needs},
    trouble::Trouble,
    ui::{self, CARE, QUIET, STRONG, WELL, WRONG, plain, styled, time::length},
};

/// How often the steps under way are drawn.
const FRAME: Duration = Duration::from_millis(100);

/// How long messages that are still on their way when a run has ended are waited for.
const LAST_MESSAGES: Duration = Duration::from_millis(500);

/// Runs a flow and prints its result.
///
/// # Errors
/// The program has errors, something is missing, or the run could not be begun.
pub(crate) fn run(args: &args::Run) -> Result<Exit, Trouble> {
    let file = program::main_file(&args.file)?;
    let place = program::Place::of(&file, &args.data.environment)?;
    let program = place.load(&file)?;
    let plan = program::choose(program.clone(), args.flow.as_deref(), &file)?;
    let called = program.called_by(&plan.flow);
    let surroundings = Surroundings::of(&place, &file, &args.data)?;
    let (host, data) = (Host::new(&surroundings), surroundings.data);
    let mut needs = Needs::default();
    needs.add_without_triggers(&plan);
    called.iter().for_each(|plan| needs.add_without_triggers(plan));
    needs.check(&host)?;
    let all: Vec<Arc<Plan>> = called.iter().copied().cloned().chain([plan.clone()]).map(Arc::new).collect();
    if let Some(told) = host.unconnected(&all).into_values().next() {
        return Err(Trouble::new(Exit::Environment, told));
    }
    let start = Start {
        plan: &plan,
        trigger: args.trigger.as_deref(),
        input: args.input.as_deref(),
        library: &host.library,
        env: &host.variables,
        now: SystemClock.now(),
    };
    let submission = start.submission()?;
    host::block_on(async {
        let mut interrupts = Interrupts::new()?;
        let engine = Arc::new(host.open(&data)?);
        engine.check_origin().await.map_err(|error| host::trouble(&error))?;
        let _listening = host::listen(&engine, &data).await;
        engine.watch();
        for plan in called.into_iter().cloned().chain([plan]) {
            engine.deploy(Arc::new(plan)).await.map_err(|error| host::trouble(&error))?;
        }
        let messages = engine.subscribe();
        let run = engine.submit(submission).await.map_err(|error| refused(&error))?.run;
        let exit = watch(&engine, &run, messages, &data, &mut interrupts).await;
        interrupts.or(engine.shutdown()).await?;
        exit
    })
}

/// Shows a run until it ends or waits for a person, and prints its result. When a signal comes first, the engine has still
/// to be shut down.
///
/// # Errors
/// The store does not answer.
pub(super) async fn watch(
    engine: &Engine,
    run: &RunId,
    mut messages: Receiver<Arc<Progress>>,
    data: &Path,
    interrupts: &mut Interrupts,
) -> Result<Exit, Trouble> {
    let mut display = Display::new();
    if let Some(detail) = engine.run(run).await.map_err(|error| host::trouble(&error))? {
        display.say(&format!("{} {}", styled(STRONG, &detail.summary.flow), styled(QUIET, run)));
        display.know(&detail.history);
    }
    let mut outcome = pin!(engine.outcome(run));
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let summary = loop {
        tokio::select! {
            summary = &mut outcome => break summary,
            message = messages.recv() => show(&mut display, run, message),
            _ = frames.tick() => {}
            () = interrupts.next() => {
                display.clear();
                ui::say(&interrupted(run, data));
                return Ok(Exit::Interrupted);
            }
            error = engine.halted() => return Err(host::trouble(&error)),
        }
        display.draw(SystemClock.now());
    };
    let rest = async { while !is_last(run, messages.recv().await, &mut display) {} };
    // Messages are for show: the outcome is known.
    let _: Result<(), tokio::time::error::Elapsed> = tokio::time::timeout(LAST_MESSAGES, rest).await;
    display.clear();
    let summary = summary.map_err(|error| Trouble::new(Exit::Environment, error.to_string()))?;
    report(&summary, data)
}

fn show(display: &mut Display, run: &RunId, message: Result<Arc<Progress>, RecvError>) {
    match message {
        Ok(progress) if progress.run == *run => display.apply(&progress),
        Err(RecvError::Lagged(messages)) => display.missed(messages),
        Ok(_) | Err(RecvError::Closed) => {}
    }
}

/// Shows a message, and says whether none of the run can follow.
fn is_last(run: &RunId, message: Result<Arc<Progress>, RecvError>, display: &mut Display) -> bool {
    let is_last = match &message {
        Ok(progress) => match progress.what {
            Happening::Standing(state) => {
                progress.run == *run && (state.is_final() || state == RunState::NeedsDecision)
            }
            _ => false,
        },
        Err(RecvError::Closed) => true,
        Err(RecvError::Lagged(_)) => false,
    };
    show(display, run, message);
    is_last
}

/// Prints the result, and says how the run ended.
fn report(summary: &RunSummary, data: &Path) -> Result<Exit, Trouble> {
    let took = length(summary.ended_at.unwrap_or_else(|| SystemClock.now()).since(summary.started_at));
    let history = styled(QUIET, format!("history: {}", command("show", &summary.id, data)));
    let reason = || plain(summary.reason.as_deref().unwrap_or("the reason is in its history"));
    let (exit, line) = match (&summary.outcome, summary.state) {
        (Some(Outcome::Completed(_)), _) => (Exit::Done, format!("{} in {took}", styled(WELL, "completed"))),
        (Some(Outcome::Failed { place, .. }), _) => {
            let at = place.as_ref().map(|place| format!(" at `{place}`")).unwrap_or_default();
            (Exit::Failed, format!("{} after {took}{at}: {}", styled(WRONG, "failed"), reason()))
        }
        (Some(Outcome::Cancelled { reason }), _) => {
            (Exit::Cancelled, format!("{} after {took}: {}", styled(CARE, "cancelled"), plain(reason)))
        }
        (None, _) => (Exit::NeedsDecision, format!("{} after {took}: {}", styled(CARE, "needs a decision"), reason())),
    };
    ui::say(&format!("{line}\n{history}\n"));
    if let Some(Outcome::Completed(value)) = &summary.outcome {
        ui::print(&format!("{:#}\n", value.to_json()))?;
    }
    Ok(exit)
}

fn interrupted(run: &RunId, data: &Path) -> String {
    format!(
        "{}: steps that are under way may finish; Ctrl-C again to stop at once\n{}\n",
        styled(CARE, "interrupted"),
        styled(QUIET, format!("to continue: {}", command("resume", run, data)))
    )
}

fn refused(error: &SubmitError) -> Trouble {
    match error {
        SubmitError::Store(error) => host::trouble(error),
        SubmitError::DiskFull(_) => Trouble::new(Exit::Environment, error.to_string())
            .help("make room, or choose a data folder on another disk with `--data`"),
        other => Trouble::new(Exit::Environment, other.to_string()),
    }
}
