//! What each kind of node does, and what comes of failures.

use std::sync::Arc;

use flow_model::{
    expr::{BinaryOp, Expr, Pattern, Slot},
    failure::ErrorKind,
    mask::Mask,
    plan::{Backoff, ForOnError, NodeKind, ParallelOnError, Retry},
    schema::{KeySource, OperationCall},
    units::{Instant, Millis},
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    eval::Library,
    machine::{self, Cause, Decision, Event, Outcome, Place, Record, Repeat, Response, Said, Start, Status},
};

use crate::support::{
    build::*,
    play::{self, Play, failure, ints},
};

fn params(values: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Record(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[test]
fn a_chain_binds_and_returns() {
    let body = vec![
        step("first", "read", 1),
        bind("sum", 2, op(get(0), BinaryOp::Add, get(1))),
        step_of("second", "read", 3, get(2)),
        end(list([get(2), get(3)])),
    ];
    let mut play = Play::start(plan(&["n"], body), params([("n", Value::Int(10))]));
    assert_eq!(play.waiting(), ["first"]);
    play.ok("first", 5);
    assert_eq!(play.asked.last().unwrap().args, [Value::Int(15)]);
    play.ok("second", 7);
    assert_eq!(play.value(), ints([15, 7]));
}

#[test]
fn a_body_without_return_yields_its_last_value_or_null() {
    assert_eq!(Play::start(plan(&[], vec![give(int(3))]), Value::Null).value(), Value::Int(3));
    assert_eq!(Play::start(plan(&[], vec![]), Value::Null).value(), Value::Null);
}

#[test]
fn branches_choose_and_bind_their_value() {
    let body = |condition: bool| {
        let inner =
            when("if", 1, Expr::Literal(Value::Bool(condition)), vec![step("a", "read", 2), give(get(2))], vec![]);
        plan(&[], vec![inner, end(get(1))])
    };
    let mut play = Play::start(body(true), Value::Null);
    play.ok("a", 4);
    assert_eq!(play.value(), Value::Int(4));
    assert_eq!(Play::start(body(false), Value::Null).value(), Value::Null);
    let arms = vec![
        (Pattern::Literal(Value::Int(1)), None, vec![give(text("one"))]),
        (Pattern::Bind(flow_model::expr::Slot(2)), Some(op(get(2), BinaryOp::Less, int(0))), vec![give(text("minus"))]),
        (Pattern::Any, None, vec![]),
    ];
    let plan = plan(&["n"], vec![choose("match", 1, get(0), arms), end(get(1))]);
    let run = |n| Play::start(plan.clone(), params([("n", Value::Int(n))])).value();
    assert_eq!((run(1), run(-5), run(5)), (Value::text("one"), Value::text("minus"), Value::Null));
}

#[test]
fn parallel_joins_and_its_bindings_are_visible_after_it() {
    let both =
        parallel("p", ParallelOnError::Stop, vec![vec![step("a", "read", 1)], vec![step("b", "read", 2)], vec![]]);
    let mut play = Play::start(plan(&[], vec![both, end(list([get(1), get(2)]))]), Value::Null);
    assert_eq!(play.waiting(), ["a", "b"]);
    play.ok("b", 2);
    assert_eq!(play.outcome(), None);
    play.ok("a", 1);
    assert_eq!(play.value(), ints([1, 2]));
}

fn two(on_error: ParallelOnError) -> Play {
    let both =
        parallel("p", on_error, vec![vec![step("a", "read", 1)], vec![step("b", "read", 2), step("c", "read", 3)]]);
    Play::start(plan(&[], vec![both, end(int(0))]), Value::Null)
}

#[test]
fn parallel_stops_the_others_when_one_fails() {
    let mut play = two(ParallelOnError::Stop);
    play.err("a", ErrorKind::NotFound);
    assert_eq!(play.aborted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b"]);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::NotFound, "a"));
}

#[test]
fn parallel_can_wait_for_the_others() {
    let mut play = two(ParallelOnError::Wait);
    play.err("a", ErrorKind::NotFound);
    assert_eq!(play.waiting(), ["b"]);
    play.ok("b", 1);
    play.err("c", ErrorKind::Conflict);
    assert_eq!(play.failure().0.kind, ErrorKind::NotFound, "the first failure in the order of the journal");
}

fn loop_over(on_error: ForOnError, concurrency: i64) -> Play {
    let body = vec![step_of("call", "read", 2, get(1)), give(get(2))];
    let items = list((1..=4).map(int));
    let each = each("each", 3, 1, items, concurrency, on_error, body);
    Play::start(plan(&[], vec![each, end(get(3))]), Value::Null)
}

#[test]
fn a_loop_keeps_its_concurrency_and_the_order_of_its_results() {
    let mut play = loop_over(ForOnError::Stop, 2);
    assert_eq!(play.waiting(), ["call[0]", "call[1]"]);
    play.ok("call[1]", 20);
    assert_eq!(play.waiting(), ["call[0]", "call[2]"]);
    play.ok("call[2]", 30);
    play.ok("call[3]", 40);
    play.ok("call[0]", 10);
    assert_eq!(play.value(), ints([10, 20, 30, 40]));
}

#[test]
fn a_loop_stops_collects_or_skips() {
    let mut play = loop_over(ForOnError::Stop, 4);
    play.err("call[2]", ErrorKind::NotFound);
    assert_eq!((play.failure().1.as_str(), play.aborted.len()), ("call[2]", 3));

    let mut play = loop_over(ForOnError::Collect, 1);
    play.ok("call[0]", 10);
    play.err("call[1]", ErrorKind::NotFound);
    play.err("call[2]", ErrorKind::Conflict);
    play.ok("call[3]", 40);
    let error = |kind| failure(kind).to_value();
    let item = |item, kind| Value::record([("item", Value::Int(item)), ("error", error(kind))]);
    let failed = Value::List(vec![item(2, ErrorKind::NotFound), item(3, ErrorKind::Conflict)]);
    assert_eq!(play.value(), Value::record([("ok", ints([10, 40])), ("failed", failed)]));

    let mut play = loop_over(ForOnError::Skip, 4);
    for (index, value) in [(3, 40), (1, 20), (0, 10)] {
        play.ok(&format!("call[{index}]"), value);
    }
    play.err("call[2]", ErrorKind::NotFound);
    assert_eq!(play.value(), ints([10, 20, 40]));
    let skipped = play.records().into_iter().filter(|record| matches!(record, Record::PassedOver { .. })).count();
    assert_eq!(skipped, 1);
}

#[test]
fn loops_over_nothing_and_of_pure_work() {
    let each_of = |items, body| plan(&[], vec![each("each", 3, 1, items, 2, ForOnError::Stop, body), end(get(3))]);
    assert_eq!(Play::start(each_of(list([]), vec![step("a", "read", 2)]), Value::Null).value(), ints([]));
    let doubled = vec![give(op(get(1), BinaryOp::Multiply, int(2)))];
    let many = list((0..5000).map(int));
    assert_eq!(Play::start(each_of(many, doubled), Value::Null).value(), ints((0..5000).map(|n| n * 2)));
    let play = Play::start(each_of(Expr::Literal(Value::Null), vec![]), Value::Null);
    assert_eq!(play.failure().0.message, "`each`: `for` takes a list, not null");
}

#[test]
fn nested_loops_have_an_index_for_each() {
    let inner =
        each("inner", 4, 2, list([int(1), int(2)]), 2, ForOnError::Stop, vec![step("x", "read", 5), give(get(5))]);
    let outer = each("outer", 3, 1, list([int(1), int(2)]), 2, ForOnError::Stop, vec![inner, give(get(4))]);
    let mut play = Play::start(plan(&[], vec![outer, end(get(3))]), Value::Null);
    assert_eq!(play.waiting(), ["x[0][0]", "x[0][1]", "x[1][0]", "x[1][1]"]);
    let keys: std::collections::BTreeSet<_> = play.asked.iter().map(|call| call.key.clone()).collect();
    assert_eq!(keys.len(), 4, "each has a key of its own");
    for (place, value) in [("x[1][1]", 4), ("x[0][0]", 1), ("x[1][0]", 3), ("x[0][1]", 2)] {
        play.ok(place, value);
    }
    assert_eq!(play.value(), Value::List(vec![ints([1, 2]), ints([3, 4])]));
}

#[test]
fn catch_takes_the_first_arm_that_fits() {
    let arms = || -> Vec<Arm> {
        vec![
            (vec![ErrorKind::NotFound], None, None, vec![give(text("gone"))]),
            (
                vec![ErrorKind::Conflict],
                Some(5),
                Some(op(member(get(5), "message"), BinaryOp::Equal, text("other"))),
                vec![give(text("guard"))],
            ),
            (vec![], Some(6), None, vec![give(member(get(6), "kind"))]),
        ]
    };
    let run = |kind| {
        let body = vec![attempt("try", 1, vec![step("a", "read", 2), give(get(2))], arms()), end(get(1))];
        let mut play = Play::start(plan(&[], body), Value::Null);
        play.err("a", kind);
        play.value()
    };
    assert_eq!(run(ErrorKind::NotFound), Value::text("gone"));
    assert_eq!(run(ErrorKind::Conflict), Value::text("Conflict"));
    assert_eq!(run(ErrorKind::Declared("Odd".into())), Value::text("Odd"));
}

#[test]
fn a_failure_that_no_arm_takes_goes_on_outwards() {
    let inner = attempt("inner", 1, vec![step("a", "read", 2)], vec![(vec![ErrorKind::NotFound], None, None, vec![])]);
    let outer = attempt("outer", 3, vec![inner], vec![(vec![], Some(4), None, vec![give(member(get(4), "kind"))])]);
    let mut play = Play::start(plan(&[], vec![outer, end(get(3))]), Value::Null);
    play.err("a", ErrorKind::Conflict);
    assert_eq!(play.value(), Value::text("Conflict"));
}

#[test]
fn a_failure_in_a_handler_is_not_caught_by_its_own_try() {
    let arms = vec![(vec![], None, None, vec![fail("again", "Again", "from the handler")])];
    let body = vec![attempt("try", 1, vec![step("a", "read", 2)], arms)];
    let mut play = Play::start(plan(&[], body), Value::Null);
    play.err("a", ErrorKind::NotFound);
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::Declared("Again".into()), "again"));
    assert_eq!(failure.message, "from the handler");
    assert_eq!(failure.fields["reason"], Value::text("from the handler"));
}

#[test]
fn a_try_around_parallel_drops_the_other_branches() {
    let both = parallel("p", ParallelOnError::Stop, vec![vec![step("a", "read", 2)], vec![sleep("nap", seconds(60))]]);
    let body = vec![attempt("try", 1, vec![both], vec![(vec![], None, None, vec![give(int(9))])]), end(get(1))];
    let mut play = Play::start(plan(&[], body), Value::Null);
    play.err("a", ErrorKind::NotFound);
    assert_eq!((play.value(), play.machine.timers()), (Value::Int(9), vec![]));
}

#[test]
fn optional_turns_a_failure_into_null_and_says_so() {
    let body = vec![optional("o", 1, vec![step("a", "send", 2), give(get(2))]), end(list([get(1)]))];
    let mut play = Play::start(plan(&[], body), Value::Null);
    play.err("a", ErrorKind::Forbidden);
    assert_eq!(play.value(), Value::List(vec![Value::Null]));
    assert!(play.records().iter().any(|record| matches!(record, Record::PassedOver { .. })));
}

#[test]
fn return_within_branches_ends_the_run() {
    let body = vec![each(
        "each",
        2,
        1,
        list((0..3).map(int)),
        3,
        ForOnError::Collect,
        vec![step("a", "read", 3), end(get(3))],
    )];
    let mut play = Play::start(plan(&[], body), Value::Null);
    play.ok("a[1]", 7);
    assert_eq!((play.value(), play.aborted.len()), (Value::Int(7), 2));
    assert_eq!(play.machine.status(), Status::Ended);
}

#[test]
fn faults_of_expressions_fail_with_the_node_in_the_message() {
    let body = vec![bind("ratio", 1, op(int(1), BinaryOp::Divide, int(0)))];
    let (failure, place) = Play::start(plan(&[], body), Value::Null).failure();
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Invalid, "`ratio`: division by zero"));
    assert_eq!(place, "ratio");
    let broken = || op(int(i64::MAX), BinaryOp::Add, int(1));
    let caught = attempt(
        "try",
        1,
        vec![step_of("a", "read", 2, broken())],
        vec![(vec![ErrorKind::Invalid], None, None, vec![])],
    );
    let play = Play::start(plan(&[], vec![caught, end(int(1))]), Value::Null);
    assert_eq!((play.value(), play.asked.len()), (Value::Int(1), 0));
}

