//! A request: how much of it is read, for how long, and into what?
//!
//! The body is kept as the bytes that came, since signatures are over those. What is longer than the limit is refused,
//! whatever length was announced; memory never holds more than the limit and one chunk, and one chunk alone where the
//! body is taken piece by piece.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Method, Uri, header, request::Parts};
use tokio::time::Instant;
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

impl Reading {
    /// The same for a body of up to so many bytes, at no slower a pace where it is longer.
    pub(super) fn up_to(self, longest: usize) -> Self {
        let times = longest.div_ceil(self.longest.max(1)).max(1);
        Self { longest, time: self.time.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX)), ..self }
    }
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
    let (head, body) = head(request, public);
    let mut pieces = Pieces::of(&head, body, reading).await?;
    let mut collected = Vec::new();
    while let Some(piece) = pieces.next().await? {
        collected.extend_from_slice(&piece);
    }
    Ok(Received { body: collected, ..head })
}

/// A request without its body, and the body.
pub(super) fn head(request: Request, public: Option<&Url>) -> (Received, Body) {
    let (parts, body) = request.into_parts();
    let url = seen_by_sender(&parts, public);
    (Received { method: parts.method, uri: parts.uri, url, headers: parts.headers, body: Vec::new() }, body)
}

/// A body that is read piece by piece, within its limits.
pub(super) struct Pieces {
    chunks: BodyDataStream,
    reading: Reading,
    until: Instant,
    length: usize,
}

impl Pieces {
    /// Begins to read.
    pub(super) async fn of(head: &Received, body: Body, reading: Reading) -> Result<Self, Problem> {
        let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > reading.longest as u64) {
            if !head.headers.contains_key(header::EXPECT) {
                drain(body.into_data_stream()).await;
            }
            return Err(Problem::too_large(reading.longest));
        }
        let until = Instant::now() + reading.time;
        Ok(Self { chunks: body.into_data_stream(), reading, until, length: 0 })
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let until = self.until.min(Instant::now() + self.reading.pause);
        match tokio::time::timeout_at(until, self.chunks.next()).await {
            Err(_) => Err(Problem::too_slow()),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Problem::cut_off()),
            Ok(Some(Ok(chunk))) if self.length + chunk.len() > self.reading.longest => {
                drop(chunk);
                drain(std::mem::replace(&mut self.chunks, Body::empty().into_data_stream())).await;
                Err(Problem::too_large(self.reading.longest))
            }
            Ok(Some(Ok(chunk))) => {
                self.length += chunk.len();
                Ok(Some(chunk))
            }
        }
    }
}
/// Takes what the sender still writes, within limits, so that it gets to read its answer.
async fn drain(mut chunks: BodyDataStream) {
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
