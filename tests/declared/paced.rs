//! Limits, and what a server says of when to go on: how long the calls of a run take by the clock, for each form.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::HeaderValue, response::Response};
use flow_model::{failure::ErrorKind, units::Millis, value::Value};
use serde_json::json;
use tokio::sync::Barrier;

use super::{Ahead, Vault, call, process, program, ran};
use crate::executed::{Seen, Server, answer, plan};

/// How many seconds a run takes whose steps are these.
fn takes(http: &str, steps: &str, answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> u64 {
    let server = Server::start(answer);
    let connector = format!(
        "  http {{\n    base: \"BASE\"\n    {http}\n  }}
  operation get(weight: Int = 1) -> Json {{ effect: read, cost: weight, request: GET \"/get\" {{ query: {{ weight }} }} }}"
    );
    let plan = program(&server, &connector, "", &format!("{steps}\n  return 0"));
    let (value, seconds) = ran(&plan);
    assert_eq!(value, Value::Int(0));
    seconds
}

fn calls(count: usize) -> String {
    "  step sys.get()\n".repeat(count)
}

fn fine(_: &Seen) -> Response {
    answer(200, &json!({}))
}

#[test]
fn each_form_of_a_limit_spreads_calls_as_it_says() {
    for (limit, count, seconds) in [
        ("2 per 10s", 2, 0),
        ("2 per 10s", 5, 20),
        ("[moving(2, per: 10s)]", 5, 20),
        // An hour has begun.
        ("fixed(2, per: 1h)", 3, 3600),
        ("bucket(3, refill: 1, per: 10s)", 5, 20),
        ("[bucket(3, refill: 1, per: 10s), moving(2, per: 15s)]", 5, 30),
    ] {
        assert_eq!(takes(&format!("limit: {limit}"), &calls(count), fine), seconds, "{limit}");
    }
    // A call uses up what it costs.
    let weighted = "  step sys.get(weight: 4)\n  step sys.get(weight: 1)\n  step sys.get(weight: 2)";
    assert_eq!(takes("limit: 5 per 10s", weighted, fine), 10);
}

/// A server that answers requests by twos, and the most that were with it at a time.
fn by_twos() -> (String, Arc<AtomicUsize>) {
    let (most, under_way, twos) =
        (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default(), Arc::new(Barrier::new(2)));
    let (told, address) = std::sync::mpsc::channel();
    let counted = Arc::clone(&most);
    let router = Router::new().fallback(move || {
        let (most, under_way, twos) = (Arc::clone(&counted), Arc::clone(&under_way), Arc::clone(&twos));
        async move {
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            twos.wait().await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            answer(200, &json!({}))
        }
    });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, router).await
        })
    });
    (format!("http://{}", address.recv().unwrap()), most)
}

#[test]
fn as_many_are_under_way_as_a_limit_says() {
    for limit in ["concurrent(2)", "[moving(1_000, per: 1s), concurrent(2)]"] {
        let (url, most) = by_twos();
        let text = format!(
            "connector acme {{
  http {{ base: \"{url}\", limit: {limit} }}
  operation get(id: Int) -> Json {{ effect: read, request: GET \"/{{id}}\" }}
}}
connection sys = acme {{}}
flow go() {{
  for id in [1, 2, 3, 4, 5, 6, 7, 8] concurrency 8 {{
    step sys.get(id)
  }}
  return 0
}}
"
        );
        assert_eq!(ran(&plan(&text)), (Value::Int(0), 0));
        assert_eq!(most.load(Ordering::SeqCst), 2, "{limit}");
    }
}

#[test]
fn what_the_server_says_of_its_limit_holds_up_the_next_call() {
    let used_up = |name: &'static str, value: &'static str| {
        move |_: &Seen| {
            let mut told = answer(200, &json!({ "left": 0, "wait": { "ms": 7000 } }));
            told.headers_mut().insert(name, HeaderValue::from_static(value));
            told
        }
    };
    for (http, header, value, seconds) in [
        // The usual ones need no word.
        ("docs: \"https://acme.example\"", "ratelimit", "\"default\";r=0;t=30", 30),
        ("remaining: header(\"X-Left\"), reset: millis(body.wait?.ms)", "x-left", "0", 7),
        ("remaining: header(\"X-Left\"), reset: millis(body.wait?.ms)", "x-left", "3", 0),
        ("remaining: body.left, reset: header(\"X-Ends\")", "x-ends", "9", 9),
        ("remaining: body.left, reset: seconds(header(\"X-Ends\"))", "x-ends", "9", 9),
    ] {
        assert_eq!(takes(http, &calls(2), used_up(header, value)), seconds, "{http} {value}");
    }
}

/// Of what a refusal says of when to come again: each form, and the longest of several.
#[tokio::test]
async fn a_refusal_says_in_each_form_when_to_come_again() {
    let refusing = |name: &'static str, value: &'static str, body: serde_json::Value| {
        Server::start(move |_| {
            let mut told = answer(429, &body);
            // The clock of the server is the one that its dates are compared with.
            told.headers_mut().insert("date", HeaderValue::from_static("Tue, 14 Nov 2023 22:13:20 GMT"));
            told.headers_mut().insert(name, HeaderValue::from_static(value));
            told
        })
    };
    let nothing = || json!({});
    // 1,700,000,000 seconds after 1970.
    for (http, header, value, body, wait) in [
        ("", "retry-after", "12", nothing(), Some(12_000)),
        ("", "retry-after", "Tue, 14 Nov 2023 22:13:50 GMT", nothing(), Some(30_000)),
        ("", "x-ratelimit-reset", "1700000005", nothing(), Some(5000)),
        ("", "x-ratelimit-reset", "1700000005000", nothing(), Some(5000)),
        ("", "x-ratelimit-reset", "5", nothing(), Some(5000)),
        ("retry_after: header(\"X-Retry-In\")", "x-retry-in", "8", nothing(), Some(8000)),
        ("retry_after: seconds(header(\"X-Retry-In\"))", "x-retry-in", "1.5", nothing(), Some(1500)),
        ("retry_after: millis(header(\"X-Retry-In\"))", "x-retry-in", "1500", nothing(), Some(1500)),
        ("retry_after: unix(header(\"X-Retry-At\"))", "x-retry-at", "1700000005", nothing(), Some(5000)),
        ("retry_after: unix_millis(header(\"X-Retry-At\"))", "x-retry-at", "1700000005500", nothing(), Some(5500)),
        ("retry_after: unix(body.until)", "x-other", "1", json!({ "until": 1_700_000_009 }), Some(9000)),
        ("retry_after: [header(\"X-A\"), body.wait]", "x-a", "3", json!({ "wait": 4 }), Some(4000)),
        ("retry_after: [header(\"X-A\"), body.wait]", "x-a", "30", json!({ "wait": 4 }), Some(30_000)),
        ("retry_after: header(\"X-Retry-In\")", "x-other", "1", nothing(), None),
    ] {
        let server = refusing(header, value, body);
        let connector = format!(
            "  http {{\n    base: \"BASE\"\n    {http}\n  }}\n  operation get() -> Json {{ effect: read, request: GET \"/get\" }}"
        );
        let plan = program(&server, &connector, "", "  step sys.get()");
        let attempt = call(&process(Vault::default(), &Ahead::new()), &plan, "get", vec![]).await;
        assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::RateLimited);
        assert_eq!(attempt.retry_after, wait.map(Millis), "{http} {header}: {value}");
    }
}
