//! When does a flow run that runs `every` so often?
//!
//! Periods are counted from 1970-01-01T00:00:00Z, so that `every 15m` is at the full quarters of an hour, whenever the
//! process was started: nothing drifts. The period's beginning is the key by which the engine knows it, so that none runs
//! twice. What was missed while the process was down or asleep is made up for once, by the latest period, if the schedule
//! has run before.

use std::sync::Arc;

use flow_model::{
    units::{Instant, Millis},
    value::Value,
};

use super::Schedule;
use crate::{
    engine::{Engine, Filter, Submission, SubmitError},
    timer::Clock,
};

/// How long a period's key is remembered at least: longer than clocks are set back.
const WINDOW: Millis = Millis::seconds(72 * 60 * 60);

/// How long to wait before a run that was not accepted is submitted again, at most.
const TRY_AGAIN: Millis = Millis::seconds(5);

/// Among how many of a flow's latest runs one of its schedule is looked for.
const LOOKED_AT: usize = 200;

/// Starts runs of a schedule, for ever.
pub(super) async fn run(schedule: Schedule, engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    // A program is checked; this is for plans from elsewhere.
    let every = Millis(schedule.every.0.max(1));
    let mut latest = period(every, clock.now());
    if has_run(&schedule, &engine).await {
        submit(&schedule, latest, every, &engine, &*clock).await;
    }
    loop {
        clock.sleep_until(latest.after(every)).await;
        let due = period(every, clock.now());
        // The clock may have been set back since it woke us.
        if due > latest {
            latest = due;
            submit(&schedule, latest, every, &engine, &*clock).await;
        }
    }
}

/// The beginning of the period that a time lies in.
fn period(every: Millis, now: Instant) -> Instant {
    let every = i64::try_from(every.0).unwrap_or(i64::MAX);
    Instant(now.0.div_euclid(every).saturating_mul(every))
}

/// Says whether this schedule has started a run before. One that was written yesterday has missed nothing.
async fn has_run(schedule: &Schedule, engine: &Engine) -> bool {
    let started_by = schedule.to_string();
    let filter = Filter { flow: Some(schedule.flow.clone()), limit: LOOKED_AT, ..Filter::default() };
    match engine.runs(filter).await {
        Ok(runs) => runs.iter().any(|run| run.trigger.as_deref() == Some(&started_by)),
        Err(error) => {
            tracing::error!(%error, flow = schedule.flow, "whether a schedule has run before is not known");
            false
        }
    }
}

/// Starts the run of a period; tries again until the next one begins.
async fn submit(schedule: &Schedule, at: Instant, every: Millis, engine: &Engine, clock: &dyn Clock) {
    let until = at.after(every);
    loop {
        let submission = Submission {
            flow: schedule.flow.clone(),
            trigger: Some(schedule.trigger),
            payload: Value::record([("scheduled_at", Value::Timestamp(at.timestamp()))]),
            dedupe: Some((at.to_string(), Millis(every.0.saturating_mul(2)).max(WINDOW))),
            body_digest: None,
            trace: None,
        };
        let error = match engine.submit(submission).await {
            Ok(accepted) => {
                tracing::debug!(flow = schedule.flow, %at, run = %accepted.run, "a period has its run");
                return;
            }
            Err(error) => error,
        };
        tracing::error!(%error, flow = schedule.flow, %at, "the run of a schedule was not accepted");
        let again = clock.now().after(TRY_AGAIN);
        if again >= until || !matches!(error, SubmitError::Busy(_) | SubmitError::DiskFull(_)) {
            return;
        }
        clock.sleep_until(again).await;
    }
}
