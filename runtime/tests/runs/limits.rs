//! How many runs of a trigger are under way, and how many begin: on the engine, and over crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use flow_model::{
    expr::Slot,
    plan::{Concurrency, Plan},
    schema::Rate,
    units::{Instant, Millis},
    value::Value,
};
use flow_runtime::{
    engine::{ControlError, Engine, Filter, Limits, RunId, RunState, Share, Submission, SubmitError},
    store,
    timer::Clock as _,
};
use futures::future::join_all;

use crate::support::{
    build::*,
    sim::{Ended, Fault, Made, Reply, World, process},
};

/// A flow that makes one call that takes a second, for an event with a key.
fn limited(limit: Option<u32>, per_key: Option<&str>, rate: Option<(u32, u64)>) -> Arc<Plan> {
    let mut plan = plan(&[], vec![step_of("work", "keyed", 1, get(0)), end(get(1))]);
    let mut trigger = every(None);
    trigger.bind = Some(Slot(0));
    trigger.concurrency = limit.map(|limit| Concurrency { limit, per: per_key.map(|key| member(get(0), key)) });
    trigger.at_most = rate.map(|(count, seconds)| Rate { count, period: Millis::seconds(seconds) });
    plan.triggers.push(trigger);
    Arc::new(plan)
}

fn event(key: &str, number: i64) -> Submission {
    Submission {
        flow: "test".into(),
        plan: None,
        trigger: Some(0),
        payload: Value::record([("key", Value::text(key)), ("n", Value::Int(number))]),
        dedupe: Some((number.to_string(), Millis::seconds(999_999))),
        body_digest: None,
        trace: None,
        notes: BTreeMap::new(),
        share: Share::Event,
    }
}

fn world() -> Arc<World> {
    // No two calls end at the same time, so that the order of what follows is the same each time.
    World::new(|made| Reply::ok(made.arg.clone()).after(1000 + number(made) as u64))
}

async fn start(engine: &Engine, plan: &Arc<Plan>) {
    engine.deploy(Arc::clone(plan)).await.unwrap();
    engine.resume().await.unwrap();
}

async fn submit(engine: &Engine, key: &str, number: i64) -> RunId {
    engine.submit(event(key, number)).await.unwrap().run
}

async fn all_complete(engine: &Engine, runs: &[RunId]) {
    for run in runs {
        assert_eq!(engine.outcome(run).await.unwrap().state, RunState::Completed);
    }
}

/// Lives through a story on a new folder.
fn live<F: Future<Output = ()>>(world: &Arc<World>, story: impl FnOnce(Arc<Engine>) -> F) {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(process(world, data.path(), Fault::Never, story), Ended::Well(()));
}

fn number(made: &Made) -> i64 {
    match made.arg.get("n") {
        Some(Value::Int(number)) => *number,
        other => panic!("{other:?}"),
    }
}

fn numbers(world: &World) -> Vec<i64> {
    world.made().iter().map(number).collect()
}

#[test]
fn no_more_runs_than_may_be_are_under_way_and_all_are_carried_out_in_order() {
    let world = world();
    live(&world, async |engine| {
        start(&engine, &limited(Some(2), None, None)).await;
        let mut runs = Vec::new();
        for number in 0..7 {
            runs.push(submit(&engine, "", number).await);
        }
        let summary = engine.run(&runs[6]).await.unwrap().unwrap().summary;
        assert_eq!(summary.state, RunState::Waiting);
        assert!(summary.reason.unwrap().contains("waits for its turn"));
        all_complete(&engine, &runs).await;
    });
    assert_eq!(world.most_under_way.load(Ordering::SeqCst), 2);
    assert_eq!(numbers(&world), (0..7).collect::<Vec<_>>());
}

#[test]
fn keys_have_room_of_their_own() {
    let world = world();
    live(&world, async |engine| {
        start(&engine, &limited(Some(1), Some("key"), None)).await;
        let mut runs = Vec::new();
        for (number, key) in ["a", "a", "a", "b", "c"].into_iter().enumerate() {
            runs.push(submit(&engine, key, number as i64).await);
        }
        all_complete(&engine, &runs).await;
    });
    assert_eq!(world.most_under_way.load(Ordering::SeqCst), 3);
    assert_eq!(numbers(&world)[..3].iter().copied().collect::<BTreeSet<_>>(), [0, 3, 4].into());
    assert_eq!(numbers(&world)[3..], [1, 2]);
}

