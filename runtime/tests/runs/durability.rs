//! What is not on disk is not acknowledged, and what is damaged there is not believed.

use std::{path::Path, sync::Arc};

use flow_model::{plan::Plan, units::Millis, value::Value};
use flow_runtime::{
    engine::{ControlError, Filter, Limits, RunState, Submission, SubmitError},
    machine::Outcome,
    store::{self, Error, Store as _},
};

use crate::support::{
    build::*,
    sim::{Ended, Fault, Reply, World, process},
};

fn two_steps() -> Arc<Plan> {
    Arc::new(plan(&[], vec![step("a", "keyed", 1), step("b", "send", 2), end(int(1))]))
}

fn params() -> Submission {
    Submission::with_params("test", Value::Null)
}

#[test]
fn a_failed_write_is_not_acknowledged_and_stops_all_work() {
    // Writes: the run with its first call, the first outcome with the second call, the second outcome with the end.
    for at in 0..3 {
        let world = World::kind();
        let data = tempfile::tempdir().unwrap();
        // The plan is the first of all.
        let told = process(&world, data.path(), Fault::Refused(at + 1), async |engine| {
            engine.deploy(two_steps()).await.unwrap();
            engine.resume().await.unwrap();
            let submitted = engine.submit(params()).await;
            let error = engine.halted().await;
            assert!(matches!(error, Error::Closed));
            let made = world.made().len();
            world.tick().await;
            assert_eq!(world.made().len(), made, "nothing is performed any more");
            assert!(matches!(engine.submit(params()).await.unwrap_err(), SubmitError::Store(_)));
            match submitted {
                Ok(accepted) => {
                    let error = engine.outcome(&accepted.run).await.unwrap_err();
                    assert!(matches!(error, ControlError::Store(Error::Closed)));
                    Some(accepted.run)
                }
                Err(error) => {
                    assert!(matches!(error, SubmitError::Store(Error::Closed)));
                    None
                }
            }
        });
        let Ended::Well(run) = told else { panic!("no crash was asked for") };
        assert_eq!(run.is_some(), at > 0, "the first write is that of the run itself");
        assert_eq!(world.made().len(), at, "each call leaves only after the write before it");
        process(&world, data.path(), Fault::Never, async |engine| {
            assert_eq!(engine.resume().await.unwrap(), usize::from(run.is_some()));
            let Some(run) = run else { return assert_eq!(engine.runs(Filter::default()).await.unwrap(), []) };
            let summary = engine.outcome(&run).await.unwrap();
            let doubt = at == 2;
            assert_eq!(summary.state, if doubt { RunState::NeedsDecision } else { RunState::Completed }, "{at}");
        });
    }
}

#[test]
fn no_run_is_accepted_when_the_disk_is_nearly_full_or_too_much_is_under_way() {
    let full = Limits { reserve: u64::MAX, ..Limits::default() };
    let world = World::with_limits(full, |_| Reply::ok(Value::Null));
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(two_steps()).await.unwrap();
        assert!(matches!(engine.submit(params()).await.unwrap_err(), SubmitError::DiskFull(_)));
    });
    let few = Limits { runs: 2, reserve: 0, ..Limits::default() };
    let world = World::with_limits(few, |_| Reply::ok(Value::Null).after(1000));
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(two_steps()).await.unwrap();
        engine.resume().await.unwrap();
        let first = engine.submit(params()).await.unwrap();
        engine.submit(params()).await.unwrap();
        assert!(matches!(engine.submit(params()).await.unwrap_err(), SubmitError::Busy(2)));
        engine.outcome(&first.run).await.unwrap();
        world.tick().await;
        engine.submit(params()).await.unwrap();
    });
}

fn change(data: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(data.join("journal.sqlite")).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0);
}

#[test]
fn a_damaged_run_is_set_aside_and_the_others_go_on() {
    let world = World::kind_with(Limits { reserve: 0, ..Limits::default() });
    for damage in [
        "update journal set body = replace(body, 'Started', 'startet') where seq = 0 and run = (select min(id) from runs)",
        "delete from journal where seq = 1 and run = (select min(id) from runs)",
        "update journal set checksum = x'00' where seq = 2 and run = (select min(id) from runs)",
        "update runs set plan = 'gone' where id = (select min(id) from runs)",
    ] {
        let data = tempfile::tempdir().unwrap();
        let body = vec![step("a", "read", 1), sleep("nap", seconds(3600)), end(int(1))];
        let plan = Arc::new(plan(&[], body));
        let started = process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(Arc::clone(&plan)).await.unwrap();
            engine.resume().await.unwrap();
            let first = engine.submit(params()).await.unwrap().run;
            world.tick().await;
            let second = engine.submit(params()).await.unwrap().run;
            for run in [&first, &second] {
                while engine.run(run).await.unwrap().unwrap().summary.state != RunState::Waiting {
                    world.tick().await;
                }
            }
            (first, second)
        });
        let Ended::Well((first, second)) = started else { panic!("no crash was asked for") };
        change(data.path(), damage);
        process(&world, data.path(), Fault::Never, async |engine| {
            engine.resume().await.unwrap();
            let outcome = engine.outcome(&second).await.unwrap().outcome;
            assert_eq!(outcome, Some(Outcome::Completed(Value::Int(1))), "{damage}");
            let broken = engine.outcome(&first).await.unwrap();
            assert_eq!(broken.state, RunState::NeedsDecision);
            assert!(broken.reason.unwrap().starts_with("the run can't go on: "), "{damage}");
        });
    }
}

