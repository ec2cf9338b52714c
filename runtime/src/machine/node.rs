//! What does each kind of node do?

use std::sync::Arc;

use flow_model::{
    expr::{Expr, Pattern, Slot},
    failure::{ErrorKind, Failure},
    mask::Mask,
    plan::NodeKind,
    units::Instant,
    value::Value,
};
use indexmap::IndexMap;
use petgraph::graph::NodeIndex;

use super::{
    Action, Machine, Raised, Record, Region, Response, Role, ThreadId, Waits, Went, fork::Pace, pending::Pending,
};
use crate::eval::{Evaluator, Slots as _};

impl Machine {
    /// Advances a thread by one node.
    pub(super) fn step(&mut self, thread: ThreadId) -> Went {
        let region = self.threads.get(&thread).and_then(|thread| thread.stack.last()).copied();
        match region {
            None => Went::Nowhere,
            Some(Region { at: None, .. }) => self.leave(thread, Value::Null),
            Some(Region { at: Some(node), .. }) => match self.enter(thread, node) {
                Ok(went) => went,
                Err(raised) => self.raise(thread, *raised),
            },
        }
    }

    fn enter(&mut self, thread: ThreadId, node: NodeIndex) -> Result<Went, Box<Raised>> {
        let plan = Arc::clone(&self.plan);
        let Some(weight) = plan.graph.node_weight(node) else { return Ok(self.leave(thread, Value::Null)) };
        self.here = Some(self.place(thread, node));
        match &weight.kind {
            NodeKind::Let { slot, value } => {
                let value = self.value(thread, node, value)?;
                self.scope_of(thread).set(*slot, value);
                self.pass(thread);
                Ok(Went::On)
            }
            NodeKind::Step(_) if plan.body(node).is_some() => {
                let saga = self.open_saga();
                Ok(self.open(thread, node, 1, Role::Saga(node, saga)))
            }
            NodeKind::Step(step) => self.schedule(thread, node, step),
            NodeKind::If { conditions, .. } => {
                let region = self.first_that_holds(thread, node, conditions)?;
                self.taken.insert((node, region));
                Ok(self.open(thread, node, region, Role::Part(node)))
            }
            NodeKind::Match { subject, arms, .. } => {
                let region = self.first_that_fits(thread, node, subject, arms)?;
                self.taken.insert((node, region));
                Ok(self.open(thread, node, region, Role::Part(node)))
            }
            NodeKind::Parallel { on_error, regions } => Ok(self.open_parallel(thread, node, *on_error, *regions)),
            NodeKind::For { item, items, concurrency, every, on_error, stream, .. } => {
                let items = self.value(thread, node, items)?;
                let concurrency = self.value(thread, node, concurrency)?;
                let every = every.as_ref().map(|every| self.value(thread, node, every)).transpose()?;
                let pace = Pace { concurrency, every, on_error: *on_error };
                self.open_for(thread, node, *item, items, stream.as_deref(), &pace)
                    .map_err(|failure| self.fault(thread, node, failure))
            }
            NodeKind::Try { .. } => Ok(self.open(thread, node, 0, Role::Guarded(node))),
            NodeKind::Saga { .. } => {
                let saga = self.open_saga();
                Ok(self.open(thread, node, 0, Role::Saga(node, saga)))
            }
            NodeKind::First { item, items, .. } => {
                let items = self.value(thread, node, items)?;
                self.open_first(thread, node, *item, items).map_err(|failure| self.fault(thread, node, failure))
            }
            NodeKind::Race { regions, .. } => Ok(self.open_race(thread, node, *regions)),
            NodeKind::Repeat { every, times, until, .. } => {
                let every = self.value(thread, node, every)?;
                let times = self.value(thread, node, times)?;
                self.open_repeat(thread, node, &every, &times, until)
                    .map_err(|failure| self.fault(thread, node, failure))
            }
            NodeKind::Emit { event, value } => {
                let value = self.value(thread, node, value)?;
                let place = self.place(thread, node);
                self.record(Record::Emitted { place, event: event.clone(), value });
                self.pass(thread);
                Ok(Went::On)
            }
            NodeKind::Wait { event, within, .. } => self.listen(thread, node, event, within.as_ref()),
            NodeKind::Approve { question, by, within, .. } => {
                self.ask(thread, node, question, by.as_ref(), within.as_ref())
            }
            NodeKind::Run { flow, digest, params, .. } => self.begin(thread, node, flow, digest, params),
            NodeKind::Yield(value) => {
                let value = self.value(thread, node, value)?;
                Ok(self.leave(thread, value))
            }
            NodeKind::Respond { status, body } => self.respond(thread, node, status, body.as_ref()),
            NodeKind::Return(value) => {
                let value = self.value(thread, node, value)?;
                self.complete(thread, value).map_err(|failure| self.fault(thread, node, failure))
            }
            NodeKind::Fail { error, fields } => Err(self.failure(thread, node, error, fields)?),
            NodeKind::Sleep(until) => self.sleep(thread, node, until),
            NodeKind::Log(text) => {
                let text = self.value(thread, node, text)?.to_string();
                let place = self.place(thread, node);
                self.record(Record::Logged { place, text });
                self.pass(thread);
                Ok(Went::On)
            }
            NodeKind::DeadLetter { queue, value } => {
                let value = self.value(thread, node, value)?;
                let place = self.place(thread, node);
                // A journal of before that has none, and has to be followed word for word.
                let cause = if self.version > 2 { self.cause(thread) } else { None };
                self.record(Record::DeadLettered { place, queue: queue.clone(), value, cause });
                self.pass(thread);
                Ok(Went::On)
            }
        }
    }

