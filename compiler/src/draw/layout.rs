//! Which boxes, frames and lines does a drawing have?
//!
//! In: a plan. Out: the drawing without the syntax of a drawing language. Boxes are joined from top to bottom as the
//! body runs; bindings in a row share a box.

use std::collections::BTreeMap;

use flow_model::{
    expr::{Expr, Pattern, Slot},
    plan::{CatchArm, ForOnError, Node, NodeKind, ParallelOnError, Plan, Stage, Trigger, TriggerKind},
    value::Value,
};
use petgraph::graph::NodeIndex;

use crate::facts::words;

/// The most characters of one line in a box.
const WIDEST: usize = 56;

/// The number of a box or a frame.
pub(super) type Id = usize;

/// A drawing.
pub(super) struct Layout {
    /// What stands outside of all frames.
    pub(super) items: Vec<Item>,
    /// Lines in the order in which they are made.
    pub(super) lines: Vec<Line>,
}

/// A part of a drawing.
pub(super) enum Item {
    /// A box with its text.
    Box(Id, Shape, String),
    /// Boxes with a frame around them.
    Frame(Frame),
}

/// A frame with its title.
pub(super) struct Frame {
    pub(super) id: Id,
    pub(super) title: String,
    pub(super) items: Vec<Item>,
}

/// What a box stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// What starts the flow.
    Start,
    /// The call of an operation.
    Step,
    /// A pure computation, or something small.
    Plain,
    /// A decision.
    Decision,
    /// An end of the run.
    End,
    /// An end of the run with an error.
    Failure,
}

/// A line from box to box.
pub(super) struct Line {
    pub(super) from: Id,
    pub(super) to: Id,
    pub(super) label: String,
    /// The frame from whose edge it starts, where that is not the box itself.
    pub(super) leaves: Option<Id>,
    /// Whether it is taken after a failure.
    pub(super) way: Way,
}

/// When a line is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In the usual course.
    Usual,
    /// After a failure.
    Failure,
}

/// A way out of what was drawn, to what follows.
#[derive(Clone)]
struct Exit {
    from: Id,
    label: String,
    leaves: Option<Id>,
    way: Way,
}

impl Exit {
    fn of(from: Id) -> Self {
        Self { from, label: String::new(), leaves: None, way: Way::Usual }
    }
}

/// Lays a plan out.
pub(super) fn layout(plan: &Plan) -> Layout {
    let mut painter = Painter { plan, slots: slots(plan), next: 0, lines: Vec::new() };
    let mut items = Vec::new();
    let mut exits = Vec::new();
    for trigger in &plan.triggers {
        exits.push(Exit::of(painter.add(&mut items, Shape::Start, trigger_text(trigger))));
    }
    if plan.triggers.is_empty() {
        let params: Vec<&str> = plan.params.keys().map(String::as_str).collect();
        let text = if params.is_empty() { plan.flow.clone() } else { format!("{}({})", plan.flow, params.join(", ")) };
        exits.push(Exit::of(painter.add(&mut items, Shape::Start, text)));
    }
    let exits = painter.region(plan.entry, exits, &mut items);
    if !exits.is_empty() {
        let end = painter.add(&mut items, Shape::End, "done".to_owned());
        painter.join(&exits, end);
    }
    Layout { items, lines: painter.lines }
}

struct Painter<'a> {
    plan: &'a Plan,
    slots: BTreeMap<Slot, String>,
    next: Id,
    lines: Vec<Line>,
}

