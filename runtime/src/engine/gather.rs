//! When does a run begin that several events are gathered for?
//!
//! With `batch:` and `debounce:`, the first event puts a run on disk that does not begin; the store adds what comes after to
//! it. Here is known until when each gathers. When that time has come, the store is asked to close it, since an event may be
//! on its way to it; only a run that is closed begins, and later events gather for another one.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{failure::Failure, plan::Plan, units::Instant, value::Value};

use super::{
    Inner, RunId, RunState,
    begin::Started,
    drive::{Due, Message},
    gate::Spec,
    submit::{scope, started_by},
};
use crate::store::{Batch, Committed, GATHERS, Gather, Gathered, Standing};

/// A run that events are gathered for.
pub(super) struct Gathering {
    /// Until when, by a clock that nobody sets.
    until: Instant,
    /// How many of its kind may be under way.
    gate: Option<Spec>,
}

impl Inner {
    /// How an event of a trigger becomes a run together with others, if it does.
    pub(super) fn gather(
        &self,
        (plan, digest): (&Plan, &str),
        trigger: Option<usize>,
        payload: &Value,
        env: &BTreeMap<String, String>,
    ) -> Result<Option<Gather>, Failure> {
        let Some(trigger) = trigger.and_then(|index| plan.triggers.get(index)) else { return Ok(None) };
        let Some(gather) = &trigger.gather else { return Ok(None) };
        let key = match &gather.per {
            Some(per) => self.key(&Started { plan, trigger, payload, env }, per)?.to_string(),
            None => String::new(),
        };
        // A run is pinned to its plan: events that came after a change of the flow are for runs of their own.
        let scope = format!("{} {digest}", scope(&plan.flow, Some(&started_by(trigger))));
        let rank = self.rank(&Started { plan, trigger, payload, env })?;
        Ok(Some(Gather { scope, key, keep: gather.keep, rank }))
    }

    /// Takes note of a run that has gathered one more event.
    pub(super) fn gathered(self: &Arc<Self>, gathered: Gathered, gate: Option<Spec>, total: i64) {
        let Gathered { run, until } = gathered;
        let Some(shown) = until else {
            let known = self.state().gathering.remove(&run);
            return self.gather_no_more(&run, known.map_or(gate, |known| known.gate));
        };
        let until = shown.moved(-total);
        let mut state = self.state();
        match state.gathering.get_mut(&run) {
            // Its timer looks at the time again.
            Some(known) => known.until = known.until.max(until),
            None => {
                state.gathering.insert(run.clone(), Gathering { until, gate });
                drop(state);
                self.timers.arm(shown, Due::Gathering(run));
            }
        }
    }

    /// Looks at all runs that events are gathered for: the clock was set, and their timers are not where their time is.
    pub(super) fn look_at_gatherings(self: &Arc<Self>) {
        let runs: Vec<_> = self.state().gathering.keys().cloned().collect();
        for run in runs {
            self.workers.spawn(Arc::clone(self).close_gathering(run));
        }
    }

    /// The time of a run may have come.
    pub(super) async fn close_gathering(self: Arc<Self>, run: RunId) {
        let (now, total) = self.time();
        let Some(until) = self.state().gathering.get(&run).map(|known| known.until) else { return };
        if until > now.moved(-total) {
            return self.timers.arm(until.moved(total), Due::Gathering(run));
        }
        let reason = Some(GATHERS.to_owned());
        let standing = Standing { state: RunState::Waiting, reason, wake_at: None, outcome: None };
        let batch = Batch { closes: true, set_by: total, ..Batch::new(run.clone(), standing, now) };
        let closed = match self.store.commit(batch).await {
            Ok(Committed::Done(done)) => done.closed,
            Ok(Committed::Gathered(_) | Committed::Duplicate { .. }) => false,
            Err(error) => return self.halt(error),
        };
        let gate = {
            let mut state = self.state();
            match state.gathering.get(&run) {
                // Another event is on disk, and who brought it is about to say so.
                Some(known) if !closed && known.until > until => {
                    let until = known.until;
                    drop(state);
                    return self.timers.arm(until.moved(total), Due::Gathering(run));
                }
                Some(_) => state.gathering.remove(&run).and_then(|known| known.gate),
                None => return,
            }
        };
        if closed {
            self.gather_no_more(&run, gate);
        }
    }

    /// Lets a run begin that gathers no more, when there is room for it.
    fn gather_no_more(self: &Arc<Self>, run: &RunId, gate: Option<Spec>) {
        match gate {
            None => self.post(run, Message::Begin),
            Some(spec) => {
                {
                    let gates = &mut self.state().gates;
                    let ticket = gates.ticket();
                    gates.queue(run, &spec, ticket);
                }
                self.open_gates();
            }
        }
    }
}
