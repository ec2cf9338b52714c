//! What is done again: retries with the same keys, replays from a step, dead letters.

use std::sync::Arc;

use flow_model::{failure::ErrorKind, plan::Plan, value::Value};
use flow_runtime::{
    connector::Reached,
    engine::{Engine, Redo, RedoError, RunId, RunState, RunSummary, Submission},
    machine::{Outcome, Unfit},
    store::{self, Letters, WhichLetters},
};

use crate::support::{
    build::*,
    sim::{Ended, Fault, Reply, World, process},
};

async fn deploy(engine: &Engine, plans: &[Plan]) {
    for plan in plans {
        engine.deploy(Arc::new(plan.clone())).await.unwrap();
    }
    engine.resume().await.unwrap();
}

async fn carry_out(engine: &Engine, flow: &str) -> RunSummary {
    let run = engine.submit(Submission::with_params(flow, Value::record([]))).await.unwrap().run;
    engine.outcome(&run).await.unwrap()
}

fn live<T, F: Future<Output = T>>(world: &Arc<World>, story: impl FnOnce(Arc<Engine>) -> F) -> T {
    let data = tempfile::tempdir().unwrap();
    let Ended::Well(told) = process(world, data.path(), Fault::Never, story) else { panic!("no crash was asked for") };
    told
}

/// A world in which the first call of each key with the argument "weak" is refused.
fn weak() -> Arc<World> {
    World::new(|made| match &made.arg {
        Value::String(text) if text.as_ref() == "weak" && made.before == 0 => {
            Reply::err(ErrorKind::Rejected, Reached::Answered)
        }
        _ => Reply::ok(made.arg.clone()),
    })
}

fn calls(world: &World) -> Vec<String> {
    world.made().iter().map(|made| made.arg.to_string()).collect()
}

fn replay(from: &str) -> Redo {
    Redo::Replay { from: Some(from.to_owned()) }
}

/// `one`, then `slow` beside `weak`, then `last`.
fn ladder() -> Plan {
    let beside = vec![
        vec![step_of("slow", "send", 2, text("slow"))],
        vec![step_of("weak", "keyed", 3, text("weak")), step_of("after", "send", 4, text("after"))],
    ];
    let both = parallel("both", flow_model::plan::ParallelOnError::Wait, beside);
    plan(&[], vec![step_of("one", "send", 1, text("one")), both, end(list([get(1), get(2), get(3), get(4)]))])
}

#[test]
fn a_retry_calls_the_step_that_failed_with_the_same_key_and_keeps_the_rest() {
    let world = weak();
    live(&world, async |engine| {
        deploy(&engine, &[ladder()]).await;
        let failed = carry_out(&engine, "test").await;
        assert_eq!(failed.state, RunState::Failed);
        assert_eq!(calls(&world), ["one", "slow", "weak"]);
        let again = engine.again(&failed.id, Redo::Retry).await.unwrap();
        let ended = engine.outcome(&again).await.unwrap();
        let all = ["one", "slow", "weak", "after"].map(Value::text).to_vec();
        assert_eq!(ended.outcome, Some(Outcome::Completed(Value::List(all))));
        assert_eq!(calls(&world), ["one", "slow", "weak", "weak", "after"]);
        let made = world.made();
        assert_eq!(made[2].key, made[3].key);
        assert_eq!(ended.trigger.unwrap(), format!("retry of run {} at `weak`", failed.id));
        assert_eq!(engine.run(&failed.id).await.unwrap().unwrap().summary, failed, "the first one is as it was");
        let well = engine.again(&again, Redo::Retry).await.unwrap_err();
        assert!(matches!(well, RedoError::Well { .. }), "{well}");
    });
}

