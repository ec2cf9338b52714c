//! An HTTP server in the place of a system that is called: it records requests, and can hold its answers back.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::to_bytes,
    extract,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde_json::Value as Json;
use tokio::{net::TcpListener, sync::watch};

use super::eventually;

/// The server; it lives as long as the test's runtime.
pub(crate) struct Server {
    /// `http://127.0.0.1:41234`
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    is_open: watch::Sender<bool>,
}

/// What has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Request {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    /// The text of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Server {
    /// Starts it; it gives the same answer to each request.
    pub(crate) async fn start(status: u16, answer: Json) -> Self {
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (is_open, gate) = watch::channel(true);
        let recorded = Arc::clone(&requests);
        let router = Router::new().fallback(move |request: extract::Request| async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("the body arrives");
            let line = format!("{} {}", head.method, head.uri);
            let body = String::from_utf8(body.to_vec()).expect("the body is text");
            recorded.lock().unwrap().push(Request { line, headers: head.headers, body });
            gate.clone().wait_for(|is_open| *is_open).await.expect("the server is there");
            (StatusCode::from_u16(status).unwrap(), [(CONTENT_TYPE, "application/json")], answer.to_string())
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, requests, is_open }
    }

    /// From now on requests are recorded and not answered.
    pub(crate) fn hold(&self) {
        self.is_open.send_replace(false);
    }

    /// Answers what waits, and what comes.
    pub(crate) fn release(&self) {
        self.is_open.send_replace(true);
    }

    /// What has arrived so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until that many requests have arrived, and gives the last of them.
    pub(crate) async fn received(&self, count: usize) -> Request {
        eventually(&format!("request {count} at {}", self.address), async || {
            let requests = self.requests();
            requests.get(count - 1).cloned().ok_or(requests.len())
        })
        .await
    }
}
