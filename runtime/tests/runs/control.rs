//! `first`, `race` and `repeat`; calls of other flows, events and approvals on the machine.

use flow_model::{expr::BinaryOp, failure::ErrorKind, units::Millis, value::Value};
use flow_runtime::{
    connector::Reached,
    machine::{Awaited, Decision, Event, Outcome, Place, Record, Status, Verdict},
};

use crate::support::{
    build::*,
    play::{Play, failure},
};

fn start(body: Vec<Stmt>) -> Play {
    Play::start(plan(&[], body), Value::Null)
}

fn place(path: &str) -> Place {
    Place { path: path.into(), indexes: vec![] }
}

fn routing(operation: &str) -> Play {
    let body = vec![step_of("charge", operation, 2, get(1)), give(get(2))];
    start(vec![first("first", 3, 1, list((1..=3).map(int)), body), end(get(3))])
}

#[test]
fn first_tries_in_order_until_one_succeeds() {
    let mut play = routing("read");
    assert_eq!(play.waiting(), ["charge[0]"]);
    play.err("charge[0]", ErrorKind::Rejected);
    assert_eq!(play.waiting(), ["charge[1]"]);
    play.ok("charge[1]", 20);
    assert_eq!(play.value(), Value::Int(20));
    assert!(play.asked[0].key != play.asked[1].key, "each candidate has its own key");
}

#[test]
fn first_fails_as_the_last_one_did() {
    let mut play = routing("read");
    play.err("charge[0]", ErrorKind::Rejected);
    play.err("charge[1]", ErrorKind::Conflict);
    play.err("charge[2]", ErrorKind::NotFound);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::NotFound, "charge[2]"));
    let nothing = start(vec![first("first", 3, 1, list([]), vec![])]);
    assert_eq!(nothing.failure().0.kind, ErrorKind::Invalid);
}

