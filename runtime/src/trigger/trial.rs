//! What would become of a delivery?
//!
//! In: the webhooks of plans, and a request with the time at which it comes. Out: the events that it brings, the answer to a
//! handshake, or the refusal, by the code that the server runs too. No run is started and nothing is kept, so that deliveries
//! that were recorded can be looked at whenever a connector has changed.

use std::sync::Arc;

use axum::body::to_bytes;
use flow_model::{plan::Plan, units::Instant, value::Value};
use http::{HeaderMap, Method, Uri};
use url::Url;

use super::{
    event::Setting,
    handle::{Meant, meant},
    problem::Problem,
    received::Received,
    route::{Entry, Error, Table},
    verify::Roots,
};
use crate::{
    eval::{Environment, Library},
    secret::Secrets,
};

/// A delivery as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// The URL as the sender saw it.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// What deliveries are looked at with.
#[derive(Clone)]
pub struct Surroundings {
    /// The functions that declarations use.
    pub library: Library,
    /// Plain configuration.
    pub env: Arc<dyn Environment>,
    /// The secrets that signatures are verified with.
    pub secrets: Arc<dyn Secrets>,
    /// The authorities that certificates of senders may come from.
    pub roots: Arc<Roots>,
}

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivered {
    /// It brings these events, in the order of the plans and of the delivery; none where no plan asks for it.
    Events(Vec<Event>),
    /// It is a handshake.
    Answered {
        /// The status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// It is not taken.
    Refused {
        /// A stable name for the reason: `no_match`, `misfit`.
        reason: String,
        /// The reason in words.
        message: String,
    },
}

/// An event of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The flow that it would start.
    pub flow: String,
    /// What the flow would see of it.
    pub payload: Value,
    /// The key by which it is known when it is sent again.
    pub key: Option<String>,
}

/// Says what becomes of a delivery to a connection of these plans.
///
/// # Errors
/// When the plans can't be served together, or are broken.
pub async fn delivered(
    plans: &[Arc<Plan>],
    connection: &str,
    sent: Sent,
    surroundings: Surroundings,
    now: Instant,
) -> Result<Delivered, Error> {
    let table = Table::new(plans)?;
    let Surroundings { library, env, secrets, roots } = surroundings;
    let setting = Setting { library, env, secrets, roots };
    let path = format!("/hooks/{connection}");
    let listeners = match table.at(&path).and_then(|methods| methods.get(sent.method.as_str())) {
        Some(Entry::Hook(listeners)) => listeners.as_slice(),
        _ => return Ok(refused(&Problem::no_method(sent.method.as_str(), &path, &["POST"]))),
    };
    let received = Received {
        method: sent.method,
        uri: path_of(&sent.url),
        url: sent.url.to_string(),
        headers: sent.headers,
        body: sent.body,
    };
    Ok(match meant(listeners, &received, &setting, now) {
        Err(problem) => refused(&problem),
        Ok(Meant::Answer(response)) => {
            let status = response.status().as_u16();
            match to_bytes(response.into_body(), usize::MAX).await {
                Ok(body) => Delivered::Answered { status, body: body.to_vec() },
                Err(_) => refused(&Problem::broken()),
            }
        }
        Ok(Meant::Runs(wanted)) => {
            let event = |wanted: super::event::Wanted| Event {
                flow: wanted.plan.flow.clone(),
                payload: wanted.payload,
                key: wanted.dedupe.map(|(key, _)| key),
            };
            Delivered::Events(wanted.into_iter().map(event).collect())
        }
    })
}

fn refused(problem: &Problem) -> Delivered {
    Delivered::Refused { reason: problem.reason().to_owned(), message: problem.message().to_owned() }
}

/// What of a URL the request's first line has.
fn path_of(url: &Url) -> Uri {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", url.path()).parse().unwrap_or_default()
}
