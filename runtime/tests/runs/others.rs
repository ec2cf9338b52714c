//! Runs that have to do with others: calls of flows, events, approvals, and what is undone, over crashes at each write.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    expr::{BinaryOp, Slot},
    failure::ErrorKind,
    plan::{ParallelOnError, Plan, TriggerKind},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    engine::{ControlError, Engine, Filter, RunId, RunState, RunSummary, Submission},
    machine::{Decision, Outcome, Place, Verdict},
    store,
};

use crate::support::{
    build::*,
    sim::{Ended, Fault, Reply, World, paced, process},
};

fn named(flow: &str, params: &[&str], body: Vec<Stmt>) -> Plan {
    Plan { flow: flow.into(), ..plan(params, body) }
}

/// A flow that an event starts.
fn on_event(flow: &str, event: &str, pattern: Option<&str>, body: Vec<Stmt>) -> Plan {
    let mut plan = named(flow, &[], body);
    let mut trigger = every(None);
    trigger.kind = TriggerKind::Event { events: vec![event.into()], pattern: pattern.map(str::to_owned) };
    trigger.bind = Some(Slot(0));
    plan.triggers.push(trigger);
    plan
}

fn place(path: &str) -> Place {
    Place { path: path.into(), indexes: vec![] }
}

fn world() -> Arc<World> {
    World::new(|made| match &made.arg {
        Value::String(text) if text.starts_with("bad") => Reply::err(ErrorKind::Rejected, Reached::Answered),
        _ => Reply::ok(made.arg.clone()),
    })
}

async fn start(engine: &Engine, plans: &[Plan]) {
    for plan in plans {
        engine.deploy(Arc::new(plan.clone())).await.unwrap();
    }
    engine.resume().await.unwrap();
}

async fn submit(engine: &Engine, flow: &str) -> RunId {
    let dedupe = Some((format!("{flow} 1"), Millis::seconds(999_999)));
    engine.submit(Submission { dedupe, ..Submission::with_params(flow, Value::record([])) }).await.unwrap().run
}

async fn runs_of(engine: &Engine, flow: &str) -> Vec<RunSummary> {
    engine.runs(Filter { flow: Some(flow.into()), ..Filter::default() }).await.unwrap()
}

/// Waits until a flow has a run.
async fn run_of(engine: &Engine, world: &World, flow: &str) -> RunId {
    loop {
        if let Some(run) = runs_of(engine, flow).await.first() {
            return run.id.clone();
        }
        world.tick().await;
    }
}

/// Waits until a run waits for something.
async fn waits(engine: &Engine, world: &World, run: &RunId, what: &str) {
    loop {
        let summary = engine.run(run).await.unwrap().unwrap().summary;
        assert!(!summary.state.is_final(), "{summary:?}");
        if summary.reason.is_some_and(|reason| reason.contains(what)) {
            return;
        }
        world.tick().await;
    }
}

fn live<T, F: Future<Output = T>>(world: &Arc<World>, story: impl FnOnce(Arc<Engine>) -> F) -> T {
    let data = tempfile::tempdir().unwrap();
    match process(world, data.path(), Fault::Never, story) {
        Ended::Well(value) => value,
        Ended::Crashed => panic!("no crash was asked for"),
    }
}

/// Tells a story in a process that crashes at each write, before and after it, and to its end in one that does not. Calls
/// of `send` are made once. Which writes share a commit follows from the seed of the pace.
fn everywhere<F: Future<Output = ()>>(
    least: usize,
    story: impl Fn(Arc<World>, Arc<Engine>) -> F,
    after: impl Fn(&World, &store::Reader),
) {
    let faults = [Fault::Before as fn(usize) -> Fault, Fault::After];
    for (fault, seed) in faults.into_iter().flat_map(|fault| [1, 2, 3].map(|seed| (fault, seed))) {
        let mut crashes = 0;
        for at in 0.. {
            let (world, data) = (world(), tempfile::tempdir().unwrap());
            let tell = |engine| story(Arc::clone(&world), engine);
            let met = paced(&world, data.path(), fault(at), seed, tell) == Ended::Crashed;
            world.clock.shift(1500);
            let ended = paced(&world, data.path(), Fault::Never, seed, tell);
            assert_eq!(ended, Ended::Well(()), "{:?}, seed {seed}", fault(at));
            let counts = world.counts();
            for made in world.made() {
                assert!(made.operation != "send" || counts[&made.key] == 1, "{:?}: {made:?}", fault(at));
            }
            after(&world, &store::read(data.path()).unwrap());
            if !met {
                break;
            }
            crashes += 1;
        }
        assert!(crashes >= least, "{crashes} crashes");
    }
}

