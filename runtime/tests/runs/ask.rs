//! What people ask of runs: answers, decisions, the end; of a process that works on the folder, and where none does.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    sync::Arc,
};

use async_trait::async_trait;
use flow_model::{failure::ErrorKind, plan::Plan, ty::Type, units::Millis, value::Value};
use flow_runtime::{
    connector::{Attempt, Invocation, Performer, Reached},
    control::{self, Ask, Fault as Whose, How, Told, Unreachable, perform},
    engine::{Engine, RunId, RunState, Settings, Submission},
    eval::Library,
    machine::{Outcome, Place, Verdict},
};
use serde_json::json;

use crate::support::{
    build::*,
    sim::{Ended, Fault, Reply, World, process},
};

/// A world that loses the answer of each first `send`, and answers all else with what it was given.
fn forgetful() -> Arc<World> {
    World::new(|made| match (made.operation.as_str(), made.before) {
        ("send", 0) => Reply::err(ErrorKind::Timeout, Reached::Perhaps),
        _ => Reply::ok(made.arg.clone()),
    })
}

/// Two unsafe calls beside each other, whose results are strings.
fn two_sends() -> Plan {
    let send = |path: &str, slot| vec![step_of(path, "send", slot, text(path))];
    let body = vec![
        parallel("both", flow_model::plan::ParallelOnError::Wait, vec![send("a", 1), send("b", 2)]),
        end(list([get(1), get(2)])),
    ];
    typed(plan(&[], body))
}

fn typed(mut plan: Plan) -> Plan {
    std::sync::Arc::make_mut(plan.connectors.get_mut("world").unwrap()).operations.get_mut("send").unwrap().result =
        Type::String;
    plan
}

async fn start(engine: &Engine, plan: Plan) -> RunId {
    engine.deploy(Arc::new(plan)).await.unwrap();
    engine.resume().await.unwrap();
    let dedupe = Some(("1".to_owned(), Millis::seconds(999_999)));
    engine.submit(Submission { dedupe, ..Submission::with_params("test", Value::Null) }).await.unwrap().run
}

fn live<T, F: Future<Output = T>>(world: &Arc<World>, story: impl FnOnce(Arc<Engine>) -> F) -> T {
    let data = tempfile::tempdir().unwrap();
    let Ended::Well(told) = process(world, data.path(), Fault::Never, story) else { panic!("no crash was asked for") };
    told
}

/// Waits until a run waits for a person.
async fn rests(engine: &Engine, world: &World, run: &RunId, how_often: &str) {
    while engine.run(run).await.unwrap().unwrap().summary.reason.unwrap_or_default().matches(how_often).count() == 0 {
        world.tick().await;
    }
}

fn resolve(run: &RunId, step: Option<&str>, how: How) -> Ask {
    Ask::Resolve { run: run.clone(), step: step.map(str::to_owned), how }
}

#[test]
fn a_step_in_doubt_is_decided_by_its_name_with_what_fits() {
    let world = forgetful();
    live(&world, async |engine| {
        let run = start(&engine, two_sends()).await;
        assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::NeedsDecision);
        rests(&engine, &world, &run, "`b`").await;
        let refused = async |ask| perform(&engine, ask).await.unwrap_err();
        let which = refused(resolve(&run, None, How::Retry)).await;
        assert_eq!(which.help, ["say which one with `--step`: `a`, `b`"]);
        let wrong = refused(resolve(&run, Some("c"), How::Retry)).await;
        assert_eq!(wrong.help, ["the open ones are `a`, `b`"]);
        let misfit = refused(resolve(&run, Some("a"), How::Result(json!(7)))).await;
        assert!(misfit.message.starts_with("this is no result of `a`"), "{misfit}");
        assert_eq!(
            (misfit.help.as_slice(), misfit.fault),
            (&["it has the type `String`".to_owned()][..], Whose::Asked)
        );
        let needed = refused(resolve(&run, Some("a"), How::Skip)).await;
        assert_eq!(needed.message, "the run can't go on without the result of `a`");
        let place = Place { path: "a".into(), indexes: Vec::new() };
        assert_eq!(control::skipped(&two_sends(), &place), None, "nor is it offered");

        let told = perform(&engine, resolve(&run, Some("a"), How::Result(json!("found")))).await.unwrap();
        assert!(matches!(told, Told::Done { step: Some(step), state: RunState::NeedsDecision, .. } if step == "a"));
        perform(&engine, resolve(&run, None, How::Retry)).await.unwrap();
        let ended = engine.outcome(&run).await.unwrap();
        let both = Value::List(vec![Value::text("found"), Value::text("b")]);
        assert_eq!(ended.outcome, Some(Outcome::Completed(both)));
        assert_eq!(world.made().len(), 3, "`a` was not called again");
        let over = refused(resolve(&run, None, How::Retry)).await;
        assert_eq!(over.message, format!("run {run} is completed already"));
    });
}

