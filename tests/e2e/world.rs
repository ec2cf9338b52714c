//! What `examples/stripe_receipt` talks to: S3, and a server in the place of Slack; and how Stripe talks to it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    eventually,
    process::{Serving, flowc, runs},
    s3::{ACCESS_KEY_ID, S3, SECRET_ACCESS_KEY},
    server::Server,
    stripe,
};

/// The bucket of the example.
pub(crate) const BUCKET: &str = "acme-receipts";

/// The token that Slack is called with.
pub(crate) const SLACK_TOKEN: &str = "xoxb-not-a-real-token";

/// The example, where the tests are built.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stripe_receipt/main.flow")
}

/// The systems around `flowc`, and its data folder.
pub(crate) struct World {
    pub(crate) s3: S3,
    pub(crate) slack: Server,
    folder: TempDir,
}

/// What a webhook is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The run that was accepted.
    pub(crate) fn run(&self) -> String {
        let json: Json = serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        json["run"].as_str().unwrap_or_else(|| panic!("no run in {self:?}")).to_owned()
    }
}

impl World {
    /// Starts the systems. Slack answers as its documentation shows.
    pub(crate) async fn start() -> Self {
        let answer = json!({
            "ok": true,
            "channel": "C1H9RESGL",
            "ts": "1503435956.000247",
            "message": { "type": "message", "subtype": "bot_message", "text": "…", "ts": "1503435956.000247" },
        });
        Self { s3: S3::start(BUCKET).await, slack: Server::start(200, answer).await, folder: TempDir::new().unwrap() }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// `flowc serve` of a program on any port, not yet started.
    pub(crate) fn command(&self, program: &Path) -> Command {
        self.command_at(program, "127.0.0.1:0", &self.data())
    }

    /// `flowc serve` of a program, not yet started.
    pub(crate) fn command_at(&self, program: &Path, listen: &str, data: &Path) -> Command {
        let mut command = flowc();
        command.arg("serve").arg(program).args(["--listen", listen, "--data"]).arg(data);
        self.credentials(&mut command);
        command
    }

    /// Tells a command where the systems are, and how to be let in.
    pub(crate) fn credentials(&self, command: &mut Command) {
        command
            .env("STRIPE_WEBHOOK", stripe::SECRET)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .env("S3_ENDPOINT", &self.s3.endpoint)
            .env("SLACK_BOT_TOKEN", SLACK_TOKEN)
            .env("SLACK_BASE_URL", &self.slack.address);
    }

    /// Starts `flowc serve` of a program.
    pub(crate) fn serve(&self, program: &Path) -> Serving {
        Serving::start(&mut self.command(program))
    }

    /// The runs in the data folder, newest first.
    pub(crate) fn runs(&self) -> Vec<Json> {
        runs(&self.data())
    }

    /// Waits until a run is in a state, and gives it as `runs list` shows it.
    pub(crate) async fn run_is(&self, id: &str, state: &str) -> Json {
        eventually(&format!("run {id} is {state}"), async || {
            let runs = self.runs();
            let run = runs.iter().find(|run| run["id"] == id);
            run.filter(|run| run["state"] == state).cloned().ok_or(runs)
        })
        .await
    }
}

/// Posts a body with a `Stripe-Signature`.
pub(crate) async fn post(serving: &Serving, body: &str, signature: Option<&str>) -> Answer {
    let mut request = reqwest::Client::new()
        .post(format!("{}/hooks/payments", serving.address))
        .header("Content-Type", "application/json; charset=utf-8")
        .body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("Stripe-Signature", signature);
    }
    let answer = request.send().await.expect("flowc answers");
    Answer { status: answer.status().as_u16(), text: answer.text().await.expect("the answer arrives") }
}

/// Posts an event as Stripe does.
pub(crate) async fn deliver(serving: &Serving, body: &str) -> Answer {
    post(serving, body, Some(&stripe::signature(stripe::SECRET, stripe::now(), body))).await
}
