//! Runs on the engine: what is kept, what is waited for, what is shared.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use flow_model::{
    expr::Expr,
    failure::ErrorKind,
    plan::{ForOnError, ParallelOnError, Plan},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    engine::{
        Accepted, Answer, ControlError, Engine, Filter, Happening, Limits, Newness, RunState, Submission, SubmitError,
    },
    journal::StepState,
    machine::{Decision, Outcome, Place, Response},
    store,
};

use crate::support::{
    build::*,
    play::ints,
    random::answer_of,
    sim::{Ended, Fault, Reply, World, process},
};

fn params() -> Submission {
    Submission::with_params("test", Value::record([]))
}

/// Lives through a story on a new folder.
fn live<T, F: Future<Output = T>>(world: &Arc<World>, story: impl FnOnce(Arc<Engine>) -> F) -> T {
    let data = tempfile::tempdir().unwrap();
    match process(world, data.path(), Fault::Never, story) {
        Ended::Well(value) => value,
        Ended::Crashed => panic!("no crash was asked for"),
    }
}

async fn start(engine: &Engine, plan: Plan) -> Accepted {
    engine.deploy(Arc::new(plan)).await.unwrap();
    engine.resume().await.unwrap();
    engine.submit(params()).await.unwrap()
}

fn place(path: &str) -> Place {
    Place { path: path.into(), indexes: vec![] }
}

#[test]
fn a_run_is_carried_out_and_its_history_told() {
    let world = World::new(|made| match made.before {
        0 if made.arg == Value::text("b") => Reply::err(ErrorKind::Unavailable, Reached::Perhaps),
        _ => Reply::ok(answer_of(&made.arg)),
    });
    let body = vec![step("a", "send", 1), log(text("between")), step("b", "read", 2), end(list([get(1), get(2)]))];
    live(&world, async |engine| {
        let mut progress = engine.subscribe();
        let run = start(&engine, plan(&[], body)).await.run;
        let summary = engine.outcome(&run).await.unwrap();
        let expected = Value::List(vec![answer_of(&Value::text("a")), answer_of(&Value::text("b"))]);
        assert_eq!((summary.state, summary.outcome), (RunState::Completed, Some(Outcome::Completed(expected))));
        let detail = engine.run(&run).await.unwrap().unwrap();
        let steps: Vec<_> = detail.history.steps.iter().map(|step| (step.state, step.attempts.len())).collect();
        assert_eq!(steps, [(StepState::Completed, 1), (StepState::Completed, 2)]);
        assert_eq!(detail.history.lines[0].text, "between");
        let mut told = Vec::new();
        while let Ok(progress) = progress.try_recv() {
            told.push(match &progress.what {
                Happening::RunStarted => "run".to_owned(),
                Happening::StepStarted { place, .. } => format!("start {place}"),
                Happening::AttemptStarted { place, attempt } => format!("attempt {attempt} of {place}"),
                Happening::AttemptFailed { place, .. } => format!("failed {place}"),
                Happening::StepCompleted { place, attempts } => format!("completed {place} in {attempts}"),
                Happening::Concluded(_) | Happening::StepOver { .. } => continue,
                Happening::Standing(state) => state.to_string(),
            });
        }
        let expected = [
            "run",
            "start a",
            "running",
            "attempt 1 of a",
            "completed a in 1",
            "start b",
            "running",
            "attempt 1 of b",
            "failed b",
            "waiting",
            "running",
            "attempt 2 of b",
            "completed b in 2",
            "completed",
        ];
        assert_eq!(told, expected);
    });
}

