//! Is the server there, does it take work, and what has it counted?

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{body::Body, response::Response};
use flow_model::units::{Instant, Millis};
use futures::FutureExt as _;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::json;
use tokio::sync::watch;

use super::problem::{Problem, json_response};
use crate::{
    engine::{Engine, RunState},
    observe::{Metrics, name},
    timer::Clock,
};

/// How long a count of the runs is shown again: many readers make the store count no more often.
const FRESH: Millis = Millis::seconds(5);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Health,
    Ready,
    Metrics,
}

impl Probe {
    pub(super) const ALL: [Self; 3] = [Self::Health, Self::Ready, Self::Metrics];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Health => name::HEALTH,
            Self::Ready => name::READY,
            Self::Metrics => name::METRICS,
        }
    }
}

/// Answers probes.
pub(super) struct Probes {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    metrics: Option<Arc<Metrics>>,
    /// Turns true when the server stops.
    stopping: watch::Receiver<bool>,
    counted: Mutex<Option<(Instant, BTreeMap<RunState, u64>)>>,
}

impl Probes {
    pub(super) fn new(
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        metrics: Option<Arc<Metrics>>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { engine, clock, metrics, stopping, counted: Mutex::default() }
    }

    pub(super) async fn answer(&self, probe: Probe) -> Result<Response, Problem> {
        match probe {
            Probe::Health => Ok(status(self.trouble().filter(|why| *why == "halted"))),
            Probe::Ready => Ok(status(self.trouble())),
            Probe::Metrics => self.metrics().await,
        }
    }

    /// Why no work is taken.
    fn trouble(&self) -> Option<&'static str> {
        if self.engine.halted().now_or_never().is_some() {
            return Some("halted");
        }
        if *self.stopping.borrow() {
            return Some("stopping");
        }
        (!self.engine.has_recovered()).then_some("recovering")
    }

    async fn metrics(&self) -> Result<Response, Problem> {
        let Some(metrics) = &self.metrics else {
            return Err(Problem::no_route(name::METRICS, vec![format!("GET {}", name::HEALTH)]));
        };
        let now = self.clock.now();
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let runs = match known.filter(|(at, _)| now >= *at && now.since(*at) < FRESH) {
            Some((_, runs)) => runs,
            None => {
                let runs = self.engine.standing().await.map_err(|error| {
                    tracing::error!(%error, "the runs can't be counted");
                    Problem::unavailable("the runs can't be counted: see the server's log")
                })?;
                *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, runs.clone()));
                runs
            }
        };
        let mut response =
            Response::new(Body::from(metrics.text(&runs, &self.engine.breakers(), &self.engine.polls(), now)));
        let form = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, form);
        Ok(response)
    }
}

fn status(trouble: Option<&str>) -> Response {
    match trouble {
        None => json_response(StatusCode::OK, &json!({ "status": "ok" })),
        Some(why) => json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": why })),
    }
}
