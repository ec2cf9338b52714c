//! Spans and metrics as a collector and Prometheus get them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, response::IntoResponse as _};
use flow_model::{failure::Failure, value::Value};
use http::{HeaderMap, StatusCode};
use prost::Message as _;
use tokio::net::TcpListener;

use super::{
    otlp::{Any, ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse, Span},
    *,
};
use crate::{
    engine::{Happening, Held, Polling, RunState, StepEnd},
    machine::{Outcome, Record},
    trigger::Counters,
};

fn run() -> RunId {
    RunId::new(Instant(1_700_000_000_000), 7)
}

fn place() -> Place {
    Place { path: "charge".into(), indexes: vec![3] }
}

fn progress(what: Happening, trace: Trace, millis: i64) -> Progress {
    Progress { run: run(), flow: "orders".into(), trace, at: Instant(1_700_000_000_000 + millis), what }
}

fn ended(outcome: Outcome) -> Happening {
    Happening::Concluded(Record::Ended(outcome))
}

fn attempted<'a>(run: &'a RunId, place: &'a Place, trace: Trace, attempt: u32, outcome: Ending<'a>) -> Attempted<'a> {
    let (began, over) = (Instant(1_700_000_000_100), Instant(1_700_000_000_225));
    Attempted {
        run,
        flow: "orders",
        trace,
        place,
        attempt,
        connection: "payments",
        operation: "charges.create",
        began,
        ended: over,
        outcome,
    }
}

#[test]
fn a_traceparent_reads_as_the_standard_says() {
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = Trace::read(header).unwrap();
    assert_eq!((trace.to_string().as_str(), trace.sampled), (header, true));
    assert!(!Trace::read(&format!("{}00", &header[..53])).unwrap().sampled);
    // A later version may have more parts.
    assert!(Trace::read("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what").is_some());
    for bad in [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bx-01",
    ] {
        assert_eq!(Trace::read(bad), None, "{bad}");
    }
}

type Received = Arc<Mutex<(VecDeque<StatusCode>, Vec<(HeaderMap, ExportTraceServiceRequest)>)>>;

/// A collector that answers with these statuses and then with 200, rejecting one span of each request.
async fn collector(statuses: &[u16]) -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let statuses = statuses.iter().map(|status| StatusCode::from_u16(*status).unwrap()).collect();
    let received: Received = Arc::new(Mutex::new((statuses, Vec::new())));
    let take = async |State(received): State<Received>, headers: HeaderMap, body: Bytes| {
        let mut received = received.lock().unwrap();
        if let Some(status) = received.0.pop_front() {
            return (status, [("retry-after", "0")]).into_response();
        }
        received.1.push((headers, ExportTraceServiceRequest::decode(body).unwrap()));
        let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too old".into() };
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec().into_response()
    };
    let router = Router::new().route("/v1/traces", axum::routing::post(take)).with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

fn variables<'a>(of: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> {
    move |name| of.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let told = |any: &Any| match any {
        Any::Text(text) => text.clone(),
        Any::Int(int) => int.to_string(),
    };
    span.attributes
        .iter()
        .map(|attribute| (attribute.key.as_str(), told(attribute.value.as_ref().unwrap().value.as_ref().unwrap())))
        .collect()
}

