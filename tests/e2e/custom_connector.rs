//! The example of a connector of one's own, against the system that it describes: Alertmanager, as Debian ships it.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    eventually,
    process::{Serving, flowc, output},
};
use crate::{examples::copy, tidy::root};

const TOKEN: &str = "made-up";

/// A server in a folder of its own. It is ended when this is dropped.
struct Alertmanager {
    child: Child,
    address: String,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Alertmanager {
    /// Starts one that tells `hook` of its alerts, and waits until it answers.
    async fn start(folder: &Path, hook: &str) -> Self {
        let config = json!({
            "route": { "receiver": "flow", "group_wait": "1ms" },
            "receivers": [{ "name": "flow", "webhook_configs": [{
                "url": hook,
                "http_config": { "authorization": { "type": "Bearer", "credentials": TOKEN } },
            }] }],
        });
        fs::write(folder.join("alertmanager.yml"), config.to_string()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("prometheus-alertmanager");
        command
            .current_dir(folder)
            .args(["--config.file=alertmanager.yml", "--storage.path=alertmanager", "--cluster.listen-address="])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("prometheus-alertmanager, which `./test` installs, does not start: {error}")
        });
        let started = Self { child, address: format!("http://127.0.0.1:{port}/api/v2") };
        eventually("Alertmanager answers", async || match started.get("/status").await {
            Json::Null => Err(()),
            _ => Ok(()),
        })
        .await;
        started
    }

    /// What it answers; null when it does not.
    async fn get(&self, path: &str) -> Json {
        match reqwest::get(format!("{}{path}", self.address)).await {
            Ok(answer) => serde_json::from_str(&answer.text().await.unwrap_or_default()).unwrap_or_default(),
            Err(_) => Json::Null,
        }
    }

    async fn alert(&self, name: &str, service: &str) {
        let alert = json!([{
            "labels": { "alertname": name, "service": service },
            "annotations": { "summary": "3 % left" },
            "startsAt": "2026-05-01T10:00:00Z",
        }]);
        let post = reqwest::Client::new()
            .post(format!("{}/alerts", self.address))
            .header("Content-Type", "application/json")
            .body(alert.to_string());
        assert_eq!(post.send().await.unwrap().status(), 200);
    }
}

/// The example in a folder where it can leave things behind, with Alertmanager at the address.
fn project(folder: &Path, alertmanager: &str) {
    copy(&root().join("examples/custom_connector"), folder);
    let toml = folder.join("flow.toml");
    let settings = format!("\n[connections.alertmanager]\nbase_url = \"{alertmanager}\"\n");
    fs::write(&toml, fs::read_to_string(&toml).unwrap() + &settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_begins_and_ends_as_the_program_says() {
    let folder = TempDir::new().unwrap();
    let server = Alertmanager::start(folder.path(), "http://127.0.0.1:9/none").await;
    server.alert("DiskFull", "shop").await;
    server.alert("Slow", "mail").await;
    let example = folder.path().join("example");
    project(&example, &server.address);
    let input = json!({ "service": "shop", "by": "ada", "length": "1s" }).to_string();
    let ended = output(flowc().current_dir(&example).args(["run", ".", "--flow", "maintain", "--input", &input]));
    let result = ended.says(0, &["completed"]).json();
    assert_eq!(result["firing"], json!(["DiskFull"]));
    let silence = server.get(&format!("/silence/{}", result["silence"].as_str().unwrap())).await;
    assert_eq!(
        (&silence["createdBy"], &silence["comment"], &silence["status"]["state"], &silence["matchers"][0]["value"]),
        (&json!("ada"), &json!("maintenance"), &json!("expired"), &json!("shop"))
    );

    // What does not fit is refused by the server, in its own words.
    let refused = json!({ "service": "", "by": "ada", "length": "1s" }).to_string();
    output(flowc().current_dir(&example).args(["run", ".", "--flow", "maintain", "--input", &refused]))
        .says(3, &["Invalid", "matcher"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_is_told_again_has_one_note() {
    let folder = TempDir::new().unwrap();
    let example = folder.path().join("example");
    // Each has to know where the other one is: Flow begins on a port of its own, Alertmanager then gets it.
    project(&example, "http://127.0.0.1:9");
    let serving = Serving::start(flowc().current_dir(&example).env("ALERTMANAGER_WEBHOOK", TOKEN).args([
        "serve",
        ".",
        "--listen",
        "127.0.0.1:0",
    ]));
    let server = Alertmanager::start(folder.path(), &format!("{}/hooks/alertmanager", serving.address)).await;
    server.alert("DiskFull", "shop").await;
    let notes = example.join("incidents");
    let kept = || -> Vec<String> {
        let entries = fs::read_dir(&notes).into_iter().flatten().map(Result::unwrap);
        entries.map(|entry| fs::read_to_string(entry.path()).unwrap()).collect()
    };
    let note = "DiskFull since 2026-05-01T10:00:00Z: 3 % left\n".to_owned();
    let seen = async || if kept() == [note.clone()] { Ok(()) } else { Err((kept(), serving.log())) };
    eventually("there is a note", seen).await;

    // The same notification once more, as Alertmanager sends it when an answer was lost, and one from somebody else.
    let alert = &server.get("/alerts").await[0];
    let again = json!({ "alerts": [{
        "status": "firing",
        "fingerprint": alert["fingerprint"],
        "labels": alert["labels"],
        "annotations": alert["annotations"],
        "startsAt": alert["startsAt"],
    }] });
    for (token, status) in [(TOKEN, 202), ("another", 401)] {
        let post = reqwest::Client::new()
            .post(format!("{}/hooks/alertmanager", serving.address))
            .bearer_auth(token)
            .body(again.to_string());
        assert_eq!(post.send().await.unwrap().status(), status, "{token}");
    }
    assert_eq!(super::process::runs(&example.join(".flow")).len(), 1);
}
