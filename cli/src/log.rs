//! The log of `flowc serve`, on standard error.

use flow_model::units::Millis;
use flow_runtime::{
    engine::{Happening, Progress},
    machine::{Outcome, Record},
    observe::Observer,
    timer::{Clock as _, SystemClock},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
};

use crate::{
    args,
    exit::Exit,
    trouble::Trouble,
    ui::{self, Stream, time::time_of_day},
};

/// The variable that sets what is logged.
pub(crate) const VARIABLE: &str = "FLOW_LOG";

/// Logs from now on, `info` and above unless the variable says otherwise.
///
/// # Errors
/// The variable does not say what to log.
pub(crate) fn start(format: args::Format, level: Option<&str>) -> Result<(), Trouble> {
    let filter = EnvFilter::try_new(level.unwrap_or("info")).map_err(|error| {
        Trouble::new(Exit::Environment, format!("the variable {VARIABLE} does not say what to log: {error}"))
            .help("set it to `error`, `warn`, `info` or `debug`, or to `flow_runtime=debug`")
    })?;
    let colored = ui::drawing(Stream::Err).color == flow_compiler::render::Color::Always;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colored)
        .with_target(false);
    match format {
        args::Format::Human => log.with_timer(TimeOfDay).compact().init(),
        args::Format::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// The time of day in the time zone of this machine.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        writer.write_str(&time_of_day(SystemClock.now()))
    }
}

/// Logs what becomes of runs.
pub(crate) struct Log;

impl Observer for Log {
    fn happened(&self, progress: &Progress) {
        one(progress);
    }
}

fn one(progress: &Progress) {
    let Progress { run, flow, what, .. } = progress;
    match what {
        Happening::RunStarted => tracing::info!(%run, %flow, "run started"),
        Happening::AttemptFailed { place, attempt, failure } => {
            tracing::warn!(%run, %flow, step = %place, attempt, failure = failure.to_string(), "attempt failed");
        }
        Happening::StepStarted { place, .. } => tracing::debug!(%run, %flow, step = %place, "step started"),
        Happening::AttemptStarted { place, attempt } => {
            tracing::debug!(%run, %flow, step = %place, attempt, "attempt started");
        }
        Happening::StepCompleted { place, attempts } => {
            tracing::debug!(%run, %flow, step = %place, attempts, "step completed");
        }
        Happening::StepOver { .. } => {}
        Happening::Concluded(record) => concluded(progress, record),
        Happening::Standing(state) => tracing::debug!(%run, %flow, %state, "run stands"),
    }
}

fn concluded(progress: &Progress, record: &Record) {
    let Progress { run, flow, at, .. } = progress;
    match record {
        Record::Waits { place, until } => {
            let Millis(millis) = until.since(*at);
            tracing::debug!(%run, %flow, step = %place, millis, "step waits");
        }
        Record::Undecided { place, failure } => {
            tracing::warn!(%run, %flow, step = %place, failure = failure.in_words(), "run needs a decision");
        }
        Record::PassedOver { place, failure } => {
            tracing::warn!(%run, %flow, step = %place, failure = failure.in_words(), "failure passed over");
        }
        Record::Logged { place, text } => tracing::info!(%run, %flow, step = %place, text, "program says"),
        Record::DeadLettered { place, queue, .. } => tracing::warn!(%run, %flow, step = %place, queue, "dead letter"),
        Record::Ended(Outcome::Completed(_)) => tracing::info!(%run, %flow, "run completed"),
        Record::Ended(Outcome::Failed { failure, .. }) => {
            tracing::error!(%run, %flow, failure = failure.in_words(), "run failed");
        }
        Record::Ended(Outcome::Cancelled { reason }) => tracing::warn!(%run, %flow, reason, "run cancelled"),
        Record::Undoing { because, .. } => tracing::warn!(%run, %flow, because, "run undoes its steps"),
        Record::UndoFailed { place, failure } => {
            tracing::error!(%run, %flow, step = %place, failure = failure.in_words(), "step could not be undone");
        }
        Record::Asked { place, question, .. } => {
            tracing::info!(%run, %flow, step = %place, question, "run waits for an approval");
        }
        Record::Listens { place, event, .. } => {
            tracing::debug!(%run, %flow, step = %place, event, "run waits for an event");
        }
        Record::Emitted { place, event, .. } => tracing::debug!(%run, %flow, step = %place, event, "event emitted"),
        Record::Called { place, run: called, .. } => {
            tracing::debug!(%run, %flow, step = %place, called, "run of another flow begun");
        }
        Record::Scheduled { .. }
        | Record::Observed { .. }
        | Record::StepFailed { .. }
        | Record::Dropped { .. }
        | Record::Responded(_) => {}
    }
}