impl Painter<'_> {
    fn id(&mut self) -> Id {
        self.next += 1;
        self.next - 1
    }

    fn add(&mut self, items: &mut Vec<Item>, shape: Shape, text: String) -> Id {
        let id = self.id();
        items.push(Item::Box(id, shape, text));
        id
    }

    fn join(&mut self, exits: &[Exit], to: Id) {
        for exit in exits {
            let Exit { from, label, leaves, way } = exit.clone();
            self.lines.push(Line { from, to, label, leaves, way });
        }
    }

    /// Adds a box that follows, and gives the way out of it.
    fn follow(&mut self, exits: &[Exit], items: &mut Vec<Item>, shape: Shape, text: String) -> Vec<Exit> {
        let id = self.add(items, shape, text);
        self.join(exits, id);
        vec![Exit::of(id)]
    }

    /// Draws a region that begins with `first`, joined to the ways that lead there; gives the ways out of it.
    fn region(&mut self, first: Option<NodeIndex>, mut exits: Vec<Exit>, items: &mut Vec<Item>) -> Vec<Exit> {
        let mut bindings: Vec<String> = Vec::new();
        let mut at = first;
        while let Some(index) = at {
            let Some(node) = self.plan.graph.node_weight(index) else { break };
            at = self.plan.next(index);
            if let NodeKind::Let { value, .. } = &node.kind {
                bindings.push(cut(&format!("{} = {}", name(node), words(value, &self.slots))));
                if at.is_some() {
                    continue;
                }
            }
            if !bindings.is_empty() {
                let text = std::mem::take(&mut bindings).join("\n");
                exits = self.follow(&exits, items, Shape::Plain, text);
            }
            if !matches!(node.kind, NodeKind::Let { .. }) {
                let is_alone = first == Some(index);
                exits = self.node(index, node, exits, items, is_alone);
            }
            if exits.is_empty() {
                break;
            }
        }
        exits
    }

    fn node(
        &mut self,
        index: NodeIndex,
        node: &Node,
        exits: Vec<Exit>,
        items: &mut Vec<Item>,
        is_alone: bool,
    ) -> Vec<Exit> {
        let text = |expr: &Expr| words(expr, &self.slots);
        match &node.kind {
            NodeKind::Let { .. } => exits,
            NodeKind::Step(step) => {
                let call = format!("{}.{}", step.connection, step.operation);
                let bound = name(node);
                let text = if bound == call { call } else { format!("{bound} = {call}") };
                let out = self.follow(&exits, items, Shape::Step, cut(&text));
                self.undo(index, &out, items);
                out
            }
            NodeKind::Saga { .. } => {
                let mut inner = Vec::new();
                let out = self.region(self.plan.region(index, 0), exits.clone(), &mut inner);
                self.frame("saga".to_owned(), inner, exits, out, items)
            }
            NodeKind::First { item, items: list, .. } => {
                let name = self.slots.get(item).cloned().unwrap_or_else(|| "item".to_owned());
                let title = cut(&format!("first {name} in {}", text(list)));
                let mut inner = Vec::new();
                let out = self.region(self.plan.region(index, 0), exits.clone(), &mut inner);
                self.frame(title, inner, exits, out, items)
            }
            NodeKind::Race { regions, .. } => {
                let mut inner = Vec::new();
                let mut out = Vec::new();
                for at in 0..*regions {
                    if let Some(first) = self.plan.region(index, at) {
                        out.extend(self.region(Some(first), exits.clone(), &mut inner));
                    }
                }
                self.frame("race".to_owned(), inner, exits, out, items)
            }
            NodeKind::Repeat { every, times, until, .. } => {
                let title = format!("repeat every {} up to {} times until {}", text(every), text(times), text(until));
                let mut inner = Vec::new();
                let out = self.region(self.plan.region(index, 0), exits.clone(), &mut inner);
                self.frame(cut(&title), inner, exits, out, items)
            }
            NodeKind::Emit { event, .. } => self.follow(&exits, items, Shape::Plain, format!("emit {event}")),
            NodeKind::Wait { event, filter, within, slot } => {
                let mut title = format!("wait {event}");
                if let Some(filter) = filter {
                    title.push_str(&format!(" where {}", text(filter)));
                }
                if let Some(within) = within {
                    title.push_str(&format!(" for {}", text(within)));
                }
                let title = if slot.is_some() { format!("{} = {title}", name(node)) } else { title };
                self.follow(&exits, items, Shape::Plain, cut(&title))
            }
            NodeKind::Approve { question, slot, .. } => {
                let title = format!("approve {}", text(question));
                let title = if slot.is_some() { format!("{} = {title}", name(node)) } else { title };
                self.follow(&exits, items, Shape::Plain, cut(&title))
            }
            NodeKind::Run { flow, slot, .. } => {
                let bound = name(node);
                let text = if slot.is_none() || bound == *flow {
                    format!("flow {flow}")
                } else {
                    format!("{bound} = flow {flow}")
                };
                self.follow(&exits, items, Shape::Step, cut(&text))
            }
            NodeKind::If { conditions, .. } => self.branches(index, conditions, exits, items),
            NodeKind::Match { subject, arms, .. } => {
                let title = cut(&format!("match {}", text(subject)));
                let labels = arms.iter().map(|(pattern, guard)| {
                    let guard = guard.as_ref().map(|guard| format!(" if {}", text(guard))).unwrap_or_default();
                    cut(&format!("{}{guard}", pattern_text(pattern, &self.slots)))
                });
                let labels: Vec<String> = labels.collect();
                let decision = self.add(items, Shape::Decision, title);
                self.join(&exits, decision);
                let mut out = Vec::new();
                for (at, label) in labels.into_iter().enumerate() {
                    out.extend(self.branch(index, at, Exit { label, ..Exit::of(decision) }, items));
                }
                out
            }
            NodeKind::Parallel { on_error, regions } => {
                let title = match on_error {
                    ParallelOnError::Stop => "parallel".to_owned(),
                    ParallelOnError::Wait => "parallel on error wait".to_owned(),
                };
                let mut inner = Vec::new();
                let mut out = Vec::new();
                for at in 0..*regions {
                    if let Some(first) = self.plan.region(index, at) {
                        out.extend(self.region(Some(first), exits.clone(), &mut inner));
                    }
                }
                self.frame(title, inner, exits, out, items)
            }
            NodeKind::For { item, items: list, concurrency, every, on_error, stream, .. } => {
                let name = self.slots.get(item).cloned().unwrap_or_else(|| "item".to_owned());
                let mut title = format!("for {name} in {}", text(list));
                for stage in stream.iter().flatten() {
                    title.push_str(&match stage {
                        Stage::Filter(..) => ".filter(…)".to_owned(),
                        Stage::Map(..) => ".map(…)".to_owned(),
                        Stage::Take(count) => format!(".take({})", text(count)),
                        Stage::Chunks(size) => format!(".chunks({})", text(size)),
                        Stage::Most(most) => format!(".collect(max: {})", text(most)),
                    });
                }
                if !matches!(concurrency, Expr::Literal(Value::Int(1))) {
                    title.push_str(&format!(" concurrency {}", text(concurrency)));
                }
                if let Some(every) = every {
                    title.push_str(&format!(" every {}", text(every)));
                }
                match on_error {
                    ForOnError::Stop => {}
                    ForOnError::Collect => title.push_str(" on error collect"),
                    ForOnError::Skip => title.push_str(" on error skip"),
                }
                let mut inner = Vec::new();
                let out = self.region(self.plan.region(index, 0), exits.clone(), &mut inner);
                self.frame(cut(&title), inner, exits, out, items)
            }
            NodeKind::Try { arms, optional, .. } => self.attempt(index, arms, *optional, exits, items),
            NodeKind::Yield(value) => {
                // What was just bound, or nothing, needs no box of its own.
                if !is_alone && matches!(value, Expr::Slot(_) | Expr::Literal(Value::Null)) {
                    return exits;
                }
                let text = cut(&text(value));
                self.follow(&exits, items, Shape::Plain, text)
            }
            NodeKind::Respond { status, .. } => {
                let text = format!("respond {}", text(status));
                self.follow(&exits, items, Shape::Plain, cut(&text))
            }
            NodeKind::Return(value) => {
                let text = match value {
                    Expr::Literal(Value::Null) => "return".to_owned(),
                    value => cut(&format!("return {}", text(value))),
                };
                self.follow(&exits, items, Shape::End, text);
                Vec::new()
            }
            NodeKind::Fail { error, .. } => {
                self.follow(&exits, items, Shape::Failure, format!("fail {error}"));
                Vec::new()
            }
            NodeKind::Sleep(until) => {
                let text = cut(&format!("sleep {}", text(until)));
                self.follow(&exits, items, Shape::Plain, text)
            }
            NodeKind::Log(value) => {
                let text = cut(&format!("log {}", text(value)));
                self.follow(&exits, items, Shape::Plain, text)
            }
            NodeKind::DeadLetter { queue, .. } => {
                self.follow(&exits, items, Shape::Plain, format!("dead_letter {queue}"))
            }
        }
    }

    /// The undo of a step: taken after a failure, and nothing follows it.
    fn undo(&mut self, index: NodeIndex, step: &[Exit], items: &mut Vec<Item>) {
        let Some(first) = self.plan.region(index, 0) else { return };
        let exits =
            step.iter().map(|exit| Exit { label: "undo".to_owned(), way: Way::Failure, ..exit.clone() }).collect();
        self.region(Some(first), exits, items);
    }

    /// `if`: one decision after the other, the last `no` leads to the `else`.
    fn branches(
        &mut self,
        index: NodeIndex,
        conditions: &[Expr],
        mut exits: Vec<Exit>,
        items: &mut Vec<Item>,
    ) -> Vec<Exit> {
        let mut out = Vec::new();
        for (at, condition) in conditions.iter().enumerate() {
            let decision = self.add(items, Shape::Decision, cut(&words(condition, &self.slots)));
            self.join(&exits, decision);
            out.extend(self.branch(index, at, Exit { label: "yes".to_owned(), ..Exit::of(decision) }, items));
            exits = vec![Exit { label: "no".to_owned(), ..Exit::of(decision) }];
        }
        let otherwise = self.plan.region(index, u32::try_from(conditions.len()).unwrap_or(u32::MAX));
        out.extend(self.region(otherwise, exits, items));
        out
    }

    fn branch(&mut self, index: NodeIndex, region: usize, exit: Exit, items: &mut Vec<Item>) -> Vec<Exit> {
        let first = self.plan.region(index, u32::try_from(region).unwrap_or(u32::MAX));
        self.region(first, vec![exit], items)
    }

    /// `try`, `catch` and `optional`: the body in a frame, with a way from it to each arm.
    fn attempt(
        &mut self,
        index: NodeIndex,
        arms: &[CatchArm],
        optional: bool,
        exits: Vec<Exit>,
        items: &mut Vec<Item>,
    ) -> Vec<Exit> {
        let mut inner = Vec::new();
        let body = self.region(self.plan.region(index, 0), exits.clone(), &mut inner);
        let Some(from) = first_box(&inner) else { return exits };
        let is_step = matches!(inner.as_slice(), [Item::Box(..)]);
        let mut leaves = None;
        let mut out = body;
        if is_step {
            items.append(&mut inner);
        } else {
            let id = self.id();
            leaves = Some(id);
            items.push(Item::Frame(Frame { id, title: "try".to_owned(), items: inner }));
        }
        if optional && arms.is_empty() {
            out.push(Exit { from, label: "any failure".to_owned(), leaves, way: Way::Failure });
        }
        for (at, arm) in arms.iter().enumerate() {
            let exit = Exit { from, label: cut(&self.catch_text(arm)), leaves, way: Way::Failure };
            out.extend(self.branch(index, at + 1, exit, items));
        }
        out
    }

    fn catch_text(&self, arm: &CatchArm) -> String {
        let kinds: Vec<&str> = arm.kinds.iter().map(|kind| kind.name()).collect();
        let kinds = if kinds.is_empty() { "any failure".to_owned() } else { kinds.join(" | ") };
        let guard = arm.guard.as_ref().map(|guard| format!(" if {}", words(guard, &self.slots)));
        format!("{kinds}{}", guard.unwrap_or_default())
    }

    /// Puts a frame around what was drawn; one with nothing in it is passed by.
    fn frame(
        &mut self,
        title: String,
        inner: Vec<Item>,
        exits: Vec<Exit>,
        out: Vec<Exit>,
        items: &mut Vec<Item>,
    ) -> Vec<Exit> {
        if inner.is_empty() {
            return self.follow(&exits, items, Shape::Plain, title);
        }
        let id = self.id();
        items.push(Item::Frame(Frame { id, title, items: inner }));
        out
    }
}

