//! How is another flow called?
//!
//! Its run has a history of its own, and an id that follows from this run and the place of the call, so that it is begun
//! once however often this run is replayed. Its outcome is that of the call.

use flow_model::{
    expr::Expr,
    failure::{ErrorKind, Failure},
    value::Value,
};
use indexmap::IndexMap;
use petgraph::graph::NodeIndex;

use super::{Action, Child, Machine, Origin, Outcome, Place, Raised, Record, ThreadId, Went, pending::Pending};
use crate::journal::RunId;

impl Machine {
    pub(super) fn begin(
        &mut self,
        thread: ThreadId,
        node: NodeIndex,
        flow: &str,
        digest: &str,
        params: &[(String, Expr)],
    ) -> Result<Went, Box<Raised>> {
        let mut given = IndexMap::new();
        for (name, value) in params {
            given.insert(name.clone(), self.value(thread, node, value)?);
        }
        let place = self.place(thread, node);
        let run = RunId::derived(self.now, &[&self.run, &place.key(&self.run)]).to_string();
        self.record(Record::Called { place: place.clone(), flow: flow.to_owned(), run: run.clone() });
        self.actions.push(Action::Begin(Child {
            place: place.clone(),
            run: run.clone(),
            flow: flow.to_owned(),
            digest: digest.to_owned(),
            params: Value::Record(given),
            keys: (self.origin == Origin::Event).then(|| place.key(&self.keys)),
            again: self.called.get(&place.to_string()).cloned(),
        }));
        self.wait(thread, place, Pending::Child { thread, node, flow: flow.to_owned(), run });
        Ok(Went::Nowhere)
    }

    /// The other run is over.
    pub(super) fn returned(&mut self, place: &Place, outcome: &Outcome) {
        if !matches!(self.pending.get(place), Some(Pending::Child { .. })) {
            return;
        }
        let Some(Pending::Child { thread, node, flow, run }) = self.pending.remove(place) else { return };
        let failure = match outcome {
            Outcome::Completed(value) => return self.give(thread, node, value.clone()),
            Outcome::Failed { failure, .. } => failure.clone(),
            Outcome::Cancelled { reason } => {
                Failure::new(ErrorKind::Rejected, format!("the run {run} of `{flow}` was cancelled: {reason}"))
            }
        };
        self.record(Record::StepFailed { place: place.clone(), failure: failure.clone() });
        self.raise_at(thread, place.clone(), failure);
    }
}
