//! Journals that earlier versions wrote: each still gives the same run.
//!
//! A file holds a plan, the journals of its runs, and how they ended. What is there is never written again: a version that
//! changes what a journal looks like adds files beside the old ones. `FLOW_GOLDEN=write cargo test golden` writes those that
//! are missing.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use flow_model::{
    expr::BinaryOp,
    failure::ErrorKind,
    plan::{ForOnError, ParallelOnError, Plan},
    value::Value,
};
use flow_runtime::{
    chance::Seeded,
    connector::Reached,
    engine::{RunId, Submission},
    eval::Library,
    journal::{self, Damage, Row},
    machine::{self, Decision, Outcome, Place, Verdict},
    sim::{
        disk::{Fault, Pace},
        outside::{Outside, Reply, answer},
        process::{Ended, Life, live},
        story::kept,
    },
};
use serde::{Deserialize, Serialize};

use crate::support::build::*;

/// The file of one plan.
#[derive(Serialize, Deserialize)]
struct Golden {
    /// The version of the forms that wrote it.
    written_by: String,
    digest: String,
    plan: Plan,
    runs: Vec<Run>,
}

#[derive(Serialize, Deserialize)]
struct Run {
    id: String,
    outcome: Outcome,
    /// Version, checksum and body of each row.
    rows: Vec<(u32, String, String)>,
}

impl Run {
    fn rows(&self) -> Vec<Row> {
        let row = |(seq, (version, checksum, body)): (u64, &(u32, String, String))| {
            let checksum = hex::decode(checksum).unwrap().try_into().unwrap();
            Row { seq, version: *version, body: body.clone(), checksum }
        };
        (0..).zip(&self.rows).map(row).collect()
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Plans that have each kind of entry in their journals.
fn plans() -> BTreeMap<&'static str, Vec<Plan>> {
    let items = || list((1..=3).map(int));
    let called = Plan { flow: "called".into(), ..plan(&["n"], vec![sleep("nap", seconds(5)), end(get(0))]) };
    let retried = step("again", "read", 1).retrying(retry(3, &[ErrorKind::Unavailable], 1000));
    let one = |body| vec![plan(&[], body)];
    BTreeMap::from([
        ("chain", one(vec![step("a", "keyed", 1), log(get(1)), sleep("nap", seconds(3600)), end(get(1))])),
        ("retries", one(vec![retried, respond(201, get(1)), end(get(1))])),
        (
            "loops",
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
                            ForOnError::Collect,
                            vec![step_of("i", "read", 3, get(2)), give(get(3))],
                        )],
                        vec![step("beside", "send", 4)],
                    ],
                ),
                end(list([get(1), get(4)])),
            ]),
        ),
        ("undone", one(vec![saga("s", 9, vec![undoable("a", "keyed", 1), fail("f", "Odd", "on purpose")])])),
        (
            "caught",
            one(vec![
                attempt(
                    "t",
                    1,
                    vec![step("a", "forbidden", 2), give(get(2))],
                    vec![(vec![], Some(3), None, vec![dead_letter("kept", get(3)), give(int(0))])],
                ),
                optional("o", 4, vec![step("b", "forbidden", 5), give(get(5))]),
                end(get(1)),
            ]),
        ),
        (
            "causes",
            one(vec![
                attempt(
                    "t",
                    1,
                    vec![step("a", "forbidden", 2), give(get(2))],
                    vec![(vec![], None, None, vec![dead_letter("kept", int(1)), give(int(0))])],
                ),
                end(get(1)),
            ]),
        ),
        ("doubt", one(vec![step("lost", "send", 1), end(get(1))])),
        (
            "waits",
            one(vec![
                parallel(
                    "p",
                    ParallelOnError::Wait,
                    vec![
                        vec![wait("w", 1, "shipped", None, Some(seconds(600)))],
                        vec![sleep("nap", seconds(5)), emit("e", "shipped", int(7))],
                        vec![approve("ok", 2, "may it?", Some(seconds(600)))],
                    ],
                ),
                end(list([get(1), get(2)])),
            ]),
        ),
        (
            "choices",
            one(vec![
                repeat(
                    "r",
                    1,
                    seconds(1),
                    3,
                    op(get(2), BinaryOp::Greater, int(-1)),
                    vec![step("look", "read", 2), give(get(2))],
                ),
                first("f", 3, 4, items(), vec![step_of("try", "keyed", 5, get(4)), give(get(5))]),
                race(
                    "x",
                    6,
                    vec![vec![step("quick", "read", 7), give(get(7))], vec![sleep("slow", seconds(60)), give(int(0))]],
                ),
                end(list([get(1), get(3), get(6)])),
            ]),
        ),
        ("calls", vec![plan(&[], vec![call("c", 1, &called, vec![("n", int(5))]), end(get(1))]), called.clone()]),
        ("refused", one(vec![step("never", "send", 1), end(get(1))])),
        ("cancelled", one(vec![undoable("a", "keyed", 1), sleep("long", seconds(86_400)), end(get(1))])),
    ])
}

