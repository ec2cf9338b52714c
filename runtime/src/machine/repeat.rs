//! How does `repeat` poll?

use flow_model::{
    expr::Expr,
    failure::{ErrorKind, Failure},
    value::Value,
};
use petgraph::graph::NodeIndex;

use super::{
    Action, ForkId, Machine, Place, Raised, Record, ScopeId, ThreadId, Waits, Went, fork::ForkKind, pending::Pending,
};

impl Machine {
    /// Begins the first pass.
    pub(super) fn open_repeat(
        &mut self,
        owner: ThreadId,
        node: NodeIndex,
        every: &Value,
        times: &Value,
        until: &Expr,
    ) -> Result<Went, Failure> {
        let Value::Duration(every) = every else {
            let message = format!("`every` takes a duration, not {}", every.kind());
            return Err(Failure::new(ErrorKind::Invalid, message));
        };
        let times = match times {
            Value::Int(times @ 1..) => u64::try_from(*times).unwrap_or(u64::MAX),
            other => {
                let message = format!("`up to` must be a whole number of at least 1, not {other}");
                return Err(Failure::new(ErrorKind::Invalid, message));
            }
        };
        let kind = ForkKind::Repeat { every: *every, times, until: until.clone() };
        let fork = self.open_fork(owner, node, kind);
        self.open_pass(fork, 0, None);
        Ok(Went::Nowhere)
    }

    /// Takes the end of a pass: the condition sees what it has bound. Then comes a pause before the next one.
    pub(super) fn pass_ended(&mut self, id: ForkId, index: usize, scope: ScopeId, result: Result<Value, Raised>) {
        let Some(fork) = self.forks.get(&id) else { return };
        let ForkKind::Repeat { every, times, until } = &fork.kind else { return };
        let (owner, node, every, times, until) = (fork.owner, fork.node, *every, *times, until.clone());
        self.here = Some(self.place(owner, node));
        let raised = match result {
            Err(raised) => raised,
            Ok(value) => match self.condition(scope, &until) {
                Err(failure) => *self.fault(owner, node, failure),
                Ok(true) => {
                    self.forks.remove(&id);
                    return self.give(owner, node, value);
                }
                Ok(false) if (index as u64) + 1 >= times => {
                    let message = format!("the condition of `repeat` did not hold in {times} passes");
                    *self.fault(owner, node, Failure::new(ErrorKind::Timeout, message))
                }
                Ok(false) => return self.pause(id, index + 1, self.now.after(every)),
            },
        };
        self.forks.remove(&id);
        self.raise_at(owner, raised.place, raised.failure);
    }

    /// Lets the next pass begin at a time.
    fn pause(&mut self, id: ForkId, next: usize, until: flow_model::units::Instant) {
        if let Some(thread) = self.open_pass(id, next, None) {
            self.hold_pass(id, thread, until);
        }
    }

    /// Lets a pass that was opened begin at a time.
    pub(super) fn hold_pass(&mut self, id: ForkId, thread: ThreadId, until: flow_model::units::Instant) {
        if until <= self.now {
            return;
        }
        self.ready.retain(|ready| *ready != thread);
        let path = self.forks.get(&id).map(|fork| self.place(fork.owner, fork.node).path).unwrap_or_default();
        let indexes = self.threads.get(&thread).map(|thread| thread.indexes.clone()).unwrap_or_default();
        let place = Place { path, indexes };
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.waits = Waits::For(place.clone());
        }
        self.record(Record::Waits { place: place.clone(), until });
        self.actions.push(Action::Wake { place: place.clone(), until });
        self.pending.insert(place, Pending::Pause(thread, until));
    }
}
