//! Which accepted runs may begin?
//!
//! `concurrency: N` and `concurrency: N per key` say how many runs of a trigger may be under way, `at_most: N per period`
//! how many may begin in any such period. A run for which there is no room is on disk and waits its turn: within its key
//! in the order that its trigger declares, else in that of acceptance, and in turn between keys. A run is under way until
//! it is over, whatever it waits for.

use std::collections::{BTreeMap, HashMap, VecDeque};

use flow_model::{
    schema::Rate,
    units::{Instant, Millis},
};

use super::{Limits, RunId};
pub(super) use crate::store::Gate as Spec;
use crate::store::Rank;

/// All gates, by scope.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: BTreeMap<String, Gate>,
    /// Runs under way, by scope and key.
    inside: HashMap<RunId, (String, String)>,
    /// Runs that wait, by scope, key and place.
    waiting: HashMap<RunId, (String, String, Place)>,
    tickets: u64,
    /// How far the clock had been set when it was last looked at.
    set_by: i64,
}

/// Where a run stands among those that wait: by the rank of its event, then by its ticket.
type Place = (Option<Rank>, u64);

#[derive(Debug, Default)]
struct Gate {
    limit: Option<u32>,
    rate: Option<Rate>,
    inside: HashMap<String, u32>,
    /// Runs that wait, by key and place.
    queues: HashMap<String, BTreeMap<Place, RunId>>,
    /// How many runs wait, of all keys.
    waiting: usize,
    /// Keys with runs that wait: whose turn it is first.
    turns: VecDeque<String>,
    /// When runs began, oldest first; none for those of earlier processes.
    begun: VecDeque<(Instant, Option<RunId>)>,
}

/// What becomes of a run that wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It begins.
    Goes,
    /// It waits: its place in the order.
    Waits(u64),
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// Runs that begin, in order.
    pub(super) runs: Vec<RunId>,
    /// Gates that have to be looked at again, and when.
    pub(super) again: Vec<(Instant, String)>,
}

impl Gates {
    /// Says whether it is known when runs within a scope began.
    pub(super) fn knows(&self, scope: &str) -> bool {
        self.gates.contains_key(scope)
    }

    /// Takes note of when runs of earlier processes began.
    pub(super) fn learn(&mut self, spec: &Spec, begun: Vec<Instant>) {
        if !self.knows(&spec.scope) {
            self.gate(spec).begun = begun.into_iter().map(|at| (at, None)).collect();
        }
    }

    /// Takes note of how far the clock has been set: what began is as long ago as before.
    pub(super) fn clock_is_set_by(&mut self, total: i64) {
        let by = total.saturating_sub(std::mem::replace(&mut self.set_by, total));
        if by != 0 {
            let begun = self.gates.values_mut().flat_map(|gate| &mut gate.begun);
            begun.for_each(|(at, _)| *at = at.moved(by));
        }
    }

    /// The gate, with the limits that hold now.
    fn gate(&mut self, spec: &Spec) -> &mut Gate {
        let gate = self.gates.entry(spec.scope.clone()).or_default();
        gate.limit = spec.limit;
        gate.rate = spec.rate;
        gate
    }

    /// Asks whether a run may begin; if so, it is under way.
    pub(super) fn enter(&mut self, run: &RunId, spec: &Spec, now: Instant) -> Entry {
        let gate = self.gate(spec);
        let is_first = gate.queues.get(&spec.key).is_none_or(BTreeMap::is_empty);
        if is_first && gate.has_room(&spec.key) && gate.is_slow_enough(now).is_ok() {
            gate.begun.extend(gate.rate.map(|_| (now, Some(run.clone()))));
            self.put_inside(run, spec);
            return Entry::Goes;
        }
        self.tickets += 1;
        Entry::Waits(self.tickets)
    }

    /// Counts a run as under way.
    pub(super) fn put_inside(&mut self, run: &RunId, spec: &Spec) {
        *self.gate(spec).inside.entry(spec.key.clone()).or_default() += 1;
        self.inside.insert(run.clone(), (spec.scope.clone(), spec.key.clone()));
    }

    /// How many runs wait, where those are as many as may: of the same key, or of all keys of the trigger.
    pub(super) fn is_full(&self, spec: &Spec, limits: &Limits) -> Option<usize> {
        let gate = self.gates.get(&spec.scope)?;
        let same = gate.queues.get(&spec.key).map_or(0, BTreeMap::len);
        let full = |(waiting, most): (usize, usize)| (waiting >= most).then_some(waiting);
        full((same, limits.waiting)).or(full((gate.waiting, limits.waiting_of_all_keys)))
    }

    /// A place in the order for a run that was accepted before.
    pub(super) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Lets a run wait that is on disk.
    pub(super) fn queue(&mut self, run: &RunId, spec: &Spec, ticket: u64) {
        let gate = self.gate(spec);
        let queue = gate.queues.entry(spec.key.clone()).or_default();
        if queue.is_empty() {
            gate.turns.push_back(spec.key.clone());
        }
        let place = (spec.rank.clone(), ticket);
        queue.insert(place.clone(), run.clone());
        gate.waiting += 1;
        self.waiting.insert(run.clone(), (spec.scope.clone(), spec.key.clone(), place));
    }

