//! Requests for tokens: they count like others, and a server that refuses one is not asked by all who wait.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{http::StatusCode, response::IntoResponse as _};
use flow_model::{
    expr::{Ambient, Expr},
    failure::ErrorKind,
    plan::Policy,
    schema::{Auth, Body, Call, Carry, Effect, Grant, Limit, OperationCall, Session},
    ty::Type,
    units::Millis,
    value::Value,
};
use futures::future::join_all;
use indexmap::IndexMap;
use serde_json::json;

use super::{
    accounts::{Hand, Kept, answer, api, by_code, given, login, process, tokens, world},
    limits::{Scene, calling, rate, seconds},
    world::{Server, World, operation, post},
};
use crate::{
    connector::{Admission, Asking, Connectors, Performer as _, Reached, Terms},
    engine::RunState,
};

const ANSWERS: &[&str] = &["access-1", "access-2", "access-3"];

/// Refuses the first request for a token so, and gives out others.
async fn refusing(status: u16, retry_after: Option<&'static str>) -> Server {
    let count = AtomicUsize::new(0);
    Server::scripted(move |_| match (count.fetch_add(1, Ordering::SeqCst), retry_after) {
        (0, Some(after)) => (StatusCode::from_u16(status).unwrap(), [("retry-after", after)]).into_response(),
        (0, None) => StatusCode::from_u16(status).unwrap().into_response(),
        _ => given("access-1", "refresh-1"),
    })
    .await
}

fn at(process: Connectors, millis: i64) -> (Connectors, Arc<Hand>) {
    let clock = Arc::new(Hand(Mutex::new(millis)));
    (process.with_clock(clock.clone()), clock)
}

/// Calls that are made at once: the kind of each failure, and how long the server wants no other call.
async fn fifty(process: &Connectors, world: &World) -> Vec<Option<(ErrorKind, Option<Millis>)>> {
    let all = join_all((0..50).map(|_| process.perform(world.invocation(vec![])))).await;
    let failed = |attempt: crate::connector::Attempt| {
        let failure = attempt.outcome.err()?;
        assert_eq!(attempt.reached, Reached::Never);
        Some((failure.kind, attempt.retry_after))
    };
    all.into_iter().map(failed).collect()
}

#[tokio::test]
async fn a_server_that_refuses_a_request_for_a_token_is_asked_once_and_not_before_its_time() {
    let seven = Some(Millis::seconds(7));
    for (status, retry_after, kind, wait) in [
        (429, Some("7"), ErrorKind::RateLimited, seven),
        (429, None, ErrorKind::RateLimited, Some(Millis::seconds(3))),
        (503, Some("7"), ErrorKind::Unavailable, seven),
        (503, None, ErrorKind::Unavailable, None),
    ] {
        for grant in [Grant::ClientCredentials, by_code()] {
            let (api, login) = (api(ANSWERS).await, refusing(status, retry_after).await);
            let world = world(&api, &login.url, grant);
            let kept = Kept::with(json!({ "access": "old", "until": 1, "refresh": "refresh-0" }));
            let (process, clock) = at(process(&world, &kept), 1_000_000);
            assert_eq!(fifty(&process, &world).await, vec![Some((kind.clone(), wait)); 50], "{status} {retry_after:?}");
            assert_eq!(login.seen().len(), 1, "{status} {retry_after:?}");
            if let Some(Millis(wait)) = wait {
                *clock.0.lock().unwrap() += i64::try_from(wait).unwrap() - 1;
                assert_eq!(fifty(&process, &world).await, vec![Some((kind.clone(), Some(Millis(1)))); 50]);
                assert_eq!(login.seen().len(), 1, "it wants none yet");
                *clock.0.lock().unwrap() += 1;
            }
            assert_eq!(fifty(&process, &world).await, vec![None; 50]);
            assert_eq!((login.seen().len(), api.seen().len()), (2, 50), "{status} {retry_after:?}");
        }
    }
}