#[test]
fn sleep_waits_for_a_duration_or_until_a_time() {
    let until = Expr::Literal(Value::Timestamp("1970-01-01T00:16:50.000000001Z".parse().unwrap()));
    let body = vec![sleep("nap", seconds(5)), sleep("until", until), sleep("past", seconds(0)), end(int(1))];
    let mut play = Play::start(plan(&[], body), Value::Null);
    assert!(matches!(play.machine.status(), Status::Waiting(at) if at.0 == 1_005_000));
    play.apply(Event::Fired { place: play.machine.timers()[0].0.clone() });
    assert_eq!(play.outcome(), None, "nothing wakes early");
    assert_eq!(play.fire(), Millis::seconds(5));
    assert_eq!(play.fire(), Millis(5001), "a fraction of a millisecond is waited for");
    assert_eq!(play.value(), Value::Int(1));
}

#[test]
fn an_answer_of_null_has_no_body_and_its_run_goes_on_from_its_journal() {
    let plan = plan(&[], vec![respond(200, Expr::Literal(Value::Null)), step("a", "read", 1), end(get(1))]);
    let play = Play::start(plan.clone(), Value::Null);
    let answer = Record::Responded(Response { status: 200, body: None });
    assert_eq!(play.records()[0], &answer);
    let json = serde_json::to_string(&play.said).unwrap();
    let said: Vec<(Instant, Said)> = serde_json::from_str(&json).unwrap();
    let entries = said.iter().map(|(at, said)| (*at, said));
    let replayed = machine::replay(play::RUN, Arc::new(plan), Library::default(), entries).unwrap();
    assert_eq!(replayed.calls(), play.machine.calls());
}

