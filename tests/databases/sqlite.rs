//! `sqlite` on files.

use flow_model::{failure::ErrorKind, units::Millis, value::Value};
use flow_runtime::connector::Reached;
use tempfile::TempDir;

use super::world::{World, statement};

struct File {
    folder: TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self) -> String {
        self.folder.path().join("db.sqlite").display().to_string()
    }

    fn world(&self) -> World {
        World::new("sqlite", "", &format!("path: \"{}\", create: true", self.path()))
    }
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

#[tokio::test]
async fn what_is_inserted_is_bound_and_comes_back_as_it_is_declared() {
    let file = File::new();
    let db = file.world();
    db.run(
        "create table people (id integer primary key, name text, paid boolean, at timestamp, day date, meta json, price decimal(10, 2), photo blob, length text)",
    )
    .await;
    let evil = "Robert'); drop table people; -- $1 ?1 \\";
    let params = vec![
        Value::Int(i64::MIN),
        Value::text(evil),
        Value::Bool(true),
        Value::Timestamp("2026-01-31T10:00:00.5Z".parse().unwrap()),
        Value::Date("2026-01-31".parse().unwrap()),
        Value::record([("n", decimal("0.10")), ("tags", Value::List(vec![Value::text(evil)]))]),
        decimal("19.9"),
        Value::Bytes([0, 255].into()),
        Value::Duration(Millis::seconds(90)),
    ];
    let insert = "insert into people values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    assert_eq!(db.ask("execute", insert, params.clone()).await, Ok(Value::record([("rows", Value::Int(1))])));
    let ty = "{ id: Int, name: String, paid: Bool, at: Timestamp, day: Date, meta: Json, price: Decimal, photo: Bytes, length: Duration }";
    let row =
        db.value(ty, "select * from people where name = $1 and price > $2", vec![Value::text(evil), decimal("19.89")]);
    let Value::Record(fields) = row.await.unwrap() else { panic!("no record") };
    assert_eq!(fields.into_values().collect::<Vec<_>>(), params);
    assert_eq!(
        db.value("Int", "select id from people where name = $1", vec![Value::text("' or 1=1")]).await,
        Ok(Value::Null)
    );
    assert_eq!(
        db.ask(
            "query_all<Int>",
            "select value from json_each($1)",
            vec![Value::List(vec![Value::Int(7), Value::Int(8)])]
        )
        .await,
        Ok(Value::List(vec![Value::Int(7), Value::Int(8)]))
    );
    let absent =
        db.ask("execute", "update people set price = $1, day = $2 where id is not null", vec![Value::Null; 2]).await;
    assert_eq!(absent, Ok(Value::record([("rows", Value::Int(1))])));
    let sql = "select count(*) from people where price is $1 and day is $2";
    assert_eq!(
        db.value("Int", sql, vec![Value::Null; 2]).await,
        Ok(Value::Int(1)),
        "what may be null is bound as it is"
    );
    assert_eq!(db.value("Decimal", "select 0.1 + 0", vec![]).await, Ok(decimal("0.1")));
}

#[tokio::test]
async fn errors_have_kinds_and_nothing_is_half_done() {
    let file = File::new();
    let db = file.world();
    db.run("create table accounts (name text primary key, balance int not null check (balance >= 0))").await;
    db.run("insert into accounts values ('jenny', 10)").await;
    for (operation, sql, kind, parts) in [
        ("execute", "insert into accounts values ('jenny', 1)", ErrorKind::Conflict, ["1555", "accounts.name"]),
        ("execute", "update accounts set balance = -1", ErrorKind::Invalid, ["275", "balance"]),
        ("query_one<Int>", "select owner from accounts", ErrorKind::Invalid, ["no such column", "owner"]),
        ("query_one<Int>", "selec 1", ErrorKind::Invalid, ["syntax", "selec"]),
        ("execute", "select 1; select 2", ErrorKind::Invalid, ["more than one statement", "`transaction`"]),
        ("query_one<Int>", "select ?1", ErrorKind::Invalid, ["takes 1 values", "0 insertions"]),
        (
            "query_one<Int>",
            "insert into accounts values ('a', 1) returning balance",
            ErrorKind::Invalid,
            ["only reads", "`change`"],
        ),
        (
            "query_one<Int>",
            "with x as (select 1) delete from accounts returning balance",
            ErrorKind::Invalid,
            ["only reads", "`change`"],
        ),
        ("query_one<Bool>", "select 2", ErrorKind::Mismatch, ["does not fit", "boolean"]),
        ("query_one<Int>", "select 1 union select 2", ErrorKind::Mismatch, ["more than one row", "query_all"]),
    ] {
        let (got, message) = db.refusal(operation, sql, vec![]).await;
        assert_eq!(got, kind, "{sql}: {message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{sql}: {message}");
    }
    let add = |name: &str| statement("insert into accounts values ($1, 1)", vec![Value::text(name)]);
    let refused = db.attempt("", "transaction", vec![Value::List(vec![add("a"), add("jenny")])], None).await;
    let failure = refused.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Conflict);
    assert!(failure.message.starts_with("statement 2 of 2: "), "{failure}");
    assert_eq!(
        db.ask("query_all<String>", "select name from accounts", vec![]).await,
        Ok(Value::List(vec![Value::text("jenny")]))
    );
    let changed = db
        .ask("change<Int>", "update accounts set balance = balance + $1 returning balance", vec![Value::Int(5)])
        .await;
    assert_eq!(changed, Ok(Value::List(vec![Value::Int(15)])));
    let missing = World::new("sqlite", "", "path: \"/nowhere/db.sqlite\"");
    let (kind, message) = missing.refusal("query_one<Int>", "select 1", vec![]).await;
    assert_eq!(kind, ErrorKind::NotFound, "{message}");
    assert!(message.contains("create: true"), "{message}");
}

