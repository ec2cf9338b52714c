//! The cases of docs/reliability.md that the engine alone decides, by their numbers.

use std::sync::Arc;

use flow_model::{
    expr::Expr,
    failure::ErrorKind,
    plan::{Breaker, Gather, Keep, NodeKind, Plan, Trigger},
    schema::Rate,
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::{Attempt, Parked, Reached, Waiting},
    engine::{Engine, Filter, Limits, Newness, RunId, RunState, RunSummary, Share, Submission},
    machine::{Outcome, Place},
    sim::{
        disk::Pace,
        process::{Life, live},
    },
    timer::Clock as _,
};

use crate::support::{
    build::*,
    sim::{Ended, Fault, Made, Reply, World, process},
};

async fn carry_out(engine: &Engine, plan: &Arc<Plan>, trigger: Option<usize>) -> RunSummary {
    engine.deploy(Arc::clone(plan)).await.unwrap();
    engine.resume().await.unwrap();
    let submission = Submission { trigger, ..Submission::with_params("test", Value::Null) };
    let run = engine.submit(submission).await.unwrap().run;
    engine.outcome(&run).await.unwrap()
}

/// A clock may be set back at any moment between a timer's time and the turn that it leads to: nothing fires early, and
/// nothing is forgotten.
#[test]
fn case_05_a_clock_that_is_set_back_when_a_timer_is_due_neither_loses_nor_hastens_it() {
    for looks in 0..12 {
        let world = World::kind();
        let data = tempfile::tempdir().unwrap();
        let begin = flow_runtime::timer::Clock::now(&*world.clock);
        let plan = Arc::new(plan(&[], vec![sleep("nap", seconds(40)), step("a", "read", 1), end(int(1))]));
        world.clock.set_back_after(begin.after(Millis::seconds(40)), looks, Millis::seconds(3600));
        let ended = process(&world, data.path(), Fault::Never, async |engine| carry_out(&engine, &plan, None).await);
        let Ended::Well(summary) = ended else { panic!("no crash was asked for") };
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(1))), "after {looks} looks");
        assert!(summary.ended_at.is_some_and(|at| at >= begin.after(Millis::seconds(40))), "after {looks} looks");
        assert_eq!(world.made().len(), 1, "after {looks} looks");
    }
}

/// The same for the deadline of a run.
#[test]
fn case_05_a_clock_that_is_set_back_at_the_deadline_of_a_run_does_not_make_it_endless() {
    for looks in 0..12 {
        let world = World::kind();
        let data = tempfile::tempdir().unwrap();
        let begin = flow_runtime::timer::Clock::now(&*world.clock);
        let body = vec![wait("w", 1, "never", None, None), end(int(1))];
        let plan = Plan { triggers: vec![every(Some(Millis::seconds(40)))], ..plan(&[], body) };
        world.clock.set_back_after(begin.after(Millis::seconds(40)), looks, Millis::seconds(3600));
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            carry_out(&engine, &Arc::new(plan), Some(0)).await
        });
        let Ended::Well(summary) = ended else { panic!("no crash was asked for") };
        assert!(matches!(summary.outcome, Some(Outcome::Failed { .. })), "after {looks} looks: {summary:?}");
        assert!(summary.ended_at.is_some_and(|at| at >= begin.after(Millis::seconds(40))), "after {looks} looks");
    }
}

const YEAR: i64 = 365 * 24 * 3_600_000;

/// What a clock shows that nobody sets.
fn even(world: &World) -> i64 {
    world.clock.now().0 - world.clock.set_by()
}

/// Carries out a run, sets the clock when it waits, and gives how many milliseconds it took.
fn took(plan: Plan, set: i64) -> i64 {
    let world = World::new(|made| match made.before {
        0 => Reply::err(ErrorKind::Unavailable, Reached::Never),
        _ => Reply::ok(Value::Int(7)),
    });
    let data = tempfile::tempdir().unwrap();
    let begin = even(&world);
    let trigger = (!plan.triggers.is_empty()).then_some(0);
    let ended = process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::new(plan)).await.unwrap();
        engine.resume().await.unwrap();
        let submission = Submission { trigger, ..Submission::with_params("test", Value::Null) };
        let run = engine.submit(submission).await.unwrap().run;
        world.tick().await;
        world.clock.set(set);
        engine.outcome(&run).await.unwrap()
    });
    let Ended::Well(summary) = ended else { panic!("no crash was asked for") };
    assert!(summary.outcome.is_some(), "{summary:?}");
    even(&world) - begin
}

