//! What steps have done is undone: newest first, once, whatever comes in between.

use flow_model::{
    failure::ErrorKind,
    plan::{ForOnError, ParallelOnError},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    machine::{Decision, Event, Outcome, Record, Status},
};

use crate::support::{
    build::*,
    play::{Play, failure, ints},
};

fn start(body: Vec<Stmt>) -> Play {
    Play::start(plan(&[], body), Value::Null)
}

/// Answers all that is open until nothing is, and says what was called.
fn drain(play: &mut Play) -> Vec<String> {
    let mut called = Vec::new();
    while let Some(path) = play.waiting().first().cloned() {
        play.ok(&path, 0);
        called.push(path);
    }
    called
}

#[test]
fn a_saga_that_fails_is_undone_newest_first_and_then_fails() {
    let body = vec![saga(
        "s",
        9,
        vec![undoable("a", "send", 1), step("plain", "read", 2), undoable("b", "keyed", 3), step("c", "read", 4)],
    )];
    let mut play = start(body);
    play.ok("a", 11);
    play.ok("plain", 0);
    play.ok("b", 22);
    play.err("c", ErrorKind::NotFound);
    assert_eq!((play.outcome(), play.waiting()), (None, vec!["b/undo".to_owned()]));
    assert_eq!(play.asked.last().unwrap().args, [Value::Int(22)], "an undo sees its step's result");
    play.ok("b/undo", 0);
    assert_eq!(play.waiting(), ["a/undo"]);
    play.ok("a/undo", 0);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::NotFound, "c"));
}

#[test]
fn a_saga_that_succeeds_is_not_undone_later() {
    let inner = saga("inner", 5, vec![undoable("a", "read", 1), give(get(1))]);
    let body = vec![saga("outer", 9, vec![inner, undoable("b", "read", 2), fail("f", "Odd", "drawn")])];
    let mut play = start(body);
    play.ok("a", 1);
    play.ok("b", 2);
    assert_eq!(drain(&mut play), ["b/undo"]);
    assert_eq!(play.failure().1, "f");
}

#[test]
fn what_a_saga_undid_is_caught_outside_of_it() {
    let inner = saga("s", 5, vec![undoable("a", "read", 1), step("b", "read", 2)]);
    let caught = attempt("t", 6, vec![inner], vec![(vec![ErrorKind::Conflict], None, None, vec![give(int(7))])]);
    let mut play = start(vec![caught, end(get(6))]);
    play.ok("a", 1);
    play.err("b", ErrorKind::Conflict);
    assert_eq!(drain(&mut play), ["a/undo"]);
    assert_eq!(play.value(), Value::Int(7));
}

#[test]
fn without_a_saga_the_run_is_what_is_undone() {
    let caught =
        attempt("t", 6, vec![undoable("a", "read", 1), fail("f", "Odd", "x")], vec![(vec![], None, None, vec![])]);
    let mut play = start(vec![caught, undoable("b", "read", 2), step("c", "read", 3)]);
    play.ok("a", 1);
    assert_eq!(play.waiting(), ["b"], "what is caught undoes nothing of the run");
    play.ok("b", 2);
    play.err("c", ErrorKind::NotFound);
    assert_eq!(drain(&mut play), ["b/undo", "a/undo"]);
    assert_eq!(play.failure().0.kind, ErrorKind::NotFound);
    let mut play = start(vec![undoable("a", "read", 1), end(get(1))]);
    play.ok("a", 4);
    assert_eq!(play.value(), Value::Int(4));
}

#[test]
fn undos_of_items_see_their_own_bindings_and_have_their_own_keys() {
    let inner = vec![
        step_of("call", "read", 2, get(1)).undone_by(vec![step_of("call/undo", "keyed", 3, list([get(1), get(2)]))]),
        give(get(2)),
    ];
    let each = each("each", 5, 1, list((1..=3).map(int)), 2, ForOnError::Stop, inner);
    let mut play = start(vec![saga("s", 9, vec![each, fail("f", "Odd", "x")])]);
    play.ok("call[1]", 20);
    play.ok("call[0]", 10);
    play.ok("call[2]", 30);
    assert_eq!(play.waiting(), ["call/undo[2]"]);
    play.ok("call/undo[2]", 0);
    assert_eq!(drain(&mut play), ["call/undo[0]", "call/undo[1]"]);
    let undos: Vec<_> = play.asked.iter().rev().take(3).collect();
    assert_eq!(
        undos.iter().map(|call| call.args[0].clone()).collect::<Vec<_>>(),
        [ints([2, 20]), ints([1, 10]), ints([3, 30])]
    );
    assert!(undos[0].key != undos[1].key && undos[1].key != undos[2].key);
}

