//! Data folders of earlier versions: what is under way in them goes on.
//!
//! A folder that is full of life is taken back, version by version, to what its database looked like before: each list of
//! statements undoes what one migration does. What a version did not know yet is not in its folder. The next process brings it
//! up to date, and every run ends as it would have; the tables are then those of a new folder, word for word, so that the
//! lists are neither too long nor too short.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use flow_model::{
    expr::{BinaryOp, Expr, Slot},
    failure::ErrorKind,
    file::{File, Sha256},
    plan::{Concurrency, Gather, Keep, Plan},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    engine::{Engine, Filter, Newness, RunId, RunState, Share, Submission},
    machine::{Decision, Place},
    store,
};
use rusqlite::Connection;

use crate::support::{
    build::*,
    sim::{Ended, Fault, Reply, World, process},
};

/// What brings a folder back to each version, newest first.
const BACK: [(u32, &str); 10] = [
    (10, "alter table gatherings drop column rank; alter table gathered drop column rank;"),
    (
        9,
        "create index runs_ended on runs (ended_at) where ended_at is not null;
         create index dedupe_by_expiry on dedupe (expires_at);",
    ),
    (8, "alter table dead_letters drop column cause;"),
    (
        7,
        "drop index waits_by_wish;
         alter table waits drop column field;
         alter table waits drop column digest;",
    ),
    (6, "drop table checkpoints;"),
    (
        5,
        "drop index runs_open; drop index runs_due; drop index runs_queued; drop index runs_gated; drop index runs_by_plan;
         drop index runs_ended; drop index refs_by_run; drop table refs;
         create index runs_unfinished on runs (id) where ended_at is null;",
    ),
    (4, "drop table gatherings; drop table gathered;"),
    (
        3,
        "drop index runs_failed; drop index runs_cancelled; drop index dead_letters_open;
         alter table dead_letters drop column settled;",
    ),
    (2, "drop table notes;"),
    (
        1,
        "drop index runs_by_gate; drop table events; drop table waits; drop table mail;
         alter table runs drop column start; alter table runs drop column gate; alter table runs drop column gate_scope;
         alter table runs drop column begun_at; alter table runs drop column parent;",
    ),
];

/// The flows, and the first version that knew what they do.
const FLOWS: [(&str, u32); 7] =
    [("sleeps", 1), ("asks", 1), ("ended", 1), ("waits", 2), ("calls", 2), ("queued", 2), ("gathers", 5)];

fn named(name: &str, params: &[&str], body: Vec<Stmt>) -> Plan {
    Plan { flow: name.into(), ..plan(params, body) }
}

fn plans() -> Vec<Arc<Plan>> {
    let nap = |path: &str| sleep(path, seconds(3600));
    let sleeps = named(
        "sleeps",
        &["file"],
        vec![step("before", "keyed", 1), nap("nap"), step_of("after", "keyed", 2, get(0)), end(get(1))],
    );
    let filter = op(item("order"), BinaryOp::Equal, get(0));
    let waits = vec![wait("w", 1, "paid", Some(filter), Some(seconds(900_000))), end(member(get(1), "order"))];
    let called = named("called", &["n"], vec![nap("nap"), end(get(0))]);
    let calls = named("calls", &[], vec![call("c", 0, &called, vec![("n", int(7))]), end(get(0))]);
    let caught = attempt(
        "t",
        1,
        vec![fail("f", "Odd", "the reason")],
        vec![(vec![], None, None, vec![dead_letter("odd", text("kept")), give(int(1))])],
    );
    let mut queued = named("queued", &[], vec![nap("nap"), end(get(0))]);
    let mut trigger = every(None);
    trigger.bind = Some(Slot(0));
    trigger.concurrency = Some(Concurrency { limit: 1, per: None });
    queued.triggers.push(trigger.clone());
    let mut gathers = named("gathers", &[], vec![end(get(0))]);
    trigger.concurrency = None;
    trigger.gather = Some(Gather { keep: Keep::All { most: 3, within: Millis::seconds(86_400) }, per: None });
    gathers.triggers.push(trigger);
    let paid = Expr::Literal(Value::record([("order", Value::Int(7))]));
    let flows = [
        sleeps,
        named("asks", &[], vec![step("sent", "send", 1), end(get(1))]),
        named("ended", &[], vec![caught, end(text("done"))]),
        named("waits", &["order"], waits),
        called,
        calls,
        queued,
        gathers,
        named("pays", &[], vec![emit("e", "paid", paid), end(int(1))]),
    ];
    flows.into_iter().map(Arc::new).collect()
}