#[tokio::test]
async fn a_collector_gets_a_span_of_each_run_and_attempt() {
    let (url, received) = collector(&[503, 429]).await;
    let known = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=a%20b,authorization=Bearer t"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.name=other"),
        ("OTEL_SERVICE_NAME", "shop"),
    ];
    let spans = Spans::start(Collector::from_variables(&variables(&known)).unwrap().unwrap());
    let (run, place) = (run(), place());
    let trace = Trace::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let refused = ErrorKind::Rejected;
    spans.attempted(&attempted(&run, &place, trace, 1, Ending::Failed(&refused)));
    spans.attempted(&attempted(&run, &place, trace, 2, Ending::Ok));
    let over = Happening::StepOver {
        place: place.clone(),
        connection: "payments".to_owned(),
        operation: "charges.create".to_owned(),
        began: Instant(1_700_000_000_020),
        ended: StepEnd::Completed,
    };
    spans.happened(&progress(over, trace, 240));
    let failure = Failure::new(ErrorKind::Rejected, "jenny@example.com has no money");
    spans.happened(&progress(ended(Outcome::Failed { failure, place: None }), trace, 250));
    spans.flush().await;

    let received = received.lock().unwrap();
    let [(headers, request)] = received.1.as_slice() else { panic!("{:?}", received.1) };
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(
        (&headers["x-team"], &headers["authorization"]),
        (&"a b".parse().unwrap(), &"Bearer t".parse().unwrap())
    );
    let resource = &request.resource_spans[0];
    let of_resource = Span { attributes: resource.resource.as_ref().unwrap().attributes.clone(), ..Span::default() };
    assert_eq!(
        attributes(&of_resource),
        BTreeMap::from([("deployment.environment", "test".to_owned()), ("service.name", "shop".to_owned())])
    );
    let [first, second, step, whole] = resource.scope_spans[0].spans.as_slice() else { panic!("{request:?}") };
    assert_eq!(hex::encode(&whole.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex::encode(&whole.parent_span_id), "00f067aa0ba902b7");
    assert_eq!((whole.name.as_str(), whole.kind), ("orders", 1));
    assert_eq!(whole.end_time_unix_nano - whole.start_time_unix_nano, 250_000_000);
    assert_eq!(whole.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(attributes(whole)["flow.outcome"], "failed");
    assert_eq!(attributes(whole)["error.type"], "Rejected");
    for (attempt, span) in [(1, first), (2, second)] {
        assert_eq!((&span.trace_id, &span.parent_span_id), (&whole.trace_id, &step.span_id));
        assert_eq!((span.name.as_str(), span.kind), ("payments.charges.create", 3));
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 125_000_000);
        let attributes = attributes(span);
        assert_eq!(
            (attributes["flow.step"].as_str(), &attributes["flow.attempt"]),
            ("charge[3]", &attempt.to_string())
        );
    }
    assert_eq!((&step.parent_span_id, step.name.as_str(), step.kind), (&whole.span_id, "charge[3]", 1));
    assert_eq!(step.end_time_unix_nano - step.start_time_unix_nano, 220_000_000);
    assert_eq!((attributes(step)["flow.operation"].as_str(), &step.status), ("charges.create", &None));
    assert_eq!((first.status.as_ref().unwrap().code, &second.status), (2, &None));
    assert!(first.span_id != second.span_id && !first.span_id.is_empty());
    // What the messages of failures say is nobody's business.
    assert!(!format!("{request:?}").contains("jenny"));
    let metrics =
        Metrics::new(Arc::default(), Some(spans.counts())).text(&BTreeMap::new(), &BTreeMap::new(), &[], Instant(0));
    for line in ["flow_spans_total{outcome=\"exported\"} 3\n", "flow_spans_total{outcome=\"dropped\"} 1\n"] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn a_collector_that_refuses_costs_spans_and_nothing_else() {
    let (url, received) = collector(&[400]).await;
    let spans =
        Spans::start(Collector::from_variables(&variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)])).unwrap().unwrap());
    let (run, place) = (run(), place());
    spans.attempted(&attempted(&run, &place, Trace::of(&run, None), 1, Ending::Abandoned));
    spans.flush().await;
    assert!(received.lock().unwrap().1.is_empty());
    let metrics =
        Metrics::new(Arc::default(), Some(spans.counts())).text(&BTreeMap::new(), &BTreeMap::new(), &[], Instant(0));
    assert!(metrics.contains("flow_spans_total{outcome=\"dropped\"} 1\n"), "{metrics}");
}

#[test]
fn what_the_variables_say_is_understood_or_named() {
    let read = |of: &[(&str, &str)]| Collector::from_variables(&variables(of));
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/");
    assert!(read(&[]).unwrap().is_none());
    assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
    assert!(read(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
    assert!(read(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]).unwrap().is_some());
    for (variable, text, told) in [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318", "is no URL: write `http://localhost:4318`"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "must be `http/protobuf`, which is what flowc speaks"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "does not read: write `name=value,name=value`"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "holds what can't be a header: write `name=value,name=value`"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "is a number of milliseconds, and not `10s`"),
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "does not know `jaeger_remote`: use `always_on`, `always_off` or `traceidratio`, each also with `parentbased_` \
             before it",
        ),
    ] {
        let error = read(&[endpoint, (variable, text)]).err().unwrap().to_string();
        assert_eq!(error, format!("the variable {variable} {told}"));
    }
}

