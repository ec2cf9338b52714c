//! How is undone what steps have done?
//!
//! A step that has an `undo` and has completed leaves it with the `saga` or the branch of `race` around it, else with the
//! run. When that does not succeed, is cancelled or loses, the undos run one after the other, newest first, as steps of
//! the run like all others: recorded, retried by their policies, each once. Then the run goes on to where it was going.
//!
//! A step with an `undo` that is dropped while it may have taken effect is brought to its end first, because only then is
//! it known whether there is something to undo. An undo that fails does not keep the others from running; when they are
//! done the run ends as failed, past every `catch`, because what it left behind is a matter for people.

use std::{
    collections::BTreeSet,
    mem::{replace, take},
};

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::{
    Action, ForkId, Machine, Outcome, Place, Raised, Record, Region, Role, SagaId, ScopeId, Scopes, Thread, ThreadId,
    Waits, Went,
    fork::{Child, Fork, ForkKind},
    pending::Pending,
};

/// What can be undone: region 0 of a step, over the bindings that it was done with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Undo {
    /// Greater for what was done later.
    pub(super) order: u64,
    node: NodeIndex,
    /// Held for it.
    pub(super) scope: ScopeId,
    indexes: Vec<u64>,
}

/// What is to be done when nothing is left to undo.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Then {
    /// A failure goes on outwards.
    Raise(Raised),
    /// The node has its value.
    Give(NodeIndex, Value),
    /// The run is over.
    End(Outcome),
}

/// What dropped threads leave behind.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Sagas that did not succeed.
    pub(super) sagas: BTreeSet<SagaId>,
    /// Undos that are under way, and steps that have to be brought to their end.
    threads: Vec<ThreadId>,
    /// Undos that have failed.
    failures: Vec<Raised>,
}

impl Machine {
    pub(super) fn open_saga(&mut self) -> SagaId {
        let id = self.fresh();
        self.sagas.insert(id, Vec::new());
        id
    }

    /// The saga that a thread is in, innermost first.
    pub(super) fn saga_of(&self, thread: ThreadId) -> Option<SagaId> {
        let thread = self.threads.get(&thread)?;
        let own = thread.stack.iter().rev().find_map(|region| match region.role {
            Role::Saga(_, saga) => Some(saga),
            _ => None,
        });
        own.or(thread.saga)
    }

    pub(super) fn has_undos(&self, saga: SagaId) -> bool {
        self.sagas.get(&saga).is_some_and(|undos| !undos.is_empty())
    }

    /// Remembers how a step that has completed can be undone, if it can.
    pub(super) fn remember_undo(&mut self, thread: ThreadId, node: NodeIndex) {
        if self.plan.region(node, 0).is_none() {
            return;
        }
        let (Some(saga), Some(of)) = (self.saga_of(thread), self.threads.get(&thread)) else { return };
        let (outer, indexes) = (of.scope, of.indexes.clone());
        let (order, scope) = (self.fresh(), self.scopes.open(Some(outer)));
        self.sagas.entry(saga).or_default().push(Undo { order, node, scope, indexes });
    }

    /// Undoes a saga that did not succeed.
    pub(super) fn undo_saga(&mut self, thread: ThreadId, node: NodeIndex, saga: SagaId, then: Then) {
        let remains = Remains { sagas: BTreeSet::from([saga]), ..Remains::default() };
        let place = self.place(thread, node);
        self.undo(thread, Some(place), remains, then);
    }

    /// Undoes what is left, newest first, and then goes on.
    pub(super) fn undo(&mut self, owner: ThreadId, place: Option<Place>, remains: Remains, then: Then) {
        let Remains { sagas, threads, failures } = remains;
        let mut undos: Vec<_> = sagas.iter().filter_map(|saga| self.sagas.remove(saga)).flatten().collect();
        if undos.is_empty() && threads.is_empty() {
            return self.undone(owner, failures, then);
        }
        undos.sort_by_key(|undo| undo.order);
        let saga = self.fresh();
        self.sagas.insert(saga, undos);
        self.record(Record::Undoing { place, because: words(&then) });
        let next = threads.len();
        let fork = self.open_fork(owner, NodeIndex::end(), ForkKind::Undo { saga, next, failures, then });
        for (thread, index) in threads.into_iter().zip(0..) {
            if let Some(thread) = self.threads.get_mut(&thread) {
                thread.parent = Some((fork, index));
                if thread.saga.is_some_and(|of| sagas.contains(&of)) {
                    thread.saga = Some(saga);
                }
            }
            if let Some(fork) = self.forks.get_mut(&fork) {
                fork.running.insert(index, thread);
            }
        }
        self.undo_next(fork);
    }

