//! Programs that work on a real PostgreSQL, as processes.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{self, Write as _},
};

use flow_model::value::Value;
use serde_json::json;
use tempfile::TempDir;

use super::{
    LOOKS, PAUSE,
    large_file::memory,
    process::{Serving, flowc, output, run},
};
use crate::{
    databases::{postgres_server::Server, world::World},
    tidy::root,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_takes_orders_whatever_stands_in_them() {
    let server = Server::start();
    let db = World::new("postgres", server.url(), "url: secret(\"db/url\")");
    let schema = fs::read_to_string(root().join("examples/order_book/schema.sql")).unwrap();
    for statement in schema.split(';').filter(|statement| !statement.trim().is_empty()) {
        db.run(statement).await;
    }
    db.run("insert into stock (sku) values ('mug'), ('cup')").await;
    let data = TempDir::new().unwrap();
    let take = |number: &str, sku: &str| {
        let order = json!({
            "number": number, "email": "jenny@example.com", "total": 19.99,
            "lines": [{ "sku": sku, "quantity": 2 }, { "sku": "cup", "quantity": 1 }],
        });
        let mut command = flowc();
        command.current_dir(root()).args(["run", "examples/order_book/main.flow", "--flow", "take_order"]);
        command.args(["--input", &order.to_string(), "--data"]).arg(data.path());
        command.env("ORDERS_DATABASE_URL", server.url()).env("SHOP_WEBHOOK", "s").env("SLACK_BOT_TOKEN", "t");
        output(&mut command)
    };
    let evil = "A-1'); drop table orders; --";
    let ended = take(evil, "mug").says(0, &[]);
    assert_eq!(ended.json(), json!({ "number": evil }));
    take("A-2", "'; delete from stock; --").says(0, &[]);
    // The database refuses what it has, the transaction is undone, and no value is told.
    let refused = take(evil, "mug").says(3, &["23505", "statement 1 of 2"]);
    assert!(!refused.stderr.contains("jenny@"), "{refused:?}");
    let held = db.ask("query_all<Int>", "select held from stock order by sku", vec![]).await;
    assert_eq!(held, Ok(Value::List(vec![Value::Int(2), Value::Int(2)])));
    let number = db.value("String", "select number from orders where total = 19.99 and number <> 'A-2'", vec![]).await;
    assert_eq!(number, Ok(Value::text(evil)));
}

const PROGRAM: &str = r#"
use postgres

connection db = postgres { url: secret("db/url") }

flow read {
  on http POST "/read" as request {
    body:   { rows: Int }
    verify: none because "the test is its only sender"
    dedupe: request.body.rows for 1h
  }

  step rows = db.query<{ id: Int, text: String }>(
    sql: "select n as id, repeat('x', 1000) as text from generate_series(1, {request.body.rows}) n",
  )
  let seen = for row in rows.take(3000) { row.id }
  return { seen: seen.length, last: seen.last }
}
"#;

/// How much more memory than at rest the process may take.
const MOST_MIB: u64 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_result_larger_than_memory_should_be_is_gone_through() {
    let server = Server::start();
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
    let data = folder.path().join("data");
    let mut command = flowc();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg(folder.path().join("main.flow"));
    let serving = Serving::start(command.env("DB_URL", server.url()));
    let idle = memory(&serving, "VmRSS");
    let rows = 100_000;
    let client = reqwest::Client::new();
    let answer = client.post(format!("{}/read", serving.address)).body(json!({ "rows": rows }).to_string()).send();
    let accepted: serde_json::Value = serde_json::from_str(&answer.await.unwrap().text().await.unwrap()).unwrap();
    let id = accepted["run"].as_str().unwrap().to_owned();
    let mut shown = run(&data, &id);
    for _ in 0..LOOKS {
        if shown["state"] == "completed" || shown["state"] == "failed" {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        shown = run(&data, &id);
    }
    assert_eq!(shown["result"], json!({ "seen": 3000, "last": 3000 }), "{shown:#}");
    let peak = memory(&serving, "VmHWM");
    let more = peak.saturating_sub(idle) / 1024;
    let report = format!("{rows} rows of 1 kB: {} MiB at rest, {more} MiB more at most", idle / 1024);
    assert!(more < MOST_MIB, "{report}");
    writeln!(io::stderr(), "{report}").unwrap();
}