#[test]
fn case_05_what_lasts_a_while_lasts_as_long_when_the_clock_is_set_by_a_year() {
    let day = 24 * 3600;
    let retried = || step("a", "read", 1).retrying(retry(3, &[ErrorKind::Unavailable], 40_000));
    let plans = [
        ("a short sleep", 40, plan(&[], vec![sleep("nap", seconds(40)), end(int(1))])),
        ("a long sleep, on disk", 3 * day, plan(&[], vec![sleep("nap", seconds(3 * day)), end(int(1))])),
        ("a wait", 90, plan(&[], vec![wait("w", 1, "never", None, Some(seconds(90))), end(int(1))])),
        ("the pause of a loop", 80, {
            let body = vec![
                repeat("r", 1, seconds(40), 3, Expr::Literal(Value::Bool(false)), vec![give(int(1))]),
                end(int(1)),
            ];
            plan(&[], body)
        }),
        ("a deadline", 70, {
            let body = vec![wait("w", 1, "never", None, None), end(int(1))];
            Plan { triggers: vec![every(Some(Millis::seconds(70)))], ..plan(&[], body) }
        }),
        ("a retry", 0, plan(&[], vec![retried(), end(get(1))])),
    ];
    for (what, lasts, plan) in plans {
        let unset = took(plan.clone(), 0);
        let lasts = i64::try_from(lasts * 1000).unwrap();
        assert!((lasts..lasts + 42_000).contains(&unset), "{what}: {unset}");
        for by in [YEAR, -YEAR, 5000, -5000] {
            let set = took(plan.clone(), by);
            // The wait before another attempt is drawn anew.
            let is_as_long = if lasts == 0 { (0..42_000).contains(&set) } else { (set - unset).abs() <= 100 };
            assert!(is_as_long, "{what}, set by {by}: {set} and not {unset}");
        }
    }
}

#[test]
fn case_05_what_has_a_time_of_its_own_goes_by_the_wall() {
    let world = World::kind();
    let at = world.clock.now().after(Millis::seconds(40)).timestamp();
    let plan = plan(&[], vec![sleep("nap", Expr::Literal(Value::Timestamp(at))), end(int(1))]);
    assert!((40_000..41_000).contains(&took(plan.clone(), 0)));
    assert!((0..1000).contains(&took(plan.clone(), YEAR)));
    assert!((YEAR + 40_000..YEAR + 41_000).contains(&took(plan, -YEAR)));
}

#[test]
fn case_05_what_was_due_while_the_machine_was_suspended_happens_when_it_wakes() {
    for sleeps in [40, 3 * 3600] {
        let world = World::kind();
        let data = tempfile::tempdir().unwrap();
        let begin = world.clock.now();
        let plan = Arc::new(plan(&[], vec![sleep("nap", seconds(sleeps)), step("a", "read", 1), end(int(1))]));
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(plan).await.unwrap();
            engine.resume().await.unwrap();
            let run = engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run;
            world.tick().await;
            world.clock.shift(4 * 3_600_000);
            engine.outcome(&run).await.unwrap()
        });
        let Ended::Well(summary) = ended else { panic!("no crash was asked for") };
        let slept = summary.ended_at.unwrap().since(begin);
        assert!(slept >= Millis::seconds(4 * 3600) && slept < Millis::seconds(4 * 3600 + 1), "{slept}");
        assert_eq!(world.made().len(), 1);
    }
}

