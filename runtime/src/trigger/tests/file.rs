//! Files that start runs: each version once, whole, and also those that came while nothing ran.

use std::{fs, path::Path, sync::Arc};

use flow_model::{
    plan::{NodeKind, Plan, TriggerKind},
    ty::Type,
    units::{Instant, Millis},
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;

use super::{
    Hands, NOW, Served, World,
    plans::{EVENT, plan, trigger},
};
use crate::{
    engine::{Engine, Happening, Progress},
    machine::Outcome,
    trigger::Limits,
};

/// `on file "inbox/*.csv" as event`, which returns what comes with it.
fn flow() -> Vec<Arc<Plan>> {
    let kind = TriggerKind::File { pattern: "inbox/*.csv".to_owned() };
    vec![Arc::new(plan("take", vec![trigger(kind, Type::Json)], vec![NodeKind::Return(EVENT)]))]
}

async fn start(data: &Path, files: &TempDir, clock: &Arc<Hands>) -> (Served, Receiver<Arc<Progress>>) {
    let world = World { folder: files.path().to_owned(), ..World::new(clock) };
    let engine = Engine::open(world.engine(data)).unwrap();
    let progress = engine.subscribe();
    (world.serve(engine, flow(), Limits::default()).await, progress)
}

fn after(seconds: u64) -> Instant {
    NOW.after(Millis::seconds(seconds))
}

/// Puts a file there, whole at once.
fn put(files: &TempDir, name: &str, content: &str) {
    let folder = files.path().join("inbox");
    fs::create_dir_all(&folder).unwrap();
    let beside = files.path().join(name);
    fs::write(&beside, content).unwrap();
    fs::rename(beside, folder.join(name)).unwrap();
}

impl Served {
    /// What came with the next file whose run is over.
    async fn taken(&self, progress: &mut Receiver<Arc<Progress>>) -> Json {
        loop {
            let progress = progress.recv().await.unwrap();
            let Happening::Standing(state) = progress.what else { continue };
            if state.is_final() {
                let outcome = self.engine.outcome(&progress.run).await.unwrap().outcome;
                let Some(Outcome::Completed(value)) = outcome else { panic!("{outcome:?}") };
                return value.to_json();
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_there_starts_a_run_with_its_bytes_when_it_has_settled() {
    let (data, files, clock) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Hands::at(NOW));
    put(&files, "a.csv", "id\n1\n");
    put(&files, "a.csv.part", "half");
    put(&files, ".b.csv", "hidden");
    let (served, mut progress) = start(data.path(), &files, &clock).await;
    clock.slept_until(after(2)).await;
    // It grows while it is looked at.
    clock.set(after(1));
    put(&files, "a.csv", "id\n1\n2\n");
    clock.slept_until(after(3)).await;
    clock.set(after(2));
    assert!(served.runs().await.is_empty(), "a file that has just changed is not taken");
    clock.set(after(3));
    let taken = served.taken(&mut progress).await;
    let path = files.path().join("inbox/a.csv");
    assert_eq!(taken["path"], path.to_str().unwrap());
    let file = &taken["file"];
    assert_eq!((&file["name"], &file["mime_type"], &file["size"]), (&json!("a.csv"), &json!("text/csv"), &json!(7)));
    // The run has the bytes, whatever becomes of the file.
    fs::remove_file(&path).unwrap();
    let blobs = served.engine.blobs();
    let bytes = crate::blob::load(&*blobs, file["sha256"].as_str().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!(bytes, b"id\n1\n2\n");
    assert_eq!(served.runs().await.len(), 1);
    assert_eq!(served.runs().await[0].trigger.as_deref(), Some("file inbox/*.csv"));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn each_version_of_a_file_has_one_run_over_restarts() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(&files, "a.csv", "1");
    let clock = Hands::at(NOW);
    let (served, mut progress) = start(data.path(), &files, &clock).await;
    clock.slept_until(after(2)).await;
    clock.set(after(2));
    assert_eq!(served.taken(&mut progress).await["file"]["size"], 1);
    served.stop().await.unwrap();

    // Nothing is new.
    let clock = Hands::at(after(100));
    let (served, _) = start(data.path(), &files, &clock).await;
    clock.slept_until(after(130)).await;
    assert_eq!(served.runs().await.len(), 1);
    served.stop().await.unwrap();

    // What came while nothing ran is taken; what has changed is another version.
    put(&files, "a.csv", "two");
    put(&files, "b.csv", "four");
    let clock = Hands::at(after(200));
    let (served, mut progress) = start(data.path(), &files, &clock).await;
    clock.slept_until(after(202)).await;
    clock.set(after(202));
    let mut sizes = [served.taken(&mut progress).await, served.taken(&mut progress).await]
        .map(|taken| taken["file"]["size"].as_u64().unwrap());
    sizes.sort_unstable();
    assert_eq!(sizes, [3, 4]);
    served.stop().await.unwrap();
    assert!(data.path().join("journal.sqlite").exists());
}

#[tokio::test]
async fn a_file_that_comes_again_after_it_was_taken_away_is_a_new_one() {
    let (data, files, clock) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Hands::at(NOW));
    let (served, mut progress) = start(data.path(), &files, &clock).await;
    // The folder comes later than the server.
    clock.slept_until(after(30)).await;
    put(&files, "a.csv", "1");
    clock.set(after(30));
    clock.slept_until(after(32)).await;
    clock.set(after(32));
    served.taken(&mut progress).await;
    let path = files.path().join("inbox/a.csv");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    clock.slept_until(after(62)).await;
    fs::remove_file(&path).unwrap();
    clock.set(after(62));
    clock.slept_until(after(92)).await;
    // It appears as it stays: a look that the removal has caused may be under way.
    let beside = files.path().join("a.csv");
    fs::write(&beside, "1").unwrap();
    fs::File::options().write(true).open(&beside).unwrap().set_modified(modified).unwrap();
    fs::rename(&beside, &path).unwrap();
    clock.set(after(92));
    clock.slept_until(after(94)).await;
    clock.set(after(94));
    served.taken(&mut progress).await;
    assert_eq!(served.runs().await.len(), 2);
    served.stop().await.unwrap();
}

/// An environment that changes while the server runs.
struct Changing(std::sync::Mutex<Option<String>>);

impl crate::eval::Environment for Changing {
    fn get(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap().clone().filter(|_| name == "TENANT")
    }
}

#[tokio::test]
async fn a_file_whose_run_is_not_accepted_is_tried_again() {
    let (data, files, clock) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Hands::at(NOW));
    let tenant = || flow_model::expr::Expr::Env("TENANT".into(), None);
    let kind = TriggerKind::File { pattern: "inbox/*.csv".to_owned() };
    let concurrency = Some(flow_model::plan::Concurrency { limit: 1, per: Some(tenant()) });
    let trigger = flow_model::plan::Trigger { concurrency, ..trigger(kind, Type::Json) };
    let nodes = vec![NodeKind::Log(tenant()), NodeKind::Return(EVENT)];
    let env = Arc::new(Changing(std::sync::Mutex::new(None)));
    let world = World { folder: files.path().to_owned(), ..World::new(&clock) };
    let settings = crate::engine::Settings { env: env.clone(), ..world.engine(data.path()) };
    let engine = Engine::open(settings).unwrap();
    let mut progress = engine.subscribe();
    put(&files, "a.csv", "1");
    let served = world.serve(engine, vec![Arc::new(plan("take", vec![trigger], nodes))], Limits::default()).await;
    clock.slept_until(after(2)).await;
    clock.set(after(2));
    // It is refused now, and looked at again.
    clock.slept_until(after(32)).await;
    assert!(served.runs().await.is_empty());
    *env.0.lock().unwrap() = Some("acme".to_owned());
    clock.set(after(32));
    assert_eq!(served.taken(&mut progress).await["file"]["size"], 1);
    served.stop().await.unwrap();
}
