//! What can be said of a flow before it runs: which systems it can reach, what it needs, how it can end, and how many
//! calls one run makes at most.
//!
//! In: a plan and the names of its slots. Out: plain data, for `flowc facts` and for the egress allow-list of the engine.

mod formula;
mod words;

use std::collections::BTreeMap;

use flow_model::{
    expr::{Ambient, Expr, TextPart},
    plan::{NodeKind, Plan, Retry, SourceMap, Stage, Step, TriggerKind},
    schema::{Auth, Connector, Grant, Http, Limit, OAuth, Operation, Rate},
    value::Value,
};
pub use formula::Formula;
use indexmap::IndexMap;
use petgraph::graph::NodeIndex;
pub(crate) use words::words;

/// The facts of one flow.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The flow.
    pub flow: String,
    /// Each connection that a run can call, by name.
    pub connections: BTreeMap<String, ConnectionFacts>,
    /// Names of the secrets that it needs, sorted.
    pub secrets: Vec<String>,
    /// Plain configuration that it reads: the variable, and whether it must be set.
    pub variables: BTreeMap<String, Requirement>,
    /// Each flow that a run can call, by name, with how many runs of it at most; what those do is among their own facts.
    pub flows: BTreeMap<String, Formula>,
    /// The errors that a run can end with, sorted.
    pub errors: Vec<String>,
}

/// Whether something must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// It must.
    Required,
    /// There is a default.
    Optional,
}

/// What a flow does with one connection.
#[derive(Clone, Debug)]
pub struct ConnectionFacts {
    /// The connector.
    pub connector: String,
    /// The host that its requests go to, `{…}` where configuration decides; none for native connectors.
    pub host: Option<String>,
    /// Other hosts that it reaches, sorted: those that give out its tokens, and those that its connector names.
    pub more_hosts: Vec<String>,
    /// The operations, sorted.
    pub operations: Vec<String>,
    /// OAuth scopes that these need, sorted.
    pub scopes: Vec<String>,
    /// Calls of one run at most, when no attempt fails.
    pub calls: Formula,
    /// Requests of one run at most, when every attempt but the last fails.
    pub attempts: Formula,
    /// What the connector allows.
    pub limit: Option<Rate>,
}

impl ConnectionFacts {
    /// Calls in each hour that the limit allows, by all runs together.
    pub fn calls_per_hour(&self) -> Option<u64> {
        let limit = self.limit?;
        Some(u64::from(limit.count).saturating_mul(3_600_000) / limit.period.0.max(1))
    }

    /// Runs in each hour that the limit allows when no attempt fails, where the number of calls is fixed.
    pub fn runs_per_hour(&self) -> Option<u64> {
        let calls = self.calls.as_number().filter(|calls| *calls > 0)?;
        Some(self.calls_per_hour()? / calls)
    }
}

/// The limit that lets through least in the long run.
fn narrowest(limits: &[Limit]) -> Option<Rate> {
    let rates = limits.iter().filter_map(|limit| match limit {
        Limit::Moving(rate) | Limit::Fixed(rate) | Limit::Bucket { refill: rate, .. } => Some(*rate),
        Limit::Concurrent(_) => None,
    });
    rates.min_by_key(|rate| u128::from(rate.count) * 1_000_000_000 / u128::from(rate.period.0.max(1)))
}