#[test]
fn a_cancelled_run_is_undone_before_it_ends_and_cancelled_once() {
    let inner = saga("s", 9, vec![undoable("b", "read", 2), step("c", "read", 3)]);
    let mut play = start(vec![undoable("a", "read", 1), inner]);
    play.ok("a", 1);
    play.ok("b", 2);
    assert!(play.cancel("no longer needed"));
    assert_eq!((play.outcome(), play.waiting()), (None, vec!["b/undo".to_owned()]));
    assert!(!play.cancel("again"), "it is settled how the run ends");
    play.apply(Event::Cancelled { reason: "anyway".into() });
    assert_eq!(drain(&mut play), ["b/undo", "a/undo"]);
    assert_eq!(play.outcome(), Some(&Outcome::Cancelled { reason: "no longer needed".into() }));
    assert!(!play.cancel("late"));
}

#[test]
fn a_cancel_while_a_saga_is_undone_repeats_nothing() {
    let inner = saga("s", 9, vec![undoable("b", "read", 2), undoable("c", "read", 3), step("d", "read", 4)]);
    let caught = attempt("t", 6, vec![inner], vec![(vec![], None, None, vec![])]);
    let mut play = start(vec![undoable("a", "read", 1), caught, step("after", "read", 5)]);
    play.ok("a", 1);
    play.ok("b", 2);
    play.ok("c", 3);
    play.err("d", ErrorKind::NotFound);
    assert_eq!(play.waiting(), ["c/undo"]);
    assert!(play.cancel("stop"));
    assert_eq!(play.waiting(), ["c/undo"], "the undo under way goes on");
    assert_eq!(drain(&mut play), ["c/undo", "b/undo", "a/undo"]);
    assert_eq!(play.outcome(), Some(&Outcome::Cancelled { reason: "stop".into() }));
    let mut asked = play.asked();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), play.asked.len(), "nothing is called twice");
}

#[test]
fn an_undo_is_retried_by_its_policy() {
    let undo = step("a/undo", "keyed", 5).retrying(retry(2, &[ErrorKind::Unavailable], 1000));
    let mut play = start(vec![step("a", "read", 1).undone_by(vec![undo]), fail("f", "Odd", "x")]);
    play.ok("a", 1);
    play.answer_with("a/undo", Err(failure(ErrorKind::Unavailable)), Reached::Answered, None, u32::MAX);
    assert_eq!(play.fire(), Millis(1000));
    play.ok("a/undo", 0);
    assert_eq!(play.failure().1, "f");
}

#[test]
fn an_undo_that_fails_ends_the_run_past_every_catch_after_the_others() {
    let inner = saga("s", 9, vec![undoable("b", "read", 2), undoable("c", "read", 3), step("d", "read", 4)]);
    let caught = attempt("t", 6, vec![inner], vec![(vec![], None, None, vec![])]);
    let mut play = start(vec![undoable("a", "read", 1), caught, end(int(1))]);
    play.ok("a", 1);
    play.ok("b", 2);
    play.ok("c", 3);
    play.err("d", ErrorKind::NotFound);
    play.err("c/undo", ErrorKind::Forbidden);
    assert_eq!(drain(&mut play), ["b/undo", "a/undo"]);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::NotFound, "d"));
    assert!(failure.message.contains("not all could be undone: `c/undo` failed with Forbidden"), "{}", failure.message);
    assert!(
        play.records()
            .iter()
            .any(|record| matches!(record, Record::UndoFailed { place, .. } if place.path == "c/undo"))
    );
}

#[test]
fn a_cancelled_run_whose_undo_fails_has_failed() {
    let mut play = start(vec![undoable("a", "read", 1), undoable("b", "read", 2), sleep("nap", seconds(60))]);
    play.ok("a", 1);
    play.ok("b", 2);
    play.cancel("stop");
    play.err("b/undo", ErrorKind::Forbidden);
    play.ok("a/undo", 0);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::Forbidden, "b/undo"));
    assert!(failure.message.starts_with("cancelled: stop; "), "{}", failure.message);
}