/// What a person finds out about calls whose outcome is not known: they took effect.
async fn settle(engine: &Engine, run: &RunId, answers: &BTreeMap<&str, Value>) -> RunSummary {
    loop {
        let summary = engine.outcome(run).await.unwrap();
        if summary.state != RunState::NeedsDecision {
            return summary;
        }
        for step in engine.run(run).await.unwrap().unwrap().history.steps {
            if step.state == flow_runtime::journal::StepState::NeedsDecision {
                let result = answers[step.place.path.as_str()].clone();
                // Another step may have been in doubt for a moment only.
                let _ = engine.resolve(run, step.place, Decision::Result(result)).await;
            }
        }
    }
}

#[test]
fn a_crash_at_any_write_of_a_saga_undoes_everything_once() {
    let body = vec![
        undoable("a", "send", 1),
        saga(
            "s",
            9,
            vec![
                parallel(
                    "p",
                    ParallelOnError::Stop,
                    vec![vec![undoable("b", "send", 2)], vec![undoable("c", "keyed", 3)]],
                ),
                step_of("d", "read", 4, text("bad luck")),
            ],
        ),
    ];
    let plan = named("undone", &[], body);
    let answers = BTreeMap::from([("a", Value::text("a")), ("b", Value::text("b"))]);
    everywhere(
        7,
        async |_, engine| {
            start(&engine, std::slice::from_ref(&plan)).await;
            let run = submit(&engine, "undone").await;
            let summary = settle(&engine, &run, &answers).await;
            assert_eq!(summary.state, RunState::Failed);
        },
        |world, reader| {
            let run = &reader.list(&Filter::default()).unwrap()[0].id;
            let undone = |path: &str| place(&format!("{path}/undo")).key(run.as_str());
            let made = world.made();
            let first = |key: &str| made.iter().position(|made| made.key == key).unwrap();
            assert!(first(&undone("b")).min(first(&undone("c"))) < first(&undone("a")), "newest first");
            let history = reader.run(run).unwrap().unwrap().history;
            let undos = history.steps.iter().filter(|step| step.place.path.ends_with("/undo"));
            assert!(undos.clone().all(|step| step.state == flow_runtime::journal::StepState::Completed));
            assert_eq!(undos.count(), 3);
        },
    );
}

#[test]
fn a_crash_at_any_write_of_a_call_begins_one_run_and_takes_its_outcome() {
    let child =
        named("child", &["n"], vec![step_of("work", "send", 1, get(0)), end(op(get(1), BinaryOp::Add, int(1)))]);
    let parent = named(
        "parent",
        &[],
        vec![call("c", 1, &child, vec![("n", int(41))]), step_of("after", "send", 2, get(1)), end(get(2))],
    );
    let answers = BTreeMap::from([("work", Value::Int(41)), ("after", Value::Int(42))]);
    everywhere(
        5,
        async |world, engine| {
            start(&engine, &[child.clone(), parent.clone()]).await;
            let run = submit(&engine, "parent").await;
            let called = run_of(&engine, &world, "child").await;
            settle(&engine, &called, &answers).await;
            let summary = settle(&engine, &run, &answers).await;
            assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(42))));
            assert_eq!(runs_of(&engine, "child").await.len(), 1);
        },
        |_, _| {},
    );
}

#[test]
fn the_failure_of_a_called_flow_is_that_of_the_call() {
    let child = named("child", &[], vec![fail("f", "Odd", "drawn")]);
    let parent = named("parent", &[], vec![call("c", 1, &child, vec![])]);
    live(&world(), async |engine| {
        start(&engine, &[child.clone(), parent]).await;
        let run = submit(&engine, "parent").await;
        let Some(Outcome::Failed { failure, place: at }) = engine.outcome(&run).await.unwrap().outcome else {
            panic!()
        };
        assert_eq!((failure.kind, at), (ErrorKind::Declared("Odd".into()), Some(place("c"))));
    });
    // A plan that nobody has.
    let parent = named("parent", &[], vec![call("c", 1, &child, vec![])]);
    live(&world(), async |engine| {
        start(&engine, &[parent]).await;
        let run = submit(&engine, "parent").await;
        let Some(Outcome::Failed { failure, .. }) = engine.outcome(&run).await.unwrap().outcome else { panic!() };
        assert!(failure.message.contains("the flow `child` can't be called"), "{}", failure.message);
    });
}

