//! Writes spans, and sends them to a collector over OTLP (HTTP, protobuf).
//!
//! A span is written when what it tells of is over, with ids that follow from the run: see [`Trace`]. Spans wait in a bounded
//! queue; when it is full, or the collector does not take them, they are dropped and counted, and no run waits for either.
//! The operator names the collector, not a program, so that it may be on this machine or in a private network; requests to
//! it follow no redirect and use no proxy. Source of the variables and of when to try again: OpenTelemetry specification
//! 1.x, "OpenTelemetry Protocol Exporter" and "SDK environment variables"; OTLP specification 1.x, "OTLP/HTTP".

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flow_model::units::Instant;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use percent_encoding::percent_decode_str;
use prost::Message as _;
use reqwest::{Client, ClientBuilder, redirect};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::{
    Attempted, Ending, Observer, Trace, name,
    otlp::{
        CLIENT, ERROR, ExportTraceServiceRequest, ExportTraceServiceResponse, INTERNAL, InstrumentationScope, KeyValue,
        Resource, ResourceSpans, ScopeSpans, Span, Status, int, text,
    },
};
use crate::{
    engine::{Happening, Progress, StepEnd},
    machine::{Outcome, Record},
    worker::Workers,
};

/// How many spans wait at most, and how many are sent in one request: the defaults of `OTEL_BSP_MAX_QUEUE_SIZE` and
/// `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
const QUEUE: usize = 2048;
const BATCH: usize = 512;

/// How long spans wait for others: the default of `OTEL_BSP_SCHEDULE_DELAY`.
const DELAY: Duration = Duration::from_secs(5);

/// How often a batch is sent, and how long the first pause is; each further one is twice as long.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A collector, and what is sent to it.
#[derive(Clone)]
pub struct Collector {
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
    resource: Vec<(String, String)>,
    sampler: Sampler,
}

/// Which traces are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sampler {
    /// Whether a trace that someone else began is kept as they keep it.
    by_parent: bool,
    /// Of the others, those whose id is below this part of all.
    ratio: f64,
}

/// A variable that does not say what is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {variable} {why}")]
pub struct BadSetting {
    variable: &'static str,
    why: String,
}

impl Collector {
    /// Reads the usual variables; none when they name no collector.
    ///
    /// # Errors
    /// A variable does not say what is meant. The message never shows headers.
    pub fn from_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, BadSetting> {
        let get = |name: &str| get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let off = get("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if off || get("OTEL_TRACES_EXPORTER").is_some_and(|text| text == "none") {
            return Ok(None);
        }
        let (own, base) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
        let url = match (get(own), get(base)) {
            (Some(whole), _) => endpoint(own, &whole)?,
            (None, Some(written)) => endpoint(base, &format!("{}/v1/traces", written.trim_end_matches('/')))?,
            (None, None) => return Ok(None),
        };
        for variable in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if get(variable).is_some_and(|protocol| protocol != "http/protobuf") {
                let why = "must be `http/protobuf`, which is what flowc speaks".to_owned();
                return Err(BadSetting { variable, why });
            }
        }
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))]);
        for variable in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
            for (key, value) in pairs(variable, &get(variable).unwrap_or_default())? {
                let header = HeaderName::from_bytes(key.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
                let why = || "holds what can't be a header: write `name=value,name=value`".to_owned();
                let (key, mut value) = header.ok_or_else(|| BadSetting { variable, why: why() })?;
                value.set_sensitive(true);
                headers.insert(key, value);
            }
        }
        let mut resource = pairs("OTEL_RESOURCE_ATTRIBUTES", &get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default())?;
        if let Some(service) = get("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), service));
        } else if !resource.iter().any(|(key, _)| key == "service.name") {
            resource.push(("service.name".to_owned(), "flowc".to_owned()));
        }
        let variable = "OTEL_EXPORTER_OTLP_TIMEOUT";
        let timeout = match get("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| get(variable)) {
            None => Duration::from_secs(10),
            Some(millis) => millis.parse().map(Duration::from_millis).map_err(|_| {
                let why = format!("is a number of milliseconds, and not `{millis}`");
                BadSetting { variable, why }
            })?,
        };
        let sampler = sampler(get("OTEL_TRACES_SAMPLER").as_deref(), get("OTEL_TRACES_SAMPLER_ARG").as_deref())?;
        Ok(Some(Self { url, headers, timeout, resource, sampler }))
    }
}