#[test]
fn first_stops_where_it_is_not_known_what_happened() {
    let mut play = routing("send");
    play.answer_with("charge[0]", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    assert!(matches!(play.machine.status(), Status::Undecided { .. }), "no one else is charged until that is decided");
    let body = vec![step_of("charge", "send", 2, get(1)), give(get(2))];
    let first = first("first", 3, 1, list((1..=3).map(int)), body);
    let arms = vec![(vec![ErrorKind::Interrupted], None, None, vec![give(int(9))])];
    let mut play = start(vec![attempt("t", 4, vec![first], arms), end(get(4))]);
    play.answer_with("charge[0]", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    assert_eq!((play.value(), play.asked.len()), (Value::Int(9), 1));
}

/// S3: the first processor's answer is lost for good; the second is not charged before that is resolved.
#[test]
fn s3_first_charges_nobody_else_while_a_keyed_charge_may_have_happened() {
    let lost = |play: &mut Play, path: &str, kind| {
        play.answer_with(path, Err(failure(kind)), Reached::Perhaps, None, 0);
    };
    let give_up = || {
        let charge = step_of("charge", "keyed", 2, get(1)).retrying(retry(1, &[ErrorKind::Timeout], 10));
        start(vec![first("first", 3, 1, list((1..=3).map(int)), vec![charge, give(get(2))]), end(get(3))])
    };
    let mut play = give_up();
    lost(&mut play, "charge[0]", ErrorKind::Timeout);
    play.fire();
    // The last attempt is refused: that tells nothing about the first one.
    play.err("charge[0]", ErrorKind::Unavailable);
    assert!(matches!(play.machine.status(), Status::Undecided { .. }));
    assert_eq!(play.asked(), ["charge[0]", "charge[0]"]);
    play.apply(Event::Resolved { place: play.asked[0].place.clone(), decision: Decision::Retry });
    assert_eq!(play.asked[2].key, play.asked[0].key, "it is asked again with the same key");
    play.err("charge[0]", ErrorKind::Rejected);
    play.ok("charge[1]", 20);
    assert_eq!(play.value(), Value::Int(20));

    let mut play = give_up();
    lost(&mut play, "charge[0]", ErrorKind::Timeout);
    play.fire();
    play.err("charge[0]", ErrorKind::Rejected);
    assert_eq!(play.waiting(), ["charge[1]"], "a refusal under the same key tells that nothing happened");

    let mut play = give_up();
    play.err("charge[0]", ErrorKind::Mismatch);
    assert!(matches!(play.machine.status(), Status::Undecided { .. }), "an answer that does not fit is of a success");
    let place = play.asked[0].place.clone();
    play.apply(Event::Resolved { place, decision: Decision::Fail(failure(ErrorKind::NotFound)) });
    assert_eq!(play.waiting(), ["charge[1]"]);
    play.err("charge[1]", ErrorKind::Rejected);
    lost(&mut play, "charge[2]", ErrorKind::Unavailable);
    assert_eq!(play.failure().0.kind, ErrorKind::Unavailable, "there is nobody left who could do the same");

    let mut play = routing("read");
    lost(&mut play, "charge[0]", ErrorKind::Mismatch);
    assert_eq!(play.waiting(), ["charge[1]"], "what only reads has done nothing");
}

fn race_of_two() -> Play {
    let left = vec![undoable("a", "read", 1), step("b", "read", 2), give(get(2))];
    let right = vec![undoable("c", "read", 3), step("d", "read", 4), give(get(4))];
    let race = race("race", 5, vec![left, right]);
    start(vec![race, step("after", "read", 6), end(get(5))])
}

#[test]
fn race_takes_the_first_value_and_undoes_the_losers_before_it_goes_on() {
    let mut play = race_of_two();
    play.ok("a", 1);
    play.ok("c", 3);
    play.ok("d", 40);
    assert_eq!(play.aborted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b"]);
    assert_eq!(play.waiting(), ["a/undo"]);
    play.ok("a/undo", 0);
    assert_eq!(play.waiting(), ["after"]);
    play.err("after", ErrorKind::NotFound);
    assert_eq!(play.waiting(), ["c/undo"], "what the winner did belongs to the run");
    play.ok("c/undo", 0);
    assert_eq!(play.failure().1, "after");
}

#[test]
fn race_goes_on_without_those_that_fail() {
    let mut play = race_of_two();
    play.ok("a", 1);
    play.err("b", ErrorKind::NotFound);
    play.ok("c", 3);
    play.ok("d", 40);
    play.ok("a/undo", 0);
    play.ok("after", 0);
    assert_eq!(play.value(), Value::Int(40));
    let mut play = race_of_two();
    play.ok("a", 1);
    play.err("b", ErrorKind::NotFound);
    play.err("c", ErrorKind::Conflict);
    play.ok("a/undo", 0);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::Conflict, "c"), "it fails as the last one did");
}

#[test]
fn a_loser_that_may_have_taken_effect_is_brought_to_its_end_and_undone() {
    let race = race("race", 5, vec![vec![undoable("a", "keyed", 1)], vec![sleep("nap", seconds(1))]]);
    let mut play = start(vec![race, end(int(1))]);
    play.fire();
    assert_eq!((play.outcome(), play.waiting()), (None, vec!["a".to_owned()]));
    play.ok("a", 1);
    play.ok("a/undo", 0);
    assert_eq!(play.value(), Value::Int(1));
}

#[test]
fn a_run_cancelled_in_a_race_undoes_every_branch_newest_first() {
    let mut play = race_of_two();
    play.ok("a", 1);
    play.ok("c", 3);
    play.cancel("stop");
    assert_eq!(play.waiting(), ["c/undo"]);
    play.ok("c/undo", 0);
    play.ok("a/undo", 0);
    assert!(matches!(play.outcome(), Some(Outcome::Cancelled { .. })));
}

fn polling(times: i64) -> Play {
    let until = op(get(1), BinaryOp::Greater, int(10));
    let body = vec![step("poll", "read", 1), give(op(get(1), BinaryOp::Add, int(1)))];
    start(vec![repeat("repeat", 2, seconds(10), times, until, body), end(get(2))])
}

#[test]
fn repeat_pauses_until_its_condition_holds() {
    let mut play = polling(3);
    play.ok("poll[0]", 1);
    assert_eq!((play.waiting(), play.fire()), (vec![], Millis::seconds(10)));
    play.ok("poll[1]", 11);
    assert_eq!(play.value(), Value::Int(12));
    assert_ne!(play.asked[0].key, play.asked[1].key);
}

#[test]
fn repeat_ends_with_a_timeout_when_its_condition_never_holds() {
    let mut play = polling(2);
    play.ok("poll[0]", 1);
    play.fire();
    play.ok("poll[1]", 2);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::Timeout, "repeat"));
    let mut play = polling(2);
    play.err("poll[0]", ErrorKind::NotFound);
    assert_eq!(play.failure().1, "poll[0]");
}

