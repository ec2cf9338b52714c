//! A request in memory: how much of it is read, and for how long?
//!
//! The body is kept as the bytes that came, since signatures are over those. What is longer than the limit is refused,
//! whatever length was announced; memory never holds more than the limit and one chunk.

use std::time::Duration;

use axum::{body::Body, extract::Request};
use futures::StreamExt as _;
use http::{HeaderMap, Method, Uri, header, request::Parts};
use url::Url;

use super::problem::Problem;

/// How much of a body that is refused for its size is still taken from the connection. A sender that is still writing
/// when the connection closes sees a broken connection in the place of the answer.
const MOST_DRAINED: usize = 16 << 20;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// How much of a request is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The longest body, in bytes.
    pub(super) longest: usize,
    /// How long the whole body may take.
    pub(super) time: Duration,
    /// How long the sender may pause within it.
    pub(super) pause: Duration,
}

/// A request in memory.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// The URL as the sender saw it.
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Received {
    /// What the sender says that the body is; empty when it says nothing.
    pub(super) fn media_type(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Reads a request.
pub(super) async fn read(request: Request, reading: Reading, public: Option<&Url>) -> Result<Received, Problem> {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let read = if announced.is_some_and(|length: u64| length > reading.longest as u64) {
        if !parts.headers.contains_key(header::EXPECT) {
            drain(body).await;
        }
        Err(Problem::too_large(reading.longest))
    } else {
        let whole = tokio::time::timeout(reading.time, collect(body, reading)).await;
        whole.unwrap_or_else(|_| Err(Problem::too_slow()))
    };
    let body = read?;
    let url = seen_by_sender(&parts, public);
    Ok(Received { method: parts.method, uri: parts.uri, url, headers: parts.headers, body })
}

async fn collect(body: Body, reading: Reading) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut collected = Vec::new();
    loop {
        match tokio::time::timeout(reading.pause, chunks.next()).await {
            Err(_) => return Err(Problem::too_slow()),
            Ok(None) => return Ok(collected),
            Ok(Some(Err(_))) => return Err(Problem::cut_off()),
            Ok(Some(Ok(chunk))) if collected.len() + chunk.len() > reading.longest => {
                drop(collected);
                drain(Body::from_stream(chunks)).await;
                return Err(Problem::too_large(reading.longest));
            }
            Ok(Some(Ok(chunk))) => collected.extend_from_slice(&chunk),
        }
    }
}

/// Takes what the sender still writes, within limits, so that it gets to read its answer.
async fn drain(body: Body) {
    let mut chunks = body.into_data_stream();
    let mut drained = 0;
    let all = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            drained += chunk.len();
            if drained > MOST_DRAINED {
                return;
            }
        }
    };
    // Not having drained everything is no harm: the sender loses its answer, and the request is refused either way.
    tokio::time::timeout(DRAIN_TIME, all).await.ok();
}

/// The URL as the sender saw it: below the public URL where one is set, else by the headers of the request and of the
/// proxy before the server. It enters signatures only, so that a wrong one is a refusal.
fn seen_by_sender(parts: &Parts, public: Option<&Url>) -> String {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Some(public) = public {
        return format!("{}{path}", public.as_str().trim_end_matches('/'));
    }
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let host = text("x-forwarded-host").or_else(|| text("host")).unwrap_or_default();
    format!("{scheme}://{host}{path}")
}