    /// Computes an expression of a node; a fault names the node.
    pub(super) fn value(&mut self, thread: ThreadId, node: NodeIndex, expr: &Expr) -> Result<Value, Box<Raised>> {
        let scope = self.threads.get(&thread).map_or(0, |thread| thread.scope);
        self.eval(scope, expr).map_err(|failure| self.fault(thread, node, failure))
    }

    /// A fault of an expression, with the node's place in its message.
    pub(super) fn fault(&self, thread: ThreadId, node: NodeIndex, mut failure: Failure) -> Box<Raised> {
        let place = self.place(thread, node);
        failure.message = format!("`{place}`: {}", failure.message);
        Box::new(Raised { failure, place })
    }

    pub(super) fn invalid(&self, thread: ThreadId, node: NodeIndex, message: impl Into<String>) -> Box<Raised> {
        self.fault(thread, node, Failure::new(ErrorKind::Invalid, message))
    }

    fn open(&mut self, thread: ThreadId, node: NodeIndex, region: u32, role: Role) -> Went {
        let at = self.plan.region(node, region);
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.stack.push(Region { at, role });
        }
        Went::On
    }

    /// Ends the innermost region of a thread with a value.
    pub(super) fn leave(&mut self, thread: ThreadId, value: Value) -> Went {
        let region = self.threads.get_mut(&thread).and_then(|thread| thread.stack.pop());
        match region.map(|region| region.role) {
            None => Went::Nowhere,
            Some(Role::Part(node) | Role::Guarded(node)) => {
                self.set_result(thread, node, value);
                self.pass(thread);
                Went::On
            }
            Some(Role::Saga(node, saga)) => {
                self.sagas.remove(&saga).into_iter().flatten().for_each(|undo| self.scopes.close(undo.scope));
                self.set_result(thread, node, value);
                if self.plan.body(node).is_some() {
                    self.remember_undo(thread, node);
                }
                self.pass(thread);
                Went::On
            }
            Some(Role::Whole | Role::Straggler) => {
                match self.threads.get(&thread).and_then(|thread| thread.parent) {
                    Some((fork, index)) => self.child_ended(fork, index, thread, Ok(value)),
                    None => self.finish(super::Outcome::Completed(value)),
                }
                Went::Nowhere
            }
        }
    }

    /// Says whether the plan has a slot for the value of a node.
    pub(super) fn has_slot(&self, node: NodeIndex) -> bool {
        self.slot_of(node).is_some()
    }

    /// Binds the value of a node, where the plan has a slot for it.
    pub(super) fn set_result(&mut self, thread: ThreadId, node: NodeIndex, value: Value) {
        if let Some(slot) = self.slot_of(node) {
            self.scope_of(thread).set(slot, value);
        }
    }

    fn slot_of(&self, node: NodeIndex) -> Option<Slot> {
        match self.plan.graph.node_weight(node).map(|node| &node.kind) {
            Some(
                NodeKind::If { slot, .. }
                | NodeKind::Match { slot, .. }
                | NodeKind::For { slot, .. }
                | NodeKind::Try { slot, .. }
                | NodeKind::Saga { slot }
                | NodeKind::First { slot, .. }
                | NodeKind::Race { slot, .. }
                | NodeKind::Repeat { slot, .. }
                | NodeKind::Wait { slot, .. }
                | NodeKind::Approve { slot, .. }
                | NodeKind::Run { slot, .. },
            ) => *slot,
            Some(NodeKind::Step(step)) => step.slot,
            _ => None,
        }
    }

    fn first_that_holds(&mut self, thread: ThreadId, node: NodeIndex, conditions: &[Expr]) -> Result<u32, Box<Raised>> {
        let scope = self.threads.get(&thread).map_or(0, |thread| thread.scope);
        for (condition, region) in conditions.iter().zip(0..) {
            if self.condition(scope, condition).map_err(|failure| self.fault(thread, node, failure))? {
                return Ok(region);
            }
        }
        Ok(u32::try_from(conditions.len()).unwrap_or(u32::MAX))
    }

    fn first_that_fits(
        &mut self,
        thread: ThreadId,
        node: NodeIndex,
        subject: &Expr,
        arms: &[(Pattern, Option<Expr>)],
    ) -> Result<u32, Box<Raised>> {
        let scope = self.threads.get(&thread).map_or(0, |thread| thread.scope);
        let subject = self.value(thread, node, subject)?;
        for ((pattern, guard), region) in arms.iter().zip(0..) {
            if !Evaluator::fits(pattern, &subject, &mut self.scopes.view(scope)) {
                continue;
            }
            let holds = match guard {
                None => true,
                Some(guard) => self.condition(scope, guard).map_err(|failure| self.fault(thread, node, failure))?,
            };
            if holds {
                return Ok(region);
            }
        }
        Err(self.invalid(thread, node, format!("no arm of `match` fits {}", subject.kind())))
    }

    fn respond(
        &mut self,
        thread: ThreadId,
        node: NodeIndex,
        status: &Expr,
        body: Option<&Expr>,
    ) -> Result<Went, Box<Raised>> {
        let status = match self.value(thread, node, status)? {
            Value::Int(status @ 200..=599) => u16::try_from(status).unwrap_or(500),
            other => {
                let message = format!("the status of `respond` must be from 200 to 599, not {other}");
                return Err(self.invalid(thread, node, message));
            }
        };
        // An answer of null has no body: JSON, as which it is kept, does not tell the two apart.
        let body = body.map(|body| self.value(thread, node, body)).transpose()?.filter(|body| *body != Value::Null);
        if self.answered {
            return Err(self.invalid(thread, node, "the caller has been answered before"));
        }
        self.answered = true;
        self.record(Record::Responded(Response { status, body }));
        self.pass(thread);
        Ok(Went::On)
    }

    fn failure(
        &mut self,
        thread: ThreadId,
        node: NodeIndex,
        error: &ErrorKind,
        fields: &[(String, Expr)],
    ) -> Result<Box<Raised>, Box<Raised>> {
        let place = self.place(thread, node);
        let mut given = IndexMap::new();
        for (name, value) in fields {
            given.insert(name.clone(), self.value(thread, node, value)?);
        }
        // A journal of before that has the words, and has to be followed word for word.
        let personal = if self.version > 4 { self.plan.personal_at(&place.path) } else { Mask::default() };
        Ok(Box::new(Raised { failure: Failure::said(error.clone(), given, &personal), place }))
    }

    fn sleep(&mut self, thread: ThreadId, node: NodeIndex, until: &Expr) -> Result<Went, Box<Raised>> {
        let pending = match self.value(thread, node, until)? {
            Value::Duration(by) => Pending::Sleep(thread, self.now.after(by)),
            Value::Timestamp(at) => Pending::Until(thread, ceiling(at)),
            Value::Zoned(at) => Pending::Until(thread, ceiling(at.timestamp())),
            other => {
                let message = format!("`sleep` takes a duration or a timestamp, not {}", other.kind());
                return Err(self.invalid(thread, node, message));
            }
        };
        let Some(until) = pending.until().filter(|until| *until > self.now) else {
            self.pass(thread);
            return Ok(Went::On);
        };
        let place = self.place(thread, node);
        self.record(Record::Waits { place: place.clone(), until });
        self.actions.push(Action::Wake { place: place.clone(), until });
        self.wait(thread, place, pending);
        Ok(Went::Nowhere)
    }

    /// Makes a thread wait at a place.
    pub(super) fn wait(&mut self, thread: ThreadId, place: super::Place, pending: Pending) {
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.waits = Waits::For(place.clone());
        }
        self.pending.insert(place, pending);
    }

    /// Binds a value in the scope of a thread.
    pub(super) fn bind(&mut self, thread: ThreadId, slot: Option<Slot>, value: impl FnOnce() -> Value) {
        if let Some(slot) = slot {
            self.scope_of(thread).set(slot, value());
        }
    }
}

/// The first whole millisecond that is not before a timestamp: nothing wakes early.
fn ceiling(at: jiff::Timestamp) -> Instant {
    let millis = at.as_millisecond();
    if at > Instant(millis).timestamp() { Instant(millis.saturating_add(1)) } else { Instant(millis) }
}
