//! How much does the server allocate for a run, and how much is written for it?
//!
//! `flowc serve` in one process and one thread, with its journal on disk, is sent orders one after the other; what it allocates
//! in that thread and what is in the log of its database are compared between so many and twice as many, so that what is done
//! once does not count. The thread that writes is not counted. Times move with the machine; these figures hardly do, so small
//! gains on the path of a run show in them.
//!
//! `cargo bench -p flow-benches --bench path`, or with `--profile dev`, which allocates the same, where there is no release build.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use allocation_counter::AllocationInfo;
use async_trait::async_trait;
use flow_benches::client::{Connection, fresh};
use flow_compiler::{Catalog, LoadError, Loader};
use flow_runtime::{
    connector::{Attempt, Invocation, Performer},
    engine::{Engine, Settings},
    eval::Library,
    secret::{SecretText, Secrets},
    timer::SystemClock,
    trigger::{self, Counters, Limits, verify::Roots},
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

/// The flows whose times `--bench runs` takes; of these, `pure` is asked.
const PROGRAM: &str = include_str!("../runs/program.flow");

/// How many orders are sent; small enough that the log is not taken into the database meanwhile.
const ORDERS: u32 = 100;

fn main() {
    let (few, many) = (measured(ORDERS), measured(2 * ORDERS));
    let of_a_run = |of: &dyn Fn(&Measured) -> u64| (of(&many) as f64 - of(&few) as f64) / f64::from(ORDERS);
    println!("{:<40} {:>10.1}", "allocations of a run", of_a_run(&|of| of.allocated.count_total));
    println!("{:<40} {:>10.0}", "bytes allocated for a run", of_a_run(&|of| of.allocated.bytes_total));
    println!("{:<40} {:>10.0}", "bytes of the log for a run alone", of_a_run(&|of| of.log));
}

struct Measured {
    allocated: AllocationInfo,
    log: u64,
}

fn measured(orders: u32) -> Measured {
    let folder = std::env::temp_dir().join(format!("flow-path-{}-{orders}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is a thread");
    let mut log = 0;
    let allocated = allocation_counter::measure(|| log = runtime.block_on(serve(&folder, orders)));
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    Measured { allocated, log }
}

/// Serves until so many orders are answered; says how many bytes the log has then.
async fn serve(folder: &Path, orders: u32) -> u64 {
    let library = Library::new(flow_stdlib::functions());
    let engine = Engine::open(Settings::new(folder, library.clone(), Arc::new(BTreeMap::new()), Arc::new(Nobody)));
    let engine = Arc::new(engine.expect("the folder can be used"));
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    // Nobody is there: what calls it is not asked.
    let program = PROGRAM.replace("ANSWERS", "http://127.0.0.1:9");
    let checked = flow_compiler::check("path.flow", program.as_bytes(), &catalog, &NoFiles);
    let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let plans: Vec<_> = program.plans.into_values().map(Arc::new).collect();
    for plan in &plans {
        engine.deploy(Arc::clone(plan)).await.expect("the folder can be written");
    }
    engine.resume().await.expect("the folder can be read");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it listens").to_string();
    let (done, stop) = oneshot::channel();
    let client = std::thread::spawn(move || {
        let mut connection = Connection::open(&address);
        (0..orders).for_each(|_| connection.post("/pure", &fresh()));
        done.send(()).expect("the server waits for this");
    });
    let (_others, plans) = watch::channel(plans);
    let settings = trigger::Settings {
        library,
        env: Arc::new(BTreeMap::new()),
        secrets: Arc::new(Nobody),
        roots: Arc::new(Roots::only("")),
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        public_url: None,
        token: None,
        counters: Arc::new(Counters::default()),
        metrics: None,
        folder: PathBuf::new(),
    };
    let stopped = async { stop.await.expect("the client says when it is done") };
    trigger::serve(Arc::clone(&engine), plans, listener, settings, stopped)
        .await
        .expect("it serves until it is stopped");
    client.join().expect("all orders were answered");
    let log = std::fs::metadata(folder.join("journal.sqlite-wal")).expect("the journal has a log").len();
    engine.shutdown().await;
    log
}

/// Nothing is called, and there are no secrets.
struct Nobody;

#[async_trait]
impl Performer for Nobody {
    async fn perform(&self, _invocation: Invocation) -> Attempt {
        std::future::pending().await
    }
}

impl Secrets for Nobody {
    fn get(&self, _name: &str) -> Option<SecretText> {
        None
    }
}

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}
