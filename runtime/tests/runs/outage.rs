//! A system does not work for a while: what does it see of those who call it, and what becomes of their runs?
//!
//! Nothing is said of breakers here, so that each account has the usual one. What is measured is what has arrived at the
//! system.

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{
    expr::BinaryOp,
    failure::ErrorKind,
    plan::{Breaker, ForOnError, Plan, Retry},
    units::{Instant, Millis},
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    engine::{Engine, RunId, RunState, Submission},
    machine::Outcome,
    sim::START,
};
use futures::future::join_all;

use crate::support::{
    build::*,
    sim::{Ended, Fault, Made, Reply, World, process},
};

const COUNT: usize = Breaker::standard().opens_at.count as usize;

async fn begin(engine: &Engine, plan: &Arc<Plan>, runs: usize) -> Vec<RunId> {
    engine.deploy(Arc::clone(plan)).await.unwrap();
    engine.resume().await.unwrap();
    let submitted = (0..runs).map(|_| engine.submit(Submission::with_params("test", Value::Null)));
    join_all(submitted).await.into_iter().map(|accepted| accepted.unwrap().run).collect()
}

/// How many calls of those are under way at the same time at the most, from a time on, and in which second how many came.
fn seen(made: &[Made], from: Instant) -> (usize, Vec<usize>) {
    let calls: Vec<_> = made.iter().filter(|made| made.at >= from).collect();
    let ends = |call: &Made| call.ended.unwrap_or(call.at);
    let at_once = |call: &&Made| calls.iter().filter(|other| other.at <= call.at && ends(other) > call.at).count();
    let mut seconds = Vec::new();
    for call in &calls {
        let second = usize::try_from(call.at.since(from).0 / 1000).unwrap();
        seconds.resize(seconds.len().max(second + 1), 0);
        seconds[second] += 1;
    }
    (calls.iter().map(at_once).max().unwrap_or(0), seconds)
}

/// Many runs begin together while their system is away.
#[test]
fn case_25_a_system_that_is_back_sees_those_who_waited_a_few_at_a_time_and_no_run_has_failed() {
    const RUNS: usize = 300;
    let back = START.after(Millis::seconds(600));
    let world = World::new(move |made| match made.at < back {
        true => Reply::err(ErrorKind::Unavailable, Reached::Answered).after(200),
        false => Reply::ok(Value::Int(7)).after(200),
    });
    let plan = Arc::new(plan(&[], vec![step("a", "keyed", 1), end(get(1))]));
    let data = tempfile::tempdir().unwrap();
    let Ended::Well(last) = process(&world, data.path(), Fault::Never, async |engine| {
        let mut last = back;
        for run in begin(&engine, &plan, RUNS).await {
            let summary = engine.outcome(&run).await.unwrap();
            assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(7))), "{summary:?}");
            last = last.max(summary.ended_at.unwrap());
        }
        last
    }) else {
        panic!("no crash was asked for")
    };
    let made = world.made();
    let away = made.iter().filter(|made| made.at < back).count();
    // As many as were under way when it opened, and one now and then.
    assert!(away <= 64 + COUNT, "{away} calls of {RUNS} runs reached it in ten minutes");
    let first = made.iter().find(|made| made.at >= back).unwrap().at;
    let (_, seconds) = seen(&made, first);
    // A call takes a fifth of a second: one goes, then two, then four …, while each second has its five rounds.
    let by = |time: u64| made.iter().filter(|made| made.at >= first && made.at.since(first) < Millis(time)).count();
    assert!(by(200) <= 1 && by(400) <= 3 && by(600) <= 7 && by(800) <= 15, "{seconds:?}");
    let most = seconds.iter().max().unwrap();
    assert!(*most <= RUNS / 20, "no second has seen more than a twentieth of them: {seconds:?}");
    assert!(last.since(back) < Millis::seconds(1500), "all is done soon after: {}", last.since(back));
}

