//! Counts what happens, and shows it as text in the format of OpenMetrics, which Prometheus reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use flow_model::units::{Instant, Millis};
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use super::{Attempted, Observer, export::Counts, name};
use crate::{
    engine::{Happening, Polling, Progress, RunState},
    machine::{Outcome, Record},
    trigger::Counters,
};

/// How many combinations of labels a metric has. A program has far fewer; beyond it all are counted as `other`.
const MOST: usize = 2000;

type Labels = Vec<(&'static str, String)>;

/// The metrics of a process.
pub struct Metrics {
    registry: Registry,
    seen: Mutex<BTreeMap<&'static str, BTreeSet<Labels>>>,
    started: Family<Labels, Counter>,
    ended: Family<Labels, Counter>,
    run_seconds: Family<Labels, Histogram>,
    runs: Family<Labels, Gauge>,
    attempts: Family<Labels, Counter>,
    attempt_seconds: Family<Labels, Histogram>,
    under_way: Gauge,
    breakers: Family<Labels, Gauge>,
    poll_age: Family<Labels, Gauge<f64, AtomicU64>>,
    poll_waits: Family<Labels, Gauge>,
    dead_letters: Family<Labels, Counter>,
    passed_over: Family<Labels, Counter>,
    deliveries: Family<Labels, Counter>,
    spans: Family<Labels, Counter>,
    counters: Arc<Counters>,
    exported: Option<Arc<Counts>>,
}

/// From 5 ms to some six hours.
fn of_runs() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 4.0, 12))
}

/// From 5 ms to some 80 s.
fn of_attempts() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 15))
}

impl Metrics {
    /// Metrics that begin at zero, with what triggers and the exporter of spans count by themselves.
    pub fn new(counters: Arc<Counters>, exported: Option<Arc<Counts>>) -> Self {
        let mut registry = Registry::default();
        let (started, ended) = (Family::default(), Family::default());
        let run_seconds = Family::new_with_constructor(of_runs as fn() -> Histogram);
        let attempt_seconds = Family::new_with_constructor(of_attempts as fn() -> Histogram);
        let (runs, attempts, under_way) = (Family::default(), Family::default(), Gauge::default());
        let (dead_letters, deliveries, spans) = (Family::default(), Family::default(), Family::default());
        let (passed_over, breakers) = (Family::default(), Family::default());
        let (poll_age, poll_waits) = (Family::default(), Family::default());
        registry.register(name::RUNS_STARTED, "Runs that began", Family::clone(&started));
        registry.register(name::RUNS_ENDED, "Runs that ended", Family::clone(&ended));
        let help = "From the acceptance of a run to its end";
        registry.register_with_unit(name::RUN_DURATION, help, Unit::Seconds, Family::clone(&run_seconds));
        registry.register(name::RUNS, "Runs that are not over", Family::clone(&runs));
        registry.register(name::ATTEMPTS, "Attempts of steps", Family::clone(&attempts));
        let help = "How long attempts of steps took";
        registry.register_with_unit(name::ATTEMPT_DURATION, help, Unit::Seconds, Family::clone(&attempt_seconds));
        registry.register(name::UNDER_WAY, "Attempts of steps that are under way", under_way.clone());
        let help = "Whether the breaker of a connection keeps calls from leaving";
        registry.register(name::BREAKERS, help, Family::clone(&breakers));
        let help = "How long ago a trigger that polls has read its system";
        registry.register_with_unit(name::POLL_AGE, help, Unit::Seconds, Family::clone(&poll_age));
        let help = "Whether a limit or a breaker keeps a trigger that polls from reading";
        registry.register(name::POLL_WAITS, help, Family::clone(&poll_waits));
        registry.register(name::DEAD_LETTERS, "What was put aside", Family::clone(&dead_letters));
        let help = "Failures that did no harm, because the program says so";
        registry.register(name::PASSED_OVER, help, Family::clone(&passed_over));
        registry.register(name::DELIVERIES, "What requests to triggers came to", Family::clone(&deliveries));
        if exported.is_some() {
            registry.register(name::SPANS, "Spans for the collector", Family::clone(&spans));
        }
        let version = vec![(name::VERSION, env!("CARGO_PKG_VERSION").to_owned())];
        registry.register(name::BUILD, "The version", Info::new(version));
        Self {
            registry,
            seen: Mutex::default(),
            started,
            ended,
            run_seconds,
            runs,
            attempts,
            attempt_seconds,
            under_way,
            breakers,
            poll_age,
            poll_waits,
            dead_letters,
            passed_over,
            deliveries,
            spans,
            counters,
            exported,
        }
    }

