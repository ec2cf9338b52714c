//! Which ways in do the triggers of these plans open?
//!
//! `on http` has its own method and path, and is one flow's. The webhooks of a connection come to
//! `POST /hooks/<connection>`, where any number of flows may listen. `GET /healthz`, `/readyz` and `/metrics` are there
//! always.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use flow_model::{
    plan::{Connection, Plan, Trigger, TriggerKind},
    schema::{Connector, VerifyCall, WebhookTrigger},
    ty::Types,
};
use http::StatusCode;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::{call::callable, probe::Probe};

/// A way in, as it is shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method: `POST`.
    pub method: String,
    /// The path: `/hooks/payments`.
    pub path: String,
    /// The flows that are started by it, in the order of the plans.
    pub flows: Vec<String>,
    /// Whether requests must prove where they come from.
    pub verified: Verified,
}

/// Whether requests must prove where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// All must.
    All,
    /// Some flow says `verify: none because "…"`.
    NotAll,
}

/// Writes `POST /hooks/payments`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Why plans can't be served together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two flows want the same requests.
    #[error("the flows `{first}` and `{second}` both listen to `{route}`: give one of them another path")]
    Taken {
        /// Method and path.
        route: String,
        /// The flow that came first.
        first: String,
        /// The other one.
        second: String,
    },
    /// A flow wants a path that the server needs.
    #[error("the flow `{flow}` can't listen to `{route}`, which the server answers itself: give it another path")]
    Reserved {
        /// Method and path.
        route: String,
        /// The flow.
        flow: String,
    },
    /// A plan does not hold what its trigger names.
    #[error("the plan of the flow `{flow}` has no {what}: compile it again")]
    Broken {
        /// The flow.
        flow: String,
        /// What is missing.
        what: String,
    },
}

/// Lists the ways in that the triggers of these plans open, by path, without what the server answers itself.
///
/// # Errors
/// When two flows want the same requests, or a flow wants what the server needs.
pub fn routes(plans: &[Arc<Plan>]) -> Result<Vec<Route>, Error> {
    let table = Table::new(plans)?;
    let routes = table.paths.iter().flat_map(|(path, methods)| methods.iter().map(move |entry| (path, entry)));
    Ok(routes
        .filter_map(|(path, (method, entry))| {
            let listeners = match entry {
                Entry::Probe(_) => return None,
                Entry::Request(listener) => std::slice::from_ref(listener),
                Entry::Hook(listeners) => listeners,
            };
            let verified = listeners.iter().all(|listener| listener.verify().is_some());
            Some(Route {
                method: method.clone(),
                path: path.clone(),
                flows: listeners.iter().map(|listener| listener.plan.flow.clone()).collect(),
                verified: if verified { Verified::All } else { Verified::NotAll },
            })
        })
        .collect())
}

/// The ways in, by path and method.
#[derive(Debug)]
pub(super) struct Table {
    paths: BTreeMap<String, BTreeMap<String, Entry>>,
    /// The flows that no trigger starts.
    callable: BTreeMap<String, Arc<Plan>>,
}

/// What a request to a path comes to.
#[derive(Debug)]
pub(super) enum Entry {
    /// The server itself.
    Probe(Probe),
    /// The one flow that listens there.
    Request(Listener),
    /// The flows that listen to a connection.
    Hook(Vec<Listener>),
}

/// A trigger of a flow that a request may start.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    /// The flow's plan.
    pub(super) plan: Arc<Plan>,
    /// Which of its triggers.
    pub(super) index: usize,
    /// The types of the plan and, for a webhook, of its connector.
    pub(super) types: Types,
}

/// What of a plan a webhook needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Webhook<'a> {
    pub(super) name: &'a str,
    pub(super) connection: &'a Connection,
    pub(super) connector: &'a Connector,
    pub(super) declared: &'a WebhookTrigger,
}

impl Listener {
    pub(super) fn trigger(&self) -> &Trigger {
        self.plan.triggers.get(self.index).expect("a listener is made from a trigger of its plan")
    }

    pub(super) fn verify(&self) -> Option<&VerifyCall> {
        match &self.trigger().kind {
            TriggerKind::Http { verify, .. } | TriggerKind::Webhook { verify, .. } => verify.as_ref(),
            TriggerKind::Every(_)
            | TriggerKind::Cron { .. }
            | TriggerKind::Event { .. }
            | TriggerKind::File { .. }
            | TriggerKind::Poll { .. } => None,
        }
    }