#[test]
fn a_repeated_event_starts_one_run() {
    let world = World::kind();
    live(&world, async |engine| {
        engine.deploy(Arc::new(plan(&[], vec![step("a", "read", 1)]))).await.unwrap();
        engine.resume().await.unwrap();
        let event = |digest: &str| Submission {
            dedupe: Some(("evt_1".into(), Millis::seconds(3600))),
            body_digest: Some(digest.to_owned()),
            notes: BTreeMap::new(),
            ..params()
        };
        let all = futures::future::join_all((0..50).map(|_| engine.submit(event("x")))).await;
        let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(all.iter().filter(|accepted| accepted.is_new == Newness::New).count(), 1);
        assert!(all.iter().all(|accepted| accepted.run == all[0].run));
        let other = engine.submit(event("y")).await.unwrap_err();
        assert!(matches!(other, SubmitError::Conflict { run } if run == all[0].run));
        engine.outcome(&all[0].run).await.unwrap();
        assert_eq!(engine.runs(Filter::default()).await.unwrap().len(), 1);
        world.clock.shift(3_600_000);
        assert_eq!(engine.submit(event("y")).await.unwrap().is_new, Newness::New, "the window is over");
    });
}

#[test]
fn respond_answers_before_the_run_ends() {
    let world = World::kind();
    live(&world, async |engine| {
        let body = vec![step("a", "read", 1), respond(201, get(1)), sleep("nap", seconds(3600)), end(int(1))];
        let run = start(&engine, plan(&[], body)).await.run;
        let response = Response { status: 201, body: Some(answer_of(&Value::text("a"))) };
        assert_eq!(engine.answer(&run).await.unwrap(), Answer::Responded(response));
        assert_eq!(engine.run(&run).await.unwrap().unwrap().summary.state, RunState::Waiting);
        let quiet = engine.submit(params()).await.unwrap().run;
        engine.outcome(&run).await.unwrap();
        assert!(matches!(engine.answer(&quiet).await.unwrap(), Answer::Responded(_)));
    });
    live(&world, async |engine| {
        let run = start(&engine, plan(&[], vec![step("a", "read", 1)])).await.run;
        let Answer::Ended(summary) = engine.answer(&run).await.unwrap() else { panic!("it has not responded") };
        assert_eq!(summary.state, RunState::Completed);
    });
}

#[test]
fn calls_under_way_are_bounded_over_all_runs() {
    let limits = Limits { calls: 3, reserve: 0, ..Limits::default() };
    let world = World::with_limits(limits, |made| Reply::ok(made.arg.clone()));
    live(&world, async |engine| {
        let body = |operation| {
            vec![each(
                "each",
                2,
                1,
                list((0..10).map(int)),
                10,
                ForOnError::Stop,
                vec![step_of("a", operation, 3, get(1)), give(get(3))],
            )]
        };
        engine.deploy(Arc::new(plan(&[], [body("send"), vec![end(get(2))]].concat()))).await.unwrap();
        engine.resume().await.unwrap();
        let mut runs = Vec::new();
        for _ in 0..5 {
            runs.push(engine.submit(params()).await.unwrap().run);
        }
        for run in runs {
            let outcome = engine.outcome(&run).await.unwrap().outcome;
            assert_eq!(outcome, Some(Outcome::Completed(ints(0..10))));
        }
    });
    assert_eq!((world.made().len(), world.most_under_way.load(Ordering::SeqCst)), (50, 3));
}

#[test]
fn a_long_sleep_is_slept_out_of_memory_and_across_restarts() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    let body = vec![step("a", "read", 1), sleep("nap", seconds(86_400)), step("b", "read", 2), end(int(7))];
    let plan = Arc::new(plan(&[], body));
    let started = process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::clone(&plan)).await.unwrap();
        engine.resume().await.unwrap();
        let run = engine.submit(params()).await.unwrap().run;
        loop {
            let summary = engine.run(&run).await.unwrap().unwrap().summary;
            if summary.state == RunState::Waiting {
                return (run, summary.wake_at.unwrap());
            }
            world.tick().await;
        }
    });
    let Ended::Well((run, wake_at)) = started else { panic!("no crash was asked for") };
    process(&world, data.path(), Fault::Never, async |engine| {
        // Another plan is deployed meanwhile; the run keeps its own.
        engine.deploy(Arc::new(self::plan(&[], vec![end(int(0))]))).await.unwrap();
        assert_eq!(engine.resume().await.unwrap(), 1);
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(7))));
        assert!(summary.ended_at.unwrap() >= wake_at);
    });
    assert_eq!(world.made().len(), 2);
    assert!(world.made()[1].at >= wake_at, "it did not wake early");
}