/// A dead letter has what the innermost `catch` around it has caught, also from within a branch and after another `try`.
#[test]
fn a_dead_letter_has_the_cause_that_led_to_it() {
    let inner = attempt(
        "inner",
        3,
        vec![step("b", "send", 4), give(get(4))],
        vec![(vec![], None, None, vec![dead_letter("second", int(2)), give(int(0))])],
    );
    let branch = vec![dead_letter("first", int(1))];
    let arm = vec![
        parallel("p", ParallelOnError::Wait, vec![branch, vec![]]),
        inner,
        dead_letter("third", int(3)),
        give(int(0)),
    ];
    let body = vec![
        attempt("t", 1, vec![step("a", "send", 2), give(get(2))], vec![(vec![], None, None, arm)]),
        dead_letter("none", int(4)),
        end(get(1)),
    ];
    let letters = |version| {
        let mut play = Play::new(plan(&[], body.clone()));
        play.apply(Event::Started(Start { version, ..Start::default() }));
        play.err("a", ErrorKind::Rejected);
        play.err("b", ErrorKind::Forbidden);
        assert_eq!(play.value(), Value::Int(0));
        let records = play.records().into_iter().filter_map(|record| match record {
            Record::DeadLettered { queue, cause, .. } => Some((queue.clone(), cause.clone())),
            _ => None,
        });
        records.collect::<Vec<_>>()
    };
    let cause = |kind, path: &str| {
        let (failure, connection) = (failure(kind), Some("world".into()));
        Some(Cause { failure, place: Place { path: path.into(), indexes: vec![] }, connection })
    };
    let of = |queue: &str, cause| (queue.to_owned(), cause);
    let all = [
        of("first", cause(ErrorKind::Rejected, "a")),
        of("second", cause(ErrorKind::Forbidden, "b")),
        of("third", cause(ErrorKind::Rejected, "a")),
        of("none", None),
    ];
    assert_eq!(letters(machine::VERSION), all);
    // A run goes on by the rules that it began with.
    assert_eq!(letters(2), all.map(|(queue, _)| (queue, None)));
}

