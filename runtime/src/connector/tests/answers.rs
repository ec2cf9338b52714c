//! What answers mean.

use flow_model::{
    expr::{Ambient, BinaryOp, Expr},
    failure::ErrorKind,
    schema::{Call, Effect, ErrorCondition, Format, Request, Wait, WaitForm},
    ty::{Field, Type},
    units::{Instant, Millis},
    value::Value,
};
use indexmap::IndexMap;

use super::world::{Server, World, fields, get, member, operation, text};
use crate::{
    connector::{Performer as _, Reached},
    timer::Clock,
};

fn thing() -> Type {
    let mut fields = fields([("id", Type::Int), ("note", Type::String.optional())]);
    fields.insert("made".into(), Field { json_name: Some("createdAt".into()), ..Field::of(Type::Timestamp) });
    Type::Record(fields)
}

#[tokio::test]
async fn an_answer_is_read_as_the_declared_type() {
    let server = Server::json(r#"{"id":9007199254740993,"createdAt":"2026-01-31T10:00:00Z","more":[1e400]}"#).await;
    let value = World::reading(&server.url, thing()).call(vec![]).await.outcome.unwrap();
    assert_eq!(value.get("id"), Some(&Value::Int(9_007_199_254_740_993)));
    assert_eq!(value.get("note"), None, "it was absent");
    assert_eq!(value.get("made"), Some(&Value::Timestamp("2026-01-31T10:00:00Z".parse().unwrap())));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_a_mismatch_with_its_path() {
    for (body, cause) in [
        (r#"{"id":"7 items","createdAt":"2026-01-31T10:00:00Z"}"#, "`id` should be an integer and is a string"),
        (r#"{"id":"9223372036854775808","createdAt":"2026-01-31T10:00:00Z"}"#, "`id` should be an integer of 64 bits"),
        (r#"{"id":7}"#, "`createdAt` is missing"),
        (r#"{"id":7,"createdAt":"x"}"#, "`createdAt` should be a timestamp"),
        ("", "expected a record, found null"),
        ("[]", "expected a record, found a list"),
        ("{\"id\":7", "it is not JSON: EOF"),
        ("{\"id\":7,\"id\":8}", "the key \"id\" occurs twice"),
        ("\u{feff}{}", "byte-order mark"),
    ] {
        let server = Server::json(body).await;
        let attempt = World::reading(&server.url, thing()).call(vec![]).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Mismatch);
        assert!(failure.message.starts_with("the answer of `crm` does not fit: "), "{failure}");
        assert!(failure.message.contains(cause), "{failure}");
        assert_eq!(attempt.reached, Reached::Answered);
    }
    let server = Server::saying(200, &[("content-type", "text/html")], "<h1>hello</h1>").await;
    let failure = World::reading(&server.url, thing()).call(vec![]).await.outcome.unwrap_err();
    assert!(failure.message.ends_with("it is not JSON"), "{failure}");
}

/// Two readers of the same text could see different things in it (RFC 8259, section 4).
#[tokio::test]
async fn case_15_a_key_that_is_there_twice_is_in_no_result_and_hides_no_refusal() {
    let twice = r#"{"id":7,"more":{"x":1,"x":2},"message":"no"}"#;
    for (status, kind) in [(200, ErrorKind::Mismatch), (404, ErrorKind::NotFound), (503, ErrorKind::Unavailable)] {
        let server = Server::saying(status, &[("content-type", "application/json")], twice).await;
        let failure = World::reading(&server.url, Type::Json).call(vec![]).await.outcome.unwrap_err();
        assert_eq!(failure.kind, kind);
        assert!(status != 200 || failure.message.contains("the key \"x\" occurs twice at line 1 column"), "{failure}");
    }
    // As text it can be had.
    let server = Server::json(twice).await;
    let mut world = World::at(&server.url);
    let request = Request { format: Format::Text, ..get(text("/")) };
    world.declare(operation(IndexMap::new(), Type::String, Effect::Read, Call::Http(Box::new(request))));
    assert_eq!(world.call(vec![]).await.outcome, Ok(Value::text(twice)));
}

#[tokio::test]
async fn an_answer_is_read_as_the_type_that_its_caller_gives() {
    let server = Server::json(r#"{"id":7,"createdAt":"2026-01-31T10:00:00Z"}"#).await;
    let world = World::reading(&server.url, Type::Variable("T".into()).optional());
    let of = |result: Type| crate::connector::Invocation { result: Some(result), ..world.invocation(vec![]) };
    let value = world.connectors().perform(of(thing().optional())).await.outcome.unwrap();
    assert!(matches!(value.get("made"), Some(Value::Timestamp(_))), "{value}");
    let other = Type::Record(fields([("id", Type::Bool)]));
    let failure = world.connectors().perform(of(other)).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Mismatch);
    assert!(failure.message.ends_with("`id` should be a boolean and is the number 7"), "{failure}");
}

#[tokio::test]
async fn text_bytes_and_nothing_are_results_too() {
    let server = Server::saying(200, &[("content-type", "text/plain")], "\"hello\"").await;
    assert_eq!(World::reading(&server.url, Type::String).call(vec![]).await.outcome, Ok(Value::text("\"hello\"")));
    let bytes = World::reading(&server.url, Type::Bytes).call(vec![]).await.outcome;
    assert_eq!(bytes, Ok(Value::Bytes(b"\"hello\"".as_slice().into())));
    assert_eq!(World::reading(&server.url, Type::Null).call(vec![]).await.outcome, Ok(Value::Null));
    let server = Server::saying(204, &[], "").await;
    assert_eq!(World::reading(&server.url, thing().optional()).call(vec![]).await.outcome, Ok(Value::Null));
}

#[tokio::test]
async fn an_expression_picks_the_result_from_the_answer() {
    let server = Server::json(r#"{"results":[{"id":1,"createdAt":"2026-01-31T10:00:00Z"}]}"#).await;
    let mut world = World::at(&server.url);
    let mut request = get(text("/"));
    request.answer = Some(member(Ambient::Body, "results"));
    let result = Type::List(Box::new(thing()));
    world.declare(operation(IndexMap::new(), result, Effect::Read, Call::Http(Box::new(request))));
    let Ok(Value::List(items)) = world.call(vec![]).await.outcome else { panic!("a list") };
    assert_eq!(items[0].get("id"), Some(&Value::Int(1)));
}

#[tokio::test]
async fn statuses_have_their_usual_kinds() {
    for (status, kind, reached) in [
        (302, ErrorKind::Invalid, Reached::Answered),
        (400, ErrorKind::Invalid, Reached::Answered),
        (401, ErrorKind::Unauthorized, Reached::Answered),
        (402, ErrorKind::Rejected, Reached::Answered),
        (403, ErrorKind::Forbidden, Reached::Answered),
        (404, ErrorKind::NotFound, Reached::Answered),
        (409, ErrorKind::Conflict, Reached::Answered),
        (422, ErrorKind::Invalid, Reached::Answered),
        (429, ErrorKind::RateLimited, Reached::Answered),
        (500, ErrorKind::Unavailable, Reached::Answered),
        (502, ErrorKind::Unavailable, Reached::Perhaps),
        (503, ErrorKind::Unavailable, Reached::Answered),
        (504, ErrorKind::Unavailable, Reached::Perhaps),
    ] {
        let server = Server::saying(status, &[("content-type", "application/json")], r#"{"message":"no"}"#).await;
        let attempt = World::reading(&server.url, Type::Json).call(vec![]).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind, attempt.reached), (kind, reached), "{status}");
        assert_eq!(failure.fields.get("status"), Some(&Value::Int(i64::from(status))));
        assert!(failure.message.ends_with(": no"), "{}", failure.message);
    }
}

#[tokio::test]
async fn declared_rules_are_tried_in_order_also_over_a_success() {
    let is = |name: &str, value: Value| {
        let (left, right) = (member(Ambient::Body, name), Expr::Literal(value));
        ErrorCondition::When(Expr::Binary(BinaryOp::Equal, Box::new(left), Box::new(right)))
    };
    let rules = vec![
        (is("error", Value::text("invalid_auth")), ErrorKind::Unauthorized),
        (is("ok", Value::Bool(false)), ErrorKind::Invalid),
        (ErrorCondition::Status(404), ErrorKind::Declared("crm.Gone".into())),
        (ErrorCondition::StatusClass(4), ErrorKind::Rejected),
    ];
    for (status, body, kind) in [
        (200, r#"{"ok":false,"error":"invalid_auth"}"#, Some(ErrorKind::Unauthorized)),
        (200, r#"{"ok":false,"error":"other","code":"E7"}"#, Some(ErrorKind::Invalid)),
        (200, r#"{"ok":true}"#, None),
        (200, r#"["ok"]"#, None),
        (404, "", Some(ErrorKind::Declared("crm.Gone".into()))),
        (404, r#"{"ok":false}"#, Some(ErrorKind::Invalid)),
        (418, "<html>", Some(ErrorKind::Rejected)),
        (500, "{", Some(ErrorKind::Unavailable)),
    ] {
        let server = Server::saying(status, &[], body).await;
        let mut world = World::reading(&server.url, Type::Json);
        world.connector.errors.rules = rules.clone();
        let outcome = world.call(vec![]).await.outcome;
        assert_eq!(outcome.as_ref().err().map(|failure| failure.kind.clone()), kind, "{status} {body}");
        if body.contains("E7") {
            assert_eq!(outcome.unwrap_err().fields.get("code"), Some(&Value::text("E7")));
        }
    }
}

#[tokio::test]
async fn the_wait_that_a_server_asks_for_is_handed_on() {
    let server = Server::saying(429, &[("retry-after", "7")], "").await;
    let attempt = World::reading(&server.url, Type::Json).call(vec![]).await;
    assert_eq!(attempt.retry_after, Some(Millis::seconds(7)));

    let server = Server::saying(429, &[], r#"{"wait":90}"#).await;
    let mut world = World::reading(&server.url, Type::Json);
    world.http().retry_after = vec![Wait { value: member(Ambient::Body, "wait"), form: WaitForm::Any }];
    assert_eq!(world.call(vec![]).await.retry_after, Some(Millis::seconds(90)));

    let server = Server::saying(200, &[("retry-after", "7")], "{}").await;
    assert_eq!(World::reading(&server.url, Type::Json).call(vec![]).await.retry_after, None);
}

#[tokio::test]
async fn messages_hold_no_control_characters_and_end() {
    let server = Server::scripted(|_| {
        let message = format!("\u{1b}[31mred\r\n{}", "x".repeat(50_000));
        let body = serde_json::json!({ "message": message }).to_string();
        axum::response::IntoResponse::into_response((axum::http::StatusCode::BAD_REQUEST, body))
    })
    .await;
    let failure = World::reading(&server.url, Type::Json).call(vec![]).await.outcome.unwrap_err();
    assert!(!failure.message.contains(char::is_control) && failure.message.contains("[31mred"), "{failure}");
    assert_eq!(failure.message.chars().count(), 1001);
}

/// A clock that stands still.
struct Stopped(Instant);

#[async_trait::async_trait]
impl Clock for Stopped {
    fn now(&self) -> Instant {
        self.0
    }

    async fn sleep_until(&self, _: Instant) {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_point_in_time_is_waited_for_by_the_clock_that_was_handed_in() {
    let reset = &[("date", ""), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1769853660")];
    let server = Server::saying(403, reset, "").await;
    let world = World::reading(&server.url, Type::Json);
    let connectors = world.connectors().with_clock(std::sync::Arc::new(Stopped(Instant(1_769_853_600_000))));
    let attempt = connectors.perform(world.invocation(vec![])).await;
    assert_eq!(attempt.retry_after, Some(Millis::seconds(60)));
}
