//! Over many random plans, orders and faults: a journal gives the same run again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::{
    failure::ErrorKind,
    plan::{NodeKind, Plan},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    eval::Library,
    journal::{self, Chain, Entry, RunId},
    machine::{
        Awaited, Call, Decision, Event, Machine, Outcome, Place, Record, Repeat, Said, Start, Status, Verdict, replay,
    },
};

use crate::support::{
    build,
    play::{Play, RUN, failure},
    random::{Flavour, Reference, Rng, answer_of, body},
};

/// What can be seen of a machine.
#[derive(Debug, PartialEq)]
struct Seen {
    status: Status,
    calls: Vec<Call>,
    timers: Vec<(Place, flow_model::units::Instant)>,
    outcome: Option<Outcome>,
}

fn seen(machine: &Machine) -> Seen {
    Seen {
        status: machine.status(),
        calls: machine.calls(),
        timers: machine.timers(),
        outcome: machine.outcome().cloned(),
    }
}

/// Runs a plan to its end with random orders and faults. Returns what was seen after each event.
fn run_wildly(plan: &Arc<Plan>, rng: &mut Rng) -> (Play, Vec<(usize, Seen)>) {
    let mut play = Play::of(Arc::clone(plan));
    let mut after = Vec::new();
    let start = Start::default();
    play.apply(Event::Started(start));
    after.push((play.said.len(), seen(&play.machine)));
    for _ in 0..400 {
        if play.outcome().is_some() {
            return (play, after);
        }
        play.now = play.now.after(Millis(rng.below(700)));
        let open: Vec<Call> = play.open.values().cloned().collect();
        let timers = play.machine.timers();
        if rng.one_in(150) {
            play.apply(Event::Cancelled { reason: "drawn".into() });
        } else if !open.is_empty() && (timers.is_empty() || rng.one_in(2)) {
            conclude(&mut play, rng.pick(&open).clone(), rng);
        } else if !timers.is_empty() {
            let (place, until) = rng.pick(&timers).clone();
            if rng.one_in(3) {
                play.now = play.now.max(until);
            }
            play.apply(Event::Fired { place });
        } else if let Status::Undecided { steps, .. } = play.machine.status() {
            let (place, _) = rng.pick(&steps).clone();
            let decision = match rng.below(3) {
                0 => Decision::Retry,
                1 => Decision::Result(Value::Int(5)),
                _ => Decision::Fail(failure(ErrorKind::Rejected)),
            };
            play.apply(Event::Resolved { place, decision });
        } else if let Status::Awaiting { what, .. } = play.machine.status() {
            let (place, what) = rng.pick(&what).clone();
            play.tell(match what {
                Awaited::Event(_) => Event::Received { place, value: Value::Int(rng.below(100) as i64) },
                Awaited::Approval { .. } => {
                    let verdict = *rng.pick(&[Verdict::Approved, Verdict::Refused]);
                    Event::Decided { place, verdict, by: None, note: None }
                }
                Awaited::Run { .. } => Event::Returned {
                    place,
                    outcome: match rng.below(3) {
                        0 => Outcome::Failed { failure: failure(ErrorKind::Rejected), place: None },
                        1 => Outcome::Cancelled { reason: "drawn".into() },
                        _ => Outcome::Completed(Value::Int(5)),
                    },
                },
            });
        }
        after.push((play.said.len(), seen(&play.machine)));
    }
    panic!("the run does not end");
}