#[test]
fn a_reason_that_is_personal_is_in_no_message() {
    let reason = Mask { fields: [("reason".to_owned(), Mask::all())].into(), ..Mask::default() };
    let ended = |version, personal: &[(&str, Mask)]| {
        let mut plan = plan(&[], vec![undoable("a", "keyed", 1), fail("f", "Odd", "about jenny")]);
        plan.personal = personal.iter().map(|(path, mask)| ((*path).to_owned(), mask.clone())).collect();
        let mut play = Play::new(plan);
        play.apply(Event::Started(Start { version, ..Start::default() }));
        play.ok("a", 1);
        let undoes = play.records().into_iter().find_map(|record| match record {
            Record::Undoing { because, .. } => Some(because.clone()),
            _ => None,
        });
        undoes.unwrap()
    };
    let (told, hidden) = ("Odd: about jenny", "Odd: the flow says `fail Odd`");
    assert_eq!(ended(machine::VERSION, &[("f", reason.clone())]), hidden);
    assert_eq!(ended(machine::VERSION, &[("a", reason.clone())]), told);
    // A run goes on by the rules that it began with.
    assert_eq!(ended(4, &[("f", reason)]), told);
}

#[test]
fn respond_log_and_dead_letters_are_recorded_once_each() {
    let body = vec![log(text("hello")), dead_letter("lost", int(5)), respond(201, int(1)), end(int(0))];
    let play = Play::start(plan(&[], body), Value::Null);
    let records = play.records();
    assert!(matches!(records[0], Record::Logged { text, .. } if text == "hello"));
    assert!(matches!(records[1], Record::DeadLettered { queue, value: Value::Int(5), .. } if queue == "lost"));
    assert_eq!(records[2], &Record::Responded(Response { status: 201, body: Some(Value::Int(1)) }));
    let twice = Play::start(plan(&[], vec![respond(200, int(1)), respond(200, int(2))]), Value::Null);
    assert!(twice.failure().0.message.contains("answered before"));
    let odd = Play::start(plan(&[], vec![respond(1000, int(1))]), Value::Null);
    assert!(odd.failure().0.message.contains("from 200 to 599"));
}