/// Derives the facts of a flow.
pub fn facts(plan: &Plan, sources: &SourceMap) -> Facts {
    let mut errors: Vec<_> = plan.errors.iter().map(ToString::to_string).collect();
    errors.sort();
    let mut variables = BTreeMap::new();
    for connection in plan.connections.values() {
        connection.config.values().for_each(|value| collect_variables(value, &mut variables));
    }
    let mut connections: BTreeMap<_, _> = plan
        .connections
        .iter()
        .filter_map(|(name, connection)| {
            let connector = plan.connectors.get(&connection.connector)?;
            let facts = ConnectionFacts {
                connector: connection.connector.clone(),
                host: reached(connector, &connection.config),
                more_hosts: more_hosts(connector, &connection.config),
                operations: Vec::new(),
                scopes: Vec::new(),
                calls: Formula::default(),
                attempts: Formula::default(),
                limit: connector.http.as_ref().and_then(|http| narrowest(&http.limits)),
            };
            Some((name.clone(), facts))
        })
        .collect();
    let mut flows = BTreeMap::new();
    let counts = Count { plan, sources }.region(plan.entry);
    for (callee, count) in counts {
        let name = match callee {
            Callee::Connection(name) => name,
            Callee::Flow(name) => {
                flows.insert(name, count.calls);
                continue;
            }
        };
        let Some(facts) = connections.get_mut(&name) else { continue };
        let connector = plan.connectors.get(&facts.connector);
        for operation in count.operations {
            let declared = connector.and_then(|connector| connector.operations.get(&operation));
            facts.scopes.extend(declared.into_iter().flat_map(|operation| operation.scopes.iter().cloned()));
            facts.operations.push(operation);
        }
        facts.scopes.sort();
        facts.scopes.dedup();
        (facts.calls, facts.attempts) = (count.calls, count.attempts);
    }
    // What a trigger reads is called outside of runs, with the same credential.
    for trigger in &plan.triggers {
        let TriggerKind::Poll { connection, trigger: name, .. } = &trigger.kind else { continue };
        let Some(facts) = connections.get_mut(connection) else { continue };
        let Some(connector) = plan.connectors.get(&facts.connector) else { continue };
        let poll = connector.triggers.get(name).and_then(|trigger| trigger.poll.as_ref());
        if let Some((name, operation)) = poll.and_then(|poll| connector.operations.get_key_value(&poll.call.operation))
        {
            facts.scopes.extend(operation.scopes.iter().cloned());
            facts.operations.push(name.clone());
            facts.operations.sort();
            facts.operations.dedup();
            facts.scopes.sort();
            facts.scopes.dedup();
        }
    }
    let mut secrets = plan.secrets.clone();
    secrets.sort();
    secrets.dedup();
    Facts { flow: plan.flow.clone(), connections, secrets, variables, flows, errors }
}

/// What a part of a flow does with one connection.
#[derive(Clone, Debug, Default)]
struct Use {
    operations: Vec<String>,
    calls: Formula,
    attempts: Formula,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Callee {
    Connection(String),
    Flow(String),
}

type Uses = BTreeMap<Callee, Use>;

struct Count<'a> {
    plan: &'a Plan,
    sources: &'a SourceMap,
}

impl Count<'_> {
    fn region(&self, entry: Option<NodeIndex>) -> Uses {
        let mut total = Uses::new();
        let mut next = entry;
        while let Some(node) = next {
            join(&mut total, self.node(node), |left, right| left.plus(right));
            next = self.plan.next(node);
        }
        total
    }

    fn node(&self, node: NodeIndex) -> Uses {
        let Some(content) = self.plan.graph.node_weight(node) else { return Uses::new() };
        let regions = |count: usize| (0..count).map(|index| self.region(self.plan.region(node, index as u32)));
        let sum = |parts: &mut dyn Iterator<Item = Uses>| {
            parts.fold(Uses::new(), |mut total, part| {
                join(&mut total, part, |left, right| left.plus(right));
                total
            })
        };
        let either = |parts: &mut dyn Iterator<Item = Uses>| {
            parts.fold(Uses::new(), |mut total, part| {
                join(&mut total, part, |left, right| left.or(right));
                total
            })
        };
        match &content.kind {
            // The pages of a stream are fetched where it is gone through.
            NodeKind::Step(step) if self.operation(step).is_some_and(|operation| operation.page.is_some()) => {
                Uses::new()
            }
            // What its body calls is called, and then what takes it back.
            NodeKind::Step(_) if self.plan.body(node).is_some() => sum(&mut regions(2)),
            NodeKind::Step(step) => {
                let once = self.once(step);
                // An undo runs only when the run does not go on, which the formula does not know: its calls count too.
                let undo = sum(&mut regions(1));
                let mut uses = Uses::from([(Callee::Connection(step.connection.clone()), once)]);
                join(&mut uses, undo, |left, right| left.plus(right));
                uses
            }
            NodeKind::If { conditions, .. } => either(&mut regions(conditions.len() + 1)),
            NodeKind::Match { arms, .. } => either(&mut regions(arms.len())),
            NodeKind::Parallel { regions: count, .. } => sum(&mut regions(*count as usize)),
            NodeKind::Try { arms, .. } => {
                // The body may have done all its calls before it failed; then one arm runs.
                let mut total = sum(&mut regions(1));
                let arms = (1..=arms.len()).map(|index| self.region(self.plan.region(node, index as u32)));
                join(&mut total, either(&mut { arms }), |left, right| left.plus(right));
                total
            }
            NodeKind::Saga { .. } => sum(&mut regions(1)),
            NodeKind::Race { regions: count, .. } => sum(&mut regions(*count as usize)),
            NodeKind::Repeat { times, .. } => {
                let size = match times {
                    Expr::Literal(Value::Int(times)) => Formula::number(u64::try_from(*times).unwrap_or(0)),
                    times => Formula::size(words(times, &self.sources.slots)),
                };
                multiplied(self.region(self.plan.region(node, 0)), &size)
            }
            NodeKind::For { items, stream: Some(stages), .. } => {
                let name = words(items, &self.sources.slots);
                let size = self.passes(&name, stages);
                let mut uses = multiplied(self.region(self.plan.region(node, 0)), &size);
                let gives = self.plan.graph.node_weights().find_map(|node| match &node.kind {
                    NodeKind::Step(step) if step.slot.map(Expr::Slot).as_ref() == Some(items) => Some(step),
                    _ => None,
                });
                if let Some(step) = gives {
                    let page = Uses::from([(Callee::Connection(step.connection.clone()), self.once(step))]);
                    let pages = multiplied(page, &Formula::size(format!("{name}.pages")));
                    join(&mut uses, pages, |left, right| left.plus(right));
                }
                uses
            }
            NodeKind::For { items, .. } | NodeKind::First { items, .. } => {
                let size = match items {
                    Expr::List(parts) => Formula::number(parts.len() as u64),
                    Expr::Literal(Value::List(items)) => Formula::number(items.len() as u64),
                    items => Formula::size(words(items, &self.sources.slots)),
                };
                multiplied(self.region(self.plan.region(node, 0)), &size)
            }
            NodeKind::Let { .. }
            | NodeKind::Yield(_)
            | NodeKind::Respond { .. }
            | NodeKind::Return(_)
            | NodeKind::Fail { .. }
            | NodeKind::Sleep(_)
            | NodeKind::Log(_)
            | NodeKind::DeadLetter { .. }
            | NodeKind::Emit { .. }
            | NodeKind::Wait { .. }
            | NodeKind::Approve { .. } => Uses::new(),
            NodeKind::Run { flow, .. } => {
                let once = Use { operations: Vec::new(), calls: Formula::number(1), attempts: Formula::number(1) };
                Uses::from([(Callee::Flow(flow.clone()), once)])
            }
        }
    }
}

