//! From a request to its answer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{extract::Request, response::Response};
use flow_model::{plan::NodeKind, units::Instant};
use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::watch;
use url::Url;

use super::{
    Counters, call, challenge,
    event::{Setting, Wanted, wanted, wanted_with_file},
    probe::Probes,
    problem::{self, Problem, json_response},
    received::{Pieces, Reading, Received, head, read},
    route::{Entry, Listener, Table},
};
use crate::{
    engine::{Accepted, Answer, Engine, Newness, RunId, RunState, Share, Submission, SubmitError},
    machine,
    observe::{Trace, name::TRACEPARENT},
    timer::Clock,
};

/// When something was said last that need not be said each time.
pub(super) struct Told(AtomicI64);

impl Told {
    /// How often it is said, in milliseconds.
    const EVERY: u64 = 60_000;

    /// It was never said.
    pub(super) fn never() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Says whether it is to be said now, and takes it for said then.
    fn again(&self, now: Instant) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let is_late = now.0.abs_diff(last) >= Self::EVERY;
        is_late && self.0.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// What requests are answered with.
pub(super) struct Desk {
    pub(super) engine: Arc<Engine>,
    pub(super) table: RwLock<Arc<Table>>,
    pub(super) setting: Setting,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reading: Reading,
    pub(super) public: Option<Url>,
    /// The secret whose text those have who may call flows.
    pub(super) token: Option<String>,
    pub(super) answer_time: Duration,
    pub(super) counters: Arc<Counters>,
    pub(super) probes: Probes,
    /// Whether it was said lately that requests are turned away.
    pub(super) told: Told,
    /// Turns true when the server stops.
    pub(super) stopping: watch::Receiver<bool>,
}

/// Answers a request.
pub(super) async fn handle(desk: Arc<Desk>, request: Request) -> Response {
    let outcome = desk.answer(request).await;
    outcome.unwrap_or_else(|problem| {
        desk.counters.problem(problem.status);
        problem.response()
    })
}

impl Desk {
    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        let path = request.uri().path();
        if let (None, Some(flow), Some(token)) = (table.at(path), call::named(path), &self.token) {
            let flow = flow.to_owned();
            return self.call(table.callable(&flow), &flow, token, request).await;
        }
        let listeners = match find(&table, &request)? {
            Entry::Probe(probe) => return self.probes.answer(*probe).await,
            Entry::Request(listener) => std::slice::from_ref(listener),
            Entry::Hook(listeners) => listeners,
        };
        let taken = listeners.iter().find_map(Listener::taken);
        let path = request.uri().path().to_owned();
        let outcome = self.delivery(listeners, taken, request).await;
        if let Err(problem) = &outcome
            && let Some(place) = problem.place()
        {
            tracing::warn!(path, place, "a request does not fit what the trigger declares, and starts nothing");
        }
        match (outcome, taken) {
            (Err(problem), Some(_)) => {
                self.counters.problem(problem.status);
                Ok(problem.bare_response())
            }
            (outcome, _) => outcome,
        }
    }

    /// Answers a request to these listeners; where the sender wants to hear a status and no more, by that.
    async fn delivery(
        &self,
        listeners: &[Listener],
        taken: Option<StatusCode>,
        request: Request,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        let longest = if let [only] = listeners { only.longest() } else { None };
        let reading = longest.map_or(self.reading, |(bytes, _)| self.reading.up_to(bytes));
        if let ([listener], Some((_, true))) = (listeners, longest) {
            let (head, body) = head(request, self.public.as_ref());
            let pieces = Pieces::of(&head, body, reading).await?;
            let blobs = self.engine.blobs();
            let wanted = wanted_with_file(listener, (&head, pieces), &*blobs, &self.setting, now).await?;
            return self.started(vec![wanted], taken, &head).await;
        }
        let received = read(request, reading, self.public.as_ref()).await?;
        let wanted = match meant(listeners, &received, &self.setting, now)? {
            Meant::Answer(answer) => return Ok(answer),
            Meant::Runs(wanted) => wanted,
        };
        self.started(wanted, taken, &Received { body: Vec::new(), ..received }).await
    }

