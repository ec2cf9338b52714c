//! Many inputs in one call: in requests of so many, with a key and an outcome for each, and each within the limits.

use std::sync::atomic::{AtomicUsize, Ordering};

use flow_model::{
    expr::{Ambient, Expr},
    failure::ErrorKind,
    plan::{Policy, Retry},
    schema::{Body, Bulk, Call, Effect, KeySource, Limit, Operation},
    ty::Type,
    units::Millis,
    value::Value,
};
use serde_json::{Value as Json, json};

use super::{
    accounts::answer,
    limits::{Scene, calling, rate, seconds},
    world::{Server, World, fields, member, operation, post, record, slot},
};
use crate::{connector::Reached, engine::RunState};

fn inputs(count: i64) -> Value {
    Value::List((1..=count).map(Value::Int).collect())
}

/// Answers each input with ten times itself, and each third one with an error.
async fn system() -> Server {
    Server::scripted(|seen| {
        let body: Json = serde_json::from_str(&seen.body).unwrap();
        let outcome = |input: &Json| match input.as_i64().unwrap() {
            third if third % 3 == 0 => json!({ "error": format!("no {third}") }),
            other => json!({ "data": other * 10 }),
        };
        let results: Vec<Json> = body["inputs"].as_array().unwrap().iter().map(outcome).collect();
        answer(200, &json!({ "results": results }))
    })
    .await
}

/// A connector whose operation takes two inputs in one request.
fn world(base: &str, limits: Vec<Limit>) -> World {
    let item = |name: &str| member(Ambient::Item, name);
    let list = |ty: Type| Type::List(Box::new(ty));
    let failed = Type::Record(fields([("item", Type::Int), ("error", Type::String)]));
    let result = Type::Record(fields([("ok", list(Type::Int)), ("failed", list(failed))]));
    let call = Call::Http(Box::new(post("/batch", Body::Json(record([("inputs", slot(0))])))));
    let each = member(Ambient::Body, "results");
    let (value, error) = (Some(item("data")), Some(null_safe("error")));
    let mut world = World::at(base);
    world.http().limits = limits;
    world.declare(Operation {
        key: Some(KeySource::Header("Idempotency-Key".into())),
        bulk: Some(Bulk { param: 0, most: 2, each, of: None, value, error }),
        ..operation(fields([("inputs", list(Type::Int))]), result, Effect::Create, call)
    });
    world
}

fn null_safe(name: &str) -> Expr {
    Expr::Member { of: Box::new(Expr::Ambient(Ambient::Item)), name: name.into(), null_safe: true }
}

/// The inputs and the key of each request.
fn sent(server: &Server) -> Vec<(String, String)> {
    server.seen().iter().map(|seen| (seen.body.clone(), seen.header("idempotency-key").unwrap().to_owned())).collect()
}

#[tokio::test]
async fn each_input_has_an_outcome_and_each_request_a_key_that_stays() {
    let server = system().await;
    let world = world(&server.url, Vec::new());
    let outcome = world.call(vec![inputs(5)]).await.outcome.unwrap();
    let ok = Value::List([10, 20, 40, 50].map(Value::Int).to_vec());
    let failed = Value::record([("item", Value::Int(3)), ("error", Value::text("no 3"))]);
    assert_eq!(outcome, Value::record([("ok", ok), ("failed", Value::List(vec![failed]))]));
    let expected =
        [(r#"{"inputs":[1,2]}"#, "key-1-0"), (r#"{"inputs":[3,4]}"#, "key-1-1"), (r#"{"inputs":[5]}"#, "key-1-2")];
    let expected = expected.map(|(body, key)| (body.to_owned(), key.to_owned()));
    assert_eq!(sent(&server), expected);
    // Another attempt sends the same, and what fits into one request has the key of the call.
    assert!(world.call(vec![inputs(5)]).await.outcome.is_ok());
    assert_eq!(sent(&server)[3..], expected);
    assert!(world.call(vec![inputs(2)]).await.outcome.is_ok());
    assert_eq!(sent(&server)[6].1, "key-1");
    let none = Value::record([("ok", Value::List(vec![])), ("failed", Value::List(vec![]))]);
    assert_eq!(world.call(vec![inputs(0)]).await.outcome, Ok(none));
    assert_eq!(server.seen().len(), 7, "no inputs, no request");
}

#[tokio::test]
async fn a_request_that_fails_fails_the_call_and_answers_that_do_not_fit_are_no_outcomes() {
    let second_fails = AtomicUsize::new(0);
    let server = Server::scripted(move |_| match second_fails.fetch_add(1, Ordering::SeqCst) {
        1 => answer(503, &json!({})),
        _ => answer(200, &json!({ "results": [{ "data": 1 }, { "data": 2 }] })),
    })
    .await;
    let attempt = world(&server.url, Vec::new()).call(vec![inputs(6)]).await;
    assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(server.seen().len(), 2, "what comes after it is not sent");
    let attempt = world(&server.url, Vec::new()).call(vec![inputs(1)]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind, attempt.reached), (ErrorKind::Mismatch, Reached::Answered));
    assert!(failure.message.ends_with("it has 2 outcomes for 1 inputs"), "{}", failure.message);

    let mut unsafe_one = world(&server.url, Vec::new());
    unsafe_one.connector.operations.get_mut("op").unwrap().key = None;
    let attempt = unsafe_one.call(vec![inputs(3)]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind, attempt.reached), (ErrorKind::Invalid, Reached::Never));
    assert!(failure.message.contains("split them with `.chunks(2)`"), "{}", failure.message);
}

