//! When are the programs of a server read again, and what has changed then?
//!
//! On SIGHUP, and with `--watch` when a `.flow` file or `flow.toml` in the folder of the programs has changed. Several
//! changes within a moment, as editors and version control make them, are one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use flow_model::plan::Plan;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// How long nothing must have changed before files are read.
const SETTLED: Duration = Duration::from_millis(100);

/// What asks for programs to be read again.
pub(super) struct Reload {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
    changed: Arc<Notify>,
    /// Watches as long as it is there.
    _watcher: Option<RecommendedWatcher>,
}

impl Reload {
    /// Begins to listen; with a folder, also to what changes below it. To be called within a tokio runtime.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(super) fn new(folder: Option<&Path>) -> Result<Self, Trouble> {
        let changed = Arc::new(Notify::new());
        let watcher = folder.map(|folder| watch(folder, &changed)).transpose()?;
        Ok(Self {
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map_err(|error| {
                Trouble::new(Exit::Environment, format!("signals can't be received: {}", said(&error)))
            })?,
            changed,
            _watcher: watcher,
        })
    }

    /// Waits until the programs are to be read again.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        let hangup = async {
            if self.hangup.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        #[cfg(not(unix))]
        let hangup = std::future::pending::<()>();
        tokio::select! {
            () = hangup => {}
            () = self.changed.notified() => {
                while tokio::time::timeout(SETTLED, self.changed.notified()).await.is_ok() {}
            }
        }
    }
}

fn watch(folder: &Path, changed: &Arc<Notify>) -> Result<RecommendedWatcher, Trouble> {
    let refused = |error: notify::Error| {
        Trouble::new(Exit::Environment, format!("`{}` can't be watched: {error}", folder.display()))
            .help("leave `--watch` out, and send SIGHUP when the programs have changed")
    };
    let tell = Arc::clone(changed);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let is_ours = match &event {
            Ok(event) => !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| is_source(path)),
            // What was missed is not known.
            Err(_) => true,
        };
        if is_ours {
            tell.notify_one();
        }
    })
    .map_err(refused)?;
    watcher.watch(folder, RecursiveMode::Recursive).map_err(refused)?;
    Ok(watcher)
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "flow") || path.ends_with("flow.toml")
}

/// What is different in other versions of the programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) new: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) gone: Vec<String>,
}

impl Changes {
    pub(super) fn between(before: &[Arc<Plan>], after: &[Arc<Plan>]) -> Self {
        let digests = |plans: &[Arc<Plan>]| -> BTreeMap<String, String> {
            plans.iter().map(|plan| (plan.flow.clone(), plan.digest())).collect()
        };
        let (before, after) = (digests(before), digests(after));
        let mut changes = Self::default();
        for flow in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let list = match (before.get(flow), after.get(flow)) {
                (None, _) => &mut changes.new,
                (_, None) => &mut changes.gone,
                (Some(before), Some(after)) if before != after => &mut changes.changed,
                _ => continue,
            };
            list.push(flow.clone());
        }
        changes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }
}
