//! The plan of a flow: what the engine executes.
//!
//! A plan is self-contained: it holds the declarations of the operations that it calls, the types at its boundaries and
//! the policies in force, so that a run can be pinned to it by digest. Its body is a directed acyclic graph. A *region* is
//! a chain of nodes joined by [`Edge::Next`]; a node that contains others (`parallel`, `for`, `match`, …) has an
//! [`Edge::Region`] to the first node of each of its regions. An empty region has no edge.

use std::{collections::BTreeMap, sync::Arc};

use indexmap::IndexMap;
use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    expr::{Expr, Pattern, Slot},
    failure::ErrorKind,
    mask::Mask,
    schema::{Connector, Rate, VerifyCall},
    shared,
    span::Span,
    ty::{Field, Type, Types},
    units::Millis,
};

/// The version of this structure; a run keeps the plan that it began with, so older ones stay readable.
pub const VERSION: u32 = 1;

/// A flow, ready to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// [`VERSION`] at the time of compilation.
    pub version: u32,
    /// The flow's name.
    pub flow: String,
    /// The flow's doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Parameters in order, in slots `0..`; the payload of a trigger is in the trigger's own slot.
    pub params: IndexMap<String, Field>,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// The type of what it returns.
    pub result: Type,
    /// The errors it can end with.
    pub errors: Vec<ErrorKind>,
    /// The body.
    pub graph: DiGraph<Node, Edge>,
    /// The first node, unless the body is empty.
    pub entry: Option<NodeIndex>,
    /// Connections by name, those that the flow uses.
    pub connections: BTreeMap<String, Connection>,
    /// Connectors by name, cut down to what the flow uses. Plans that use the same of one share it.
    #[serde(with = "shared")]
    pub connectors: BTreeMap<String, Arc<Connector>>,
    /// The program's functions that the flow uses, by name; plans share them likewise.
    #[serde(with = "shared")]
    pub functions: BTreeMap<String, Arc<Function>>,
    /// Named types that can occur at a boundary.
    pub types: Types,
    /// Names of the secrets that it needs.
    pub secrets: Vec<String>,
    /// What is personal in the values that nodes keep or give out (`dead_letter`, `fail`, `return`, `respond`), and in the
    /// fields of the errors that come from other flows, by the node's path: what shows them to people hides it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub personal: BTreeMap<String, Mask>,
}

impl Plan {
    /// SHA-256 over the plan's JSON, in hexadecimal. Where the source stands has no part in it.
    ///
    /// # Panics
    /// Never: a plan has no map with keys that JSON can't write.
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).expect("a plan is always writable as JSON");
        hex::encode(Sha256::digest(json))
    }

    /// What is personal in what a node keeps, gives out or fails with, by its path. Plans of before do not say what is in
    /// the errors of other flows: then all is.
    pub fn personal_at(&self, path: &str) -> Mask {
        self.personal.get(path).cloned().unwrap_or_else(|| {
            let mut calls = self.graph.node_weights().filter(|node| matches!(node.kind, NodeKind::Run { .. }));
            if calls.any(|node| node.path == path) { Mask::all() } else { Mask::default() }
        })
    }

    /// What is personal in the result of a run.
    pub fn personal_result(&self) -> Mask {
        let returns = self.graph.node_weights().filter(|node| matches!(node.kind, NodeKind::Return(_)));
        returns.filter_map(|node| self.personal.get(&node.path)).fold(Mask::default(), |all, mask| all.join(mask))
    }

    /// The node after `node` in its region.
    pub fn next(&self, node: NodeIndex) -> Option<NodeIndex> {
        self.graph
            .edges_directed(node, Direction::Outgoing)
            .find(|edge| matches!(edge.weight(), Edge::Next))
            .map(|edge| edge.target())
    }

    /// The first node of a region of `node`; none when the region is empty.
    pub fn region(&self, node: NodeIndex, index: u32) -> Option<NodeIndex> {
        self.graph
            .edges_directed(node, Direction::Outgoing)
            .find(|edge| matches!(edge.weight(), Edge::Region(at) if *at == index))
            .map(|edge| edge.target())
    }
}

impl Plan {
    /// The first node of the body that a step has in the place of a call, if it has one.
    pub fn body(&self, node: NodeIndex) -> Option<NodeIndex> {
        match self.graph.node_weight(node).map(|node| &node.kind) {
            Some(NodeKind::Step(_)) => self.region(node, 1),
            _ => None,
        }
    }

