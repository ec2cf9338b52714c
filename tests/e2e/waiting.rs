//! What waits for what: branches that end before a failure goes on, a stream whose pages wait for a slow loop, and a call
//! whose result nobody needs when a person says to go on without it.

use std::{fs, path::PathBuf, sync::Arc};

use axum::{Router, extract, http::header::CONTENT_TYPE};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

use super::{
    eventually,
    process::{Serving, flowc, output, run, runs},
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

connection slow   = bank { base_url: "SLOW" }
connection broken = bank { base_url: "BROKEN" }

flow patient {
  on http POST "/patient" as req {
    body:   { amount: Int }
    verify: none because "a test"
  }
  let ended = try {
    parallel on error wait {
      step taken = slow.charge(amount: req.body.amount)
      step refused = broken.charge(amount: req.body.amount)
    }
    "both"
  } catch {
    Conflict => "one"
  }
  return ended
}

flow hasty {
  on http POST "/hasty" as req {
    body:   { amount: Int }
    verify: none because "a test"
  }
  parallel {
    step taken = slow.charge(amount: req.body.amount)
    step refused = broken.charge(amount: req.body.amount)
  }
  return "{taken.id} {refused.id}"
}

flow tip {
  on http POST "/tip" as req {
    body:   { amount: Int }
    verify: none because "a test"
  }
  step slow.charge(amount: req.body.amount)
  return "thanks"
}
"#;

/// A folder with a program.
struct Desk(TempDir);

impl Desk {
    fn of(program: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("desk.flow"), program).unwrap();
        Self(folder)
    }

    /// The program above, between two banks.
    fn between(slow: &Server, broken: &Server) -> Self {
        Self::of(&PROGRAM.replace("SLOW", &slow.address).replace("BROKEN", &broken.address))
    }

    fn data(&self) -> PathBuf {
        self.0.path().join(".flow")
    }

    fn serve(&self) -> Serving {
        let mut command = flowc();
        Serving::start(command.current_dir(self.0.path()).args(["serve", "desk.flow", "--listen", "127.0.0.1:0"]))
    }

    /// Starts a run, and says which.
    async fn post(&self, serving: &Serving, path: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let sent = client.post(format!("{}{path}", serving.address)).header("content-type", "application/json");
        let answer = sent.body(json!({ "amount": 7 }).to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202, "{}", answer.text().await.unwrap());
        runs(&self.data())[0]["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a run is as wanted, and gives it.
    async fn is(&self, id: &str, what: &str, wanted: impl Fn(&Json) -> bool) -> Json {
        eventually(&format!("run {id}: {what}"), async || {
            let run = run(&self.data(), id);
            if wanted(&run) { Ok(run) } else { Err(run) }
        })
        .await
    }
}

/// How a step of a run stands.
fn state(run: &Json, step: &str) -> String {
    let steps = run["steps"].as_array().unwrap();
    let found = steps.iter().find(|found| found["path"] == step).unwrap_or_else(|| panic!("no `{step}` in {run}"));
    found["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_end_before_a_failure_goes_on_when_the_program_says_so_and_are_left_otherwise() {
    let slow = Server::start(200, json!({ "id": "ch_1" })).await;
    let broken = Server::start(409, json!({ "error": "no money" })).await;
    slow.hold();
    let desk = Desk::between(&slow, &broken);
    let serving = desk.serve();

    let patient = desk.post(&serving, "/patient").await;
    slow.received(1).await;
    let run = desk.is(&patient, "one has failed", |run| state(run, "refused") == "failed").await;
    assert_eq!((run["state"].as_str(), state(&run, "taken")), (Some("running"), "running".to_owned()));

    let hasty = desk.post(&serving, "/hasty").await;
    let run = desk.is(&hasty, "has ended", |run| run["state"] == "failed").await;
    assert!(run.to_string().contains("409"), "{run}");
    slow.received(2).await;

    slow.release();
    let run = desk.is(&patient, "has ended", |run| run["state"] == "completed").await;
    assert_eq!(run["result"], "one");
    assert_eq!((state(&run, "taken").as_str(), state(&run, "refused").as_str()), ("completed", "failed"));
    assert_eq!((slow.requests().len(), broken.requests().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_result_nobody_needs_is_skipped_and_one_whose_result_is_needed_is_not() {
    let slow = Server::start(200, json!({ "id": "ch_1" })).await;
    let broken = Server::start(200, json!({ "id": "ch_2" })).await;
    slow.hold();
    let desk = Desk::between(&slow, &broken);
    let serving = desk.serve();
    let (tip, needed) = (desk.post(&serving, "/tip").await, desk.post(&serving, "/hasty").await);
    slow.received(2).await;
    serving.kill();
    slow.release();
    let serving = desk.serve();
    for id in [&tip, &needed] {
        desk.is(id, "waits for a person", |run| run["state"] == "needs_decision").await;
    }
    let skip = |id: &str| output(flowc().current_dir(desk.0.path()).args(["runs", "resolve", id, "--skip"]));
    let refused = skip(&needed).says(2, &["can't go on without the result of `taken`", "--result", "--fail"]);
    assert_eq!(refused.stdout, "");
    let done = skip(&tip).says(0, &[]);
    assert!(done.stdout.contains("is skipped"), "{done:?}");
    let run = desk.is(&tip, "has ended", |run| run["state"] == "completed").await;
    assert_eq!(run["result"], "thanks");
    assert_eq!(slow.requests().len(), 2, "nothing was called again");

    // Where nobody serves, it is written down, and carried out by the next process.
    let tip = desk.post(&serving, "/tip").await;
    desk.is(&tip, "has ended", |run| run["state"] == "completed").await;
    slow.hold();
    let held = desk.post(&serving, "/tip").await;
    slow.received(4).await;
    serving.kill();
    slow.release();
    let serving = desk.serve();
    desk.is(&held, "waits for a person", |run| run["state"] == "needs_decision").await;
    serving.kill();
    skip(&held).says(0, &[]);
    let _serving = desk.serve();
    desk.is(&held, "has ended", |run| run["state"] == "completed").await;
    assert_eq!(slow.requests().len(), 4);
}

/// A depot with 5 pages of 4 parcels, and a scale that weighs as many as it is allowed to.
struct Depot {
    address: String,
    /// How many pages were asked for, and how many parcels were brought to the scale.
    seen: watch::Receiver<(usize, usize)>,
    weighs: Arc<Semaphore>,
}

const PAGES: usize = 5;
const OF_A_PAGE: usize = 4;

impl Depot {
    async fn start() -> Self {
        let (seen, watched) = watch::channel((0, 0));
        let weighs = Arc::new(Semaphore::new(0));
        let allowed = Arc::clone(&weighs);
        let router = Router::new().fallback(move |request: extract::Request| async move {
            let answer = if request.uri().path() == "/parcels" {
                let after = request.uri().query().and_then(|query| query.strip_prefix("after="));
                let page: usize = after.map_or(0, |after| after.parse().unwrap());
                seen.send_modify(|(pages, _)| *pages += 1);
                let parcels: Vec<_> = (0..OF_A_PAGE).map(|at| json!({ "id": page * OF_A_PAGE + at })).collect();
                let next = if page + 1 < PAGES { json!(page + 1) } else { Json::Null };
                json!({ "parcels": parcels, "next": next })
            } else {
                seen.send_modify(|(_, parcels)| *parcels += 1);
                allowed.acquire().await.unwrap().forget();
                json!({ "grams": 100 })
            };
            ([(CONTENT_TYPE, "application/json")], answer.to_string())
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen: watched, weighs }
    }
}

const WEIGHING: &str = r#"
record Parcel { id: Int }

connector depot {
  http { base: "https://depot.example.com" }

  operation parcels.list() -> Stream<Parcel> {
    effect:  read
    request: GET "/parcels"
    page:    cursor(next: body.next, into: query.after, items: body.parcels)
  }
  operation weigh(id: Int) -> { grams: Int } {
    effect:  read
    request: GET "/scale/{id}"
  }
}

connection store = depot { base_url: "DEPOT" }

flow weigh_all {
  on http POST "/weigh" as req {
    body:   { amount: Int }
    verify: none because "a test"
  }
  step parcels = store.parcels.list()
  let grams = for parcel in parcels concurrency 2 {
    step weighed = store.weigh(id: parcel.id)
    weighed.grams
  }
  return grams.length
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_loop_holds_up_the_pages_of_its_stream_also_over_a_restart() {
    let depot = Depot::start().await;
    let desk = Desk::of(&WEIGHING.replace("DEPOT", &depot.address));
    let mut serving = desk.serve();
    let run = desk.post(&serving, "/weigh").await;
    let all = PAGES * OF_A_PAGE;
    let mut again = 0;
    for done in 0..=all {
        // Two are being weighed, and no page was fetched but those of the parcels that have begun.
        let begun = (done + 2).min(all);
        eventually(&format!("{begun} parcels begun"), async || {
            let seen = *depot.seen.borrow();
            if seen.1 == begun + again { Ok(()) } else { Err(seen) }
        })
        .await;
        assert_eq!(depot.seen.borrow().0, begun.div_ceil(OF_A_PAGE), "pages after {done} parcels");
        if done == 9 {
            // Those that were under way are asked for again, and no page is.
            serving.kill();
            serving = desk.serve();
            again = 2;
        }
        depot.weighs.add_permits(1);
    }
    let run = desk.is(&run, "has ended", |run| run["state"] == "completed").await;
    assert_eq!((run["result"].as_u64(), depot.seen.borrow().0), (Some(all as u64), PAGES));
}
