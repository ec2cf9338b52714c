//! Whether the server is there, takes work, and what it has counted; and the trace that a request brings along.

use std::sync::Mutex;

use flow_model::{
    expr::Expr,
    plan::{NodeKind, TriggerKind},
    ty::Type,
    units::Millis,
    value::Value,
};
use serde_json::json;

use super::{
    super::probe::{Probe, Probes},
    *,
};
use crate::{
    engine::{Happening, Progress},
    machine::Record,
    observe::{Observer, Trace},
};
use plans::{http, plan, text, trigger};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn leads(nodes: Vec<NodeKind>) -> Arc<Plan> {
    Arc::new(plan("leads", vec![http("POST", "/leads", None)], nodes))
}

#[tokio::test]
async fn a_server_says_that_it_is_there_and_what_it_has_counted() {
    let (_folder, _, served) = fresh(vec![leads(vec![NodeKind::Return(text("x"))])]).await;
    let get = |path: &str| served.http.get(format!("http://{}{path}", served.address));
    assert_eq!(sent(get("/healthz")).await, (StatusCode::OK, json!({ "status": "ok" })));
    assert_eq!(sent(get("/readyz")).await, (StatusCode::OK, json!({ "status": "ok" })));
    assert_eq!(sent(served.post("/leads", "{}")).await.0, StatusCode::ACCEPTED);
    assert_eq!(sent(served.post("/nowhere", "{}")).await.0, StatusCode::NOT_FOUND);
    let answer = get("/metrics").send().await.unwrap();
    let form = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(form, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let metrics = answer.text().await.unwrap();
    for line in [
        "flow_deliveries_total{outcome=\"accepted\"} 1\n",
        "flow_deliveries_total{outcome=\"faulty\"} 1\n",
        "flow_runs{state=\"needs_decision\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(sent(served.post("/metrics", "{}")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_is_ready_when_its_runs_are_taken_up_and_until_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let engine = Arc::new(Engine::open(World::new(&clock).engine(folder.path())).unwrap());
    let (stop, stopping) = watch::channel(false);
    let probes = Probes::new(Arc::clone(&engine), clock, None, stopping);
    let status = async |probe| probes.answer(probe).await.unwrap().status();
    assert_eq!(status(Probe::Ready).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(Probe::Health).await, StatusCode::OK);
    engine.resume().await.unwrap();
    assert_eq!(status(Probe::Ready).await, StatusCode::OK);
    stop.send(true).unwrap();
    assert_eq!(status(Probe::Ready).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(Probe::Health).await, StatusCode::OK);
    // Without metrics, nothing is shown under their path.
    assert!(probes.answer(Probe::Metrics).await.is_err());
}

/// Keeps every trace, and what it hears.
#[derive(Default)]
struct Ears(Mutex<Vec<Progress>>);

impl Observer for Ears {
    fn happened(&self, progress: &Progress) {
        self.0.lock().unwrap().push(progress.clone());
    }

    fn samples(&self, trace: &Trace) -> Option<bool> {
        Some(trace.sampled)
    }
}

impl Ears {
    fn heard(&self) -> Vec<(Trace, Happening)> {
        self.0.lock().unwrap().iter().map(|progress| (progress.trace, progress.what.clone())).collect()
    }
}

#[tokio::test]
async fn a_run_continues_the_trace_of_its_request_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let day = NodeKind::Sleep(Expr::Literal(Value::Duration(Millis::seconds(86_400))));
    let plans = || vec![leads(vec![day.clone(), NodeKind::Return(text("x"))])];
    let start = async |ears: &Arc<Ears>| {
        let world = World::new(&clock);
        let settings = engine::Settings { observer: ears.clone(), ..world.engine(folder.path()) };
        world.serve(Engine::open(settings).unwrap(), plans(), Limits::default()).await
    };
    let ears = Arc::new(Ears::default());
    let served = start(&ears).await;
    let (status, body) = sent(served.post("/leads", "{}").header("traceparent", TRACE)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let run: crate::engine::RunId = body["run"].as_str().unwrap().parse().unwrap();
    let (own, _) = sent(served.post("/leads", "{}").header("traceparent", "nonsense")).await;
    assert_eq!(own, StatusCode::ACCEPTED);
    served.stop().await.unwrap();
    let started = |ears: &Ears| -> Vec<Trace> {
        let heard = ears.heard().into_iter();
        heard.filter(|(_, what)| *what == Happening::RunStarted).map(|(trace, _)| trace).collect()
    };
    let [told, own] = started(&ears)[..] else { panic!("{:?}", ears.heard()) };
    assert_eq!((told.to_string().as_str(), own.parent), (TRACE, None));
    assert_ne!(own.id, told.id);

    let ears = Arc::new(Ears::default());
    let served = start(&ears).await;
    clock.set(Instant(NOW.0 + 86_400_001));
    served.engine.outcome(&run).await.unwrap();
    let heard = ears.heard();
    let ended = |trace: Trace| {
        heard.iter().filter(|(of, what)| *of == trace && matches!(what, Happening::Concluded(Record::Ended(_)))).count()
    };
    assert_eq!(ended(told), 1, "{heard:?}");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn the_runs_that_a_run_calls_or_starts_by_an_event_belong_under_it_in_its_trace() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let below = plan("below", vec![], vec![NodeKind::Return(text("x"))]);
    let events = vec!["paid".to_owned()];
    let told = trigger(TriggerKind::Event { events, pattern: None }, Type::Json);
    let listens = plan("listens", vec![told], vec![NodeKind::Return(text("x"))]);
    let calls = NodeKind::Run { slot: None, flow: "below".to_owned(), digest: below.digest(), params: Vec::new() };
    let emits = NodeKind::Emit { event: "paid".to_owned(), value: text("x") };
    let plans = vec![leads(vec![calls, emits, NodeKind::Return(text("x"))]), Arc::new(below), Arc::new(listens)];
    let ears = Arc::new(Ears::default());
    let world = World::new(&clock);
    let settings = engine::Settings { observer: ears.clone(), ..world.engine(folder.path()) };
    let served = world.serve(Engine::open(settings).unwrap(), plans, Limits::default()).await;
    let (_, body) = sent(served.post("/leads", "{}").header("traceparent", TRACE)).await;
    let run: crate::engine::RunId = body["run"].as_str().unwrap().parse().unwrap();
    served.engine.outcome(&run).await.unwrap();
    for other in served.engine.runs(Filter::default()).await.unwrap() {
        served.engine.outcome(&other.id).await.unwrap();
    }
    let under = Trace::read(TRACE).unwrap().under(Trace::run(&run));
    let heard = ears.0.lock().unwrap().clone();
    for flow in ["below", "listens"] {
        let began = heard.iter().find(|heard| heard.flow == flow && heard.what == Happening::RunStarted);
        assert_eq!(began.map(|began| began.trace), Some(under), "{flow}");
    }
    served.stop().await.unwrap();
}