    /// A run is over.
    pub(super) fn leave(&mut self, run: &RunId) -> bool {
        if let Some((scope, key)) = self.inside.remove(run) {
            if let Some(gate) = self.gates.get_mut(&scope)
                && let Some(count) = gate.inside.get_mut(&key)
            {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    gate.inside.remove(&key);
                }
            }
            return true;
        }
        // One that waits was cancelled.
        let Some((scope, key, place)) = self.waiting.remove(run) else { return false };
        if let Some(gate) = self.gates.get_mut(&scope)
            && let Some(queue) = gate.queues.get_mut(&key)
        {
            queue.remove(&place);
            gate.waiting = gate.waiting.saturating_sub(1);
            if queue.is_empty() {
                gate.queues.remove(&key);
                gate.turns.retain(|turn| *turn != key);
            }
        }
        true
    }

    /// A run that entered did not come about.
    pub(super) fn forget(&mut self, run: &RunId) {
        self.leave(run);
        for gate in self.gates.values_mut() {
            gate.begun.retain(|(_, begun)| begun.as_ref() != Some(run));
        }
    }

    /// Lets runs begin for which there is room.
    pub(super) fn open(&mut self, now: Instant) -> Opened {
        let mut opened = Opened::default();
        let mut entered = Vec::new();
        for (scope, gate) in &mut self.gates {
            while let Some(turn) = gate.turns.iter().position(|key| gate.has_room(key)) {
                if let Err(again) = gate.is_slow_enough(now) {
                    opened.again.push((again, scope.clone()));
                    break;
                }
                let Some(key) = gate.turns.remove(turn) else { break };
                let Some(queue) = gate.queues.get_mut(&key) else { continue };
                if let Some((_, run)) = queue.pop_first() {
                    gate.waiting = gate.waiting.saturating_sub(1);
                    gate.begun.extend(gate.rate.map(|_| (now, Some(run.clone()))));
                    *gate.inside.entry(key.clone()).or_default() += 1;
                    entered.push((run, (scope.clone(), key.clone())));
                }
                if queue.is_empty() {
                    gate.queues.remove(&key);
                } else {
                    gate.turns.push_back(key);
                }
            }
        }
        opened.runs = entered.iter().map(|(run, _)| run.clone()).collect();
        opened.runs.iter().for_each(|run| drop(self.waiting.remove(run)));
        self.inside.extend(entered);
        opened
    }
}

impl Gate {
    fn has_room(&self, key: &str) -> bool {
        self.limit.is_none_or(|limit| self.inside.get(key).copied().unwrap_or(0) < limit)
    }

