//! Limits of a connection as runs feel them: the engine, its journal, a server over HTTP; only the time is set.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, http::StatusCode, response::IntoResponse as _};
use flow_model::{
    expr::Expr,
    failure::ErrorKind,
    plan::{Backoff, Breaker, Edge, Node, NodeKind, Plan, Policy, Retry, Step},
    schema::{Call, Effect, Limit, Rate},
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use super::world::{CANARY, Known, Server, World, fields, get, operation, slot, text};
use crate::{
    connector::{
        Admission, Admitted, Asking, Attempt, Connectors, Invocation, Parked, Performer as _, Reached, Terms, Waiting,
    },
    engine::{Engine, RunId, RunState, RunSummary, Settings, Submission},
    eval::Library,
    timer::{Clock as _, hands::Hands},
};

/// 2023-11-14T22:13:20Z
pub(super) const NOW: Instant = Instant(1_700_000_000_000);
const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

/// After NOW.
pub(super) fn seconds(seconds: u64) -> Instant {
    NOW.after(Millis::seconds(seconds))
}

pub(super) fn rate(count: u32, seconds: u64) -> Rate {
    Rate { count, period: Millis::seconds(seconds) }
}

/// Another attempt at once, whatever the failure.
fn eager() -> Policy {
    let on = vec![ErrorKind::Unavailable, ErrorKind::RateLimited];
    let retry = Some(Retry { on, times: 2, backoff: Backoff::Fixed(Millis(0)), budget: None });
    Policy { retry, ..Policy::default() }
}

/// A flow that calls `sales.op(cost)` under a policy.
fn flow(world: &World, name: &str, cost: i64, policy: &Policy) -> Arc<Plan> {
    calling(world, name, Value::Int(cost), policy)
}

/// A flow that calls `sales.op(arg)` under a policy.
pub(super) fn calling(world: &World, name: &str, arg: Value, policy: &Policy) -> Arc<Plan> {
    let mut plan = Plan { flow: name.to_owned(), ..world.plan() };
    let step = Step {
        slot: None,
        connection: "sales".into(),
        operation: "op".into(),
        result: None,
        args: vec![Expr::Literal(arg)],
        key: None,
        policy: policy.clone(),
    };
    let step = plan.graph.add_node(Node { path: "ask".into(), kind: NodeKind::Step(Box::new(step)) });
    let end = plan.graph.add_node(Node { path: "return#1".into(), kind: NodeKind::Return(text("done")) });
    plan.graph.add_edge(step, end, Edge::Next);
    plan.entry = Some(step);
    plan.result = Type::String;
    Arc::new(plan)
}

/// A connector whose operation costs what it is told.
fn weighted(base: &str, limits: Vec<Limit>) -> World {
    let mut world = World::at(base);
    world.http().limits = limits;
    let call = Call::Http(Box::new(get(text("/thing"))));
    let operation = operation(fields([("cost", Type::Int)]), Type::Null, Effect::Read, call);
    world.declare(flow_model::schema::Operation { cost: Some(slot(0)), ..operation });
    world
}

/// An engine that calls over HTTP, with a clock of its own.
pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) clock: Arc<Hands>,
    _folder: TempDir,
}

impl Scene {
    pub(super) async fn of(world: &World, plans: &[Arc<Plan>]) -> Self {
        Self::with_clock(world, plans, Hands::at(NOW)).await
    }

    pub(super) async fn with_clock(world: &World, plans: &[Arc<Plan>], clock: Arc<Hands>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connectors = world.connectors().with_clock(clock.clone());
        let env = Arc::new(std::collections::BTreeMap::new());
        let settings = Settings::new(folder.path(), Library::default(), env, Arc::new(connectors));
        let engine = Engine::open(Settings { clock: clock.clone(), ..settings }).unwrap();
        for plan in plans {
            engine.deploy(Arc::clone(plan)).await.unwrap();
        }
        engine.resume().await.unwrap();
        Self { engine, clock, _folder: folder }
    }

    pub(super) async fn begin(&self, flow: &str) -> RunId {
        self.engine.submit(Submission::with_params(flow, Value::record([]))).await.unwrap().run
    }

    pub(super) async fn completed(&self, run: &RunId) {
        let summary = self.engine.outcome(run).await.unwrap();
        assert_eq!((summary.state, summary.reason), (RunState::Completed, None));
    }

    /// How a run stands that waits until a time, on disk.
    pub(super) async fn waits(&self, run: &RunId, until: Instant) -> RunSummary {
        self.clock.slept_until(until).await;
        self.engine.run(run).await.unwrap().unwrap().summary
    }
}

