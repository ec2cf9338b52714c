//! How is a flow called over HTTP that no trigger starts?
//!
//! `POST /flows/NAME` takes the parameters as a JSON object and gives what the flow returns, for whoever holds the token
//! that the project names. Without such a token nothing is there. The caller waits for the end of the run, unless it prefers
//! not to (RFC 7240, `respond-async`) or the run takes longer than callers wait: then it gets the run's id. A request with
//! an `Idempotency-Key` that comes again has the run of the first one, and so its result.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::Request, response::Response};
use flow_model::{
    boundary::{Decoder, Limits, Mismatch, parse},
    expr::Expr,
    failure::{ErrorKind, Failure},
    plan::Plan,
    units::Millis,
    value::Value,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value as Json, json};
use subtle::ConstantTimeEq as _;

use super::{
    event::{MOST_VALUES, as_it_is, digest},
    handle::{Desk, responded},
    problem::{self, Problem, json_response},
    received::read,
    route::{Route, Verified},
};
use crate::{
    engine::{Accepted, Answer, Newness, RunId, Share, Submission, SubmitError},
    eval::{Evaluator, Frame},
    machine::Outcome,
    observe::{Trace, name::TRACEPARENT},
};

/// What the paths begin with.
const BELOW: &str = "/flows/";

/// What a caller knows its own repetitions by (draft-ietf-httpapi-idempotency-key-header-07).
const KEY: &str = "idempotency-key";

/// How long such a key may be.
const LONGEST_KEY: usize = 255;

/// How long it is remembered.
const WINDOW: Millis = Millis::seconds(72 * 60 * 60);

/// Lists the flows of these plans that can be called, as they are shown to people.
pub fn calls(plans: &[Arc<Plan>]) -> Vec<Route> {
    let callable = callable(plans).into_keys();
    let route = |flow: String| Route {
        method: "POST".to_owned(),
        path: format!("{BELOW}{flow}"),
        flows: vec![flow],
        verified: Verified::All,
    };
    callable.map(route).collect()
}

/// The flows that no trigger starts, by name.
pub(super) fn callable(plans: &[Arc<Plan>]) -> BTreeMap<String, Arc<Plan>> {
    let free = plans.iter().filter(|plan| plan.triggers.is_empty());
    free.map(|plan| (plan.flow.clone(), Arc::clone(plan))).collect()
}

/// The flow that a path means, whether it is there or not.
pub(super) fn named(path: &str) -> Option<&str> {
    path.strip_prefix(BELOW).filter(|flow| !flow.is_empty() && !flow.contains('/'))
}

impl Desk {
    /// Answers a call of a flow by those who hold the token.
    pub(super) async fn call(
        &self,
        plan: Option<&Arc<Plan>>,
        flow: &str,
        token: &str,
        request: Request,
    ) -> Result<Response, Problem> {
        if !self.is_held(token, request.headers()) {
            tracing::warn!("a call of a flow was refused: it has not the token");
            return Err(Problem::no_token());
        }
        let plan = plan.ok_or_else(|| Problem::no_flow(flow))?;
        if request.method() != Method::POST {
            return Err(Problem::no_method(request.method().as_str(), request.uri().path(), &["POST"]));
        }
        let received = read(request, self.reading, self.public.as_ref()).await?;
        as_it_is(&received)?;
        let key = key(&received.headers)?;
        let json = match received.body.as_slice() {
            [] => json!({}),
            bytes => parse(bytes, Limits { values: MOST_VALUES }).map_err(Problem::malformed)?,
        };
        let payload = self.params(plan, &json)?;
        let accepted = self.begin(plan, payload, key, &received.headers).await?;
        let mut response = match is_asynchronous(&received.headers) {
            true => waiting(&accepted.run),
            false => self.result(&accepted).await,
        };
        if let Ok(run) = HeaderValue::from_str(accepted.run.as_str()) {
            response.headers_mut().insert("flow-run", run);
        }
        Ok(response)
    }

