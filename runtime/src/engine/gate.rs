//! Whose turn is it? `concurrency:` and `at_most:` of a trigger.
//!
//! A run is accepted and on disk before it has to wait. Those that share a gate begin in the order in which they were
//! accepted. A run keeps its place in the gate until it is over, also while it sleeps or waits for a person: with
//! `concurrency: 1 per event.customer`, what comes later for that customer finds the earlier done.
//!
//! `at_most: 100 per 1m` gives each run a time: that of the hundredth run before it, and a minute.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use flow_model::{
    expr::Ambient,
    plan::{Concurrency, Plan, Trigger},
    schema::Rate,
    units::Instant,
    value::Value,
};

use super::{
    Inner, RunId, SubmitError,
    drive::{Due, Message},
};
use crate::{
    eval::{Evaluator, Frame, Slots as _},
    machine::{Admission, Event},
    store::{Held, Turn, Unfinished},
};

/// Who may begin.
#[derive(Default)]
pub(super) struct Gates {
    gates: HashMap<String, Gate>,
    /// The gate of each run that is in one or waits before it.
    of: HashMap<RunId, String>,
    /// Runs whose time has not come.
    later: HashMap<RunId, Turn>,
    /// The turns that were given out last, latest last, by flow and trigger.
    rates: HashMap<String, VecDeque<Instant>>,
}

/// What runs share that may not all be under way at the same time.
#[derive(Default)]
struct Gate {
    limit: u32,
    inside: HashSet<RunId>,
    /// In the order of their ids, which is that of their acceptance.
    queue: BTreeMap<RunId, Kept>,
}

/// Whether a run in the queue is on disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It is being written: it keeps its place.
    NotYet,
    Yes,
}

/// What the limits of a trigger mean for one event.
pub(super) struct Ticket {
    gate: Option<(String, u32)>,
    rate: Option<(String, Rate)>,
}

/// The turn of a run that is being accepted.
pub(super) struct Given {
    pub(super) turn: Turn,
    pub(super) admission: Admission,
    /// Which count of starts it is part of.
    rate: Option<String>,
}

impl Gates {
    fn gate(&mut self, run: &RunId, key: &str) -> &mut Gate {
        self.of.insert(run.clone(), key.to_owned());
        self.gates.entry(key.to_owned()).or_default()
    }

    /// Takes a run away that is over, or that was not accepted. Returns those whose turn it is now.
    fn leave(&mut self, run: &RunId) -> Vec<RunId> {
        self.later.remove(run);
        let Some(key) = self.of.remove(run) else { return Vec::new() };
        let Some(gate) = self.gates.get_mut(&key) else { return Vec::new() };
        gate.inside.remove(run);
        gate.queue.remove(run);
        let next = gate.admit();
        if gate.inside.is_empty() && gate.queue.is_empty() {
            self.gates.remove(&key);
        }
        next
    }

    /// The time of the next turn.
    fn next_turn(&mut self, scope: &str, rate: Rate, now: Instant) -> Instant {
        let turns = self.rates.entry(scope.to_owned()).or_default();
        let count = usize::try_from(rate.count.max(1)).unwrap_or(usize::MAX);
        while turns.len() > count {
            turns.pop_front();
        }
        let free = if turns.len() < count { None } else { turns.front().map(|first| first.after(rate.period)) };
        let at = free.map_or(now, |free| free.max(now));
        turns.push_back(at);
        at
    }
}

impl Gate {
    fn has_room(&self) -> bool {
        self.inside.len() < usize::try_from(self.limit.max(1)).unwrap_or(usize::MAX)
    }

    /// Lets in as many from the queue as there is room for, in its order.
    fn admit(&mut self) -> Vec<RunId> {
        let mut admitted = Vec::new();
        while self.has_room()
            && let Some(first) = self.queue.first_entry()
            && *first.get() == Kept::Yes
        {
            let run = first.remove_entry().0;
            self.inside.insert(run.clone());
            admitted.push(run);
        }
        admitted
    }
}

impl Inner {
    /// What the limits of a trigger mean for an event; none when it has no limits.
    pub(super) async fn ticket(
        &self,
        plan: &Arc<Plan>,
        trigger: Option<usize>,
        words: Option<&str>,
        payload: &Value,
    ) -> Result<Option<Ticket>, SubmitError> {
        let Some((trigger, words)) = trigger.and_then(|index| plan.triggers.get(index)).zip(words) else {
            return Ok(None);
        };
        if trigger.concurrency.is_none() && trigger.at_most.is_none() {
            return Ok(None);
        }
        let scope = format!("{} {words}", plan.flow);
        let gate = match &trigger.concurrency {
            None => None,
            Some(concurrency) => {
                let key = self.gate_key(plan, trigger, concurrency, payload)?;
                Some((format!("{scope}{key}"), concurrency.limit))
            }
        };
        let rate = trigger.at_most.map(|rate| (scope, rate));
        if let Some((scope, rate)) = &rate {
            self.remember_turns(scope, &plan.flow, words, *rate).await?;
        }
        Ok(Some(Ticket { gate, rate }))
    }