#[test]
fn a_step_whose_result_nobody_needs_is_skipped_and_one_that_counts_as_failed_ends_the_run() {
    let world = forgetful();
    // Nothing reads the result, whether it has a place or not.
    let mut placeless = step_of("a", "send", 1, text("a"));
    if let flow_model::plan::NodeKind::Step(step) = &mut placeless.kind {
        step.slot = None;
    }
    for send in [placeless, step_of("a", "send", 1, text("a"))] {
        let skipped = typed(plan(&[], vec![send, bind("b", 2, int(1)), end(get(2))]));
        let place = Place { path: "a".into(), indexes: Vec::new() };
        assert_eq!(control::skipped(&skipped, &place), Some(Value::Null));
        live(&world, async |engine| {
            let run = start(&engine, skipped).await;
            engine.outcome(&run).await.unwrap();
            perform(&engine, resolve(&run, None, How::Skip)).await.unwrap();
            assert_eq!(engine.outcome(&run).await.unwrap().outcome, Some(Outcome::Completed(Value::Int(1))));
        });
    }
    live(&forgetful(), async |engine| {
        let run = start(&engine, typed(plan(&[], vec![step_of("a", "send", 1, text("a")), end(get(1))]))).await;
        engine.outcome(&run).await.unwrap();
        perform(&engine, resolve(&run, None, How::Fail("nobody knows".into()))).await.unwrap();
        let Some(Outcome::Failed { failure, .. }) = engine.outcome(&run).await.unwrap().outcome else { panic!() };
        assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Interrupted, "nobody knows"));
    });
}

/// A long history is not read for an answer: what comes before the checkpoint may be damaged.
#[test]
fn who_answers_needs_no_more_of_the_history_than_what_comes_after_the_checkpoint() {
    let doubtful = vec![step("first", "read", 1), step_of("a", "send", 2, text("a")), end(int(1))];
    let asking = vec![step("first", "read", 1), approve("ask", 2, "Go?", None), end(int(1))];
    for body in [doubtful, asking] {
        let (world, data) = (forgetful(), tempfile::tempdir().unwrap());
        let begun = process(&world, data.path(), Fault::Never, async |engine| {
            let run = start(&engine, plan(&[], body)).await;
            loop {
                let asks = engine.asks(&run).await.unwrap();
                match (asks.approvals.as_slice(), asks.decisions.as_slice()) {
                    ([], []) => world.tick().await,
                    ([place], []) => break (run, place.clone()),
                    ([], [place]) => break (run, place.clone()),
                    _ => panic!("{asks:?}"),
                }
            }
        });
        let Ended::Well((run, place)) = begun else { panic!("no crash was asked for") };
        let connection = rusqlite::Connection::open(data.path().join("journal.sqlite")).unwrap();
        let damage = "update journal set body = '{}' where seq = 1 and (select seq from checkpoints) > 3";
        assert_eq!(connection.execute(damage, []).unwrap(), 1);
        drop(connection);
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            engine.resume().await.unwrap();
            let ask = match place.path.as_str() {
                "ask" => {
                    let (step, by, note) = (None, None, None);
                    Ask::Answer { run: run.clone(), step, verdict: Verdict::Approved, by, note }
                }
                _ => resolve(&run, None, How::Result(json!("found"))),
            };
            perform(&engine, ask).await.unwrap();
            engine.outcome(&run).await.unwrap().state
        });
        assert_eq!(ended, Ended::Well(RunState::Completed), "{place}");
    }
}

