//! How do `parallel` and `for` open threads and join them?

use std::collections::BTreeMap;

use flow_model::{
    expr::Slot,
    failure::{ErrorKind, Failure},
    plan::{ForOnError, ParallelOnError},
    value::Value,
};
use petgraph::graph::NodeIndex;

use super::{ForkId, Machine, Place, Raised, Record, Region, Role, Thread, ThreadId, Waits, Went};
use crate::eval::Slots as _;

/// Threads that were opened together, and the one that waits for them.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) owner: ThreadId,
    pub(super) kind: ForkKind,
    node: NodeIndex,
    running: BTreeMap<usize, ThreadId>,
    done: BTreeMap<usize, Result<Value, Raised>>,
    /// The first failure, in the order of the journal.
    first: Option<Raised>,
}

#[derive(Debug)]
pub(super) enum ForkKind {
    Parallel(ParallelOnError),
    For { item: Slot, items: Vec<Value>, next: usize, concurrency: usize, on_error: ForOnError },
}

impl Machine {
    pub(super) fn open_parallel(
        &mut self,
        owner: ThreadId,
        node: NodeIndex,
        on_error: ParallelOnError,
        regions: u32,
    ) -> Went {
        let fork = self.open_fork(owner, node, ForkKind::Parallel(on_error));
        for (region, index) in (0..regions).zip(0..) {
            let Some(of) = self.threads.get(&owner) else { break };
            let (scope, indexes) = (of.scope, of.indexes.clone());
            let stack = vec![Region { at: self.plan.region(node, region), role: Role::Whole }];
            let parent = Some((fork, index));
            let thread = self.open_thread(Thread { scope, indexes, parent, stack, waits: Waits::Nothing });
            if let Some(fork) = self.forks.get_mut(&fork) {
                fork.running.insert(index, thread);
            }
        }
        self.join(fork);
        Went::Nowhere
    }

    pub(super) fn open_for(
        &mut self,
        owner: ThreadId,
        node: NodeIndex,
        item: Slot,
        items: Value,
        concurrency: &Value,
        on_error: ForOnError,
    ) -> Result<Went, Failure> {
        let Value::List(items) = items else {
            return Err(Failure::new(ErrorKind::Invalid, format!("`for` takes a list, not {}", items.kind())));
        };
        let concurrency = match concurrency {
            Value::Int(count @ 1..) => usize::try_from(*count).unwrap_or(usize::MAX),
            other => {
                let message = format!("`concurrency` must be a whole number of at least 1, not {other}");
                return Err(Failure::new(ErrorKind::Invalid, message));
            }
        };
        let fork = self.open_fork(owner, node, ForkKind::For { item, items, next: 0, concurrency, on_error });
        self.open_items(fork);
        self.join(fork);
        Ok(Went::Nowhere)
    }

    fn open_fork(&mut self, owner: ThreadId, node: NodeIndex, kind: ForkKind) -> ForkId {
        let id = self.fresh();
        let fork = Fork { owner, kind, node, running: BTreeMap::new(), done: BTreeMap::new(), first: None };
        self.forks.insert(id, fork);
        if let Some(thread) = self.threads.get_mut(&owner) {
            thread.waits = Waits::Fork(id);
        }
        id
    }

    /// Opens threads for items until as many are under way as may be.
    fn open_items(&mut self, id: ForkId) {
        while let Some(fork) = self.forks.get_mut(&id) {
            let ForkKind::For { item, items, next, concurrency, .. } = &mut fork.kind else { return };
            if fork.running.len() >= *concurrency {
                return;
            }
            let Some(value) = items.get(*next).cloned() else { return };
            let (index, slot, owner, node) = (*next, *item, fork.owner, fork.node);
            *next += 1;
            let Some(of) = self.threads.get(&owner) else { return };
            let mut indexes = of.indexes.clone();
            indexes.push(index as u64);
            let scope = self.scopes.open(Some(of.scope));
            self.scopes.view(scope).set(slot, value);
            let stack = vec![Region { at: self.plan.region(node, 0), role: Role::Whole }];
            let parent = Some((id, index));
            let thread = self.open_thread(Thread { scope, indexes, parent, stack, waits: Waits::Nothing });
            if let Some(fork) = self.forks.get_mut(&id) {
                fork.running.insert(index, thread);
            }
        }
    }

    /// Takes the end of a branch or an item.
    pub(super) fn child_ended(&mut self, id: ForkId, index: usize, thread: ThreadId, result: Result<Value, Raised>) {
        let child = self.threads.remove(&thread);
        let Some(fork) = self.forks.get_mut(&id) else { return };
        fork.running.remove(&index);
        if let (Some(child), ForkKind::For { .. }) = (child, &fork.kind) {
            self.scopes.close(child.scope);
        }
        let stops = matches!(
            fork.kind,
            ForkKind::Parallel(ParallelOnError::Stop) | ForkKind::For { on_error: ForOnError::Stop, .. }
        );
        let skips = matches!(fork.kind, ForkKind::For { on_error: ForOnError::Skip, .. });
        let owner = fork.owner;
        match result {
            Err(raised) if stops => {
                self.drop_fork(id);
                return self.raise_at(owner, raised.place, raised.failure);
            }
            Err(raised) => {
                fork.first.get_or_insert_with(|| raised.clone());
                fork.done.insert(index, Err(raised.clone()));
                if skips {
                    self.record(Record::PassedOver { place: raised.place, failure: raised.failure });
                }
            }
            Ok(value) => {
                fork.done.insert(index, Ok(value));
            }
        }
        self.open_items(id);
        self.join(id);
    }

    /// Lets the owner go on when no thread is left.
    fn join(&mut self, id: ForkId) {
        if self.forks.get(&id).is_none_or(|fork| !fork.running.is_empty()) {
            return;
        }
        let Some(fork) = self.forks.remove(&id) else { return };
        let value = match fork.kind {
            ForkKind::Parallel(_) => match fork.first {
                Some(raised) => return self.raise_at(fork.owner, raised.place, raised.failure),
                None => Value::Null,
            },
            ForkKind::For { on_error: ForOnError::Collect, items, .. } => collected(items, fork.done),
            ForkKind::For { .. } => Value::List(fork.done.into_values().filter_map(Result::ok).collect()),
        };
        self.set_result(fork.owner, fork.node, value);
        self.wake(fork.owner);
    }

    /// Drops all threads of a fork.
    pub(super) fn drop_fork(&mut self, id: ForkId) {
        let Some(fork) = self.forks.remove(&id) else { return };
        for thread in fork.running.into_values() {
            let scope = self.threads.get(&thread).map(|thread| thread.scope);
            self.drop_thread(thread);
            if let (ForkKind::For { .. }, Some(scope)) = (&fork.kind, scope) {
                self.scopes.close(scope);
            }
        }
    }
}

/// `{ ok: […], failed: [{ item, error }] }`, both in the order of the items.
fn collected(items: Vec<Value>, done: BTreeMap<usize, Result<Value, Raised>>) -> Value {
    let (mut ok, mut failed) = (Vec::new(), Vec::new());
    for (item, (_, result)) in items.into_iter().zip(done) {
        match result {
            Ok(value) => ok.push(value),
            Err(Raised { failure, place: Place { .. } }) => {
                failed.push(Value::record([("item", item), ("error", failure.to_value())]));
            }
        }
    }
    Value::record([("ok", Value::List(ok)), ("failed", Value::List(failed))])
}
