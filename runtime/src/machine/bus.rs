//! How does a run wait for events and for people?

use flow_model::{
    expr::{Ambient, BinaryOp, Expr},
    failure::Failure,
    plan::NodeKind,
    units::Instant,
    value::Value,
};
use petgraph::graph::NodeIndex;
use sha2::{Digest as _, Sha256};

use super::{Action, Machine, Place, Raised, Record, ThreadId, Verdict, Went, pending::Pending};
use crate::eval::Evaluator;

/// What an event has to have for a `wait` to go on with it, where its filter says so: `.order == id`. Whoever waits for the
/// same event is found by that among many others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A field of the event.
    pub field: String,
    /// The [`Self::digest`] of its value.
    pub digest: String,
}

impl Wanted {
    /// A digest that equal values have in common; none for a kind of which values that are written differently can be equal,
    /// or that may equal one of another kind.
    pub fn digest(value: &Value) -> Option<String> {
        let written = match value {
            Value::String(text) => format!("s{text}"),
            Value::Int(number) => format!("i{number}"),
            Value::Bool(truth) => format!("b{truth}"),
            _ => return None,
        };
        Some(hex::encode(Sha256::digest(written)))
    }
}

/// The field that has to equal something for a filter to hold, and what; none where it does not say so plainly.
fn equality(filter: &Expr) -> Option<(&str, &Expr)> {
    let Expr::Binary(op, left, right) = filter else { return None };
    match op {
        BinaryOp::And => equality(left).or_else(|| equality(right)),
        BinaryOp::Equal => [(left, right), (right, left)].into_iter().find_map(|(field, value)| match &**field {
            Expr::Member { of, name, .. } if **of == Expr::Ambient(Ambient::Item) && is_fixed(value) => {
                Some((name.as_str(), &**value))
            }
            _ => None,
        }),
        _ => None,
    }
}

/// Says whether an expression has the same value whatever the event is, and whenever it comes.
fn is_fixed(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Slot(_) => true,
        Expr::Env(_, default) => default.as_deref().is_none_or(is_fixed),
        Expr::Member { of, .. } => is_fixed(of),
        _ => false,
    }
}

impl Machine {
    /// `wait`
    pub(super) fn listen(
        &mut self,
        thread: ThreadId,
        node: NodeIndex,
        event: &str,
        within: Option<&Expr>,
    ) -> Result<Went, Box<Raised>> {
        let until = self.within(thread, node, within)?;
        let place = self.place(thread, node);
        self.record(Record::Listens { place: place.clone(), event: event.to_owned(), until });
        self.await_until(thread, place, Pending::Event { thread, node, until });
        Ok(Went::Nowhere)
    }

    /// `approve`
    pub(super) fn ask(
        &mut self,
        thread: ThreadId,
        node: NodeIndex,
        question: &Expr,
        by: Option<&Expr>,
        within: Option<&Expr>,
    ) -> Result<Went, Box<Raised>> {
        let question = self.value(thread, node, question)?.to_string();
        let by = match by.map(|by| self.value(thread, node, by)).transpose()? {
            None | Some(Value::Null) => None,
            Some(by) => Some(by.to_string()),
        };
        let until = self.within(thread, node, within)?;
        let place = self.place(thread, node);
        self.record(Record::Asked { place: place.clone(), question: question.clone(), by: by.clone(), until });
        self.await_until(thread, place, Pending::Approval { thread, node, question, by, until });
        Ok(Went::Nowhere)
    }

    fn within(
        &mut self,
        thread: ThreadId,
        node: NodeIndex,
        within: Option<&Expr>,
    ) -> Result<Option<Instant>, Box<Raised>> {
        let Some(within) = within else { return Ok(None) };
        match self.value(thread, node, within)? {
            Value::Duration(within) => Ok(Some(self.now.after(within))),
            other => Err(self.invalid(thread, node, format!("`for` takes a duration here, not {}", other.kind()))),
        }
    }

    fn await_until(&mut self, thread: ThreadId, place: Place, pending: Pending) {
        if let Some(until) = pending.until() {
            self.actions.push(Action::Wake { place: place.clone(), until });
        }
        self.wait(thread, place, pending);
    }

    /// The name of the event that a `wait` waits for.
    pub(super) fn event_of(&self, node: NodeIndex) -> Option<&str> {
        match &self.plan.graph.node_weight(node)?.kind {
            NodeKind::Wait { event, .. } => Some(event),
            _ => None,
        }
    }

    /// What an event has to have for the `wait` at a place to go on with it; none where any may do.
    pub fn wanted(&self, place: &Place) -> Option<Wanted> {
        let Some(Pending::Event { thread, node, .. }) = self.pending.get(place) else { return None };
        let (field, value) = match self.plan.graph.node_weight(*node).map(|node| &node.kind) {
            Some(NodeKind::Wait { filter: Some(filter), .. }) => equality(filter)?,
            _ => return None,
        };
        let value = self.seen_from(*thread, value, &Value::Null).ok()?;
        Some(Wanted { field: field.to_owned(), digest: Wanted::digest(&value)? })
    }

    /// The value of an expression where a thread is, with an event.
    fn seen_from(&self, thread: ThreadId, expr: &Expr, event: &Value) -> Result<Value, Failure> {
        let scope = self.threads.get(&thread).map_or(0, |thread| thread.scope);
        let evaluator = Evaluator {
            library: &self.library,
            functions: &self.plan.functions,
            types: &self.plan.types,
            env: &self.env,
            ambient: &|which| (which == Ambient::Item).then(|| event.clone()),
        };
        evaluator.eval(expr, &mut self.scopes.reading(scope))
    }

    /// Says whether a `wait` waits for this event. A filter that can't be computed lets nothing through.
    pub(super) fn is_awaited(&self, place: &Place, value: &Value) -> bool {
        let Some(Pending::Event { thread, node, .. }) = self.pending.get(place) else { return false };
        let filter = match self.plan.graph.node_weight(*node).map(|node| &node.kind) {
            Some(NodeKind::Wait { filter, .. }) => filter.as_ref(),
            _ => return false,
        };
        filter.is_none_or(|filter| self.seen_from(*thread, filter, value) == Ok(Value::Bool(true)))
    }

    /// An event came.
    pub(super) fn received(&mut self, place: &Place, value: &Value) {
        if !self.is_awaited(place, value) {
            return;
        }
        if let Some(Pending::Event { thread, node, .. }) = self.pending.remove(place) {
            self.give(thread, node, value.clone());
        }
    }

    /// Someone has decided.
    pub(super) fn decided(&mut self, place: &Place, verdict: Verdict, by: Option<&str>, note: Option<&str>) {
        if !matches!(self.pending.get(place), Some(Pending::Approval { .. })) {
            return;
        }
        if let Some(Pending::Approval { thread, node, .. }) = self.pending.remove(place) {
            let text = |text: Option<&str>| text.map_or(Value::Null, Value::text);
            let decision = Value::record([
                ("approved", Value::Bool(verdict == Verdict::Approved)),
                ("by", text(by)),
                ("note", text(note)),
            ]);
            self.give(thread, node, decision);
        }
    }
}
