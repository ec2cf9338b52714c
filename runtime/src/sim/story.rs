//! Does a plan keep every promise under a schedule of faults?
//!
//! A sender delivers events, each more than once and again to every process, until they are accepted. Processes crash as
//! the schedule says. Where a run waits for a decision, a person looks at the system that was called and says what is
//! there. When all is over, the oracle judges.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use flow_model::{plan::Plan, units::Millis, value::Value};
use futures::future::join_all;

use super::{
    oracle::{Broken, Evidence, Kept, Promise, judge},
    outside::{Outside, answer},
    process::{Ended, live},
    schedule::Schedule,
};
use crate::{
    engine::{Engine, Limits, RunId, RunState, Submission},
    journal::{Row, StepState},
    machine::{Decision, Outcome},
    store::{self, Error, Filter},
    timer::Clock as _,
};

/// How long the sender waits before it tries again.
const AGAIN: Millis = Millis::seconds(1);

/// How long events are remembered.
const WINDOW: Millis = Millis::seconds(72 * 3600);

/// What a simulation showed.
#[derive(Clone, Debug)]
pub struct Told {
    /// What went wrong on purpose.
    pub schedule: Schedule,
    /// What happened, line by line: equal seeds and plans give equal lines.
    pub trace: Vec<String>,
    /// How the run of each event ended.
    pub outcomes: Vec<Option<Outcome>>,
    /// How many processes crashed before their stories were over.
    pub crashes: usize,
    /// Promises that were not kept.
    pub broken: Vec<Broken>,
}

/// Carries out a plan under the faults of a seed, in an empty folder. The plan's steps are answered with [`answer`] of
/// their first argument.
///
/// # Errors
/// The folder can't be read or written.
pub fn simulate(seed: u64, plan: &Arc<Plan>, data: &Path) -> Result<Told, Error> {
    let schedule = Schedule::draw(seed);
    let weather = schedule.clone();
    let usual = Limits::default();
    // Half of them are taken up from their first entry, half from a checkpoint after the latest write.
    let checkpoint = if seed.is_multiple_of(2) { 0 } else { usual.checkpoint };
    let limits = Limits { reserve: 1, park: Millis::seconds(5), checkpoint, ..usual };
    let outside = Outside::with_limits(limits, move |made| weather.weather(made).reply(answer(&made.arg)));
    let client = Client { plan, schedule: &schedule, outside: &outside, accepted: Mutex::default() };
    let (mut earlier, mut trace, mut crashes) = (Vec::new(), Vec::new(), 0);
    let mut broken = Vec::new();
    let lives = schedule.lives.iter().map(|(life, down)| (life, *down)).chain([(&schedule.last, 0)]);
    for (number, (life, down)) in lives.enumerate() {
        let ended = live(&outside, data, life, |engine| client.tell(engine));
        trace.push(format!("process {number} at {}: {ended:?}", outside.clock.now()));
        crashes += usize::from(ended != Ok(Ended::Well(Rest::Over)));
        if number == schedule.lives.len() && ended != Ok(Ended::Well(Rest::Over)) {
            broken.push(Broken { promise: Promise::Ends, what: format!("the last process ended so: {ended:?}") });
        }
        earlier
            .push(kept(data)?.into_iter().map(|kept| (kept.summary.id, kept.rows)).collect::<BTreeMap<_, Vec<Row>>>());
        outside.begin_life();
        outside.clock.shift(down);
    }
    let accepted = client.accepted.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (runs, made) = (kept(data)?, outside.made());
    for made in &made {
        let (life, at, key) = (made.life, made.at, made.key.get(..8).unwrap_or_default());
        let weather = schedule.weather(made);
        trace.push(format!("process {life} at {at}: {} {} {key} {weather:?}", made.operation, made.arg));
    }
    for run in &runs {
        trace.extend(run.rows.iter().map(|row| format!("{} {} {}", run.summary.id, row.seq, row.body)));
    }
    let outcome = |event: usize| {
        let run = accepted.iter().find(|(key, _)| *key == key_of(event)).map(|(_, run)| run)?;
        runs.iter().find(|kept| kept.summary.id == *run)?.summary.outcome.clone()
    };
    let outcomes = (0..schedule.copies.len()).map(outcome).collect();
    let files = files(data).map_err(|source| Error::Folder { folder: data.to_owned(), source: Arc::new(source) })?;
    let evidence = Evidence { accepted, runs, earlier, made, secrets: Vec::new(), files };
    broken.extend(judge(&evidence));
    Ok(Told { schedule, trace, outcomes, crashes, broken })
}