#[tokio::test]
async fn a_login_that_is_refused_for_their_number_is_not_tried_by_all_who_wait() {
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let server = Server::scripted(move |seen| {
        let refuses = seen.uri == "/login" && counted.fetch_add(1, Ordering::SeqCst) == 0;
        let refused = || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response();
        if refuses { refused() } else { answer(200, &json!({ "session": "s-1" })) }
    })
    .await;
    let mut world = World::reading(&server.url, Type::Json);
    let call = Call::Http(Box::new(post("/login", Body::None)));
    world.connector.operations.insert("login".into(), operation(IndexMap::new(), Type::Json, Effect::Create, call));
    let token = Expr::Member { of: Box::new(Expr::Ambient(Ambient::Item)), name: "session".into(), null_safe: true };
    world.http().auth = Auth::Session(Box::new(Session {
        login: OperationCall { operation: "login".into(), args: Vec::new() },
        token,
        carry: Carry { header: "X-Session".into(), prefix: String::new(), into: None },
        lasts: None,
    }));
    let (process, clock) = at(world.connectors(), 1_000_000);
    let refused = Some((ErrorKind::RateLimited, Some(Millis::seconds(7))));
    assert_eq!(fifty(&process, &world).await, vec![refused; 50]);
    assert_eq!(logins.load(Ordering::SeqCst), 1);
    *clock.0.lock().unwrap() += 7000;
    assert_eq!(fifty(&process, &world).await, vec![None; 50]);
    assert_eq!(logins.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_run_waits_as_long_as_the_server_that_gives_out_tokens_asks() {
    let (api, login) = (api(ANSWERS).await, refusing(429, Some("7")).await);
    let world = world(&api, &login.url, Grant::ClientCredentials);
    let scene = Scene::of(&world, &[calling(&world, "a", Value::Null, &Policy::default())]).await;
    let run = scene.begin("a").await;
    assert_eq!(scene.waits(&run, seconds(7)).await.state, RunState::Waiting);
    let other = scene.begin("a").await;
    scene.clock.set(seconds(6));
    assert_eq!((login.seen().len(), api.seen().len()), (1, 0));
    scene.clock.set(seconds(7));
    scene.completed(&run).await;
    scene.completed(&other).await;
    assert_eq!(login.seen().len(), 2);
}

/// Three requests in ten seconds; the first two calls need four: two of them for tokens, since the first is not taken.
#[tokio::test]
async fn requests_for_tokens_count_against_the_limit_of_their_connection() {
    let (api, login) = (api(&["access-2"]).await, login().await);
    let mut world = world(&api, &login.url, Grant::ClientCredentials);
    world.http().limits = vec![Limit::Moving(rate(3, 10)), Limit::Concurrent(1)];
    let scene = Scene::of(&world, &[calling(&world, "a", Value::Null, &patient())]).await;
    let made = || login.seen().len() + api.seen().len();
    let first = scene.begin("a").await;
    // A token, the call, and another token when it was refused: there is no room for the call again.
    scene.clock.slept_until(seconds(10)).await;
    assert_eq!((made(), tokens(&api.seen())), (3, vec!["access-1"]));
    scene.clock.set(seconds(10));
    scene.completed(&first).await;
    let others = [scene.begin("a").await, scene.begin("a").await];
    for other in &others {
        scene.completed(other).await;
    }
    assert_eq!((made(), login.seen().len()), (6, 2), "the token that works is used");
    let last = scene.begin("a").await;
    assert_eq!(scene.waits(&last, seconds(20)).await.state, RunState::Waiting);
    assert_eq!(made(), 6);
}

#[tokio::test]
async fn a_call_whose_token_has_used_up_the_limit_fails_when_its_turn_comes_after_its_time() {
    let (api, login) = (api(ANSWERS).await, login().await);
    let mut world = world(&api, &login.url, Grant::ClientCredentials);
    world.http().limits = vec![Limit::Moving(rate(1, 3600))];
    let (process, _) = at(world.connectors(), 1_000_000);
    let invocation = world.invocation(vec![]);
    let asking = Asking { invocation: &invocation, ticket: "a", attempt: 1, terms: Terms::default() };
    assert!(matches!(process.admit(&asking), Admission::Now(_)));
    let attempt = process.perform(invocation.clone()).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind, attempt.reached), (ErrorKind::RateLimited, Reached::Never));
    assert_eq!(attempt.retry_after, Some(Millis::seconds(3600)));
    assert_eq!(
        failure.message,
        "a new token was asked for, and the limit of `sales` is used up: the call may leave in 1h, and has to end within 20s"
    );
    assert_eq!((login.seen().len(), api.seen().len()), (1, 0));
}

fn patient() -> Policy {
    Policy { timeout: Some(Millis::seconds(60)), ..Policy::default() }
}
