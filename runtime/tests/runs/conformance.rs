//! One suite of plans and faults for every host of the machine.
//!
//! A host takes a plan through its run, and lets one thing go wrong. Whatever host it is and whatever goes wrong: the run
//! ends as it does without faults, the same steps are done, no call that is not safe to repeat is made twice, and the list
//! that is kept outside of the host says so too. Another host is another `impl Host` and a line in [`hosts`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::{
    case::{Answer, AnswerKind, Case, Given, Stub, Target},
    expr::BinaryOp,
    plan::{ForOnError, ParallelOnError, Plan},
    span::{FileId, Span},
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    engine::{Engine, RunId, RunState, Submission},
    eval::Library,
    machine::Outcome,
    sim::{
        self,
        disk::{self, Pace},
        faults,
        oracle::{Broken, Evidence, judge},
        outside::{Outside, Reply},
        process::{Ended, Life, live},
        story::{files, kept},
    },
};

use crate::support::build::*;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The process ends before its write with that number, from 1.
    KilledBefore(usize),
    /// It ends after that write.
    KilledAfter(usize),
    /// The call with that number is carried out, and its answer is lost.
    AnswerLost(usize),
}

/// What is seen of a run from outside.
#[derive(Debug)]
struct Seen {
    outcome: Option<Outcome>,
    /// The steps whose calls were carried out, and how often: by path and operation.
    done: BTreeMap<(String, String), usize>,
    /// Whether there was such a write or call.
    met: bool,
    /// What the oracle found.
    broken: Vec<Broken>,
}

/// Where plans are carried out.
trait Host {
    fn name(&self) -> &'static str;

    /// Takes the first of these plans through one run; it may call the others. Calls are answered with 1.
    fn carry_out(&self, plans: &[Arc<Plan>], fault: Fault) -> Seen;
}

fn hosts() -> Vec<Box<dyn Host>> {
    vec![Box::new(InMemory), Box::new(OverSqlite)]
}

/// The host of `flowc test`: journals are lists, and time passes at once.
struct InMemory;

impl Host for InMemory {
    fn name(&self) -> &'static str {
        "in memory"
    }

    fn carry_out(&self, plans: &[Arc<Plan>], fault: Fault) -> Seen {
        let span = Span { file: FileId(0), start: 0, end: 0 };
        let answers = vec![Answer { kind: AnswerKind::Returns(int(1)), times: None, after: None }];
        let case = Case {
            name: "conformance".into(),
            flow: plans[0].flow.clone(),
            span,
            trigger: None,
            given: Given::Nothing,
            stubs: vec![Stub { target: Target::All, answers, span }],
            expectations: vec![],
            functions: BTreeMap::new(),
            types: flow_model::ty::Types::default(),
        };
        let fault = match fault {
            Fault::Nothing => None,
            Fault::KilledBefore(write) => Some(faults::Fault::CrashBefore(write)),
            Fault::KilledAfter(write) => Some(faults::Fault::CrashAfter(write)),
            Fault::AnswerLost(call) => Some(faults::Fault::Lost(call)),
        };
        let report = sim::run_under(&case, &plans[0], plans, &Library::default(), fault.as_ref());
        assert_eq!(report.broken, None);
        let mut done = BTreeMap::new();
        // What a call that is known already is answered does nothing anew.
        let keyed = |operation: &str| operation != "send";
        for call in &report.calls {
            let times: &mut usize = done.entry((call.place.to_string(), call.operation.clone())).or_default();
            *times = if keyed(&call.operation) { 1 } else { *times + 1 };
        }
        let met = report.trace.iter().any(|line| matches!(line.what, sim::What::Fault(_)));
        Seen { outcome: report.outcome, done, met, broken: vec![] }
    }
}

/// The engine over SQLite, on a simulated world.
struct OverSqlite;