#[test]
fn retries_wait_with_jitter_and_never_less_than_the_server_asks() {
    let policy = Retry {
        on: vec![ErrorKind::Unavailable, ErrorKind::RateLimited],
        times: 3,
        backoff: Backoff::Exponential { first: Millis(1000), most: Millis(3000) },
        budget: None,
    };
    let body = vec![step("a", "read", 1).retrying(policy), end(get(1))];
    let mut play = Play::start(plan(&[], body), Value::Null);
    let again = |play: &mut Play, retry_after: Option<u64>, draw| {
        let failure = Err(failure(ErrorKind::Unavailable));
        play.answer_with("a", failure, Reached::Answered, retry_after.map(Millis), draw);
    };
    again(&mut play, None, u32::MAX);
    assert_eq!(play.fire(), Millis(1000));
    again(&mut play, Some(1500), u32::MAX / 2);
    assert_eq!(play.fire(), Millis(1500), "the server asks for more than half of 2s");
    again(&mut play, Some(86_400_000), 0);
    assert_eq!(play.fire(), Millis::seconds(86_400));
    again(&mut play, None, 0);
    assert_eq!(play.failure().0.kind, ErrorKind::Unavailable);
    assert_eq!(play.asked.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(play.asked.iter().all(|call| call.key == play.asked[0].key), "all attempts have one key");
}

#[test]
fn a_server_that_wants_no_call_for_longer_than_a_day_gets_none() {
    for asked in [86_400_001, 315_360_000_000, u64::MAX] {
        let policy = retry(3, &[ErrorKind::RateLimited], 1000);
        let mut play = Play::start(plan(&[], vec![step("a", "read", 1).retrying(policy)]), Value::Null);
        play.answer_with("a", Err(failure(ErrorKind::RateLimited)), Reached::Answered, Some(Millis(asked)), 0);
        let failure = play.failure().0;
        assert_eq!((failure.kind, play.asked.len()), (ErrorKind::RateLimited, 1));
        assert!(failure.message.contains("none waits longer than 1d"), "{}", failure.message);
    }
}

#[test]
fn only_the_kinds_of_the_policy_are_retried_and_within_the_budget() {
    let mut play = Play::start(plan(&[], vec![step("a", "read", 1)]), Value::Null);
    play.err("a", ErrorKind::Invalid);
    assert_eq!(play.asked.len(), 1);
    let budget = Retry { budget: Some(Millis(2500)), ..retry(9, &[ErrorKind::Timeout], 1000) };
    let mut play = Play::start(plan(&[], vec![step("a", "read", 1).retrying(budget)]), Value::Null);
    for _ in 0..2 {
        play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, u32::MAX);
        play.fire();
    }
    play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, u32::MAX);
    assert_eq!((play.failure().0.kind, play.asked.len()), (ErrorKind::Timeout, 3));
}

#[test]
fn the_key_is_the_authors_or_one_of_run_and_place() {
    let body = vec![
        step("a", "keyed", 1),
        step("b", "keyed", 2).keyed(text("mine")),
        step("c", "keyed", 3).keyed(Expr::Literal(Value::Null)),
    ];
    let mut play = Play::start(plan(&[], body), Value::Null);
    assert_eq!(play.asked[0].key, play.asked[0].place.key(crate::support::play::RUN));
    assert_eq!(play.asked[0].key.len(), 64);
    play.ok("a", 1);
    assert_eq!(play.asked[1].key, "mine");
    play.ok("b", 1);
    assert_eq!(play.failure().0.message, "`c`: the idempotency key is null");
}

#[test]
fn a_call_that_is_not_safe_to_repeat_is_repeated_only_when_it_never_left() {
    let all = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::RateLimited];
    let start = || {
        let body = vec![step("a", "send", 1).retrying(retry(5, &all, 10)), end(get(1))];
        Play::start(plan(&[], body), Value::Null)
    };
    let mut play = start();
    play.answer_with("a", Err(failure(ErrorKind::Unavailable)), Reached::Never, None, 0);
    play.fire();
    play.answer_with("a", Err(failure(ErrorKind::RateLimited)), Reached::Answered, None, 0);
    assert_eq!((play.failure().0.kind, play.asked.len()), (ErrorKind::RateLimited, 2));
    let mut play = start();
    play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    assert!(matches!(play.machine.status(), Status::Undecided { steps, until: None } if steps.len() == 1));
    assert_eq!(play.asked.len(), 1);
}