/// What sleeps on disk hears of a clock that is set, each time once, also when it began to sleep in an earlier process; what
/// begins after that is not moved.
#[test]
fn case_05_what_sleeps_on_disk_is_moved_with_the_clock_once() {
    let day = 24 * 3_600_000;
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    let plan = Arc::new(plan(&[], vec![sleep("nap", seconds(3 * 24 * 3600)), end(int(1))]));
    let begin = even(&world);
    let submit = async |engine: &Engine| {
        engine.deploy(Arc::clone(&plan)).await.unwrap();
        engine.resume().await.unwrap();
        engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run
    };
    let ended = process(&world, data.path(), Fault::Never, async |engine| {
        let first = submit(&engine).await;
        world.clock.set(YEAR);
        world.clock.sleep(Millis::seconds(24 * 3600)).await;
        world.clock.set(-2 * YEAR);
        world.tick().await;
        let second = engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run;
        world.clock.set(YEAR);
        world.tick().await;
        for run in [&first, &second] {
            assert_eq!(engine.summary(run).await.unwrap().unwrap().state, RunState::Waiting);
        }
        [first, second]
    });
    let Ended::Well([first, second]) = ended else { panic!("no crash was asked for") };
    // In the next process both go by the wall, which is right again; then it is set once more.
    process(&world, data.path(), Fault::Never, async |engine| {
        let third = submit(&engine).await;
        world.clock.set(-YEAR);
        engine.outcome(&first).await.unwrap();
        let of_first = even(&world) - begin;
        assert!((3 * day..3 * day + 1000).contains(&of_first), "{of_first}");
        engine.outcome(&second).await.unwrap();
        let of_second = even(&world) - begin;
        assert!((4 * day..4 * day + 1000).contains(&of_second), "{of_second}");
        engine.outcome(&third).await.unwrap();
        let of_third = even(&world) - begin;
        assert!((4 * day..4 * day + 1000).contains(&of_third), "{of_third}");
    });
}

/// What events are gathered for begins when it would, whether the clock is set while the process lives or while it is seen by
/// nobody before the process ends.
#[test]
fn case_05_what_events_are_gathered_for_begins_when_it_would_however_the_clock_is_set() {
    let within = Keep::All { most: 100, within: Millis::seconds(60) };
    let quiet = Keep::Latest { quiet: Millis::seconds(60), most: None };
    for (keep, by, restarts) in [within, quiet]
        .into_iter()
        .flat_map(|keep| [YEAR, -YEAR, 5000, -5000].map(|by| (keep, by)))
        .flat_map(|(keep, by)| [(keep, by, false), (keep, by, true)])
    {
        let (world, data) = (World::kind(), tempfile::tempdir().unwrap());
        let mut plan = plan(&[], vec![step("a", "read", 1), end(int(1))]);
        plan.triggers.push(Trigger { gather: Some(Gather { keep, per: None }), ..every(None) });
        let (plan, begin) = (Arc::new(plan), even(&world));
        let gathers = async |engine: &Engine| {
            engine.deploy(Arc::clone(&plan)).await.unwrap();
            engine.resume().await.unwrap();
            let event = Submission { trigger: Some(0), ..Submission::with_params("test", Value::Null) };
            let run = engine.submit(Submission { share: Share::Event, ..event }).await.unwrap().run;
            world.clock.sleep(Millis::seconds(10)).await;
            world.clock.set(by);
            world.tick().await;
            let shown = engine.summary(&run).await.unwrap().unwrap().wake_at.unwrap();
            assert_eq!(shown.0 - world.clock.set_by() - begin, 60_000, "{keep:?} {by}");
            run
        };
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            let run = gathers(&engine).await;
            if !restarts {
                engine.outcome(&run).await.unwrap();
            }
            run
        });
        let Ended::Well(run) = ended else { panic!("no crash was asked for") };
        if restarts {
            process(&world, data.path(), Fault::Never, async |engine| {
                engine.deploy(Arc::clone(&plan)).await.unwrap();
                engine.resume().await.unwrap();
                engine.outcome(&run).await.unwrap();
            });
        }
        let took = world.made()[0].at.0 - world.clock.set_by() - begin;
        assert!((60_000..60_100).contains(&took), "{keep:?}, set by {by}, {restarts}: {took}");
        assert_eq!(world.made().len(), 1);
    }
}

