//! Secrets from the store to a request and nowhere else, and calls that may not be made.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;
use tempfile::TempDir;

use super::{
    eventually,
    process::{Ended, Serving, flowc, output},
    server::Server,
};

/// What must not be seen anywhere. Each way of writing it differs from the others.
const CANARY: &str = "xoxb-canary/7f+3a \"q\" ü";

const PROGRAM: &str = "use slack\n\n\
    connection team = slack { base_url: env(\"SLACK_BASE_URL\") }\n\n\
    flow hello {\n  step sent = team.chat.post_message(channel: \"#a\", text: \"hello\")\n  return sent.ts\n}\n";

/// The ways in which it may be written.
fn forms() -> Vec<String> {
    let json = serde_json::to_string(CANARY).unwrap();
    vec![
        CANARY.to_owned(),
        STANDARD.encode(CANARY),
        URL_SAFE_NO_PAD.encode(format!("Bearer {CANARY}")),
        json.trim_matches('"').to_owned(),
        json.trim_matches('"').replace('ü', "\\u00fc"),
        url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect(),
        hex::encode(CANARY),
        "canary".to_owned(),
    ]
}

/// Asserts that no file below a folder, and nothing that was written, has the secret in any form.
fn nowhere(folder: &Path, shown: &[&Ended]) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            for form in forms() {
                assert!(!bytes.windows(form.len()).any(|window| window == form.as_bytes()), "{form} in {path:?}");
            }
        }
    }
    for ended in shown {
        for form in forms() {
            assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(&form), "{form} in {ended:#?}");
        }
    }
}

