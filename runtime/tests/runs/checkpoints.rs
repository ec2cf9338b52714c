//! A run with a long journal is taken up from its checkpoint: what was before is not read, what comes after is bounded, and
//! a checkpoint that can't be used costs no more than the time to read the journal.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use flow_model::{
    expr::BinaryOp,
    failure::ErrorKind,
    plan::{ForOnError, ParallelOnError, Plan},
    value::Value,
};
use flow_runtime::{
    engine::{Engine, Filter, Limits, RunState, RunSummary, Submission},
    journal,
    machine::{Event, FORM, Outcome, Start},
    store,
};

use crate::support::{
    build::*,
    play::Play,
    random::Reference,
    sim::{Ended, Fault, World, paced},
};

/// How many entries a journal grows by before a checkpoint.
const EVERY: usize = 8;

/// A loop of as many items, with a call each.
struct Long {
    plan: Arc<Plan>,
    expected: Value,
    calls: usize,
}

impl Long {
    fn new(items: i64) -> Self {
        let inner = vec![step_of("charge", "keyed", 3, get(2)), give(get(3))];
        let items = list((1..=items).map(int));
        let body = vec![each("each", 1, 2, items, 3, ForOnError::Stop, inner), end(list([get(1), get(1)]))];
        let (expected, reference) = Reference::of(&body);
        Self { plan: Arc::new(plan(&[], body)), expected, calls: reference.calls.len() }
    }

    async fn tell(&self, engine: Arc<Engine>) -> RunSummary {
        engine.deploy(Arc::clone(&self.plan)).await.unwrap();
        engine.resume().await.unwrap();
        let run = match engine.runs(Filter::default()).await.unwrap().first() {
            Some(run) => run.id.clone(),
            None => engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run,
        };
        engine.outcome(&run).await.unwrap()
    }

    fn world() -> Arc<World> {
        World::kind_with(Limits { reserve: 0, checkpoint: EVERY, ..Limits::default() })
    }

    /// Lets a process end after that write.
    fn crash(&self, world: &Arc<World>, data: &Path, after: usize) -> bool {
        paced(world, data, Fault::After(after), 1, |engine| self.tell(engine)) == Ended::Crashed
    }

    fn go_on(&self, world: &Arc<World>, data: &Path) -> RunSummary {
        match paced(world, data, Fault::Never, 1, |engine| self.tell(engine)) {
            Ended::Well(summary) => summary,
            Ended::Crashed => panic!("no crash was asked for"),
        }
    }
}

