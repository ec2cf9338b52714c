//! The whole way from a socket to a run on disk: a real server, a real engine and its journal; only the time is set.

mod answer;
mod call;
mod clock;
mod delivery;
mod file;
mod gather;
mod halted;
mod hostile;
mod overload;
mod plans;
mod poll;
mod probe;
mod reload;
mod route;
mod schedule;
mod upload;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use flow_model::{plan::Plan, units::Instant};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value as Json;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{Counters, Error, Limits, Settings, serve, verify::Roots};
use crate::{
    connector::{Connectors, NativeTable},
    egress::{Guard, Networks},
    engine::{self, Engine, Filter, RunSummary},
    eval::Library,
    observe::Metrics,
    secret::{SecretText, Secrets},
    timer::hands::Hands,
};

/// 2023-11-14T22:13:20Z
const NOW: Instant = Instant(1_700_000_000_000);
const SECRET: &str = "whsec_test_secret";
const TOKEN: &str = "token-of-the-callers";

struct Vault(BTreeMap<&'static str, &'static str>);

impl Secrets for Vault {
    fn get(&self, name: &str) -> Option<SecretText> {
        self.0.get(name).map(|text| SecretText::new(*text))
    }
}

/// A server with its engine. The folder outlives it, so that another one can go on.
struct Served {
    engine: Arc<Engine>,
    address: SocketAddr,
    counters: Arc<Counters>,
    http: Client,
    plans: watch::Sender<Vec<Arc<Plan>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

/// What the engine and the server share.
struct World {
    env: Arc<BTreeMap<String, String>>,
    vault: Arc<Vault>,
    clock: Arc<Hands>,
    /// Where files are looked for.
    folder: PathBuf,
    /// The secret of those who call flows.
    token: Option<String>,
}

impl World {
    fn new(clock: &Arc<Hands>) -> Self {
        let env = BTreeMap::from([("WHOLESALE".to_owned(), "yes".to_owned())]);
        let vault =
            BTreeMap::from([("stripe/webhook", SECRET), ("other/webhook", "another secret"), ("api/token", TOKEN)]);
        let token = Some("api/token".to_owned());
        Self {
            env: Arc::new(env),
            vault: Arc::new(Vault(vault)),
            clock: Arc::clone(clock),
            folder: PathBuf::new(),
            token,
        }
    }

    fn engine(&self, folder: &Path) -> engine::Settings {
        let (env, vault) = (self.env.clone(), self.vault.clone());
        let performer = Connectors::new(Library::default(), env.clone(), vault, NativeTable::new())
            .with_guard(Guard::new(Networks::localhost()));
        let settings = engine::Settings::new(folder, Library::default(), env, Arc::new(performer));
        engine::Settings { clock: self.clock.clone(), ..settings }
    }

    async fn serve(self, engine: Engine, plans: Vec<Arc<Plan>>, limits: Limits) -> Served {
        let engine = Arc::new(engine);
        for plan in &plans {
            engine.deploy(Arc::clone(plan)).await.unwrap();
        }
        engine.resume().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counters = Arc::new(Counters::default());
        let settings = Settings {
            library: Library::default(),
            env: self.env,
            secrets: self.vault,
            roots: Arc::new(Roots::only("")),
            clock: self.clock,
            limits,
            public_url: None,
            token: self.token,
            counters: Arc::clone(&counters),
            metrics: Some(Arc::new(Metrics::new(Arc::clone(&counters), None))),
            folder: self.folder,
        };
        let (others, watched) = watch::channel(plans);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&engine);
        let task = tokio::spawn(async move {
            let stop = async {
                stopped.await.ok();
            };
            serve(served, watched, listener, settings, stop).await
        });
        Served { engine, address, counters, http: Client::new(), plans: others, stop, task }
    }
}

async fn start(folder: &Path, clock: &Arc<Hands>, plans: Vec<Arc<Plan>>, limits: Limits) -> Served {
    let world = World::new(clock);
    let engine = Engine::open(world.engine(folder)).unwrap();
    world.serve(engine, plans, limits).await
}

/// A server over a new folder.
async fn fresh(plans: Vec<Arc<Plan>>) -> (TempDir, Arc<Hands>, Served) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let served = start(folder.path(), &clock, plans, Limits::default()).await;
    (folder, clock, served)
}

impl Served {
    fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http.post(format!("http://{}{path}", self.address)).body(body)
    }

    /// A delivery as Stripe signs it.
    fn event(&self, path: &str, body: &str) -> RequestBuilder {
        self.post(path, body.to_owned()).header("Stripe-Signature", signature(NOW.0 / 1000, body.as_bytes()))
    }

    async fn runs(&self) -> Vec<RunSummary> {
        self.engine.runs(Filter { limit: 2000, ..Filter::default() }).await.unwrap()
    }

    async fn stop(self) -> Result<(), Error> {
        self.stop.send(()).ok();
        let outcome = self.task.await.unwrap();
        self.engine.shutdown().await;
        outcome
    }
}

async fn sent(request: RequestBuilder) -> (StatusCode, Json) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}")))
}

fn hmac(secret: &str, pieces: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    pieces.iter().for_each(|piece| mac.update(piece));
    hex::encode(mac.finalize().into_bytes())
}

fn signature(seconds: i64, body: &[u8]) -> String {
    format!("t={seconds},v1={}", hmac(SECRET, &[seconds.to_string().as_bytes(), b".", body]))
}