#[test]
fn a_crash_at_any_write_while_a_caller_is_cancelled_cancels_what_it_called() {
    let child = named("child", &[], vec![undoable("a", "keyed", 1), sleep("nap", seconds(3600))]);
    let parent = named("parent", &[], vec![call("c", 1, &child, vec![])]);
    everywhere(
        6,
        async |world, engine| {
            start(&engine, &[child.clone(), parent.clone()]).await;
            let run = submit(&engine, "parent").await;
            let called = run_of(&engine, &world, "child").await;
            if !engine.outcome_is_final(&run).await {
                // The caller may be cancelled already, by the process before.
                waits(&engine, &world, &called, "waits until").await;
                engine.cancel(&run, "stop").await.unwrap();
            }
            assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::Cancelled);
            assert_eq!(engine.outcome(&called).await.unwrap().state, RunState::Cancelled);
        },
        |world, reader| {
            let runs = reader.list(&Filter { flow: Some("child".into()), ..Filter::default() }).unwrap();
            let key = place("a/undo").key(runs[0].id.as_str());
            assert!(world.counts().contains_key(&key), "the called run has undone what it did");
        },
    );
}

/// Whether a run is over.
trait Over {
    async fn outcome_is_final(&self, run: &RunId) -> bool;
}

impl Over for Arc<Engine> {
    async fn outcome_is_final(&self, run: &RunId) -> bool {
        self.run(run).await.unwrap().unwrap().summary.state.is_final()
    }
}