/// An event is remembered as long as its window says, however the clock is set, also in the next process.
#[test]
fn case_05_an_event_is_remembered_as_long_as_its_window_however_the_clock_is_set() {
    let plan = Arc::new(plan(&[], vec![step("a", "read", 1), end(int(1))]));
    for by in [YEAR, -YEAR, 5000, -5000] {
        let (world, data) = (World::kind(), tempfile::tempdir().unwrap());
        let begin = even(&world);
        let comes_at = async |engine: &Engine, second: i64| {
            let wait = begin + second * 1000 - even(&world);
            world.clock.sleep(Millis(wait.try_into().unwrap())).await;
            let dedupe = Some(("event".to_owned(), Millis::seconds(3600)));
            let event = Submission { dedupe, ..Submission::with_params("test", Value::Null) };
            engine.submit(event).await.unwrap().is_new
        };
        let begins = async |engine: &Engine| {
            engine.deploy(Arc::clone(&plan)).await.unwrap();
            engine.resume().await.unwrap();
        };
        process(&world, data.path(), Fault::Never, async |engine| {
            begins(&engine).await;
            assert_eq!(comes_at(&engine, 0).await, Newness::New);
            world.clock.set(by);
            assert_eq!(comes_at(&engine, 0).await, Newness::Duplicate, "{by}: at once");
            assert_eq!(comes_at(&engine, 10).await, Newness::Duplicate, "{by}");
        });
        process(&world, data.path(), Fault::Never, async |engine| {
            begins(&engine).await;
            assert_eq!(comes_at(&engine, 3590).await, Newness::Duplicate, "{by}: after a restart");
            world.clock.set(-2 * by);
            world.tick().await;
        });
        process(&world, data.path(), Fault::Never, async |engine| {
            begins(&engine).await;
            assert_eq!(comes_at(&engine, 3599).await, Newness::Duplicate, "{by}: and set again");
            assert_eq!(comes_at(&engine, 3601).await, Newness::New, "{by}");
        });
        assert_eq!(world.made().len(), 2);
    }
}

/// Runs that wait, for whatever it is, hold no task.
#[test]
fn runs_that_wait_hold_no_task() {
    let retried = || step("a", "read", 1).retrying(retry(3, &[ErrorKind::Unavailable], 40_000));
    let waits = [
        vec![sleep("nap", seconds(40)), end(int(1))],
        vec![sleep("nap", seconds(3 * 24 * 3600)), end(int(1))],
        vec![wait("w", 1, "never", None, None), end(int(1))],
        vec![retried(), end(get(1))],
        vec![step("a", "send", 1), end(get(1))],
    ];
    for body in waits {
        let world = World::new(|made| match made.operation.as_str() {
            "send" => Reply::err(ErrorKind::Timeout, Reached::Perhaps),
            _ => Reply::err(ErrorKind::Unavailable, Reached::Never),
        });
        let data = tempfile::tempdir().unwrap();
        process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(Arc::new(plan(&[], body.clone()))).await.unwrap();
            engine.resume().await.unwrap();
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let before = tasks();
            for _ in 0..200 {
                engine.submit(Submission::with_params("test", Value::Null)).await.unwrap();
            }
            world.clock.sleep(Millis(200)).await;
            let states = [RunState::Waiting, RunState::NeedsDecision].into();
            let waiting = engine.runs(Filter { states, limit: 500, ..Filter::default() }).await.unwrap();
            assert_eq!((waiting.len(), tasks()), (200, before), "{body:?}");
        });
    }
}

/// A run that waits says where, until when, and for what.
#[test]
fn a_run_that_waits_for_a_time_says_where_until_when_and_for_which_attempt() {
    let retried = step("a", "read", 1).retrying(retry(3, &[ErrorKind::Unavailable], 40_000));
    let nap = vec![sleep("nap", seconds(40)), end(int(1))];
    for (body, expected) in
        [(vec![retried, end(get(1))], ("`a` waits until 2", ", for attempt 2")), (nap, ("`nap` waits until 2", "Z"))]
    {
        let world = World::new(|_| Reply::err(ErrorKind::Unavailable, Reached::Never));
        let data = tempfile::tempdir().unwrap();
        process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(Arc::new(plan(&[], body))).await.unwrap();
            engine.resume().await.unwrap();
            let run = engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run;
            world.clock.sleep(Millis(20)).await;
            let reason = engine.summary(&run).await.unwrap().unwrap().reason.unwrap();
            assert!(reason.starts_with(expected.0) && reason.ends_with(expected.1), "{reason}");
        });
    }
}

