//! `postgres` against a real server.

use flow_model::{
    failure::ErrorKind,
    units::Millis,
    value::{Money, Value},
};
use flow_runtime::{connector::Reached, egress::Networks};

use super::{
    machine::Port,
    postgres_server::{PASSWORD, Server, shared},
    world::{World, statement},
};

const URL: &str = "url: secret(\"db/url\")";

fn world(server: &Server) -> World {
    World::new("postgres", server.url(), URL)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn texts<const N: usize>(texts: [&str; N]) -> Value {
    Value::List(texts.map(Value::text).into())
}

#[tokio::test]
async fn columns_are_values_of_the_types_that_the_caller_gives() {
    let server = shared();
    let db = world(&server);
    let time = |text: &str| Value::Timestamp(text.parse().unwrap());
    for (ty, sql, expected) in [
        ("Int", "select 9223372036854775807", Value::Int(i64::MAX)),
        ("Int", "select (-7)::smallint", Value::Int(-7)),
        ("Decimal", "select 1234567890123456789.0123456780::numeric", decimal("1234567890123456789.012345678")),
        ("Decimal", "select -0.00001::numeric", decimal("-0.00001")),
        ("Decimal", "select 10000.5::numeric(20, 4)", decimal("10000.5000")),
        ("Decimal", "select 0.1::float8", decimal("0.1")),
        ("Decimal", "select 100000000::numeric", decimal("100000000")),
        ("Int", "select 5.00::numeric", Value::Int(5)),
        ("Bool", "select true", Value::Bool(true)),
        ("String", "select 'naïve'::varchar", Value::text("naïve")),
        ("Bytes", "select '\\x00ff'::bytea", Value::Bytes([0, 255].into())),
        (
            "Uuid",
            "select 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
            Value::text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        ("Timestamp", "select '2026-01-31T11:00:00.123456+01:00'::timestamptz", time("2026-01-31T10:00:00.123456Z")),
        ("Timestamp", "select '1969-12-31 23:59:59'::timestamp", time("1969-12-31T23:59:59Z")),
        ("Date", "select '1999-12-31'::date", Value::Date("1999-12-31".parse().unwrap())),
        ("String", "select '13:05:09.5'::time", Value::text("13:05:09.5")),
        ("Duration", "select '1 day 90 seconds'::interval", Value::Duration(Millis(86_490_000))),
        ("List<String>", "select array['a', 'b,c']", texts(["a", "b,c"])),
        ("List<Int?>", "select array[1, null]", Value::List(vec![Value::Int(1), Value::Null])),
        (
            "List<List<Int>>",
            "select '{{1,2},{3,4}}'::int[]",
            Value::List(vec![
                Value::List(vec![Value::Int(1), Value::Int(2)]),
                Value::List(vec![Value::Int(3), Value::Int(4)]),
            ]),
        ),
        ("Int?", "select null::int", Value::Null),
        ("Int", "select 1 where false", Value::Null),
        (
            "{ amount: Decimal, tags: List<String> }",
            "select 12345678901234567.89 as amount, array[]::text[] as tags",
            Value::record([("amount", decimal("12345678901234567.89")), ("tags", Value::List(vec![]))]),
        ),
        (
            "{ meta: { n: Decimal, deep: List<Bool> } }",
            "select '{\"n\": 0.10, \"deep\": [true]}'::jsonb as meta",
            Value::record([(
                "meta",
                Value::record([("n", decimal("0.10")), ("deep", Value::List(vec![Value::Bool(true)]))]),
            )]),
        ),
        (
            "{ total: Money }",
            "select json_build_object('amount', '5.00', 'currency', 'EUR') as total",
            Value::record([(
                "total",
                Value::Money(Money { amount: "5.00".parse().unwrap(), currency: "EUR".to_owned() }),
            )]),
        ),
    ] {
        let got = db.value(ty, sql, vec![]).await;
        assert_eq!(got.as_ref(), Ok(&expected), "{ty}: {sql}");
    }
}

#[tokio::test]
async fn what_does_not_fit_says_where() {
    let server = shared();
    let db = world(&server);
    for (ty, sql, parts) in [
        ("{ id: Int, total: Decimal }", "select 1 as id, 'x' as total", ["`total`", "\"x\""]),
        ("{ id: Int }", "select 1 as other", ["`id`", "is missing"]),
        ("Int", "select null::int, 2", ["2 columns", "record"]),
        ("Int", "select 1 union select 2", ["more than one row", "query_all"]),
        ("{ id: Int }", "select 1 as id, 2 as id", ["two columns `id`", "as"]),
        ("String", "select '10.0.0.0/8'::inet", ["`inet`", "::text"]),
        ("Decimal", "select 'NaN'::numeric", ["`numeric`", "NaN"]),
        ("Decimal", "select 1234567890123456789012345678901.5", ["28 digits", "::text"]),
        ("Duration", "select '1 month'::interval", ["months", "::text"]),
        ("Timestamp", "select 'infinity'::timestamptz", ["`timestamptz`", "infinity"]),
    ] {
        let (kind, message) = db.refusal(&format!("query_one<{ty}>"), sql, vec![]).await;
        assert_eq!(kind, ErrorKind::Mismatch, "{sql}: {message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{sql}: {message}");
    }
    // The connection is as good as before, whatever went wrong on it.
    assert_eq!(db.value("Int", "select 1", vec![]).await, Ok(Value::Int(1)));
}

#[tokio::test]
async fn what_is_inserted_is_bound_and_comes_back_as_it_was() {
    let server = shared();
    let db = world(&server);
    db.run("create table people (id bigint primary key, name text not null, seen timestamptz, tags text[], meta jsonb, price numeric, key uuid, at date, photo bytea)").await;
    let evil = "Robert'); drop table people; -- $1 \\' \" {x}";
    let params = vec![
        Value::Int(i64::MIN),
        Value::text(evil),
        Value::Timestamp("2026-01-31T10:00:00.123456Z".parse().unwrap()),
        texts([evil, "NULL", ""]),
        Value::record([("note", Value::text(evil)), ("n", decimal("0.10"))]),
        decimal("79228162514264337593543950.335"),
        Value::text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        Value::Date("0044-03-15".parse().unwrap()),
        Value::Bytes((0..=255).collect::<Vec<u8>>().into()),
    ];
    let insert = "insert into people values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let inserted = db.ask("execute", insert, params.clone()).await.unwrap();
    assert_eq!(inserted, Value::record([("rows", Value::Int(1))]));
    let row = db
        .value(
            "{ id: Int, name: String, seen: Timestamp, tags: List<String>, meta: Json, price: Decimal, key: Uuid, at: Date, photo: Bytes }",
            "select * from people where name = $1 and name = any($2)",
            vec![Value::text(evil), texts([evil])],
        )
        .await
        .unwrap();
    let Value::Record(fields) = row else { panic!("{row:?}") };
    assert_eq!(fields.into_values().collect::<Vec<_>>(), params);
    let none = db.value("Int", "select id from people where name = $1", vec![Value::text("' or '1'='1")]).await;
    assert_eq!(none, Ok(Value::Null));
    for (param, parts) in [
        (Value::text("7"), ["insertion 1", "`int8`", "a string"]),
        (Value::Bool(true), ["insertion 1", "`int8`", "a boolean"]),
        (Value::Money(Money { amount: 1.into(), currency: "EUR".to_owned() }), ["insertion 1", "money", ".amount"]),
    ] {
        let (kind, message) = db.refusal("query_one<Int>", "select id from people where id = $1", vec![param]).await;
        assert_eq!(kind, ErrorKind::Invalid, "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    let absent =
        db.ask("execute", "update people set price = $1, at = $2 where id is not null", vec![Value::Null; 2]).await;
    assert_eq!(absent, Ok(Value::record([("rows", Value::Int(1))])));
    let sql = "select count(*) from people where price is not distinct from $1 and at is not distinct from $2";
    assert_eq!(
        db.value("Int", sql, vec![Value::Null; 2]).await,
        Ok(Value::Int(1)),
        "what may be null is bound as it is"
    );
    db.run("drop table people").await;
}

#[tokio::test]
async fn errors_have_kinds_and_say_no_values() {
    let server = shared();
    let db = world(&server);
    db.run("create table accounts (name text primary key, balance int not null check (balance >= 0))").await;
    db.run("insert into accounts values ('jenny@example.com', 10)").await;
    for (operation, sql, kind, parts) in [
        (
            "execute",
            "insert into accounts values ('jenny@example.com', 1)",
            ErrorKind::Conflict,
            ["23505", "accounts_pkey"],
        ),
        ("execute", "update accounts set balance = -1", ErrorKind::Invalid, ["23514", "balance_check"]),
        ("query_one<Int>", "select nothing from accounts", ErrorKind::Invalid, ["42703", "nothing"]),
        ("query_one<Int>", "selec 1", ErrorKind::Invalid, ["42601", "syntax"]),
        ("query_one<Int>", "select 1 / 0", ErrorKind::Invalid, ["22012", "division"]),
        ("execute", "do $$ begin raise 'no credit'; end $$", ErrorKind::Rejected, ["P0001", "no credit"]),
        ("execute", "select 1; select 2", ErrorKind::Invalid, ["42601", "multiple commands"]),
        ("execute", "commit", ErrorKind::Invalid, ["`commit`", "transaction"]),
        ("query_one<Int>", "select $1::int", ErrorKind::Invalid, ["takes 1 values", "0 insertions"]),
        // What reads may not write, since it is carried out again where it fails.
        (
            "query_one<Int>",
            "insert into accounts values ('a', 1) returning balance",
            ErrorKind::Invalid,
            ["25006", "`change`"],
        ),
    ] {
        let attempt = db.attempt("", operation, vec![statement(sql, vec![])], None).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!(failure.kind, kind, "{sql}: {failure}");
        assert!(parts.iter().all(|part| failure.message.contains(part)), "{sql}: {failure}");
        assert!(!format!("{failure:?}").contains("jenny@"), "{failure:?}");
    }
    let count = db.value("Int", "select count(*) from accounts", vec![]).await;
    assert_eq!(count, Ok(Value::Int(1)));
    let changed = db.ask(
        "change<{ balance: Int }>",
        "update accounts set balance = balance + $1 returning balance",
        vec![Value::Int(5)],
    );
    assert_eq!(changed.await, Ok(Value::List(vec![Value::record([("balance", Value::Int(15))])])));
    db.run("drop table accounts").await;
}

#[tokio::test]
async fn a_transaction_takes_effect_as_a_whole_or_not_at_all() {
    let server = shared();
    let db = world(&server);
    db.run("create table ledger (id int primary key, amount int not null)").await;
    let work = |statements: Vec<Value>| vec![Value::List(statements), Value::text("serializable")];
    let insert = |id: i64, amount: i64| {
        statement("insert into ledger values ($1, $2)", vec![Value::Int(id), Value::Int(amount)])
    };
    let moved = db.attempt("", "transaction", work(vec![insert(1, 100), insert(2, -100)]), None).await;
    let counted = Value::record([("rows", Value::Int(1))]);
    assert_eq!(moved.outcome, Ok(Value::List(vec![counted.clone(), counted])));
    let refused = db.attempt("", "transaction", work(vec![insert(3, 5), insert(1, -5)]), None).await;
    let failure = refused.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), refused.reached), (ErrorKind::Conflict, Reached::Answered), "{failure}");
    assert!(failure.message.starts_with("statement 2 of 2: postgres answers 23505"), "{failure}");
    let ids = db.ask("query_all<Int>", "select id from ledger order by id", vec![]).await;
    assert_eq!(ids, Ok(Value::List(vec![Value::Int(1), Value::Int(2)])));
    db.run("drop table ledger").await;
}

#[tokio::test]
async fn a_deadlock_may_be_tried_again_and_has_changed_nothing() {
    let server = shared();
    let db = world(&server);
    db.run("create table locks (id int primary key, n int not null)").await;
    db.run("insert into locks values (1, 0), (2, 0)").await;
    let add = |id: i64| statement("update locks set n = n + 1 where id = $1", vec![Value::Int(id)]);
    // Each says that it has its first row, and waits until the other has its own.
    let says = |id: i64| statement("select pg_advisory_xact_lock($1)", vec![Value::Int(id)]);
    let waits = "do $$ begin
        while (select count(*) from pg_locks where locktype = 'advisory' and objid in (1, 2) and database =
            (select oid from pg_database where datname = current_database())) < 2 loop
          perform pg_sleep(0.01);
        end loop;
      end $$";
    let both = |first: i64, second: i64| {
        let statements = vec![add(first), says(first), statement(waits, vec![]), add(second)];
        vec![Value::List(statements), Value::Null]
    };
    let (one, two) = futures::join!(
        db.attempt("", "transaction", both(1, 2), None),
        db.attempt("", "transaction", both(2, 1), None),
    );
    let (won, lost) = if one.outcome.is_ok() { (one, two) } else { (two, one) };
    assert!(won.outcome.is_ok(), "{:?}", won.outcome);
    let failure = lost.outcome.unwrap_err();
    assert!(failure.message.contains("40P01"), "{failure}");
    assert_eq!((failure.kind, lost.reached), (ErrorKind::Unavailable, Reached::Never));
    let counts = db.ask("query_all<Int>", "select n from locks", vec![]).await;
    assert_eq!(counts, Ok(Value::List(vec![Value::Int(1), Value::Int(1)])));
    db.run("drop table locks").await;
}

#[tokio::test]
async fn work_that_is_done_once_is_not_done_again_with_the_same_key() {
    // A server of its own, since the table has a fixed name.
    let server = Server::start();
    let db = world(&server);
    db.run("create table stock (sku text primary key, held int not null)").await;
    db.run("insert into stock values ('a', 10)").await;
    let work = || {
        let take = statement("update stock set held = held - $1", vec![Value::Int(3)]);
        vec![Value::List(vec![take.clone(), take]), Value::text("read_committed")]
    };
    let without = db.keyed("", "once", work(), None, "step-1").await.outcome.unwrap_err();
    assert!(without.message.contains("create table flow_once"), "{without}");
    db.run("create table flow_once (key text primary key, rows text, done_at timestamptz not null default now())")
        .await;
    let answers = futures::future::join_all((0..4).map(|_| db.keyed("", "once", work(), None, "step-1"))).await;
    for answer in &answers {
        assert_eq!(answer.outcome, answers[0].outcome);
    }
    assert_eq!(answers[0].outcome.as_ref().unwrap(), &Value::List(vec![Value::record([("rows", Value::Int(1))]); 2]));
    let held = || db.value("Int", "select held from stock", vec![]);
    assert_eq!(held().await, Ok(Value::Int(4)));
    db.keyed("", "once", work(), None, "step-2").await.outcome.unwrap();
    assert_eq!(held().await, Ok(Value::Int(-2)));
    // What fails is not noted.
    let fails = vec![Value::List(vec![statement("insert into stock values ('a', 0)", vec![])]), Value::Null];
    assert!(db.keyed("", "once", fails, None, "step-3").await.outcome.is_err());
    db.keyed("", "once", work(), None, "step-3").await.outcome.unwrap();
    assert_eq!(held().await, Ok(Value::Int(-8)));
}

#[tokio::test]
async fn a_large_result_is_gone_through_page_by_page() {
    let server = shared();
    let db = world(&server);
    let sql = || {
        vec![statement("select n as id, repeat('x', 100) as text from generate_series(1, 25000) n order by n", vec![])]
    };
    let (mut seen, mut page, mut pages) = (0, None, 0);
    loop {
        let attempt = db.attempt("record Row { id: Int, text: String }", "query<Row>", sql(), page.clone()).await;
        let value = attempt.outcome.unwrap();
        let Some(Value::List(items)) = value.get("items") else { panic!("{value:?}") };
        assert!(items.len() <= 1000, "{}", items.len());
        for item in items {
            seen += 1;
            assert_eq!(item.get("id"), Some(&Value::Int(seen)));
        }
        pages += 1;
        match value.get("next") {
            Some(Value::Null) | None => break,
            // The rows are those of the first page's moment, and need no server.
            Some(next) => page = Some(next.clone()),
        }
    }
    assert_eq!((seen, pages), (25_000, 25));
    let short =
        db.attempt("", "query<Int>", vec![statement("select 1 where false", vec![])], None).await.outcome.unwrap();
    assert_eq!(short, Value::record([("items", Value::List(vec![])), ("next", Value::Null)]));
    let refused =
        db.refusal("query_all<String>", "select repeat('x', 1000) from generate_series(1, 20000)", vec![]).await;
    assert_eq!(refused.0, ErrorKind::Invalid);
    assert!(refused.1.contains("`query` gives them one by one"), "{}", refused.1);
}

#[tokio::test]
async fn a_server_that_dies_in_a_statement_has_changed_nothing_and_one_that_dies_in_a_commit_is_not_known() {
    let server = Server::start();
    let db = world(&server);
    let watch = world(&server);
    db.run("create table notes (id int)").await;
    let slow = statement("insert into notes select 1 from pg_sleep(3600)", vec![]);
    let dies = async {
        let busy =
            "select count(*) from pg_stat_activity where query like 'insert into notes select%' and state = 'active'";
        watch.until(busy, 1).await;
        server.kill();
    };
    let (lost, ()) = futures::join!(db.attempt("", "execute", vec![slow], None), dies);
    let failure = lost.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), lost.reached), (ErrorKind::Unavailable, Reached::Never), "{failure}");
    let gone = db.attempt("", "execute", vec![statement("insert into notes values (2)", vec![])], None).await;
    let failure = gone.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), gone.reached), (ErrorKind::Unavailable, Reached::Never), "{failure}");
    server.start_again();
    // Connections that were idle when the server went away are replaced without a word.
    assert_eq!(watch.value("Int", "select count(*) from notes", vec![]).await, Ok(Value::Int(0)));
    // A trigger at the commit holds it up.
    db.run("create function hold() returns trigger language plpgsql as $$ begin perform pg_sleep(3600); return new; end $$").await;
    db.run("create constraint trigger hold after insert on notes deferrable initially deferred for each row execute function hold()").await;
    let dies = async {
        let busy = "select count(*) from pg_stat_activity where query = 'commit' and state = 'active'";
        watch.until(busy, 1).await;
        server.kill();
    };
    let insert = statement("insert into notes values (3)", vec![]);
    let (lost, ()) = futures::join!(db.attempt("", "execute", vec![insert], None), dies);
    let failure = lost.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), lost.reached), (ErrorKind::Unavailable, Reached::Perhaps), "{failure}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped_at_the_server() {
    let server = Server::start();
    let db = world(&server).within(Millis(1_500));
    let watch = world(&server);
    let slow = db.attempt("", "execute", vec![statement("select pg_sleep(3600)", vec![])], None).await;
    assert_eq!((slow.outcome.unwrap_err().kind, slow.reached), (ErrorKind::Timeout, Reached::Perhaps));
    let busy = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'and state = 'active'";
    watch.until(busy, 0).await;
    assert_eq!(db.value("Int", "select 1", vec![]).await, Ok(Value::Int(1)));
}