    /// All metrics as text, at a time. The runs that are not over are counted where they lie, what breakers do is known where
    /// calls leave, and triggers that poll say how they stand.
    pub fn text(
        &self,
        runs: &BTreeMap<RunState, u64>,
        breakers: &BTreeMap<String, bool>,
        polls: &[Polling],
        now: Instant,
    ) -> String {
        for state in RunState::ALL.into_iter().filter(|state| !state.is_final()) {
            let count = runs.get(&state).copied().unwrap_or(0);
            let labels = vec![(name::STATE, state.name().to_owned())];
            self.runs.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (connection, is_open) in breakers {
            let labels = self.bounded(name::BREAKERS, &[(name::CONNECTION, connection)]);
            self.breakers.get_or_create(&labels).set(i64::from(*is_open));
        }
        // Those of a program that is no longer served are gone.
        self.poll_age.clear();
        self.poll_waits.clear();
        for Polling { flow, on, fresh, held, .. } in polls {
            let labels = self.bounded(name::POLL_AGE, &[(name::FLOW, flow), (name::TRIGGER, on)]);
            self.poll_age.get_or_create(&labels).set(seconds(fresh.unwrap_or(now), now));
            self.poll_waits.get_or_create(&labels).set(i64::from(held.is_some()));
        }
        for (outcome, count) in self.counters.counts().named() {
            set(&self.deliveries, outcome, count);
        }
        if let Some(exported) = &self.exported {
            set(&self.spans, "exported", exported.exported.load(Ordering::Relaxed));
            set(&self.spans, "dropped", exported.dropped.load(Ordering::Relaxed));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("text takes whatever is written into it");
        text
    }

    /// The labels, or `other` for each when there are too many combinations already.
    fn bounded(&self, metric: &'static str, labels: &[(&'static str, &str)]) -> Labels {
        let labels: Labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(metric).or_default();
        if seen.contains(&labels) {
            return labels;
        }
        if seen.len() >= MOST {
            return labels.into_iter().map(|(name, _)| (name, "other".to_owned())).collect();
        }
        seen.insert(labels.clone());
        labels
    }

    fn count(&self, metric: &'static str, family: &Family<Labels, Counter>, labels: &[(&'static str, &str)]) {
        family.get_or_create(&self.bounded(metric, labels)).inc();
    }
}

/// Takes over what something else counts.
fn set(family: &Family<Labels, Counter>, outcome: &str, count: u64) {
    let labels = vec![(name::OUTCOME, outcome.to_owned())];
    family.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of any run are far below 2^52")]
fn seconds(from: Instant, to: Instant) -> f64 {
    let Millis(millis) = to.since(from);
    millis as f64 / 1000.0
}

impl Observer for Metrics {
    fn happened(&self, progress: &Progress) {
        let flow = (name::FLOW, progress.flow.as_str());
        match &progress.what {
            Happening::RunStarted => self.count(name::RUNS_STARTED, &self.started, &[flow]),
            Happening::AttemptStarted { .. } => {
                self.under_way.inc();
            }
            Happening::Concluded(Record::DeadLettered { .. }) => {
                self.count(name::DEAD_LETTERS, &self.dead_letters, &[flow]);
            }
            Happening::Concluded(Record::PassedOver { failure, .. }) => {
                let kind = failure.kind.to_string();
                self.count(name::PASSED_OVER, &self.passed_over, &[flow, (name::OUTCOME, &kind)]);
            }
            Happening::Concluded(Record::Ended(outcome)) => {
                let outcome = match outcome {
                    Outcome::Completed(_) => RunState::Completed,
                    Outcome::Failed { .. } => RunState::Failed,
                    Outcome::Cancelled { .. } => RunState::Cancelled,
                };
                self.count(name::RUNS_ENDED, &self.ended, &[flow, (name::OUTCOME, outcome.name())]);
                let labels = self.bounded(name::RUN_DURATION, &[flow]);
                self.run_seconds.get_or_create(&labels).observe(seconds(progress.run.began(), progress.at));
            }
            _ => {}
        }
    }

    fn attempted(&self, attempted: &Attempted<'_>) {
        self.under_way.dec();
        let step = [(name::CONNECTION, attempted.connection), (name::OPERATION, attempted.operation)];
        let [connection, operation] = step;
        let outcome = (name::OUTCOME, attempted.outcome.name());
        self.count(name::ATTEMPTS, &self.attempts, &[connection, operation, outcome]);
        let labels = self.bounded(name::ATTEMPT_DURATION, &step);
        self.attempt_seconds.get_or_create(&labels).observe(seconds(attempted.began, attempted.ended));
    }
}
