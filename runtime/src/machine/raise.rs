//! Where does a failure go?
//!
//! Outwards, from region to region and from a branch to the thread that opened it, until a `try` catches it, a `for`
//! collects or skips it, or the run ends with it. A `saga` that it comes through is undone first.

use std::sync::Arc;

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::{CatchArm, ForOnError, NodeKind},
    value::Value,
};
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::{Cause, Machine, Outage, Outcome, Place, Record, Region, Role, Then, ThreadId, Went, fork::ForkKind};

/// A failure on its way, and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Raised {
    pub(super) failure: Failure,
    pub(super) place: Place,
}

/// What a `try` does with a failure.
enum Caught {
    /// The arm with this index takes it.
    Arm(u32),
    /// `optional` without an arm that fits: the value is null.
    Null,
    No,
}

impl Machine {
    /// Takes a failure outwards until it is caught, and says whether this thread can go on.
    pub(super) fn raise(&mut self, thread: ThreadId, mut raised: Raised) -> Went {
        let plan = Arc::clone(&self.plan);
        loop {
            let region = self.threads.get_mut(&thread).and_then(|thread| thread.stack.pop());
            let node = match region.map(|region| region.role) {
                Some(Role::Part(_)) => continue,
                Some(Role::Guarded(node)) => node,
                Some(Role::Saga(node, saga)) => {
                    if self.has_undos(saga) {
                        self.undo_saga(thread, node, saga, Then::Raise(raised));
                        return Went::Nowhere;
                    }
                    self.sagas.remove(&saga);
                    continue;
                }
                Some(Role::Straggler) => {
                    if let Some((fork, index)) = self.threads.get(&thread).and_then(|thread| thread.parent) {
                        self.child_ended(fork, index, thread, Ok(Value::Null));
                    }
                    return Went::Nowhere;
                }
                Some(Role::Whole) => {
                    match self.threads.get(&thread).and_then(|thread| thread.parent) {
                        Some((fork, index)) => self.child_ended(fork, index, thread, Err(raised)),
                        None => {
                            let Raised { failure, place } = raised;
                            self.wind_up(Outcome::Failed { failure, place: Some(place) }, Vec::new());
                        }
                    }
                    return Went::Nowhere;
                }
                None => return Went::Nowhere,
            };
            match self.catches(thread, node, &raised.failure) {
                Ok(Caught::No) => {}
                Ok(Caught::Arm(index)) => {
                    self.pass_over(node, &raised);
                    self.taken.insert((node, index + 1));
                    let region = Region { at: plan.region(node, index + 1), role: Role::Part(node) };
                    if let Some(thread) = self.threads.get_mut(&thread) {
                        thread.stack.push(region);
                        thread.waits = super::Waits::Nothing;
                        thread.caught.retain(|(caught, _)| *caught != node);
                        thread.caught.push((node, raised));
                    }
                    return Went::On;
                }
                Ok(Caught::Null) => {
                    self.pass_over(node, &raised);
                    if let Some(thread) = self.threads.get_mut(&thread) {
                        thread.waits = super::Waits::Nothing;
                    }
                    self.set_result(thread, node, Value::Null);
                    self.pass(thread);
                    return Went::On;
                }
                // The guard itself has failed: that is what goes on outwards.
                Err(failure) => raised = *self.fault(thread, node, failure),
            }
        }
    }

    /// What led to where a thread is: what the innermost arm of a `catch` around it has caught.
    pub(super) fn cause(&self, thread: ThreadId) -> Option<Cause> {
        let mut at = Some(thread);
        while let Some(thread) = at.and_then(|thread| self.threads.get(&thread)) {
            let mut arms = thread.stack.iter().rev().filter_map(|region| match region.role {
                Role::Part(node) => thread.caught.iter().find(|(caught, _)| *caught == node),
                Role::Whole | Role::Guarded(_) | Role::Saga(..) | Role::Straggler => None,
            });
            if let Some((_, Raised { failure, place })) = arms.next() {
                let mut nodes = self.plan.graph.node_weights();
                let connection = nodes.find_map(|node| match &node.kind {
                    NodeKind::Step(step) if node.path == place.path => Some(step.connection.clone()),
                    _ => None,
                });
                return Some(Cause { failure: failure.clone(), place: place.clone(), connection });
            }
            at = thread.parent.and_then(|(fork, _)| self.forks.get(&fork)).map(|fork| fork.owner);
        }
        None
    }

    fn pass_over(&mut self, node: NodeIndex, raised: &Raised) {
        if matches!(
            self.plan.graph.node_weight(node).map(|node| &node.kind),
            Some(NodeKind::Try { optional: true, .. })
        ) {
            self.record(Record::PassedOver { place: raised.place.clone(), failure: raised.failure.clone() });
        }
    }

