//! Flows that are called: by whom, with what, and what they are answered.

use flow_model::{
    expr::{BinaryOp, Expr, Slot},
    failure::ErrorKind,
    plan::NodeKind,
    ty::{Field, Type},
    units::Millis,
    value::Value,
};
use serde_json::json;

use super::*;
use plans::{http, plan, text};

/// `flow NAME(amount: Int, note: String = "none") { … }`
fn flow(name: &str, nodes: Vec<NodeKind>) -> Arc<Plan> {
    let note = Field { default: Some(Box::new(text("none"))), ..Field::of(Type::String) };
    let params = [("amount".to_owned(), Field::of(Type::Int)), ("note".to_owned(), note)];
    Arc::new(Plan { params: params.into_iter().collect(), ..plan(name, vec![], nodes) })
}

fn double() -> Arc<Plan> {
    let amount = || Box::new(Expr::Slot(Slot(0)));
    flow("double", vec![NodeKind::Return(Expr::Binary(BinaryOp::Add, amount(), amount()))])
}

fn call(served: &Served, flow: &str, body: &'static str) -> RequestBuilder {
    served.post(&format!("/flows/{flow}"), body).bearer_auth(TOKEN)
}

#[tokio::test]
async fn a_flow_is_called_with_its_parameters_and_gives_what_it_returns() {
    let note = flow("note", vec![NodeKind::Return(Expr::Slot(Slot(1)))]);
    let (_folder, _, served) = fresh(vec![double(), note]).await;
    let answer = call(&served, "double", r#"{"amount":21}"#).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let run = answer.headers().get("flow-run").unwrap().to_str().unwrap().to_owned();
    assert_eq!(answer.text().await.unwrap().trim(), "42");
    assert_eq!(served.runs().await.first().unwrap().id.to_string(), run);
    assert_eq!(sent(call(&served, "note", r#"{"amount":1}"#)).await, (StatusCode::OK, json!("none")));

    for (body, path) in [(r#"{"amount":"x"}"#, "amount"), ("{}", "amount"), (r#"{"amount":1,"more":2}"#, "more")] {
        let (status, problem) = sent(call(&served, "double", body)).await;
        assert_eq!((status, &problem["path"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(path)), "{body}: {problem}");
    }
    assert_eq!(sent(call(&served, "double", "[1]")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(sent(call(&served, "double", "{")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(served.runs().await.len(), 2, "what does not fit starts nothing");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn only_who_has_the_token_calls_and_only_flows_without_triggers() {
    let (_folder, _, served) =
        fresh(vec![double(), Arc::new(plan("hook", vec![http("POST", "/hook", None)], vec![]))]).await;
    let at = |path: &str| served.post(path, r#"{"amount":1}"#);
    let wrong = [None, Some("Bearer"), Some("Bearer "), Some("Bearer token"), Some("Basic token-of-the-callers")];
    for header in wrong {
        for path in ["/flows/double", "/flows/nobody"] {
            let request = at(path);
            let request = match header {
                Some(header) => request.header("authorization", header),
                None => request,
            };
            let (status, problem) = sent(request).await;
            assert_eq!((status, &problem["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")), "{header:?}");
            assert!(!problem.to_string().contains(TOKEN));
        }
    }
    assert_eq!(sent(at("/flows/double").header("authorization", format!("bearer {TOKEN}"))).await.0, StatusCode::OK);
    for flow in ["nobody", "hook"] {
        assert_eq!(sent(call(&served, flow, "{}")).await.0, StatusCode::NOT_FOUND, "{flow}");
    }
    let get = served.http.get(format!("http://{}/flows/double", served.address)).bearer_auth(TOKEN);
    assert_eq!(sent(get).await.0, StatusCode::METHOD_NOT_ALLOWED);
    served.stop().await.unwrap();

    // Without a token in the project, or without a text for it, nobody is let in.
    for (token, status) in [(None, StatusCode::NOT_FOUND), (Some("no/token"), StatusCode::UNAUTHORIZED)] {
        let folder = tempfile::tempdir().unwrap();
        let world = World { token: token.map(str::to_owned), ..World::new(&Hands::at(NOW)) };
        let engine = Engine::open(world.engine(folder.path())).unwrap();
        let served = world.serve(engine, vec![double()], Limits::default()).await;
        assert_eq!(sent(call(&served, "double", r#"{"amount":1}"#)).await.0, status, "{token:?}");
        served.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_flow_that_fails_tells_its_caller_how() {
    let fail = |error: ErrorKind| NodeKind::Fail { error, fields: vec![("reason".to_owned(), text("too much"))] };
    let refuses = flow("refuses", vec![fail(ErrorKind::Declared("TooMuch".to_owned()))]);
    let breaks = flow("breaks", vec![fail(ErrorKind::Unavailable)]);
    let (_folder, _, served) = fresh(vec![refuses, breaks]).await;
    let (status, told) = sent(call(&served, "refuses", r#"{"amount":1}"#)).await;
    assert_eq!((status, &told["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("TooMuch")));
    assert_eq!((&told["fields"], &told["message"]), (&json!({ "reason": "too much" }), &json!("too much")));
    assert_eq!(told["run"], json!(served.runs().await.first().unwrap().id));
    let (status, told) = sent(call(&served, "breaks", r#"{"amount":1}"#)).await;
    assert_eq!((status, &told["error"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("Unavailable")));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_call_that_comes_again_under_its_key_has_the_result_of_the_first() {
    let (_folder, clock, served) = fresh(vec![double()]).await;
    let keyed = |key: &str, body| sent(call(&served, "double", body).header("Idempotency-Key", key));
    assert_eq!(keyed("k1", r#"{"amount":4}"#).await, (StatusCode::OK, json!(8)));
    assert_eq!(keyed("k1", r#"{ "amount": 4, "note": "none" }"#).await, (StatusCode::OK, json!(8)));
    assert_eq!(served.runs().await.len(), 1);
    assert_eq!(keyed("k1", r#"{"amount":5}"#).await.0, StatusCode::CONFLICT);
    assert_eq!(keyed("k2", r#"{"amount":5}"#).await, (StatusCode::OK, json!(10)));
    assert_eq!(keyed(&"k".repeat(256), r#"{"amount":5}"#).await.0, StatusCode::BAD_REQUEST);
    clock.set(NOW.after(Millis::seconds(73 * 3600)));
    assert_eq!(keyed("k1", r#"{"amount":5}"#).await, (StatusCode::OK, json!(10)));
    assert_eq!(served.runs().await.len(), 3);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn who_does_not_want_to_wait_or_would_wait_too_long_gets_the_run() {
    let sleep = NodeKind::Sleep(Expr::Literal(Value::Duration(Millis::seconds(86_400))));
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { answer_time: Millis(10), ..Limits::default() };
    let served = start(folder.path(), &Hands::at(NOW), vec![double(), flow("slow", vec![sleep])], limits).await;
    let (status, told) = sent(call(&served, "slow", r#"{"amount":1}"#)).await;
    assert_eq!((status, &told), (StatusCode::ACCEPTED, &json!({ "run": served.runs().await.first().unwrap().id })));
    let request = call(&served, "double", r#"{"amount":1}"#).header("Prefer", "wait=5, Respond-Async");
    let (status, told) = sent(request).await;
    let runs = served.runs().await;
    let run = runs.iter().find(|run| run.flow == "double").unwrap();
    assert_eq!((status, &told), (StatusCode::ACCEPTED, &json!({ "run": run.id })));
    served.stop().await.unwrap();
}
