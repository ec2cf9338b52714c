//! What does a server do with ten times as much as it may carry out, and how soon is it itself again?
//!
//! Starts `flowc serve` as a process. Its flow may begin 300 times a second (`at_most`), and gets 3,000 requests a second at
//! fixed moments, whatever comes back (an open loop: a late answer counts from the moment at which its request was due),
//! while another flow is asked ten times a second. Then it is watched until all that was accepted is carried out. Printed are what
//! was accepted and what was turned away, how long the answers took, the memory before, at most and after, and how long
//! after the end of the burst everything was done (aim: within twice the burst).
//!
//! `cargo build --release && cargo bench -p flow-benches --bench overload`, with the seconds of the burst as an argument:
//! `… --bench overload -- 600`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use flow_benches::{
    client::{self, Connection},
    process::Server,
};

const PROGRAM: &str = include_str!("program.flow");

/// How many runs may begin in a second, as the program says.
const RATE: f64 = 300.0;

/// How much more than that comes.
const TIMES: f64 = 10.0;

/// Connections that send; the server takes 512 of one address.
const CONNECTIONS: usize = 256;

/// How often the other flow is asked in a second.
const BESIDE: f64 = 10.0;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(250);

fn main() {
    let seconds = std::env::args().rev().find_map(|arg| arg.parse().ok()).unwrap_or(20);
    let length = Duration::from_secs(seconds);
    let folder = folder();
    let file = folder.join("main.flow");
    std::fs::write(&file, PROGRAM).expect("the folder is ours");
    let server = Server::flowc(&file, &folder.join("data"));
    println!(
        "{seconds} s of {} requests a second where {RATE} may begin, journal in {}\n",
        RATE * TIMES,
        folder.display()
    );

    let quiet = Answers::default();
    send(&server, "/beside", BESIDE, Duration::from_secs(2), 2, &quiet);
    let before = server.usage().resident;
    let (burst, beside) = (Answers::default(), Answers::default());
    let (most, over) = (AtomicU64::new(before), AtomicBool::new(false));
    let since = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(server.usage().resident, Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let others = scope.spawn(|| send(&server, "/beside", BESIDE, length, 4, &beside));
        send(&server, "/work", RATE * TIMES, length, CONNECTIONS, &burst);
        others.join().expect("it ends well");
        let end = Instant::now();
        let accepted = burst.count(|status| status == 202);
        let give_up = length.saturating_mul(10).max(Duration::from_secs(60));
        while done(&server) < accepted && end.elapsed() < give_up {
            std::thread::sleep(LOOK);
        }
        over.store(true, Ordering::Relaxed);
        end.elapsed()
    });
    let again = Answers::default();
    send(&server, "/beside", BESIDE, Duration::from_secs(2), 2, &again);

    let accepted = burst.count(|status| status == 202);
    let carried_out = done(&server);
    line("accepted", accepted as f64);
    line("turned away (429, 503)", burst.count(|status| matches!(status, 429 | 503)) as f64);
    line("answered otherwise", burst.count(|status| !matches!(status, 202 | 429 | 503)) as f64);
    line("turned away without `Retry-After`", burst.without_wait() as f64);
    line("accepted and not carried out", accepted.saturating_sub(carried_out) as f64);
    line("p50 of what was accepted, ms", burst.percentile(0.5, 202));
    line("p99 of what was accepted, ms", burst.percentile(0.99, 202));
    line("p99 of what was turned away, ms", burst.percentile(0.99, 429));
    line("p99 of the other flow before, ms", quiet.percentile(0.99, 200));
    line("p99 of the other flow meanwhile, ms", beside.percentile(0.99, 200));
    line("p99 of the other flow after, ms", again.percentile(0.99, 200));
    line("resident before, MB", before as f64 / 1e6);
    line("resident at most, MB", most.into_inner() as f64 / 1e6);
    line("resident after, MB", server.usage().resident as f64 / 1e6);
    line("all done after the end of the burst, s", since.as_secs_f64());
    line("… as part of the burst (aim: 2)", since.as_secs_f64() / length.as_secs_f64());
    drop(server);
    std::fs::remove_dir_all(&folder).ok();
}

fn line(what: &str, figure: f64) {
    println!("{what:<42} {figure:>12.1}");
}

/// What came back: for each status, how long the answers took in milliseconds.
#[derive(Default)]
struct Answers {
    times: Mutex<BTreeMap<u16, Vec<f64>>>,
    without_wait: AtomicU64,
}

impl Answers {
    fn count(&self, which: impl Fn(u16) -> bool) -> u64 {
        let times = self.times.lock().expect("no thread panics while it holds this");
        times.iter().filter(|(status, _)| which(**status)).map(|(_, times)| times.len() as u64).sum()
    }

    fn without_wait(&self) -> u64 {
        self.without_wait.load(Ordering::Relaxed)
    }

    fn percentile(&self, part: f64, status: u16) -> f64 {
        let mut times = self.times.lock().expect("no thread panics while it holds this");
        let Some(times) = times.get_mut(&status) else { return f64::NAN };
        times.sort_by(f64::total_cmp);
        let index = ((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1));
        times.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Sends so many requests in a second, at fixed moments, on so many connections.
fn send(server: &Server, path: &str, rate: f64, length: Duration, connections: usize, answers: &Answers) {
    let (start, count) = (Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut connection = Connection::open(server.host());
                let mut mine: BTreeMap<u16, Vec<f64>> = BTreeMap::new();
                loop {
                    let due = Duration::from_secs_f64(count.fetch_add(1, Ordering::Relaxed) as f64 / rate);
                    if due >= length {
                        break;
                    }
                    std::thread::sleep(due.saturating_sub(start.elapsed()));
                    let answer = connection.send(path, &client::fresh());
                    let took = start.elapsed().saturating_sub(due).as_secs_f64() * 1000.0;
                    mine.entry(answer.status).or_default().push(took);
                    if matches!(answer.status, 429 | 503) && !answer.names("retry-after") {
                        answers.without_wait.fetch_add(1, Ordering::Relaxed);
                    }
                }
                let mut all = answers.times.lock().expect("no thread panics while it holds this");
                mine.into_iter().for_each(|(status, times)| all.entry(status).or_default().extend(times));
            });
        }
    });
}

/// How many runs of the flow have completed, as the server counts.
fn done(server: &Server) -> u64 {
    let metrics = Connection::open(server.host()).get("/metrics");
    let name = "flow_runs_ended_total{flow=\"work\",outcome=\"completed\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
}

/// A new folder beside this program, which is on a disk where temporary folders may be in memory.
fn folder() -> PathBuf {
    let exe = std::env::current_exe().expect("this program is a file");
    let folder = exe.with_file_name(format!("overload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder of this program can be written to");
    folder
}