#[tokio::test]
async fn work_is_done_once_whoever_else_writes() {
    let file = File::new();
    let db = file.world();
    db.run("create table stock (held int not null)").await;
    db.run("insert into stock values (0)").await;
    let work = || vec![Value::List(vec![statement("update stock set held = held + $1", vec![Value::Int(1)])])];
    let without = db.keyed("", "once", work(), None, "s").await.outcome.unwrap_err();
    assert!(without.message.contains("create table flow_once"), "{without}");
    db.run("create table flow_once (key text primary key, rows text, done_at text not null default current_timestamp)")
        .await;
    // Each key twice, from connections of two processes as it were.
    let other = file.world();
    let keys: Vec<String> = (0..10).map(|number| format!("step-{number}")).collect();
    let calls = keys
        .iter()
        .flat_map(|key| [db.keyed("", "once", work(), None, key), other.keyed("", "once", work(), None, key)]);
    for done in futures::future::join_all(calls).await {
        assert_eq!(done.outcome, Ok(Value::List(vec![Value::record([("rows", Value::Int(1))])])));
    }
    assert_eq!(db.value("Int", "select held from stock", vec![]).await, Ok(Value::Int(10)));
}

#[tokio::test]
async fn a_large_result_is_gone_through_page_by_page() {
    let file = File::new();
    let db = file.world();
    let sql = "with recursive n(id) as (select 1 union all select id + 1 from n where id < 25000) select id, 'text' as text from n";
    let (mut seen, mut page) = (0, None);
    loop {
        let args = vec![statement(sql, vec![])];
        let value = db.attempt("record Row { id: Int, text: String }", "query<Row>", args, page).await.outcome.unwrap();
        let Some(Value::List(items)) = value.get("items") else { panic!("{value:?}") };
        assert!(items.len() <= 1000);
        for item in items {
            seen += 1;
            assert_eq!(item.get("id"), Some(&Value::Int(seen)));
        }
        match value.get("next") {
            Some(Value::Null) | None => break,
            Some(next) => page = Some(next.clone()),
        }
    }
    assert_eq!(seen, 25_000);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_interrupted() {
    let file = File::new();
    let db = file.world().within(Millis(300));
    let endless = "with recursive n(id) as (select 1 union all select id + 1 from n) select count(*) from n";
    let slow = db.attempt("", "query_one<Int>", vec![statement(endless, vec![])], None).await;
    assert_eq!((slow.outcome.unwrap_err().kind, slow.reached), (ErrorKind::Timeout, Reached::Perhaps));
    // A runtime that ends waits for its threads, so that this ends shows that the statement has.
    assert_eq!(db.value("Int", "select 1", vec![]).await, Ok(Value::Int(1)));
}

#[tokio::test]
async fn a_list_after_in_is_as_many_values() {
    let file = File::new();
    let db = file.world();
    let list = |ids: &[i64]| vec![Value::List(ids.iter().copied().map(Value::Int).collect())];
    for (sql, ids, expected) in [
        ("select 2 in $1", list(&[1, 2]), 1),
        ("select 3 in ($1)", list(&[1, 2]), 0),
        ("select 3 in $1", list(&[]), 0),
        ("select 3 not in $1", list(&[]), 1),
    ] {
        assert_eq!(db.value("Int", sql, ids).await, Ok(Value::Int(expected)), "{sql}");
    }
}
