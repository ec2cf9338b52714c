//! What can be watched from outside, and under which names?
//!
//! The engine tells an [`Observer`] what happens, at once and in order; observers count ([`Metrics`]), write spans
//! ([`Spans`]) or log. Every name that leaves the process is in [`name`]. What a name is told with is bounded: names of
//! flows, connections, operations and kinds of failures, all of which stand in a program; never a value, a key, a message or
//! a run's id in a metric.

mod export;
mod metrics;
mod otlp;
#[cfg(test)]
mod tests;
mod trace;

use flow_model::{failure::ErrorKind, units::Instant};

pub use self::{
    export::{BadSetting, Collector, Spans},
    metrics::Metrics,
    trace::{SpanId, Trace},
};
use crate::{
    engine::{Progress, RunId},
    machine::Place,
};

/// Every name of a metric, a label, a span's attribute and a path.
pub mod name {
    /// Where the server says that it is there.
    pub const HEALTH: &str = "/healthz";
    /// Where the server says whether it takes work.
    pub const READY: &str = "/readyz";
    /// Where the server shows its metrics.
    pub const METRICS: &str = "/metrics";

    /// Runs that began. Label: flow.
    pub const RUNS_STARTED: &str = "flow_runs_started";
    /// Runs that ended. Labels: flow, outcome.
    pub const RUNS_ENDED: &str = "flow_runs_ended";
    /// From the acceptance of a run to its end. Label: flow.
    pub const RUN_DURATION: &str = "flow_run_duration";
    /// Runs that are not over. Label: state.
    pub const RUNS: &str = "flow_runs";
    /// Attempts of steps. Labels: connection, operation, outcome.
    pub const ATTEMPTS: &str = "flow_step_attempts";
    /// How long attempts took. Labels: connection, operation.
    pub const ATTEMPT_DURATION: &str = "flow_step_attempt_duration";
    /// Attempts under way.
    pub const UNDER_WAY: &str = "flow_step_attempts_under_way";
    /// Whether the breaker of a connection keeps calls from leaving: 1, else 0. Label: connection.
    pub const BREAKERS: &str = "flow_breaker_open";
    /// How long ago a trigger that polls has read its system. Labels: flow, trigger.
    pub const POLL_AGE: &str = "flow_poll_age";
    /// Whether a limit or a breaker keeps a trigger that polls from reading: 1, else 0. Labels: flow, trigger.
    pub const POLL_WAITS: &str = "flow_poll_waits";
    /// What was put aside. Label: flow.
    pub const DEAD_LETTERS: &str = "flow_dead_letters";
    /// Failures that did no harm, because the program says so: `optional`, `on error skip`. Labels: flow, outcome.
    pub const PASSED_OVER: &str = "flow_failures_passed_over";
    /// What requests to triggers came to. Label: outcome.
    pub const DELIVERIES: &str = "flow_deliveries";
    /// Spans for the collector. Label: outcome.
    pub const SPANS: &str = "flow_spans";
    /// The version of the program. Label: version.
    pub const BUILD: &str = "flow_build";

    /// The flow of a run.
    pub const FLOW: &str = "flow";
    /// How something ended: `completed`, `failed`, `cancelled`; `ok`, `abandoned` or the kind of a failure.
    pub const OUTCOME: &str = "outcome";
    /// What starts a flow.
    pub const TRIGGER: &str = "trigger";
    /// How a run stands.
    pub const STATE: &str = "state";
    /// The connection of a step.
    pub const CONNECTION: &str = "connection";
    /// The operation of a step.
    pub const OPERATION: &str = "operation";
    /// The version of the program.
    pub const VERSION: &str = "version";

    /// The attribute of spans that names the run.
    pub const SPAN_RUN: &str = "flow.run";
    /// The attribute of spans that names the flow.
    pub const SPAN_FLOW: &str = "flow.name";
    /// The attribute of a run's span that says how it ended.
    pub const SPAN_OUTCOME: &str = "flow.outcome";
    /// The attribute of an attempt's span that names the step.
    pub const SPAN_STEP: &str = "flow.step";
    /// The attribute of an attempt's span that numbers it, from 1.
    pub const SPAN_ATTEMPT: &str = "flow.attempt";
    /// The attribute of an attempt's span that names the connection.
    pub const SPAN_CONNECTION: &str = "flow.connection";
    /// The attribute of an attempt's span that names the operation.
    pub const SPAN_OPERATION: &str = "flow.operation";
    /// The kind of a failure (OpenTelemetry semantic conventions, "General attributes").
    pub const SPAN_ERROR: &str = "error.type";
    /// The header that carries a trace (W3C Trace Context, section 3.2).
    pub const TRACEPARENT: &str = "traceparent";
}

/// Hears what happens. It is called where the engine works, and must neither wait nor fail.
pub trait Observer: Send + Sync {
    /// Something has happened in a run, and is on disk.
    fn happened(&self, _progress: &Progress) {}

    /// An attempt of a step is over.
    fn attempted(&self, _attempted: &Attempted<'_>) {}

    /// Whether the spans of a trace are kept; none when nobody keeps any.
    fn samples(&self, _trace: &Trace) -> Option<bool> {
        None
    }
}

/// An attempt of a step that is over.
#[derive(Clone, Copy, Debug)]
pub struct Attempted<'a> {
    /// The run.
    pub run: &'a RunId,
    /// Its flow.
    pub flow: &'a str,
    /// Its trace.
    pub trace: Trace,
    /// The step.
    pub place: &'a Place,
    /// Counts from 1.
    pub attempt: u32,
    /// The connection.
    pub connection: &'a str,
    /// The operation.
    pub operation: &'a str,
    /// When it left.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// What came of it.
    pub outcome: Ending<'a>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// A result.
    Ok,
    /// A failure of a kind.
    Failed(&'a ErrorKind),
    /// Nobody waits for it any more.
    Abandoned,
}

impl Ending<'_> {
    /// Its name in metrics and spans.
    pub fn name(&self) -> &str {
        match self {
            Self::Ok => "ok",
            Self::Failed(kind) => kind.name(),
            Self::Abandoned => "abandoned",
        }
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Several observers, told in this order.
impl Observer for Vec<std::sync::Arc<dyn Observer>> {
    fn happened(&self, progress: &Progress) {
        self.iter().for_each(|observer| observer.happened(progress));
    }

    fn attempted(&self, attempted: &Attempted<'_>) {
        self.iter().for_each(|observer| observer.attempted(attempted));
    }

    fn samples(&self, trace: &Trace) -> Option<bool> {
        self.iter().find_map(|observer| observer.samples(trace))
    }
}
