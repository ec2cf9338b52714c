//! `flowc runs`: what has run, what is running, and what came of it?

mod act;
mod export;
pub(super) mod masked;
mod why;

use std::path::{Path, PathBuf};

pub(super) use self::act::begun;

use flow_model::{failure::Failure, plan::Plan, units::Instant};
use flow_runtime::{
    engine::Redo,
    journal::{RunId, StepHistory, StepState},
    machine::{Cause, Outcome, Verdict},
    store::{self, Filter, Reader, RunDetail, RunState, RunSummary},
    timer::{Clock as _, SystemClock},
};
use serde_json::{Map, Value as Json, json};

use crate::{
    args,
    exit::Exit,
    host, live, program,
    trouble::Trouble,
    ui::{
        self, CARE, HINT, QUIET, STRONG, WELL, WRONG, plain, styled,
        table::{cut, table},
        time::{day_and_time, length, time_of_day},
    },
};

/// The columns of a reason in a list.
const REASON: usize = 60;

/// Lists or shows runs, or does something about one.
///
/// # Errors
/// There are no runs, or no such run.
pub(crate) fn runs(args: &args::Runs) -> Result<Exit, Trouble> {
    match &args.command {
        args::RunsCommand::List(args) => list(args)?,
        args::RunsCommand::Show(args) => show(args)?,
        args::RunsCommand::Why(args) => return why::why(args),
        args::RunsCommand::Resume(args) => return super::resume::resume(args),
        args::RunsCommand::Cancel(args) => return act::cancel(args),
        args::RunsCommand::Approve(args) => return act::answer(args, Verdict::Approved),
        args::RunsCommand::Reject(args) => return act::answer(args, Verdict::Refused),
        args::RunsCommand::Resolve(args) => return act::resolve(args),
        args::RunsCommand::Retry(args) => return act::again(&args.of, Redo::Retry),
        args::RunsCommand::Replay(args) => return act::again(&args.of, Redo::Replay { from: args.from.clone() }),
        args::RunsCommand::Export(args) => export::export(args)?,
    }
    Ok(Exit::Done)
}

pub(super) fn open(data: &args::Data, program: &Path) -> Result<Reader, Trouble> {
    store::read(&folder(data, program)?).map_err(|error| host::trouble(&error))
}

pub(super) fn folder(data: &args::Data, program: &Path) -> Result<PathBuf, Trouble> {
    Ok(program::Place::of(program, &data.environment)?.data_folder(data, program))
}

/// A command of `flowc runs` about a run.
pub(super) fn command(verb: &str, run: &RunId, data: &Path) -> String {
    match data.to_str() {
        Some(".flow") => format!("flowc runs {verb} {run}"),
        _ => format!("flowc runs {verb} {run} --data {}", data.display()),
    }
}

fn list(args: &args::RunsList) -> Result<(), Trouble> {
    let filter = Filter {
        flow: args.flow.clone(),
        states: args.state.map(state).into_iter().collect(),
        limit: args.limit,
        ..Filter::default()
    };
    let runs = open(&args.of.data, &args.of.path)?.list(&filter).map_err(|error| host::trouble(&error))?;
    if args.of.format == args::Format::Json {
        let runs: Vec<Json> = runs.iter().map(|run| Json::Object(summary(run))).collect();
        return ui::print(&format!("{:#}\n", Json::from(runs)));
    }
    if runs.is_empty() {
        return ui::print("no runs\n");
    }
    let rows: Vec<[String; 6]> = runs.iter().map(row).collect();
    ui::print(&table(["RUN", "FLOW", "STATE", "STARTED", "TOOK", "WHY"], &rows))
}

fn state(state: args::State) -> RunState {
    match state {
        args::State::Running => RunState::Running,
        args::State::Waiting => RunState::Waiting,
        args::State::Completed => RunState::Completed,
        args::State::Failed => RunState::Failed,
        args::State::Cancelled => RunState::Cancelled,
        args::State::NeedsDecision => RunState::NeedsDecision,
    }
}

fn row(run: &RunSummary) -> [String; 6] {
    let until = run.ended_at.unwrap_or_else(|| SystemClock.now());
    let why = run.reason.as_deref().or(run.trigger.as_deref()).map(plain).unwrap_or_default();
    [
        run.id.to_string(),
        run.flow.clone(),
        in_color(run.state),
        day_and_time(run.started_at),
        length(until.since(run.started_at)),
        styled(QUIET, cut(&why, REASON)),
    ]
}

fn in_color(state: RunState) -> String {
    let style = match state {
        RunState::Running | RunState::Waiting => HINT,
        RunState::NeedsDecision | RunState::Cancelled => CARE,
        RunState::Completed => WELL,
        RunState::Failed => WRONG,
    };
    styled(style, state)
}

