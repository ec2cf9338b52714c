//! How do `first` and `race` come to one value out of several?

use flow_model::{
    expr::Slot,
    failure::{ErrorKind, Failure},
    value::Value,
};
use petgraph::graph::NodeIndex;

use super::{
    ForkId, Machine, Raised, Record, Then, ThreadId, Waits, Went,
    fork::{Child, ForkKind, list},
    undo::Remains,
};

impl Machine {
    /// Tries the first candidate.
    pub(super) fn open_first(
        &mut self,
        owner: ThreadId,
        node: NodeIndex,
        item: Slot,
        items: Value,
    ) -> Result<Went, Failure> {
        let items = list("first", items)?;
        if items.is_empty() {
            return Err(Failure::new(ErrorKind::Invalid, "`first` has nothing to try: its list is empty"));
        }
        let fork = self.open_fork(owner, node, ForkKind::First { item, items });
        self.open_candidate(fork, 0);
        Ok(Went::Nowhere)
    }

    /// Says whether there was one more to try.
    fn open_candidate(&mut self, id: ForkId, index: usize) -> bool {
        let Some(ForkKind::First { item, items }) = self.forks.get(&id).map(|fork| &fork.kind) else { return false };
        let Some(candidate) = items.get(index).map(|value| (*item, value.clone())) else { return false };
        self.open_pass(id, index, Some(candidate)).is_some()
    }

    /// Takes the end of a candidate: a value is that of the `first`, a failure leads to the next one. What may have
    /// happened must not happen twice, so there is no next one after `Interrupted`; a step whose repetitions have not
    /// shown what became of it ends as interrupted here too.
    pub(super) fn candidate_ended(&mut self, id: ForkId, index: usize, result: Result<Value, Raised>) {
        match result {
            Ok(value) => {
                if let Some(fork) = self.forks.remove(&id) {
                    self.give(fork.owner, fork.node, value);
                }
            }
            Err(raised) => {
                if raised.failure.kind != ErrorKind::Interrupted && self.open_candidate(id, index + 1) {
                    let Raised { failure, place } = raised;
                    self.record(Record::PassedOver { place, failure });
                } else if let Some(fork) = self.forks.remove(&id) {
                    self.raise_at(fork.owner, raised.place, raised.failure);
                }
            }
        }
    }

    /// Begins all branches.
    pub(super) fn open_race(&mut self, owner: ThreadId, node: NodeIndex, regions: u32) -> Went {
        let is_undone = self.saga_of(owner).is_some();
        let sagas: Vec<_> = (0..regions).map(|_| is_undone.then(|| self.open_saga())).collect();
        let fork = self.open_fork(owner, node, ForkKind::Race { sagas: sagas.clone() });
        for ((saga, region), index) in sagas.into_iter().zip(0..).zip(0..) {
            let Some(of) = self.threads.get(&owner) else { break };
            let (outer, indexes) = (of.scope, of.indexes.clone());
            let (scope, at) = (self.scopes.open(Some(outer)), self.plan.region(node, region));
            self.open_child(fork, Child { index, scope, saga, indexes, at, waits: Waits::Nothing });
        }
        if regions == 0 {
            self.forks.remove(&fork);
            self.give(owner, node, Value::Null);
        }
        Went::Nowhere
    }

    /// Takes the end of a branch. The first value is that of the `race`: the others are dropped, and what they have done
    /// is undone before the run goes on. What the winner has done is undone with what is around the `race`.
    pub(super) fn racer_ended(&mut self, id: ForkId, index: usize, result: Result<Value, Raised>) {
        let is_over = |machine: &Self| machine.forks.get(&id).is_none_or(|fork| fork.running.is_empty());
        let then = match result {
            Ok(value) => {
                let Some(fork) = self.forks.get_mut(&id) else { return };
                let (owner, node) = (fork.owner, fork.node);
                let won = match &mut fork.kind {
                    ForkKind::Race { sagas } => sagas.get_mut(index).and_then(Option::take),
                    _ => None,
                };
                if let (Some(won), Some(around)) = (won, self.saga_of(owner)) {
                    let mut undos = self.sagas.remove(&won).unwrap_or_default();
                    let around = self.sagas.entry(around).or_default();
                    around.append(&mut undos);
                    around.sort_by_key(|undo| undo.order);
                }
                Then::Give(node, value)
            }
            Err(raised) if is_over(self) => Then::Raise(raised),
            Err(Raised { failure, place }) => return self.record(Record::PassedOver { place, failure }),
        };
        self.break_off(id, then);
    }

    /// Drops what is left of a fork, undoes what has to be undone, and then goes on.
    pub(super) fn break_off(&mut self, id: ForkId, then: Then) {
        let Some(fork) = self.forks.get(&id) else { return };
        let (owner, place) = (fork.owner, self.place(fork.owner, fork.node));
        let mut remains = Remains::default();
        self.drop_fork(id, &mut remains);
        self.undo(owner, Some(place), remains, then);
    }
}
