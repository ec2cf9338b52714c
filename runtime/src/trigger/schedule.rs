//! Who starts the runs of a schedule?
//!
//! A task for each. It keeps the latest time that has had a run, on disk together with that run, so that after any pause
//! it knows which times have passed. A time is also the key by which the engine knows its run, so that none runs twice,
//! whatever the clock does.

use std::{collections::BTreeMap, fmt, sync::Arc};

use flow_model::{
    plan::{CatchUp, Plan, Trigger},
    units::{Instant, Millis},
    value::Value,
};

use super::{rhythm::Rhythm, route::Error};
use crate::{
    engine::{Engine, Share, Submission, SubmitError, started_by},
    store,
    timer::Clock,
};

/// The key under which the latest time is kept.
const LATEST: &str = "latest";

/// How long a time's key is remembered: longer than clocks are set back without a person noticing.
const WINDOW: Millis = Millis::seconds(8 * 24 * 60 * 60);

/// How long to wait before a run that was not accepted is submitted again.
const TRY_AGAIN: Millis = Millis::seconds(5);

/// A clock that is further behind the latest time than this was set right: waiting for that time to come again would be
/// a long silence. Where it is less, nothing runs until that time has passed.
const SET_BACK: Millis = Millis::seconds(24 * 60 * 60);

/// A flow that runs by the clock.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The flow.
    pub flow: String,
    /// Which of its triggers.
    pub trigger: usize,
    plan: Arc<Plan>,
    declared: Trigger,
    rhythm: Rhythm,
    catch_up: CatchUp,
}

/// Writes `every 15m`, `cron 0 9 * * mon in Europe/Berlin`, as the engine does in the list of runs.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&started_by(&self.declared))
    }
}

/// Lists what runs by the clock.
///
/// # Errors
/// When a plan names a time or a zone that is not known.
pub fn schedules(plans: &[Arc<Plan>]) -> Result<Vec<Schedule>, Error> {
    let mut schedules = Vec::new();
    for plan in plans {
        for (trigger, declared) in plan.triggers.iter().enumerate() {
            if let Some((rhythm, catch_up)) = Rhythm::of(plan, &declared.kind)? {
                let (flow, declared) = (plan.flow.clone(), declared.clone());
                schedules.push(Schedule { flow, trigger, plan: Arc::clone(plan), declared, rhythm, catch_up });
            }
        }
    }
    Ok(schedules)
}

impl Schedule {
    /// When it comes round next.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.rhythm.after(now)
    }

    /// The latest time that has had a run; the beginning when there was none, since what was written yesterday has missed
    /// nothing before.
    async fn latest(&self, engine: &Engine, now: Instant) -> Result<Instant, store::Error> {
        let notes = engine.notes(&self.flow, &self.declared).await?;
        if let Some(latest) = notes.get(LATEST).and_then(|text| text.parse().ok()) {
            return Ok(Instant(latest));
        }
        engine.keep(&self.flow, &self.declared, note(now)).await?;
        Ok(now)
    }

    fn submission(&self, at: Instant) -> Submission {
        Submission {
            flow: self.flow.clone(),
            plan: Some(Arc::clone(&self.plan)),
            trigger: Some(self.trigger),
            payload: Value::record([("scheduled_at", Value::Timestamp(at.timestamp()))]),
            dedupe: Some((at.to_string(), WINDOW)),
            body_digest: None,
            trace: None,
            notes: note(at),
            share: Share::Whole,
        }
    }
}

fn note(at: Instant) -> BTreeMap<String, String> {
    BTreeMap::from([(LATEST.to_owned(), at.0.to_string())])
}

/// Starts runs of a schedule, until the engine takes no more.
pub(super) async fn run(schedule: Schedule, engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    let flow = &schedule.flow;
    let mut latest = match schedule.latest(&engine, clock.now()).await {
        Ok(latest) => latest,
        Err(error) => return tracing::error!(%error, flow, %schedule, "what a schedule has kept can't be read"),
    };
    loop {
        let known = clock.set_by();
        let now = clock.now();
        if latest.since(now) > SET_BACK {
            tracing::warn!(flow, %schedule, %latest, %now, "the clock was set back by more than a day: going on from now");
            latest = now;
        }
        let due = schedule.rhythm.due(schedule.catch_up, latest, now);
        if let Some(left_out) = due.left_out {
            let made_up_for = due.runs.len();
            tracing::warn!(flow, %schedule, since = %latest, made_up_for, "times have passed without a run");
            latest = latest.max(left_out);
        }
        let mut until = None;
        for at in due.runs {
            match engine.submit(schedule.submission(at)).await {
                Ok(accepted) => tracing::debug!(flow, %at, run = %accepted.run, "a time has its run"),
                Err(error) if error.is_passing() => {
                    tracing::error!(%error, flow, %at, "the run of a schedule was not accepted yet");
                    until = Some(clock.now().after(TRY_AGAIN));
                    break;
                }
                Err(SubmitError::Closing | SubmitError::Store(_)) => return,
                Err(error) => tracing::error!(%error, flow, %at, "the run of a schedule was not accepted"),
            }
            latest = latest.max(at);
        }
        // Past the year 9999 there are no times.
        let Some(until) = until.or_else(|| schedule.next(latest)) else { return };
        tokio::select! {
            biased;
            () = clock.sleep_until(until) => {}
            // It may be another time altogether.
            () = clock.until_set(known) => {}
        }
    }
}