#[test]
fn a_journal_that_does_not_follow_from_its_plan_is_not_believed() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    let started = process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::new(plan(&[], vec![sleep("nap", seconds(3600)), end(int(1))]))).await.unwrap();
        engine.deploy(Arc::new(plan(&[], vec![sleep("other", seconds(3600)), end(int(2))]))).await.unwrap();
        engine.resume().await.unwrap();
        engine.submit(params()).await.unwrap().run
    });
    let Ended::Well(run) = started else { panic!("no crash was asked for") };
    change(data.path(), "update runs set plan = (select digest from plans where digest <> runs.plan)");
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!(summary.state, RunState::NeedsDecision);
        assert!(summary.reason.unwrap().contains("does not follow"));
    });
    assert_eq!(world.made().len(), 0);
}

#[test]
fn a_data_folder_has_one_writer_and_the_refusal_names_it() {
    let data = tempfile::tempdir().unwrap();
    let first = store::Sqlite::open(data.path()).unwrap();
    let error = store::Sqlite::open(data.path()).unwrap_err();
    assert!(matches!(error, Error::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains(&format!("process {}", std::process::id())));
    drop(first);
    store::Sqlite::open(data.path()).unwrap();
}

#[test]
fn a_process_whose_folder_was_taken_over_writes_no_more() {
    let data = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = store::Sqlite::open(data.path()).unwrap();
    let add = || runtime.block_on(store.add_plan("digest".into(), "test".into(), b"{}".to_vec()));
    add().unwrap();
    // The lock does not hold between machines that share a folder; the epoch does.
    change(data.path(), "update meta set value = value + 1 where name = 'epoch'");
    assert!(matches!(add().unwrap_err(), Error::TakenOver));
    assert!(matches!(add().unwrap_err(), Error::Closed), "and not even when the other has gone");
}

#[test]
fn folders_that_hold_no_journal_or_a_newer_one_are_refused_in_words() {
    let data = tempfile::tempdir().unwrap();
    let empty = store::read(data.path()).unwrap_err();
    assert!(empty.to_string().contains("the folder has no journal"), "{empty}");
    drop(store::Sqlite::open(data.path()).unwrap());
    let connection = rusqlite::Connection::open(data.path().join("journal.sqlite")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(store::Sqlite::open(data.path()).unwrap_err(), Error::Newer { found: 99, .. }));
    assert!(matches!(store::read(data.path()).unwrap_err(), Error::Newer { found: 99, .. }));
    let file = data.path().join("journal.sqlite");
    let below = store::Sqlite::open(&file.join("below")).unwrap_err();
    assert!(matches!(below, Error::Folder { .. }), "{below}");
    drop(connection);
    std::fs::write(&file, "not a database, but long enough to have a header of its own").unwrap();
    let garbage = store::Sqlite::open(data.path()).unwrap_err();
    assert!(matches!(garbage, Error::Database(_)), "{garbage}");
}

/// Also what is no turn of a run: a plan, a note of a trigger, a dead letter that is dealt with, what is removed.
#[test]
fn a_failed_write_of_any_kind_stops_all_work() {
    let trigger = every(None);
    for kind in ["plan", "note", "letter", "expiry"] {
        let world = World::kind();
        let data = tempfile::tempdir().unwrap();
        let body = vec![dead_letter("kept", int(1)), end(int(1))];
        let plan = Arc::new(plan(&[], body));
        let is_plan = kind == "plan";
        let ended = process(&world, data.path(), Fault::Refused(if is_plan { 0 } else { 2 }), async |engine| {
            let deployed = engine.deploy(Arc::clone(&plan)).await;
            assert_eq!(deployed.is_err(), is_plan);
            if !is_plan {
                engine.resume().await.unwrap();
                let run = engine.submit(params()).await.unwrap().run;
                assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::Completed);
                let failed = match kind {
                    "note" => engine.keep("test", &trigger, [("k".to_owned(), "t".to_owned())].into()).await.is_err(),
                    "letter" => engine.drop_letter(1).await.is_err(),
                    _ => {
                        world.clock.shift(1000);
                        engine.tidy(Some(Millis(1))).await.is_err()
                    }
                };
                assert!(failed, "{kind}");
            }
            assert!(matches!(engine.halted().await, Error::Closed), "{kind}");
            assert!(matches!(engine.submit(params()).await.unwrap_err(), SubmitError::Store(_)), "{kind}");
        });
        assert_eq!(ended, Ended::Well(()), "{kind}");
    }
}

#[test]
fn what_comes_faster_than_it_can_be_written_is_turned_away_and_what_was_accepted_goes_on() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    // The plan and the beginning of the run are written in time.
    let ended = process(&world, data.path(), Fault::Slow(2), async |engine| {
        engine.deploy(two_steps()).await.unwrap();
        engine.resume().await.unwrap();
        let run = engine.submit(params()).await.unwrap().run;
        let refused = engine.submit(params()).await.unwrap_err();
        assert!(matches!(refused, SubmitError::Slow) && refused.is_passing(), "{refused}");
        assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::Completed);
        assert_eq!(engine.runs(Filter::default()).await.unwrap().len(), 1);
    });
    assert_eq!(ended, Ended::Well(()));
}