#[tokio::test]
async fn a_limit_is_shared_by_the_runs_of_all_flows_and_weighted() {
    let server = Server::json("null").await;
    let world = weighted(&server.url, vec![Limit::Moving(rate(4, 10))]);
    let plans = [flow(&world, "large", 3, &Policy::default()), flow(&world, "small", 1, &Policy::default())];
    let scene = Scene::of(&world, &plans).await;
    let mut runs = Vec::new();
    for name in ["large", "small", "large", "small", "large"] {
        let run = scene.begin(name).await;
        if runs.len() < 2 {
            scene.completed(&run).await;
        }
        runs.push(run);
    }
    let third = scene.waits(&runs[2], seconds(10)).await;
    assert_eq!(third.state, RunState::Waiting);
    assert!(third.reason.unwrap().contains("the limit of `sales` is used up"));
    assert_eq!(server.seen().len(), 2);
    scene.clock.set(seconds(10));
    scene.completed(&runs[2]).await;
    scene.completed(&runs[3]).await;
    scene.waits(&runs[4], seconds(20)).await;
    assert_eq!(server.seen().len(), 4);
    scene.clock.set(seconds(20));
    scene.completed(&runs[4]).await;
}

#[tokio::test]
async fn a_request_that_leaves_later_than_it_was_let_through_is_counted_when_it_leaves() {
    let (clock, came) = (Hands::at(NOW), Arc::new(Mutex::new(Vec::new())));
    let (time, all) = (clock.clone(), Arc::clone(&came));
    let server = Server::scripted(move |_| {
        all.lock().unwrap().push(time.now().since(NOW).0 / 1000);
        ().into_response()
    })
    .await;
    let world = weighted(&server.url, vec![Limit::Moving(rate(4, 10))]);
    let (connectors, terms) = (world.connectors().with_clock(clock.clone()), Terms::default());
    let call = |ticket: &str| {
        let admitted = Some(Admitted { ticket: ticket.to_owned(), attempt: 1, terms, account: None });
        Invocation { admitted, ..world.invocation(vec![Value::Int(2)]) }
    };
    let admit = |ticket| {
        let invocation = &call(ticket);
        match connectors.admit(&Asking { invocation, ticket, attempt: 1, terms }) {
            Admission::Now(_) => 0,
            Admission::At { at, .. } => at.since(NOW).0 / 1000,
            Admission::Later(_) => panic!("as many as like are under way"),
        }
    };
    assert_eq!(["a", "b", "c", "d"].map(admit), [0, 0, 10, 10]);
    // They wait for something else before they leave.
    clock.set(seconds(8));
    for ticket in ["a", "b"] {
        assert!(connectors.perform(call(ticket)).await.outcome.is_ok());
    }
    clock.set(seconds(10));
    for ticket in ["c", "d"] {
        assert_eq!(admit(ticket), 0, "it was promised that");
        let Attempt { outcome, reached, parked, .. } = connectors.perform(call(ticket)).await;
        assert_eq!((outcome.unwrap_err().kind, reached), (ErrorKind::RateLimited, Reached::Never));
        let because = "the limit of `sales` is used up".to_owned();
        assert_eq!(parked, Some(Parked { because, again: Millis::seconds(8), waits: Waiting::Turn }));
    }
    clock.set(seconds(18));
    for ticket in ["c", "d"] {
        assert_eq!(admit(ticket), 0);
        assert!(connectors.perform(call(ticket)).await.outcome.is_ok());
    }
    assert_eq!(*came.lock().unwrap(), [8, 8, 18, 18]);
}