fn ask<T: rusqlite::types::FromSql>(data: &Path, sql: &str) -> T {
    let connection = rusqlite::Connection::open(data.join("journal.sqlite")).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn change(data: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(data.join("journal.sqlite")).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
}

#[test]
fn a_run_is_taken_up_from_its_checkpoint_and_reads_nothing_before_it() {
    let long = Long::new(60);
    let latest = "(select seq from checkpoints) - 1";
    let damage = |at: &str| format!("update journal set body = '{{}}' where seq = {at}");
    let cases = [
        (vec![damage("1")], true),
        (vec!["delete from journal where seq = 5".to_owned()], true),
        (vec![damage("1"), "delete from checkpoints".to_owned()], false),
        (vec![format!("update journal set checksum = x'00' where seq = {latest}")], false),
        (vec![format!("delete from journal where seq >= {latest}")], false),
        (vec![damage("(select seq from checkpoints)")], false),
    ];
    for (damages, well) in cases {
        let (world, data) = (Long::world(), tempfile::tempdir().unwrap());
        assert!(long.crash(&world, data.path(), 43));
        assert!(ask::<i64>(data.path(), "select seq from checkpoints") > 20);
        damages.iter().for_each(|damage| change(data.path(), damage));
        let summary = long.go_on(&world, data.path());
        match well {
            true => assert_eq!(summary.outcome, Some(Outcome::Completed(long.expected.clone())), "{damages:?}"),
            false => assert_eq!(summary.state, RunState::NeedsDecision, "{damages:?}"),
        }
    }
}

#[test]
fn what_comes_after_a_checkpoint_is_bounded_and_the_end_is_the_same() {
    let long = Long::new(120);
    let (world, data) = (Long::world(), tempfile::tempdir().unwrap());
    let (mut lives, mut checkpoints) = (0, std::collections::BTreeSet::new());
    // The plan is written first, by each process.
    while long.crash(&world, data.path(), 12) {
        lives += 1;
        let seq: i64 = ask(data.path(), "select coalesce(max(seq), 0) from checkpoints");
        let kept: i64 = ask(data.path(), "select coalesce(max(length(body)), 0) from checkpoints");
        let sum = format!("select coalesce(sum(length(body)), 0) from journal where seq >= {seq}");
        let after: i64 = ask(data.path(), &sum);
        let entries: i64 = ask(data.path(), &format!("select count(*) from journal where seq >= {seq}"));
        let longest: i64 = ask(data.path(), "select max(length(body)) from journal");
        // One write has the end of calls and the beginnings of those that they make room for.
        let few = entries <= EVERY as i64 + 12 || after <= 2 * kept + 12 * longest;
        assert!(few, "{entries} entries, {after} bytes, after a checkpoint of {kept}");
        checkpoints.insert(seq);
        assert!(lives < 500, "the run goes on");
    }
    assert!(lives >= 8 && checkpoints.len() > 5, "{lives} lives, {checkpoints:?}");
    let summary = long.go_on(&world, data.path());
    assert_eq!(summary.outcome, Some(Outcome::Completed(long.expected.clone())));
    assert_eq!(world.counts().len(), long.calls, "each call was made");
    assert_eq!(ask::<i64>(data.path(), "select count(*) from checkpoints"), 0, "it goes with the end of the run");
    assert!(store::read(data.path()).unwrap().verify().unwrap().is_well());
}

#[test]
fn a_checkpoint_that_cant_be_used_is_passed_over() {
    let long = Long::new(60);
    for number in 0..5 {
        let (world, data) = (Long::world(), tempfile::tempdir().unwrap());
        assert!(long.crash(&world, data.path(), 40));
        let reader = store::read(data.path()).unwrap();
        let run = reader.list(&Filter::default()).unwrap()[0].id.clone();
        let seq: usize = ask::<i64>(data.path(), "select seq from checkpoints").try_into().unwrap();
        let (_, chain) = journal::read(&run, &reader.rows(&run).unwrap()[..seq]).unwrap();
        let kept: String = ask(data.path(), "select body from checkpoints");
        let (form, body) = match number {
            0 => ("0.0.0-1", kept.clone()),
            1 => (FORM, String::new()),
            2 => (FORM, "[]\n[]".to_owned()),
            // How the run of another plan stood.
            3 => (FORM, kept.replacen(&long.plan.digest(), &"0".repeat(64), 1)),
            // What it says of itself does not fit.
            _ => ("", format!("{kept} ")),
        };
        assert!((form, &body) != (FORM, &kept), "{number}: something is changed");
        let checkpoint = chain.checkpoint(form, body);
        // The first entries are damaged as well, so that the run only goes on where the checkpoint is used.
        let used = |damage: bool| {
            let copy = tempfile::tempdir().unwrap();
            let connection = rusqlite::Connection::open(data.path().join("journal.sqlite")).unwrap();
            connection.execute("vacuum into ?", [copy.path().join("journal.sqlite").to_str().unwrap()]).unwrap();
            let connection = rusqlite::Connection::open(copy.path().join("journal.sqlite")).unwrap();
            let form = if form.is_empty() { FORM } else { form };
            let values = rusqlite::params![form, checkpoint.body, checkpoint.checksum];
            connection.execute("update checkpoints set form = ?, body = ?, checksum = ?", values).unwrap();
            if damage {
                connection.execute("update journal set body = '{}' where seq = 1", []).unwrap();
            }
            drop(connection);
            long.go_on(&world, copy.path())
        };
        let summary = used(false);
        assert_eq!(summary.outcome, Some(Outcome::Completed(long.expected.clone())), "{number}");
        assert_eq!(used(true).state, RunState::NeedsDecision, "{number}");
        assert_eq!(world.counts().len(), long.calls);
    }
}

/// A run in which all kinds of things are under way.
fn rich() -> Play {
    let branch = |body| vec![vec![step("other", "send", 11)], body];
    let body = vec![
        bind("first", 1, list([int(1), int(2), int(3)])),
        saga(
            "saga",
            2,
            vec![
                undoable("reserve", "send", 3),
                parallel(
                    "p",
                    ParallelOnError::Wait,
                    vec![
                        vec![each(
                            "each",
                            4,
                            5,
                            get(1),
                            2,
                            ForOnError::Collect,
                            vec![step_of("charge", "keyed", 6, get(5)), give(get(6))],
                        )],
                        vec![sleep("nap", seconds(3600))],
                        vec![race("race", 7, branch(vec![wait("told", 8, "paid", None, Some(seconds(60)))]))],
                        vec![approve("ask", 9, "may it?", None)],
                        vec![repeat(
                            "poll",
                            10,
                            seconds(30),
                            5,
                            op(get(12), BinaryOp::Equal, int(9)),
                            vec![step("look", "read", 12)],
                        )],
                        vec![step("again", "read", 13).retrying(retry(3, &[ErrorKind::Unavailable], 1000))],
                    ],
                ),
            ],
        ),
        end(get(4)),
    ];
    let mut play = Play::new(plan(&[], body));
    // By which rules a run goes on is no part of the form.
    play.apply(Event::Started(Start { version: 4, payload: Value::Null, ..Start::default() }));
    play.ok("reserve", 1);
    play.ok("charge[0]", 2);
    play.ok("look[0]", 3);
    play.err("again", ErrorKind::Unavailable);
    play
}

#[test]
fn the_form_of_a_snapshot_is_the_one_that_its_number_says() {
    let (number, snapshot) = (FORM.rsplit('-').next().unwrap(), rich().machine.snapshot().unwrap());
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/forms").join(format!("{number}.json"));
    if std::env::var("FLOW_GOLDEN").as_deref() == Ok("write") && !file.exists() {
        std::fs::write(&file, format!("{snapshot}\n")).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        known.trim_end(),
        snapshot,
        "what a run is kept as has changed: raise the number of `FORM`, put {} away, and write the new one with FLOW_GOLDEN=write",
        file.display()
    );
}