/// A project with the program; its key is elsewhere.
struct Project {
    folder: TempDir,
    key: TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Self { folder: TempDir::new().unwrap(), key: TempDir::new().unwrap() };
        project.file("main.flow", PROGRAM);
        project
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = flowc();
        command.current_dir(self.folder.path()).args(arguments);
        command.env("FLOW_SECRETS_KEY", self.key.path().join("key"));
        command
    }

    /// Stores the secret, which comes through standard input.
    fn store(&self) -> Ended {
        let mut command = self.command(&["secrets", "set", "slack/bot_token"]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("flowc starts");
        child.stdin.take().unwrap().write_all(format!("{CANARY}\n").as_bytes()).unwrap();
        Ended::from(child.wait_with_output().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_secret_goes_into_its_request_and_is_seen_nowhere_else() {
    let project = Project::new();
    let stored = project.store().says(0, &["made the key", "`slack/bot_token` is in"]);
    let listed = output(&mut project.command(&["secrets", "list"])).says(0, &[]);
    assert_eq!(listed.stdout, "slack/bot_token\n");
    let mut shown = vec![stored, listed];
    // A server that hands the credential back in every form: within a success, an error of its own, and refusals.
    let echo = forms()[..7].join(" ");
    for (status, answer) in [
        (200, json!({ "ok": false, "error": echo })),
        (401, json!({ "ok": false, "error": "invalid_auth", "detail": echo })),
        (400, json!({ "message": echo, "error": echo })),
        (200, json!({ "ok": true, "ts": echo, "channel": echo })),
        (200, json!(echo)),
    ] {
        let server = Server::start(status, answer).await;
        let mut command = project.command(&["run", "main.flow"]);
        command.env("SLACK_BASE_URL", &server.address).env("FLOW_LOG", "trace");
        let ended = output(&mut command);
        assert!(matches!(ended.code, Some(0 | 3)), "{ended:#?}");
        shown.push(ended);
    }
    let runs = output(&mut project.command(&["runs", "list", "--format", "json"])).says(0, &[]);
    for run in runs.json().as_array().unwrap() {
        let id = run["id"].as_str().unwrap();
        shown.push(output(&mut project.command(&["runs", "show", id, "--format", "json"])));
    }
    shown.push(runs);
    nowhere(project.folder.path(), &shown.iter().collect::<Vec<_>>());
    output(&mut project.command(&["secrets", "rm", "slack/bot_tokn"])).says(2, &["did you mean `slack/bot_token`?"]);
    output(&mut project.command(&["secrets", "rm", "slack/bot_token"])).says(0, &[]);
    let mut command = project.command(&["run", "main.flow"]);
    command.env("SLACK_BASE_URL", "http://127.0.0.1:1");
    output(&mut command).says(
        6,
        &["1 secret is missing", "SLACK_BOT_TOKEN", ".env", "/run/secrets/slack/bot_token", "flowc secrets set"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_called_only_where_the_project_says_so() {
    let project = Project::new();
    let answer = json!({ "ok": true, "channel": "C1", "ts": "1.2", "message": { "text": "hello", "ts": "1.2" } });
    let server = Server::start(200, answer).await;
    project.file(".env", &format!("SLACK_BOT_TOKEN=xoxb-made-up\nSLACK_BASE_URL={}\n", server.address));
    let run = || {
        let mut command = project.command(&["run", "main.flow"]);
        command.env_remove("FLOW_NETWORK_ALLOW");
        output(&mut command)
    };
    run().says(3, &["this machine (loopback)", "list `localhost` under `[network] allow` in flow.toml"]);
    assert!(server.requests().is_empty());
    project.file("flow.toml", "[network]\nallow = [\"localhost\"]\n");
    run().says(0, &[]);
    assert_eq!(server.requests().len(), 1);
    project.file("flow.toml", "[network]\nallow = [\"everything\"]\n[secrets]\nproviders = [\"enw\"]\n");
    run().says(1, &["`everything` is no network", "did you mean `env`?"]);
}

/// A collector that keeps what comes, as it comes.
async fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let received = Arc::<Mutex<Vec<u8>>>::default();
    let into = Arc::clone(&received);
    let router =
        Router::new().fallback(move |body: Bytes| async move { into.lock().unwrap().extend_from_slice(&body) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, received)
}

#[tokio::test(flavor = "multi_thread")]
async fn case_17_metrics_spans_and_core_dumps_of_a_process_have_no_secret() {
    let project = Project::new();
    let program = PROGRAM.replace(
        "flow hello {",
        "flow hello {\n  on http POST \"/hello\" { verify: none because \"only this machine reaches it\" }",
    );
    project.file("main.flow", &program);
    project.store().says(0, &[]);
    // A server that hands the credential back in an error of its own.
    let echo = forms()[..7].join(" ");
    let server = Server::start(400, json!({ "message": echo, "error": echo })).await;
    let (address, received) = collector().await;
    let mut command = project.command(&["serve", "main.flow", "--listen", "127.0.0.1:0"]);
    command.env("SLACK_BASE_URL", &server.address).env("OTEL_EXPORTER_OTLP_ENDPOINT", &address);
    let serving = Serving::start(&mut command);
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = reqwest::Client::new().post(format!("{}/hello", serving.address)).header("traceparent", traceparent);
    assert!(sent.send().await.unwrap().status().is_success());
    let metrics = eventually("the end of the run in the metrics", async || {
        let text = reqwest::get(format!("{}/metrics", serving.address)).await.unwrap().text().await.unwrap();
        if text.contains("flow_runs_ended_total{flow=\"hello\"") { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(metrics.contains("flow_step_attempts_total{connection=\"team\""), "{metrics}");
    #[cfg(target_os = "linux")]
    {
        let limits = fs::read_to_string(format!("/proc/{}/limits", serving.id())).unwrap();
        let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(cores.split_whitespace().rev().take(3).collect::<Vec<_>>(), ["bytes", "0", "0"], "{cores}");
    }
    serving.signal("TERM");
    let ended = serving.ended();
    let spans = received.lock().unwrap().clone();
    let has = |text: &str| spans.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("team.chat.post_message"), "the spans have come: {ended:#?}");
    assert_eq!(server.requests()[0].headers["authorization"].as_bytes(), format!("Bearer {CANARY}").as_bytes());
    for form in forms() {
        assert!(!metrics.contains(&form), "{form} in {metrics}");
        assert!(!has(&form), "{form} in the spans");
    }
    nowhere(project.folder.path(), &[&ended]);
}
