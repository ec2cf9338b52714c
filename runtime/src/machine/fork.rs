//! How are threads opened together and joined?
//!
//! `parallel` and `for` are here; `first` and `race` are in [`super::choice`], `repeat` is in [`super::repeat`], and the
//! undoing of steps in [`super::undo`].

use std::collections::BTreeMap;

use flow_model::{
    expr::{Expr, Slot},
    failure::{ErrorKind, Failure},
    plan::{ForOnError, ParallelOnError, Stage},
    units::{Instant, Millis},
    value::Value,
};
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::{
    ForkId, Machine, Place, Raised, Record, Region, Role, SagaId, Then, Thread, ThreadId, Waits, Went, stream::Pages,
};
use crate::eval::Slots as _;

/// Threads that were opened together, and the one that waits for them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Fork {
    pub(super) owner: ThreadId,
    pub(super) kind: ForkKind,
    pub(super) node: NodeIndex,
    pub(super) running: BTreeMap<usize, ThreadId>,
    done: BTreeMap<usize, Result<Value, Raised>>,
    /// The first failure, in the order of the journal.
    first: Option<Raised>,
}

impl Fork {
    /// The clock was set by so much.
    pub(super) fn moved(&mut self, by: i64) {
        if let ForkKind::For { source, not_before, .. } = &mut self.kind {
            *not_before = not_before.moved(by);
            source.moved(by);
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ForkKind {
    Parallel(ParallelOnError),
    For {
        item: Slot,
        source: Source,
        /// How many items have begun.
        next: usize,
        /// Whether anyone sees the values of the items.
        keeps: bool,
        concurrency: usize,
        /// The least time between the beginnings of two items, and when the next one may begin.
        every: Millis,
        not_before: Instant,
        on_error: ForOnError,
    },
    /// One candidate after the other.
    First {
        item: Slot,
        items: Vec<Value>,
    },
    /// Each branch has a saga of its own, so that a loser can be undone.
    Race {
        sagas: Vec<Option<SagaId>>,
    },
    /// One pass after the other.
    Repeat {
        every: Millis,
        times: u64,
        until: Expr,
    },
    /// One undo after the other, once those that were under way before have ended.
    Undo {
        saga: SagaId,
        next: usize,
        failures: Vec<Raised>,
        then: Then,
    },
}

/// Where the items of a `for` come from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Source {
    /// Null in place of items that have begun, where nobody asks for them any more.
    List(Vec<Value>),
    /// A stream; with the items that have begun, where those that fail are told.
    Stream(Box<Pages>, Option<Vec<Value>>),
}

impl Source {
    /// The clock was set by so much.
    fn moved(&mut self, by: i64) {
        if let Self::Stream(pages, _) = self {
            pages.moved(by);
        }
    }

    /// The stream, if it is one.
    pub(super) fn stream(&mut self) -> Option<&mut Pages> {
        match self {
            Self::List(_) => None,
            Self::Stream(pages, _) => Some(pages),
        }
    }

    /// The item after so many, if it is there; a list lets go of it unless failures are collected, with their items.
    fn next(&mut self, begun: usize, on_error: ForOnError) -> Option<Value> {
        match self {
            Self::List(items) if on_error == ForOnError::Collect => items.get(begun).cloned(),
            Self::List(items) => items.get_mut(begun).map(|item| std::mem::replace(item, Value::Null)),
            Self::Stream(pages, kept) => {
                let item = pages.pop()?;
                if let Some(kept) = kept {
                    kept.push(item.clone());
                }
                Some(item)
            }
        }
    }

    /// Says whether an item may still come that is not there.
    fn is_fetching(&self) -> bool {
        matches!(self, Self::Stream(pages, _) if pages.is_fetching())
    }

    /// All items.
    fn into_items(self) -> Vec<Value> {
        match self {
            Self::List(items) => items,
            Self::Stream(_, kept) => kept.unwrap_or_default(),
        }
    }
}

/// How fast a `for` goes through its items.
pub(super) struct Pace {
    /// How many at the same time.
    pub(super) concurrency: Value,
    /// How long from the beginning of one to that of the next.
    pub(super) every: Option<Value>,
    /// What a failing item does.
    pub(super) on_error: ForOnError,
}

/// A thread that a fork opens.
pub(super) struct Child {
    pub(super) index: usize,
    /// Held for the thread.
    pub(super) scope: super::ScopeId,
    pub(super) saga: Option<SagaId>,
    pub(super) indexes: Vec<u64>,
    pub(super) at: Option<NodeIndex>,
    pub(super) waits: Waits,
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
            let (scope, saga) = (self.scopes.hold(scope), self.saga_of(owner));
            let at = self.plan.region(node, region);
            self.open_child(fork, Child { index, scope, saga, indexes, at, waits: Waits::Nothing });
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
        stream: Option<&[Stage]>,
        pace: &Pace,
    ) -> Result<Went, Failure> {
        let on_error = pace.on_error;
        let keeps = on_error == ForOnError::Collect || self.has_slot(node);
        let source = match stream {
            None => Source::List(list("for", items)?),
            Some(stages) => {
                let kept = (on_error == ForOnError::Collect).then(Vec::new);
                Source::Stream(Box::new(self.pages(owner, &items, stages)?), kept)
            }
        };
        let concurrency = match &pace.concurrency {
            Value::Int(count @ 1..) => usize::try_from(*count).unwrap_or(usize::MAX),
            other => {
                let message = format!("`concurrency` must be a whole number of at least 1, not {other}");
                return Err(Failure::new(ErrorKind::Invalid, message));
            }
        };
        let every = match &pace.every {
            None => Millis(0),
            Some(Value::Duration(every)) => *every,
            Some(other) => {
                let message = format!("`every` takes a duration, not {}", other.kind());
                return Err(Failure::new(ErrorKind::Invalid, message));
            }
        };
        let not_before = self.now;
        let kind = ForkKind::For { item, source, next: 0, keeps, concurrency, every, not_before, on_error };
        let fork = self.open_fork(owner, node, kind);
        self.open_items(fork);
        self.join(fork);
        Ok(Went::Nowhere)
    }

    pub(super) fn open_fork(&mut self, owner: ThreadId, node: NodeIndex, kind: ForkKind) -> ForkId {
        let id = self.fresh();
        let fork = Fork { owner, kind, node, running: BTreeMap::new(), done: BTreeMap::new(), first: None };
        self.forks.insert(id, fork);
        if let Some(thread) = self.threads.get_mut(&owner) {
            thread.waits = Waits::Fork(id);
        }
        id
    }

    /// Opens a thread of a fork; one that waits for nothing is ready.
    pub(super) fn open_child(&mut self, fork: ForkId, child: Child) -> ThreadId {
        let Child { index, scope, saga, indexes, at, waits } = child;
        let is_ready = matches!(waits, Waits::Nothing);
        let stack = vec![Region { at, role: Role::Whole }];
        let thread = self.open_thread(Thread {
            scope,
            saga,
            indexes,
            parent: Some((fork, index)),
            stack,
            caught: Vec::new(),
            waits,
        });
        if !is_ready {
            self.ready.retain(|ready| *ready != thread);
        }
        if let Some(fork) = self.forks.get_mut(&fork) {
            fork.running.insert(index, thread);
        }
        thread
    }

    /// Opens the thread of one pass through the region of a loop, in a scope of its own.
    pub(super) fn open_pass(&mut self, id: ForkId, index: usize, item: Option<(Slot, Value)>) -> Option<ThreadId> {
        let fork = self.forks.get(&id)?;
        let (owner, node) = (fork.owner, fork.node);
        let of = self.threads.get(&owner)?;
        let mut indexes = of.indexes.clone();
        indexes.push(index as u64);
        let (scope, saga) = (self.scopes.open(Some(of.scope)), self.saga_of(owner));
        if let Some((slot, value)) = item {
            self.scopes.view(scope).set(slot, value);
        }
        let at = self.plan.region(node, 0);
        Some(self.open_child(id, Child { index, scope, saga, indexes, at, waits: Waits::Nothing }))
    }

    /// Opens threads for items until as many are under way as may be.
    pub(super) fn open_items(&mut self, id: ForkId) {
        while let Some(fork) = self.forks.get_mut(&id) {
            let ForkKind::For { item, source, next, concurrency, every, not_before, on_error, .. } = &mut fork.kind
            else {
                return;
            };
            if fork.running.len() >= *concurrency {
                return;
            }
            let Some(value) = source.next(*next, *on_error) else { return self.fetch(id) };
            let (index, slot) = (*next, *item);
            *next += 1;
            let begins = self.now.max(*not_before);
            *not_before = begins.after(*every);
            if let Some(thread) = self.open_pass(id, index, Some((slot, value))) {
                self.hold_pass(id, thread, begins);
            }
        }
    }

    /// Takes the end of a branch, an item or a pass.
    pub(super) fn child_ended(&mut self, id: ForkId, index: usize, thread: ThreadId, result: Result<Value, Raised>) {
        let Some(child) = self.threads.remove(&thread) else { return };
        let Some(fork) = self.forks.get_mut(&id) else { return self.scopes.close(child.scope) };
        fork.running.remove(&index);
        match fork.kind {
            ForkKind::Parallel(_) | ForkKind::For { .. } => self.branch_ended(id, index, result),
            ForkKind::First { .. } => self.candidate_ended(id, index, result),
            ForkKind::Race { .. } => self.racer_ended(id, index, result),
            ForkKind::Repeat { .. } => self.pass_ended(id, index, child.scope, result),
            ForkKind::Undo { .. } => self.undo_ended(id, result),
        }
        self.scopes.close(child.scope);
    }

    fn branch_ended(&mut self, id: ForkId, index: usize, result: Result<Value, Raised>) {
        let Some(fork) = self.forks.get_mut(&id) else { return };
        let stops = matches!(
            fork.kind,
            ForkKind::Parallel(ParallelOnError::Stop) | ForkKind::For { on_error: ForOnError::Stop, .. }
        );
        let skips = matches!(fork.kind, ForkKind::For { on_error: ForOnError::Skip, .. });
        let keeps = !matches!(fork.kind, ForkKind::For { keeps: false, .. });
        match result {
            Err(raised) if stops => return self.break_off(id, Then::Raise(raised)),
            Err(raised) => {
                fork.first.get_or_insert_with(|| raised.clone());
                if keeps {
                    fork.done.insert(index, Err(raised.clone()));
                }
                if skips {
                    self.record(Record::PassedOver { place: raised.place, failure: raised.failure });
                }
            }
            Ok(value) if keeps => {
                fork.done.insert(index, Ok(value));
            }
            Ok(_) => {}
        }
        self.open_items(id);
        self.join(id);
    }

    /// Lets the owner go on when no thread is left.
    pub(super) fn join(&mut self, id: ForkId) {
        let waits = |fork: &Fork| {
            !fork.running.is_empty() || matches!(&fork.kind, ForkKind::For { source, .. } if source.is_fetching())
        };
        if self.forks.get(&id).is_none_or(waits) {
            return;
        }
        let Some(fork) = self.forks.remove(&id) else { return };
        let value = match fork.kind {
            ForkKind::For { on_error: ForOnError::Collect, source, .. } => collected(source.into_items(), fork.done),
            ForkKind::For { .. } => Value::List(fork.done.into_values().filter_map(Result::ok).collect()),
            _ => match fork.first {
                Some(raised) => return self.raise_at(fork.owner, raised.place, raised.failure),
                None => Value::Null,
            },
        };
        self.give(fork.owner, fork.node, value);
    }

    /// Binds the value of a node that a thread waits at, and lets it go on.
    pub(super) fn give(&mut self, thread: ThreadId, node: NodeIndex, value: Value) {
        self.set_result(thread, node, value);
        self.wake(thread);
    }
}

/// The items of a loop.
pub(super) fn list(keyword: &str, items: Value) -> Result<Vec<Value>, Failure> {
    match items {
        Value::List(items) => Ok(items),
        other => Err(Failure::new(ErrorKind::Invalid, format!("`{keyword}` takes a list, not {}", other.kind()))),
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