#[tokio::test]
async fn what_a_server_says_of_its_limit_holds_for_all_runs() {
    let server = Server::saying(200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")], "").await;
    let world = weighted(&server.url, Vec::new());
    let plans = [flow(&world, "a", 1, &Policy::default()), flow(&world, "b", 1, &Policy::default())];
    let scene = Scene::of(&world, &plans).await;
    let first = scene.begin("a").await;
    scene.completed(&first).await;
    let second = scene.begin("b").await;
    let told = scene.waits(&second, seconds(30)).await;
    assert!(told.reason.unwrap().contains("`sales` asks to wait"));
    assert_eq!(server.seen().len(), 1);
    scene.clock.set(seconds(30));
    scene.completed(&second).await;
}

#[tokio::test]
async fn retry_after_in_each_form_is_waited_for_by_the_run_that_was_told_and_at_429_by_all() {
    for (status, told, wait) in [
        (503, "7", 7),
        (429, "7", 7),
        (429, "Tue, 14 Nov 2023 22:13:27 GMT", 7),
        (503, "2023-11-14T22:13:27Z", 7),
        (429, "1700000007", 7),
        (503, "7200", 7200),
        (503, "86400", 86_400),
    ] {
        let is_first = AtomicBool::new(true);
        let server = Server::scripted(move |_| {
            if !is_first.swap(false, Ordering::SeqCst) {
                return ().into_response();
            }
            (StatusCode::from_u16(status).unwrap(), [("retry-after", told), ("date", DATE)]).into_response()
        })
        .await;
        let world = weighted(&server.url, Vec::new());
        let scene = Scene::of(&world, &[flow(&world, "a", 1, &eager())]).await;
        let first = scene.begin("a").await;
        let at = seconds(wait);
        assert_eq!(scene.waits(&first, at).await.state, RunState::Waiting, "{told}");
        let second = scene.begin("a").await;
        if status == 503 {
            scene.completed(&second).await;
        }
        assert_eq!(server.seen().len(), if status == 503 { 2 } else { 1 }, "{status} {told}");
        scene.clock.set(Instant(at.0 - 1));
        scene.clock.set(at);
        scene.completed(&first).await;
        scene.completed(&second).await;
    }
}

#[tokio::test]
async fn a_call_that_a_server_wants_in_ten_years_is_not_made_tomorrow_and_holds_others_up_for_a_day_alone() {
    let is_first = AtomicBool::new(true);
    let server = Server::scripted(move |_| match is_first.swap(false, Ordering::SeqCst) {
        true => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "315360000"), ("date", DATE)]).into_response(),
        false => ().into_response(),
    })
    .await;
    let world = weighted(&server.url, Vec::new());
    let scene = Scene::of(&world, &[flow(&world, "a", 1, &eager())]).await;
    let told = scene.begin("a").await;
    assert_eq!(scene.engine.outcome(&told).await.unwrap().state, RunState::Failed);
    let other = scene.begin("a").await;
    assert_eq!(scene.waits(&other, seconds(86_400)).await.state, RunState::Waiting);
    assert_eq!(server.seen().len(), 1);
    scene.clock.set(seconds(86_400));
    scene.completed(&other).await;
}

#[tokio::test]
async fn a_breaker_parks_runs_until_one_call_has_worked_and_fails_none() {
    let works = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&works);
    let server = Server::scripted(move |_| match says.load(Ordering::SeqCst) {
        true => ().into_response(),
        false => StatusCode::BAD_GATEWAY.into_response(),
    })
    .await;
    let world = weighted(&server.url, Vec::new());
    let breaker = Some(Breaker { opens_at: rate(2, 60), half_open_after: Millis::seconds(30) });
    let once = Policy { breaker, retry: Some(Retry::none()), ..Policy::default() };
    let scene = Scene::of(&world, &[flow(&world, "a", 1, &once)]).await;
    for _ in 0..2 {
        let failed = scene.begin("a").await;
        assert_eq!(scene.engine.outcome(&failed).await.unwrap().state, RunState::Failed);
    }
    let mut parked = Vec::new();
    for _ in 0..20 {
        parked.push(scene.begin("a").await);
    }
    let told = scene.waits(&parked[0], seconds(30)).await;
    assert!(told.reason.unwrap().contains("`sales` gave no answer 2 times in a row within 1m: its breaker is open"));
    works.store(true, Ordering::SeqCst);
    scene.clock.set(Instant(seconds(30).0 - 1));
    assert_eq!(server.seen().len(), 2, "nothing leaves while it is open");
    scene.clock.set(seconds(30));
    scene.completed(&parked[0]).await;
    scene.clock.set(seconds(60));
    for run in &parked {
        scene.completed(run).await;
    }
    assert_eq!(server.seen().len(), 22);
}

