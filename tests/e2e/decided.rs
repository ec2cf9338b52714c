//! What callers of a served flow get before, after and without `respond`, and `flowc runs resolve`: calls of which nobody
//! knows whether they took effect are decided about, beside a server and where there is none.

use std::{fs, path::PathBuf};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    eventually,
    process::{Ended, Serving, flowc, output, run},
    server::Server,
};

const PROGRAM: &str = r#"
connector bank {
  http { base: "https://bank.example.com" }

  operation charge(amount: Int) -> { id: String } {
    effect:  create
    request: POST "/charges" { body: { amount } }
  }
}

connection acme = bank { base_url: "BANK" }

error NotToday { why: String }

flow pay {
  on http POST "/pay" as req {
    body:   { order: String, amount: Int }
    verify: none because "a test"
    dedupe: req.body.order
  }
  respond 201 { taken: req.body.order }
  step charge = acme.charge(amount: req.body.amount)
  return charge.id
}

flow quiet {
  on http POST "/quiet" as req {
    body:   { go: Bool }
    verify: none because "a test"
  }
  if not req.body.go {
    fail NotToday(why: "it may not")
  }
  respond 204
}
"#;

/// A folder with the program.
struct Desk(TempDir);

/// What a caller gets.
struct Told {
    status: u16,
    media_type: Option<String>,
    body: String,
}

impl Desk {
    fn of(bank: &Server) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("desk.flow"), PROGRAM.replace("BANK", &bank.address)).unwrap();
        Self(folder)
    }

    fn data(&self) -> PathBuf {
        self.0.path().join(".flow")
    }

    fn serve(&self) -> Serving {
        let mut command = flowc();
        Serving::start(command.current_dir(self.0.path()).args(["serve", "desk.flow", "--listen", "127.0.0.1:0"]))
    }

    fn resolve(&self, id: &str, how: &[&str]) -> Ended {
        output(flowc().current_dir(self.0.path()).args(["runs", "resolve", id]).args(how))
    }

    /// Waits until a run is in a state, and gives it.
    async fn is(&self, id: &str, state: &str) -> Json {
        eventually(&format!("run {id} is {state}"), async || {
            let run = run(&self.data(), id);
            if run["state"] == state { Ok(run) } else { Err(run) }
        })
        .await
    }

    /// The newest run.
    fn last(&self) -> String {
        super::process::runs(&self.data())[0]["id"].as_str().unwrap().to_owned()
    }
}

async fn post(serving: &Serving, path: &str, body: Json) -> Told {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = client.post(format!("{}{path}", serving.address)).header("content-type", "application/json");
    let answer = sent.body(body.to_string()).send().await.unwrap();
    let media_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    Told { status: answer.status().as_u16(), media_type, body: answer.text().await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_has_its_answer_while_the_run_goes_on_and_a_repetition_has_the_same() {
    let bank = Server::start(200, json!({ "id": "ch_1" })).await;
    bank.hold();
    let desk = Desk::of(&bank);
    let serving = desk.serve();
    let order = || json!({ "order": "A-1", "amount": 7 });
    let first = post(&serving, "/pay", order()).await;
    assert_eq!((first.status, first.media_type.as_deref()), (201, Some("application/json")));
    assert_eq!(first.body.trim(), r#"{"taken":"A-1"}"#);
    let id = desk.last();
    // It goes on after its answer.
    assert_eq!(bank.received(1).await.json(), json!({ "amount": 7 }));
    assert_eq!(desk.is(&id, "running").await["result"], Json::Null);
    let again = post(&serving, "/pay", order()).await;
    assert_eq!((again.status, again.body), (first.status, first.body));
    let other = post(&serving, "/pay", json!({ "order": "A-1", "amount": 8 })).await;
    assert_eq!(other.status, 409, "{}", other.body);
    bank.release();
    desk.is(&id, "completed").await;
    assert_eq!((desk.last(), bank.requests().len()), (id, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_have_no_body_and_a_run_that_fails_before_it_is_told_as_such() {
    let bank = Server::start(200, json!({ "id": "ch_1" })).await;
    let desk = Desk::of(&bank);
    let serving = desk.serve();
    let told = post(&serving, "/quiet", json!({ "go": true })).await;
    assert_eq!((told.status, told.media_type, told.body.as_str()), (204, None, ""));
    let told = post(&serving, "/quiet", json!({ "go": false })).await;
    let body: Json = serde_json::from_str(&told.body).unwrap();
    assert_eq!((told.status, &body["error"], &body["run"]), (500, &json!("failed"), &json!(desk.last())));
    // Why is not the caller's business.
    assert!(!told.body.contains("it may not"), "{}", told.body);
    desk.is(&desk.last(), "failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_have_taken_effect_waits_for_a_person_who_says_what_came_of_it() {
    let bank = Server::start(200, json!({ "id": "ch_9" })).await;
    bank.hold();
    let desk = Desk::of(&bank);
    let serving = desk.serve();
    let mut ids = Vec::new();
    for order in ["A-1", "A-2", "A-3", "A-4"] {
        post(&serving, "/pay", json!({ "order": order, "amount": 7 })).await;
        ids.push(desk.last());
        bank.received(ids.len()).await;
    }
    serving.kill();
    bank.release();
    let serving = desk.serve();
    for id in &ids {
        desk.is(id, "needs_decision").await;
    }
    assert_eq!(bank.requests().len(), 4);

    let [gave, again, failed, later] = ids.as_slice() else { panic!("{ids:?}") };
    // The run reads the result, so going on without it is neither offered nor possible.
    let why = output(flowc().current_dir(desk.0.path()).args(["runs", "why", gave])).says(0, &[]);
    assert!(why.stdout.contains("--retry") && !why.stdout.contains("--skip"), "{why:?}");
    desk.resolve(gave, &["--skip"]).says(2, &["can't go on without the result of `charge`"]);
    desk.resolve(gave, &["--result", r#"{ "id": 7 }"#]).says(2, &["id"]);
    desk.is(gave, "needs_decision").await;
    let done = desk.resolve(gave, &["--result", r#"{ "id": "ch_7" }"#]).says(0, &[]);
    assert!(done.stdout.contains("`charge`") && done.stdout.contains("has that result"), "{done:?}");
    assert_eq!(desk.is(gave, "completed").await["result"], "ch_7");
    assert_eq!(bank.requests().len(), 4);
    desk.resolve(gave, &["--retry"]).says(2, &["is completed already"]);

    let done = desk.resolve(again, &["--retry"]).says(0, &[]);
    assert!(done.stdout.contains("is called again"), "{done:?}");
    assert_eq!(desk.is(again, "completed").await["result"], "ch_9");
    assert_eq!(bank.requests().len(), 5);

    let done = desk.resolve(failed, &["--fail", "the bank has no such charge"]).says(0, &[]);
    assert!(done.stdout.contains("counts as failed"), "{done:?}");
    assert!(desk.is(failed, "failed").await.to_string().contains("the bank has no such charge"));

    serving.kill();
    desk.resolve(later, &["--result", r#"{ "id": "ch_8" }"#]).says(0, &[]);
    assert_eq!(desk.is(later, "completed").await["result"], "ch_8");
    assert_eq!(bank.requests().len(), 5);
}