#[tokio::test]
async fn who_may_not_connect_is_told_why_without_the_password() {
    let server = shared();
    let (port, nobody) = (server.port.number(), Port::free());
    let at = |url: String| World::new("postgres", url, URL);
    for (url, kind, part) in [
        (format!("postgres://flow:wr0ng-w0rd@localhost:{port}/postgres"), ErrorKind::Unauthorized, "28P01"),
        (format!("postgres://flow:{PASSWORD}@localhost:{port}/nowhere"), ErrorKind::NotFound, "3D000"),
        (
            format!("postgres://flow:{PASSWORD}@localhost:{}/postgres", nobody.number()),
            ErrorKind::Unavailable,
            "reached",
        ),
        (format!("postgres://flow:{PASSWORD}@host.invalid/postgres"), ErrorKind::Unavailable, "host.invalid"),
        (format!("host=localhost password={PASSWORD}"), ErrorKind::Invalid, "postgres://user"),
    ] {
        let attempt = at(url).attempt("", "execute", vec![statement("select 1", vec![])], None).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind.clone(), attempt.reached), (kind, Reached::Never), "{failure}");
        assert!(failure.message.contains(part), "{failure}");
        assert!(!failure.message.contains(PASSWORD) && !failure.message.contains("wr0ng-w0rd"), "{failure}");
    }
    let elsewhere = World::guarded("postgres", server.url(), URL, Networks::default());
    let (kind, message) = elsewhere.refusal("query_one<Int>", "select 1", vec![]).await;
    assert_eq!(kind, ErrorKind::Forbidden, "{message}");
    assert!(message.contains("loopback") && message.contains("[network] allow"), "{message}");
}

