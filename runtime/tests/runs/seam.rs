//! What a host has to keep to, and the machine with it: the rules by which a run is the same under each host.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use flow_model::{
    expr::BinaryOp,
    failure::ErrorKind,
    plan::{ForOnError, ParallelOnError, Plan},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    engine::{Engine, RunId, RunState, Submission},
    eval::Library,
    journal,
    machine::{self, Event, Outcome, Record, Said},
    sim::{outside::Made, story::kept},
};

use crate::support::{
    build::*,
    play::{Play, RUN, ints},
    sim::{Ended, Fault, Reply, World, process},
};

fn params() -> Submission {
    Submission::with_params("test", Value::Null)
}

fn lived<T>(ended: Ended<T>) -> T {
    let Ended::Well(told) = ended else { panic!("no crash was asked for") };
    told
}

async fn begin(engine: &Engine, plan: Plan) -> RunId {
    engine.deploy(Arc::new(plan)).await.unwrap();
    engine.resume().await.unwrap();
    engine.submit(params()).await.unwrap().run
}

/// What the journals of a folder say.
fn said(data: &Path) -> Vec<Said> {
    let runs = kept(data).unwrap();
    let entries = runs.iter().map(|kept| journal::read(&kept.summary.id, &kept.rows).unwrap().0);
    entries.flatten().map(|entry| entry.said).collect()
}

#[test]
fn rule_1_one_completion_after_the_other_and_then_all_branches_in_their_order() {
    let branch = |name: &str, slot: u32| {
        vec![step(&format!("first {name}"), "read", slot), step(&format!("then {name}"), "read", slot + 1)]
    };
    let branches = parallel("p", ParallelOnError::Stop, vec![branch("a", 1), branch("b", 3), branch("c", 5)]);
    let after = each("each", 8, 7, list((0..3).map(int)), 3, ForOnError::Stop, vec![step_of("of", "read", 9, get(7))]);
    let mut play = Play::start(plan(&[], vec![branches, after]), Value::Null);
    assert_eq!(play.asked(), ["first a", "first b", "first c"], "as they stand in the program");
    for name in ["c", "a", "b"] {
        play.ok(&format!("first {name}"), 1);
        assert_eq!(play.asked().last().unwrap(), &format!("then {name}"), "as they were completed");
    }
    for name in ["b", "c", "a"] {
        play.ok(&format!("then {name}"), 1);
    }
    assert_eq!(play.asked()[6..], ["of[0]", "of[1]", "of[2]"], "what one completion sets free, as it stands");
}

#[test]
fn rule_2_who_was_first_is_what_the_journal_says_and_not_what_was_asked_first() {
    let both = |order: [&str; 2]| {
        let racer = |name: &str, slot| vec![undoable(name, "keyed", slot), give(get(slot))];
        let race = race("race", 5, vec![racer("a", 1), racer("b", 2)]);
        let mut play = Play::start(plan(&[], vec![race, step("after", "read", 6), end(get(5))]), Value::Null);
        // What the loser may have done is brought to its end and undone: both outcomes are on record.
        for name in order {
            let value = if name == "a" { 1 } else { 2 };
            play.ok(name, value);
        }
        play.ok(&format!("{}/undo", order[1]), 0);
        play.ok("after", 0);
        play
    };
    for (order, winner) in [(["a", "b"], 1), (["b", "a"], 2)] {
        let play = both(order);
        assert_eq!(play.value(), Value::Int(winner));
        let attempts = play.said.iter().filter(|(_, said)| matches!(said, Said::Event(Event::Attempted { .. })));
        assert_eq!(attempts.count(), 4, "each completion has its own entry, that of the loser too");
        let entries = play.said.iter().map(|(at, said)| (*at, said));
        let again = machine::replay(RUN, Arc::clone(play.machine.plan()), Library::default(), entries).unwrap();
        assert_eq!(again.outcome(), Some(&Outcome::Completed(Value::Int(winner))));
    }
}

#[test]
fn rule_3_a_retry_is_on_record_and_leaves_those_beside_it_alone() {
    let flaky = |made: &Made| match (made.operation.as_str(), made.before) {
        ("keyed", 0 | 1) => Reply::err(ErrorKind::Unavailable, Reached::Answered),
        ("keyed", _) => Reply::ok(Value::Int(1)),
        // Under way as long as the other is tried.
        _ => Reply::ok(Value::Int(2)).after(10_000),
    };
    let (world, data) = (World::new(flaky), tempfile::tempdir().unwrap());
    let policy = retry(5, &[ErrorKind::Unavailable], 1000);
    let both = vec![vec![step("a", "keyed", 1).retrying(policy)], vec![step("b", "send", 2)]];
    let body = vec![parallel("p", ParallelOnError::Stop, both), end(list([get(1), get(2)]))];
    let value = lived(process(&world, data.path(), Fault::Never, async |engine| {
        let run = begin(&engine, plan(&[], body)).await;
        engine.outcome(&run).await.unwrap().outcome
    }));
    assert_eq!(value, Some(Outcome::Completed(ints([1, 2]))));
    let calls: Vec<_> = world.made().into_iter().map(|made| made.operation).collect();
    assert_eq!(calls, ["keyed", "send", "keyed", "keyed"], "the one beside it was under way once");
    let told: Vec<_> = said(data.path())
        .iter()
        .filter_map(|said| match said {
            Said::Event(Event::Attempted { place, attempt, outcome, .. }) => {
                Some(format!("{place} {attempt} {}", if outcome.is_ok() { "ok" } else { "failed" }))
            }
            Said::Event(Event::Fired { place }) => Some(format!("{place} is due")),
            Said::Record(Record::Waits { place, .. }) => Some(format!("{place} waits")),
            _ => None,
        })
        .collect();
    let expected = ["a 1 failed", "a waits", "a is due", "a 2 failed", "a waits", "a is due", "a 3 ok", "b 1 ok"];
    assert_eq!(told, expected, "attempt, timer, attempt");
}