fn show(args: &args::RunsShow) -> Result<(), Trouble> {
    let reader = open(&args.of.data, &args.of.program)?;
    let run = find(&reader, &args.of.run)?;
    let detail = if args.reveal { all_of(&reader, &run.id)? } else { details_of(&reader, &run.id)? };
    match args.format {
        args::Format::Json => ui::print(&format!("{:#}\n", details(&detail))),
        args::Format::Human => ui::print(&story(&detail)),
    }
}

/// The run with an id that begins or ends so.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn find(reader: &Reader, part: &str) -> Result<RunSummary, Trouble> {
    let found = reader.find(part).map_err(|error| host::trouble(&error))?;
    match found.as_slice() {
        [] => Err(Trouble::new(Exit::Usage, format!("there is no run `{}`", plain(part)))
            .help("`flowc runs list` lists them")),
        [run] => {
            let summary = reader.summary(run).map_err(|error| host::trouble(&error))?;
            summary.ok_or_else(|| Trouble::new(Exit::Usage, format!("there is no run `{run}`")))
        }
        [one, other, ..] => {
            let message = format!("more than one run begins or ends with `{part}`");
            Err(Trouble::new(Exit::Usage, message).help(format!("for example `{one}` and `{other}`: type more")))
        }
    }
}

/// A run without what is personal.
fn details_of(reader: &Reader, run: &RunId) -> Result<RunDetail, Trouble> {
    let detail = all_of(reader, run)?;
    let plan = plan(reader, &detail.summary.plan)?;
    Ok(masked::masked(detail, plan.as_ref()))
}

/// The plan with a digest, if it is there and reads.
pub(super) fn plan(reader: &Reader, digest: &str) -> Result<Option<Plan>, Trouble> {
    let plan = reader.plan(digest).map_err(|error| host::trouble(&error))?;
    Ok(plan.and_then(|json| serde_json::from_slice(&json).ok()))
}

fn all_of(reader: &Reader, run: &RunId) -> Result<RunDetail, Trouble> {
    let detail = reader.run(run).map_err(|error| host::trouble(&error))?;
    detail.ok_or_else(|| Trouble::new(Exit::Usage, format!("there is no run `{run}`")))
}

/// A run in JSON. Members are added, never changed or removed; times are RFC 3339.
fn summary(run: &RunSummary) -> Map<String, Json> {
    let mut members = Map::new();
    let mut add = |name: &str, value: Json| members.insert(name.to_owned(), value);
    add("id", json!(run.id));
    add("flow", json!(run.flow));
    add("state", json!(run.state));
    add("reason", json!(run.reason));
    add("trigger", json!(run.trigger));
    add("started_at", at(run.started_at));
    add("ended_at", run.ended_at.map_or(Json::Null, at));
    add("wake_at", run.wake_at.map_or(Json::Null, at));
    add("plan", json!(run.plan));
    members
}

/// A run with all that is known of it in JSON.
fn details(detail: &RunDetail) -> Json {
    let mut members = summary(&detail.summary);
    let mut add = |name: &str, value: Json| members.insert(name.to_owned(), value);
    match &detail.summary.outcome {
        Some(Outcome::Completed(value)) => add("result", value.to_json()),
        Some(Outcome::Failed { failure: why, place }) => {
            add("failed_at", json!(place.as_ref().map(ToString::to_string)));
            add("failure", failure(why))
        }
        Some(Outcome::Cancelled { reason }) => add("cancelled", json!(reason)),
        None => None,
    };
    if let Some(answer) = &detail.summary.answer {
        let body = answer.body.as_ref().map(flow_model::value::Value::to_json);
        add("answer", json!({ "status": answer.status, "body": body }));
    }
    add("steps", detail.history.steps.iter().map(step).collect());
    let lines = detail.history.lines.iter();
    add(
        "lines",
        lines
            .map(|line| json!({ "at": at(line.at), "place": line.place.to_string(), "text": line.in_words() }))
            .collect(),
    );
    let letters = detail.dead_letters.iter().map(|letter| {
        let place = letter.place.to_string();
        let cause = letter.cause.as_ref().map(cause);
        json!({
            "queue": letter.queue,
            "at": at(letter.at),
            "place": place,
            "value": letter.value.to_json(),
            "cause": cause,
        })
    });
    add("dead_letters", letters.collect());
    Json::Object(members)
}

fn step(step: &StepHistory) -> Json {
    let attempts = step.attempts.iter().map(|attempt| {
        let why = attempt.failure.as_ref().map(failure);
        json!({ "number": attempt.number, "ended_at": at(attempt.ended_at), "failure": why })
    });
    let (connection, operation) = step.call.clone().unzip();
    json!({
        "path": step.place.path,
        "indexes": step.place.indexes,
        "connection": connection,
        "operation": operation,
        "state": step.state,
        "started_at": at(step.started_at),
        "ended_at": step.ended_at.map(at),
        "until": step.until.map(at),
        "failure": step.failure.as_ref().map(failure),
        "attempts": attempts.collect::<Vec<_>>(),
    })
}

