//! Who starts the runs of files that appear in a folder?
//!
//! A task for each `on file`. It looks at the folder when the operating system says that something has changed, and now and
//! then in any case, since not every file system says so. What it has seen is kept by path, on disk together with the run, so
//! that after any pause a file has one run for each of its versions, and those that came meanwhile have theirs. A file that is
//! still being written has none: it is taken when it has not changed for a moment. Its bytes are kept beside the journal
//! first, so that the run has them whatever becomes of the file.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use flow_model::{
    file::{ANY_MEDIA_TYPE, File},
    plan::{Plan, Trigger, TriggerKind},
    units::{Instant, Millis},
    value::Value,
};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::pattern::{Pattern, Stamp, stamp};
use crate::{
    blob::Blobs,
    engine::{Engine, Share, Submission, SubmitError, started_by},
    timer::Clock,
    worker,
};

/// How long a file must not have changed before it is taken.
const SETTLED: Millis = Millis::seconds(2);

/// How often the folder is looked at when nobody says that something has changed.
const LOOK_AGAIN: Millis = Millis::seconds(30);

/// How long to wait before a run that was not accepted is submitted again.
const TRY_AGAIN: Millis = Millis::seconds(5);

/// How much of a file is read at once.
const CHUNK: usize = 256 << 10;

/// The media types of files by how their names end (IANA media types registry).
const MEDIA_TYPES: [(&str, &str); 14] = [
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// A flow that files start.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    plan: Arc<Plan>,
    trigger: usize,
    declared: Trigger,
    pattern: Pattern,
}

/// Lists the flows that files start; their paths are below a folder.
pub(super) fn watched(plans: &[Arc<Plan>], folder: &Path) -> Vec<Watched> {
    let all = plans.iter().flat_map(|plan| plan.triggers.iter().enumerate().map(move |trigger| (plan, trigger)));
    all.filter_map(|(plan, (trigger, declared))| match &declared.kind {
        TriggerKind::File { pattern } => Some(Watched {
            plan: Arc::clone(plan),
            trigger,
            declared: declared.clone(),
            pattern: Pattern::of(pattern, folder),
        }),
        _ => None,
    })
    .collect()
}

/// A file that has to be taken.
struct Taken {
    path: String,
    stamp: Stamp,
}

/// Why a file has no run yet.
enum NotYet {
    /// It has changed meanwhile, or is gone.
    Changed,
    /// The run was not accepted for now.
    Passing,
    /// The run was not accepted, and will hardly be soon.
    Refused,
    /// The engine takes no more.
    Over,
}

struct Task {
    watched: Watched,
    engine: Arc<Engine>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    /// Versions that have had their run, as kept on disk.
    seen: BTreeMap<String, String>,
    /// Versions that are seen and not taken, and since when.
    young: HashMap<String, (Stamp, Instant)>,
}

/// Starts runs for files, until the engine takes no more.
pub(super) async fn run(watched: Watched, engine: Arc<Engine>, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) {
    let (flow, on) = (watched.plan.flow.clone(), started_by(&watched.declared));
    let seen = match engine.notes(&flow, &watched.declared).await {
        Ok(seen) => seen,
        Err(error) => return tracing::error!(%error, flow, on, "what was seen of files can't be read"),
    };
    let changed = Arc::new(Notify::new());
    let mut watcher = None;
    let mut task = Task { watched, engine, blobs, clock, seen, young: HashMap::new() };
    loop {
        // The folder may have come only now.
        watcher = watcher.or_else(|| task.watch(&changed));
        let until = match task.look().await {
            Ok(Some(until)) => until,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, flow, on, "the folder can't be looked at");
                task.now().after(LOOK_AGAIN)
            }
        };
        tokio::select! {
            () = task.clock.sleep(until.since(task.now())) => {}
            () = changed.notified() => {}
        }
    }
}

impl Task {
    /// The time by a clock that nobody sets.
    fn now(&self) -> Instant {
        self.clock.now().moved(-self.clock.set_by())
    }