/// Carries a plan out; where failures are caught, there is an operation `forbidden` that always fails.
fn written(name: &str, mut plans: Vec<Plan>) -> Vec<Golden> {
    for plan in plans.iter_mut().filter(|_| name == "caught") {
        for connector in plan.connectors.values_mut().map(Arc::make_mut) {
            let read = connector.operations["read"].clone();
            connector.operations.insert("forbidden".into(), read);
        }
    }
    let outside = Outside::new(|made| match (made.operation.as_str(), &made.arg, made.before) {
        ("forbidden", ..) => Reply::err(ErrorKind::Forbidden, Reached::Answered),
        ("read", arg, 0) if *arg == Value::text("again") => Reply::err(ErrorKind::Unavailable, Reached::Answered),
        ("send", arg, 0) if *arg == Value::text("never") => Reply::err(ErrorKind::Unavailable, Reached::Never),
        ("send", arg, 0) if *arg == Value::text("lost") => Reply::err(ErrorKind::Timeout, Reached::Perhaps),
        _ => Reply::ok(answer(&made.arg)),
    });
    let data = tempfile::tempdir().unwrap();
    let seed = name.bytes().fold(7u64, |sum, byte| sum * 31 + u64::from(byte));
    let life = Life { fault: Fault::Never, pace: Pace::Drawn(seed), lasts: None };
    let place = |path: &str| Place { path: path.into(), indexes: vec![] };
    let ended = live(&outside, data.path(), &life, async |engine| {
        for plan in &plans {
            engine.deploy(Arc::new(plan.clone())).await.unwrap();
        }
        engine.resume().await.unwrap();
        let run = engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run;
        let chance = Seeded::new(seed);
        for _ in 0..40 + chance.below(2) {
            outside.tick().await;
        }
        match name {
            "waits" => engine.decide(&run, place("ok"), Verdict::Approved, Some("finance".into()), None).await.unwrap(),
            "doubt" => {
                engine.outcome(&run).await.unwrap();
                engine.resolve(&run, place("lost"), Decision::Result(Value::Int(3))).await.unwrap();
            }
            "cancelled" => engine.cancel(&run, "no longer wanted").await.unwrap(),
            _ => {}
        }
        engine.outcome(&run).await.unwrap();
    });
    assert!(matches!(ended, Ok(Ended::Well(()))), "{name}: {ended:?}");
    let mut goldens: Vec<Golden> = Vec::new();
    for kept in kept(data.path()).unwrap() {
        let rows = kept.rows.iter().map(|row| (row.version, hex::encode(row.checksum), row.body.clone())).collect();
        let outcome = kept.summary.outcome.clone().unwrap_or_else(|| panic!("{name}: {:?}", kept.summary));
        let run = Run { id: kept.summary.id.to_string(), outcome, rows };
        match goldens.iter_mut().find(|golden| golden.digest == kept.summary.plan) {
            Some(golden) => golden.runs.push(run),
            None => goldens.push(Golden {
                written_by: format!("plan {}, journal {}", flow_model::plan::VERSION, journal::VERSION),
                digest: kept.summary.plan.clone(),
                plan: (*kept.plan).clone(),
                runs: vec![run],
            }),
        }
    }
    goldens
}