    /// Says whether one more may begin now, or when.
    fn is_slow_enough(&mut self, now: Instant) -> Result<(), Instant> {
        let Some(Rate { count, period }) = self.rate else {
            self.begun.clear();
            return Ok(());
        };
        while self.begun.front().is_some_and(|(at, _)| at.after(period) <= now) {
            self.begun.pop_front();
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX).max(1);
        let Some(at) = self.begun.len().checked_sub(count).and_then(|index| self.begun.get(index)) else {
            return Ok(());
        };
        // The clock may have been set back: no wait is longer than the period.
        Err(at.0.after(period).min(now.after(period)).max(now.after(Millis(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(key: &str, limit: Option<u32>, rate: Option<(u32, u64)>) -> Spec {
        let rate = rate.map(|(count, seconds)| Rate { count, period: Millis::seconds(seconds) });
        Spec { scope: "flow trigger".into(), key: key.into(), limit, rate, rank: None }
    }

    fn run(number: u128) -> RunId {
        RunId::new(Instant(1000), number)
    }

    /// Lets runs in, or wait, as an engine does.
    fn come(gates: &mut Gates, number: u128, spec: &Spec, now: i64) -> bool {
        match gates.enter(&run(number), spec, Instant(now)) {
            Entry::Goes => true,
            Entry::Waits(ticket) => {
                gates.queue(&run(number), spec, ticket);
                false
            }
        }
    }

    #[test]
    fn as_many_as_may_be_are_under_way_and_the_others_follow_in_order() {
        let (mut gates, spec) = (Gates::default(), spec("", Some(2), None));
        assert_eq!(
            (0..5).map(|number| come(&mut gates, number, &spec, 0)).collect::<Vec<_>>(),
            [true, true, false, false, false]
        );
        assert_eq!(gates.open(Instant(0)), Opened::default());
        gates.leave(&run(1));
        assert_eq!(gates.open(Instant(0)).runs, [run(2)]);
        assert!(!come(&mut gates, 5, &spec, 0), "nobody overtakes");
        assert!(gates.leave(&run(3)), "one that waits is cancelled");
        gates.leave(&run(0));
        gates.leave(&run(2));
        assert_eq!(gates.open(Instant(0)).runs, [run(4), run(5)]);
        assert!(!gates.leave(&run(3)));
    }

    #[test]
    fn those_that_wait_follow_in_the_order_of_their_events() {
        let (mut gates, of) = (Gates::default(), spec("", Some(1), None));
        let ranked = |rank: i64| Spec { rank: Some(Rank::Number(rank)), ..of.clone() };
        for (number, rank) in [(0, 50), (1, 30), (2, 40), (3, 20), (4, 30)] {
            assert_eq!(come(&mut gates, number, &ranked(rank), 0), number == 0);
        }
        assert!(gates.leave(&run(2)), "one that waits is cancelled");
        let mut order = Vec::new();
        for _ in 0..3 {
            gates.leave(order.last().unwrap_or(&run(0)));
            order.extend(gates.open(Instant(0)).runs);
        }
        assert_eq!(order, [run(3), run(1), run(4)], "those of the same time as they came");
    }

    #[test]
    fn a_queue_is_full_by_its_key_and_by_all_keys_together() {
        let limits = Limits { waiting: 2, waiting_of_all_keys: 3, ..Limits::default() };
        let of = |key: &str| spec(key, Some(1), None);
        let mut gates = Gates::default();
        for (number, key) in ["a", "b", "c", "a", "b", "a"].into_iter().enumerate() {
            assert_eq!(gates.is_full(&of(key), &limits), None, "{number}");
            assert_eq!(come(&mut gates, number as u128, &of(key), 0), number < 3);
        }
        assert_eq!(gates.is_full(&of("a"), &limits), Some(2), "two of `a` wait");
        assert_eq!(gates.is_full(&of("c"), &limits), Some(3), "three wait in all");
        gates.leave(&run(1));
        assert_eq!(gates.open(Instant(0)).runs, [run(4)]);
        assert_eq!(gates.is_full(&of("c"), &limits), None);
        gates.leave(&run(5));
        assert_eq!(gates.is_full(&of("a"), &limits), None, "one was cancelled");
    }

    #[test]
    fn keys_have_room_of_their_own() {
        let mut gates = Gates::default();
        let of = |key: &str| spec(key, Some(1), None);
        assert!(come(&mut gates, 0, &of("a"), 0) && come(&mut gates, 1, &of("b"), 0));
        assert!(!come(&mut gates, 2, &of("a"), 0));
        gates.leave(&run(1));
        assert_eq!(gates.open(Instant(0)).runs, []);
        gates.leave(&run(0));
        assert_eq!(gates.open(Instant(0)).runs, [run(2)]);
    }

    #[test]
    fn a_key_with_many_runs_does_not_hold_up_the_others() {
        let mut gates = Gates::default();
        let of = |key: &str| spec(key, Some(9), Some((1, 10)));
        assert!(come(&mut gates, 0, &of("busy"), 0));
        (1..5).for_each(|number| assert!(!come(&mut gates, number, &of("busy"), 0)));
        assert!(!come(&mut gates, 5, &of("calm"), 0));
        let mut order = Vec::new();
        let mut now = Instant(0);
        while order.len() < 5 {
            let opened = gates.open(now);
            order.extend(opened.runs);
            now = opened.again.first().map_or(now, |(again, _)| *again);
        }
        assert_eq!(order, [run(1), run(5), run(2), run(3), run(4)]);
        assert_eq!(now, Instant(50_000));
    }

    #[test]
    fn no_period_sees_more_beginnings_than_may_be() {
        let (mut gates, spec) = (Gates::default(), spec("", None, Some((2, 10))));
        gates.learn(&spec, vec![Instant(500)]);
        assert!(come(&mut gates, 0, &spec, 5000));
        assert!(!come(&mut gates, 1, &spec, 6000), "one began before this process");
        assert_eq!(gates.open(Instant(6000)).again, [(Instant(10_500), "flow trigger".to_owned())]);
        assert_eq!(gates.open(Instant(10_500)).runs, [run(1)]);
        assert!(!come(&mut gates, 2, &spec, 11_000));
        gates.forget(&run(0));
        assert_eq!(gates.open(Instant(11_000)).runs, [run(2)], "one that did not come about does not count");
    }

    #[test]
    fn a_clock_that_is_set_lets_no_more_begin_and_holds_up_nobody() {
        let year = 365 * 86_400 * 1000;
        for by in [year, -year] {
            let (mut gates, spec) = (Gates::default(), spec("", None, Some((1, 10))));
            assert!(come(&mut gates, 0, &spec, year * 50));
            gates.clock_is_set_by(by);
            let now = year * 50 + by;
            assert!(!come(&mut gates, 1, &spec, now + 1000));
            assert_eq!(gates.open(Instant(now + 1000)).again, [(Instant(now + 10_000), "flow trigger".to_owned())]);
            gates.clock_is_set_by(by);
            assert_eq!(gates.open(Instant(now + 10_000)).runs, [run(1)]);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_more_than_the_period() {
        let (mut gates, spec) = (Gates::default(), spec("", None, Some((1, 10))));
        assert!(come(&mut gates, 0, &spec, 1_000_000));
        assert!(!come(&mut gates, 1, &spec, 0));
        assert_eq!(gates.open(Instant(0)).again, [(Instant(10_000), "flow trigger".to_owned())]);
    }
}