/// A world in which an answer is lost, once.
fn world() -> Arc<World> {
    World::new(|made| match made.operation.as_str() {
        "send" if made.before == 0 => Reply::err(ErrorKind::Timeout, Reached::Perhaps),
        _ => Reply::ok(made.arg.clone()),
    })
}

fn event(flow: &str, number: i64) -> Submission {
    Submission {
        flow: flow.into(),
        plan: None,
        trigger: Some(0),
        payload: Value::Int(number),
        dedupe: None,
        body_digest: None,
        trace: None,
        notes: BTreeMap::new(),
        share: Share::Event,
    }
}

fn file() -> Value {
    Value::File(File::new(Sha256::of(b"a"), 1, "a.txt", "text/plain").into())
}

fn once(flow: &str, params: Value) -> Submission {
    let dedupe = Some((format!("the event of {flow}"), Millis::seconds(999_999)));
    Submission { dedupe, ..Submission::with_params(flow, params) }
}

fn place(path: &str) -> Place {
    Place { path: path.into(), indexes: Vec::new() }
}

/// Begins all that there is to begin; nothing is over but what ends at once.
async fn begin(engine: &Engine, world: &World) -> BTreeMap<&'static str, Vec<RunId>> {
    let plans = plans();
    for plan in &plans {
        engine.deploy(Arc::clone(plan)).await.unwrap();
    }
    engine.resume().await.unwrap();
    let mut runs: BTreeMap<&str, Vec<RunId>> = BTreeMap::new();
    for (flow, params) in [
        ("sleeps", Value::record([("file", file())])),
        ("asks", Value::Null),
        ("ended", Value::Null),
        ("waits", Value::record([("order", Value::Int(7))])),
        ("calls", Value::Null),
    ] {
        runs.entry(flow).or_default().push(engine.submit(once(flow, params)).await.unwrap().run);
    }
    for (flow, number) in [("queued", 1), ("queued", 2), ("gathers", 1), ("gathers", 2)] {
        runs.entry(flow).or_default().push(engine.submit(event(flow, number)).await.unwrap().run);
    }
    engine.keep("queued", &plans[6].triggers[0], [("read".into(), "7".into())].into()).await.unwrap();
    assert_eq!(engine.outcome(&runs["asks"][0]).await.unwrap().state, RunState::NeedsDecision);
    assert_eq!(engine.outcome(&runs["ended"][0]).await.unwrap().state, RunState::Completed);
    // Those that wait have come to where they do.
    for _ in 0..100 {
        world.tick().await;
    }
    runs
}

/// Brings the database of a folder back to a version.
fn back(data: &Path, version: u32) {
    let connection = Connection::open(data.join("journal.sqlite")).unwrap();
    for (flow, since) in FLOWS.iter().filter(|(_, since)| *since > version) {
        let runs = format!("(select id from runs where flow = '{flow}' or flow = 'called' and {since} = 2)");
        for (table, column) in [
            ("journal", "run"),
            ("waits", "run"),
            ("gatherings", "run"),
            ("gathered", "run"),
            ("refs", "run"),
            ("checkpoints", "run"),
            ("runs", "id"),
        ] {
            connection.execute(&format!("delete from {table} where {column} in {runs}"), []).unwrap();
        }
    }
    for (_, statements) in BACK.iter().filter(|(reached, _)| *reached >= version) {
        connection.execute_batch(statements).unwrap();
    }
    connection.pragma_update(None, "user_version", version).unwrap();
}