    /// Makes the steps on these operations calls, whatever body they have.
    pub fn call(&mut self, is_called: &dyn Fn(&Step) -> bool) {
        let graph = &self.graph;
        let bodies = graph.edge_indices().filter(|edge| {
            let of = graph.edge_endpoints(*edge).and_then(|(of, _)| graph.node_weight(of)).map(|node| &node.kind);
            graph.edge_weight(*edge) == Some(&Edge::Region(1))
                && matches!(of, Some(NodeKind::Step(step)) if is_called(step))
        });
        let bodies: Vec<_> = bodies.collect();
        self.graph.retain_edges(|_, edge| !bodies.contains(&edge));
    }
}

/// How nodes are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edge {
    /// What follows in the same region.
    Next,
    /// The first node of a region, by the region's index.
    Region(u32),
}

/// A node of the body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The path that names it to people and in idempotency keys, unique in the plan: `order`, `shortages/orders.execute`,
    /// `orders.execute#2`. Stable while the author changes nothing about the step's name and place.
    pub path: String,
    /// What it does.
    pub kind: NodeKind,
}

/// What a node does. Region indexes are given for those that have regions; `slot` takes the node's value. A region's
/// value is that of the [`NodeKind::Yield`] that it ends in, else null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeKind {
    /// Evaluates a pure expression.
    Let {
        /// Takes the value.
        slot: Slot,
        /// The expression.
        value: Expr,
    },
    /// Calls an operation. Region 0 is its `undo`, where it has one: it runs when the enclosing `saga`, or without one the
    /// run, does not succeed or is cancelled, and sees the step's result. Region 1 is there for an operation with a body in
    /// Flow and takes the place of the call: its value is the result, and it is a `saga` of its own.
    Step(Box<Step>),
    /// `if`: tries conditions in order; region `i` belongs to condition `i`, one more region is the `else`.
    If {
        /// Takes the region's value.
        slot: Option<Slot>,
        /// The conditions.
        conditions: Vec<Expr>,
    },
    /// `match`: region `i` belongs to arm `i`.
    Match {
        /// Takes the region's value.
        slot: Option<Slot>,
        /// What is matched.
        subject: Expr,
        /// Patterns with their guards, tried in order.
        arms: Vec<(Pattern, Option<Expr>)>,
    },
    /// `parallel`: all regions at the same time; their bindings are visible after it.
    Parallel {
        /// What the others do when one fails.
        on_error: ParallelOnError,
        /// How many regions there are, empty ones included.
        regions: u32,
    },
    /// `for`: region 0 for each item, each in a scope of its own.
    For {
        /// Takes the list of values, or for `collect` the record `{ ok, failed }`.
        slot: Option<Slot>,
        /// Takes the item.
        item: Slot,
        /// The list.
        items: Expr,
        /// How many at the same time, at least 1.
        concurrency: Expr,
        /// `every 1s`: an item begins no sooner than this after the one before it has begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<Expr>,
        /// What a failing item does.
        on_error: ForOnError,
        /// What the items of a stream go through on their way; then `items` is the slot of the step that gives it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<Vec<Stage>>,
    },
    /// `try`, or `catch` and `optional` of a step: region 0 is the body, region `1 + i` belongs to arm `i`.
    Try {
        /// Takes the value of the region that ended it.
        slot: Option<Slot>,
        /// Tried in order; a failure that fits none goes on outwards.
        arms: Vec<CatchArm>,
        /// `optional`: the failure is logged and counted.
        optional: bool,
    },
    /// `saga`: region 0. When it does not succeed, the undos of its completed steps run, newest first, and then the failure
    /// goes on outwards.
    Saga {
        /// Takes the region's value.
        slot: Option<Slot>,
    },
    /// `first`: region 0 for one item after the other until one succeeds; a failure `Interrupted` ends it, since what may
    /// have happened must not happen twice. When all fail, it fails as the last one did.
    First {
        /// Takes the region's value.
        slot: Option<Slot>,
        /// Takes the item.
        item: Slot,
        /// The list.
        items: Expr,
    },
    /// `race`: all regions at the same time; the first that succeeds wins and the others are cancelled. When all fail, it
    /// fails as the last one did.
    Race {
        /// Takes the winner's value.
        slot: Option<Slot>,
        /// How many regions there are, empty ones included.
        regions: u32,
    },
    /// `repeat`: region 0, then a pause, until a condition holds. When it never holds, it fails with `Timeout`.
    Repeat {
        /// Takes the region's last value.
        slot: Option<Slot>,
        /// The pause, a duration.
        every: Expr,
        /// How many times at most.
        times: Expr,
        /// The condition; sees what the region binds.
        until: Expr,
    },
    /// `emit`: puts an event on the bus.
    Emit {
        /// The event's name.
        event: String,
        /// Its content.
        value: Expr,
    },
    /// `wait`: until an event comes.
    Wait {
        /// Takes the event, or null when none came in time.
        slot: Option<Slot>,
        /// The event's name.
        event: String,
        /// Which one: over [`Ambient::Item`](crate::expr::Ambient::Item) and the run's bindings.
        filter: Option<Expr>,
        /// For how long, a duration.
        within: Option<Expr>,
    },
    /// `approve`: until a person decides.
    Approve {
        /// Takes the decision: `{ approved: Bool, by: String?, note: String? }`, or null when none came in time.
        slot: Option<Slot>,
        /// What is asked.
        question: Expr,
        /// Who is asked.
        by: Option<Expr>,
        /// For how long, a duration.
        within: Option<Expr>,
    },
    /// A call of another flow: a run of its own, whose result or failure this node has.
    Run {
        /// Takes the result.
        slot: Option<Slot>,
        /// The flow.
        flow: String,
        /// The digest of its plan, which the run is pinned to.
        digest: String,
        /// Its parameters.
        params: Vec<(String, Expr)>,
    },
    /// Ends the region with a value.
    Yield(Expr),
    /// `respond`: answers the caller of the webhook.
    Respond {
        /// The status, an `Int`.
        status: Expr,
        /// The JSON body, if there is one.
        body: Option<Expr>,
    },
    /// `return`: ends the run as completed.
    Return(Expr),
    /// `fail`: raises a failure, which an enclosing `try` may catch.
    Fail {
        /// The declared error.
        error: ErrorKind,
        /// Its fields.
        fields: Vec<(String, Expr)>,
    },
    /// `sleep`: waits for a duration or until a timestamp.
    Sleep(Expr),
    /// `log`: writes a line to the run's history.
    Log(Expr),
    /// `dead_letter name { … }`: keeps what could not be delivered.
    DeadLetter {
        /// The name of the queue.
        queue: String,
        /// What is kept.
        value: Expr,
    },
}

