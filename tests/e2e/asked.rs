//! `flowc runs why|approve|cancel|resume`: of a server that works on the folder, and where none does.

use std::{fs, path::Path, process::Command};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    eventually,
    process::{Ended, Serving, flowc, output, run, runs},
};

const PROGRAM: &str = r#"
use files

connection desk = files { folder: env("DESK") }

event shipped { order: String }

flow refund {
  on http POST "/refunds" as req {
    body:   { order: String }
    verify: none because "a test"
  }
  step decision = approve("Refund {req.body.order}?", by: "finance") for 2d
  if decision?.approved ?? false {
    step desk.write(path: "{req.body.order}.txt", text: decision?.by ?? "nobody")
  }
  step _ = wait shipped for 7d
}
"#;

fn of_runs(data: &Path, desk: &Path, arguments: &[&str]) -> Ended {
    output(&mut command(data, desk, &[&["runs"], arguments].concat()))
}

fn command(data: &Path, desk: &Path, arguments: &[&str]) -> Command {
    let mut command = flowc();
    command.env("DESK", desk).env("USER", "jenny").args(arguments).arg("--data").arg(data);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_asked_and_decided_beside_a_server_and_where_there_is_none() {
    let folder = TempDir::new().unwrap();
    let (program, data, desk) =
        (folder.path().join("shop.flow"), folder.path().join("data"), folder.path().join("desk"));
    fs::write(&program, PROGRAM).unwrap();
    let path = program.to_str().unwrap();
    let serving = Serving::start(&mut command(&data, &desk, &["serve", path, "--listen", "127.0.0.1:0"]));
    let post = async |order: &str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({ "order": order }).to_string();
        let sent = client.post(format!("{}/refunds", serving.address)).header("content-type", "application/json");
        let answer: Json = serde_json::from_str(&sent.body(body).send().await.unwrap().text().await.unwrap()).unwrap();
        answer["run"].as_str().unwrap().to_owned()
    };
    let (first, second) = (post("A-1").await, post("A-2").await);
    let waits_for = async |id: &str, what: &str| {
        eventually(what, async || {
            let why = of_runs(&data, &desk, &["why", id, "--format", "json"]).says(0, &[]).json();
            if why["waits"][0]["for"] == what { Ok(why) } else { Err(why) }
        })
        .await
    };
    let why = waits_for(&first, "approval").await;
    assert_eq!(why["served"], true);
    assert_eq!((&why["waits"][0]["by"], &why["waits"][0]["step"]), (&json!("finance"), &json!("decision")));
    let told = of_runs(&data, &desk, &["why", &first]).says(0, &[]).stdout;
    assert!(told.contains("Refund A-1?") && told.contains(&format!("flowc runs approve {first}")), "{told}");

    let done = of_runs(&data, &desk, &["approve", &first, "--note", "fine"]).says(0, &[]);
    assert!(done.stdout.contains("is approved by jenny") && done.stdout.contains("goes on"), "{done:?}");
    waits_for(&first, "event").await;
    assert_eq!(fs::read_to_string(desk.join("A-1.txt")).unwrap(), "jenny");
    of_runs(&data, &desk, &["approve", &first]).says(2, &["asks for no approval"]);
    of_runs(&data, &desk, &["reject", "0"]).says(2, &["more than one run begins or ends with `0`", "type more"]);
    of_runs(&data, &desk, &["cancel", "NOBODY"]).says(2, &["there is no run `NOBODY`", "flowc runs list"]);

    serving.kill();
    let why = of_runs(&data, &desk, &["why", &second, "--format", "json"]).says(0, &[]).json();
    assert_eq!(why["served"], false);
    let done = of_runs(&data, &desk, &["cancel", &second, "--because", "ordered twice"]).says(0, &[]);
    assert!(done.stdout.contains("is cancelled"), "{done:?}");
    assert_eq!(run(&data, &second)["cancelled"], "ordered twice");
    of_runs(&data, &desk, &["cancel", &second]).says(2, &["is cancelled already"]);
    let listed: Vec<_> = runs(&data).iter().map(|run| run["state"].clone()).collect();
    assert_eq!(listed, ["cancelled", "waiting"]);
}
