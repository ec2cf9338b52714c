//! The server that is called: it counts what reaches it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, header::CONTENT_TYPE},
    routing::{get, post, put},
};
use tokio::net::TcpListener;

/// The server; it lives as long as the program.
pub(crate) struct Desk {
    pub(crate) address: String,
    seen: Shared,
}

/// What has reached it.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) looked: BTreeSet<String>,
    /// How often each key came, by what was booked.
    pub(crate) booked: BTreeMap<String, BTreeMap<String, usize>>,
    pub(crate) told: BTreeMap<String, usize>,
    pub(crate) closed: BTreeSet<String>,
    pub(crate) calls: usize,
}

type Answer = ([(HeaderName, &'static str); 1], &'static str);

type Shared = Arc<Mutex<Seen>>;

impl Desk {
    pub(crate) async fn start() -> Self {
        let seen = Shared::default();
        let router = Router::new()
            .route("/look/{order}", get(look))
            .route("/book/{order}", post(book))
            .route("/tell/{order}", post(tell))
            .route("/close/{order}", put(close))
            .with_state(Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    /// What has reached it so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

fn note(seen: &Shared, note: impl FnOnce(&mut Seen)) -> Answer {
    let mut seen = seen.lock().unwrap();
    seen.calls += 1;
    note(&mut seen);
    ([(CONTENT_TYPE, "application/json")], r#"{"ok":true}"#)
}

async fn look(State(seen): State<Shared>, Path(order): Path<String>) -> Answer {
    note(&seen, |seen| {
        seen.looked.insert(order);
    })
}

async fn book(State(seen): State<Shared>, Path(order): Path<String>, headers: HeaderMap) -> Answer {
    let key = headers.get("Idempotency-Key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    note(&seen, |seen| *seen.booked.entry(order).or_default().entry(key).or_default() += 1)
}

async fn tell(State(seen): State<Shared>, Path(order): Path<String>) -> Answer {
    note(&seen, |seen| *seen.told.entry(order).or_default() += 1)
}

async fn close(State(seen): State<Shared>, Path(order): Path<String>) -> Answer {
    note(&seen, |seen| {
        seen.closed.insert(order);
    })
}