/// `kind`, `message`, then the fields.
pub(super) fn failure(failure: &Failure) -> Json {
    failure.to_value().to_json()
}

/// What a dead letter was left for: `failure`, the `step` that it comes from, and its `connection`.
pub(super) fn cause(cause: &Cause) -> Json {
    json!({
        "failure": failure(&cause.failure),
        "step": cause.place.to_string(),
        "connection": cause.connection,
    })
}

/// What a dead letter was left for, in a line.
pub(super) fn because(cause: &Cause) -> String {
    let of = cause.connection.as_ref().map(|connection| format!(" of `{connection}`")).unwrap_or_default();
    format!("{} at `{}`{of}", styled(WRONG, plain(&cause.failure.in_words())), cause.place)
}

pub(super) fn at(instant: Instant) -> Json {
    Json::String(instant.to_string())
}

/// A run for people.
fn story(detail: &RunDetail) -> String {
    let run = &detail.summary;
    let now = SystemClock.now();
    let mut lines = vec![format!("{} {} {}", styled(STRONG, &run.flow), styled(QUIET, &run.id), in_color(run.state))];
    let by = run.trigger.as_ref().map(|trigger| format!(" by {}", plain(trigger))).unwrap_or_default();
    lines.push(format!("  started {}{by}", day_and_time(run.started_at)));
    match (run.ended_at, run.wake_at) {
        (Some(ended), _) => {
            lines.push(format!("  ended   {}, after {}", day_and_time(ended), length(ended.since(run.started_at))));
        }
        (None, Some(wake)) => lines.push(format!("  goes on {}", day_and_time(wake))),
        (None, None) => {}
    }
    lines.push(format!("  plan    {}", styled(QUIET, run.plan.get(..12).unwrap_or(&run.plan))));
    section(&mut lines, "steps", detail.history.steps.iter().flat_map(|step| steps(step, now)));
    let history = detail.history.lines.iter();
    section(
        &mut lines,
        "lines",
        history.map(|line| {
            format!("  {}  {}  {}", time_of_day(line.at), styled(QUIET, &line.place), plain(&line.in_words()))
        }),
    );
    section(
        &mut lines,
        "dead letters",
        detail.dead_letters.iter().flat_map(|letter| {
            let kept = plain(&letter.value.to_json().to_string());
            let left = format!("  {}  {}  {kept}", time_of_day(letter.at), styled(STRONG, &letter.queue));
            let because = letter.cause.as_ref().map(|cause| format!("      because {}", because(cause)));
            std::iter::once(left).chain(because)
        }),
    );
    match (&run.outcome, &run.reason) {
        (Some(Outcome::Completed(value)), _) => {
            let result = format!("{:#}", value.to_json());
            section(&mut lines, "result", result.lines().map(|line| format!("  {}", plain(line))));
        }
        (Some(Outcome::Failed { failure, place }), _) => {
            let at = place.as_ref().map(|place| format!(" at `{place}`")).unwrap_or_default();
            let why = format!("  {}{at}", styled(WRONG, live::in_words(failure)));
            let fields = failure.fields.iter();
            let fields = fields.map(|(name, value)| format!("      {name}: {}", plain(&value.to_json().to_string())));
            section(&mut lines, "failure", std::iter::once(why).chain(fields));
        }
        (Some(Outcome::Cancelled { reason }), _) => section(&mut lines, "cancelled", [format!("  {}", plain(reason))]),
        (None, Some(reason)) => section(&mut lines, "waits", [format!("  {}", styled(CARE, plain(reason)))]),
        (None, None) => {}
    }
    lines.join("\n") + "\n"
}

fn section(lines: &mut Vec<String>, title: &str, content: impl IntoIterator<Item = String>) {
    let mut content = content.into_iter().peekable();
    if content.peek().is_some() {
        lines.extend([String::new(), styled(QUIET, title)]);
        lines.extend(content);
    }
}

/// The line of a step, then one for each attempt that was followed by another.
fn steps(step: &StepHistory, now: Instant) -> Vec<String> {
    let mut lines = vec![live::history_line(step, now)];
    let last = if step.state == StepState::Completed { 0 } else { 1 };
    for attempt in step.attempts.iter().take(step.attempts.len().saturating_sub(last)) {
        if let Some(failure) = &attempt.failure {
            let number = format!("attempt {}", attempt.number);
            lines.push(format!(
                "      {} {}  {}",
                styled(CARE, number),
                time_of_day(attempt.ended_at),
                live::in_words(failure)
            ));
        }
    }
    lines
}