impl Host for OverSqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn carry_out(&self, plans: &[Arc<Plan>], fault: Fault) -> Seen {
        let lost = if let Fault::AnswerLost(call) = fault { call } else { 0 };
        let count = std::sync::atomic::AtomicUsize::new(0);
        let outside = Outside::new(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 {
            number if number == lost => Reply::err(flow_model::failure::ErrorKind::Timeout, Reached::Perhaps).applied(),
            _ => Reply::ok(Value::Int(1)),
        });
        let data = tempfile::tempdir().unwrap();
        let first = match fault {
            Fault::KilledBefore(write) => Some(disk::Fault::Before(write - 1)),
            Fault::KilledAfter(write) => Some(disk::Fault::After(write - 1)),
            Fault::Nothing | Fault::AnswerLost(_) => None,
        };
        let (mut accepted, mut met, mut earlier) = (Vec::new(), lost > 0, Vec::new());
        for fault in first.into_iter().chain([disk::Fault::Never]) {
            let life = Life { fault, pace: Pace::Drawn(7), lasts: None };
            let story = async |engine: Arc<Engine>| tell(&engine, plans).await;
            match live(&outside, data.path(), &life, story).unwrap() {
                Ended::Crashed => met = true,
                Ended::Well(run) => accepted.push(("evt".to_owned(), run)),
            }
            let rows = kept(data.path()).unwrap().into_iter().map(|kept| (kept.summary.id, kept.rows));
            earlier.push(rows.collect());
            outside.clock.shift(100);
        }
        let (runs, made) = (kept(data.path()).unwrap(), outside.made());
        met = met && (lost == 0 || made.len() >= lost);
        let mut done = BTreeMap::new();
        for kept in &runs {
            let (entries, _) = flow_runtime::journal::read(&kept.summary.id, &kept.rows).unwrap();
            for step in flow_runtime::journal::History::of(&entries).steps {
                let Some((_, operation)) = step.call else { continue };
                let key = step.place.key(kept.summary.id.as_str());
                let times = made.iter().filter(|made| made.key == key && made.applied).count();
                if times > 0 {
                    let times = if operation == "send" { times } else { 1 };
                    done.insert((step.place.to_string(), operation), times);
                }
            }
        }
        let root = accepted.last().map(|(_, run)| run.clone());
        let outcome = runs.iter().find(|kept| Some(&kept.summary.id) == root.as_ref());
        let outcome = outcome.and_then(|kept| kept.summary.outcome.clone());
        let files = files(data.path()).unwrap();
        let evidence = Evidence { accepted, runs, earlier, made, secrets: vec![], files };
        Seen { outcome, done, met, broken: judge(&evidence) }
    }
}

/// Delivers the event that starts the run, and waits for its end.
async fn tell(engine: &Engine, plans: &[Arc<Plan>]) -> RunId {
    for plan in plans {
        engine.deploy(Arc::clone(plan)).await.unwrap();
    }
    engine.resume().await.unwrap();
    let dedupe = Some(("evt".to_owned(), flow_model::units::Millis::seconds(3600)));
    let submission = Submission { dedupe, ..Submission::with_params(&plans[0].flow, Value::Null) };
    let run = engine.submit(submission).await.unwrap().run;
    let summary = engine.outcome(&run).await.unwrap();
    assert_ne!(summary.state, RunState::NeedsDecision, "these plans deal with doubt themselves");
    run
}

/// A step that can't be repeated, and goes on with 1 when nobody knows what it did: then the value is the same anyway.
fn risky(path: &str, slot: u32) -> Stmt {
    let kinds = vec![flow_model::failure::ErrorKind::Interrupted];
    attempt(
        &format!("{path}?"),
        slot,
        vec![step(path, "send", slot + 500), give(get(slot + 500))],
        vec![(kinds, None, None, vec![give(int(1))])],
    )
}

