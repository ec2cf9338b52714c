//! Many runs while their process is killed again and again: does every accepted run complete once, is no unsafe call made
//! twice, and does whoever is called see every key as one?
//!
//! `cargo test --test soak` takes some hundred runs; `cargo test --release --test soak -- 20000` is the long one, and a second
//! number is the seed of the kills; `FLOWC` names another binary than the one just built. Orders are sent to a `flowc serve`, some of them more than once, until each is accepted.
//! At a random moment of each second the process gets SIGKILL and is started again. The server that is called counts what
//! reaches it; in the end that is compared with what was accepted and with what the journal says.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the tests: it ends where it can't go on, and reports"
)]

mod desk;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use flow_model::value::Value;
use flow_runtime::{
    chance::Seeded,
    engine::{Filter, RunState},
    machine::Outcome,
    store,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use self::desk::Desk;

/// How many runs without an argument.
const RUNS: usize = 300;

/// How many senders there are.
const SENDERS: usize = 32;

/// One order in so many is sent a second time.
const AGAIN: usize = 10;

/// How long all of it may take: a quarter of a second for each run, and a minute.
fn patience(runs: usize) -> Duration {
    Duration::from_secs(60) + Duration::from_millis(250) * u32::try_from(runs).unwrap()
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let (runs, seed) = (numbers.next().unwrap_or(RUNS), numbers.next().unwrap_or(1) as u64);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(soak(runs, seed));
}

async fn soak(runs: usize, seed: u64) {
    let (desk, folder, begin) = (Desk::start().await, tempfile::tempdir().unwrap(), Instant::now());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server { port, desk: desk.address.clone(), data: folder.path().join("data") };
    let end = begin + patience(runs);
    let sent = tokio::spawn(send(port, runs, end));
    let chance = Seeded::new(seed);
    let (mut kills, mut process) = (0, server.start());
    while !sent.is_finished() || !all_over(&server.data, runs) {
        assert!(Instant::now() < end, "not over after {:?}: {:?}", patience(runs), states(&server.data));
        tokio::time::sleep(Duration::from_millis(500 + chance.below(1000))).await;
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        process = server.start();
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let sent = sent.await.unwrap();
    let took = begin.elapsed();
    let told = judge(runs, &sent, &server.data, &desk);
    assert!(kills > 0 && told.completed == runs, "nothing was shown");
    let rate = runs as f64 / took.as_secs_f64();
    println!("{runs} runs in {:.1}s ({rate:.0} a second), killed {kills} times (seed {seed})", took.as_secs_f64());
    println!(
        "  {} deliveries, {} of them repeated, {} not accepted at once",
        sent.deliveries, sent.repeated, sent.refused
    );
    println!(
        "  {} runs completed once; {} messages sent, {} in doubt and left as a dead letter",
        told.completed, told.sent, told.doubts
    );
    println!("  {} calls with a key for {} bookings; {} calls in all", told.keyed, told.bookings, told.calls);
}

/// How `flowc serve` is started.
struct Server {
    port: u16,
    desk: String,
    data: std::path::PathBuf,
}

impl Server {
    fn start(&self) -> Child {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/soak/orders.flow");
        let built = env!("CARGO_BIN_EXE_flowc").into();
        let mut command = Command::new(std::env::var_os("FLOWC").unwrap_or(built));
        command.env_clear().env("FLOW_NETWORK_ALLOW", "localhost").env("DESK_URL", &self.desk);
        command.arg("serve").arg(program).arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command.arg("--data").arg(&self.data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// What senders were told.
#[derive(Default)]
struct Sent {
    /// The run of each order.
    accepted: BTreeMap<String, String>,
    deliveries: usize,
    repeated: usize,
    refused: usize,
}

/// Sends all orders, each until it is accepted.
async fn send(port: u16, runs: usize, end: Instant) -> Sent {
    let url = format!("http://127.0.0.1:{port}/orders");
    // A connection that is kept open would be that of a process that is gone.
    let client = Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(5)).build().unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (client, url, next) = (client.clone(), url.clone(), Arc::clone(&next));
        senders.spawn(async move {
            let mut sent = Sent::default();
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= runs {
                    return sent;
                }
                let order = format!("order-{number}");
                let run = deliver(&client, &url, &order, end, &mut sent).await;
                if number.is_multiple_of(AGAIN) {
                    sent.repeated += 1;
                    assert_eq!(deliver(&client, &url, &order, end, &mut sent).await, run, "{order} came again");
                }
                sent.accepted.insert(order, run);
            }
        });
    }
    let mut all = Sent::default();
    while let Some(sent) = senders.join_next().await {
        let sent = sent.unwrap();
        all.accepted.extend(sent.accepted);
        all.deliveries += sent.deliveries;
        all.repeated += sent.repeated;
        all.refused += sent.refused;
    }
    all
}

/// Sends an order until it is accepted, and says as which run.
async fn deliver(client: &Client, url: &str, order: &str, end: Instant, sent: &mut Sent) -> String {
    let body = json!({ "order": order, "cents": 500 }).to_string();
    loop {
        assert!(Instant::now() < end, "{order} was never accepted");
        sent.deliveries += 1;
        let answer = client.post(url).header("Content-Type", "application/json").body(body.clone()).send().await;
        if let Ok(answer) = answer
            && matches!(answer.status(), StatusCode::OK | StatusCode::ACCEPTED)
            && let Ok(text) = answer.text().await
            && let Ok(told) = serde_json::from_str::<Json>(&text)
            && let Some(run) = told["run"].as_str()
        {
            return run.to_owned();
        }
        // Nobody is there, or what was said was cut off.
        sent.refused += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many runs are in each state; nothing when the journal is not there yet.
fn states(data: &Path) -> BTreeMap<RunState, usize> {
    let mut states = BTreeMap::new();
    let all = Filter { limit: usize::MAX, ..Filter::default() };
    let runs = store::read(data).and_then(|reader| reader.list(&all)).unwrap_or_default();
    runs.iter().for_each(|run| *states.entry(run.state).or_default() += 1);
    states
}

fn all_over(data: &Path, runs: usize) -> bool {
    let states = states(data);
    states.iter().filter(|(state, _)| state.is_final()).map(|(_, count)| count).sum::<usize>() == runs
}

/// What it all came to.
struct Told {
    completed: usize,
    sent: usize,
    doubts: usize,
    keyed: usize,
    bookings: usize,
    calls: usize,
}

fn judge(runs: usize, sent: &Sent, data: &Path, desk: &Desk) -> Told {
    assert_eq!(sent.accepted.len(), runs, "every order was accepted");
    let reader = store::read(data).unwrap();
    let all = reader.list(&Filter { limit: usize::MAX, ..Filter::default() }).unwrap();
    let kept: BTreeMap<String, _> = all.into_iter().map(|run| (run.id.to_string(), run)).collect();
    assert_eq!(kept.len(), runs, "every order has one run");
    let seen = desk.seen();
    let (mut doubts, mut messages) = (0, 0);
    for (order, id) in &sent.accepted {
        let run = kept.get(id).unwrap_or_else(|| panic!("{order} was accepted as run {id}, which is not there"));
        let detail = reader.run(&run.id).unwrap().unwrap();
        let Some(Outcome::Completed(result)) = detail.summary.outcome else { panic!("{order}: {run:?}") };
        assert_eq!(result.get("order"), Some(&Value::text(order.as_str())));
        let told = seen.told.get(order).copied().unwrap_or(0);
        assert!(told <= 1, "{order} was told {told} times");
        messages += told;
        match result.get("told") {
            Some(Value::Bool(true)) => assert_eq!(told, 1, "{order}: the run says that it was told"),
            _ => {
                assert_eq!(detail.dead_letters.len(), 1, "{order}: a doubt is kept");
                doubts += 1;
            }
        }
        for booked in [order.clone(), format!("{order}-fee")] {
            let keys = seen.booked.get(&booked).unwrap_or_else(|| panic!("{booked} was not booked"));
            assert_eq!(keys.len(), 1, "{booked} was booked under several keys: {keys:?}");
        }
        assert!(seen.looked.contains(order) && seen.closed.contains(order), "{order} was not looked up and closed");
    }
    let keyed = seen.booked.values().flat_map(BTreeMap::values).sum();
    Told { completed: runs, sent: messages, doubts, keyed, bookings: seen.booked.len(), calls: seen.calls }
}