/// A call of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Takes the result.
    pub slot: Option<Slot>,
    /// The connection, a key of the plan's connections.
    pub connection: String,
    /// The operation, a key of the connector's operations.
    pub operation: String,
    /// The type of the result, where the operation leaves it to its caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Type>,
    /// Arguments for all parameters in declared order, defaults put in, in their JSON form where that differs.
    pub args: Vec<Expr>,
    /// The author's idempotency key. Without one, keyed operations get a digest of run, path and loop indexes.
    pub key: Option<Expr>,
    /// The policy in force: step over connection over connector over the defaults.
    pub policy: Policy,
}

/// Time limits and retries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How long one attempt may take. Default 30s.
    pub timeout: Option<Millis>,
    /// When and how to try again. Default: [`Retry::standard`] for what is safe to repeat, else never.
    pub retry: Option<Retry>,
    /// When calls of the connection stop for a while. Default: [`Breaker::standard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// How many calls are tried again, over all runs that use the same account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Rate>,
}

impl Policy {
    /// How long a call may take when every attempt but the last fails: each attempt its time limit, each wait its bound.
    /// A server can ask for longer waits.
    pub fn longest(&self) -> Millis {
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT).0;
        let Some(retry) = &self.retry else { return Millis(timeout) };
        let waits = (1..=retry.times).fold(0u64, |waits, attempt| waits.saturating_add(retry.backoff.bound(attempt).0));
        let all = timeout.saturating_mul(u64::from(retry.times) + 1).saturating_add(waits);
        // The last attempt begins within the budget at the latest.
        Millis(retry.budget.map_or(all, |budget| all.min(budget.0.saturating_add(timeout))))
    }
}

/// When calls of a connection stop for a while. Calls that were to leave then wait and do not fail (M. Nygard, "Release
/// It!", 2007, section 5.2), but for those whose failure the program deals with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// So many calls in a row that end with `Unavailable` or `Timeout` in that time open it; 0 is `breaker: none`.
    pub opens_at: Rate,
    /// How long it stays open; then one call is let through, and with each that works one more at the same time. When the
    /// first fails, it stays open twice as long as before, up to 15 minutes.
    pub half_open_after: Millis,
}

impl Breaker {
    /// What holds where nothing is said: 10 calls in a row without an answer within 5 minutes open it for 30 seconds. One step
    /// that is tried again as often as usual, which is 5 calls, does not.
    pub const fn standard() -> Self {
        Self { opens_at: Rate { count: 10, period: Millis::seconds(300) }, half_open_after: Millis::seconds(30) }
    }

