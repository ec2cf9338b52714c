//! `flowc serve` renews the webhooks that end otherwise: at its start, and then as often as their connectors say
//! and before their systems say that they end.
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
    connector::{Connectors, Hook, Registered},
    timer::{Clock as _, SystemClock},
};
use tokio::sync::watch::Receiver;

use super::{
    kept::{Book, Entry, State},
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
    // What systems have said of renewed ones, until it is written down.
    let mut said: BTreeMap<String, (Entry, Entry)> = BTreeMap::new();
    let mut set_by = SystemClock.set_by();
    loop {
        // What was due is not known any more when the clock was set.
        let known_by_now = SystemClock.set_by();
        if std::mem::replace(&mut set_by, known_by_now) != known_by_now {
            due.clear();
        }
        let mut known = hooks.borrow_and_update().clone();
        known.retain(|connection, plan| renews(connection, plan));
        let mut next = SystemClock.now().after(SOON);
        said.retain(|name, (written, latest)| !write_down(&data, name, written, latest));
        let registered = if known.is_empty() { Vec::new() } else { registered(&known, &data) };
        for (hook, entry, every) in registered {
            let now = SystemClock.now();
            let name = hook.connection.clone();
            let before = due.get(&name).copied().unwrap_or(Due { at: now, failures: 0 });
            let after = if before.at > now {
                before
            } else {
                let latest = said.get(&name).filter(|(written, _)| *written == entry).map(|(_, latest)| latest);
                let id = latest.unwrap_or(&entry).id().unwrap_or_default().to_owned();
                let renewed = connectors.renew_webhook(&hook, &id, &new_key()).await;
                told(&name, renewed.as_ref().err());
                match renewed {
                    Ok(Registered { id, expires, .. }) => {
                        let renewed = Entry { expires, state: State::Registered { id }, ..entry.clone() };
                        if renewed != entry && !write_down(&data, &name, &entry, &renewed) {
                            said.insert(name.clone(), (entry, renewed));
                        }
                        Due { at: now.after(wait(now, every, expires)), failures: 0 }
                    }
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
            () = SystemClock.sleep_as_far_as(next), if !known.is_empty() => {}
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

/// How long until one is renewed that was set up or renewed now: as often as its connector says, and well before its end, so
/// that there is time to try again.
fn wait(now: Instant, every: Millis, expires: Option<Instant>) -> Millis {
    let by_end = expires.map_or(every, |end| Millis(end.since(now).0 / 4 * 3));
    every.min(by_end).max(Millis::seconds(1))
}

/// Writes down what a system has said of a renewed one, unless something else was written meanwhile; says whether nothing is
/// left to be written.
fn write_down(data: &Path, connection: &str, before: &Entry, after: &Entry) -> bool {
    let written = Book::open(data).and_then(|mut book| match book.get(connection) {
        Some(entry) if entry == before => book.set(connection, Some(after.clone())),
        _ => Ok(()),
    });
    if let Err(trouble) = &written {
        tracing::warn!(connection, "what its system says of the renewed webhook is not written down yet: {trouble}");
    }
    written.is_ok()
}

/// The webhooks that are set up and have to be renewed: as they are written down, and how often.
fn registered(hooks: &Hooks, data: &Path) -> Vec<(Hook, Entry, Millis)> {
    let book = match Book::look(data) {
        Ok(book) => book,
        Err(trouble) => {
            tracing::error!("which webhooks are set up is not known, so none is renewed: {trouble}");
            return Vec::new();
        }
    };
    let found = hooks.iter().filter_map(|(connection, plan)| {
        let entry = book.get(connection).filter(|entry| entry.id().is_some())?.clone();
        let Entry { url, events, .. } = entry.clone();
        let hook = Hook { plan: Arc::clone(plan), connection: connection.clone(), url, events };
        let every = hook.renewed_every()?;
        Some((hook, entry, every))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_renewed_as_often_as_is_declared_and_well_before_its_end() {
        let (now, every) = (Instant(1_000_000), Millis::seconds(12 * 3600));
        let ends = |seconds: i64| Some(Instant(now.0 + seconds * 1000));
        assert_eq!(wait(now, every, None), every);
        assert_eq!(wait(now, every, ends(7 * 86_400)), every);
        assert_eq!(wait(now, every, ends(3600)), Millis::seconds(2700));
        assert_eq!(
            wait(now, every, ends(0)),
            Millis::seconds(1),
            "one that says that it is over is not renewed without pause"
        );
        assert_eq!(wait(now, every, ends(-3600)), Millis::seconds(1));
    }
}