#[test]
fn a_retry_of_a_retry_has_the_keys_of_the_first_run() {
    let world = World::new(|made| match (made.operation.as_str(), made.before) {
        ("keyed", 0 | 1) => Reply::err(ErrorKind::Rejected, Reached::Answered),
        _ => Reply::ok(made.arg.clone()),
    });
    live(&world, async |engine| {
        deploy(&engine, &[plan(&[], vec![step_of("k", "keyed", 1, text("k")), end(get(1))])]).await;
        let mut run = carry_out(&engine, "test").await.id;
        for _ in 0..2 {
            run = engine.again(&run, Redo::Retry).await.unwrap();
            engine.outcome(&run).await.unwrap();
        }
        assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::Completed);
        let keys: Vec<_> = world.made().into_iter().map(|made| made.key).collect();
        assert_eq!((keys.len(), &keys[0], &keys[1]), (3, &keys[1], &keys[2]));
    });
}

#[test]
fn a_replay_from_a_step_keeps_what_does_not_follow_from_it_and_has_its_own_keys() {
    let world = World::new(|made| Reply::ok(made.arg.clone()));
    live(&world, async |engine| {
        deploy(&engine, &[ladder()]).await;
        let first = carry_out(&engine, "test").await;
        assert_eq!(calls(&world), ["one", "slow", "weak", "after"]);
        let again = engine.again(&first.id, replay("weak")).await.unwrap();
        assert_eq!(engine.outcome(&again).await.unwrap().outcome, first.outcome);
        assert_eq!(calls(&world)[4..], ["weak", "after"], "`slow` does not follow from `weak`");
        assert!(world.made()[2].key != world.made()[4].key);
        let whole = engine.again(&first.id, Redo::Replay { from: None }).await.unwrap();
        engine.outcome(&whole).await.unwrap();
        assert_eq!(calls(&world)[6..], ["one", "slow", "weak", "after"]);
        let nowhere = engine.again(&first.id, replay("nowhere")).await.unwrap_err();
        assert!(matches!(nowhere, RedoError::Unfit(Unfit::NotReached(_))), "{nowhere}");
    });
}

#[test]
fn what_has_been_undone_is_not_taken_over() {
    let world = weak();
    live(&world, async |engine| {
        let body = vec![undoable("paid", "send", 1), step_of("weak", "keyed", 2, text("weak"))];
        deploy(&engine, &[plan(&[], vec![saga("s", 3, body), end(int(1))])]).await;
        let failed = carry_out(&engine, "test").await;
        assert_eq!(failed.state, RunState::Failed);
        let undone = engine.again(&failed.id, Redo::Retry).await.unwrap_err();
        assert_eq!(undone.to_string(), "`paid` has been undone since");
        let nowhere = engine.again(&failed.id, replay("pai")).await.unwrap_err();
        assert_eq!(
            nowhere.to_string(),
            "the run did not come to a step `pai`",
            "a name that is wrong is the first to tell"
        );
        let again = engine.again(&failed.id, replay("paid")).await.unwrap();
        engine.outcome(&again).await.unwrap();
    });
}

#[test]
fn a_retry_goes_down_to_the_step_that_failed_in_a_flow_that_was_called() {
    let world = weak();
    live(&world, async |engine| {
        let body = vec![
            step_of("first", "send", 1, text("first")),
            step_of("weak", "keyed", 2, text("weak")),
            end(list([get(1), get(2)])),
        ];
        let below = Plan { flow: "below".into(), ..plan(&[], body) };
        let above = plan(&[], vec![call("call", 1, &below, vec![]), end(get(1))]);
        deploy(&engine, &[below, above]).await;
        let failed = carry_out(&engine, "test").await;
        assert_eq!((failed.state, calls(&world).len()), (RunState::Failed, 2));
        let again = engine.again(&failed.id, Redo::Retry).await.unwrap();
        let both = Value::List(vec![Value::text("first"), Value::text("weak")]);
        assert_eq!(engine.outcome(&again).await.unwrap().outcome, Some(Outcome::Completed(both)));
        assert_eq!(calls(&world), ["first", "weak", "weak"]);
        assert_eq!(world.made()[1].key, world.made()[2].key);
    });
}

