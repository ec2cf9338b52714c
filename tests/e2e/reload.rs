//! New versions of programs while `flowc serve` runs, and events between programs of one server.

use std::{fs, path::Path, process::Command};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    eventually,
    process::{Serving, flowc, run, runs},
    server::Server,
};

const CONNECTOR: &str = r#"connector stock {
  http { base: "https://stock.example.com" }

  operation items.get(sku: String) -> { sku: String } {
    effect:  read
    request: GET "/items/{sku}"
  }
}
"#;

/// A program that looks something up and says which version it is.
fn program(stock: &str, version: &str) -> String {
    format!(
        "use stock\n\nconnection shelves = stock {{ base_url: \"{stock}\" }}\n\nflow look {{\n  on http POST \"/look\" as req {{ \
         body: {{ id: String }}, verify: none because \"a test\", dedupe: req.body.id }}\n  step item = \
         shelves.items.get(sku: \"a\")\n  return \"{version}: {{item.sku}}\"\n}}\n"
    )
}

fn serve(folder: &Path) -> Command {
    let mut command = flowc();
    command.current_dir(folder).args(["serve", "main.flow", "--listen", "127.0.0.1:0", "--data", "data"]);
    command
}

async fn look(serving: &Serving, id: &str) -> String {
    let request =
        reqwest::Client::new().post(format!("{}/look", serving.address)).body(json!({ "id": id }).to_string());
    let answer: Json = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    answer["run"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn result(data: &Path, id: &str) -> String {
    eventually(&format!("run {id} is completed"), async || {
        let shown = run(data, id);
        if shown["state"] == "completed" { Ok(shown["result"].as_str().unwrap().to_owned()) } else { Err(shown) }
    })
    .await
}

async fn logged(serving: &Serving, text: &str, times: usize) {
    eventually(text, async || {
        let log = serving.log();
        if log.matches(text).count() >= times { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_22_a_new_version_is_for_new_runs_and_one_with_mistakes_is_for_none() {
    let stock = Server::start(200, json!({ "sku": "a" })).await;
    let folder = TempDir::new().unwrap();
    let (main, data) = (folder.path().join("main.flow"), folder.path().join("data"));
    fs::create_dir(folder.path().join("connectors")).unwrap();
    fs::write(folder.path().join("flow.toml"), "").unwrap();
    fs::write(folder.path().join("connectors/stock.flow"), CONNECTOR).unwrap();
    fs::write(&main, program(&stock.address, "first")).unwrap();
    let serving = Serving::start(&mut serve(folder.path()));
    stock.hold();
    let under_way = look(&serving, "1").await;
    stock.received(1).await;

    fs::write(&main, program(&stock.address, "second")).unwrap();
    serving.signal("HUP");
    logged(&serving, "new versions are taken up", 1).await;
    let after = look(&serving, "2").await;

    fs::write(&main, program(&stock.address, "third").replace("shelves.items", "shelves.item")).unwrap();
    serving.signal("HUP");
    logged(&serving, "those before go on serving", 1).await;
    assert!(serving.log().contains("error[E"), "{}", serving.log());
    let still = look(&serving, "3").await;
    stock.release();
    for (id, expected) in [(&under_way, "first: a"), (&after, "second: a"), (&still, "second: a")] {
        assert_eq!(result(&data, id).await, expected);
    }
    // A delivery that is sent again is known, whatever the version.
    assert_eq!(look(&serving, "1").await, under_way);
    serving.kill();

    // With `--watch`, saving is enough.
    fs::write(&main, program(&stock.address, "fourth")).unwrap();
    let serving = Serving::start(serve(folder.path()).arg("--watch"));
    fs::write(&main, program(&stock.address, "fifth")).unwrap();
    logged(&serving, "new versions are taken up", 1).await;
    assert_eq!(result(&data, &look(&serving, "4").await).await, "fifth: a");
    serving.signal("TERM");
    serving.ended().says(0, &[]);
}

const EVENTS: &str = "event order.paid { order: String }\n\nevent order.late { order: String }\n";

const SHOP: &str = r#"use "./events.flow"

flow pay {
  on http POST "/look" as req { body: { id: String }, verify: none because "a test", dedupe: req.body.id }
  emit order.paid { order: req.body.id }
}
"#;

const BOOKS: &str = r#"use "./events.flow"

flow book {
  on event order.paid as paid
  return "booked {paid.order}"
}

flow count {
  on event order.* as event { dedupe: event.order }
  return "{event.event} {event.order}"
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_one_program_starts_each_flow_of_others_that_asks_for_it_once() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    for (name, text) in [("events.flow", EVENTS), ("shop.flow", SHOP), ("books.flow", BOOKS)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let serve = || {
        let mut command = flowc();
        command.current_dir(folder.path()).args(["serve", ".", "--listen", "127.0.0.1:0", "--data", "data"]);
        command
    };
    let serving = Serving::start(&mut serve());
    eventually("the triggers are listed", async || {
        let out = serving.out();
        let all = ["event order.*", "event order.paid", "POST /look"];
        if all.iter().all(|text| out.contains(text)) { Ok(()) } else { Err(out) }
    })
    .await;
    for id in ["1", "2", "1"] {
        look(&serving, id).await;
    }
    // The end of the process at any moment: what an emit has begun is on disk together with it.
    serving.kill();
    let _serving = Serving::start(&mut serve());
    let results = eventually("all runs are completed", async || {
        let runs = runs(&data);
        let done = runs.iter().filter(|run| run["state"] == "completed").count();
        if done < 6 {
            return Err(runs);
        }
        Ok(runs)
    })
    .await;
    let mut flows: Vec<String> = results
        .iter()
        .map(|summary| run(&data, summary["id"].as_str().unwrap())["result"].as_str().unwrap_or("paid").to_owned())
        .collect();
    flows.sort();
    assert_eq!(flows, ["booked 1", "booked 2", "order.paid 1", "order.paid 2", "paid", "paid"]);
}