#[tokio::test]
async fn connections_are_secured_as_the_setting_says() {
    let server = shared();
    let secured = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let authority = server.authority().replace('\n', "\\n");
    let trusted = format!("{URL}, tls: \"verify\", authority: \"{authority}\"");
    for (url, settings, is_secured) in [
        (server.url(), URL.to_owned(), true),
        (server.url(), format!("{URL}, tls: \"off\""), false),
        (server.url() + "?sslmode=disable", URL.to_owned(), false),
        (server.url() + "?sslmode=disable", format!("{URL}, tls: \"require\""), true),
        (server.url() + "?channel_binding=require", format!("{URL}, tls: \"require\""), true),
        (server.url() + "?channel_binding=require", trusted.clone(), true),
    ] {
        let got = World::new("postgres", url, &settings).value("Bool", secured, vec![]).await;
        assert_eq!(got, Ok(Value::Bool(is_secured)), "{settings}");
    }
    let by_address = server.url().replace("localhost", "127.0.0.1");
    for (url, settings) in [
        (server.url(), format!("{URL}, tls: \"verify\"")),
        (by_address, trusted),
        (server.url() + "?sslmode=verify-full", URL.to_owned()),
    ] {
        let (kind, message) = World::new("postgres", url, &settings).refusal("query_one<Bool>", secured, vec![]).await;
        assert_eq!(kind, ErrorKind::Unavailable, "{message}");
        assert!(message.contains("certificate"), "{message}");
    }
}

#[tokio::test]
async fn there_are_no_more_connections_than_the_setting_says() {
    let server = Server::start();
    let few = World::new("postgres", server.url(), &format!("{URL}, connections: 2"));
    let calls = (0..12).map(|_| {
        few.value("Int", "select count(*) from pg_stat_activity where backend_type = 'client backend'", vec![])
    });
    for count in futures::future::join_all(calls).await {
        let Ok(Value::Int(count)) = count else { panic!("{count:?}") };
        assert!(count <= 2, "{count}");
    }
}