    /// Says whether a request has the text of a secret as its bearer token (RFC 6750, section 2.1). What has no text lets
    /// nobody in.
    fn is_held(&self, secret: &str, headers: &HeaderMap) -> bool {
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let only = all.next().filter(|_| all.next().is_none());
        let given = only.map(HeaderValue::as_bytes).and_then(|value| {
            let (scheme, token) = value.split_at_checked("bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        let held = self.setting.secrets.get(secret);
        match (given, held) {
            (Some(given), Some(held)) if !held.reveal().is_empty() => bool::from(held.reveal().as_bytes().ct_eq(given)),
            _ => false,
        }
    }

    /// The parameters of a flow, read from JSON.
    fn params(&self, plan: &Plan, json: &Json) -> Result<Value, Problem> {
        if let Json::Object(fields) = json {
            let is_known = |name: &String| {
                plan.params.iter().any(|(param, field)| field.json_name.as_deref().unwrap_or(param) == name)
            };
            if let Some(unknown) = fields.keys().find(|name| !is_known(name)) {
                let cause = format!("`{}` has no parameter `{}`", plan.flow, unknown.escape_default());
                return Err(Problem::misfit(unknown, cause));
            }
        }
        let evaluator = Evaluator {
            library: &self.setting.library,
            functions: &plan.functions,
            types: &plan.types,
            env: &*self.setting.env,
            ambient: &|_| None,
        };
        let defaults = |expr: &Expr| evaluator.eval(expr, &mut Frame::new());
        let decoder = Decoder::new(&plan.types).with_defaults(&defaults);
        let misfit = |mismatch: Mismatch| Problem::misfit(&mismatch.path, &mismatch);
        decoder.json_fields(json, &plan.params).map_err(misfit)
    }

    async fn begin(
        &self,
        plan: &Arc<Plan>,
        payload: Value,
        key: Option<String>,
        headers: &HeaderMap,
    ) -> Result<Accepted, Problem> {
        let digest = digest(&payload);
        let submission = Submission {
            flow: plan.flow.clone(),
            plan: Some(Arc::clone(plan)),
            trigger: None,
            body_digest: key.is_some().then_some(digest),
            dedupe: key.map(|key| (key, WINDOW)),
            payload,
            trace: headers.get(TRACEPARENT).and_then(|value| Trace::read(value.to_str().ok()?)),
            notes: BTreeMap::new(),
            share: Share::Whole,
        };
        match self.engine.submit(submission).await {
            Ok(accepted) => {
                match accepted.is_new {
                    Newness::New => self.counters.accepted(),
                    Newness::Duplicate => self.counters.duplicate(),
                }
                Ok(accepted)
            }
            Err(SubmitError::Conflict { run }) => Err(Problem::conflict(vec![run.to_string()])),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// What the flow returns, or how it fails. The run's id takes its place when it waits for a person or takes too long.
    async fn result(&self, accepted: &Accepted) -> Response {
        if let Some(response) = &accepted.answer {
            return responded(response);
        }
        match self.answered(&accepted.run).await {
            Some(Answer::Responded(response)) => responded(&response),
            Some(Answer::Ended(summary)) => match &summary.outcome {
                Some(Outcome::Completed(value)) => json_response(StatusCode::OK, &value.to_json()),
                Some(Outcome::Failed { failure, .. }) => failed(failure, &accepted.run),
                Some(Outcome::Cancelled { reason }) => {
                    let told = json!({ "error": "cancelled", "message": reason, "run": accepted.run });
                    json_response(StatusCode::INTERNAL_SERVER_ERROR, &told)
                }
                None => waiting(&accepted.run),
            },
            None => waiting(&accepted.run),
        }
    }
}

/// An error of the flow's own is the caller's to deal with (422); any other is none that the request can be mended by (500).
fn failed(failure: &Failure, run: &RunId) -> Response {
    let status = match failure.kind {
        ErrorKind::Declared(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let fields = failure.fields.iter().map(|(name, value)| (name.clone(), value.to_json()));
    let fields: serde_json::Map<String, Json> = fields.collect();
    let told = json!({ "error": failure.kind.name(), "message": failure.message, "fields": fields, "run": run });
    json_response(status, &told)
}

fn waiting(run: &RunId) -> Response {
    problem::accepted(StatusCode::ACCEPTED, &[run.to_string()])
}

/// The key by which the caller knows its own repetitions, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    match key {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::header("Idempotency-Key", "from 1 to 255 visible letters of ASCII")),
    }
}

/// Says whether the caller prefers not to wait.
fn is_asynchronous(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case("respond-async"))
}