/// A connection whose grant has ended: the step waits with the reason, also one that is not safe to repeat, and goes on when
/// someone has connected again.
#[test]
fn case_21_a_step_that_is_parked_waits_and_goes_on_when_it_may() {
    for operation in ["read", "send"] {
        let world = World::new(|made| match made.before {
            0..3 => {
                let refused = Reply::err(ErrorKind::Unauthorized, Reached::Never);
                let because = "the connection `crm` has to be connected again: run `flowc connect crm`".to_owned();
                let parked = Some(Parked { because, again: Millis::seconds(30), waits: Waiting::Turn });
                Reply { attempt: Attempt { parked, ..refused.attempt }, ..refused }
            }
            _ => Reply::ok(Value::Int(7)),
        });
        let data = tempfile::tempdir().unwrap();
        let plan = Arc::new(plan(&[], vec![step("a", operation, 1), end(get(1))]));
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(Arc::clone(&plan)).await.unwrap();
            engine.resume().await.unwrap();
            let run = engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run;
            let summary = engine.outcome(&run).await.unwrap();
            let detail = engine.run(&run).await.unwrap().unwrap();
            (summary, format!("{:?}", detail.history))
        });
        let Ended::Well((summary, history)) = ended else { panic!("no crash was asked for") };
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(7))), "{operation}");
        let made = world.made();
        assert_eq!(made.len(), 4, "{operation}");
        let waits: Vec<_> = made.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
        assert!(waits.iter().all(|wait| *wait >= Millis::seconds(30)), "{operation}: {waits:?}");
        assert!(!history.contains("Unauthorized"), "{operation}: no attempt has failed: {history}");
    }
}

/// A flow of its own connection, which makes one call.
fn calling(flow: &str, connection: &str, operation: &str, breaker: Option<Breaker>) -> Arc<Plan> {
    let body = vec![step_of("a", operation, 1, text(connection)), end(get(1))];
    let mut plan = Plan { flow: flow.into(), ..plan(&[], body) };
    let declared = plan.connections.remove("world").unwrap();
    plan.connections.insert(connection.into(), declared);
    for node in plan.graph.node_weights_mut() {
        if let NodeKind::Step(step) = &mut node.kind {
            step.connection = connection.into();
            step.policy.breaker = breaker;
        }
    }
    Arc::new(plan)
}

/// Submits, again and again where there is no room for a moment.
async fn insist(world: &World, engine: &Engine, flow: &str) -> RunId {
    loop {
        match engine.submit(Submission::with_params(flow, Value::Null)).await {
            Ok(accepted) => return accepted.run,
            Err(refused) => assert!(refused.is_passing(), "{refused}"),
        }
        world.clock.sleep_until(world.clock.now().after(Millis::seconds(1))).await;
    }
}

/// Says that a run is accepted at once, and is soon over.
async fn is_served(world: &World, engine: &Engine, flow: &str) {
    let at = world.clock.now();
    let run = engine.submit(Submission::with_params(flow, Value::Null)).await.unwrap().run;
    assert_eq!(engine.outcome(&run).await.unwrap().outcome, Some(Outcome::Completed(Value::Int(7))));
    assert!(world.clock.now().since(at) < Millis::seconds(1));
}