#[tokio::test]
async fn each_request_counts_against_the_limits_of_its_connection() {
    let server = system().await;
    let world = world(&server.url, vec![Limit::Moving(rate(2, 10)), Limit::Concurrent(1)]);
    let patient = Policy { timeout: Some(Millis::seconds(60)), ..Policy::default() };
    let plans = [
        calling(&world, "five", inputs(5), &patient),
        calling(&world, "ten", inputs(10), &patient),
        calling(&world, "one", inputs(1), &patient),
    ];
    let scene = Scene::of(&world, &plans).await;
    // Five requests: two at once, and two more in each period.
    let run = scene.begin("ten").await;
    for (at, count) in [(10, 2), (20, 4)] {
        scene.clock.slept_until(seconds(at)).await;
        assert_eq!(server.seen().len(), count, "before {at}s");
        scene.clock.set(seconds(at));
    }
    scene.completed(&run).await;
    assert_eq!(server.seen().len(), 5);
    // Two of its three requests are asked for together, and of this period only one is left.
    let run = scene.begin("five").await;
    scene.clock.slept_until(seconds(30)).await;
    assert_eq!(server.seen().len(), 5);
    scene.clock.set(seconds(30));
    scene.clock.slept_until(seconds(40)).await;
    assert_eq!(server.seen().len(), 7);
    scene.clock.set(seconds(40));
    scene.completed(&run).await;
    // A single call finds what is left.
    let run = scene.begin("one").await;
    scene.completed(&run).await;
    assert_eq!(server.seen().len(), 9);
}

#[tokio::test]
async fn what_can_not_leave_within_the_time_of_the_call_says_so() {
    let server = system().await;
    let world = world(&server.url, vec![Limit::Moving(rate(1, 60))]);
    let hasty = Policy { timeout: Some(Millis::seconds(30)), retry: Some(Retry::none()), ..Policy::default() };
    let plans = [calling(&world, "five", inputs(5), &hasty), calling(&world, "one", inputs(1), &hasty)];
    let scene = Scene::of(&world, &plans).await;
    let run = scene.begin("five").await;
    let told = scene.engine.outcome(&run).await.unwrap();
    assert_eq!((told.state, server.seen().len()), (RunState::Failed, 1));
    let why = told.reason.unwrap();
    let expected = "`op` makes 3 requests, and after 1 of them the limit of `sales` is used up: the next may leave in 1m, and \
                    the call has to end within 30s; give the step a longer `timeout`, or fewer inputs at a time with \
                    `.chunks(…)`";
    assert!(why.contains(expected), "{why}");
    // The place of the request that was not sent is the next one's.
    let run = scene.begin("one").await;
    scene.waits(&run, seconds(60)).await;
}

#[tokio::test]
async fn a_server_that_asks_to_wait_between_two_requests_is_waited_for() {
    let first = AtomicUsize::new(0);
    let server = Server::scripted(move |_| {
        let mut answer = answer(200, &json!({ "results": [{ "data": 1 }, { "data": 2 }] }));
        if first.fetch_add(1, Ordering::SeqCst) == 0 {
            answer.headers_mut().insert("x-ratelimit-remaining", "0".parse().unwrap());
            answer.headers_mut().insert("x-ratelimit-reset", "7".parse().unwrap());
        }
        answer
    })
    .await;
    let world = world(&server.url, Vec::new());
    let scene = Scene::of(&world, &[calling(&world, "four", inputs(4), &Policy::default())]).await;
    let run = scene.begin("four").await;
    scene.clock.slept_until(seconds(7)).await;
    assert_eq!(server.seen().len(), 1);
    scene.clock.set(seconds(7));
    scene.completed(&run).await;
    assert_eq!(server.seen().len(), 2);
}