fn endpoint(variable: &'static str, written: &str) -> Result<Url, BadSetting> {
    let url = Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| BadSetting { variable, why: "is no URL: write `http://localhost:4318`".to_owned() })
}

/// `key=value,key=value`, percent-encoded (W3C Baggage).
fn pairs(variable: &'static str, written: &str) -> Result<Vec<(String, String)>, BadSetting> {
    let mut pairs = Vec::new();
    for pair in written.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(|text| text.into_owned());
        let read = pair.split_once('=').and_then(|(key, value)| Some((decoded(key)?, decoded(value)?)));
        let why = || "does not read: write `name=value,name=value`".to_owned();
        pairs.push(read.ok_or_else(|| BadSetting { variable, why: why() })?);
    }
    Ok(pairs)
}

fn sampler(name: Option<&str>, arg: Option<&str>) -> Result<Sampler, BadSetting> {
    let name = name.unwrap_or("parentbased_always_on");
    let (by_parent, kind) = match name.strip_prefix("parentbased_") {
        Some(kind) => (true, kind),
        None => (false, name),
    };
    let ratio = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => {
            let ratio = arg.map_or(Ok(1.0), str::parse::<f64>).ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            let why = || "is a number between 0 and 1".to_owned();
            ratio.ok_or_else(|| BadSetting { variable: "OTEL_TRACES_SAMPLER_ARG", why: why() })?
        }
        _ => {
            let why = format!(
                "does not know `{name}`: use `always_on`, `always_off` or `traceidratio`, each also with `parentbased_` \
                 before it"
            );
            return Err(BadSetting { variable: "OTEL_TRACES_SAMPLER", why });
        }
    };
    Ok(Sampler { by_parent, ratio })
}