#[tokio::test]
async fn a_part_of_the_traces_is_kept_and_what_others_have_decided_stands() {
    let run_with = |random| RunId::new(Instant(0), random);
    let known = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let spans = Spans::start(Collector::from_variables(&variables(&known)).unwrap().unwrap());
    let kept = (0..4000).filter(|random| spans.samples(&Trace::of(&run_with(*random), None)).unwrap()).count();
    assert!((900..1100).contains(&kept), "{kept}");
    let told = Trace { id: [0xff; 16], parent: Some([1; 8]), sampled: true };
    assert_eq!(spans.samples(&told), Some(true));
    assert_eq!(spans.samples(&Trace { id: [0; 16], sampled: false, ..told }), Some(false));
    assert_eq!(Unobserved.samples(&told), None);
}

#[test]
fn metrics_are_what_has_happened() {
    let metrics = Metrics::new(Arc::<Counters>::default(), None);
    let (run, place) = (run(), place());
    let trace = Trace::of(&run, None);
    let started = || Happening::AttemptStarted { place: place.clone(), attempt: 1 };
    let failure = || Failure::new(ErrorKind::Timeout, "canary");
    metrics.happened(&progress(Happening::RunStarted, trace, 0));
    metrics.happened(&progress(Happening::RunStarted, trace, 0));
    for outcome in [Ending::Ok, Ending::Failed(&ErrorKind::Timeout), Ending::Abandoned] {
        metrics.happened(&progress(started(), trace, 100));
        metrics.attempted(&attempted(&run, &place, trace, 1, outcome));
    }
    metrics.happened(&progress(started(), trace, 200));
    let letter = Record::DeadLettered {
        place: place.clone(),
        queue: "backlog".into(),
        value: Value::text("canary"),
        cause: None,
    };
    metrics.happened(&progress(Happening::Concluded(letter), trace, 240));
    let passed_over = Record::PassedOver { place: place.clone(), failure: failure() };
    metrics.happened(&progress(Happening::Concluded(passed_over), trace, 245));
    metrics.happened(&progress(ended(Outcome::Completed(Value::text("canary"))), trace, 250));
    metrics.happened(&progress(ended(Outcome::Failed { failure: failure(), place: None }), trace, 3000));
    let poll = |on: &str, held: Option<&str>| Polling {
        flow: "orders".into(),
        on: on.into(),
        fresh: Some(Instant(500)),
        held: held.map(|because| Held::new(because.into(), Instant(600), Instant(9000))),
        ..Polling::default()
    };
    let polls = [poll("crm.created", Some("canary")), poll("crm.changed", None)];
    let breakers = BTreeMap::from([("crm".into(), true)]);
    let text = metrics.text(&BTreeMap::from([(RunState::Waiting, 41)]), &breakers, &polls, Instant(3000));
    // The buckets say how long things took; all else is in the file, in the order of the alphabet.
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains("_bucket{")).collect();
    lines.sort_unstable();
    let shown = lines.join("\n").replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_eq!(shown, include_str!("metrics.txt").trim_end());
    assert!(!text.contains("canary") && !text.contains(run.as_str()), "{text}");
    for bucket in [
        "flow_run_duration_seconds_bucket{le=\"0.08\",flow=\"orders\"} 0",
        "flow_run_duration_seconds_bucket{le=\"0.32\",flow=\"orders\"} 1",
        "flow_run_duration_seconds_bucket{le=\"5.12\",flow=\"orders\"} 2",
    ] {
        assert!(text.contains(bucket), "{bucket} in {text}");
    }
}

#[test]
fn labels_that_are_too_many_are_counted_together() {
    let metrics = Metrics::new(Arc::<Counters>::default(), None);
    let (run, trace) = (run(), Trace::of(&run(), None));
    for number in 0..5000 {
        metrics.happened(&Progress {
            run: run.clone(),
            flow: format!("flow_{number}"),
            trace,
            at: Instant(0),
            what: Happening::RunStarted,
        });
    }
    let text = metrics.text(&BTreeMap::new(), &BTreeMap::new(), &[], Instant(0));
    assert!(text.contains("flow_runs_started_total{flow=\"other\"} 3000"));
    assert_eq!(text.lines().filter(|line| line.starts_with("flow_runs_started_total")).count(), 2001);
}