/// The tables and indexes of a database, as they were made.
fn tables(data: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(data.join("journal.sqlite")).unwrap();
    let sql = "select name, sql from sqlite_master where sql is not null order by name";
    let mut statement = connection.prepare(sql).unwrap();
    let words = |sql: String| sql.split_whitespace().collect::<String>();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, words(row.get(1)?)))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn version(data: &Path) -> u32 {
    let connection = Connection::open(data.join("journal.sqlite")).unwrap();
    connection.query_row("select user_version from pragma_user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn case_22_a_folder_of_each_earlier_version_is_brought_up_to_date_and_what_is_under_way_goes_on() {
    let fresh = tempfile::tempdir().unwrap();
    drop(store::Sqlite::open(fresh.path()).unwrap());
    let current = version(fresh.path());
    assert_eq!(BACK[0].0 + 1, current, "the version before this one has what brings a folder back to it");
    for before in (1..=current).rev() {
        let (world, data) = (world(), tempfile::tempdir().unwrap());
        let started = process(&world, data.path(), Fault::Never, async |engine| begin(&engine, &world).await);
        let Ended::Well(runs) = started else { panic!("no crash was asked for") };
        if before < current {
            back(data.path(), before);
        }
        let calls = world.made().len();
        process(&world, data.path(), Fault::Never, async |engine| {
            assert_eq!((version(data.path()), tables(data.path())), (current, tables(fresh.path())), "{before}");
            goes_on(&engine, &runs, before).await;
            for plan in plans() {
                engine.deploy(plan).await.unwrap();
            }
        });
        // What was done before is not done again: what is left is one call, and the one that was decided to be made again.
        let made = world.made();
        let new: Vec<&Value> = made[calls..].iter().map(|made| &made.arg).collect();
        assert_eq!(new, [&Value::text("sent"), &file()], "{before}");
        assert!(store::read(data.path()).unwrap().verify().unwrap().damaged.is_empty(), "{before}");
    }
}

async fn goes_on(engine: &Engine, runs: &BTreeMap<&'static str, Vec<RunId>>, before: u32) {
    for plan in plans() {
        engine.deploy(plan).await.unwrap();
    }
    engine.resume().await.unwrap();
    let known = |flow: &str| FLOWS.iter().any(|(name, since)| *name == flow && *since <= before);
    let listed = engine.runs(Filter { limit: 100, ..Filter::default() }).await.unwrap();
    for (flow, ids) in runs {
        let found = listed.iter().filter(|run| run.flow == *flow && ids.contains(&run.id)).count();
        let expected = if *flow == "gathers" { 1 } else { ids.len() };
        assert_eq!(found, if known(flow) { expected } else { 0 }, "{before}: {flow}");
    }
    let ended = async |run: &RunId| engine.outcome(run).await.unwrap();
    let completed = async |run: &RunId, value: Value| {
        let summary = ended(run).await;
        let outcome = Some(flow_runtime::machine::Outcome::Completed(value));
        assert_eq!((summary.state, summary.outcome), (RunState::Completed, outcome), "{before}: {}", summary.flow);
    };

    let again = engine.submit(once("ended", Value::Null)).await.unwrap();
    assert_eq!((&again.run, again.is_new), (&runs["ended"][0], Newness::Duplicate), "{before}");
    let detail = engine.run(&runs["ended"][0]).await.unwrap().unwrap();
    let left: Vec<_> = detail.dead_letters.iter().map(|left| (&left.value, left.cause.is_some())).collect();
    assert_eq!(left, [(&Value::text("kept"), before > 8)], "{before}");

    assert_eq!(ended(&runs["asks"][0]).await.state, RunState::NeedsDecision, "{before}");
    engine.resolve(&runs["asks"][0], place("sent"), Decision::Retry).await.unwrap();
    completed(&runs["asks"][0], Value::text("sent")).await;
    if known("gathers") {
        let last = engine.submit(event("gathers", 3)).await.unwrap();
        assert_eq!(last.run, runs["gathers"][0], "{before}");
        completed(&last.run, Value::List((1..=3).map(Value::Int).collect())).await;
    }
    if known("waits") {
        let pays = engine.submit(Submission::with_params("pays", Value::Null)).await.unwrap().run;
        completed(&pays, Value::Int(1)).await;
        completed(&runs["waits"][0], Value::Int(7)).await;
    }
    completed(&runs["sleeps"][0], Value::text("before")).await;
    if known("calls") {
        completed(&runs["calls"][0], Value::Int(7)).await;
        for (run, number) in runs["queued"].iter().zip(1..) {
            completed(run, Value::Int(number)).await;
        }
        let end = async |run: &RunId| ended(run).await.ended_at.unwrap();
        let (first, second) = (end(&runs["queued"][0]).await, end(&runs["queued"][1]).await);
        assert!(second.since(first) >= Millis::seconds(3600), "{before}: one after the other");
    }
    let notes = engine.notes("queued", &plans()[6].triggers[0]).await.unwrap();
    assert_eq!(notes.get("read").map(String::as_str), (before > 2).then_some("7"), "{before}");
}