#[test]
fn a_step_under_way_that_may_have_taken_effect_is_brought_to_its_end() {
    let branches = || {
        let left = vec![undoable("a", "keyed", 1)];
        let right = vec![step("b", "read", 2)];
        parallel("p", ParallelOnError::Stop, vec![left, right])
    };
    let mut play = start(vec![branches()]);
    play.cancel("stop");
    assert_eq!((play.waiting(), play.aborted.len()), (vec!["a".to_owned()], 1));
    play.ok("a", 5);
    assert_eq!(play.waiting(), ["a/undo"], "it took effect, so it is undone");
    play.ok("a/undo", 0);
    assert_eq!(play.outcome(), Some(&Outcome::Cancelled { reason: "stop".into() }));
    let mut play = start(vec![branches()]);
    play.err("b", ErrorKind::NotFound);
    assert_eq!(play.waiting(), ["a"]);
    play.err("a", ErrorKind::Rejected);
    assert_eq!(play.failure().1, "b", "it did not take effect: nothing to undo");
    // A call that is not safe to repeat and has not left does not leave any more.
    let mut play = start(vec![undoable("a", "send", 1)]);
    play.cancel("stop");
    assert_eq!(play.outcome(), Some(&Outcome::Cancelled { reason: "stop".into() }));
}

#[test]
fn a_cancelled_run_waits_for_the_decision_about_what_it_may_have_to_undo() {
    let mut play = start(vec![undoable("a", "send", 1)]);
    play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    play.cancel("stop");
    let Status::Undecided { steps, .. } = play.machine.status() else { panic!("{:?}", play.machine.status()) };
    play.apply(Event::Resolved { place: steps[0].0.clone(), decision: Decision::Result(Value::Int(8)) });
    assert_eq!(drain(&mut play), ["a/undo"]);
    assert_eq!(play.asked.last().unwrap().args, [Value::Int(8)]);
    assert_eq!(play.outcome(), Some(&Outcome::Cancelled { reason: "stop".into() }));
}

#[test]
fn a_saga_in_a_branch_that_is_dropped_is_undone_before_the_failure_goes_on() {
    let left = vec![saga("s", 5, vec![undoable("a", "read", 1), step("b", "read", 2)])];
    let both = parallel("p", ParallelOnError::Stop, vec![left, vec![step("c", "read", 3)]]);
    let caught = attempt("t", 6, vec![both], vec![(vec![], None, None, vec![give(int(3))])]);
    let mut play = start(vec![caught, end(get(6))]);
    play.ok("a", 1);
    play.err("c", ErrorKind::NotFound);
    assert_eq!((play.outcome(), play.waiting()), (None, vec!["a/undo".to_owned()]));
    play.ok("a/undo", 0);
    assert_eq!(play.value(), Value::Int(3));
}

#[test]
fn a_return_keeps_what_stands_around_it_and_undoes_what_is_under_way_beside_it() {
    let left = vec![saga("s", 5, vec![undoable("a", "read", 1), step("b", "read", 2)])];
    let right = vec![saga("r", 6, vec![undoable("c", "read", 3), end(get(3))])];
    let both = parallel("p", ParallelOnError::Stop, vec![left, right, vec![undoable("d", "keyed", 7)]]);
    let mut play = start(vec![undoable("before", "read", 8), both]);
    play.ok("before", 0);
    play.ok("a", 1);
    play.ok("c", 5);
    assert!(!play.cancel("late"), "the run has returned");
    assert_eq!(drain(&mut play), ["a/undo"]);
    assert_eq!(play.value(), Value::Int(5));
}

#[test]
fn the_deadline_undoes_what_was_done() {
    let mut plan = plan(&[], vec![undoable("a", "read", 1), step("b", "read", 2)]);
    plan.triggers.push(crate::support::build::every(Some(Millis::seconds(10))));
    let mut play = Play::new(plan);
    let payload = Value::Null;
    play.apply(Event::Started(flow_runtime::machine::Start { trigger: Some(0), payload, ..Default::default() }));
    play.ok("a", 1);
    play.now = play.machine.deadline().unwrap();
    assert!(play.tell(Event::Expired));
    assert!(!play.tell(Event::Expired));
    assert_eq!(drain(&mut play), ["a/undo"]);
    assert_eq!(play.failure().0.kind, ErrorKind::Timeout);
}