impl Count<'_> {
    /// How many items of a stream come out of its stages at most.
    fn passes(&self, stream: &str, stages: &[Stage]) -> Formula {
        let (mut most, mut name) = (None, stream.to_owned());
        for stage in stages {
            let known = match stage.expr() {
                Expr::Literal(Value::Int(number)) => u64::try_from(*number).ok(),
                _ => None,
            };
            match stage {
                Stage::Take(_) => most = most.into_iter().chain(known).min(),
                Stage::Chunks(size) => {
                    name = format!("{name}.chunks({})", words(size, &self.sources.slots));
                    most = most.map(|most: u64| most.div_ceil(known.unwrap_or(1).max(1)));
                }
                Stage::Filter(..) | Stage::Map(..) | Stage::Most(_) => {}
            }
        }
        most.map_or_else(|| Formula::size(name), Formula::number)
    }

    fn operation(&self, step: &Step) -> Option<&Operation> {
        let connection = self.plan.connections.get(&step.connection)?;
        self.plan.connectors.get(&connection.connector)?.operations.get(&step.operation)
    }

    /// One call, with how often it is tried.
    fn once(&self, step: &Step) -> Use {
        let repeatable = self.operation(step).is_some_and(Operation::is_retriable);
        let standard = if repeatable { Retry::standard() } else { Retry::none() };
        let times = step.policy.retry.as_ref().unwrap_or(&standard).times;
        Use {
            operations: vec![step.operation.clone()],
            calls: Formula::number(1),
            attempts: Formula::number(u64::from(times) + 1),
        }
    }
}

/// What a part does that runs so many times.
fn multiplied(mut uses: Uses, times: &Formula) -> Uses {
    for one in uses.values_mut() {
        one.calls = times.times(&one.calls);
        one.attempts = times.times(&one.attempts);
    }
    uses
}

fn join(total: &mut Uses, part: Uses, with: impl Fn(Formula, &Formula) -> Formula) {
    for (connection, part) in part {
        let one = total.entry(connection).or_default();
        one.operations.extend(part.operations);
        one.operations.sort();
        one.operations.dedup();
        one.calls = with(std::mem::take(&mut one.calls), &part.calls);
        one.attempts = with(std::mem::take(&mut one.attempts), &part.attempts);
    }
}

/// The host that the requests of a connection go to, with what its settings say.
fn reached(connector: &Connector, config: &IndexMap<String, Expr>) -> Option<String> {
    Some(filled(host(connector, config.get("base_url"), config.get("sandbox"))?, config))
}

/// A host with what settings say put in: a text, or of a variable the name.
fn filled(mut host: String, config: &IndexMap<String, Expr>) -> String {
    for (setting, value) in config {
        let place = format!("{{config.{setting}}}");
        let said = match value {
            Expr::Literal(Value::String(text)) => text.to_string(),
            Expr::Env(variable, None) if host == place => return format!("the host in {variable}"),
            Expr::Env(variable, _) => format!("{{{variable}}}"),
            _ => continue,
        };
        host = host.replace(&place, &said);
    }
    if host.contains("://") { host_of(&host).to_owned() } else { host }
}

