//! `flowc serve` renews the webhooks that end otherwise: at its start, and then as often as their connectors say.
//!
//! Which there are is read from what `flowc webhooks register` has written down, so that one that is set up meanwhile counts.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::Plan,
    units::{Instant, Millis},
};
use flow_runtime::{
    connector::{Connectors, Hook},
    timer::{Clock as _, SystemClock},
};
use tokio::sync::watch::Receiver;

use super::{
    kept::{Book, Entry},
    register::new_key,
};

/// How long until what was written down is read again, and until a first failure is followed by another try.
const SOON: Millis = Millis::seconds(60);

/// For each connection a plan with what setting its webhooks up takes.
pub(crate) type Hooks = BTreeMap<String, Arc<Plan>>;

/// When a webhook is renewed next.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    failures: u32,
}

/// Renews webhooks for as long as it is polled.
pub(crate) async fn renew(connectors: Arc<Connectors>, data: PathBuf, mut hooks: Receiver<Hooks>) {
    let mut due: BTreeMap<String, Due> = BTreeMap::new();
    loop {
        let mut known = hooks.borrow_and_update().clone();
        known.retain(|connection, plan| renews(connection, plan));
        let mut next = SystemClock.now().after(SOON);
        let registered = if known.is_empty() { Vec::new() } else { registered(&known, &data) };
        for (hook, id, every) in registered {
            let now = SystemClock.now();
            let name = hook.connection.clone();
            let before = due.get(&name).copied().unwrap_or(Due { at: now, failures: 0 });
            let after = if before.at > now {
                before
            } else {
                let renewed = connectors.renew_webhook(&hook, &id, &new_key()).await;
                told(&name, renewed.as_ref().err());
                match renewed {
                    Ok(()) => Due { at: now.after(every), failures: 0 },
                    Err(_) => {
                        let wait = Millis(SOON.0.saturating_mul(1 << before.failures.min(20))).min(every);
                        Due { at: now.after(wait), failures: before.failures + 1 }
                    }
                }
            };
            next = next.min(after.at);
            due.insert(name, after);
        }
        // Where nothing is ever to be renewed, nothing is read again either.
        tokio::select! {
            () = SystemClock.sleep_until(next), if !known.is_empty() => {}
            Ok(()) = hooks.changed() => {}
            else => return,
        }
    }
}

/// Says whether the webhooks of a connection end when they are not renewed.
fn renews(connection: &str, plan: &Arc<Plan>) -> bool {
    let (plan, connection) = (Arc::clone(plan), connection.to_owned());
    Hook { plan, connection, url: String::new(), events: Vec::new() }.renewed_every().is_some()
}

/// The webhooks that are set up and have to be renewed: with their ids, and how often.
fn registered(hooks: &Hooks, data: &Path) -> Vec<(Hook, String, Millis)> {
    let book = match Book::look(data) {
        Ok(book) => book,
        Err(trouble) => {
            tracing::error!("which webhooks are set up is not known, so none is renewed: {trouble}");
            return Vec::new();
        }
    };
    let found = hooks.iter().filter_map(|(connection, plan)| {
        let entry = book.get(connection)?;
        let id = entry.id()?.to_owned();
        let Entry { url, events, .. } = entry.clone();
        let hook = Hook { plan: Arc::clone(plan), connection: connection.clone(), url, events };
        let every = hook.renewed_every()?;
        Some((hook, id, every))
    });
    found.collect()
}

fn told(connection: &str, failure: Option<&Failure>) {
    match failure {
        None => tracing::info!(connection, "its webhook is renewed"),
        Some(failure) if failure.kind == ErrorKind::NotFound => tracing::error!(
            connection,
            "its webhook is there no longer, and no events come: `flowc webhooks register --only {connection}` sets it up again"
        ),
        Some(failure) => {
            tracing::error!(connection, %failure, "its webhook is not renewed, and ends in time: it is tried again");
        }
    }
}