    /// Begins the next undo when none is under way; goes on when none is left.
    fn undo_next(&mut self, id: ForkId) {
        let Some(Fork { kind: ForkKind::Undo { saga, next, .. }, running, .. }) = self.forks.get_mut(&id) else {
            return;
        };
        if !running.is_empty() {
            return;
        }
        let (saga, index) = (*saga, *next);
        *next += 1;
        if let Some(Undo { node, scope, indexes, .. }) = self.sagas.get_mut(&saga).and_then(Vec::pop) {
            let at = self.plan.region(node, 0);
            self.open_child(id, Child { index, scope, saga: None, indexes, at, waits: Waits::Nothing });
            return;
        }
        self.sagas.remove(&saga);
        if let Some(Fork { owner, kind: ForkKind::Undo { failures, then, .. }, .. }) = self.forks.remove(&id) {
            self.undone(owner, failures, then);
        }
    }

    /// Takes the end of an undo, or of a step that had to be brought to its end.
    pub(super) fn undo_ended(&mut self, id: ForkId, result: Result<Value, Raised>) {
        if let Err(raised) = result {
            let Raised { failure, place } = raised.clone();
            self.record(Record::UndoFailed { place, failure });
            if let Some(ForkKind::Undo { failures, .. }) = self.forks.get_mut(&id).map(|fork| &mut fork.kind) {
                failures.push(raised);
            }
        }
        self.undo_next(id);
    }

    /// Nothing is left to undo.
    fn undone(&mut self, owner: ThreadId, failures: Vec<Raised>, then: Then) {
        match then {
            Then::End(outcome) => self.finish(with_failures(outcome, &failures)),
            Then::Raise(raised) if !failures.is_empty() => {
                let Raised { failure, place } = raised;
                self.wind_up(Outcome::Failed { failure, place: Some(place) }, failures);
            }
            Then::Give(..) if !failures.is_empty() => {
                let outcome = with_failures(Outcome::Completed(Value::Null), &failures);
                self.wind_up(outcome, Vec::new());
            }
            Then::Raise(raised) => self.raise_at(owner, raised.place, raised.failure),
            Then::Give(node, value) => self.give(owner, node, value),
        }
    }

    /// Ends the run: whatever is under way is dropped, and all that can be undone is.
    pub(super) fn wind_up(&mut self, outcome: Outcome, failures: Vec<Raised>) {
        let mut remains = Remains { failures, ..Remains::default() };
        if let Some((root, saga)) = self.root.take() {
            remains.sagas.insert(saga);
            self.drop_thread(root, &mut remains);
        }
        self.settle(outcome, remains);
    }

    /// `return`: ends the run as completed. What stands around it has succeeded; what is under way beside it has not.
    pub(super) fn complete(&mut self, thread: ThreadId, value: Value) -> Result<Went, Failure> {
        let mut around = Vec::new();
        let mut at = self.threads.get(&thread).and_then(|thread| thread.parent);
        while let Some((id, index)) = at {
            let Some(fork) = self.forks.get(&id) else { break };
            if matches!(fork.kind, ForkKind::Undo { .. }) {
                return Err(Failure::new(ErrorKind::Invalid, "`return` can't stand in an `undo`"));
            }
            around.push((id, index, fork.owner));
            at = self.threads.get(&fork.owner).and_then(|owner| owner.parent);
        }
        let mut remains = Remains::default();
        self.root = None;
        self.threads.remove(&thread);
        for (id, index, owner) in around {
            if let Some(fork) = self.forks.get_mut(&id) {
                fork.running.remove(&index);
                if let ForkKind::Race { sagas } = &mut fork.kind
                    && let Some(saga) = sagas.get_mut(index)
                {
                    *saga = None;
                }
            }
            self.drop_fork(id, &mut remains);
            self.threads.remove(&owner);
        }
        // What has succeeded is not undone, so nobody waits for what belongs to it.
        let (kept, dropped) = take(&mut remains.threads).into_iter().partition(|thread| {
            let saga = self.threads.get(thread).map(|thread| thread.saga);
            saga.is_some_and(|saga| saga.is_none_or(|saga| remains.sagas.contains(&saga)))
        });
        remains.threads = kept;
        let dropped: Vec<ThreadId> = dropped;
        for thread in dropped {
            if let Some(Thread { waits: Waits::For(place), .. }) = self.threads.remove(&thread) {
                self.drop_pending(&place);
            }
        }
        self.settle(Outcome::Completed(value), remains);
        Ok(Went::Nowhere)
    }

    /// It is settled how the run ends; what has to be undone is undone before.
    fn settle(&mut self, outcome: Outcome, remains: Remains) {
        self.ending = true;
        let scope = self.scopes.open(None);
        let (indexes, parent, stack, waits) = (Vec::new(), None, Vec::new(), Waits::Nothing);
        let owner = self.open_thread(Thread { scope, saga: None, indexes, parent, stack, caught: Vec::new(), waits });
        self.undo(owner, None, remains, Then::End(outcome));
    }