#[test]
fn what_is_turned_away_costs_those_that_were_accepted_nothing() {
    const AT_ONCE: usize = 4;
    let limits = Limits { runs: 8, calls: AT_ONCE, reserve: 0, ..Limits::default() };
    let world = World::with_limits(limits, |made| Reply::ok(made.arg.clone()).after(1000));
    live(&world, async |engine| {
        start(&engine, &limited(None, None, None)).await;
        for wave in 0..3 {
            let began = world.clock.now();
            let all = join_all((0..500).map(|number| engine.submit(event("", wave * 500 + number)))).await;
            let (accepted, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
            assert_eq!(accepted.len(), 8, "as many as may be, also when all come at the same moment");
            for refused in refused {
                let refused = refused.unwrap_err();
                assert!(matches!(refused, SubmitError::Busy(8)) && refused.is_passing(), "{refused}");
            }
            for accepted in accepted {
                engine.outcome(&accepted.unwrap().run).await.unwrap();
            }
            assert!(world.clock.now().since(began) < Millis(2500), "eight runs, four at a time, a second each");
            world.tick().await;
        }
    });
    assert_eq!(world.most_under_way.load(Ordering::SeqCst), AT_ONCE);
}

/// Says that no window of a period has more beginnings than may be.
fn assert_slow(begun: &[Instant], count: usize, period: Millis) {
    for window in begun.windows(count + 1) {
        assert!(window[count].since(window[0]) >= period, "{begun:?}");
    }
}

#[test]
fn no_more_runs_begin_in_a_period_than_may() {
    let world = world();
    live(&world, async |engine| {
        start(&engine, &limited(None, None, Some((2, 60)))).await;
        let mut runs = Vec::new();
        for number in 0..5 {
            runs.push(submit(&engine, "", number).await);
        }
        all_complete(&engine, &runs).await;
    });
    let begun: Vec<_> = world.made().iter().map(|made| made.at).collect();
    assert_eq!(begun.len(), 5);
    assert_slow(&begun, 2, Millis::seconds(60));
    assert_eq!(begun[4].since(begun[0]), Millis::seconds(120), "and no slower");
}

#[test]
fn what_began_before_a_restart_counts() {
    let world = world();
    let data = tempfile::tempdir().unwrap();
    let plan = limited(None, None, Some((1, 600)));
    for number in 0..2 {
        let story = async |engine: Arc<Engine>| {
            start(&engine, &plan).await;
            let run = submit(&engine, "", number).await;
            all_complete(&engine, &[run]).await;
        };
        assert_eq!(process(&world, data.path(), Fault::Never, story), Ended::Well(()));
    }
    let begun: Vec<_> = world.made().iter().map(|made| made.at).collect();
    assert_slow(&begun, 1, Millis::seconds(600));
}

#[test]
fn a_run_that_waits_for_room_can_be_cancelled_and_never_begins() {
    let world = world();
    live(&world, async |engine| {
        start(&engine, &limited(Some(1), None, None)).await;
        let first = submit(&engine, "", 0).await;
        let second = submit(&engine, "", 1).await;
        let third = submit(&engine, "", 2).await;
        engine.cancel(&second, "not needed").await.unwrap();
        let again = engine.cancel(&second, "not needed").await;
        assert!(matches!(again, Err(ControlError::Over { state: RunState::Cancelled, .. })));
        all_complete(&engine, &[first, third]).await;
        let known = engine.submit(event("", 1)).await.unwrap();
        assert_eq!(known.run, second, "its event stays known");
        assert_eq!(engine.outcome(&second).await.unwrap().state, RunState::Cancelled);
    });
    assert_eq!(numbers(&world), [0, 2]);
}

#[test]
fn a_cancelled_run_makes_room() {
    let world = world();
    live(&world, async |engine| {
        start(&engine, &limited(Some(1), None, None)).await;
        let first = submit(&engine, "", 0).await;
        let second = submit(&engine, "", 1).await;
        engine.cancel(&first, "stop").await.unwrap();
        all_complete(&engine, &[second]).await;
    });
    assert_eq!(world.most_under_way.load(Ordering::SeqCst), 1);
}

#[test]
fn a_crash_at_any_write_loses_no_run_that_was_accepted_and_keeps_the_limits() {
    for fault in [Fault::Before as fn(usize) -> Fault, Fault::After] {
        let mut crashes = 0;
        for at in 0.. {
            let world = world();
            let data = tempfile::tempdir().unwrap();
            let plan = limited(Some(1), Some("key"), Some((2, 5)));
            let story = async |engine: Arc<Engine>| {
                start(&engine, &plan).await;
                let mut runs = Vec::new();
                for (number, key) in ["a", "a", "b", "b", "a"].into_iter().enumerate() {
                    runs.push(submit(&engine, key, number as i64).await);
                }
                all_complete(&engine, &runs).await;
                assert_eq!(engine.runs(Filter::default()).await.unwrap().len(), 5);
            };
            let met = process(&world, data.path(), fault(at), story) == Ended::Crashed;
            world.clock.shift(10);
            assert_eq!(process(&world, data.path(), Fault::Never, story), Ended::Well(()));
            // The call of a run that had begun before the crash comes later than its beginning.
            let reader = store::read(data.path()).unwrap();
            let runs = reader.list(&Filter::default()).unwrap();
            let begun = runs.iter().map(|run| reader.run(&run.id).unwrap().unwrap().history.steps[0].started_at);
            let mut begun: Vec<_> = begun.collect();
            begun.sort();
            assert_eq!(begun.len(), 5, "{:?}", fault(at));
            assert_slow(&begun, 2, Millis::seconds(5));
            if !met {
                break;
            }
            crashes += 1;
        }
        assert!(crashes >= 10, "{crashes}");
    }
}