fn conclude(play: &mut Play, call: Call, rng: &mut Rng) {
    let Call { place, attempt, repeat, args, .. } = call;
    if repeat == Repeat::Unsafe {
        play.apply(Event::Began { place: place.clone(), attempt });
        if rng.one_in(8) {
            play.open.remove(&place);
            return play.apply(Event::Lost { place, attempt });
        }
    }
    play.open.remove(&place);
    let outcome = match rng.below(8) {
        0 => Err(failure(ErrorKind::Unavailable)),
        1 => Err(failure(ErrorKind::NotFound)),
        _ => Ok(answer_of(&args[0])),
    };
    let reached = *rng.pick(&[Reached::Never, Reached::Perhaps, Reached::Answered]);
    let retry_after = rng.one_in(3).then(|| Millis(rng.below(5000)));
    let draw = rng.next() as u32;
    play.apply(Event::Attempted { place, attempt, outcome, reached, retry_after, draw, probe: false });
}

/// The same journal, written and read back.
fn through_rows(said: &[(flow_model::units::Instant, Said)]) -> Vec<Entry> {
    let run: RunId = RUN.parse().unwrap();
    let mut chain = Chain::new(run.clone());
    let entries = said.iter().map(|(at, said)| Entry { at: *at, said: said.clone() });
    let rows: Vec<_> = entries.map(|entry| chain.write(&entry)).collect();
    journal::read(&run, &rows).unwrap().0
}

#[test]
fn every_prefix_of_a_journal_gives_the_same_run_and_goes_on_the_same_way() {
    let mut kinds = BTreeMap::new();
    for seed in 0..400 {
        let rng = &mut Rng(seed);
        let plan = Arc::new(build::plan(&[], body(rng, Flavour::Wild)));
        let plan: Arc<Plan> = Arc::new(serde_json::from_str(&serde_json::to_string(&*plan).unwrap()).unwrap());
        let (play, after) = run_wildly(&plan, rng);
        let entries = through_rows(&play.said);
        let at_most = 40.max(after.len() / 10);
        for (index, (said, state)) in
            after.iter().enumerate().filter(|(index, _)| index % (1 + after.len() / at_most) == 0)
        {
            let prefix = entries.iter().take(*said).map(|entry| (entry.at, &entry.said));
            let again = replay(RUN, Arc::clone(&plan), Library::default(), prefix);
            let mut again = again.unwrap_or_else(|error| panic!("seed {seed}, event {index}: {error}"));
            assert_eq!(&seen(&again), state, "seed {seed}, after event {index}");
            let mut done = *said;
            // What follows has the same consequences.
            for (later, state) in after.iter().skip(index + 1).take(3) {
                for entry in entries.iter().take(*later).skip(done) {
                    if let Said::Event(event) = &entry.said {
                        again.apply(event, entry.at);
                    }
                }
                done = *later;
                assert_eq!(&seen(&again), state, "seed {seed}, from event {index}");
            }
        }
        *kinds.entry(format!("{:?}", play.outcome().map(std::mem::discriminant))).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 3, "runs complete, fail and are cancelled: {kinds:?}");
}

/// Steps with an undo that have completed, and undos that were begun, each in order.
fn done_and_undone(play: &Play) -> (Vec<Place>, Vec<Place>) {
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    let mut under_way = BTreeSet::new();
    let undo_of = |place: &Place| Place { path: format!("{}/undo", place.path), indexes: place.indexes.clone() };
    for (_, said) in &play.said {
        match said {
            Said::Record(Record::Scheduled { place, .. }) => {
                assert!(under_way.insert(place.clone()), "`{place}` is begun twice");
                if place.path.ends_with("/undo") {
                    undone.push(place.clone());
                }
            }
            Said::Record(Record::StepFailed { place, .. } | Record::Dropped { place }) => {
                under_way.remove(place);
            }
            Said::Event(
                Event::Attempted { place, outcome: Ok(_), .. }
                | Event::Resolved { place, decision: Decision::Result(_) },
            ) if under_way.contains(place) && !done.contains(&undo_of(place)) => {
                let path = &place.path;
                if play.machine.plan().graph.node_weights().any(|node| node.path == format!("{path}/undo")) {
                    done.push(undo_of(place));
                }
            }
            _ => {}
        }
    }
    (done, undone)
}

