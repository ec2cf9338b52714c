//! Runs that sleep longer than is looked ahead, and what is removed of runs that are over.

use std::sync::Arc;

use flow_model::{plan::Plan, units::Millis, value::Value};
use flow_runtime::{
    engine::{Engine, RunId, RunState, Submission},
    machine::Outcome,
};

use crate::support::{
    build::*,
    sim::{Ended, Fault, World, process},
};

/// A flow that sleeps for so many minutes.
fn sleeper(minutes: u64) -> Plan {
    let body = vec![sleep("nap", seconds(minutes * 60)), end(int(1))];
    Plan { flow: format!("sleeps {minutes}"), ..plan(&[], body) }
}

async fn submit(engine: &Engine, plan: &Plan) -> RunId {
    engine.deploy(Arc::new(plan.clone())).await.unwrap();
    engine.submit(Submission::with_params(plan.flow.as_str(), Value::record([]))).await.unwrap().run
}

/// Waits for the end of runs, which have to come at their times.
async fn on_time(engine: &Engine, runs: &[(RunId, u64)]) {
    for (run, minutes) in runs {
        let summary = engine.outcome(run).await.unwrap();
        assert_eq!(summary.state, RunState::Completed);
        let slept = summary.ended_at.unwrap().since(summary.started_at);
        let asked = Millis::seconds(minutes * 60);
        assert!(slept >= asked && slept < Millis(asked.0 + 1000), "{minutes} minutes: {slept:?}");
    }
}

/// The last one to sleep is the first to wake, one wakes within the time that is looked ahead, and one does not leave memory.
const MINUTES: [u64; 6] = [300, 60, 5, 0, 200, 30];

#[test]
fn runs_wake_at_their_times_however_far_ahead_those_are() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let mut runs = Vec::new();
        for minutes in MINUTES {
            runs.push((submit(&engine, &sleeper(minutes)).await, minutes));
        }
        on_time(&engine, &runs).await;
    });
}

#[test]
fn runs_of_an_earlier_process_wake_at_their_times_beside_those_of_this_one() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    let told = process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let mut runs = Vec::new();
        for minutes in MINUTES {
            runs.push((submit(&engine, &sleeper(minutes)).await, minutes));
        }
        // Two have woken when the process ends.
        on_time(&engine, &[runs[2].clone(), runs[3].clone()]).await;
        runs
    });
    let Ended::Well(mut runs) = told else { panic!("no crash was asked for") };
    process(&world, data.path(), Fault::Never, async |engine| {
        assert_eq!(engine.resume().await.unwrap(), 4);
        for minutes in [100, 20] {
            runs.push((submit(&engine, &sleeper(minutes)).await, minutes));
        }
        on_time(&engine, &runs).await;
    });
}

#[test]
fn a_run_that_sleeps_beyond_what_is_looked_ahead_hears_what_it_is_told() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let waits = Plan {
            flow: "waits".into(),
            ..plan(&[], vec![wait("w", 1, "paid", None, Some(seconds(100_000))), end(get(1))])
        };
        let pays = plan(&[], vec![sleep("nap", seconds(7200)), emit("e", "paid", text("A-1")), end(int(1))]);
        let (waiting, paying) = (submit(&engine, &waits).await, submit(&engine, &pays).await);
        engine.outcome(&paying).await.unwrap();
        let summary = engine.outcome(&waiting).await.unwrap();
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::text("A-1"))));
        assert!(summary.ended_at.unwrap().since(summary.started_at) < Millis::seconds(7300));
    });
}

#[test]
fn what_is_over_is_removed_and_what_a_run_that_sleeps_will_need_is_not() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    let below = Plan { flow: "below".into(), ..plan(&[], vec![step("a", "read", 1), end(get(1))]) };
    let told = process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::new(below.clone())).await.unwrap();
        engine.resume().await.unwrap();
        let calls = vec![sleep("nap", seconds(9000)), call("c", 1, &below, vec![]), end(get(1))];
        let sleeps = submit(&engine, &plan(&[], calls)).await;
        let short = submit(&engine, &sleeper(1)).await;
        engine.outcome(&short).await.unwrap();
        let young = engine.tidy(Some(Millis::seconds(60))).await.unwrap();
        assert_eq!((young.runs, young.plans), (0, 0));
        (sleeps, short)
    });
    let Ended::Well((sleeps, short)) = told else { panic!("no crash was asked for") };
    // Nothing is deployed in this process: what is needed follows from the runs.
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let later = submit(&engine, &sleeper(20)).await;
        engine.outcome(&later).await.unwrap();
        assert_eq!(engine.tidy(None).await.unwrap().runs, 0, "without a time, no run is removed");
        let removed = engine.tidy(Some(Millis::seconds(60))).await.unwrap();
        assert!(
            removed.runs >= 1 && removed.plans >= 1,
            "the first short one, and the plan that it alone had: {removed:?}"
        );
        assert_eq!(engine.run(&short).await.unwrap(), None);
        let summary = engine.outcome(&sleeps).await.unwrap();
        assert_eq!(summary.state, RunState::Completed, "{summary:?}");
    });
}

#[test]
fn what_is_over_is_removed_by_itself_once_an_hour() {
    use flow_runtime::timer::Clock as _;

    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let short = submit(&engine, &sleeper(1)).await;
        engine.outcome(&short).await.unwrap();
        engine.tidy_regularly(Some(Millis::seconds(1800)));
        let is_there = async || engine.run(&short).await.unwrap().is_some();
        let rest = async |minutes: u64| {
            let until = world.clock.now().after(Millis::seconds(60 * minutes));
            world.clock.sleep_until(until).await;
        };
        // It is looked at once at the start, when it is young, and not again before an hour is over.
        rest(59).await;
        assert!(is_there().await);
        rest(2).await;
        assert!(!is_there().await);
    });
}

#[test]
fn what_a_file_is_old_by_is_the_time_of_the_engine() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let folder = data.path().join("blobs/ab");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("c".repeat(62)), b"unnamed").unwrap();
        // The file was written now, by the clock of this machine.
        let written = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        let at = |engine: i64| world.clock.shift(written + engine - flow_runtime::timer::Clock::now(&*world.clock).0);
        at(23 * 3_600_000);
        assert_eq!(engine.tidy(None).await.unwrap().bytes, 0, "it may belong to a step under way");
        at(25 * 3_600_000);
        assert_eq!(engine.tidy(None).await.unwrap().bytes, 7);
    });
}