    /// The run is over.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.threads.clear();
        self.forks.clear();
        self.sagas.clear();
        self.ready.clear();
        self.scopes = Scopes::default();
        self.ending = true;
        self.record(Record::Ended(outcome.clone()));
        self.outcome = Some(outcome);
    }

    /// Drops all threads of a fork. Undos go on.
    pub(super) fn drop_fork(&mut self, id: ForkId, remains: &mut Remains) {
        let Some(fork) = self.forks.remove(&id) else { return };
        match fork.kind {
            ForkKind::Undo { saga, mut failures, .. } => {
                remains.sagas.insert(saga);
                remains.failures.append(&mut failures);
                remains.threads.extend(fork.running.into_values());
                return;
            }
            ForkKind::Race { sagas } => remains.sagas.extend(sagas.into_iter().flatten()),
            ForkKind::For { mut source, .. } => {
                if let Some(place) = source.stream().and_then(super::stream::Pages::take_fetching) {
                    self.drop_pending(&place);
                }
            }
            _ => {}
        }
        for thread in fork.running.into_values() {
            self.drop_thread(thread, remains);
        }
    }

    /// Drops a thread and all that it has opened.
    fn drop_thread(&mut self, id: ThreadId, remains: &mut Remains) {
        let around = self.saga_of(id);
        let Some(thread) = self.threads.get_mut(&id) else { return };
        remains.sagas.extend(thread.stack.iter().filter_map(|region| match region.role {
            Role::Saga(_, saga) => Some(saga),
            _ => None,
        }));
        self.ready.retain(|ready| *ready != id);
        match replace(&mut thread.waits, Waits::Nothing) {
            Waits::Nothing => {}
            Waits::Fork(fork) => self.drop_fork(fork, remains),
            Waits::For(place) => {
                if let (Some(node), Some(_)) = (self.lingers(&place), around)
                    && let Some(thread) = self.threads.get_mut(&id)
                {
                    thread.saga = around;
                    thread.stack = vec![Region { at: Some(node), role: Role::Straggler }];
                    thread.waits = Waits::For(place);
                    return remains.threads.push(id);
                }
                self.drop_pending(&place);
            }
        }
        if let Some(thread) = self.threads.remove(&id) {
            self.scopes.close(thread.scope);
        }
    }

    /// The step at a place, if it has an undo and may have taken effect.
    fn lingers(&self, place: &Place) -> Option<NodeIndex> {
        let call = match self.pending.get(place)? {
            Pending::Call(call) if call.may_have_taken_effect() => call,
            Pending::Retry(call, _) | Pending::Held(call, ..) if call.is_doubtful() => call,
            Pending::Undecided(call, _) => call,
            _ => return None,
        };
        self.plan.region(call.node(), 0).map(|_| call.node())
    }

    fn drop_pending(&mut self, place: &Place) {
        let Some(pending) = self.pending.remove(place) else { return };
        self.record(Record::Dropped { place: place.clone() });
        match pending {
            Pending::Call(_) | Pending::Held(..) => self.actions.push(Action::Abort(place.clone())),
            Pending::Child { run, .. } => {
                let reason = format!("the run {} that called it no longer needs it", self.run);
                self.actions.push(Action::Cancel { run, reason });
            }
            _ => {}
        }
    }
}

/// Why something is undone.
fn words(then: &Then) -> String {
    match then {
        Then::Raise(Raised { failure, .. }) | Then::End(Outcome::Failed { failure, .. }) => failure.to_string(),
        Then::Give(..) => "another branch has won".to_owned(),
        Then::End(Outcome::Cancelled { reason }) => format!("cancelled: {reason}"),
        Then::End(Outcome::Completed(_)) => "the run has returned".to_owned(),
    }
}

/// How a run ends when undos have failed: as failed, with them named.
fn with_failures(outcome: Outcome, failures: &[Raised]) -> Outcome {
    let Some(first) = failures.first() else { return outcome };
    let undos: Vec<_> =
        failures.iter().map(|Raised { failure, place }| format!("`{place}` failed with {failure}")).collect();
    let undos = format!("not all could be undone: {}", undos.join("; "));
    match outcome {
        Outcome::Failed { mut failure, place } => {
            failure.message = format!("{}; {undos}", failure.message);
            Outcome::Failed { failure, place }
        }
        Outcome::Cancelled { reason } => {
            let failure = Failure::new(first.failure.kind.clone(), format!("cancelled: {reason}; {undos}"));
            Outcome::Failed { failure, place: Some(first.place.clone()) }
        }
        Outcome::Completed(_) => {
            let failure = Failure::new(first.failure.kind.clone(), undos);
            Outcome::Failed { failure, place: Some(first.place.clone()) }
        }
    }
}