#[test]
fn whatever_happens_what_was_done_is_undone_once_and_newest_first() {
    let (mut undos, mut whole) = (0, 0);
    for seed in 0..8000 {
        let rng = &mut Rng(seed);
        let plan = Arc::new(build::plan(&[], body(rng, Flavour::Wild)));
        let (play, _) = run_wildly(&plan, rng);
        let (done, undone) = done_and_undone(&play);
        undos += undone.len();
        let distinct: BTreeSet<_> = undone.iter().collect();
        assert_eq!(distinct.len(), undone.len(), "seed {seed}: each undo runs once");
        assert!(undone.iter().all(|place| done.contains(place)), "seed {seed}: only what was done is undone");
        let is_one_scope = |kind: &NodeKind| matches!(kind, NodeKind::Saga { .. } | NodeKind::Race { .. });
        if plan.graph.node_weights().any(|node| is_one_scope(&node.kind)) {
            continue;
        }
        match play.outcome() {
            Some(Outcome::Completed(_)) => assert_eq!(undone, [], "seed {seed}"),
            _ => {
                let newest_first: Vec<_> = done.iter().rev().cloned().collect();
                assert_eq!(undone, newest_first, "seed {seed}");
                whole += undone.len();
            }
        }
    }
    assert!(undos > 400 && whole > 80, "{undos} undos, {whole} of whole runs");
}

#[test]
fn calm_plans_yield_the_same_in_every_order_and_call_each_place_once() {
    let mut calls = 0;
    for seed in 0..400 {
        let rng = &mut Rng(seed);
        let body = body(rng, Flavour::Calm);
        let (expected, reference) = Reference::of(&body);
        for _ in 0..5 {
            let mut play = Play::start(build::plan(&[], body.clone()), Value::Null);
            while play.outcome().is_none() {
                let open = play.waiting();
                let timers = play.machine.timers();
                if !open.is_empty() && (timers.is_empty() || rng.one_in(2)) {
                    let path = rng.pick(&open).clone();
                    let call = play.open.values().find(|call| call.place.to_string() == path).unwrap();
                    let answer = answer_of(&call.args[0]);
                    play.answer(&path, Ok(answer));
                } else {
                    play.fire();
                }
            }
            assert_eq!(play.value(), expected, "seed {seed}");
            let asked: BTreeMap<_, _> =
                play.asked.iter().map(|call| (call.place.clone(), call.args[0].clone())).collect();
            assert_eq!(asked, reference.calls, "seed {seed}");
            assert_eq!(asked.len(), play.asked.len(), "seed {seed}: each place is called once");
            calls += asked.len();
        }
    }
    assert!(calls > 2000, "the plans do something: {calls} calls");
}

#[test]
fn a_changed_record_is_seen() {
    let rng = &mut Rng(4);
    let mut tried = 0;
    for _ in 0..40 {
        let plan = Arc::new(build::plan(&[], body(rng, Flavour::Wild)));
        let (play, _) = run_wildly(&plan, rng);
        for index in 0..play.said.len() {
            let mut said = play.said.clone();
            match &mut said[index].1 {
                Said::Record(Record::Scheduled { place, .. } | Record::Waits { place, .. }) => place.path.push('x'),
                Said::Record(Record::Ended(outcome)) => *outcome = Outcome::Cancelled { reason: "forged".into() },
                _ => continue,
            }
            tried += 1;
            let entries = said.iter().map(|(at, said)| (*at, said));
            assert!(replay(RUN, Arc::clone(&plan), Library::default(), entries).is_err());
        }
        let mut missing = play.said.clone();
        missing.pop_if(|(_, said)| matches!(said, Said::Record(_)));
        if missing.len() < play.said.len() {
            let entries = missing.iter().map(|(at, said)| (*at, said));
            assert!(replay(RUN, Arc::clone(&plan), Library::default(), entries).is_err());
        }
    }
    assert!(tried > 50, "{tried} records were changed");
}
