//! `concurrency:` and `at_most:` of triggers: who begins when, also across restarts and crashes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use flow_model::{
    expr::Slot,
    plan::{Concurrency, Plan, Trigger, TriggerKind},
    schema::Rate,
    ty::Type,
    units::Millis,
    value::Value,
};
use flow_runtime::{
    engine::{Engine, Filter, Newness, RunId, RunState, Submission},
    store,
};

use crate::support::{
    build::*,
    sim::{Ended, Fault, Made, Reply, World, process},
};

fn limited(concurrency: Option<Concurrency>, at_most: Option<Rate>, body: Vec<Stmt>) -> Arc<Plan> {
    let mut plan = plan(&[], body);
    plan.triggers.push(Trigger {
        kind: TriggerKind::Every(Millis::seconds(60)),
        bind: Some(Slot(0)),
        payload: Type::Json,
        dedupe: None,
        concurrency,
        at_most,
        within: None,
    });
    Arc::new(plan)
}

/// One after the other for each customer; each run calls twice, with the number of the event.
fn one_per_customer() -> Arc<Plan> {
    let per = Some(member(get(0), "customer"));
    let number = || member(get(0), "number");
    let body = vec![step_of("first", "keyed", 1, number()), step_of("second", "keyed", 2, number()), end(int(0))];
    limited(Some(Concurrency { limit: 1, per }), None, body)
}

fn event(customer: &str, number: i64) -> Submission {
    let payload = Value::record([("customer", Value::text(customer)), ("number", Value::Int(number))]);
    let dedupe = Some((format!("{customer} {number}"), Millis::seconds(1_000_000)));
    Submission { flow: "test".into(), trigger: Some(0), payload, dedupe, body_digest: None }
}

async fn over(engine: &Engine, runs: &[RunId]) {
    for run in runs {
        assert_eq!(engine.outcome(run).await.unwrap().state, RunState::Completed);
    }
}

fn numbers(made: &[Made]) -> Vec<i64> {
    let number = |made: &Made| match made.arg {
        Value::Int(number) => number,
        _ => panic!("calls carry the number of their event"),
    };
    made.iter().map(number).collect()
}

#[test]
fn runs_of_one_key_follow_each_other_and_others_do_not_wait() {
    let world = World::new(|made| Reply::ok(made.arg.clone()).after(1000));
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(one_per_customer()).await.unwrap();
        engine.resume().await.unwrap();
        let mut runs = Vec::new();
        for (customer, number) in [("a", 1), ("a", 2), ("b", 11), ("a", 3), ("b", 12)] {
            runs.push(engine.submit(event(customer, number)).await.unwrap().run);
        }
        world.tick().await;
        assert_eq!(numbers(&world.made()), [1, 11], "one of each customer is under way");
        let waiting = engine.run(&runs[1]).await.unwrap().unwrap().summary;
        assert_eq!((waiting.state, waiting.reason.as_deref()), (RunState::Waiting, Some("waits for its turn")));
        let again = engine.submit(event("a", 2)).await.unwrap();
        assert_eq!((again.run, again.is_new), (runs[1].clone(), Newness::Duplicate));
        over(&engine, &runs).await;
    });
    let made = numbers(&world.made());
    let of = |from, to| made.iter().copied().filter(|number| (from..to).contains(number)).collect::<Vec<_>>();
    assert_eq!((of(0, 10), of(10, 20)), (vec![1, 1, 2, 2, 3, 3], vec![11, 11, 12, 12]));
    assert_eq!(world.most_under_way.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[test]
fn a_run_that_is_cancelled_gives_way_whether_it_is_inside_or_waits() {
    let world = World::new(|made| Reply::ok(made.arg.clone()).after(1000));
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(one_per_customer()).await.unwrap();
        engine.resume().await.unwrap();
        let mut runs = Vec::new();
        for number in 1..=4 {
            runs.push(engine.submit(event("a", number)).await.unwrap().run);
        }
        engine.cancel(&runs[1], "waits").await.unwrap();
        engine.cancel(&runs[0], "inside").await.unwrap();
        over(&engine, &runs[2..]).await;
    });
    assert_eq!(numbers(&world.made())[1..], [3, 3, 4, 4]);
}

#[test]
fn turns_are_spaced_and_duplicates_take_none() {
    let world = World::new(|made| Reply::ok(made.arg.clone()));
    let data = tempfile::tempdir().unwrap();
    let rate = Rate { count: 2, period: Millis::seconds(60) };
    let plan = limited(None, Some(rate), vec![step_of("call", "read", 1, member(get(0), "number")), end(int(0))]);
    let submit = |from: i64| {
        let (plan, world) = (Arc::clone(&plan), Arc::clone(&world));
        process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(plan).await.unwrap();
            engine.resume().await.unwrap();
            let mut runs = Vec::new();
            for number in from..from + 5 {
                runs.push(engine.submit(event("a", number)).await.unwrap().run);
                engine.submit(event("a", number)).await.unwrap();
            }
            runs
        })
    };
    let began = world.clock.clone();
    let start = flow_runtime::timer::Clock::now(&*began);
    submit(1);
    submit(6);
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let runs = engine.runs(Filter::default()).await.unwrap();
        over(&engine, &runs.into_iter().map(|run| run.id).collect::<Vec<_>>()).await;
    });
    let made = world.made().into_iter().filter(|made| made.before == 0);
    let at: Vec<_> = made.map(|made| made.at.since(start).0 / 60_000).collect();
    assert_eq!(at, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], "two in each minute, also across restarts");
}

#[test]
fn a_crash_at_any_write_leaves_the_order_and_the_limit_as_they_are() {
    let plan = one_per_customer();
    let events = [("a", 1), ("b", 11), ("a", 2), ("a", 3), ("b", 12)];
    for at in 0..14 {
        for fault in [Fault::Before(at), Fault::After(at)] {
            let under_way: Arc<Mutex<BTreeMap<i64, i64>>> = Arc::default();
            let world = World::new(move |made| {
                let number = numbers(std::slice::from_ref(made))[0];
                let mut last = under_way.lock().unwrap();
                let before = last.insert(number / 10, number).unwrap_or(0);
                assert!(before <= number, "event {number} came after {before}");
                Reply::ok(made.arg.clone()).after(1000)
            });
            let data = tempfile::tempdir().unwrap();
            let story = async |engine: Arc<Engine>| {
                engine.deploy(Arc::clone(&plan)).await.unwrap();
                engine.resume().await.unwrap();
                let mut runs = Vec::new();
                for (customer, number) in events {
                    runs.push(engine.submit(event(customer, number)).await.unwrap().run);
                }
                over(&engine, &runs).await;
            };
            let first = process(&world, data.path(), fault, story);
            assert_eq!(first, Ended::Crashed, "{fault:?}");
            process(&world, data.path(), Fault::Never, story);
            let runs = store::read(data.path()).unwrap().list(&Filter::default()).unwrap();
            assert_eq!(runs.len(), events.len(), "{fault:?}");
            assert!(world.counts().values().all(|count| *count <= 2), "{fault:?}: only what was under way is repeated");
        }
    }
}
