//! What do runs cost that sleep?
//!
//! Accepts a million runs that sleep for a month and 10 000 that sleep for a day, each durable before the next of its lane is
//! sent, and prints what that process holds in memory then. A second process starts over the same folder: how long until it
//! takes work, and what does it hold? Then its clock is moved on by a day: how long until the 10 000 that are due at the
//! same moment have ended? A start over a folder of 10 000 runs shows what of that is due to their number.
//!
//! `cargo bench -p flow-benches --bench asleep`, with the number of runs as an argument: `… --bench asleep -- 1000000`. The
//! folder is in the temporary one, takes about 1 kB a run, and is removed at the end.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use flow_compiler::{Catalog, LoadError, Loader};
use flow_model::{
    units::{Instant as At, Millis},
    value::Value,
};
use flow_runtime::{
    connector::{Attempt, Invocation, Performer},
    engine::{Engine, Happening, Limits, RunState, Settings, Submission},
    eval::Library,
    timer::{Clock, SystemClock},
};
use tokio::sync::Semaphore;

const PROGRAM: &str = "
flow month { sleep 30d  return \"slept\" }
flow day   { sleep 1d   return \"slept\" }
";

/// How many are due at the same moment.
const DUE: usize = 10_000;

/// How many submissions are under way at the same time.
const LANES: usize = 1_000;

/// A day, and a little, so that all of them are due.
const LATER: Millis = Millis::seconds(25 * 3600);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    match args.iter().skip(1).map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["accept", folder, count] => runtime.block_on(accept(Path::new(folder), count.parse().expect("a number"))),
        ["start", folder] => runtime.block_on(start(Path::new(folder))),
        rest => {
            let count = rest.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
            for count in [DUE, count] {
                let folder = folder();
                println!("\n{count} runs that sleep for a month, and {DUE} for a day");
                again(&["accept", &folder.to_string_lossy(), &count.to_string()]);
                println!(
                    "{:<52} {:>10.0}",
                    "the data folder, bytes a run",
                    bytes(&folder) as f64 / (count + DUE) as f64
                );
                again(&["start", &folder.to_string_lossy()]);
                std::fs::remove_dir_all(&folder).expect("the folder can be removed");
            }
        }
    }
}

/// Does a part of the work in a process of its own, so that it has its own memory.
fn again(args: &[&str]) {
    let exe = std::env::current_exe().expect("this program is a file");
    let status = Command::new(exe).args(args).status().expect("it starts");
    assert!(status.success(), "{args:?}: {status}");
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("flow-asleep-{}", std::process::id()))
}

fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|file| file.len()).sum()
}

async fn accept(folder: &Path, count: usize) {
    let (engine, _) = engine(folder);
    engine.resume().await.expect("the folder can be read");
    let (engine, lanes) = (Arc::new(engine), Arc::new(Semaphore::new(LANES)));
    let begun = Instant::now();
    for number in 0..count + DUE {
        let lane = Arc::clone(&lanes).acquire_owned().await.expect("it is never closed");
        let engine = Arc::clone(&engine);
        let flow = if number < DUE { "day" } else { "month" };
        tokio::spawn(async move {
            let submission = Submission::with_params(flow, Value::record([]));
            while let Err(error) = engine.submit(submission.clone()).await {
                assert!(error.is_passing(), "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            drop(lane);
        });
    }
    let _all = lanes.acquire_many(u32::try_from(LANES).unwrap_or(u32::MAX)).await;
    let took = begun.elapsed().as_secs_f64();
    say("accepted, runs a second", (count + DUE) as f64 / took);
    say("resident after that, MB (aim: below 300)", resident());
    engine.shutdown().await;
}

async fn start(folder: &Path) {
    let begun = Instant::now();
    let (engine, clock) = engine(folder);
    engine.plans_in_use().await.expect("the folder can be read");
    let asleep = engine.resume().await.expect("the folder can be read");
    say("from the start until it takes work, ms (aim: 3000)", begun.elapsed().as_secs_f64() * 1000.0);
    assert!(asleep >= DUE, "the runs of the first process are there");
    say("resident after that, MB (aim: below 300)", resident());

    let mut messages = engine.subscribe();
    let begun = Instant::now();
    clock.0.store(i64::try_from(LATER.0).unwrap_or(i64::MAX), Ordering::SeqCst);
    let (mut ended, mut first) = (0, None);
    while ended < DUE {
        let message = messages.recv().await.expect("no message is lost");
        if message.what == Happening::Standing(RunState::Completed) {
            first.get_or_insert_with(|| begun.elapsed());
            ended += 1;
        }
    }
    say("from the moment until the first due run has ended, ms", first.unwrap_or_default().as_secs_f64() * 1000.0);
    say("until all 10 000 have ended, ms", begun.elapsed().as_secs_f64() * 1000.0);
    say("resident after that, MB", resident());
    engine.shutdown().await;
}

fn say(what: &str, figure: f64) {
    println!("{what:<52} {figure:>10.1}");
}

/// What this process holds in memory, in MB (proc(5): `VmRSS`).
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    let kib: f64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("it is a number");
    kib * 1024.0 / 1e6
}

fn engine(folder: &Path) -> (Engine, Arc<Shifted>) {
    let clock = Arc::new(Shifted(AtomicI64::new(0)));
    let library = Library::new(flow_stdlib::functions());
    let settings = Settings::new(folder, library, Arc::new(BTreeMap::new()), Arc::new(Nobody));
    let limits = Limits { progress: 1 << 17, ..Limits::default() };
    let settings = Settings { clock: Arc::clone(&clock) as Arc<dyn Clock>, limits, ..settings };
    let engine = Engine::open(settings).expect("the folder can be used");
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    let checked = flow_compiler::check("asleep.flow", PROGRAM.as_bytes(), &catalog, &NoFiles);
    let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    futures(async {
        for plan in program.plans.into_values() {
            engine.deploy(Arc::new(plan)).await.expect("the folder can be written");
        }
    });
    (engine, clock)
}

/// Waits within a task of a runtime with several threads.
fn futures(work: impl Future<Output = ()>) {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work));
}

/// The clock of the machine, moved on.
struct Shifted(AtomicI64);

#[async_trait]
impl Clock for Shifted {
    fn now(&self) -> At {
        At(SystemClock.now().0.saturating_add(self.0.load(Ordering::SeqCst)))
    }

    async fn sleep_until(&self, at: At) {
        while self.now() < at {
            tokio::time::sleep(at.since(self.now()).duration().min(Duration::from_millis(2))).await;
        }
    }
}

/// Nothing is called.
struct Nobody;

#[async_trait]
impl Performer for Nobody {
    async fn perform(&self, _invocation: Invocation) -> Attempt {
        std::future::pending().await
    }
}

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}