#[test]
fn case_22_journals_of_earlier_versions_give_the_same_runs() {
    if std::env::var_os("FLOW_GOLDEN").is_some() {
        fs::create_dir_all(folder()).unwrap();
        for (name, plans) in plans() {
            for (number, golden) in written(name, plans).into_iter().enumerate() {
                let path = folder().join(format!("{name}-{number}.json"));
                if !path.exists() {
                    fs::write(path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
                }
            }
        }
    }
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let golden: Golden = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let what = format!("{} ({})", path.display(), golden.written_by);
        assert_eq!(golden.plan.digest(), golden.digest, "{what}: the plan reads as another one");
        let plan = Arc::new(golden.plan);
        for run in &golden.runs {
            let id: RunId = run.id.parse().unwrap();
            let (entries, _) = journal::read(&id, &run.rows()).unwrap_or_else(|damage| panic!("{what}: {damage}"));
            let said = entries.iter().map(|entry| (entry.at, &entry.said));
            let machine = machine::replay(&run.id, Arc::clone(&plan), Library::default(), said);
            let machine = machine.unwrap_or_else(|diverged| panic!("{what}: {diverged}"));
            assert_eq!(machine.outcome(), Some(&run.outcome), "{what}");
            count += 1;
        }
    }
    assert!(count >= plans().len(), "{count} journals");
}

#[test]
fn case_22_a_journal_of_a_newer_version_is_refused_in_words() {
    let path = folder().join("chain-0.json");
    let golden: Golden = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let run = &golden.runs[0];
    let id: RunId = run.id.parse().unwrap();
    // The rows as a program would have written them that knows one version more.
    let mut rows = run.rows();
    rows[0].version = journal::VERSION + 1;
    rows[0].checksum = {
        use sha2::Digest as _;
        let mut digest = sha2::Sha256::new();
        digest.update([0; 16]);
        digest.update(&run.id);
        digest.update(0u64.to_be_bytes());
        digest.update((journal::VERSION + 1).to_be_bytes());
        digest.update(&rows[0].body);
        digest.finalize()[..16].try_into().unwrap()
    };
    let damage = journal::read(&id, &rows).unwrap_err();
    assert_eq!(damage, Damage::Newer { seq: 0, version: journal::VERSION + 1 });
    let known = journal::VERSION;
    assert_eq!(
        damage.to_string(),
        format!(
            "entry 0 of the journal has version {}, and this program reads up to {known}: use a newer one",
            known + 1
        )
    );
}

#[test]
fn case_22_a_run_that_a_newer_interpreter_began_is_set_aside_in_words_and_the_others_go_on() {
    use flow_runtime::{
        engine::RunState,
        store::{Batch, NewRun, Standing, Store as _},
        timer::Clock as _,
    };
    let outside = Outside::kind();
    let data = tempfile::tempdir().unwrap();
    let plan = Arc::new(plan(&[], vec![step("a", "read", 1), end(get(1))]));
    let (known, now) = (machine::VERSION, outside.clock.now());
    let ids: Vec<_> = (0..2u128).map(|number| RunId::new(now, number)).collect();
    // Each has begun, with the entries that both versions write.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = flow_runtime::store::Sqlite::open(data.path()).unwrap();
        let json = serde_json::to_vec(&*plan).unwrap();
        store.add_plan(plan.digest(), plan.flow.clone(), json).await.unwrap();
        for (id, version) in ids.iter().zip([known, known + 1]) {
            let mut play = crate::support::play::Play::of(Arc::clone(&plan));
            play.apply(machine::Event::Started(machine::Start { version, ..machine::Start::default() }));
            let mut chain = journal::Chain::new(id.clone());
            let rows = play.said.iter().map(|(_, said)| chain.write(&journal::Entry { at: now, said: said.clone() }));
            let new = NewRun {
                flow: plan.flow.clone(),
                plan: plan.digest(),
                trigger: None,
                dedupe: None,
                queued: None,
                gate: None,
                parent: None,
                notes: Vec::new(),
                gather: None,
            };
            let standing = Standing { state: RunState::Running, reason: None, wake_at: None, outcome: None };
            let batch = Batch { new: Some(new), rows: rows.collect(), ..Batch::new(id.clone(), standing, now) };
            store.commit(batch).await.unwrap();
        }
    });
    let life = Life { fault: Fault::Never, pace: Pace::Real, lasts: None };
    let ended = live(&outside, data.path(), &life, async |engine| {
        engine.resume().await.unwrap();
        (engine.outcome(&ids[0]).await.unwrap(), engine.outcome(&ids[1]).await.unwrap())
    });
    let Ok(Ended::Well((this, newer))) = ended else { panic!("no crash was asked for") };
    assert_eq!(this.state, RunState::Completed);
    let reason = format!(
        "the run can't go on: it began with version {} of the interpreter, and this program knows up to {known}: use a newer \
         program",
        known + 1
    );
    assert_eq!((newer.state, newer.reason), (RunState::NeedsDecision, Some(reason)));
}
