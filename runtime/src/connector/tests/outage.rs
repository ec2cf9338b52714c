//! A system is away for a while: how many requests reach its server meanwhile, and how many when it is back?
//!
//! Real requests to a real server, which counts them; only the time is set. Nothing is said of breakers, so that the connection
//! has the usual one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, http::StatusCode};
use flow_model::{
    plan::{Backoff, Breaker, Policy, Retry},
    schema::Rate,
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, Semaphore, watch},
};

use super::{
    limits::{Scene, calling, seconds},
    world::World,
};
use crate::{
    engine::{Filter, RunState},
    timer::{Clock as _, hands::Hands},
};

/// How many runs want something of the system.
const RUNS: usize = 300;

/// A request as the server saw it come.
#[derive(Clone, Copy, Debug)]
struct Came {
    at: Instant,
    /// How many are with the server at the same time, this one among them.
    beside: usize,
    /// How many have had an answer before.
    answered: usize,
}

/// A server that is away, which it says at once; when it is back, each request stays until it is let go.
struct System {
    is_back: AtomicBool,
    let_go: Semaphore,
    came: Mutex<Vec<Came>>,
    /// How many requests are with it, and how many have had an answer.
    now: watch::Sender<(usize, usize)>,
}

impl System {
    fn new() -> Arc<Self> {
        let (let_go, now) = (Semaphore::new(0), watch::Sender::new((0, 0)));
        Arc::new(Self { is_back: AtomicBool::new(false), let_go, came: Mutex::default(), now })
    }

    async fn serves(self: &Arc<Self>, clock: Arc<Hands>) -> String {
        let system = Arc::clone(self);
        let router = Router::new().fallback(move || {
            let (system, clock) = (Arc::clone(&system), Arc::clone(&clock));
            async move { system.answer(&clock).await }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    async fn answer(&self, clock: &Hands) -> StatusCode {
        let is_back = self.is_back.load(Ordering::SeqCst);
        {
            let mut came = self.came.lock().await;
            self.now.send_modify(|(beside, _)| *beside += 1);
            let (beside, answered) = *self.now.borrow();
            came.push(Came { at: clock.now(), beside, answered });
        }
        if is_back {
            self.let_go.acquire().await.unwrap().forget();
        }
        self.now
            .send_modify(|(beside, answered)| (*beside, *answered) = (*beside - 1, *answered + usize::from(is_back)));
        if is_back { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

/// Waits until each run is over, waits for a later time, or stays with the server; gives the first of these times.
async fn settled(scene: &Scene, system: &System) -> Option<Instant> {
    let states = vec![RunState::Running, RunState::Waiting];
    loop {
        let filter = Filter { states: states.clone(), limit: RUNS, ..Filter::default() };
        let runs = scene.engine.runs(filter).await.unwrap();
        // While it is away it lets all go by itself.
        let stay = if system.is_back.load(Ordering::SeqCst) { system.now.borrow().0 } else { 0 };
        let now = scene.clock.now();
        let waits: Vec<_> = runs.iter().filter_map(|run| run.wake_at).filter(|at| *at > now).collect();
        if runs.len() == waits.len() + stay {
            return waits.into_iter().min();
        }
        tokio::task::yield_now().await;
    }
}

/// A scene of runs that begin together.
async fn scene(system: &Arc<System>, policy: Policy) -> Scene {
    let clock = Hands::at(seconds(0));
    let world = World::reading(&system.serves(Arc::clone(&clock)).await, Type::Null);
    let mut plan = calling(&world, "a", Value::Null, &policy);
    Arc::make_mut(&mut plan).graph.node_weights_mut().for_each(|node| {
        if let flow_model::plan::NodeKind::Step(step) = &mut node.kind {
            step.args.clear();
        }
    });
    let scene = Scene::with_clock(&world, &[plan], clock).await;
    for _ in 0..RUNS {
        scene.begin("a").await;
    }
    scene
}

async fn ended(scene: &Scene, state: RunState) -> usize {
    let filter = Filter { states: vec![state], limit: RUNS, ..Filter::default() };
    scene.engine.runs(filter).await.unwrap().len()
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_now_and_then_and_sees_those_who_waited_a_few_at_a_time() {
    let system = System::new();
    let scene = scene(&system, Policy::default()).await;
    let back = seconds(70);
    let mut next = settled(&scene, &system).await;
    while let Some(at) = next.filter(|at| *at < back) {
        scene.clock.set(at);
        next = settled(&scene, &system).await;
    }
    let Rate { count, .. } = Breaker::standard().opens_at;
    let away = system.came.lock().await.len();
    // As many as were under way when it opened, and one after half a minute.
    assert!(away <= 64 + count as usize + 1, "{away} requests of {RUNS} runs");
    assert_eq!(ended(&scene, RunState::Failed).await, 0);
    system.is_back.store(true, Ordering::SeqCst);
    scene.clock.set(back);
    // A call takes as long as it takes until all who may leave are there; then a second goes by.
    let mut most = Vec::new();
    while settled(&scene, &system).await.is_some() || system.now.borrow().0 > 0 {
        let with_it = system.now.borrow().0;
        most.push(with_it);
        system.let_go.add_permits(with_it);
        system.now.subscribe().wait_for(|(beside, _)| *beside == 0).await.unwrap();
        settled(&scene, &system).await;
        scene.clock.set(scene.clock.now().after(Millis::seconds(1)));
        assert!(most.len() < 600, "all have gone: {most:?}");
    }
    assert_eq!(ended(&scene, RunState::Completed).await, RUNS);
    let came = system.came.lock().await.split_off(away);
    assert_eq!(came.len(), RUNS, "nobody calls twice");
    for Came { at, beside, answered } in came {
        assert!(beside <= answered + 1, "{beside} at the same time after {answered} answers, at {at}");
    }
    let first = most.iter().position(|with_it| *with_it > 0).unwrap();
    assert_eq!(most[first], 1);
    // Where each comes within its half minute is a matter of chance: ten a second, far from fifty.
    assert!(most.iter().all(|with_it| *with_it <= RUNS / 6), "no second has seen more: {most:?}");
}

/// What the same runs do to a server whose connection does without.
#[tokio::test]
async fn without_a_breaker_each_run_calls_as_often_as_its_policy_says_and_fails() {
    let system = System::new();
    let retry = Some(Retry { backoff: Backoff::Fixed(Millis::seconds(1)), ..Retry::standard() });
    let policy = Policy { breaker: Some(Breaker::none()), retry, ..Policy::default() };
    let scene = scene(&system, policy).await;
    while let Some(at) = settled(&scene, &system).await {
        scene.clock.set(at);
    }
    assert_eq!(ended(&scene, RunState::Failed).await, RUNS);
    assert_eq!(system.came.lock().await.len(), RUNS * (Retry::standard().times as usize + 1));
}