/// The first box in a part of the drawing.
fn first_box(items: &[Item]) -> Option<Id> {
    items.iter().find_map(|item| match item {
        Item::Box(id, ..) => Some(*id),
        Item::Frame(frame) => first_box(&frame.items),
    })
}

/// What the author called each slot, as far as the plan itself says.
fn slots(plan: &Plan) -> BTreeMap<Slot, String> {
    let params = plan.params.keys().enumerate();
    let mut names: BTreeMap<Slot, String> =
        params.map(|(at, name)| (Slot(u32::try_from(at).unwrap_or(u32::MAX)), name.clone())).collect();
    for node in plan.graph.node_weights() {
        let slot = match &node.kind {
            NodeKind::Let { slot, .. } => Some(*slot),
            NodeKind::Step(step) => step.slot,
            NodeKind::If { slot, .. }
            | NodeKind::Match { slot, .. }
            | NodeKind::For { slot, .. }
            | NodeKind::Saga { slot }
            | NodeKind::First { slot, .. }
            | NodeKind::Race { slot, .. }
            | NodeKind::Repeat { slot, .. }
            | NodeKind::Wait { slot, .. }
            | NodeKind::Approve { slot, .. }
            | NodeKind::Run { slot, .. }
            | NodeKind::Try { slot, .. } => *slot,
            _ => None,
        };
        if let Some(slot) = slot {
            names.entry(slot).or_insert_with(|| name(node));
        }
        match &node.kind {
            // A loop without a name of its own has that of its item.
            NodeKind::For { slot, item, .. } | NodeKind::First { slot, item, .. } => {
                names.entry(*item).or_insert_with(|| if slot.is_some() { "item".to_owned() } else { name(node) });
            }
            NodeKind::Try { arms, .. } => {
                let failures = arms.iter().filter_map(|arm| arm.bind);
                names.extend(failures.map(|slot| (slot, "error".to_owned())));
            }
            _ => {}
        }
    }
    names.extend(plan.triggers.iter().filter_map(|trigger| Some((trigger.bind?, "event".to_owned()))));
    names
}