#[test]
fn rule_4_what_is_begun_twice_has_the_same_key_and_what_can_take_none_is_not() {
    for (operation, begun, state) in [("keyed", 2, RunState::Completed), ("send", 1, RunState::NeedsDecision)] {
        let (world, data) = (World::kind(), tempfile::tempdir().unwrap());
        // After the plan and the run with its call comes the outcome.
        for fault in [Fault::Before(2), Fault::Never] {
            process(&world, data.path(), fault, async |engine| {
                let submission = Submission { dedupe: Some(("evt".into(), Millis::seconds(60))), ..params() };
                engine.deploy(Arc::new(plan(&[], vec![step("a", operation, 1), end(int(1))]))).await.unwrap();
                engine.resume().await.unwrap();
                let run = engine.submit(submission).await.unwrap().run;
                assert_eq!(engine.outcome(&run).await.unwrap().state, state, "{operation}");
            });
        }
        let keys: BTreeSet<_> = world.made().into_iter().map(|made| made.key).collect();
        assert_eq!((world.made().len(), keys.len()), (begun, 1), "{operation}");
    }
}

#[test]
fn rule_5_a_run_goes_on_by_the_plan_and_the_rules_that_it_began_with() {
    let (world, data) = (World::kind(), tempfile::tempdir().unwrap());
    let of = |value| plan(&[], vec![sleep("nap", seconds(600)), step("a", "read", 1), end(int(value))]);
    let run = lived(process(&world, data.path(), Fault::Never, async |engine| begin(&engine, of(1)).await));
    let begun = said(data.path());
    assert!(
        matches!(&begun[0], Said::Event(Event::Started(start)) if start.version == machine::VERSION),
        "the rules are on record: {begun:?}"
    );
    let summary = lived(process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::new(of(2))).await.unwrap();
        engine.resume().await.unwrap();
        engine.tidy(Some(Millis(1))).await.unwrap();
        engine.outcome(&run).await.unwrap()
    }));
    assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(1))), "the plan is kept as long as it is needed");
    assert_eq!(summary.plan, of(1).digest());
}

/// That journals are bounded where there are calls, and values that are large lie beside them: see `checkpoints` and `store`.
#[test]
fn rule_6_what_is_computed_has_no_entry() {
    let body = vec![bind("sum", 3, op(get(1), BinaryOp::Add, int(1))), give(get(3))];
    let pure = each("each", 2, 1, list((0..3000).map(int)), 1, ForOnError::Stop, body);
    let play = Play::start(plan(&[], vec![pure, end(get(2))]), Value::Null);
    assert_eq!((play.said.len(), play.value()), (2, ints(1..=3000)), "its beginning and its end");
}

#[test]
fn rule_7_what_can_t_be_acknowledged_is_stopped() {
    let slow = |made: &Made| {
        let after = if made.operation == "keyed" { 3_600_000 } else { 10 };
        Reply::ok(Value::Int(1)).after(after)
    };
    let (world, data) = (World::new(slow), tempfile::tempdir().unwrap());
    let both = vec![vec![step("a", "keyed", 1)], vec![step("b", "read", 2)]];
    let body = vec![parallel("p", ParallelOnError::Stop, both), end(int(1))];
    // After the plan and the run with its two calls comes what `b` answered.
    lived(process(&world, data.path(), Fault::Refused(2), async |engine| {
        begin(&engine, plan(&[], body)).await;
        engine.halted().await;
        world.tick().await;
    }));
    let made = world.made();
    let under_way = made.iter().find(|made| made.operation == "keyed").unwrap();
    let ended = under_way.ended.expect("it was stopped");
    assert!(ended.since(under_way.at) < Millis(1000), "{:?} after it began", ended.since(under_way.at));
    assert_eq!(made.len(), 2);
}

/// See `conformance` for the plans, hosts and faults that this list judges.
#[test]
fn rule_8_the_beginning_and_the_end_of_each_call_are_counted_outside_of_the_engine() {
    let (world, data) = (World::kind(), tempfile::tempdir().unwrap());
    let items = list((0..3).map(int));
    let body =
        vec![each("each", 2, 1, items, 3, ForOnError::Stop, vec![step_of("of", "send", 3, get(1))]), end(int(1))];
    let state = lived(process(&world, data.path(), Fault::Never, async |engine| {
        let run = begin(&engine, plan(&[], body)).await;
        engine.outcome(&run).await.unwrap().state
    }));
    assert_eq!(state, RunState::Completed);
    let made = world.made();
    assert_eq!(made.len(), 3);
    assert!(made.iter().all(|made| made.applied && made.ended.is_some_and(|ended| ended > made.at)), "{made:?}");
    let keys: BTreeSet<_> = made.iter().map(|made| made.key.as_str()).collect();
    assert_eq!(keys.len(), 3);
}