    /// Starts the runs that a request asks for, and answers it.
    async fn started(
        &self,
        wanted: Vec<Wanted>,
        taken: Option<StatusCode>,
        head: &Received,
    ) -> Result<Response, Problem> {
        let trace = head.headers.get(TRACEPARENT).and_then(|value| Trace::read(value.to_str().ok()?));
        if wanted.is_empty() {
            self.counters.ignored();
            let told = || json_response(StatusCode::OK, &json!({ "ignored": "no flow asks for this event" }));
            return Ok(taken.map_or_else(told, problem::empty_response));
        }
        let responds = match wanted.as_slice() {
            [only] if taken.is_none() => responds(only),
            _ => false,
        };
        let runs = self.submit(wanted, trace).await?;
        match runs.as_slice() {
            [accepted] if responds => Ok(self.respond(accepted).await),
            runs => {
                let told = || problem::accepted(StatusCode::ACCEPTED, &texts(runs));
                Ok(taken.map_or_else(told, problem::empty_response))
            }
        }
    }

    /// Answers requests by another table from now on.
    pub(super) fn serve_from(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// Starts runs, all at once, so that they can be written together. What is on disk stays there when another one is not
    /// accepted; the sender tries again, and keys tell what is known.
    async fn submit(&self, wanted: Vec<Wanted>, trace: Option<Trace>) -> Result<Vec<Accepted>, Problem> {
        let submissions = wanted.into_iter().map(|wanted| {
            self.engine.submit(Submission {
                flow: wanted.plan.flow.clone(),
                plan: Some(wanted.plan),
                trigger: Some(wanted.trigger),
                payload: wanted.payload,
                dedupe: wanted.dedupe,
                body_digest: Some(wanted.digest),
                trace,
                notes: BTreeMap::new(),
                share: Share::Event,
            })
        });
        let (mut runs, mut conflicts, mut problem) = (Vec::new(), Vec::new(), None);
        for outcome in join_all(submissions).await {
            match outcome {
                Ok(accepted) => {
                    match accepted.is_new {
                        Newness::New => self.counters.accepted(),
                        Newness::Duplicate => self.counters.duplicate(),
                    }
                    runs.push(accepted);
                }
                Err(SubmitError::Conflict { run }) => conflicts.push(run.to_string()),
                Err(error) => problem = problem.or_else(|| Some(self.refused(&error))),
            }
        }
        match problem {
            Some(problem) => Err(problem),
            None if conflicts.is_empty() => Ok(runs),
            None => {
                // A sender that has made a mistake, or somebody who has found out an id: a person has to look at it.
                let runs = conflicts.join(", ");
                tracing::error!(runs, "another event came with a key that is known and other content: it is refused");
                Err(Problem::conflict(conflicts))
            }
        }
    }

    /// What `respond` says. The run's id takes its place when the run says nothing, waits for a person, or takes too long.
    async fn respond(&self, accepted: &Accepted) -> Response {
        if let Some(response) = &accepted.answer {
            return responded(response);
        }
        let run = &accepted.run;
        match self.answered(run).await {
            Some(Answer::Responded(response)) => responded(&response),
            Some(Answer::Ended(summary)) if matches!(summary.state, RunState::Failed | RunState::Cancelled) => {
                let body =
                    json!({ "error": summary.state.name(), "message": "the run ended without an answer", "run": run });
                json_response(StatusCode::INTERNAL_SERVER_ERROR, &body)
            }
            _ => problem::accepted(StatusCode::ACCEPTED, &texts(std::slice::from_ref(accepted))),
        }
    }
}

impl Desk {
    /// What a sender is told whose run was not accepted. While more comes than can be carried out, the log has a line a minute
    /// of it, and not one for each.
    pub(super) fn refused(&self, error: &SubmitError) -> Problem {
        if error.is_passing() {
            if self.told.again(self.clock.now()) {
                tracing::warn!(%error, "more comes than can be carried out: it is turned away, and counted at `/metrics`");
            }
        } else {
            tracing::error!(%error, "a run was not accepted");
        }
        problem_of(error)
    }