    /// `breaker: none`
    pub const fn none() -> Self {
        Self { opens_at: Rate { count: 0, period: Millis(0) }, half_open_after: Millis(0) }
    }
}

/// The time limit of an attempt when no policy says otherwise.
pub const DEFAULT_TIMEOUT: Millis = Millis::seconds(30);

/// When and how to try again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// The kinds of failure after which to try again.
    pub on: Vec<ErrorKind>,
    /// How many times after the first attempt; 0 is `retry: none`.
    pub times: u32,
    /// How long to wait.
    pub backoff: Backoff,
    /// How long all attempts and waits may take together.
    pub budget: Option<Millis>,
}

impl Retry {
    /// What is safe to repeat is tried again 4 times after `RateLimited`, `Unavailable` and `Timeout`, waiting 500ms to
    /// 30s.
    pub fn standard() -> Self {
        Self {
            on: vec![ErrorKind::RateLimited, ErrorKind::Unavailable, ErrorKind::Timeout],
            times: 4,
            backoff: Backoff::Exponential { first: Millis(500), most: Millis::seconds(30) },
            budget: None,
        }
    }

    /// `retry: none`
    pub fn none() -> Self {
        Self { on: Vec::new(), times: 0, backoff: Backoff::Fixed(Millis(0)), budget: None }
    }
}

/// How long to wait before the next attempt. The wait is drawn evenly from zero to the bound (full jitter: M. Brooker,
/// "Exponential Backoff and Jitter", AWS Architecture Blog, 2015), and is never shorter than what the server asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Backoff {
    /// The bound doubles with each attempt.
    Exponential {
        /// The first bound.
        first: Millis,
        /// The greatest bound.
        most: Millis,
    },
    /// The bound stays.
    Fixed(Millis),
}

impl Backoff {
    /// The longest wait after an attempt; the first is 1.
    pub fn bound(&self, attempt: u32) -> Millis {
        match self {
            Self::Fixed(wait) => *wait,
            Self::Exponential { first, most } => {
                let doubled = 1u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
                Millis(first.0.saturating_mul(doubled)).min(*most)
            }
        }
    }
}

/// What the items of a stream go through, one by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stage {
    /// `.filter(x -> …)`: those for which it does not hold are left out.
    Filter(Slot, Expr),
    /// `.map(x -> …)`: this in their place.
    Map(Slot, Expr),
    /// `.take(n)`: no more than so many; what follows is not fetched.
    Take(Expr),
    /// `.collect(max: n)`: more than so many are a failure.
    Most(Expr),
    /// `.chunks(n)`: lists of so many, the last of what is left.
    Chunks(Expr),
}

impl Stage {
    /// Its expression.
    pub fn expr(&self) -> &Expr {
        match self {
            Self::Filter(_, expr) | Self::Map(_, expr) | Self::Take(expr) | Self::Most(expr) | Self::Chunks(expr) => {
                expr
            }
        }
    }
}

/// What the other branches of `parallel` do when one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParallelOnError {
    /// They are cancelled.
    Stop,
    /// They finish first.
    Wait,
}

/// What a failing item does to its `for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForOnError {
    /// Fails the loop; items under way are cancelled.
    Stop,
    /// Goes into `failed`.
    Collect,
    /// Is left out, logged and counted.
    Skip,
}

/// An arm of `catch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatchArm {
    /// The kinds that it catches; empty catches all.
    pub kinds: Vec<ErrorKind>,
    /// Takes the failure as a record.
    pub bind: Option<Slot>,
    /// What must hold besides.
    pub guard: Option<Expr>,
}

/// A `fn` of the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Slots of the parameters.
    pub params: Vec<Slot>,
    /// The value.
    pub body: Expr,
}

/// A connector with its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// The connector's name.
    pub connector: String,
    /// The configuration; `base_url` replaces the connector's base. Secrets are by name, `env` by [`Expr::Env`].
    pub config: IndexMap<String, Expr>,
}

