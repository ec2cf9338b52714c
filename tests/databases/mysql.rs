//! `mysql` against a real MariaDB.

use flow_model::{failure::ErrorKind, value::Value};
use flow_runtime::{connector::Reached, egress::Networks};

use super::{
    machine::Port,
    mysql_server::{PASSWORD, Server, shared},
    world::{World, statement},
};

const URL: &str = "url: secret(\"db/url\")";

fn world(server: &Server) -> World {
    World::new("mysql", server.url(), URL)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn counted(rows: i64) -> Value {
    Value::record([("rows", Value::Int(rows))])
}

#[tokio::test]
async fn columns_are_values_of_the_types_that_the_caller_gives() {
    let server = shared();
    let db = world(&server);
    let time = |text: &str| Value::Timestamp(text.parse().unwrap());
    for (ty, sql, expected) in [
        ("Int", "select 9223372036854775807", Value::Int(i64::MAX)),
        ("Decimal", "select cast(18446744073709551615 as unsigned)", decimal("18446744073709551615")),
        ("Decimal", "select 1234567890123456789.0123456780", decimal("1234567890123456789.0123456780")),
        ("Decimal", "select cast(0.1 as double)", decimal("0.1")),
        ("Int", "select count(*) from information_schema.schemata where schema_name = 'flow'", Value::Int(1)),
        ("String", "select 'naïve'", Value::text("naïve")),
        ("Bytes", "select x'00ff'", Value::Bytes([0, 255].into())),
        ("Timestamp", "select timestamp'2026-01-31 10:00:00.123456'", time("2026-01-31T10:00:00.123456Z")),
        ("Date", "select date'1999-12-31'", Value::Date("1999-12-31".parse().unwrap())),
        ("String", "select time'-101:05:09.5'", Value::text("-101:05:09.5")),
        ("Int?", "select null", Value::Null),
        ("Int", "select 1 from dual where 1 = 0", Value::Null),
        (
            "{ amount: Decimal, name: String }",
            "select 12345678901234567.89 as amount, 'a' as name",
            Value::record([("amount", decimal("12345678901234567.89")), ("name", Value::text("a"))]),
        ),
    ] {
        let got = db.value(ty, sql, vec![]).await;
        assert_eq!(got.as_ref(), Ok(&expected), "{ty}: {sql}");
    }
    for (ty, sql, parts) in [
        ("{ id: Int, total: Decimal }", "select 1 as id, 'x' as total", ["`total`", "\"x\""]),
        ("Int", "select 1 union select 2", ["more than one row", "query_all"]),
        ("Timestamp", "select cast('0000-00-00' as date)", ["column", "no day"]),
    ] {
        let (kind, message) = db.refusal(&format!("query_one<{ty}>"), sql, vec![]).await;
        assert_eq!(kind, ErrorKind::Mismatch, "{sql}: {message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{sql}: {message}");
    }
}

#[tokio::test]
async fn what_is_inserted_is_bound_and_comes_back_as_it_was() {
    let server = shared();
    let db = world(&server);
    db.run("create table people (id bigint primary key, name text, paid boolean, seen datetime(6), day date, price decimal(38, 10), photo blob, state enum('new', 'old'), flags bit(1), meta json)").await;
    let evil = "Robert'); drop table people; -- $1 ? \\' \" `";
    let params = vec![
        Value::Int(i64::MIN),
        Value::text(evil),
        Value::Bool(true),
        Value::Timestamp("2026-01-31T10:00:00.123456Z".parse().unwrap()),
        Value::Date("2026-01-31".parse().unwrap()),
        decimal("1234567890123456789.0123456789"),
        Value::Bytes((0..=255).collect::<Vec<u8>>().into()),
        Value::text("old"),
        Value::Bool(true),
        Value::record([("note", Value::text(evil))]),
    ];
    let insert = "insert into people values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    assert_eq!(db.ask("execute", insert, params.clone()).await, Ok(counted(1)));
    let ty = "{ id: Int, name: String, paid: Bool, seen: Timestamp, day: Date, price: Decimal, photo: Bytes, state: \"new\" | \"old\", flags: Bool, note: String }";
    // A decimal is compared as the number that it is.
    let sql = "select id, name, paid, seen, day, price, photo, state, flags, json_value(meta, '$.note') as note from people where name = $1 and price = $2 and price < $3";
    let close = decimal("1234567890123456789.0123456790");
    let row =
        db.value(ty, sql, vec![Value::text(evil), decimal("1234567890123456789.0123456789"), close]).await.unwrap();
    let Value::Record(fields) = row else { panic!("no record") };
    let mut expected = params;
    expected[9] = Value::text(evil);
    assert_eq!(fields.into_values().collect::<Vec<_>>(), expected);
    let none = db.value("Int", "select id from people where name = $1", vec![Value::text("' or '1'='1")]).await;
    assert_eq!(none, Ok(Value::Null));
    let absent =
        db.ask("execute", "update people set price = $1, day = $2 where id is not null", vec![Value::Null; 2]).await;
    assert_eq!(absent, Ok(Value::record([("rows", Value::Int(1))])));
    let sql = "select count(*) from people where price <=> $1 and day <=> $2";
    assert_eq!(
        db.value("Int", sql, vec![Value::Null; 2]).await,
        Ok(Value::Int(1)),
        "what may be null is bound as it is"
    );
    let list = |ids: &[i64]| Value::List(ids.iter().copied().map(Value::Int).collect());
    for (sql, ids, count) in [
        ("select count(*) from people where id in $1", list(&[1, i64::MIN]), 1),
        ("select count(*) from people where id in ($1)", list(&[1, 2]), 0),
        ("select count(*) from people where id in $1", list(&[]), 0),
        ("select count(*) from people where id not in $1", list(&[]), 1),
    ] {
        assert_eq!(db.value("Int", sql, vec![ids]).await, Ok(Value::Int(count)), "{sql}");
    }
    db.run("drop table people").await;
}

#[tokio::test]
async fn errors_have_kinds_and_say_no_values() {
    let server = shared();
    let db = world(&server);
    db.run("create table accounts (name varchar(50) primary key, balance int not null check (balance >= 0))").await;
    db.run("insert into accounts values ('jenny@example.com', 10)").await;
    for (operation, sql, kind, parts) in [
        ("execute", "insert into accounts values ('jenny@example.com', 1)", ErrorKind::Conflict, ["1062", "PRIMARY"]),
        ("execute", "update accounts set balance = -1", ErrorKind::Invalid, ["4025", "balance"]),
        ("execute", "update accounts set balance = 99999999999", ErrorKind::Invalid, ["1264", "Out of range"]),
        ("query_one<Int>", "select nothing from accounts", ErrorKind::Invalid, ["1054", "nothing"]),
        ("query_one<Int>", "selec 1", ErrorKind::Invalid, ["1064", "syntax"]),
        (
            "execute",
            "signal sqlstate '45000' set message_text = 'no credit'",
            ErrorKind::Rejected,
            ["1644", "no credit"],
        ),
        ("execute", "select 1; select 2", ErrorKind::Invalid, ["1064", "select 2"]),
        ("execute", "rollback", ErrorKind::Invalid, ["`rollback`", "transaction"]),
        ("query_one<Int>", "select ?", ErrorKind::Invalid, ["takes 1 values", "0 insertions"]),
        (
            "query_one<Int>",
            "insert into accounts values ('a', 1) returning balance",
            ErrorKind::Invalid,
            ["1792", "`change`"],
        ),
    ] {
        let failure = db.ask(operation, sql, vec![]).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{sql}: {failure}");
        assert!(parts.iter().all(|part| failure.message.contains(part)), "{sql}: {failure}");
        assert!(!format!("{failure:?}").contains("jenny@"), "{failure:?}");
    }
    assert_eq!(db.value("Int", "select count(*) from accounts", vec![]).await, Ok(Value::Int(1)));
    // Rows that were as they should be are found too.
    assert_eq!(db.ask("ensure", "update accounts set balance = 10", vec![]).await, Ok(counted(1)));
    let given =
        db.ask("change<Int>", "insert into accounts values ('b', $1) returning balance", vec![Value::Int(5)]).await;
    assert_eq!(given, Ok(Value::List(vec![Value::Int(5)])));
    db.run("drop table accounts").await;
}

#[tokio::test]
async fn transactions_take_effect_as_a_whole_or_not_at_all() {
    let server = shared();
    let db = world(&server);
    db.run("create table ledger (id int primary key, amount int not null)").await;
    let work = |statements: Vec<Value>| vec![Value::List(statements), Value::text("serializable")];
    let insert = |id: i64| statement("insert into ledger values ($1, 1)", vec![Value::Int(id)]);
    let moved = db.attempt("", "transaction", work(vec![insert(1), insert(2)]), None).await;
    assert_eq!(moved.outcome, Ok(Value::List(vec![counted(1), counted(1)])));
    let refused = db.attempt("", "transaction", work(vec![insert(3), insert(1)]), None).await.outcome.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "{refused}");
    assert!(refused.message.starts_with("statement 2 of 2: mysql answers 1062"), "{refused}");
    let create = statement("create table other (id int)", vec![]);
    let refused = db.attempt("", "transaction", work(vec![insert(3), create]), None).await.outcome.unwrap_err();
    assert!(refused.message.contains("`create` ends a transaction"), "{refused}");
    let ids = db.ask("query_all<Int>", "select id from ledger order by id", vec![]).await;
    assert_eq!(ids, Ok(Value::List(vec![Value::Int(1), Value::Int(2)])));
    // Two that wait for each other: one is undone and may be tried again.
    let add = |id: i64| statement("update ledger set amount = amount + 1 where id = $1", vec![Value::Int(id)]);
    // Each says that it has its first row, and waits until the other has its own.
    let says = |id: i64| statement("do get_lock(concat('deadlock ', $1), 0)", vec![Value::Int(id)]);
    let looks = "do (with recursive look(n) as (select 1 union all select n + 1 from look where n < 1000)
        select sum(sleep(0.01)) from look where is_free_lock(concat('deadlock ', $1)))";
    let both = |first: i64, second: i64| {
        let waits = statement(looks, vec![Value::Int(second)]);
        vec![Value::List(vec![add(first), says(first), waits, add(second)]), Value::Null]
    };
    let (one, two) = futures::join!(
        db.attempt("", "transaction", both(1, 2), None),
        db.attempt("", "transaction", both(2, 1), None),
    );
    let (won, lost) = if one.outcome.is_ok() { (one, two) } else { (two, one) };
    assert!(won.outcome.is_ok(), "{:?}", won.outcome);
    let failure = lost.outcome.unwrap_err();
    assert!(failure.message.contains("1213"), "{failure}");
    assert_eq!((failure.kind, lost.reached), (ErrorKind::Unavailable, Reached::Never));
    let amounts = db.ask("query_all<Int>", "select amount from ledger", vec![]).await;
    assert_eq!(amounts, Ok(Value::List(vec![Value::Int(2), Value::Int(2)])));
    db.run("drop table ledger").await;
}

