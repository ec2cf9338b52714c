//! Plans without a compiler.

use std::collections::BTreeMap;

use flow_model::{
    expr::{BinaryOp, Expr, Pattern, Slot},
    failure::ErrorKind,
    plan::{
        Backoff, CatchArm, Connection, Edge, ForOnError, Node, NodeKind, ParallelOnError, Plan, Policy, Retry, Step,
        Trigger, TriggerKind, VERSION,
    },
    schema::{Auth, Call, Connector, Effect, Errors, Http, KeySource, Limit, Operation},
    ty::{Field, Type, Types},
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;
use petgraph::graph::{DiGraph, NodeIndex};

/// A statement: a node and its regions.
#[derive(Clone, Debug)]
pub(crate) struct Stmt {
    pub(crate) path: String,
    pub(crate) kind: NodeKind,
    pub(crate) regions: Vec<Vec<Stmt>>,
}

/// A plan with that body, over the connection `world` with operations `read`, `keyed` and `send` of one parameter; a call
/// of `send` is not safe to repeat.
pub(crate) fn plan(params: &[&str], body: Vec<Stmt>) -> Plan {
    let mut graph = DiGraph::new();
    let entry = add(&mut graph, body);
    let operation = |effect, key| Operation {
        doc: String::new(),
        types: Vec::new(),
        params: IndexMap::from([("of".to_owned(), Field::of(Type::Json))]),
        result: Type::Json,
        effect,
        key,
        call: Call::Native,
        errors: Vec::new(),
        fails: None,
        scopes: Vec::new(),
        deprecated: None,
        cost: None,
        undo: None,
        visible_after: None,
        uuid_key: false,
        bulk: None,
        page: None,
    };
    let connector = Connector {
        name: "world".into(),
        doc: String::new(),
        config: IndexMap::new(),
        http: None,
        errors: Errors::default(),
        types: Types::default(),
        operations: BTreeMap::from([
            ("read".to_owned(), operation(Effect::Read, None)),
            ("keyed".to_owned(), operation(Effect::Create, Some(KeySource::Native))),
            ("send".to_owned(), operation(Effect::Create, None)),
        ]),
        triggers: BTreeMap::new(),
        verifications: BTreeMap::new(),
        challenges: BTreeMap::new(),
        webhooks: None,
        policy: Policy::default(),
    };
    Plan {
        version: VERSION,
        flow: "test".into(),
        doc: String::new(),
        params: params.iter().map(|name| ((*name).to_owned(), Field::of(Type::Json))).collect(),
        triggers: Vec::new(),
        result: Type::Json,
        errors: Vec::new(),
        graph,
        entry,
        connections: BTreeMap::from([(
            "world".to_owned(),
            Connection { connector: "world".into(), config: IndexMap::new() },
        )]),
        connectors: BTreeMap::from([("world".to_owned(), std::sync::Arc::new(connector))]),
        functions: BTreeMap::new(),
        types: Types::default(),
        secrets: Vec::new(),
        personal: Default::default(),
    }
}

/// The same plan with limits of its connection.
pub(crate) fn limited(plan: &mut Plan, limits: Vec<Limit>) {
    for connector in plan.connectors.values_mut() {
        let http = Http {
            base: text("https://world.example"),
            auth: Auth::None,
            headers: Vec::new(),
            more_headers: Vec::new(),
            query: Vec::new(),
            more_query: Vec::new(),
            limits: limits.clone(),
            retry_after: Vec::new(),
            remaining: None,
            reset: None,
            sandbox: None,
            hosts: Vec::new(),
            also: Vec::new(),
            version: None,
            docs: None,
            probe: None,
        };
        std::sync::Arc::make_mut(connector).http = Some(http);
    }
}

fn add(graph: &mut DiGraph<Node, Edge>, body: Vec<Stmt>) -> Option<NodeIndex> {
    let mut first = None;
    let mut last = None;
    for Stmt { path, kind, regions } in body {
        let node = graph.add_node(Node { path, kind });
        for (region, index) in regions.into_iter().zip(0..) {
            if let Some(entry) = add(graph, region) {
                graph.add_edge(node, entry, Edge::Region(index));
            }
        }
        if let Some(last) = last {
            graph.add_edge(last, node, Edge::Next);
        }
        first.get_or_insert(node);
        last = Some(node);
    }
    first
}

fn stmt(path: &str, kind: NodeKind, regions: Vec<Vec<Stmt>>) -> Stmt {
    Stmt { path: path.to_owned(), kind, regions }
}

pub(crate) fn int(value: i64) -> Expr {
    Expr::Literal(Value::Int(value))
}

pub(crate) fn text(value: &str) -> Expr {
    Expr::Literal(Value::text(value))
}

pub(crate) fn get(slot: u32) -> Expr {
    Expr::Slot(Slot(slot))
}

pub(crate) fn op(left: Expr, op: BinaryOp, right: Expr) -> Expr {
    Expr::Binary(op, Box::new(left), Box::new(right))
}

pub(crate) fn member(of: Expr, name: &str) -> Expr {
    Expr::Member { of: Box::new(of), name: name.into(), null_safe: false }
}

pub(crate) fn list(items: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::List(items.into_iter().map(flow_model::expr::ListPart::Item).collect())
}

pub(crate) fn bind(path: &str, slot: u32, value: Expr) -> Stmt {
    stmt(path, NodeKind::Let { slot: Slot(slot), value }, vec![])
}

/// A step that calls an operation of `world`, with the path as its argument.
pub(crate) fn step(path: &str, operation: &str, slot: u32) -> Stmt {
    step_of(path, operation, slot, text(path))
}

pub(crate) fn step_of(path: &str, operation: &str, slot: u32, arg: Expr) -> Stmt {
    let step = Step {
        slot: Some(Slot(slot)),
        connection: "world".into(),
        operation: operation.into(),
        result: None,
        args: vec![arg],
        key: None,
        policy: Policy::default(),
    };
    stmt(path, NodeKind::Step(Box::new(step)), vec![])
}

impl Stmt {
    /// The same step with another retry policy.
    pub(crate) fn retrying(mut self, retry: Retry) -> Self {
        if let NodeKind::Step(step) = &mut self.kind {
            step.policy.retry = Some(retry);
        }
        self
    }

    /// The same step with an undo.
    pub(crate) fn undone_by(mut self, undo: Vec<Self>) -> Self {
        self.regions = vec![undo];
        self
    }

    /// The same step with a key.
    pub(crate) fn keyed(mut self, key: Expr) -> Self {
        if let NodeKind::Step(step) = &mut self.kind {
            step.key = Some(key);
        }
        self
    }
}

pub(crate) fn retry(times: u32, on: &[ErrorKind], wait: u64) -> Retry {
    Retry { on: on.to_vec(), times, backoff: Backoff::Fixed(Millis(wait)), budget: None }
}

pub(crate) fn when(path: &str, slot: u32, condition: Expr, then: Vec<Stmt>, otherwise: Vec<Stmt>) -> Stmt {
    stmt(path, NodeKind::If { slot: Some(Slot(slot)), conditions: vec![condition] }, vec![then, otherwise])
}

pub(crate) fn choose(path: &str, slot: u32, subject: Expr, arms: Vec<(Pattern, Option<Expr>, Vec<Stmt>)>) -> Stmt {
    let (patterns, regions) = arms.into_iter().map(|(pattern, guard, body)| ((pattern, guard), body)).unzip();
    stmt(path, NodeKind::Match { slot: Some(Slot(slot)), subject, arms: patterns }, regions)
}

pub(crate) fn parallel(path: &str, on_error: ParallelOnError, regions: Vec<Vec<Stmt>>) -> Stmt {
    let count = u32::try_from(regions.len()).unwrap();
    stmt(path, NodeKind::Parallel { on_error, regions: count }, regions)
}

pub(crate) fn each(
    path: &str,
    slot: u32,
    item: u32,
    items: Expr,
    concurrency: i64,
    on_error: ForOnError,
    body: Vec<Stmt>,
) -> Stmt {
    let kind = NodeKind::For {
        slot: Some(Slot(slot)),
        item: Slot(item),
        items,
        concurrency: int(concurrency),
        every: None,
        on_error,
        stream: None,
    };
    stmt(path, kind, vec![body])
}

/// An arm of `catch`: kinds (all when empty), the slot of the failure, a guard, the body.
pub(crate) type Arm = (Vec<ErrorKind>, Option<u32>, Option<Expr>, Vec<Stmt>);

pub(crate) fn attempt(path: &str, slot: u32, body: Vec<Stmt>, arms: Vec<Arm>) -> Stmt {
    let mut regions = vec![body];
    let mut catch = Vec::new();
    for (kinds, bind, guard, body) in arms {
        catch.push(CatchArm { kinds, bind: bind.map(Slot), guard });
        regions.push(body);
    }
    stmt(path, NodeKind::Try { slot: Some(Slot(slot)), arms: catch, optional: false }, regions)
}

pub(crate) fn optional(path: &str, slot: u32, body: Vec<Stmt>) -> Stmt {
    stmt(path, NodeKind::Try { slot: Some(Slot(slot)), arms: vec![], optional: true }, vec![body])
}

pub(crate) fn give(value: Expr) -> Stmt {
    stmt("value", NodeKind::Yield(value), vec![])
}

pub(crate) fn end(value: Expr) -> Stmt {
    stmt("return", NodeKind::Return(value), vec![])
}

pub(crate) fn fail(path: &str, error: &str, reason: &str) -> Stmt {
    let fields = vec![("reason".to_owned(), text(reason))];
    stmt(path, NodeKind::Fail { error: ErrorKind::Declared(error.into()), fields }, vec![])
}

pub(crate) fn sleep(path: &str, until: Expr) -> Stmt {
    stmt(path, NodeKind::Sleep(until), vec![])
}

pub(crate) fn respond(status: i64, body: Expr) -> Stmt {
    stmt("respond", NodeKind::Respond { status: int(status), body: Some(body) }, vec![])
}

pub(crate) fn log(line: Expr) -> Stmt {
    stmt("log", NodeKind::Log(line), vec![])
}

pub(crate) fn dead_letter(queue: &str, value: Expr) -> Stmt {
    stmt("dead_letter", NodeKind::DeadLetter { queue: queue.into(), value }, vec![])
}

pub(crate) fn seconds(seconds: u64) -> Expr {
    Expr::Literal(Value::Duration(Millis::seconds(seconds)))
}

/// A step whose undo is a step of its own, `<path>/undo`, that is given its result.
pub(crate) fn undoable(path: &str, operation: &str, slot: u32) -> Stmt {
    step(path, operation, slot).undone_by(vec![step_of(&format!("{path}/undo"), "keyed", slot + 1000, get(slot))])
}

pub(crate) fn saga(path: &str, slot: u32, body: Vec<Stmt>) -> Stmt {
    stmt(path, NodeKind::Saga { slot: Some(Slot(slot)) }, vec![body])
}

pub(crate) fn first(path: &str, slot: u32, item: u32, items: Expr, body: Vec<Stmt>) -> Stmt {
    stmt(path, NodeKind::First { slot: Some(Slot(slot)), item: Slot(item), items }, vec![body])
}

pub(crate) fn race(path: &str, slot: u32, regions: Vec<Vec<Stmt>>) -> Stmt {
    let count = u32::try_from(regions.len()).unwrap();
    stmt(path, NodeKind::Race { slot: Some(Slot(slot)), regions: count }, regions)
}

pub(crate) fn repeat(path: &str, slot: u32, every: Expr, times: i64, until: Expr, body: Vec<Stmt>) -> Stmt {
    stmt(path, NodeKind::Repeat { slot: Some(Slot(slot)), every, times: int(times), until }, vec![body])
}

pub(crate) fn emit(path: &str, event: &str, value: Expr) -> Stmt {
    stmt(path, NodeKind::Emit { event: event.into(), value }, vec![])
}

pub(crate) fn wait(path: &str, slot: u32, event: &str, filter: Option<Expr>, within: Option<Expr>) -> Stmt {
    stmt(path, NodeKind::Wait { slot: Some(Slot(slot)), event: event.into(), filter, within }, vec![])
}

pub(crate) fn approve(path: &str, slot: u32, question: &str, within: Option<Expr>) -> Stmt {
    let (question, by) = (text(question), Some(text("finance")));
    stmt(path, NodeKind::Approve { slot: Some(Slot(slot)), question, by, within }, vec![])
}

/// A call of another flow.
pub(crate) fn call(path: &str, slot: u32, plan: &Plan, params: Vec<(&str, Expr)>) -> Stmt {
    let params = params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let kind = NodeKind::Run { slot: Some(Slot(slot)), flow: plan.flow.clone(), digest: plan.digest(), params };
    stmt(path, kind, vec![])
}

/// A member of what `where` is about.
pub(crate) fn item(name: &str) -> Expr {
    member(Expr::Ambient(flow_model::expr::Ambient::Item), name)
}

/// A trigger by the clock, whose runs have a deadline.
pub(crate) fn every(within: Option<Millis>) -> Trigger {
    Trigger {
        kind: TriggerKind::Every(Millis::seconds(60)),
        bind: None,
        payload: Type::Json,
        dedupe: None,
        concurrency: None,
        at_most: None,
        within,
        gather: None,
    }
}
