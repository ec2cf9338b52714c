//! `flowc runs why`: what does a run wait for, and what can be done about it?

use std::path::Path;

use flow_model::{plan::Plan, units::Instant};
use flow_runtime::{
    control,
    engine::{RunDetail, RunState},
    journal::{Wait, Why},
    machine::Outcome,
    store::Reader,
    timer::{Clock as _, SystemClock},
};
use serde_json::{Value as Json, json};

use super::{at, command, details_of, failure, find, folder, in_color, open};
use crate::{
    args, asking,
    exit::Exit,
    live,
    trouble::Trouble,
    ui::{
        self, CARE, HINT, QUIET, STRONG, plain, styled,
        time::{day_and_time, length},
    },
};

/// How deep calls of flows are followed.
const DEEPEST: usize = 8;

/// Says what a run waits for.
///
/// # Errors
/// There is no such run.
pub(super) fn why(args: &args::RunsWhy) -> Result<Exit, Trouble> {
    let reader = open(&args.of.data, &args.of.program)?;
    let run = find(&reader, &args.of.run)?;
    let detail = details_of(&reader, &run.id)?;
    let data = folder(&args.of.data, &args.of.program)?;
    let is_served = asking::is_served(&data);
    match args.format {
        args::Format::Json => ui::print(&format!("{:#}\n", as_json(&detail, is_served)))?,
        args::Format::Human => {
            let now = SystemClock.now();
            let run = &detail.summary;
            let mut lines =
                vec![format!("{} {} {}", styled(STRONG, &run.flow), styled(QUIET, &run.id), in_color(run.state))];
            tell(&reader, &detail, &data, now, 1, &mut lines)?;
            if !run.state.is_final() && !is_served {
                lines.push(format!(
                    "  {} {}",
                    styled(CARE, "no process works on the data folder, so it does not go on: start `flowc serve`, or"),
                    styled(HINT, command("resume", &run.id, &data))
                ));
            }
            ui::print(&(lines.join("\n") + "\n"))?;
        }
    }
    Ok(Exit::Done)
}