/// How a story ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// All runs are over.
    Over,
    /// The engine has halted.
    Halted,
}

struct Client<'a> {
    plan: &'a Arc<Plan>,
    schedule: &'a Schedule,
    outside: &'a Arc<Outside>,
    accepted: Mutex<Vec<(String, RunId)>>,
}

impl Client<'_> {
    async fn tell(&self, engine: Arc<Engine>) -> Rest {
        let story = async {
            if engine.deploy(Arc::clone(self.plan)).await.is_err() || engine.resume().await.is_err() {
                return std::future::pending().await;
            }
            let events = self.schedule.copies.iter().enumerate();
            let sent = events.flat_map(|(event, copies)| (0..*copies).map(move |_| event));
            join_all(sent.map(|event| self.follow(&engine, event))).await;
            Rest::Over
        };
        tokio::select! {
            biased;
            _ = engine.halted() => Rest::Halted,
            rest = story => rest,
        }
    }

    /// Delivers one copy of an event, and stays with its run to the end.
    async fn follow(&self, engine: &Engine, event: usize) {
        let run = loop {
            let payload = Value::record([("event", Value::Int(i64::try_from(event).unwrap_or(0)))]);
            let dedupe = Some((key_of(event), WINDOW));
            let submission = Submission { dedupe, ..Submission::with_params(&self.plan.flow, payload) };
            match engine.submit(submission).await {
                Ok(accepted) => break accepted.run,
                Err(_) => self.outside.clock.sleep_until(self.outside.clock.now().after(AGAIN)).await,
            }
        };
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push((key_of(event), run.clone()));
        loop {
            let Ok(summary) = engine.outcome(&run).await else { return std::future::pending().await };
            if summary.state != RunState::NeedsDecision {
                return;
            }
            self.decide(engine, &run).await;
        }
    }

    /// Says of each step in doubt what the system that was called has of it.
    async fn decide(&self, engine: &Engine, run: &RunId) {
        let Ok(Some(detail)) = engine.run(run).await else { return };
        for step in detail.history.steps {
            if step.state == StepState::NeedsDecision {
                let key = step.place.key(run.as_str());
                let done = self.outside.made().into_iter().find(|made| made.key == key && made.applied);
                let decision = done.map_or(Decision::Retry, |made| Decision::Result(answer(&made.arg)));
                // Another copy of the same event may have brought the same person here a moment earlier.
                let _ = engine.resolve(run, step.place, decision).await;
            }
        }
    }
}

fn key_of(event: usize) -> String {
    format!("evt_{event}")
}

/// The runs of a data folder, oldest first.
///
/// # Errors
/// The journal can't be read, or a run has no plan.
pub fn kept(data: &Path) -> Result<Vec<Kept>, Error> {
    let reader = store::read(data)?;
    let mut runs = reader.list(&Filter { limit: usize::MAX, ..Filter::default() })?;
    runs.reverse();
    let runs = runs.into_iter().map(|listed| {
        // Lists have no results.
        let summary = reader.summary(&listed.id)?.unwrap_or(listed);
        let rows = reader.rows(&summary.id)?;
        let json = reader.plan(&summary.plan)?.unwrap_or_default();
        let plan = serde_json::from_slice(&json).map_err(|error| {
            let source = Arc::new(io::Error::new(io::ErrorKind::InvalidData, error));
            Error::Folder { folder: data.to_owned(), source }
        })?;
        Ok(Kept { summary, rows, plan: Arc::new(plan) })
    });
    runs.collect()
}

/// All files of a folder.
///
/// # Errors
/// One can't be read.
pub fn files(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push((entry.path().display().to_string(), std::fs::read(entry.path())?));
            }
        }
    }
    Ok(files)
}