#[test]
fn a_call_that_never_left_is_tried_again_without_a_policy_and_never_once_it_may_have_left() {
    let never = |kind| (Err(failure(kind)), Reached::Never);
    let begin = |version| {
        let mut play = Play::new(plan(&[], vec![step("a", "send", 1), end(get(1))]));
        play.apply(Event::Started(Start { version, ..Start::default() }));
        play
    };
    let tell = |play: &mut Play, (outcome, reached)| {
        play.answer_with("a", outcome, reached, None, 0);
        let waits = matches!(play.machine.status(), Status::Waiting(_));
        if waits {
            play.fire();
        }
        waits
    };
    let mut play = begin(machine::VERSION);
    assert!((0..4).all(|_| tell(&mut play, never(ErrorKind::Unavailable))), "as often as one that is safe to repeat");
    let mut spent = begin(machine::VERSION);
    assert_eq!((0..9).take_while(|_| tell(&mut spent, never(ErrorKind::Unavailable))).count(), 4);
    assert_eq!(spent.failure().0.kind, ErrorKind::Unavailable);
    play.ok("a", 3);
    assert_eq!((play.value(), play.asked.len()), (Value::Int(3), 5));
    let mut wrong = begin(machine::VERSION);
    assert!(!tell(&mut wrong, never(ErrorKind::Forbidden)), "what does not pass is not tried again");
    let mut lost = begin(machine::VERSION);
    assert!(tell(&mut lost, never(ErrorKind::Timeout)));
    assert!(!tell(&mut lost, (Err(failure(ErrorKind::Timeout)), Reached::Perhaps)));
    assert!(matches!(lost.machine.status(), Status::Undecided { .. }), "what it did is not known");
    let mut refused = begin(machine::VERSION);
    assert!(!tell(&mut refused, (Err(failure(ErrorKind::Unavailable)), Reached::Answered)));
    assert_eq!(refused.failure().0.kind, ErrorKind::Unavailable);
    let none = plan(&[], vec![step("a", "send", 1).retrying(Retry::none()), end(get(1))]);
    assert!(!tell(&mut Play::start(none, Value::Null), never(ErrorKind::Unavailable)), "`retry: none` says so");
    // A run goes on by the rules that it began with.
    assert!(!tell(&mut begin(1), never(ErrorKind::Unavailable)));
}