#[tokio::test]
async fn work_that_is_done_once_is_not_done_again_with_the_same_key() {
    let server = Server::start();
    let db = world(&server);
    db.run("create table stock (held int not null)").await;
    db.run("insert into stock values (10)").await;
    let work = || {
        let take = statement("update stock set held = held - $1", vec![Value::Int(3)]);
        vec![Value::List(vec![take.clone(), take]), Value::text("repeatable_read")]
    };
    let without = db.keyed("", "once", work(), None, "step-1").await.outcome.unwrap_err();
    let create = without.message.split_once("create it with `").unwrap().1.trim_end_matches('`').to_owned();
    db.run(&create).await;
    let answers = futures::future::join_all((0..4).map(|_| db.keyed("", "once", work(), None, "step-1"))).await;
    for answer in &answers {
        assert_eq!(answer.outcome, Ok(Value::List(vec![counted(1), counted(1)])));
    }
    let held = || db.value("Int", "select held from stock", vec![]);
    assert_eq!(held().await, Ok(Value::Int(4)));
    let fails = vec![Value::List(vec![statement("insert into stock values (null)", vec![])]), Value::Null];
    assert!(db.keyed("", "once", fails, None, "step-2").await.outcome.is_err());
    db.keyed("", "once", work(), None, "step-2").await.outcome.unwrap();
    assert_eq!(held().await, Ok(Value::Int(-2)));
}