    fn catches(&mut self, thread: ThreadId, node: NodeIndex, failure: &Failure) -> Result<Caught, Failure> {
        let plan = Arc::clone(&self.plan);
        let Some(NodeKind::Try { arms, optional, .. }) = plan.graph.node_weight(node).map(|node| &node.kind) else {
            return Ok(Caught::No);
        };
        for (arm, index) in arms.iter().zip(0..) {
            if self.arm_fits(thread, arm, failure)? {
                return Ok(Caught::Arm(index));
            }
        }
        Ok(if *optional { Caught::Null } else { Caught::No })
    }

    fn arm_fits(&mut self, thread: ThreadId, arm: &CatchArm, failure: &Failure) -> Result<bool, Failure> {
        if !arm.kinds.is_empty() && !arm.kinds.contains(&failure.kind) {
            return Ok(false);
        }
        self.bind(thread, arm.bind, || failure.to_value());
        let scope = self.threads.get(&thread).map_or(0, |thread| thread.scope);
        arm.guard.as_ref().map_or(Ok(true), |guard| self.condition(scope, guard))
    }

    /// Says whether something in the program deals with a failure of this thread. A guard that fails itself counts: the
    /// failure goes no further.
    pub(super) fn is_caught(&mut self, thread: ThreadId, failure: &Failure) -> bool {
        let mut at = Some(thread);
        while let Some(thread) = at {
            for node in self.guards(thread) {
                if !matches!(self.catches(thread, node, failure), Ok(Caught::No)) {
                    return true;
                }
            }
            let fork =
                self.threads.get(&thread).and_then(|thread| thread.parent).and_then(|(fork, _)| self.forks.get(&fork));
            match fork.map(|fork| &fork.kind) {
                Some(ForkKind::For { on_error: ForOnError::Collect | ForOnError::Skip, .. }) => return true,
                // Nothing takes the failure of an undo.
                Some(ForkKind::Undo { .. }) => return false,
                _ => {}
            }
            at = fork.map(|fork| fork.owner);
        }
        false
    }

    /// Says whether the program deals with it that a system does not work which this thread calls. What guards say is not
    /// looked at: they count.
    pub(super) fn outage(&self, thread: ThreadId) -> Outage {
        let takes = |arm: &CatchArm| arm.kinds.is_empty() || arm.kinds.contains(&ErrorKind::Unavailable);
        let catches = |node: &NodeIndex| match self.plan.graph.node_weight(*node).map(|node| &node.kind) {
            Some(NodeKind::Try { arms, optional, .. }) => *optional || arms.iter().any(takes),
            _ => false,
        };
        let mut at = Some(thread);
        while let Some(thread) = at {
            if self.guards(thread).iter().any(catches) {
                return Outage::DealtWith;
            }
            let parent = self.threads.get(&thread).and_then(|thread| thread.parent);
            let fork = parent.and_then(|(id, index)| Some((self.forks.get(&id)?, index)));
            match fork.map(|(fork, index)| (&fork.kind, index)) {
                Some((ForkKind::For { on_error: ForOnError::Collect | ForOnError::Skip, .. }, _)) => {
                    return Outage::DealtWith;
                }
                Some((ForkKind::First { items, .. }, index)) if index + 1 < items.len() => return Outage::DealtWith,
                // Nothing takes the failure of an undo.
                Some((ForkKind::Undo { .. }, _)) => return Outage::WaitedFor,
                _ => {}
            }
            at = fork.map(|(fork, _)| fork.owner);
        }
        Outage::WaitedFor
    }

    /// Says whether a failure of this thread would let a `first` try its next candidate.
    pub(super) fn is_passed_on(&mut self, thread: ThreadId, failure: &Failure) -> bool {
        let mut at = Some(thread);
        while let Some(thread) = at {
            for node in self.guards(thread) {
                if !matches!(self.catches(thread, node, failure), Ok(Caught::No)) {
                    return false;
                }
            }
            let Some((id, index)) = self.threads.get(&thread).and_then(|thread| thread.parent) else { return false };
            let Some(fork) = self.forks.get(&id) else { return false };
            match &fork.kind {
                ForkKind::First { items, .. } if index + 1 < items.len() => return true,
                ForkKind::For { on_error: ForOnError::Collect | ForOnError::Skip, .. } | ForkKind::Undo { .. } => {
                    return false;
                }
                _ => {}
            }
            at = Some(fork.owner);
        }
        false
    }

    /// The `try` nodes that a thread is in, innermost first.
    fn guards(&self, thread: ThreadId) -> Vec<NodeIndex> {
        let stack = self.threads.get(&thread).map(|thread| thread.stack.iter().rev()).into_iter().flatten();
        stack
            .filter_map(|region| match region.role {
                Role::Guarded(node) => Some(node),
                Role::Whole | Role::Part(_) | Role::Saga(..) | Role::Straggler => None,
            })
            .collect()
    }
}
