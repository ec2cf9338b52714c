//! How does a run wait for events and for people?

use std::sync::Arc;

use flow_model::{
    expr::{Ambient, Expr},
    plan::NodeKind,
    units::Instant,
    value::Value,
};
use petgraph::graph::NodeIndex;

use super::{Action, Machine, Place, Raised, Record, ThreadId, Verdict, Went, pending::Pending};
use crate::eval::Evaluator;

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

    /// Says whether a `wait` waits for this event. A filter that can't be computed lets nothing through.
    pub(super) fn is_awaited(&self, place: &Place, value: &Value) -> bool {
        let Some(Pending::Event { thread, node, .. }) = self.pending.get(place) else { return false };
        let filter = match self.plan.graph.node_weight(*node).map(|node| &node.kind) {
            Some(NodeKind::Wait { filter, .. }) => filter.as_ref(),
            _ => return false,
        };
        let Some(filter) = filter else { return true };
        let scope = self.threads.get(thread).map_or(0, |thread| thread.scope);
        let plan = Arc::clone(&self.plan);
        let evaluator = Evaluator {
            library: &self.library,
            functions: &plan.functions,
            types: &plan.types,
            env: &self.env,
            ambient: &|which| (which == Ambient::Item).then(|| value.clone()),
        };
        evaluator.eval(filter, &mut self.scopes.reading(scope)) == Ok(Value::Bool(true))
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