/// The plans by what they are about; the first of each is the one that is run.
fn plans() -> Vec<(&'static str, Vec<Plan>)> {
    let items = || list((1..=3).map(int));
    let one = |body: Vec<Stmt>| vec![plan(&[], body)];
    let called = Plan {
        flow: "called".into(),
        ..plan(&["n"], vec![sleep("nap", seconds(5)), step_of("inner", "keyed", 1, get(0)), end(get(1))])
    };
    vec![
        (
            "a chain",
            one(vec![step("a", "keyed", 1), risky("b", 2), step("c", "read", 3), end(list([get(1), get(2), get(3)]))]),
        ),
        ("sleep", one(vec![step("a", "keyed", 1), sleep("nap", seconds(3600)), risky("b", 2), end(get(2))])),
        (
            "branches and loops",
            one(vec![
                parallel(
                    "p",
                    ParallelOnError::Wait,
                    vec![
                        vec![each(
                            "each",
                            1,
                            2,
                            items(),
                            2,
                            ForOnError::Stop,
                            vec![step_of("i", "keyed", 3, get(2)), give(get(3))],
                        )],
                        vec![risky("beside", 4)],
                    ],
                ),
                end(list([get(1), get(4)])),
            ]),
        ),
        (
            "undo",
            one(vec![saga(
                "s",
                9,
                vec![undoable("a", "keyed", 1), undoable("b", "keyed", 2), fail("f", "Odd", "on purpose")],
            )]),
        ),
        (
            "repeat",
            one(vec![
                repeat(
                    "r",
                    1,
                    seconds(1),
                    3,
                    op(get(2), BinaryOp::Greater, int(0)),
                    vec![step("look", "read", 2), give(get(2))],
                ),
                end(get(1)),
            ]),
        ),
        (
            "first",
            one(vec![first("f", 3, 4, items(), vec![step_of("try", "keyed", 5, get(4)), give(get(5))]), end(get(3))]),
        ),
        (
            "race",
            one(vec![
                race(
                    "x",
                    6,
                    vec![
                        vec![step("quick", "keyed", 7), give(get(7))],
                        vec![sleep("slow", seconds(3600)), give(int(0))],
                    ],
                ),
                end(get(6)),
            ]),
        ),
        (
            "events",
            one(vec![
                parallel(
                    "p",
                    ParallelOnError::Wait,
                    vec![
                        vec![wait("w", 1, "shipped", None, None), step("after", "keyed", 2)],
                        vec![sleep("nap", seconds(5)), emit("e", "shipped", int(7))],
                    ],
                ),
                end(get(1)),
            ]),
        ),
        (
            "called flows side by side",
            vec![
                plan(
                    &[],
                    vec![
                        each(
                            "each",
                            1,
                            2,
                            items(),
                            2,
                            ForOnError::Stop,
                            vec![call("c", 3, &called, vec![("n", get(2))]), give(get(3))],
                        ),
                        end(get(1)),
                    ],
                ),
                called.clone(),
            ],
        ),
        (
            "a called flow",
            vec![plan(&[], vec![call("c", 1, &called, vec![("n", int(5))]), risky("b", 2), end(get(1))]), called],
        ),
    ]
}

#[test]
fn every_host_survives_every_fault_in_the_same_way() {
    let mut met = 0;
    for (what, plans) in plans() {
        let plans: Vec<_> = plans.into_iter().map(Arc::new).collect();
        let mut calm: BTreeSet<String> = BTreeSet::new();
        for host in hosts() {
            let expected = host.carry_out(&plans, Fault::Nothing);
            assert!(expected.outcome.is_some(), "{what} on {}: {expected:?}", host.name());
            assert_eq!(expected.broken, [], "{what} on {}", host.name());
            calm.insert(format!("{:?} {:?}", expected.outcome, expected.done));
            for fault in [Fault::KilledBefore as fn(usize) -> Fault, Fault::KilledAfter, Fault::AnswerLost] {
                for number in 1.. {
                    let fault = fault(number);
                    let seen = host.carry_out(&plans, fault);
                    if !seen.met {
                        break;
                    }
                    met += 1;
                    let what = format!("{what} on {}, {fault:?}", host.name());
                    assert_eq!(seen.outcome, expected.outcome, "{what}");
                    assert_eq!(seen.broken, [], "{what}");
                    for (step, times) in &seen.done {
                        assert!(expected.done.contains_key(step), "{what}: {step:?} is done only here");
                        assert!(*times <= 1, "{what}: {step:?} is done {times} times");
                    }
                    for step in expected.done.keys().filter(|(_, operation)| operation != "send") {
                        assert!(seen.done.contains_key(step), "{what}: {step:?} is not done");
                    }
                }
            }
        }
        assert_eq!(calm.len(), 1, "{what}: hosts carry it out in different ways: {calm:#?}");
    }
    assert!(met > 150, "{met} faults were met");
}
