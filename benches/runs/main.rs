//! How many durable runs does a server carry out in a second, and how far is that from what the machine can do?
//!
//! Starts `flowc serve` as a process, with its journal synced at each commit, and sends it webhooks: first as many as it
//! takes, then half of that at fixed moments, whatever comes back (an open loop: a late answer counts from the moment at
//! which its request was due). Two bare servers go through the same in the same minute: axum that does nothing, and axum
//! with one insert into SQLite, many in one synced commit. Machines are noisy: the ratios are what to compare.
//!
//! `cargo build --release && cargo bench -p flow-benches --bench runs`, with the seconds of each measurement as an
//! argument: `… --bench runs -- 10`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod bare;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flow_benches::{
    client::{self, Load},
    process::{Server, Usage},
};

/// A program whose flows are what is measured; `ANSWERS` is the server that is called.
const PROGRAM: &str = include_str!("program.flow");

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, word, kind, folder] = args.as_slice()
        && word == "server"
    {
        return bare::serve(kind, Path::new(folder));
    }
    let seconds = args.iter().rev().find_map(|arg| arg.parse().ok()).unwrap_or(5);
    let length = Duration::from_secs(seconds);
    let folder = folder();
    println!("{} cores, {seconds} s each, journal in {}\n", cores(), folder.display());

    let nothing = Server::bare("nothing", &folder);
    let axum = measure("axum alone", &nothing, "/", length);
    let insert = measure("axum and an insert", &Server::bare("insert", &folder), "/", length);
    // The one that does nothing answers what flows call.
    let flowc = Server::flowc(&program(&folder, &nothing.address), &folder.join("data"));
    let idle = flowc.usage().resident;
    let pure = measure("flow: pure", &flowc, "/pure", length);
    let call = measure("flow: one call", &flowc, "/call", length);
    let forty = median((0..20).map(|number| flowc.once("/forty", number).as_secs_f64() * 1000.0));

    for (name, ratio) in [
        ("pure flow / axum and an insert (aim: 0.5)", pure.rate / insert.rate),
        ("pure flow / axum alone", pure.rate / axum.rate),
        ("one call / axum and an insert", call.rate / insert.rate),
    ] {
        println!("{name:<50} {ratio:>10.2}");
    }
    println!("{:<50} {:>10.1}", "40 steps one after the other, ms (aim: 80)", forty);
    println!("{:<50} {:>10.1}", "first answer after the start, ms (aim: 100)", first_answer(&folder, &nothing.address));
    println!("{:<50} {:>10.1}", "idle, MB (aim: 30)", idle as f64 / 1e6);
    drop((flowc, nothing));
    std::fs::remove_dir_all(&folder).ok();
}

/// What a server did under load.
struct Measured {
    rate: f64,
}

fn measure(name: &str, server: &Server, path: &str, length: Duration) -> Measured {
    client::full(server, path, Duration::from_millis(500));
    let before = server.usage();
    let all = client::full(server, path, length);
    let used = server.usage().since(&before);
    let half = client::paced(server, path, length, all.rate() / 2.0);
    row(name, &all, &half, &used);
    Measured { rate: all.rate() }
}

fn row(name: &str, all: &Load, half: &Load, used: &Usage) {
    if name == "axum alone" {
        let [a, b, c, d, e, f, g] = ["runs/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU ms/run", "MB", "bytes/run"]
            .map(|title| format!("{title:>11}"));
        println!("{:<20}{a}{b}{c}{d}{e}{f}{g}", "");
    }
    let runs = all.done() as f64;
    println!(
        "{name:<20}{:>11.0}{:>11.2}{:>11.2}{:>11.2}{:>11.3}{:>11.1}{:>11.0}",
        all.rate(),
        half.percentile(0.5),
        half.percentile(0.99),
        half.percentile(0.999),
        used.cpu.as_secs_f64() * 1000.0 / runs,
        used.resident as f64 / 1e6,
        used.written as f64 / runs,
    );
}

/// How long it takes from the start of a process to its first answer, in milliseconds.
fn first_answer(folder: &Path, answers: &str) -> f64 {
    let file = program(folder, answers);
    median((0..5).map(|number| {
        let start = Instant::now();
        let server = Server::flowc(&file, &folder.join(format!("first-{number}")));
        server.once("/pure", number);
        start.elapsed().as_secs_f64() * 1000.0
    }))
}

fn program(folder: &Path, answers: &str) -> PathBuf {
    let file = folder.join("main.flow");
    std::fs::write(&file, PROGRAM.replace("ANSWERS", answers)).expect("the folder is ours");
    file
}

/// A new folder beside this program, which is on a disk where temporary folders may be in memory.
fn folder() -> PathBuf {
    let exe = std::env::current_exe().expect("this program is a file");
    let folder = exe.with_file_name(format!("runs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder of this program can be written to");
    folder
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