/// A system that fails while more than a few call it at the same time: what is too much for it is not asked of it again and
/// again, and in the end it has carried out all.
#[test]
fn case_19_a_system_that_breaks_down_under_its_callers_is_given_time_and_carries_out_all() {
    const RUNS: usize = 500;
    const BEARS: usize = 8;
    let under_way = Arc::new(std::sync::Mutex::new(BTreeSet::<(Instant, usize)>::new()));
    let took = Millis(500);
    let world = World::new(move |made| {
        let mut under_way = under_way.lock().unwrap();
        under_way.retain(|(end, _)| *end > made.at);
        let number = under_way.last().map_or(0, |(_, number)| number + 1);
        under_way.insert((made.at.after(took), number));
        match under_way.len() > BEARS {
            true => Reply::err(ErrorKind::Unavailable, Reached::Answered).after(took.0),
            false => Reply::ok(Value::Int(7)).after(took.0),
        }
    });
    let call = step("a", "keyed", 1).retrying(Retry { times: 8, ..Retry::standard() });
    let plan = Arc::new(plan(&[], vec![call, end(get(1))]));
    let data = tempfile::tempdir().unwrap();
    let Ended::Well(failed) = process(&world, data.path(), Fault::Never, async |engine| {
        let mut failed = 0;
        for run in begin(&engine, &plan, RUNS).await {
            failed += usize::from(engine.outcome(&run).await.unwrap().state != RunState::Completed);
        }
        failed
    }) else {
        panic!("no crash was asked for")
    };
    assert_eq!(failed, 0);
    // The retries are a part of what it sees, and not a multiple.
    let made = world.made().len();
    assert!(made < RUNS * 2, "{made} calls for {RUNS} runs");
}

/// Programs that deal with it that their system does not work go on without it, and do not call it.
#[test]
fn while_a_breaker_is_open_a_failure_that_the_program_deals_with_is_told_and_nothing_leaves() {
    let world = World::new(|_| Reply::err(ErrorKind::Unavailable, Reached::Answered));
    let once = |path: &str| step_of(path, "send", 1, text("dead")).retrying(Retry::none());
    let of = |flow: &str, body: Vec<Stmt>| Arc::new(Plan { flow: flow.into(), ..plan(&[], body) });
    let caught = |kinds: &[ErrorKind]| (kinds.to_vec(), None, None, vec![give(int(1))]);
    // The first item calls, and the second does not.
    let items = || list([int(0), int(1)]);
    let item = || {
        let calls = op(get(3), BinaryOp::Equal, int(0));
        vec![when("if", 4, calls, vec![once("a"), give(get(1))], vec![give(int(7))]), give(get(4))]
    };
    let body = || vec![once("a"), give(get(1))];
    let dealt_with = [
        ("catch", attempt("try", 2, body(), vec![caught(&[ErrorKind::Unavailable])]), Value::Int(1)),
        ("all", attempt("try", 2, body(), vec![caught(&[])]), Value::Int(1)),
        ("optional", optional("try", 2, body()), Value::Null),
        ("first", first("try", 2, 3, items(), item()), Value::Int(7)),
        ("skip", each("try", 2, 3, items(), 1, ForOnError::Skip, item()), Value::List(vec![Value::Int(7)])),
    ];
    let waits = [("nothing", once("a")), ("another", attempt("try", 2, body(), vec![caught(&[ErrorKind::NotFound])]))];
    let data = tempfile::tempdir().unwrap();
    let ended = process(&world, data.path(), Fault::Never, async |engine| {
        let opens = of("test", vec![once("a"), end(get(1))]);
        for run in begin(&engine, &opens, COUNT).await {
            assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::Failed, "the first fail as before");
        }
        assert_eq!(world.made().len(), COUNT);
        let submit = async |flow: &str| engine.submit(Submission::with_params(flow, Value::Null)).await.unwrap().run;
        for (flow, body, expected) in &dealt_with {
            engine.deploy(of(flow, vec![body.clone(), end(get(2))])).await.unwrap();
            let run = submit(flow).await;
            let summary = engine.outcome(&run).await.unwrap();
            assert_eq!(summary.outcome, Some(Outcome::Completed(expected.clone())), "{flow}");
        }
        assert_eq!(world.made().len(), COUNT, "nothing has left");
        for (flow, body) in waits {
            engine.deploy(of(flow, vec![body, end(int(1))])).await.unwrap();
            let run = submit(flow).await;
            world.tick().await;
            let summary = engine.run(&run).await.unwrap().unwrap().summary;
            assert_eq!(summary.state, RunState::Waiting, "{flow}");
            let reason = summary.reason.unwrap();
            let said = format!("`world` gave no answer {COUNT} times in a row within 5m: its breaker is open");
            assert!(reason.contains(&said), "{reason}");
        }
    });
    assert_eq!(ended, Ended::Well(()));
}