    fn gate_key(
        &self,
        plan: &Plan,
        trigger: &Trigger,
        concurrency: &Concurrency,
        payload: &Value,
    ) -> Result<String, SubmitError> {
        let Some(per) = &concurrency.per else { return Ok(String::new()) };
        let evaluator = Evaluator {
            library: &self.settings.library,
            functions: &plan.functions,
            types: &plan.types,
            env: &*self.settings.env,
            ambient: &|which| (which == Ambient::Item).then(|| payload.clone()),
        };
        let mut frame = Frame::new();
        if let Some(slot) = trigger.bind {
            frame.set(slot, payload.clone());
        }
        let key = evaluator.eval(per, &mut frame);
        key.map(|key| format!(" {key}")).map_err(|failure| SubmitError::Broken(format!("`concurrency`: {failure}")))
    }

    /// Brings the turns that were given out before the last restart into memory.
    async fn remember_turns(&self, scope: &str, flow: &str, words: &str, rate: Rate) -> Result<(), SubmitError> {
        if self.state().gates.rates.contains_key(scope) {
            return Ok(());
        }
        let mut turns = self.store.turns(flow, words, rate.count).await?;
        turns.reverse();
        self.state().gates.rates.entry(scope.to_owned()).or_insert_with(|| turns.into());
        Ok(())
    }

    /// Gives a run that is about to be accepted its turn. It then either waits for it ([`Inner::await_turn`]), or gives it
    /// back ([`Inner::return_turn`]), or has it.
    pub(super) fn give_turn(&self, run: &RunId, ticket: Ticket, now: Instant) -> Given {
        let gates = &mut self.state().gates;
        let at = ticket.rate.as_ref().map_or(now, |(scope, rate)| gates.next_turn(scope, *rate, now));
        let turn = Turn { gate: ticket.gate, at };
        let admission = match &turn.gate {
            _ if at > now => {
                gates.later.insert(run.clone(), turn.clone());
                Admission::Held
            }
            None => Admission::AtOnce,
            Some((key, limit)) => {
                let gate = gates.gate(run, key);
                gate.limit = *limit;
                if gate.queue.is_empty() && gate.has_room() {
                    gate.inside.insert(run.clone());
                    Admission::AtOnce
                } else {
                    gate.queue.insert(run.clone(), Kept::NotYet);
                    Admission::Held
                }
            }
        };
        Given { turn, admission, rate: ticket.rate.map(|(scope, _)| scope) }
    }

    /// Takes back the turn of a run that was not accepted.
    pub(super) fn return_turn(self: &Arc<Self>, run: &RunId, given: &Given) {
        if let Some(scope) = &given.rate
            && let Some(turns) = self.state().gates.rates.get_mut(scope)
            && let Some(index) = turns.iter().rposition(|at| *at == given.turn.at)
        {
            turns.remove(index);
        }
        self.give_way(run);
    }

    /// Lets a run that is held wait for its turn: it is on disk now.
    pub(super) fn await_turn(self: &Arc<Self>, run: &RunId, turn: &Turn) {
        let waits = self.state().gates.later.contains_key(run);
        if waits {
            self.timers.arm(turn.at, Due::Turn(run.clone()));
        } else if let Some((key, _)) = &turn.gate {
            self.queue(run, key);
        }
    }

    /// Goes on with a run whose time has come.
    pub(super) fn time_has_come(self: &Arc<Self>, run: &RunId) {
        let turn = self.state().gates.later.remove(run);
        match turn {
            None => {}
            Some(Turn { gate: None, .. }) => self.admit(vec![run.clone()]),
            Some(Turn { gate: Some((key, limit)), .. }) => {
                self.state().gates.gate(run, &key).limit = limit;
                self.queue(run, &key);
            }
        }
    }

    fn queue(self: &Arc<Self>, run: &RunId, key: &str) {
        let admitted = {
            let mut state = self.state();
            let gate = state.gates.gate(run, key);
            gate.queue.insert(run.clone(), Kept::Yes);
            gate.admit()
        };
        self.admit(admitted);
    }

    /// Makes room where a run was that is over.
    pub(super) fn give_way(self: &Arc<Self>, run: &RunId) {
        let next = self.state().gates.leave(run);
        self.admit(next);
    }

    fn admit(self: &Arc<Self>, runs: Vec<RunId>) {
        for run in runs {
            self.post(&run, Message::Event(Event::Admitted));
        }
    }

    /// Puts the runs of before the last restart where they were.
    pub(super) fn restore_gates(self: &Arc<Self>, unfinished: &[Unfinished]) {
        let now = self.settings.clock.now();
        let mut admitted = Vec::new();
        {
            let gates = &mut self.state().gates;
            for Unfinished { run, turn, held, .. } in unfinished {
                match turn {
                    None => {}
                    Some(turn) if *held == Held::Yes && turn.at > now => {
                        gates.later.insert(run.clone(), turn.clone());
                        self.timers.arm(turn.at, Due::Turn(run.clone()));
                    }
                    Some(Turn { gate: None, .. }) if *held == Held::Yes => admitted.push(run.clone()),
                    Some(Turn { gate: None, .. }) => {}
                    Some(Turn { gate: Some((key, limit)), .. }) => {
                        let gate = gates.gate(run, key);
                        gate.limit = *limit;
                        if *held == Held::Yes {
                            gate.queue.insert(run.clone(), Kept::Yes);
                        } else {
                            gate.inside.insert(run.clone());
                        }
                    }
                }
            }
            admitted.extend(gates.gates.values_mut().flat_map(Gate::admit));
        }
        self.admit(admitted);
    }
}