#[test]
fn an_unknown_outcome_fails_the_step_when_the_program_deals_with_that() {
    let arms = || vec![(vec![ErrorKind::Interrupted], None, None, vec![give(text("dealt with"))])];
    let body = vec![attempt("try", 1, vec![step("a", "send", 2)], arms()), end(get(1))];
    let mut play = Play::start(plan(&[], body), Value::Null);
    let place = play.asked[0].place.clone();
    play.apply(Event::Began { place: place.clone(), attempt: 1 });
    play.apply(Event::Lost { place, attempt: 1 });
    assert_eq!(play.value(), Value::text("dealt with"));
    let each = each("each", 2, 1, list([int(1)]), 1, ForOnError::Skip, vec![step("a", "send", 3)]);
    let mut play = Play::start(plan(&[], vec![each, end(get(2))]), Value::Null);
    play.answer_with("a[0]", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    assert_eq!(play.value(), ints([]));
}

fn undecided() -> Play {
    let both = parallel("p", ParallelOnError::Stop, vec![vec![step("a", "send", 1)], vec![step("b", "read", 2)]]);
    let mut play = Play::start(plan(&[], vec![both, end(list([get(1), get(2)]))]), Value::Null);
    play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    play
}

#[test]
fn an_unknown_outcome_waits_for_a_decision_while_the_rest_goes_on() {
    let mut play = undecided();
    assert_eq!((play.machine.status(), play.waiting()), (Status::Running, vec!["b".to_owned()]));
    play.ok("b", 2);
    let Status::Undecided { steps, .. } = play.machine.status() else { panic!("{:?}", play.machine.status()) };
    let place = steps[0].0.clone();
    assert_eq!(steps[0].1.kind, ErrorKind::Interrupted);
    play.apply(Event::Resolved { place, decision: Decision::Result(Value::Int(1)) });
    assert_eq!(play.value(), ints([1, 2]));
}

#[test]
fn a_decision_can_repeat_or_fail_the_step() {
    let mut play = undecided();
    let place = play.asked[0].place.clone();
    play.apply(Event::Resolved { place, decision: Decision::Retry });
    assert_eq!(play.asked.last().unwrap().attempt, 2);
    play.ok("a", 5);
    play.ok("b", 6);
    assert_eq!(play.value(), ints([5, 6]));
    let mut play = undecided();
    let place = play.asked[0].place.clone();
    play.apply(Event::Resolved { place: place.clone(), decision: Decision::Fail(failure(ErrorKind::Rejected)) });
    assert_eq!(play.failure().0.kind, ErrorKind::Rejected);
    play.apply(Event::Resolved { place, decision: Decision::Retry });
    assert_eq!(play.asked.len(), 2, "what is decided stays so");
}

#[test]
fn cancel_has_one_winner() {
    let mut play = two(ParallelOnError::Stop);
    let late = play.asked[0].clone();
    play.apply(Event::Cancelled { reason: "no longer needed".into() });
    assert_eq!(play.outcome(), Some(&Outcome::Cancelled { reason: "no longer needed".into() }));
    assert_eq!(play.aborted.len(), 2);
    let said = play.said.len();
    play.apply(Event::Cancelled { reason: "again".into() });
    let (place, attempt) = (late.place, late.attempt);
    let outcome = Ok(Value::Int(1));
    let (reached, retry_after, draw, probe) = (Reached::Answered, None, 0, false);
    play.apply(Event::Attempted { place, attempt, outcome, reached, retry_after, draw, probe });
    assert_eq!(play.said.len(), said + 2, "late events lead to nothing");
    assert_eq!(play.outcome(), Some(&Outcome::Cancelled { reason: "no longer needed".into() }));
}

#[test]
fn the_deadline_ends_the_run() {
    let mut plan = plan(&[], vec![step("a", "read", 1)]);
    plan.triggers.push(flow_model::plan::Trigger {
        kind: flow_model::plan::TriggerKind::Every(Millis::seconds(60)),
        bind: None,
        payload: flow_model::ty::Type::Json,
        dedupe: None,
        concurrency: None,
        at_most: None,
        within: Some(Millis::seconds(10)),
        gather: None,
    });
    let mut play = Play::new(plan);
    let payload = Value::Null;
    play.apply(Event::Started(Start { trigger: Some(0), payload, ..Start::default() }));
    let deadline = play.machine.deadline().unwrap();
    assert_eq!(deadline.since(play.now), Millis::seconds(10));
    play.apply(Event::Expired);
    assert_eq!(play.outcome(), None, "it has not passed yet");
    play.now = deadline;
    play.apply(Event::Expired);
    assert_eq!(play.failure().0.kind, ErrorKind::Timeout);
}

#[test]
fn a_run_sees_the_environment_that_it_began_with() {
    let body = vec![bind("region", 1, Expr::Env("REGION".into(), None)), end(get(1))];
    let mut play = Play::new(plan(&[], body));
    let env = [("REGION".to_owned(), "eu".to_owned())].into();
    play.apply(Event::Started(Start { env, ..Start::default() }));
    assert_eq!(play.value(), Value::text("eu"));
}

#[test]
fn what_a_run_has_seen_is_in_its_journal_and_seen_again() {
    use flow_model::expr::Ambient;
    let seen = |which| Expr::Ambient(which);
    let body = vec![
        bind("code", 1, seen(Ambient::Uuid)),
        bind("roll", 2, seen(Ambient::Random)),
        sleep("nap", seconds(5)),
        bind("at", 3, seen(Ambient::Now)),
        end(Expr::List([1, 2, 3].map(|slot| flow_model::expr::ListPart::Item(get(slot))).into())),
    ];
    let mut play = Play::new(plan(&[], body));
    let start = |seed: &str| Start { seed: Some(seed.to_owned()), ..Start::default() };
    play.apply(Event::Started(start("5eed")));
    play.fire();
    let observed = play.records().into_iter().filter_map(|record| match record {
        Record::Observed { place, value } => Some((place.to_string(), value.clone())),
        _ => None,
    });
    let observed: Vec<_> = observed.collect();
    assert_eq!(observed.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(), ["code", "roll", "at"]);
    assert_eq!(play.value(), Value::List(observed.iter().map(|(_, value)| value.clone()).collect()));
    assert_eq!(observed[2].1, Value::Timestamp(play.now.timestamp()));
    let said = play.said.iter().map(|(at, said)| (*at, said));
    let again =
        flow_runtime::machine::replay(play::RUN, std::sync::Arc::clone(play.machine.plan()), Default::default(), said)
            .unwrap();
    assert_eq!(again.outcome(), play.outcome());
}

/// A step that calls `send`, whose connector finds with `read` what an earlier call did.
fn found_again() -> Play {
    let mut plan = plan(&[], vec![step("a", "send", 1), end(get(1))]);
    let connector = std::sync::Arc::make_mut(plan.connectors.get_mut("world").unwrap());
    let call = OperationCall { operation: "read".into(), args: vec![Expr::Slot(Slot(0))] };
    let send = connector.operations.get_mut("send").unwrap();
    send.key = Some(KeySource::Lookup(call));
    send.visible_after = Some(Millis(2000));
    for node in plan.graph.node_weights_mut() {
        if let NodeKind::Step(step) = &mut node.kind {
            step.policy.retry = Some(Retry::standard());
        }
    }
    Play::start(plan, Value::Null)
}

fn last(play: &Play) -> (&str, Repeat) {
    play.asked.last().map(|call| (call.operation.as_str(), call.repeat)).unwrap()
}

#[test]
fn a_lookup_decides_after_a_lost_answer_and_its_find_is_the_result() {
    let mut play = found_again();
    assert_eq!(last(&play), ("send", Repeat::Unsafe));
    play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    assert_eq!(play.fire(), Millis(2000), "reads see it only then");
    assert_eq!((last(&play), play.asked[0].args == play.asked[1].args), (("read", Repeat::Safe), true));
    play.ok("a", 7);
    assert_eq!((play.value(), play.asked.len()), (Value::Int(7), 2));
}

/// A 502 may come from whoever stands before the system that has done what it was asked for.
#[test]
fn a_lookup_after_a_failure_that_was_answered_waits_until_reads_see_what_was_done() {
    let mut play = found_again();
    play.answer_with("a", Err(failure(ErrorKind::Unavailable)), Reached::Answered, None, 0);
    assert!(play.fire() >= Millis(2000));
    assert_eq!(last(&play), ("read", Repeat::Safe));
    play.ok("a", 7);
    assert_eq!(play.value(), Value::Int(7));
}

#[test]
fn a_lookup_that_finds_nothing_lets_the_call_be_made_again() {
    for nothing in [Ok(Value::Null), Err(failure(ErrorKind::NotFound))] {
        let mut play = found_again();
        let place = play.asked[0].place.clone();
        play.apply(Event::Began { place: place.clone(), attempt: 1 });
        play.apply(Event::Lost { place, attempt: 1 });
        play.fire();
        play.answer("a", Err(failure(ErrorKind::Unavailable)));
        play.fire();
        assert_eq!(last(&play), ("read", Repeat::Safe), "looking is tried again");
        play.answer("a", nothing);
        assert_eq!(last(&play), ("send", Repeat::Unsafe));
        play.ok("a", 8);
        assert_eq!(play.value(), Value::Int(8));
    }
}

#[test]
fn a_call_that_may_never_be_looked_for_waits_for_a_decision() {
    let mut play = found_again();
    play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
    play.fire();
    play.err("a", ErrorKind::Forbidden);
    assert!(matches!(play.machine.status(), Status::Undecided { .. }));
}

#[test]
fn a_held_attempt_waits_without_being_counted_and_asks_again() {
    let mut play = Play::start(plan(&[], vec![step("a", "send", 1), end(get(1))]), Value::Null);
    let place = play.asked[0].place.clone();
    let until = play.now.after(Millis::seconds(90));
    assert!(play.tell(Event::Held { place, attempt: 1, until, because: "the limit is used up".into() }));
    assert_eq!(play.machine.status(), Status::Waiting(until));
    assert_eq!(play.machine.held().map(|(_, because)| because).collect::<Vec<_>>(), ["the limit is used up"]);
    assert_eq!(play.fire(), Millis::seconds(90));
    assert_eq!(play.asked.last().map(|call| call.attempt), Some(1));
    play.ok("a", 3);
    assert_eq!(play.value(), Value::Int(3));
}

#[test]
fn an_attempt_that_is_held_on_leaves_nothing_in_the_history() {
    let plan = Arc::new(plan(&[], vec![step("a", "send", 1), end(get(1))]));
    let mut play = Play::of(Arc::clone(&plan));
    play.apply(Event::Started(Start::default()));
    let place = play.asked[0].place.clone();
    assert!(!play.machine.hold_on(&place, 1, play.now, "it is not held"));
    let until = play.now.after(Millis::seconds(30));
    assert!(play.tell(Event::Held { place: place.clone(), attempt: 1, until, because: "its breaker is open".into() }));
    let said = play.said.len();
    for hour in 1..30 {
        let later = until.after(Millis::seconds(3600 * hour));
        assert!(play.machine.hold_on(&place, 1, later, "its breaker is still open"));
        assert_eq!(play.machine.status(), Status::Waiting(later));
    }
    assert!(!play.machine.hold_on(&place, 2, until, "another attempt"));
    assert_eq!(play.machine.held_at(&place).map(|call| call.attempt), Some(1));
    assert!(!play.tell(Event::Fired { place: place.clone() }), "it is not yet its turn");
    assert_eq!(play.said.len(), said);
    play.fire();
    assert_eq!(play.machine.held_at(&place), None);
    play.ok("a", 3);
    assert_eq!(play.value(), Value::Int(3));
    let said = play.said.iter().map(|(at, said)| (*at, said));
    let again = machine::replay(play::RUN, plan, Library::default(), said).unwrap();
    assert_eq!(again.outcome(), play.outcome());
}

#[test]
fn attempts_that_were_to_see_whether_the_system_works_again_are_not_counted() {
    for operation in ["keyed", "looks"] {
        let mut play = match operation {
            "keyed" => {
                let once = retry(1, &[ErrorKind::Unavailable], 1000);
                Play::start(plan(&[], vec![step("a", "keyed", 1).retrying(once), end(get(1))]), Value::Null)
            }
            _ => {
                let mut play = found_again();
                play.answer_with("a", Err(failure(ErrorKind::Timeout)), Reached::Perhaps, None, 0);
                play.fire();
                play
            }
        };
        let mut fail = |probe: bool| {
            let call = play.asked.last().unwrap().clone();
            let (place, attempt, reached) = (call.place, call.attempt, Reached::Never);
            let (outcome, retry_after, draw) = (Err(failure(ErrorKind::Unavailable)), None, 0);
            play.apply(Event::Attempted { place, attempt, outcome, reached, retry_after, draw, probe });
            let goes_on = matches!(play.machine.status(), Status::Waiting(_));
            if goes_on {
                play.fire();
            }
            goes_on
        };
        for _ in 0..50 {
            assert!(fail(true), "{operation}");
        }
        let counted = (0..20).take_while(|_| fail(false)).count();
        assert_eq!(counted, if operation == "keyed" { 1 } else { 4 }, "{operation}");
    }
}