impl Sampler {
    #[expect(clippy::cast_precision_loss, reason = "which of 2^64 ids are the last to be kept does not matter")]
    fn keeps(self, trace: &Trace) -> bool {
        if self.by_parent && trace.parent.is_some() {
            return trace.sampled;
        }
        let low = trace.id.iter().skip(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        self.ratio >= 1.0 || (low as f64) < self.ratio * u64::MAX as f64
    }
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct Counts {
    pub(super) exported: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// Writes spans, and has them sent.
pub struct Spans {
    sampler: Sampler,
    queue: mpsc::Sender<Job>,
    counts: Arc<Counts>,
    workers: Workers,
}

enum Job {
    Span(Box<Span>),
    /// Send what there is, and say when it is gone.
    Flush(oneshot::Sender<()>),
}

impl Spans {
    /// Begins to send spans to a collector. It has to be called within a tokio runtime.
    pub fn start(collector: Collector) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (counts, workers) = (Arc::<Counts>::default(), Workers::default());
        let sampler = collector.sampler;
        workers.spawn(send(collector, jobs, Arc::clone(&counts)));
        Self { sampler, queue, counts, workers }
    }

    /// What became of spans.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Sends what there is, and returns when it is gone or given up.
    pub async fn flush(&self) {
        let (done, gone) = oneshot::channel();
        if self.queue.send(Job::Flush(done)).await.is_ok() {
            // The sender is gone when the process ends.
            let _ = gone.await;
        }
    }

    /// The span of a step: from when it was to be performed, with all its waits.
    fn step(&self, progress: &Progress) {
        let Progress { run, flow, at, trace, what } = progress;
        let Happening::StepOver { place, connection, operation, began, ended } = what else { return };
        let failed = match ended {
            StepEnd::Completed => None,
            StepEnd::Failed(kind) => Some(kind.name()),
            StepEnd::Dropped => Some(Ending::Abandoned.name()),
        };
        let attributes = vec![
            text(name::SPAN_RUN, run.as_str()),
            text(name::SPAN_FLOW, flow.as_str()),
            text(name::SPAN_STEP, place.to_string()),
            text(name::SPAN_CONNECTION, connection.as_str()),
            text(name::SPAN_OPERATION, operation.as_str()),
        ];
        self.write(Span {
            name: place.to_string(),
            kind: INTERNAL,
            parent_span_id: Trace::run(run).to_vec(),
            ..span(trace, Trace::step(run, place), [*began, *at], attributes, failed)
        });
    }

    fn write(&self, span: Span) {
        if self.queue.try_send(Job::Span(Box::new(span))).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        self.workers.abort();
    }
}

impl Observer for Spans {
    fn happened(&self, progress: &Progress) {
        if !self.sampler.keeps(&progress.trace) {
            return;
        }
        let outcome = match &progress.what {
            Happening::Concluded(Record::Ended(outcome)) => outcome,
            Happening::StepOver { .. } => return self.step(progress),
            _ => return,
        };
        let Progress { run, flow, at, trace, .. } = progress;
        let (outcome, failed) = match outcome {
            Outcome::Completed(_) => ("completed", None),
            Outcome::Failed { failure, .. } => ("failed", Some(failure.kind.name())),
            Outcome::Cancelled { .. } => ("cancelled", None),
        };
        let attributes = vec![
            text(name::SPAN_RUN, run.as_str()),
            text(name::SPAN_FLOW, flow.as_str()),
            text(name::SPAN_OUTCOME, outcome),
        ];
        self.write(Span {
            name: flow.clone(),
            kind: INTERNAL,
            parent_span_id: trace.parent.map(Vec::from).unwrap_or_default(),
            ..span(trace, Trace::run(run), [run.began(), *at], attributes, failed)
        });
    }

    fn attempted(&self, attempted: &Attempted<'_>) {
        let Attempted { run, flow, trace, place, attempt, connection, operation, began, ended, outcome } = *attempted;
        if !self.sampler.keeps(&trace) {
            return;
        }
        let attributes = vec![
            text(name::SPAN_RUN, run.as_str()),
            text(name::SPAN_FLOW, flow),
            text(name::SPAN_STEP, place.to_string()),
            int(name::SPAN_ATTEMPT, i64::from(attempt)),
            text(name::SPAN_CONNECTION, connection),
            text(name::SPAN_OPERATION, operation),
        ];
        let failed = match &outcome {
            Ending::Ok => None,
            Ending::Failed(_) | Ending::Abandoned => Some(outcome.name()),
        };
        self.write(Span {
            name: format!("{connection}.{operation}"),
            kind: CLIENT,
            parent_span_id: Trace::step(run, place).to_vec(),
            ..span(&trace, Trace::attempt(run, place, attempt), [began, ended], attributes, failed)
        });
    }

    fn samples(&self, trace: &Trace) -> Option<bool> {
        Some(self.sampler.keeps(trace))
    }
}

fn span(trace: &Trace, id: super::SpanId, time: [Instant; 2], attributes: Vec<KeyValue>, failed: Option<&str>) -> Span {
    let nanos = |at: Instant| u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000_000);
    let [start, end] = time.map(nanos);
    let mut attributes = attributes;
    // The message of a failure may hold what is nobody's business; its kind does not.
    attributes.extend(failed.map(|kind| text(name::SPAN_ERROR, kind)));
    Span {
        trace_id: trace.id.to_vec(),
        span_id: id.to_vec(),
        start_time_unix_nano: start,
        // The clock may have been set back in between.
        end_time_unix_nano: end.max(start),
        attributes,
        status: failed.map(|_| Status { code: ERROR, message: String::new() }),
        flags: 1,
        ..Span::default()
    }
}

/// Takes spans off the queue until nobody writes any more.
async fn send(collector: Collector, mut jobs: mpsc::Receiver<Job>, counts: Arc<Counts>) {
    let client = ClientBuilder::new()
        .user_agent(concat!("flowc/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(collector.timeout)
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "spans can't be sent"),
    };
    let mut fails = false;
    loop {
        let (mut spans, mut flushed) = (Vec::new(), Vec::new());
        let Some(job) = jobs.recv().await else { return };
        let mut take = |job| match job {
            Job::Span(span) => spans.push(*span),
            Job::Flush(done) => flushed.push(done),
        };
        take(job);
        let until = tokio::time::Instant::now() + DELAY;
        while spans.len() < BATCH && flushed.is_empty() {
            let mut take = |job| match job {
                Job::Span(span) => spans.push(*span),
                Job::Flush(done) => flushed.push(done),
            };
            match tokio::time::timeout_at(until, jobs.recv()).await {
                Ok(Some(job)) => take(job),
                Ok(None) | Err(_) => break,
            }
        }
        let count = spans.len() as u64;
        if count > 0 {
            match deliver(&client, &collector, spans).await {
                Ok(rejected) => {
                    fails = false;
                    counts.exported.fetch_add(count.saturating_sub(rejected), Ordering::Relaxed);
                    counts.dropped.fetch_add(rejected, Ordering::Relaxed);
                }
                Err(why) => {
                    // Once for each time that it begins to fail: a collector may be away for days.
                    if !std::mem::replace(&mut fails, true) {
                        tracing::warn!(host = collector.url.host_str(), why, "the collector takes no spans");
                    }
                    counts.dropped.fetch_add(count, Ordering::Relaxed);
                }
            }
        }
        for done in flushed {
            // Whoever asked may be gone.
            let _ = done.send(());
        }
    }
}

/// Sends a batch; returns how many of it the collector did not want.
async fn deliver(client: &Client, collector: &Collector, spans: Vec<Span>) -> Result<u64, String> {
    let attributes = collector.resource.iter().map(|(key, value)| text(key, value.as_str())).collect();
    let scope = InstrumentationScope { name: "flowc".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    };
    let body = bytes::Bytes::from(request.encode_to_vec());
    let mut pause = PAUSE;
    let mut tries = 0;
    loop {
        tries += 1;
        let sent =
            client.post(collector.url.clone()).headers(collector.headers.clone()).body(body.clone()).send().await;
        let (why, wait) = match sent {
            Ok(response) if response.status().is_success() => {
                let body = response.bytes().await.unwrap_or_default();
                let partial = ExportTraceServiceResponse::decode(body).ok().and_then(|told| told.partial_success);
                let rejected = partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0));
                return Ok(rejected);
            }
            Ok(response) => {
                let status = response.status();
                let again = [
                    StatusCode::TOO_MANY_REQUESTS,
                    StatusCode::BAD_GATEWAY,
                    StatusCode::SERVICE_UNAVAILABLE,
                    StatusCode::GATEWAY_TIMEOUT,
                ];
                if !again.contains(&status) {
                    return Err(format!("it answered {status}"));
                }
                let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                (format!("it answered {status}"), header.map(Duration::from_secs))
            }
            Err(error) if error.is_timeout() => ("it did not answer in time".to_owned(), None),
            Err(error) => {
                (if error.is_connect() { "it can't be reached" } else { "the connection broke" }.to_owned(), None)
            }
        };
        if tries == TRIES {
            return Err(why);
        }
        tokio::time::sleep(wait.unwrap_or(pause).min(LONGEST_PAUSE)).await;
        pause *= 2;
    }
}