#[test]
fn cancel_stops_calls_that_may_be_repeated_and_keeps_the_outcome_of_others() {
    let world = World::new(|made| Reply::ok(made.arg.clone()).after(10_000));
    live(&world, async |engine| {
        let both = parallel("p", ParallelOnError::Stop, vec![vec![step("a", "read", 1)], vec![step("b", "send", 2)]]);
        let run = start(&engine, plan(&[], vec![both])).await.run;
        while world.made().len() < 2 {
            world.tick().await;
        }
        engine.cancel(&run, "not needed").await.unwrap();
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!((summary.state, summary.reason.as_deref()), (RunState::Cancelled, Some("not needed")));
        let again = engine.cancel(&run, "twice").await.unwrap_err();
        assert!(matches!(again, ControlError::Over { state: RunState::Cancelled, .. }));
        loop {
            let steps = engine.run(&run).await.unwrap().unwrap().history.steps;
            if steps[1].attempts.len() == 1 {
                assert_eq!((steps[0].state, steps[0].attempts.len()), (StepState::Cancelled, 0));
                break;
            }
            world.tick().await;
        }
        assert_eq!(engine.run(&run).await.unwrap().unwrap().summary.state, RunState::Cancelled);
    });
}

#[test]
fn a_call_that_gives_no_sign_is_given_up() {
    let world = World::new(|made| match made.operation.as_str() {
        "read" => Reply::ok(Value::Null).after(u64::MAX / 4),
        _ => Reply::ok(Value::Null),
    });
    live(&world, async |engine| {
        let body = vec![step("a", "read", 1).retrying(retry(1, &[ErrorKind::Timeout], 0))];
        let run = start(&engine, plan(&[], body)).await.run;
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!(summary.reason.as_deref(), Some("Timeout: no answer within 30s"));
    });
    assert_eq!(world.made().len(), 2);
}

#[test]
fn case_18_a_connector_that_panics_fails_its_step_alone() {
    let world = World::new(|made| match &made.arg {
        Value::String(path) if &**path == "bad" => panic!("a bug in a connector"),
        _ => Reply::ok(Value::Int(1)),
    });
    live(&world, async |engine| {
        let caught = vec![(vec![ErrorKind::Unavailable], None, None, vec![give(text("caught"))])];
        let none = retry(0, &[], 0);
        let body = vec![
            attempt("try", 1, vec![step("bad", "read", 2).retrying(none)], caught),
            step("good", "read", 3),
            end(get(1)),
        ];
        let run = start(&engine, plan(&[], body)).await.run;
        let outcome = engine.outcome(&run).await.unwrap().outcome;
        assert_eq!(outcome, Some(Outcome::Completed(Value::text("caught"))));
    });
}

#[test]
fn a_result_that_is_too_large_is_refused_with_a_reason() {
    let limits = Limits { result: 1000, reserve: 0, ..Limits::default() };
    let world = World::with_limits(limits, |_| Reply::ok(Value::text("x".repeat(2000))));
    live(&world, async |engine| {
        let run = start(&engine, plan(&[], vec![step("a", "send", 1)])).await.run;
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!(summary.reason.as_deref(), Some("Mismatch: the result of `send` has more than 1000 bytes"));
    });
}

#[test]
fn what_is_asked_wrongly_is_refused_in_words() {
    let world = World::kind();
    live(&world, async |engine| {
        let run = start(&engine, plan(&[], vec![end(int(1))])).await.run;
        let unknown = engine.submit(Submission::with_params("gone", Value::Null)).await.unwrap_err();
        assert_eq!(unknown.to_string(), "there is no flow `gone`");
        let trigger = engine.submit(Submission { trigger: Some(3), ..params() }).await.unwrap_err();
        assert!(matches!(trigger, SubmitError::UnknownTrigger(_, 3)));
        engine.outcome(&run).await.unwrap();
        let over = engine.resolve(&run, place("a"), Decision::Retry).await.unwrap_err();
        assert_eq!(over.to_string(), format!("run {run} is completed already"));
        let none = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        assert!(matches!(engine.outcome(&none).await.unwrap_err(), ControlError::Unknown(_)));
        assert!(engine.run(&none).await.unwrap().is_none());
    });
}