#[test]
fn a_crash_at_any_write_of_a_retry_calls_nothing_twice_that_is_not_safe_to_repeat() {
    for fault in [Fault::Before as fn(usize) -> Fault, Fault::After] {
        let mut crashes = 0;
        for at in 0.. {
            let (world, data) = (weak(), tempfile::tempdir().unwrap());
            let told = process(&world, data.path(), Fault::Never, async |engine| {
                deploy(&engine, &[ladder()]).await;
                carry_out(&engine, "test").await.id
            });
            let Ended::Well(failed) = told else { panic!("no crash was asked for") };
            let retried = process(&world, data.path(), fault(at), async |engine| {
                engine.resume().await.unwrap();
                let again = engine.again(&failed, Redo::Retry).await.unwrap();
                engine.outcome(&again).await.unwrap().state
            });
            process(&world, data.path(), Fault::Never, async |engine| {
                engine.resume().await.unwrap();
                for run in engine.runs(Default::default()).await.unwrap() {
                    engine.outcome(&run.id).await.unwrap();
                }
            });
            let counts = world.counts();
            for made in world.made() {
                assert!(made.operation != "send" || counts[&made.key] == 1, "{:?}: {made:?}", fault(at));
            }
            if matches!(retried, Ended::Well(state) if state == RunState::Completed) {
                break;
            }
            crashes += 1;
        }
        assert!(crashes >= 4, "{crashes} crashes");
    }
}

#[test]
fn a_dead_letter_is_dealt_with_once() {
    let world = World::new(|made| Reply::ok(made.arg.clone()));
    let data = tempfile::tempdir().unwrap();
    let letters = |reader: &store::Reader, which| {
        reader.letters(&Letters { queue: Some("backlog".into()), which, limit: 10 }).unwrap()
    };
    process(&world, data.path(), Fault::Never, async |engine| {
        let leaves = plan(
            &[],
            vec![dead_letter(
                "backlog",
                flow_model::expr::Expr::Literal(Value::record([("name", Value::text("Ada"))])),
            )],
        );
        let taking = vec![step_of("take", "send", 1, get(0)), end(get(1))];
        let taker = Plan { flow: "taker".into(), ..plan(&["name"], taking) };
        deploy(&engine, &[leaves, taker]).await;
        let run = carry_out(&engine, "test").await;
        carry_out(&engine, "test").await;
        let reader = store::read(data.path()).unwrap();
        let open = letters(&reader, WhichLetters::Open);
        assert_eq!((open.len(), &open[1].run, open[1].flow.as_str(), &open[1].value), (2, &run.id, "test", &None));
        let (second, first) = (open[0].id, open[1].id);
        assert_eq!(reader.letter(first).unwrap().unwrap().value, Some(Value::record([("name", Value::text("Ada"))])));

        let taken = engine.redeliver(first, Some("taker".into())).await.unwrap();
        assert_eq!(engine.outcome(&taken).await.unwrap().outcome, Some(Outcome::Completed(Value::text("Ada"))));
        let twice = engine.redeliver(first, None).await.unwrap_err();
        assert_eq!(twice.to_string(), format!("dead letter {first} is replayed as run {taken} already"));
        assert_eq!(letters(&reader, WhichLetters::Open).len(), 1);
        engine.drop_letter(second).await.unwrap();
        assert_eq!(letters(&reader, WhichLetters::Open), []);
        assert_eq!(letters(&reader, WhichLetters::All).len(), 2);

        let again: RunId = carry_out(&engine, "test").await.id;
        let third = letters(&reader, WhichLetters::Open)[0].id;
        let anew = engine.redeliver(third, None).await.unwrap();
        engine.outcome(&anew).await.unwrap();
        let left = letters(&reader, WhichLetters::Open);
        assert_eq!((left.len(), &left[0].run), (1, &anew), "the run that was done again left its own");
        assert!(again != anew);
        assert!(matches!(engine.drop_letter(999).await, Err(RedoError::NoLetter(999))));
    });
}