#[tokio::test]
async fn a_large_result_is_gone_through_page_by_page() {
    let server = shared();
    let db = world(&server);
    let (mut seen, mut page) = (0, None);
    loop {
        let args =
            vec![statement("select seq as id, repeat('x', 100) as text from seq_1_to_25000 order by seq", vec![])];
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
    // A result that nobody takes to its end is broken off, and the next call has a connection that works.
    let sql = "select repeat('x', 1000) from seq_1_to_1000000";
    assert_eq!(db.refusal("query_one<String>", sql, vec![]).await.0, ErrorKind::Mismatch);
    assert_eq!(db.value("Int", "select 1", vec![]).await, Ok(Value::Int(1)));
}

#[tokio::test]
async fn a_server_that_dies_in_a_statement_has_changed_nothing() {
    let server = Server::start();
    let (db, watch) = (world(&server), world(&server));
    db.run("create table notes (id int) engine = InnoDB").await;
    let dies = async |text: &str| {
        // Before, it is prepared, and its text is shown too.
        let busy = format!(
            "select count(*) from information_schema.processlist where command = 'Execute' and info like '{text}%'"
        );
        watch.until(&busy, 1).await;
        server.kill();
    };
    let slow = statement("insert into notes select sleep(3600)", vec![]);
    let (lost, ()) = futures::join!(db.attempt("", "execute", vec![slow], None), dies("insert into notes"));
    let failure = lost.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), lost.reached), (ErrorKind::Unavailable, Reached::Never), "{failure}");
    server.start_again();
    // Connections that were idle when the server went away are replaced without a word.
    assert_eq!(watch.value("Int", "select count(*) from notes", vec![]).await, Ok(Value::Int(0)));
    // The lost connection's number is another's now, who has to be left alone.
    let kills = "select variable_value from information_schema.global_status where variable_name = 'COM_KILL'";
    assert_eq!(db.value("String", kills, vec![]).await, Ok(Value::text("0")));
    // What commits by itself may have been done.
    let creates = statement("create table slow as select sleep(3600)", vec![]);
    let (lost, ()) = futures::join!(db.attempt("", "execute", vec![creates], None), dies("create table slow"));
    let failure = lost.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), lost.reached), (ErrorKind::Unavailable, Reached::Perhaps), "{failure}");
}