    /// What comes of a run, unless that takes too long or the server stops.
    pub(super) async fn answered(&self, run: &RunId) -> Option<Answer> {
        let mut stopping = self.stopping.clone();
        let answer = tokio::select! {
            answer = tokio::time::timeout(self.answer_time, self.engine.answer(run)) => answer.ok(),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        answer.and_then(Result::ok)
    }
}

/// What a request is.
pub(super) enum Meant {
    /// A handshake, with what it is answered.
    Answer(Response),
    /// A delivery, with the runs that it asks for.
    Runs(Vec<Wanted>),
}

/// Says what a request to these listeners is.
pub(super) fn meant(
    listeners: &[Listener],
    received: &Received,
    setting: &Setting,
    now: Instant,
) -> Result<Meant, Problem> {
    if let Some(answer) = challenge::answer(listeners, received, setting, now)? {
        return Ok(Meant::Answer(answer));
    }
    if received.method != Method::POST && listeners.iter().any(|listener| listener.webhook().is_some()) {
        return Err(Problem::no_method(received.method.as_str(), received.uri.path(), &["POST"]));
    }
    wanted(listeners, received, setting, now).map(Meant::Runs)
}

fn find<'t>(table: &'t Table, request: &Request) -> Result<&'t Entry, Problem> {
    let path = request.uri().path();
    let methods = table.at(path).ok_or_else(|| Problem::no_route(path, table.names()))?;
    let method = request.method().as_str();
    let found = match methods.get(method) {
        None if request.method() == Method::HEAD => methods.get("GET").filter(|entry| matches!(entry, Entry::Probe(_))),
        found => found,
    };
    found.ok_or_else(|| {
        let methods: Vec<&str> = methods.keys().map(String::as_str).collect();
        Problem::no_method(method, path, &methods)
    })
}

/// Says whether the flow may answer its caller.
fn responds(wanted: &Wanted) -> bool {
    // One that is gathered with others waits for them first.
    let gathers = wanted.plan.triggers.get(wanted.trigger).is_some_and(|trigger| trigger.gather.is_some());
    !gathers && wanted.plan.graph.node_weights().any(|node| matches!(node.kind, NodeKind::Respond { .. }))
}

fn texts(runs: &[Accepted]) -> Vec<String> {
    runs.iter().map(|accepted| accepted.run.to_string()).collect()
}

/// What a flow answers its caller.
pub(super) fn responded(answer: &machine::Response) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match &answer.body {
        Some(body) => json_response(status, &body.to_json()),
        None => problem::empty_response(status),
    }
}

fn problem_of(error: &SubmitError) -> Problem {
    match error {
        SubmitError::Busy(_) | SubmitError::Slow => {
            Problem::unavailable("more comes than the server can carry out: send it again later")
        }
        SubmitError::Full { .. } => Problem::too_many("too many runs wait for their turn already: send it again later"),
        SubmitError::DiskFull(_) => Problem::unavailable("the server has no room for more runs: send it again later"),
        SubmitError::Closing => Problem::unavailable("the server is stopping: send it again later"),
        SubmitError::Store(_) => Problem::unavailable("the server can't write runs down: send it again later"),
        _ => Problem::broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_for_many_is_said_once_a_minute() {
        let told = Told::never();
        let said = |at: i64| told.again(Instant(at));
        assert_eq!([0, 1, 59_999].map(said), [true, false, false]);
        assert_eq!([60_000, 60_000, 119_999, 120_000].map(said), [true, false, false, true]);
        assert_eq!([50_000, 50_001].map(said), [true, false], "a clock that is set back silences nothing");
    }
}