#[tokio::test]
async fn a_budget_of_retries_is_shared_by_all_runs() {
    let fails = AtomicBool::new(true);
    let server = Server::scripted(move |_| match fails.fetch_xor(true, Ordering::SeqCst) {
        true => StatusCode::BAD_GATEWAY.into_response(),
        false => ().into_response(),
    })
    .await;
    let world = weighted(&server.url, Vec::new());
    let scarce = Policy { budget: Some(rate(1, 60)), ..eager() };
    let scene = Scene::of(&world, &[flow(&world, "a", 1, &scarce), flow(&world, "b", 1, &scarce)]).await;
    let first = scene.begin("a").await;
    scene.completed(&first).await;
    let second = scene.begin("b").await;
    let told = scene.waits(&second, seconds(60)).await;
    assert!(told.reason.unwrap().contains("`sales`"));
    assert_eq!(server.seen().len(), 3, "one retry in a minute");
    scene.clock.set(seconds(60));
    scene.completed(&second).await;
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn so_many_calls_of_a_connection_are_under_way_and_those_of_others_go_on() {
    let (arrived, most) = (watch::Sender::new(0usize), Arc::new(Mutex::new((0usize, 0usize))));
    let leave = Arc::new(Semaphore::new(0));
    let (count, under, gate) = (arrived.clone(), Arc::clone(&most), Arc::clone(&leave));
    let router = Router::new().fallback(move || {
        let (count, under, gate) = (count.clone(), Arc::clone(&under), Arc::clone(&gate));
        async move {
            {
                let mut under = under.lock().unwrap();
                under.0 += 1;
                under.1 = under.1.max(under.0);
            }
            count.send_modify(|count| *count += 1);
            gate.acquire().await.unwrap().forget();
            under.lock().unwrap().0 -= 1;
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = weighted(&format!("http://{}", listener.local_addr().unwrap()), vec![Limit::Concurrent(2)]);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let quick = Server::json("null").await;
    let mut other = flow(&weighted(&quick.url, Vec::new()), "other", 1, &Policy::default()).as_ref().clone();
    // A connection of its own.
    let connection = other.connections.remove("sales").unwrap();
    other.connections.insert("support".into(), connection);
    for node in other.graph.node_weights_mut() {
        if let NodeKind::Step(step) = &mut node.kind {
            step.connection = "support".into();
        }
    }
    let scene = Scene::of(&slow, &[flow(&slow, "slow", 1, &Policy::default()), Arc::new(other)]).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(scene.begin("slow").await);
    }
    arrived.subscribe().wait_for(|count| *count == 2).await.unwrap();
    // Whole calls of another connection come and go meanwhile.
    for _ in 0..5 {
        let other = scene.begin("other").await;
        scene.completed(&other).await;
    }
    leave.add_permits(5);
    for run in &runs {
        scene.completed(run).await;
    }
    assert_eq!((*arrived.borrow(), most.lock().unwrap().1), (5, 2));
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_waits_gives_its_place_to_the_next() {
    let server = Server::json("null").await;
    let world = weighted(&server.url, vec![Limit::Moving(rate(1, 10))]);
    let scene = Scene::of(&world, &[flow(&world, "a", 1, &Policy::default())]).await;
    let first = scene.begin("a").await;
    scene.completed(&first).await;
    let (second, third) = (scene.begin("a").await, scene.begin("a").await);
    scene.waits(&second, seconds(10)).await;
    scene.engine.cancel(&second, "nobody needs it").await.unwrap();
    assert_eq!(scene.engine.outcome(&second).await.unwrap().state, RunState::Cancelled);
    let fourth = scene.begin("a").await;
    scene.clock.set(seconds(10));
    scene.completed(&fourth).await;
    scene.clock.set(seconds(20));
    scene.completed(&third).await;
    assert_eq!(server.seen().len(), 3);
}

/// Counts how often a variable is read.
#[derive(Default)]
struct Counted(std::sync::atomic::AtomicUsize);

impl crate::eval::Environment for Counted {
    fn get(&self, _: &str) -> Option<String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Some("eu".to_owned())
    }
}

/// Its settings are evaluated once to find its account, and once to carry it out.
#[tokio::test]
async fn the_account_of_a_call_is_found_once() {
    let server = Server::json("null").await;
    let mut world = weighted(&server.url, vec![Limit::Moving(rate(4, 10))]);
    world.connector.config.insert("region".into(), flow_model::ty::Field::of(Type::String));
    world.config.insert("region".into(), Expr::Env("REGION".into(), None));
    let env = Arc::new(Counted::default());
    let secrets = Arc::new(Known([("crm/token", CANARY)].into()));
    let connectors = Connectors::new(Library::new(&[]), Arc::clone(&env) as _, secrets, world.native.clone())
        .with_guard(world.guard.clone());
    let (invocation, terms) = (world.invocation(vec![Value::Int(1)]), Terms::default());
    let Admission::Now(pass) = connectors.admit(&Asking { invocation: &invocation, ticket: "a", attempt: 1, terms })
    else {
        panic!("there is room")
    };
    let admitted = Some(Admitted { ticket: "a".into(), attempt: 1, terms, account: pass.account() });
    assert!(connectors.perform(Invocation { admitted, ..invocation }).await.outcome.is_ok());
    assert_eq!((server.seen().len(), env.0.load(Ordering::SeqCst)), (1, 2));
}