#[tokio::test]
async fn who_may_not_connect_is_told_why_without_the_password() {
    let server = shared();
    let (port, nobody) = (server.port.number(), Port::free());
    for (url, kind, part) in [
        (format!("mysql://flow:wr0ng-w0rd@localhost:{port}/flow"), ErrorKind::Unauthorized, "1045"),
        (format!("mysql://flow:{PASSWORD}@localhost:{port}/nowhere"), ErrorKind::NotFound, "1049"),
        (format!("mysql://flow:{PASSWORD}@localhost:{}/flow", nobody.number()), ErrorKind::Unavailable, "lost"),
        (format!("mysql://flow:{PASSWORD}@host.invalid/flow"), ErrorKind::Unavailable, "host.invalid"),
        (format!("localhost;password={PASSWORD}"), ErrorKind::Invalid, "mysql://user"),
    ] {
        let db = World::new("mysql", url, URL);
        let attempt = db.attempt("", "execute", vec![statement("select 1", vec![])], None).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind.clone(), attempt.reached), (kind, Reached::Never), "{failure}");
        assert!(failure.message.contains(part), "{failure}");
        assert!(!failure.message.contains(PASSWORD) && !failure.message.contains("wr0ng-w0rd"), "{failure}");
    }
    let elsewhere = World::guarded("mysql", server.url(), URL, Networks::default());
    let (kind, message) = elsewhere.refusal("query_one<Int>", "select 1", vec![]).await;
    assert_eq!(kind, ErrorKind::Forbidden, "{message}");
    assert!(message.contains("loopback"), "{message}");
}

#[tokio::test]
async fn connections_are_secured_as_the_setting_says() {
    let server = shared();
    let secured =
        "select variable_value <> '' from information_schema.session_status where variable_name = 'Ssl_cipher'";
    let authority = server.authority().replace('\n', "\\n");
    let trusted = format!("{URL}, tls: \"verify\", authority: \"{authority}\"");
    for (url, settings, is_secured) in [
        (server.url(), URL.to_owned(), 1),
        (server.url(), format!("{URL}, tls: \"off\""), 0),
        (server.url() + "?ssl-mode=DISABLED", URL.to_owned(), 0),
        (server.url(), trusted.clone(), 1),
    ] {
        let got = World::new("mysql", url, &settings).value("Int", secured, vec![]).await;
        assert_eq!(got, Ok(Value::Int(is_secured)), "{settings}");
    }
    let by_address = server.url().replace("localhost", "127.0.0.1");
    for (url, settings) in [(server.url(), format!("{URL}, tls: \"verify\"")), (by_address, trusted)] {
        let (kind, message) = World::new("mysql", url, &settings).refusal("query_one<Int>", secured, vec![]).await;
        assert_eq!(kind, ErrorKind::Unavailable, "{message}");
        assert!(message.contains("certificate"), "{message}");
    }
}
