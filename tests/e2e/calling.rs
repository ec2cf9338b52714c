//! Flows without triggers, called over HTTP.

use std::fs;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::process::{Ended, Serving, flowc, output, runs};

const PROGRAM: &str = r#"
error TooMuch { most: Int, reason: String }

flow quote(amount: Int, note: String = "none") fails TooMuch {
  if amount > 100 {
    fail TooMuch(most: 100, reason: "that is too much")
  }
  return { total: amount * 2, note }
}

flow wrapped(amount: Int) {
  return try {
    step quoted = quote(amount)
    quoted.total
  } catch {
    TooMuch as e => e.most
  }
}

flow hook {
  on http POST "/hook" as req { verify: none because "a test", dedupe: req.path }
  log req.path
}
"#;

const TOKEN: &str = "the-token-of-the-callers";

struct Shop(TempDir);

impl Shop {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
        fs::write(folder.path().join("flow.toml"), "[serve]\nlisten = \"127.0.0.1:0\"\ntoken = \"api/token\"\n")
            .unwrap();
        Self(folder)
    }

    fn serve(&self) -> Serving {
        Serving::start(flowc().current_dir(self.0.path()).args(["serve", "."]).env("API_TOKEN", TOKEN))
    }
}

fn call(serving: &Serving, flow: &str, body: &Json) -> RequestBuilder {
    let request = reqwest::Client::new().post(format!("{}/flows/{flow}", serving.address));
    request.bearer_auth(TOKEN).body(body.to_string())
}

async fn sent(request: RequestBuilder) -> (StatusCode, Json) {
    let answer = request.send().await.unwrap();
    (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_without_triggers_is_called_by_who_has_the_token() {
    let shop = Shop::new();
    let missing: Ended = output(flowc().current_dir(shop.0.path()).args(["serve", "."]));
    missing.says(6, &["`secret(\"api/token\")`", "API_TOKEN"]);
    let serving = shop.serve();
    assert!(serving.out().contains("listening"), "{}", serving.out());
    let total = json!({ "total": 8, "note": "none" });
    assert_eq!(sent(call(&serving, "quote", &json!({ "amount": 4 }))).await, (StatusCode::OK, total));
    assert_eq!(sent(call(&serving, "wrapped", &json!({ "amount": 400 }))).await, (StatusCode::OK, json!(100)));
    let (status, told) = sent(call(&serving, "quote", &json!({ "amount": 400 }))).await;
    assert_eq!((status, &told["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("TooMuch")));
    assert_eq!(told["fields"], json!({ "most": 100, "reason": "that is too much" }));
    let (status, told) = sent(call(&serving, "quote", &json!({ "amount": "4" }))).await;
    assert_eq!((status, &told["path"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("amount")));
    assert_eq!(sent(call(&serving, "hook", &json!({}))).await.0, StatusCode::NOT_FOUND);
    let (status, told) = sent(call(&serving, "quote", &json!({ "amount": 4 })).bearer_auth("another")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{told}");
    let (status, told) = sent(call(&serving, "quote", &json!({ "amount": 4 })).header("Prefer", "respond-async")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let data = shop.0.path().join(".flow");
    assert!(runs(&data).iter().any(|run| run["id"] == told["run"]), "{told}");
    for text in [serving.out(), serving.log()] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_a_key_is_carried_out_once_also_over_a_crash() {
    let shop = Shop::new();
    let serving = shop.serve();
    let keyed = |serving: &Serving, amount: i64| {
        sent(call(serving, "quote", &json!({ "amount": amount })).header("Idempotency-Key", "order-4711"))
    };
    let first = keyed(&serving, 4).await;
    assert_eq!(first.0, StatusCode::OK);
    serving.kill();
    let serving = shop.serve();
    assert_eq!(keyed(&serving, 4).await, first);
    assert_eq!(keyed(&serving, 5).await.0, StatusCode::CONFLICT);
    assert_eq!(runs(&shop.0.path().join(".flow")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_in_the_project_no_flow_can_be_called() {
    let shop = Shop::new();
    fs::write(shop.0.path().join("flow.toml"), "[serve]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let serving = shop.serve();
    let (status, told) = sent(call(&serving, "quote", &json!({ "amount": 4 }))).await;
    assert_eq!((status, &told["error"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    assert_eq!(runs(&shop.0.path().join(".flow")).len(), 0);
}
