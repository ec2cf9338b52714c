//! What is a sender told when its request starts nothing?
//!
//! Every answer is JSON, but for senders that take no body: `error`, a stable name for machines, `message`, what a person reads, and what helps to mend the
//! request. Nothing of a secret, of the expected signature or of the inside of a flow is in it.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value as Json, json};

use super::verify::Refusal;

/// Why a request starts nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    told: Box<Told>,
}

/// What the sender is told.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    error: &'static str,
    message: String,
    fields: Map<String, Json>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        let told = Told { error, message: message.into(), fields: Map::new(), header: None };
        Self { status, told: Box::new(told) }
    }

    fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.told.fields.insert(name.to_owned(), value.into());
        self
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.told.header = Some((name, value));
        self
    }

    pub(super) fn no_route(path: &str, routes: Vec<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("nothing listens to `{path}`")).with("routes", routes)
    }

    pub(super) fn no_method(method: &str, path: &str, methods: &[&str]) -> Self {
        let message = format!("`{path}` does not take `{method}`");
        let routes: Vec<String> = methods.iter().map(|method| format!("{method} {path}")).collect();
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).with("routes", routes);
        match HeaderValue::from_str(&methods.join(", ")) {
            Ok(allow) => problem.with_header(header::ALLOW, allow),
            Err(_) => problem,
        }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).with("limit", limit)
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not arrive in time")
    }

    pub(super) fn cut_off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "cut_off", "the body ended before its announced length")
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unverified", refusal.to_string()).with("reason", refusal.code())
    }

    pub(super) fn no_token() -> Self {
        let message = "flows are called with `Authorization: Bearer` and the token that the server's project names";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(super) fn no_flow(flow: &str) -> Self {
        let message = format!(
            "no flow `{}` can be called: it is not there, or it is started by its triggers",
            flow.escape_default()
        );
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn header(name: &str, wanted: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", format!("the header `{name}` does not read: it takes {wanted}"))
    }

    pub(super) fn encoded(encoding: &str) -> Self {
        let message = format!("bodies with `content-encoding: {encoding}` are not read: send JSON as it is");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", message)
    }

    pub(super) fn malformed(cause: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", format!("the body does not read: {cause}"))
    }

    pub(super) fn misfit(path: &str, cause: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "misfit", format!("the body does not fit: {cause}"))
            .with("path", path)
    }

    pub(super) fn too_many_events(found: usize, most: usize) -> Self {
        let message = format!("the delivery holds {found} events and may hold {most}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", message).with("limit", most)
    }

    /// The trigger itself can't be evaluated: the program's or the connector's fault, not the sender's.
    pub(super) fn broken() -> Self {
        let message = "the trigger can't be evaluated: see the server's log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", message)
    }

    pub(super) fn conflict(runs: Vec<String>) -> Self {
        let message = "another event with the same key was accepted before and had other content";
        Self::new(StatusCode::CONFLICT, "conflict", message).with("runs", runs)
    }

    pub(super) fn unavailable(message: &str) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        problem.with_header(header::RETRY_AFTER, HeaderValue::from_static("10"))
    }

    pub(super) fn too_many(message: &str) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message);
        problem.with_header(header::RETRY_AFTER, HeaderValue::from_static("30"))
    }

    /// A stable name for why: that of the refusal where it is one.
    pub(super) fn reason(&self) -> &str {
        self.told.fields.get("reason").and_then(Json::as_str).unwrap_or(self.told.error)
    }

    /// Where in the body something does not fit, if that is why; empty when it is the body itself.
    pub(super) fn place(&self) -> Option<&str> {
        self.told.fields.get("path").and_then(Json::as_str)
    }

    /// What a person reads.
    pub(super) fn message(&self) -> &str {
        &self.told.message
    }

    /// The answer for senders that take no body.
    pub(super) fn bare_response(self) -> Response {
        let mut response = self.response();
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
    }

    pub(super) fn response(self) -> Response {
        let Told { error, message, fields, header } = *self.told;
        let mut body = Map::new();
        body.insert("error".to_owned(), error.into());
        body.insert("message".to_owned(), message.into());
        body.extend(fields);
        let mut response = json_response(self.status, &Json::Object(body));
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// An answer with a JSON body.
pub(super) fn json_response(status: StatusCode, body: &Json) -> Response {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer that names the runs that a delivery started.
pub(super) fn accepted(status: StatusCode, runs: &[String]) -> Response {
    let body = match runs {
        [run] => json!({ "run": run }),
        runs => json!({ "runs": runs }),
    };
    json_response(status, &body)
}

/// An answer without a body.
pub(super) fn empty_response(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
