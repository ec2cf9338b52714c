//! `on http`: what flows see of a request, and what its sender gets.

use flow_model::{
    expr::{Expr, RecordPart},
    failure::ErrorKind,
    plan::{NodeKind, Trigger, TriggerKind},
    ty::{Field, Type},
    units::Millis,
    value::Value,
};
use serde_json::json;

use super::*;
use crate::engine::RunState;
use plans::{EVENT, dedupe, http, member, plan, prefixed_hmac, text};

fn lead() -> Type {
    let mut note = Field::of(Type::String);
    note.default = Some(Box::new(Expr::Env("WHOLESALE".to_owned(), None)));
    let mut mail = Field::of(Type::Email);
    mail.pii = true;
    let fields = [("name", Field::of(Type::String)), ("mail", mail), ("wholesale", note)];
    Type::Record(fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect())
}

fn respond(status: i64, body: Option<Expr>) -> NodeKind {
    NodeKind::Respond { status: Expr::Literal(Value::Int(status)), body }
}

#[tokio::test]
async fn a_flow_sees_the_request_and_answers_it() {
    let seen = Expr::Record(vec![RecordPart::Field("seen".to_owned(), EVENT)]);
    let leads = plan("leads", vec![http("POST", "/leads", Some(lead()))], vec![respond(201, Some(seen))]);
    let (_folder, _, served) = fresh(vec![Arc::new(leads)]).await;
    let request = served.post("/leads?from=fair&from=mail", r#"{"name":"Ann","mail":"ann@example.com","extra":1}"#);
    let (status, body) = sent(request.header("X-Trace", "t1").header("authorization", "Bearer canary")).await;
    assert_eq!(status, StatusCode::CREATED);
    let seen = &body["seen"];
    assert_eq!(seen["body"], json!({ "name": "Ann", "mail": "ann@example.com", "wholesale": "yes" }));
    assert_eq!(seen["query"], json!({ "from": "fair,mail" }));
    assert_eq!((&seen["method"], &seen["path"]), (&json!("POST"), &json!("/leads")));
    assert_eq!(seen["headers"]["x-trace"], "t1");
    assert!(!body.to_string().contains("canary"));

    let (status, body) = sent(served.post("/leads", r#"{"name":"Ann","mail":"ann at home"}"#)).await;
    assert_eq!((status, &body["path"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("mail")));
    assert!(!body.to_string().contains("ann at home"), "{body}");
    let (status, body) = sent(served.post("/leads", "")).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("malformed")));
    assert_eq!(served.runs().await.len(), 1);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_body_type_any_json_or_none_will_do() {
    let echo = plan("echo", vec![http("get", "/echo", None)], vec![respond(200, Some(member(EVENT, "body")))]);
    let (_folder, _, served) = fresh(vec![Arc::new(echo)]).await;
    let url = format!("http://{}/echo", served.address);
    let none = served.http.get(&url).send().await.unwrap();
    assert_eq!((none.status(), none.text().await.unwrap().as_str()), (StatusCode::OK, ""));
    let exact = r#"{"id":9007199254740993,"sum":0.10,"big":18446744073709551616}"#;
    let answer = served.http.get(&url).body(exact).send().await.unwrap();
    assert_eq!(answer.headers().get("content-type").unwrap(), "application/json");
    assert_eq!(answer.text().await.unwrap().trim(), exact);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn without_respond_the_sender_gets_the_run() {
    let quiet = plan("quiet", vec![http("POST", "/quiet", None)], vec![NodeKind::Return(text("done"))]);
    let (_folder, _, served) = fresh(vec![Arc::new(quiet)]).await;
    let (status, body) = sent(served.post("/quiet", "{}")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(body, json!({ "run": served.runs().await.first().unwrap().id }));
    // Without a key, each request is its own event.
    sent(served.post("/quiet", "{}")).await;
    assert_eq!(served.runs().await.len(), 2);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_repeated_request_has_the_answer_of_the_first() {
    let trigger = Trigger { dedupe: dedupe(member(EVENT, "body.id")), ..http("POST", "/orders", None) };
    let body = vec![respond(201, Some(member(EVENT, "headers.x-attempt"))), NodeKind::Return(text("done"))];
    let (_folder, _, served) = fresh(vec![Arc::new(plan("orders", vec![trigger], body))]).await;
    let order = |attempt: &'static str, body: &'static str| served.post("/orders", body).header("x-attempt", attempt);
    let first = sent(order("1", r#"{"id":"o1"}"#)).await;
    assert_eq!(first, (StatusCode::CREATED, json!("1")));
    assert_eq!(sent(order("2", r#"{ "id": "o1" }"#)).await, first);
    assert_eq!(sent(order("3", r#"{"id":"o1","more":1}"#)).await.0, StatusCode::CONFLICT);
    assert_eq!(served.runs().await.len(), 1);
    // A key that is null makes nothing a repetition.
    sent(order("4", "{}")).await;
    sent(order("5", "{}")).await;
    assert_eq!(served.runs().await.len(), 3);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_without_a_body_has_none() {
    let (_folder, _, served) =
        fresh(vec![Arc::new(plan("gone", vec![http("DELETE", "/gone", None)], vec![respond(204, None)]))]).await;
    let answer = served.http.delete(format!("http://{}/gone", served.address)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.text().await.unwrap(), "");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_run_that_fails_before_it_answers_says_so_without_its_inside() {
    let fail = NodeKind::Fail {
        error: ErrorKind::Declared("NotInvoiceable".to_owned()),
        fields: vec![("reason".to_owned(), text("canary"))],
    };
    let failing = plan("failing", vec![http("POST", "/failing", None)], vec![fail, respond(200, None)]);
    let (_folder, _, served) = fresh(vec![Arc::new(failing)]).await;
    let (status, body) = sent(served.post("/failing", "{}")).await;
    assert_eq!((status, &body["error"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("failed")));
    assert_eq!(body["run"], json!(served.runs().await.first().unwrap().id));
    assert!(!body.to_string().contains("canary"), "{body}");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_proves_itself_before_it_is_read() {
    let mut trigger = http("POST", "/pushes", Some(lead()));
    if let TriggerKind::Http { verify, .. } = &mut trigger.kind {
        *verify = Some(prefixed_hmac("other/webhook"));
    }
    let pushes = plan("pushes", vec![trigger], vec![NodeKind::Return(text("done"))]);
    let (_folder, _, served) = fresh(vec![Arc::new(pushes)]).await;
    let body = r#"{"name":"Ann","mail":"ann@example.com"}"#;
    // HMAC-SHA256 of the body, computed with Python's `hmac`.
    let digest = "d6228cdd6839be4791d977655b48464f7aa8b8e5436233d198a26b4dec726469";
    let signed = |header: String| sent(served.post("/pushes", body).header("x-hub-signature-256", header));
    assert_eq!(signed(format!("sha256={digest}")).await.0, StatusCode::ACCEPTED);
    let (status, refusal) = signed(digest.to_owned()).await;
    assert_eq!((status, &refusal["reason"]), (StatusCode::UNAUTHORIZED, &json!("no_signature")));
    assert_eq!(sent(served.post("/pushes", "not JSON")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(served.runs().await.len(), 1);
    served.stop().await.unwrap();
}

/// A flow that answers after a day.
fn slow() -> Arc<Plan> {
    let sleep = NodeKind::Sleep(Expr::Literal(Value::Duration(Millis::seconds(86_400))));
    Arc::new(plan("slow", vec![http("POST", "/slow", None)], vec![sleep, respond(200, Some(text("good morning")))]))
}

#[tokio::test]
async fn who_waits_too_long_gets_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { answer_time: Millis(20), ..Limits::default() };
    let served = start(folder.path(), &Hands::at(NOW), vec![slow()], limits).await;
    let (status, body) = sent(served.post("/slow", "{}")).await;
    let runs = served.runs().await;
    let run = runs.first().unwrap();
    assert_eq!((status, body, run.state), (StatusCode::ACCEPTED, json!({ "run": run.id }), RunState::Waiting));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_answers_who_waits_and_takes_nobody_else() {
    let (_folder, clock, served) = fresh(vec![slow()]).await;
    let waiting = tokio::spawn(sent(served.post("/slow", "{}")));
    clock.slept_until(Instant(NOW.0 + 86_400_000)).await;
    let (address, engine) = (served.address, Arc::clone(&served.engine));
    served.stop.send(()).unwrap();
    served.task.await.unwrap().unwrap();
    let (status, body) = waiting.await.unwrap();
    let runs = engine.runs(Filter::default()).await.unwrap();
    assert_eq!((status, body), (StatusCode::ACCEPTED, json!({ "run": runs.first().unwrap().id })));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    engine.shutdown().await;
}

#[tokio::test]
async fn an_engine_that_takes_nothing_is_tried_again_later() {
    let quiet = plan("quiet", vec![http("POST", "/quiet", None)], vec![NodeKind::Return(text("done"))]);
    let (_folder, _, served) = fresh(vec![Arc::new(quiet)]).await;
    served.engine.shutdown().await;
    let answer = served.post("/quiet", "{}").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(served.counters.counts().unavailable, 1);
    served.stop().await.unwrap();
}