/// What starts a flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// The kind with its own settings.
    pub kind: TriggerKind,
    /// Takes the payload: for `http`, the record `{ body, headers, query, method, path }`; for `every` and `cron`,
    /// `{ scheduled_at }`; for `event`, the event; for `file`, the record `{ path, modified_at, file }`.
    pub bind: Option<Slot>,
    /// The type of the payload.
    pub payload: Type,
    /// The key by which a repeated event is known: over the payload in `bind`'s slot, or over
    /// [`Ambient::Item`](crate::expr::Ambient::Item) where the connector declares it.
    pub dedupe: Option<Dedupe>,
    /// `concurrency: N` and `concurrency: N per key`.
    pub concurrency: Option<Concurrency>,
    /// `at_most: N per period`
    pub at_most: Option<Rate>,
    /// `within:`: the deadline of the run.
    pub within: Option<Millis>,
    /// `batch:` or `debounce:`: one run for several events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Gather>,
}

impl Trigger {
    /// The type of what the body sees: the payload, or with `batch:` a list of them.
    pub fn bound(&self) -> Type {
        match &self.gather {
            Some(Gather { keep: Keep::All { .. }, .. }) => Type::List(Box::new(self.payload.clone())),
            _ => self.payload.clone(),
        }
    }
}

/// How several events become one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gather {
    /// Which of them it sees, and when it begins.
    pub keep: Keep,
    /// For each value of this expression, when there is one.
    pub per: Option<Expr>,
}

/// Which of several events a run sees, and when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// `debounce: 30s`, `debounce: 30s or 10m`: the latest, when no other has come for a while.
    Latest {
        /// The while.
        quiet: Millis,
        /// How long after the first it begins at the latest.
        most: Option<Millis>,
    },
    /// `batch: 100 or 5s`: all, when they are so many.
    All {
        /// So many.
        most: u32,
        /// How long after the first it begins at the latest.
        within: Millis,
    },
}

/// How many events a batch may have.
pub const MOST_GATHERED: u32 = 1000;

/// How a repeated event is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dedupe {
    /// The key; its text is compared.
    pub key: Expr,
    /// How long keys are remembered. Default 72h.
    pub window: Millis,
}

/// How many runs of a trigger may be under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concurrency {
    /// How many.
    pub limit: u32,
    /// For each value of this expression, when there is one.
    pub per: Option<Expr>,
}

/// The kind of a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TriggerKind {
    /// `on http POST "/leads"`
    Http {
        /// The method.
        method: String,
        /// The path; begins with `/`.
        path: String,
        /// The type that the JSON body must have.
        body: Option<Type>,
        /// How requests are verified; `None` is `verify: none because "…"`.
        verify: Option<VerifyCall>,
        /// How long the body may be, in bytes, where something is said of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_body: Option<u64>,
    },
    /// `on every 15m`
    Every(Millis),
    /// `on payments.payment_intent.succeeded`: a webhook of a connection, received at `/hooks/<connection>`.
    Webhook {
        /// The connection.
        connection: String,
        /// The trigger's name in the connector.
        trigger: String,
        /// How deliveries are verified; `None` is `verify: none because "…"`.
        verify: Option<VerifyCall>,
    },
    /// `on crm.contact.changed` where the connector polls.
    Poll {
        /// The connection.
        connection: String,
        /// The trigger's name in the connector.
        trigger: String,
        /// The values of its parameters, in their order. They see nothing of a run.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<Expr>,
        /// Those that the flow gives, as text: which list is read, for people and for how far it was read.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        told: String,
        /// How often.
        every: Millis,
    },
    /// `on cron "0 9 * * mon" in "Europe/Berlin"`
    Cron {
        /// Minute, hour, day of the month, month, day of the week; checked when the flow was compiled.
        line: String,
        /// The time zone that the line is read in, by its IANA name; `UTC` where none is written.
        zone: String,
        /// What becomes of times that passed while nothing ran.
        catch_up: CatchUp,
    },
    /// `on file "inbox/*.csv"`
    File {
        /// Which files: `*`, `?` and `**` stand for parts of names, one character and folders. Below the project's folder,
        /// unless it begins with `/`.
        pattern: String,
    },
    /// `on event customer.created`, `on event customer.*`
    Event {
        /// The names of the events, at least one, sorted.
        events: Vec<String>,
        /// The pattern, where one is written: the payload then has the event's name besides, in the field `event`.
        pattern: Option<String>,
    },
}

/// What becomes of the times of a schedule that passed while nothing ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The latest is made up for.
    Last,
    /// Each is made up for, oldest first.
    All,
    /// The latest so many are made up for, oldest first; the others are left out.
    AtMost(u32),
}

/// Where the nodes of a plan stand in the source: kept beside the plan, so that formatting does not change its digest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourceMap {
    /// A span for each node, by node index.
    pub nodes: Vec<Span>,
    /// What the author called each slot of the flow; slots that the compiler made have no name.
    pub slots: BTreeMap<Slot, String>,
}