#[test]
fn shutdown_lets_calls_end_and_leaves_the_rest_to_the_next_start() {
    let world = World::new(|made| Reply::ok(made.arg.clone()).after(5000));
    let data = tempfile::tempdir().unwrap();
    let plan = Arc::new(plan(&[], vec![step("a", "send", 1), step("b", "send", 2), end(int(3))]));
    let first = process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::clone(&plan)).await.unwrap();
        engine.resume().await.unwrap();
        let run = engine.submit(params()).await.unwrap().run;
        while world.made().is_empty() {
            world.tick().await;
        }
        engine.shutdown().await;
        assert!(matches!(engine.submit(params()).await.unwrap_err(), SubmitError::Closing));
        let detail = engine.run(&run).await.unwrap().unwrap();
        assert_eq!(detail.history.steps[0].state, StepState::Completed, "the call under way has ended and is recorded");
        run
    });
    let Ended::Well(run) = first else { panic!("no crash was asked for") };
    assert_eq!(world.made().len(), 1, "nothing has left after the shutdown");
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let outcome = engine.outcome(&run).await.unwrap().outcome;
        assert_eq!(outcome, Some(Outcome::Completed(Value::Int(3))));
    });
    assert_eq!(world.made().len(), 2);
}

#[test]
fn a_call_that_outlasts_the_grace_period_is_in_doubt_afterwards() {
    let world = World::new(|made| Reply::ok(made.arg.clone()).after(20_000));
    let data = tempfile::tempdir().unwrap();
    let plan = Arc::new(plan(&[], vec![step("a", "send", 1), end(get(1))]));
    let first = process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::clone(&plan)).await.unwrap();
        engine.resume().await.unwrap();
        let run = engine.submit(params()).await.unwrap().run;
        while world.made().is_empty() {
            world.tick().await;
        }
        engine.shutdown().await;
        run
    });
    let Ended::Well(run) = first else { panic!("no crash was asked for") };
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!(summary.state, RunState::NeedsDecision);
        assert!(summary.reason.unwrap().starts_with("`a`: the process ended during the call"));
        let elsewhere = engine.resolve(&run, place("b"), Decision::Retry).await.unwrap_err();
        assert!(matches!(elsewhere, ControlError::Decided { .. }));
        engine.resolve(&run, place("a"), Decision::Result(Value::Int(9))).await.unwrap();
        let outcome = engine.outcome(&run).await.unwrap().outcome;
        assert_eq!(outcome, Some(Outcome::Completed(Value::Int(9))));
    });
    assert_eq!(world.made().len(), 1);
}

#[test]
fn a_clock_that_is_set_back_or_far_ahead_fires_each_timer_once() {
    let world = World::kind();
    live(&world, async |engine| {
        let naps = (0..4).map(|index| vec![sleep(&format!("nap{index}"), seconds(60 * (index + 1)))]).collect();
        let body = vec![parallel("p", ParallelOnError::Stop, naps), end(int(1))];
        let run = start(&engine, plan(&[], body)).await.run;
        world.clock.shift(-3_600_000);
        world.tick().await;
        world.clock.shift(2 * 3_600_000);
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!(summary.state, RunState::Completed);
        let detail = engine.run(&run).await.unwrap().unwrap();
        assert!(detail.history.steps.iter().all(|step| step.state == StepState::Completed));
    });
}

#[test]
fn another_process_reads_while_one_serves() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    process(&world, data.path(), Fault::Never, async |engine| {
        let body = vec![step("a", "read", 1), dead_letter("lost", get(1)), end(int(1))];
        let run = start(&engine, plan(&[], body)).await.run;
        engine.outcome(&run).await.unwrap();
        let reader = store::read(data.path()).unwrap();
        assert_eq!(reader.list(&Filter::default()).unwrap()[0].id, run);
        let detail = reader.run(&run).unwrap().unwrap();
        assert_eq!((detail.history.steps.len(), detail.dead_letters[0].queue.as_str()), (1, "lost"));
        let completed = Filter { states: vec![RunState::Completed], flow: Some("test".into()), ..Filter::default() };
        assert_eq!(reader.list(&completed).unwrap().len(), 1);
        let failed = Filter { states: vec![RunState::Failed, RunState::Cancelled], ..Filter::default() };
        assert_eq!(reader.list(&failed).unwrap(), []);
        let before = Filter { before: Some(run), ..Filter::default() };
        assert_eq!(reader.list(&before).unwrap(), []);
    });
    let reader = store::read(data.path()).unwrap();
    assert_eq!(reader.list(&Filter::default()).unwrap().len(), 1, "and when nobody serves");
}