#[test]
fn a_run_cancelled_in_the_pause_of_a_repeat_ends() {
    let mut play = polling(3);
    play.ok("poll[0]", 1);
    assert!(play.cancel("stop"));
    assert_eq!((play.machine.timers(), play.outcome().is_some()), (vec![], true));
}

#[test]
fn an_event_is_awaited_by_its_content() {
    let filter = op(item("order"), BinaryOp::Equal, get(0));
    let body = vec![bind("n", 0, int(7)), wait("w", 1, "order.shipped", Some(filter), Some(seconds(60))), end(get(1))];
    let shipped = |order| Event::Received { place: place("w"), value: Value::record([("order", Value::Int(order))]) };
    let mut play = start(body.clone());
    let awaited = vec![(place("w"), Awaited::Event("order.shipped".into()))];
    let until = play.machine.timers().first().map(|(_, until)| *until);
    assert_eq!(play.machine.status(), Status::Awaiting { what: awaited, until });
    assert!(!play.tell(shipped(8)));
    assert!(play.tell(shipped(7)));
    assert_eq!(play.value(), Value::record([("order", Value::Int(7))]));
    assert!(!play.tell(shipped(7)));
    let mut play = start(body);
    assert_eq!(play.fire(), Millis::seconds(60));
    assert_eq!(play.value(), Value::Null, "none came in time");
}

#[test]
fn an_emitted_event_is_recorded() {
    let play = start(vec![emit("e", "order.shipped", int(1)), end(int(2))]);
    assert_eq!(play.value(), Value::Int(2));
    let emitted = Record::Emitted { place: place("e"), event: "order.shipped".into(), value: Value::Int(1) };
    assert!(play.records().contains(&&emitted));
}

#[test]
fn an_approval_is_given_or_refused_once_or_not_in_time() {
    let body = || vec![approve("ok", 1, "Refund 5 EUR?", Some(seconds(3600))), end(get(1))];
    let mut play = start(body());
    let decided = |verdict| Event::Decided { place: place("ok"), verdict, by: Some("ann".into()), note: None };
    assert!(play.tell(decided(Verdict::Refused)));
    assert!(!play.tell(decided(Verdict::Approved)), "one decision counts");
    let expected = Value::record([("approved", Value::Bool(false)), ("by", Value::text("ann")), ("note", Value::Null)]);
    assert_eq!(play.value(), expected);
    let mut play = start(body());
    play.fire();
    assert_eq!(play.value(), Value::Null);
}

#[test]
fn another_flow_is_called_and_its_outcome_is_that_of_the_call() {
    let child = plan(&["n"], vec![end(get(0))]);
    let arms = vec![(vec![ErrorKind::NotFound], None, None, vec![give(int(-1))])];
    let body = vec![attempt("t", 2, vec![call("c", 1, &child, vec![("n", int(5))]), give(get(1))], arms), end(get(2))];
    let returned = |outcome| Event::Returned { place: place("c"), outcome };
    let mut play = start(body.clone());
    let begun = play.begun[0].clone();
    assert_eq!((begun.digest, begun.params), (child.digest(), Value::record([("n", Value::Int(5))])));
    assert!(play.tell(returned(Outcome::Completed(Value::Int(6)))));
    assert!(!play.tell(returned(Outcome::Completed(Value::Int(7)))));
    assert_eq!(play.value(), Value::Int(6));
    let mut play = start(body.clone());
    assert_eq!(play.begun[0].run, begun.run, "the run's id follows from the caller and the place");
    play.tell(returned(Outcome::Failed { failure: failure(ErrorKind::NotFound), place: None }));
    assert_eq!(play.value(), Value::Int(-1));
    let mut play = start(body.clone());
    play.tell(returned(Outcome::Cancelled { reason: "by hand".into() }));
    assert_eq!(play.failure().0.kind, ErrorKind::Rejected);
    let mut play = start(body);
    play.cancel("stop");
    assert_eq!(play.cancelled, [begun.run]);
    assert!(matches!(play.outcome(), Some(Outcome::Cancelled { .. })));
}