#[test]
fn a_crash_at_any_write_of_an_event_loses_it_for_nobody_and_repeats_it_for_nobody() {
    let filter = op(item("order"), BinaryOp::Equal, int(7));
    let waiter =
        named("waiter", &[], vec![wait("w", 1, "order.shipped", Some(filter), None), end(member(get(1), "order"))]);
    let shipped = |order: i64| flow_model::expr::Expr::Literal(Value::record([("order", Value::Int(order))]));
    let emitter =
        named("emitter", &[], vec![emit("other", "order.shipped", shipped(6)), emit("e", "order.shipped", shipped(7))]);
    let triggered = on_event(
        "triggered",
        "order.shipped",
        Some("order.*"),
        vec![step_of("told", "keyed", 1, list([member(get(0), "order"), member(get(0), "event")])), end(get(1))],
    );
    everywhere(
        7,
        async |world, engine| {
            start(&engine, &[waiter.clone(), emitter.clone(), triggered.clone()]).await;
            let run = submit(&engine, "waiter").await;
            if !engine.outcome_is_final(&run).await && runs_of(&engine, "emitter").await.is_empty() {
                waits(&engine, &world, &run, "waits for the event `order.shipped`").await;
            }
            submit(&engine, "emitter").await;
            assert_eq!(engine.outcome(&run).await.unwrap().outcome, Some(Outcome::Completed(Value::Int(7))));
            let triggered = runs_of(&engine, "triggered").await;
            for run in &triggered {
                assert_eq!(engine.outcome(&run.id).await.unwrap().state, RunState::Completed);
            }
            assert_eq!(triggered.len(), 2, "each event starts one run");
        },
        |world, reader| {
            let emitter = &reader.list(&Filter { flow: Some("emitter".into()), ..Filter::default() }).unwrap()[0].id;
            let events: Vec<_> = reader.events(emitter).unwrap().into_iter().map(|event| event.place.path).collect();
            assert_eq!(events, ["other", "e"]);
            let mut told: Vec<_> = world.made().iter().map(|made| made.arg.to_json().to_string()).collect();
            told.sort();
            told.dedup();
            assert_eq!(told, [r#"[6,"order.shipped"]"#, r#"[7,"order.shipped"]"#]);
        },
    );
}

#[test]
fn an_event_that_nobody_waits_for_yet_is_not_kept_for_later() {
    let waiter = named("waiter", &[], vec![wait("w", 1, "shipped", None, Some(seconds(600))), end(get(1))]);
    let emitter = named("emitter", &[], vec![emit("e", "shipped", int(1))]);
    live(&world(), async |engine| {
        start(&engine, &[waiter, emitter]).await;
        let emitted = submit(&engine, "emitter").await;
        engine.outcome(&emitted).await.unwrap();
        let run = submit(&engine, "waiter").await;
        assert_eq!(engine.outcome(&run).await.unwrap().outcome, Some(Outcome::Completed(Value::Null)));
    });
}

#[test]
fn a_run_hears_its_own_event_in_another_branch() {
    let branches = vec![vec![wait("w", 1, "shipped", None, None)], vec![emit("e", "shipped", int(5))]];
    let plan = named("both", &[], vec![parallel("p", ParallelOnError::Stop, branches), end(get(1))]);
    live(&world(), async |engine| {
        start(&engine, &[plan]).await;
        let run = submit(&engine, "both").await;
        assert_eq!(engine.outcome(&run).await.unwrap().outcome, Some(Outcome::Completed(Value::Int(5))));
    });
}

#[test]
fn a_decision_is_made_once_and_outlives_a_crash() {
    let plan = named("asks", &[], vec![approve("ok", 1, "Refund 5 EUR?", None), end(member(get(1), "approved"))]);
    everywhere(
        2,
        async |world, engine| {
            start(&engine, std::slice::from_ref(&plan)).await;
            let run = submit(&engine, "asks").await;
            if !engine.outcome_is_final(&run).await {
                waits(&engine, &world, &run, "an approval by finance: Refund 5 EUR?").await;
                let wrong = engine.decide(&run, place("other"), Verdict::Approved, None, None).await;
                assert!(matches!(wrong, Err(ControlError::Unasked { .. })));
                engine.decide(&run, place("ok"), Verdict::Approved, Some("ann".into()), None).await.unwrap();
            }
            assert_eq!(engine.outcome(&run).await.unwrap().outcome, Some(Outcome::Completed(Value::Bool(true))));
            let late = engine.decide(&run, place("ok"), Verdict::Refused, None, None).await;
            assert!(matches!(late, Err(ControlError::Over { .. })));
        },
        |_, _| {},
    );
}

#[test]
fn a_run_that_is_ending_can_t_be_cancelled_again() {
    let slow = World::new(|made| Reply::ok(made.arg.clone()).after(1000));
    live(&slow, async |engine| {
        start(&engine, &[named("undone", &[], vec![undoable("a", "keyed", 1), sleep("nap", seconds(60))])]).await;
        let run = submit(&engine, "undone").await;
        waits(&engine, &slow, &run, "waits until").await;
        engine.cancel(&run, "stop").await.unwrap();
        assert!(matches!(engine.cancel(&run, "again").await, Err(ControlError::Ending { .. })));
        let summary = engine.outcome(&run).await.unwrap();
        assert_eq!(summary.outcome, Some(Outcome::Cancelled { reason: "stop".into() }));
    });
}

#[test]
fn events_start_runs_within_their_limits() {
    let mut triggered = on_event("triggered", "shipped", None, vec![step_of("told", "keyed", 1, get(0)), end(get(1))]);
    triggered.triggers[0].concurrency = Some(flow_model::plan::Concurrency { limit: 1, per: None });
    let emitter = named("emitter", &[], (1..=4).map(|n| emit(&format!("e{n}"), "shipped", int(n))).collect());
    let world = world();
    live(&world, async |engine| {
        start(&engine, &[triggered, emitter]).await;
        let run = submit(&engine, "emitter").await;
        engine.outcome(&run).await.unwrap();
        for run in runs_of(&engine, "triggered").await {
            assert_eq!(engine.outcome(&run.id).await.unwrap().state, RunState::Completed);
        }
    });
    let told: Vec<_> = world.made().iter().map(|made| made.arg.clone()).collect();
    assert_eq!(told, (1..=4).map(Value::Int).collect::<Vec<_>>(), "in order");
    assert_eq!(world.most_under_way.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// A crash right after the event is on disk shows who was told of it: one of the many who wait for its name.
#[test]
fn an_event_is_told_to_the_run_that_wants_it_and_to_no_other() {
    let world = world();
    let data = tempfile::tempdir().unwrap();
    let filter = op(item("order"), BinaryOp::Equal, get(0));
    let body = vec![wait("w", 1, "paid", Some(filter), Some(seconds(100_000))), end(member(get(1), "order"))];
    let order = |number: i64| Value::record([("order", Value::Int(number))]);
    let paid = flow_model::expr::Expr::Literal(order(7));
    let plans = [named("waits", &["order"], body), named("pays", &[], vec![emit("e", "paid", paid), end(int(1))])];
    let ended = process(&world, data.path(), Fault::Never, async |engine| {
        start(&engine, &plans).await;
        let mut runs = Vec::new();
        for number in 0..30 {
            let run = engine.submit(Submission::with_params("waits", order(number))).await.unwrap().run;
            waits(&engine, &world, &run, "paid").await;
            runs.push(run);
        }
        runs
    });
    let Ended::Well(runs) = ended else { panic!("no crash was asked for") };
    // The plan is written first.
    let crashed = process(&world, data.path(), Fault::After(1), async |engine| {
        engine.deploy(Arc::new(plans[1].clone())).await.unwrap();
        engine.resume().await.unwrap();
        submit(&engine, "pays").await;
    });
    assert_eq!(crashed, Ended::Crashed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let told = runtime.block_on(async {
        let store = store::Sqlite::open(data.path()).unwrap();
        store::Store::awake(&store, flow_runtime::timer::Clock::now(&*world.clock)).await.unwrap()
    });
    assert_eq!(told.iter().map(|run| (run.run.clone(), run.mail)).collect::<Vec<_>>(), [(runs[7].clone(), 1)]);
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        let summary = engine.outcome(&runs[7]).await.unwrap();
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(7))));
        assert_eq!(engine.standing().await.unwrap()[&RunState::Waiting], 29);
    });
}
