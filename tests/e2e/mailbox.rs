//! A mailbox whose messages start runs, over kills.
#![cfg(target_os = "linux")]

use std::fs;

use tempfile::TempDir;

use super::{
    eventually,
    process::{Serving, flowc, run, runs},
};
use crate::mail::imap::{PASSWORD, Server, plain};

const PROGRAM: &str = r#"
use imap

flow take_in {
  on inbox.received as mail { every: 1s }
  step message = inbox.messages.get(id: mail.id)
  step inbox.messages.move(id: mail.id, to: "Done")
  log "{message.subject}"
  return mail.message_id
}
"#;

fn serve(folder: &TempDir) -> Serving {
    let mut command = flowc();
    command.current_dir(folder.path()).env("DB_URL", PASSWORD);
    Serving::start(command.args(["serve", "main.flow", "--listen", "127.0.0.1:0", "--data", "data"]))
}

/// The results of the completed runs, when there are that many.
async fn results(folder: &TempDir, count: usize) -> Vec<String> {
    let data = folder.path().join("data");
    eventually("the mails are taken in", async || {
        let all = runs(&data);
        let done = all.iter().filter(|run| run["state"] == "completed");
        let mut results: Vec<String> = done
            .map(|one| run(&data, one["id"].as_str().unwrap())["result"].as_str().unwrap_or_default().to_owned())
            .collect();
        results.sort();
        if results.len() >= count { Ok(results) } else { Err(all) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mail_that_arrives_has_one_run_over_a_kill() {
    let server = Server::start();
    server.deliver("0", "Done", &plain("filed"));
    server.deliver("1", "", &plain("before"));
    let folder = TempDir::new().unwrap();
    let connection = format!("connection inbox = imap {{ {} }}\n", server.settings(&server.implicit, ""));
    fs::write(folder.path().join("main.flow"), format!("{PROGRAM}\n{connection}")).unwrap();
    let serving = serve(&folder);
    // What is there when it begins starts nothing; it has begun when the server has been asked.
    let asked = async || if server.log().contains("Logged out") { Ok(()) } else { Err(serving.log()) };
    eventually("the mailbox is asked", asked).await;
    server.deliver("2", "", &plain("first"));
    assert_eq!(results(&folder, 1).await, ["first@example.com"]);
    serving.kill();
    server.deliver("3", "", &plain("third"));
    server.deliver("4", "", &plain("fourth"));
    let _serving = serve(&folder);
    assert_eq!(results(&folder, 3).await, ["first@example.com", "fourth@example.com", "third@example.com"]);
}