/// The host of the base URL that requests really go to, by the settings of that name.
pub(crate) fn host(connector: &Connector, base_url: Option<&Expr>, sandbox: Option<&Expr>) -> Option<String> {
    let http = connector.http.as_ref()?;
    match base_url {
        None | Some(Expr::Literal(Value::Null)) => declared_host(http, sandbox),
        Some(Expr::Env(variable, None)) => Some(format!("the host in {variable}")),
        Some(Expr::Env(variable, Some(default))) => {
            let usual = match &**default {
                Expr::Literal(Value::Null) => declared_host(http, sandbox),
                default => url_host(default),
            };
            usual.map(|host| format!("{host} (or the host in {variable})"))
        }
        Some(expr) => url_host(expr),
    }
}

/// The host that the connector itself names: the usual one, or that for trials.
fn declared_host(http: &Http, sandbox: Option<&Expr>) -> Option<String> {
    let usual = || url_host(&http.base);
    let Some(trials) = &http.sandbox else { return usual() };
    match sandbox {
        None | Some(Expr::Literal(Value::Bool(false) | Value::Null)) => usual(),
        Some(Expr::Literal(_)) => url_host(trials),
        Some(decides) => {
            Some(format!("{} (or {} if {})", usual()?, url_host(trials)?, words(decides, &BTreeMap::new())))
        }
    }
}

fn more_hosts(connector: &Connector, config: &IndexMap<String, Expr>) -> Vec<String> {
    let Some(http) = &connector.http else { return Vec::new() };
    let mut hosts = http.hosts.clone();
    hosts.extend(http.also.iter().filter_map(|origin| url_host(&Expr::Literal(Value::text(origin.as_str())))));
    let forms = match &http.auth {
        Auth::First(forms) => forms.as_slice(),
        one => std::slice::from_ref(one),
    };
    for form in forms {
        let Auth::OAuth(oauth) = form else { continue };
        if matches!(http.auth, Auth::First(_)) && is_left_out(connector, config, oauth) {
            continue;
        }
        let device = match &oauth.grant {
            Grant::DeviceCode { device } => Some(device),
            _ => None,
        };
        hosts.extend([Some(&oauth.token), oauth.refresh.as_ref(), device].into_iter().flatten().filter_map(url_host));
    }
    hosts = hosts.into_iter().map(|host| filled(host, config)).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Says whether a connection does not set what a form of OAuth 2.0 is chosen by.
fn is_left_out(connector: &Connector, config: &IndexMap<String, Expr>, oauth: &OAuth) -> bool {
    let decides = match &oauth.grant {
        Grant::JwtBearer(claim) => Some(&claim.key),
        _ => oauth.id.as_ref(),
    };
    let Some(Expr::Member { of, name, .. }) = decides else { return false };
    let usual = || connector.config.get(name).and_then(|field| field.default.as_deref());
    let is_null = |expr: &Expr| *expr == Expr::Literal(Value::Null);
    **of == Expr::Ambient(Ambient::Config) && config.get(name).or_else(usual).is_none_or(is_null)
}

/// The host of a URL, what is inserted in braces.
fn url_host(base: &Expr) -> Option<String> {
    let inserted = |expr: &Expr| match expr {
        Expr::Env(variable, _) => format!("{{{variable}}}"),
        other => format!("{{{}}}", words(other, &BTreeMap::new())),
    };
    let text = match base {
        Expr::Literal(value) => value.to_string(),
        Expr::Text { parts, .. } => parts
            .iter()
            .map(|part| match part {
                TextPart::Fixed(fixed) => fixed.clone(),
                TextPart::Insert(insert) => inserted(insert),
            })
            .collect(),
        other => inserted(other),
    };
    Some(host_of(&text).to_owned())
}

/// The host in a URL, with its port; of what is no URL all of it.
fn host_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.split('/').next().unwrap_or_default()
}

fn collect_variables(expr: &Expr, variables: &mut BTreeMap<String, Requirement>) {
    match expr {
        Expr::Env(name, None) => {
            variables.insert(name.clone(), Requirement::Required);
        }
        Expr::Env(name, Some(default)) => {
            variables.entry(name.clone()).or_insert(Requirement::Optional);
            collect_variables(default, variables);
        }
        Expr::Binary(_, left, right) => {
            collect_variables(left, variables);
            collect_variables(right, variables);
        }
        Expr::Text { parts, .. } => {
            for part in parts {
                if let TextPart::Insert(insert) = part {
                    collect_variables(insert, variables);
                }
            }
        }
        _ => {}
    }
}