/// A system is away for a day, beside another that works, and the process ends in the middle of it. Many more runs than
/// there is memory for wait for it.
#[test]
fn case_25_a_day_without_a_system_costs_neither_memory_nor_journal_and_then_all_is_done() {
    const RUNS: usize = 40;
    const ROOM: usize = 8;
    let begin = flow_runtime::sim::START;
    let back = begin.after(Millis::seconds(24 * 3600));
    let limits = Limits { runs: ROOM, reserve: 0, ..Limits::default() };
    let world = World::with_limits(limits, move |made| match made.arg == Value::text("dead") && made.at < back {
        true => Reply::err(ErrorKind::Unavailable, Reached::Never),
        false => Reply::ok(Value::Int(7)),
    });
    let data = tempfile::tempdir().unwrap();
    let opens_at = Rate { count: 3, period: Millis::seconds(60) };
    let breaker = Some(Breaker { opens_at, half_open_after: Millis::seconds(30) });
    let (dead, other) = (calling("dead", "dead", "keyed", breaker), calling("other", "alive", "keyed", breaker));
    let begun = std::sync::Mutex::new(Vec::new());
    let first = async |engine: Arc<Engine>| {
        engine.deploy(Arc::clone(&dead)).await.unwrap();
        engine.deploy(Arc::clone(&other)).await.unwrap();
        engine.resume().await.unwrap();
        for _ in 0..RUNS {
            let run = insist(&world, &engine, "dead").await;
            begun.lock().unwrap().push(run);
        }
        std::future::pending::<()>().await;
    };
    let life = Life { fault: Fault::Never, pace: Pace::Real, lasts: Some(Millis::seconds(12 * 3600)) };
    assert_eq!(live(&world, data.path(), &life, first), Ok(Ended::Crashed));
    let dead_runs = begun.into_inner().unwrap();
    assert_eq!(dead_runs.len(), RUNS);
    let second = process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::clone(&other)).await.unwrap();
        assert_eq!(engine.resume().await.unwrap(), RUNS);
        world.clock.sleep_until(world.clock.now().after(Millis::seconds(60))).await;
        while world.clock.now() < back {
            is_served(&world, &engine, "other").await;
            world.clock.sleep_until(world.clock.now().after(Millis::seconds(600))).await;
        }
        let mut last = back;
        for run in &dead_runs {
            let summary = engine.outcome(run).await.unwrap();
            assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(7))), "{summary:?}");
            last = last.max(summary.ended_at.unwrap());
        }
        last
    });
    let Ended::Well(last) = second else { panic!("no crash was asked for") };
    assert!(last.since(back) < Millis::seconds(3600), "all is done soon after: {last}");
    let calls = world.counts();
    let asked: usize = world.made().iter().filter(|made| made.at < back && made.arg == Value::text("dead")).count();
    assert!((24..130).contains(&asked), "a call each quarter of an hour: {asked}");
    for kept in flow_runtime::sim::story::kept(data.path()).unwrap() {
        let key = Place { path: "a".into(), indexes: Vec::new() }.key(kept.summary.id.as_str());
        let made = calls.get(&key).copied().unwrap_or(0);
        // However often it has asked whether it may call: what is written follows from its calls.
        assert!(kept.rows.len() <= 6 + 6 * made, "{} rows for {made} calls: {:?}", kept.rows.len(), kept.rows);
    }
}

/// A system takes calls and never answers. Neither the room for calls nor that for runs is taken up by those that call it.
#[test]
fn case_11_a_system_that_hangs_takes_up_its_share_and_others_are_served() {
    const SHARE: usize = 2;
    let limits = Limits { calls: 8, calls_of_one: SHARE, runs: 60, reserve: 0, ..Limits::default() };
    for operation in ["keyed", "send"] {
        let world = World::with_limits(limits.clone(), |made| match made.arg == Value::text("hung") {
            true => Reply::ok(Value::Null).after(1_000_000_000),
            false => Reply::ok(Value::Int(7)),
        });
        let data = tempfile::tempdir().unwrap();
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(calling("hung", "hung", operation, None)).await.unwrap();
            engine.deploy(calling("other", "alive", operation, None)).await.unwrap();
            engine.resume().await.unwrap();
            let mut hung = Vec::new();
            for _ in 0..120 {
                hung.push(insist(&world, &engine, "hung").await);
            }
            for _ in 0..100 {
                is_served(&world, &engine, "other").await;
                world.clock.sleep_until(world.clock.now().after(Millis(700))).await;
            }
            let standing = engine.standing().await.unwrap();
            assert!(standing.values().sum::<u64>() > 60, "more wait than there is memory for: {standing:?}");
        });
        assert_eq!(ended, Ended::Well(()), "{operation}");
        let made = world.made();
        let hangs = |at| {
            move |made: &&Made| {
                made.at <= at && made.ended.is_none_or(|end| end > at) && made.arg == Value::text("hung")
            }
        };
        for call in &made {
            assert!(made.iter().filter(hangs(call.at)).count() <= SHARE, "{operation}");
        }
    }
}