/// The last part of a node's path, without its number; what stands around a step has the step's name.
fn name(node: &Node) -> String {
    let last = node.path.rsplit('/').next().unwrap_or(&node.path);
    let last = last.split('#').next().unwrap_or(last);
    let step = [".catch", ".optional"].iter().find_map(|clause| last.strip_suffix(clause));
    match (&node.kind, step) {
        (NodeKind::Try { .. }, Some(step)) => step.to_owned(),
        _ => last.to_owned(),
    }
}

/// How a flow is started, as its author might have written it.
pub(crate) fn trigger_text(trigger: &Trigger) -> String {
    match &trigger.kind {
        TriggerKind::Http { method, path, .. } => format!("on http {method} {path}"),
        TriggerKind::Every(period) => format!("on every {period}"),
        TriggerKind::Cron { line, zone, .. } => format!("on cron {line} in {zone}"),
        TriggerKind::Event { events, pattern } => {
            format!("on event {}", pattern.clone().unwrap_or_else(|| events.join(", ")))
        }
        TriggerKind::File { pattern } => format!("on file {pattern}"),
        TriggerKind::Webhook { connection, trigger, .. } | TriggerKind::Poll { connection, trigger, .. } => {
            format!("on {connection}.{trigger}")
        }
    }
}

/// The pattern as its author might have written it.
fn pattern_text(pattern: &Pattern, slots: &BTreeMap<Slot, String>) -> String {
    let inner = |pattern: &Pattern| pattern_text(pattern, slots);
    let literal = |value: &Value| words(&Expr::Literal(value.clone()), slots);
    let bound = |slot: &Slot| slots.get(slot).cloned().unwrap_or_else(|| "…".to_owned());
    match pattern {
        Pattern::Any => "otherwise".to_owned(),
        Pattern::Bind(slot) => bound(slot),
        Pattern::Literal(value) => literal(value),
        Pattern::Range { from, to } => format!(
            "{}..{}",
            from.as_ref().map(literal).unwrap_or_default(),
            to.as_ref().map(literal).unwrap_or_default()
        ),
        Pattern::StartsWith(text) => format!("starts_with {text:?}"),
        Pattern::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, pattern)| format!("{name}: {}", inner(pattern))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Pattern::List { items, rest } => {
            let mut items: Vec<String> = items.iter().map(inner).collect();
            items.extend(rest.as_ref().map(|_| "...".to_owned()));
            format!("[{}]", items.join(", "))
        }
        Pattern::Either(options) => options.iter().map(inner).collect::<Vec<_>>().join(" | "),
        Pattern::Case { tag, .. } => tag.clone(),
    }
}

/// The text in one line of bearable length.
fn cut(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}
