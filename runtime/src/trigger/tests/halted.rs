//! A disk that fails: nothing is acknowledged that is not on it.

use async_trait::async_trait;
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use flow_model::{file::Sha256, plan::NodeKind};
use serde_json::json;

use super::*;
use crate::{
    engine::{RunDetail, RunId, RunState},
    journal::{Checkpoint, Row},
    machine::{Event, Start},
    store::{self, Batch, Committed, Expiry, Letter, Letters, Note, Sqlite, Store, Tidied, Unfinished},
};
use plans::{http, plan, text};

/// A store whose disk fails from some moment on.
struct Failing {
    inner: Sqlite,
    fails: Arc<AtomicBool>,
}

#[async_trait]
impl Store for Failing {
    async fn add_plan(&self, digest: String, flow: String, plan: Vec<u8>) -> Result<(), store::Error> {
        self.inner.add_plan(digest, flow, plan).await
    }

    async fn plan(&self, digest: &str) -> Result<Option<Vec<u8>>, store::Error> {
        self.inner.plan(digest).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, store::Error> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(store::Error::Closed);
        }
        self.inner.commit(batch).await
    }

    async fn clock_is_set(&self, by: i64) -> Result<(), store::Error> {
        self.inner.clock_is_set(by).await
    }

    async fn rows_from(&self, run: &RunId, seq: u64) -> Result<Vec<Row>, store::Error> {
        self.inner.rows_from(run, seq).await
    }

    async fn checkpoint(&self, run: &RunId) -> Result<Option<Checkpoint>, store::Error> {
        self.inner.checkpoint(run).await
    }

    async fn start(&self, run: &RunId) -> Result<Option<Start>, store::Error> {
        self.inner.start(run).await
    }

    async fn mail(&self, run: &RunId) -> Result<Vec<(i64, Event)>, store::Error> {
        self.inner.mail(run).await
    }

    async fn keep(&self, notes: Vec<Note>) -> Result<(), store::Error> {
        self.inner.keep(notes).await
    }

    async fn notes(&self, scope: &str) -> Result<BTreeMap<String, String>, store::Error> {
        self.inner.notes(scope).await
    }

    async fn begun_since(&self, scope: &str, since: Instant) -> Result<Vec<Instant>, store::Error> {
        self.inner.begun_since(scope, since).await
    }

    async fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, store::Error> {
        self.inner.summary(run).await
    }

    async fn detail(&self, run: &RunId) -> Result<Option<RunDetail>, store::Error> {
        self.inner.detail(run).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<RunSummary>, store::Error> {
        self.inner.list(filter).await
    }

    async fn letter(&self, id: i64) -> Result<Option<Letter>, store::Error> {
        self.inner.letter(id).await
    }

    async fn letters(&self, which: Letters) -> Result<Vec<Letter>, store::Error> {
        self.inner.letters(which).await
    }

    async fn settle(&self, id: i64, how: String) -> Result<(), store::Error> {
        self.inner.settle(id, how).await
    }

    async fn awake(&self, until: Instant) -> Result<Vec<Unfinished>, store::Error> {
        self.inner.awake(until).await
    }

    async fn due(&self, after: Instant, until: Instant) -> Result<Vec<(Instant, RunId)>, store::Error> {
        self.inner.due(after, until).await
    }

    async fn next_due(&self, after: Instant) -> Result<Option<Instant>, store::Error> {
        self.inner.next_due(after).await
    }

    async fn gated(&self) -> Result<Vec<Unfinished>, store::Error> {
        self.inner.gated().await
    }

    async fn pinned(&self) -> Result<BTreeSet<String>, store::Error> {
        self.inner.pinned().await
    }

    async fn plans(&self) -> Result<BTreeSet<String>, store::Error> {
        self.inner.plans().await
    }

    async fn standing(&self) -> Result<BTreeMap<RunState, u64>, store::Error> {
        self.inner.standing().await
    }

    async fn expire(&self, expiry: Expiry) -> Result<u64, store::Error> {
        self.inner.expire(expiry).await
    }

    async fn tidy(&self, plans: BTreeSet<String>, written_before: SystemTime) -> Result<Tidied, store::Error> {
        self.inner.tidy(plans, written_before).await
    }

    async fn unnamed(&self, blobs: Vec<Sha256>) -> Result<Vec<Sha256>, store::Error> {
        self.inner.unnamed(blobs).await
    }

    fn space(&self) -> Option<u64> {
        self.inner.space()
    }
}

#[tokio::test]
async fn a_run_that_can_t_be_written_down_is_not_acknowledged_and_the_server_ends() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(&Hands::at(NOW));
    let fails = Arc::new(AtomicBool::new(false));
    let inner = Sqlite::open(folder.path()).unwrap();
    let store = Arc::new(Failing { inner, fails: Arc::clone(&fails) });
    let engine = Engine::with_store(world.engine(folder.path()), store);
    let quiet = plan("quiet", vec![http("POST", "/quiet", None)], vec![NodeKind::Return(text("done"))]);
    let served = world.serve(engine, vec![Arc::new(quiet)], Limits::default()).await;

    let (_, first) = sent(served.post("/quiet", "{}")).await;
    let run: RunId = first["run"].as_str().unwrap().parse().unwrap();
    served.engine.outcome(&run).await.unwrap();
    fails.store(true, Ordering::SeqCst);
    let (status, body) = sent(served.post("/quiet", "{}")).await;
    assert_eq!((status, &body["error"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    let ended = served.task.await.unwrap();
    assert!(matches!(ended, Err(Error::Halted(_))), "{ended:?}");
    assert_eq!(served.engine.runs(Filter::default()).await.unwrap().len(), 1);
    assert!(tokio::net::TcpStream::connect(served.address).await.is_err());
}