#[test]
fn of_two_who_cancel_or_decide_one_wins() {
    let world = World::new(|_| Reply::err(ErrorKind::Timeout, Reached::Perhaps));
    live(&world, async |engine| {
        let run = start(&engine, plan(&[], vec![step("a", "send", 1), end(get(1))])).await.run;
        assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::NeedsDecision);
        let decide = |value| engine.resolve(&run, place("a"), Decision::Result(Value::Int(value)));
        let said = futures::future::join_all([decide(1), decide(2)]).await;
        let won = said.iter().position(Result::is_ok).unwrap();
        assert!(matches!(said[1 - won], Err(ControlError::Over { .. })));
        let outcome = engine.outcome(&run).await.unwrap().outcome;
        assert_eq!(outcome, Some(Outcome::Completed(Value::Int(1 + won as i64))));
        let run = engine.submit(params()).await.unwrap().run;
        engine.outcome(&run).await.unwrap();
        let said = futures::future::join_all([engine.cancel(&run, "0"), engine.cancel(&run, "1")]).await;
        let won = said.iter().position(Result::is_ok).unwrap();
        assert!(matches!(said[1 - won], Err(ControlError::Over { state: RunState::Cancelled, .. })));
        assert_eq!(engine.outcome(&run).await.unwrap().reason, Some(won.to_string()));
    });
}

#[test]
fn a_run_sees_the_environment_that_it_began_with_also_after_a_restart() {
    let world = World::new(|made| Reply::ok(made.arg.clone()));
    world.env.lock().unwrap().insert("REGION".into(), "eu".into());
    let data = tempfile::tempdir().unwrap();
    let region = || Expr::Env("REGION".into(), Some(Box::new(text("none"))));
    let read = vec![step_of("a", "read", 2, region()), give(list([get(2), region()]))];
    let body = vec![
        sleep("nap", seconds(3600)),
        each("each", 3, 1, list([region()]), 1, ForOnError::Stop, read),
        end(list([get(3), Expr::Env("OTHER".into(), Some(Box::new(text("none"))))])),
    ];
    let started = process(&world, data.path(), Fault::Never, async |engine| start(&engine, plan(&[], body)).await.run);
    let Ended::Well(run) = started else { panic!("no crash was asked for") };
    *world.env.lock().unwrap() = [("REGION".into(), "us".into()), ("OTHER".into(), "new".into())].into();
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let outcome = engine.outcome(&run).await.unwrap().outcome;
        let eu = || Value::text("eu");
        let expected = Value::List(vec![Value::List(vec![Value::List(vec![eu(), eu()])]), Value::text("none")]);
        assert_eq!(outcome, Some(Outcome::Completed(expected)));
    });
}

#[test]
fn many_runs_that_are_due_together_are_all_carried_out() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    let plan = Arc::new(plan(&[], vec![sleep("nap", seconds(3600)), step("a", "send", 1), end(int(1))]));
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.deploy(plan).await.unwrap();
        engine.resume().await.unwrap();
        futures::future::join_all((0..500).map(|_| engine.submit(params()))).await;
    });
    world.clock.shift(7_200_000);
    process(&world, data.path(), Fault::Never, async |engine| {
        assert_eq!(engine.resume().await.unwrap(), 500);
        let all = Filter { limit: 1000, ..Filter::default() };
        for run in engine.runs(all).await.unwrap() {
            assert_eq!(engine.outcome(&run.id).await.unwrap().state, RunState::Completed);
        }
    });
    assert_eq!((world.made().len(), world.counts().len()), (500, 500));
}