    /// What the trigger declares, when it is a webhook.
    pub(super) fn webhook(&self) -> Option<Webhook<'_>> {
        let TriggerKind::Webhook { connection: name, trigger, .. } = &self.trigger().kind else { return None };
        let connection = self.plan.connections.get(name)?;
        let connector = self.plan.connectors.get(&connection.connector)?;
        Some(Webhook { name, connection, connector, declared: connector.triggers.get(trigger)? })
    }

    /// The status by which its sender wants to hear that a delivery is taken, with no body, if it takes no other answer. It
    /// is that of the URL, which all triggers of a connection share.
    pub(super) fn taken(&self) -> Option<StatusCode> {
        let status = self.webhook()?.connector.triggers.values().find_map(|trigger| trigger.answer)?;
        StatusCode::from_u16(status).ok()
    }
}

impl Table {
    pub(super) fn new(plans: &[Arc<Plan>]) -> Result<Self, Error> {
        let probe = |probe: Probe| (probe.path().to_owned(), BTreeMap::from([("GET".to_owned(), Entry::Probe(probe))]));
        let mut table = Self { paths: Probe::ALL.map(probe).into(), callable: callable(plans) };
        for plan in plans {
            for index in 0..plan.triggers.len() {
                table.add(Listener { plan: Arc::clone(plan), index, types: plan.types.clone() })?;
            }
        }
        Ok(table)
    }

    fn add(&mut self, mut listener: Listener) -> Result<(), Error> {
        let flow = listener.plan.flow.clone();
        let (method, path) = match &listener.trigger().kind {
            TriggerKind::Every(_)
            | TriggerKind::Cron { .. }
            | TriggerKind::Event { .. }
            | TriggerKind::File { .. }
            | TriggerKind::Poll { .. } => {
                return Ok(());
            }
            TriggerKind::Http { method, path, .. } => {
                // As it stands in a request, where letters outside ASCII are escaped (RFC 3986, section 2.5).
                (method.to_ascii_uppercase(), utf8_percent_encode(path, CONTROLS).to_string())
            }
            TriggerKind::Webhook { connection, trigger, .. } => {
                let Some(webhook) = listener.webhook() else {
                    let what = format!("trigger `{trigger}` of the connection `{connection}`");
                    return Err(Error::Broken { flow, what });
                };
                let types = webhook.connector.types.0.clone();
                let path = format!("/hooks/{connection}");
                listener.types.0.extend(types);
                ("POST".to_owned(), path)
            }
        };
        let route = format!("{method} {path}");
        if Probe::ALL.iter().any(|probe| probe.path() == path) {
            return Err(Error::Reserved { route, flow });
        }
        let is_hook = listener.webhook().is_some();
        let methods = self.paths.entry(path).or_default();
        let asks: BTreeSet<String> = listener
            .webhook()
            .iter()
            .flat_map(|webhook| webhook.connector.challenges.values())
            .map(|challenge| challenge.method.clone())
            .filter(|other| *other != method)
            .collect();
        for other in asks {
            // A handshake by another method than deliveries; `on http` with that method and path is nobody's.
            if let Entry::Hook(listeners) = methods.entry(other).or_insert_with(|| Entry::Hook(Vec::new())) {
                listeners.push(listener.clone());
            }
        }
        match methods.get_mut(&method) {
            None if is_hook => {
                methods.insert(method, Entry::Hook(vec![listener]));
            }
            None => {
                methods.insert(method, Entry::Request(listener));
            }
            Some(Entry::Hook(listeners)) if is_hook => listeners.push(listener),
            Some(Entry::Hook(listeners)) => {
                let first = listeners.first().map_or_else(String::new, |first| first.plan.flow.clone());
                return Err(Error::Taken { route, first, second: flow });
            }
            Some(Entry::Request(first)) => {
                return Err(Error::Taken { route, first: first.plan.flow.clone(), second: flow });
            }
            Some(Entry::Probe(_)) => return Err(Error::Reserved { route, flow }),
        }
        Ok(())
    }

    /// What a path offers: entries by method.
    pub(super) fn at(&self, path: &str) -> Option<&BTreeMap<String, Entry>> {
        self.paths.get(path)
    }

    /// A flow that no trigger starts.
    pub(super) fn callable(&self, flow: &str) -> Option<&Arc<Plan>> {
        self.callable.get(flow)
    }

    /// All ways in that senders may mean, as `POST /leads`.
    pub(super) fn names(&self) -> Vec<String> {
        let of = |(path, methods): (&String, &BTreeMap<String, Entry>)| -> Vec<String> {
            let meant = |entry: &Entry| !matches!(entry, Entry::Probe(Probe::Ready | Probe::Metrics));
            let methods = methods.iter().filter(|(_, entry)| meant(entry));
            methods.map(|(method, _)| format!("{method} {path}")).collect()
        };
        self.paths.iter().flat_map(of).collect()
    }
}