    fn watch(&self, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
        let pattern = &self.watched.pattern;
        if !pattern.folder.is_dir() {
            return None;
        }
        let tell = Arc::clone(changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is no change of it.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                tell.notify_one();
            }
        });
        let mode = if pattern.is_deep() { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        let watched = watcher.and_then(|mut watcher| watcher.watch(&pattern.folder, mode).map(|()| watcher));
        watched
            .inspect_err(|error| {
                let folder = pattern.folder.display();
                tracing::warn!(%folder, %error, "a folder is not watched, and looked at every {LOOK_AGAIN} alone");
            })
            .ok()
    }

    /// Looks at the folder and starts runs; says when to look again, and nothing when the engine takes no more.
    async fn look(&mut self) -> io::Result<Option<Instant>> {
        let pattern = self.watched.pattern.clone();
        let found = worker::blocking(move || pattern.files()).await?;
        let now = self.now();
        if !self.forget(&found).await {
            return Ok(None);
        }
        let mut until = now.after(LOOK_AGAIN);
        for (path, stamp) in found {
            if self.seen.get(&path) == Some(&stamp.to_string()) {
                self.young.remove(&path);
                continue;
            }
            let since = match self.young.get(&path) {
                Some((known, since)) if *known == stamp => *since,
                _ => {
                    self.young.insert(path.clone(), (stamp, now));
                    now
                }
            };
            let modified = Instant(i64::try_from(stamp.modified / 1_000_000).unwrap_or(i64::MAX));
            if now < since.after(SETTLED) && self.clock.now() < modified.after(SETTLED) {
                until = until.min(since.after(SETTLED));
                continue;
            }
            match self.take(Taken { path, stamp }).await {
                Ok(()) => {}
                Err(NotYet::Changed) => until = until.min(now.after(SETTLED)),
                Err(NotYet::Passing) => until = until.min(now.after(TRY_AGAIN)),
                // None is left out: it is tried again when the folder is looked at next.
                Err(NotYet::Refused) => {}
                Err(NotYet::Over) => return Ok(None),
            }
        }
        Ok(Some(until))
    }

    /// Forgets files that are gone: one that comes again is a new one. Says whether the engine goes on.
    async fn forget(&mut self, found: &BTreeMap<String, Stamp>) -> bool {
        self.young.retain(|path, _| found.contains_key(path));
        let gone: Vec<String> = self.seen.keys().filter(|path| !found.contains_key(*path)).cloned().collect();
        if gone.is_empty() {
            return true;
        }
        let notes = gone.iter().map(|path| (path.clone(), String::new())).collect();
        let kept = self.engine.keep(&self.watched.plan.flow, &self.watched.declared, notes).await;
        gone.iter().for_each(|path| drop(self.seen.remove(path)));
        kept.is_ok()
    }

    /// Keeps the bytes of a file and starts its run.
    async fn take(&mut self, taken: Taken) -> Result<(), NotYet> {
        let (flow, path) = (&self.watched.plan.flow, &taken.path);
        let place = self.watched.pattern.folder.join(path);
        let file = match self.keep(&place, &taken).await {
            Ok(Some(file)) => file,
            Ok(None) => return Err(NotYet::Changed),
            Err(error) => {
                tracing::error!(flow, path, %error, "a file can't be read yet");
                return Err(NotYet::Passing);
            }
        };
        let modified = Instant(i64::try_from(taken.stamp.modified / 1_000_000).unwrap_or(i64::MAX));
        let note = taken.stamp.to_string();
        let submission = Submission {
            flow: flow.clone(),
            plan: Some(Arc::clone(&self.watched.plan)),
            trigger: Some(self.watched.trigger),
            payload: Value::record([
                ("path", Value::text(place.display().to_string())),
                ("modified_at", Value::Timestamp(modified.timestamp())),
                ("file", Value::File(Arc::new(file))),
            ]),
            dedupe: None,
            body_digest: None,
            trace: None,
            notes: BTreeMap::from([(path.clone(), note.clone())]),
            share: Share::Event,
        };
        match self.engine.submit(submission).await {
            Ok(accepted) => tracing::debug!(flow, path, run = %accepted.run, "a file has its run"),
            Err(error) if error.is_passing() => {
                tracing::error!(%error, flow, path, "the run of a file was not accepted yet");
                return Err(NotYet::Passing);
            }
            Err(SubmitError::Closing | SubmitError::Store(_)) => return Err(NotYet::Over),
            Err(error) => {
                tracing::error!(%error, flow, path, "the run of a file was not accepted");
                return Err(NotYet::Refused);
            }
        }
        self.young.remove(&taken.path);
        self.seen.insert(taken.path, note);
        Ok(())
    }

    /// Keeps the bytes; nothing comes back when they are not those that were seen.
    async fn keep(&self, place: &Path, taken: &Taken) -> Result<Option<File>, crate::blob::Error> {
        let mut source = match open(place.to_owned()).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            source => source?,
        };
        let mut writer = self.blobs.create().await?;
        loop {
            let (rest, chunk) = read(source).await?;
            if chunk.is_empty() {
                break;
            }
            source = rest;
            writer.write(chunk).await?;
        }
        let path = place.to_owned();
        if worker::blocking(move || stamp(&path)).await? != Some(taken.stamp) {
            return Ok(None);
        }
        let blob = writer.finish().await?;
        let name = place.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
        let known = MEDIA_TYPES.iter().find(|(known, _)| *known == end);
        let mime_type = known.map_or(ANY_MEDIA_TYPE, |(_, mime_type)| mime_type);
        Ok(Some(File::new(blob.sha256, blob.size, name, mime_type)))
    }
}

async fn open(path: PathBuf) -> io::Result<fs::File> {
    worker::blocking(move || fs::File::open(path)).await
}

/// Reads the next bytes; none at the end.
async fn read(mut source: fs::File) -> io::Result<(fs::File, Bytes)> {
    worker::blocking(move || {
        let mut chunk = vec![0; CHUNK];
        let read = source.read(&mut chunk)?;
        chunk.truncate(read);
        Ok((source, Bytes::from(chunk)))
    })
    .await
}