/// Adds what a run waits for, and below each run that it called what that one waits for.
fn tell(
    reader: &Reader,
    detail: &RunDetail,
    data: &Path,
    now: Instant,
    depth: usize,
    lines: &mut Vec<String>,
) -> Result<(), Trouble> {
    let run = &detail.summary;
    let space = "  ".repeat(depth);
    let waits = Wait::of(&detail.history);
    if run.state.is_final() || waits.is_empty() {
        lines.push(format!("{space}{}", at_rest(detail, now)));
        return Ok(());
    }
    for wait in waits {
        let step = styled(STRONG, format!("`{}`", wait.place));
        lines.push(format!("{space}{step} {}", sentence(&wait.why, now)));
        let ways =
            |ways: &[String]| ways.iter().map(|way| format!("{space}  {}", styled(HINT, way))).collect::<Vec<String>>();
        match &wait.why {
            Why::Approval { .. } => {
                lines.extend(ways(&[command("approve", &run.id, data), command("reject", &run.id, data)]));
            }
            Why::Decision { .. } => {
                lines.push(format!(
                    "{space}  look up in the system that was called whether it did its work, then one of"
                ));
                let resolve = command("resolve", &run.id, data);
                let mut decisions = vec![
                    format!("{resolve} --retry          it did nothing: call it again"),
                    format!("{resolve} --result 'JSON'  it worked, and gave this"),
                    format!("{resolve} --fail 'WHY'     let it count as failed"),
                ];
                let plan = reader.plan(&run.plan).map_err(|error| crate::host::trouble(&error))?;
                let plan = plan.and_then(|plan| serde_json::from_slice::<Plan>(&plan).ok());
                if plan.is_some_and(|plan| control::skipped(&plan, &wait.place).is_some()) {
                    decisions.insert(2, format!("{resolve} --skip           go on without its result"));
                }
                lines.extend(ways(&decisions));
            }
            Why::Run { run: other, .. } if depth < DEEPEST => {
                let other = other.parse().ok().map(|other| reader.summary(&other)).transpose();
                if let Some(other) = other.map_err(|error| crate::host::trouble(&error))?.flatten() {
                    tell(reader, &details_of(reader, &other.id)?, data, now, depth + 1, lines)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is said of a run that waits at no step.
fn at_rest(detail: &RunDetail, now: Instant) -> String {
    let run = &detail.summary;
    let ended = run.ended_at.map(day_and_time).unwrap_or_default();
    match (&run.outcome, run.state) {
        (Some(Outcome::Completed(_)), _) => format!("it waits for nothing: it completed {ended}"),
        (Some(Outcome::Failed { failure, place }), _) => {
            let at = place.as_ref().map(|place| format!(" at `{place}`")).unwrap_or_default();
            format!("it waits for nothing: it failed {ended}{at}: {}", plain(&failure.in_words()))
        }
        (Some(Outcome::Cancelled { reason }), _) => {
            format!("it waits for nothing: it was cancelled {ended}: {}", plain(reason))
        }
        (None, RunState::Running) => {
            format!("it is about to go on, {} after it began", length(now.since(run.started_at)))
        }
        (None, _) => plain(run.reason.as_deref().unwrap_or("it is about to go on")),
    }
}

fn sentence(why: &Why, now: Instant) -> String {
    match why {
        Why::Answer { attempt: 1, since } => format!("is being called, for {} now", length(now.since(*since))),
        Why::Answer { attempt, since } => {
            format!("is being called: attempt {attempt}, {} after the first", length(now.since(*since)))
        }
        Why::Retry { attempt, until, failure } => {
            format!(
                "waits for attempt {attempt} {}, since the last one failed: {}",
                when(*until, now),
                live::in_words(failure)
            )
        }
        Why::Turn { until, because } => {
            let until = until.map(|until| format!(", and asks again {}", when(until, now))).unwrap_or_default();
            format!("waits, because {}{until}", plain(because))
        }
        Why::Time { until } => format!("sleeps until {}", moment(*until, now)),
        Why::Event { event, until } => {
            format!("waits for the event `{}`{}", plain(event), or_goes_on(*until, now, "without it"))
        }
        Why::Approval { question, by, until } => {
            let by = by.as_deref().map(|by| format!(" by {}", plain(by))).unwrap_or_default();
            format!("waits for an approval{by}{}: {}", or_goes_on(*until, now, "without one"), plain(question))
        }
        Why::Run { flow, run } => format!("waits for the run {run} of `{}`:", plain(flow)),
        Why::Decision { failure } => format!("needs a decision: {}", plain(&failure.message)),
    }
}

fn or_goes_on(until: Option<Instant>, now: Instant, how: &str) -> String {
    until.map(|until| format!(" until {}, and then goes on {how}", moment(until, now))).unwrap_or_default()
}

/// `at 2026-01-31 11:00:05, in 3m 05s`, or `now`.
fn when(until: Instant, now: Instant) -> String {
    if until <= now { "now".to_owned() } else { format!("at {}", moment(until, now)) }
}

fn moment(until: Instant, now: Instant) -> String {
    let left = if until <= now { "now".to_owned() } else { format!("in {}", length(until.since(now))) };
    format!("{} ({left})", day_and_time(until))
}

/// Members are added, never changed or removed; times are RFC 3339.
fn as_json(detail: &RunDetail, is_served: bool) -> Json {
    let waits = Wait::of(&detail.history).into_iter().map(|wait| {
        let until = |until: Option<Instant>| until.map_or(Json::Null, at);
        let mut json = match wait.why {
            Why::Answer { attempt, since } => json!({ "for": "answer", "attempt": attempt, "since": at(since) }),
            Why::Retry { attempt, until, failure: why } => {
                json!({ "for": "retry", "attempt": attempt, "until": at(until), "failure": failure(&why) })
            }
            Why::Turn { until: again, because } => {
                json!({ "for": "turn", "until": until(again), "because": because })
            }
            Why::Time { until } => json!({ "for": "time", "until": at(until) }),
            Why::Event { event, until: end } => json!({ "for": "event", "event": event, "until": until(end) }),
            Why::Approval { question, by, until: end } => {
                json!({ "for": "approval", "question": question, "by": by, "until": until(end) })
            }
            Why::Run { flow, run } => json!({ "for": "run", "flow": flow, "run": run }),
            Why::Decision { failure: why } => json!({ "for": "decision", "failure": failure(&why) }),
        };
        json["step"] = Json::String(wait.place.to_string());
        json
    });
    let run = &detail.summary;
    let waits: Vec<Json> = if run.state.is_final() { Vec::new() } else { waits.collect() };
    json!({ "id": run.id, "flow": run.flow, "state": run.state, "reason": run.reason, "served": is_served, "waits": waits })
}