#[test]
fn what_is_asked_where_nobody_works_is_written_down_and_carried_out_by_the_next_process() {
    let world = World::kind();
    let data = tempfile::tempdir().unwrap();
    let asks = plan(&[], vec![approve("ask", 1, "Go?", None), undoable("a", "read", 2), wait("w", 3, "e", None, None)]);
    let begun = process(&world, data.path(), Fault::Never, async |engine| {
        let run = start(&engine, asks).await;
        rests(&engine, &world, &run, "an approval").await;
        run
    });
    let Ended::Well(run) = begun else { panic!("no crash was asked for") };
    let held = process(&world, data.path(), Fault::Never, async |engine| {
        engine.hold();
        let (step, by) = (Some("ask".to_owned()), Some("jenny".to_owned()));
        let answer = Ask::Answer { run: run.clone(), step, verdict: Verdict::Approved, by, note: None };
        let Told::Done { state, .. } = perform(&engine, answer.clone()).await.unwrap() else { panic!("not done") };
        assert_eq!(state, RunState::Running);
        let again = perform(&engine, answer).await.unwrap_err();
        assert_eq!(again.message, format!("run {run} asks for no approval at `ask`"));
        engine.shutdown().await;
    });
    assert_eq!((held, world.made().len()), (Ended::Well(()), 0), "nothing has left");
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        rests(&engine, &world, &run, "the event").await;
    });
    assert_eq!(world.made().len(), 1);
    // Cancelled by hand: the undo is left to the next process.
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.hold();
        let cancel = Ask::Cancel { run: run.clone(), reason: "enough".into() };
        let Told::Done { state, .. } = perform(&engine, cancel.clone()).await.unwrap() else { panic!("not done") };
        assert_eq!(state, RunState::Running);
        let twice = perform(&engine, cancel).await.unwrap_err();
        assert_eq!(twice.message, format!("run {run} is ending already: its steps are being undone"));
    });
    assert_eq!(world.made().len(), 1);
    process(&world, data.path(), Fault::Never, async |engine| {
        engine.resume().await.unwrap();
        assert_eq!(engine.outcome(&run).await.unwrap().state, RunState::Cancelled);
    });
    assert_eq!(world.made().len(), 2);
}

/// Nothing is called here.
struct Nobody;

#[async_trait]
impl Performer for Nobody {
    async fn perform(&self, invocation: Invocation) -> Attempt {
        panic!("`{}` was called", invocation.operation)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_asks_over_the_loopback_interface_and_only_with_the_token() {
    let data = tempfile::tempdir().unwrap();
    let env = Arc::new(BTreeMap::<String, String>::new());
    let settings = || Settings::new(data.path(), Library::default(), env.clone(), Arc::new(Nobody));
    let ask = |ask: Ask| {
        let data = data.path().to_owned();
        async move { tokio::task::spawn_blocking(move || control::ask(&data, &ask)).await.unwrap() }
    };
    assert!(matches!(ask(Ask::Hello).await, Err(Unreachable::Nobody)));
    let engine = Arc::new(Engine::open(settings()).unwrap());
    let listening = control::listen(Arc::clone(&engine), data.path()).await.unwrap();
    let run = start(&engine, plan(&[], vec![wait("w", 1, "e", None, None)])).await;
    assert_eq!(ask(Ask::Hello).await.unwrap(), Ok(Told::Hello));

    let note = std::fs::read_to_string(data.path().join(control::FILE)).unwrap();
    let note: serde_json::Value = serde_json::from_str(&note).unwrap();
    let address: std::net::SocketAddr = note["address"].as_str().unwrap().parse().unwrap();
    assert!(address.ip().is_loopback());
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(format!("{}\n\"hello\"\n", "0".repeat(64)).as_bytes()).unwrap();
        let mut answer = String::new();
        // It may be reset, since nobody reads what else was sent.
        let _ = stream.read_to_string(&mut answer);
        answer
    });
    assert_eq!(answer.await.unwrap(), "");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = data.path().join(control::FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let cancel = Ask::Cancel { run: run.clone(), reason: "enough".into() };
    let told = ask(cancel.clone()).await.unwrap();
    assert!(matches!(told, Ok(Told::Done { state: RunState::Cancelled, .. })), "{told:?}");
    assert_eq!(ask(cancel).await.unwrap().unwrap_err().message, format!("run {run} is cancelled already"));

    // In a copy of the folder, the note would lead to the original.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(data.path()).unwrap().map(|file| file.unwrap()) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    assert!(copy.path().join(control::FILE).is_file());
    let asked = copy.path().to_owned();
    let told = tokio::task::spawn_blocking(move || control::ask(&asked, &Ask::Hello)).await.unwrap();
    assert!(matches!(told, Err(Unreachable::Nobody)), "{told:?}");

    // A note that a process has left that is gone leads nowhere.
    let left = std::fs::read(data.path().join(control::FILE)).unwrap();
    drop(listening);
    assert!(!data.path().join(control::FILE).exists());
    std::fs::write(data.path().join(control::FILE), left).unwrap();
    assert!(matches!(ask(Ask::Hello).await, Err(Unreachable::Nobody)));
}
