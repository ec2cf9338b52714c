//! A disk that takes no more, for real: what was acknowledged is there, and the server says why it ends.
#![cfg(target_os = "linux")]

use std::{fs, process::Command};

use serde_json::json;
use tempfile::TempDir;

use super::process::{Serving, flowc, run};

const PROGRAM: &str = "flow keep {\n  on http POST \"/notes\" as note {\n    body: { text: String }\n    \
    verify: none because \"only this machine reaches it\"\n  }\n  return note.body.text.length\n}\n";

/// The most that a file may grow to, in blocks of 512 bytes: 2 MiB.
const MOST_BLOCKS: usize = 4096;

/// How many characters each note has: kept in the journal itself.
const LENGTH: usize = 12_000;

#[tokio::test(flavor = "multi_thread")]
async fn case_03_what_was_acknowledged_before_the_disk_is_full_is_there_and_the_server_says_why_it_ends() {
    let folder = TempDir::new().unwrap();
    let (program, data) = (folder.path().join("main.flow"), folder.path().join("data"));
    fs::write(&program, PROGRAM).unwrap();
    let serve = |command: &mut Command| {
        command.args(["serve", "--listen", "127.0.0.1:0"]).arg(&program).arg("--data").arg(&data);
        Serving::start(command)
    };
    // Without the signal, a write beyond the limit fails as one on a full disk does.
    let limited = format!("trap '' XFSZ; ulimit -f {MOST_BLOCKS}; exec \"$@\"");
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("FLOW_NETWORK_ALLOW", "localhost");
    shell.args(["-c", &limited, "sh"]).arg(flowc().get_program());
    let serving = serve(&mut shell);

    let client = reqwest::Client::new();
    let (mut acknowledged, mut refused) = (Vec::new(), None);
    for number in 0..1000 {
        let body = json!({ "text": format!("{number:04}").repeat(LENGTH / 4) }).to_string();
        let answer = client.post(format!("{}/notes", serving.address)).body(body).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => {
                let told: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
                acknowledged.push(told["run"].as_str().unwrap().to_owned());
            }
            // The server may end before it answers.
            answer => {
                refused = Some(answer.map(|answer| answer.status()).ok());
                break;
            }
        }
    }
    assert!(acknowledged.len() > 5, "{}", acknowledged.len());
    let refused = refused.expect("the disk is full before so many are written");
    assert!(refused.is_none_or(|status| status == reqwest::StatusCode::SERVICE_UNAVAILABLE), "{refused:?}");
    let ended = serving.ended();
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:#?}");
    assert!(ended.stderr.contains("the journal can't be read or written"), "{ended:#?}");

    // With room again, all that was acknowledged goes on.
    let serving = serve(&mut flowc());
    for id in &acknowledged {
        let mut shown = run(&data, id);
        for _ in 0..super::LOOKS {
            if shown["state"] == "completed" {
                break;
            }
            tokio::time::sleep(super::PAUSE).await;
            shown = run(&data, id);
        }
        assert_eq!((&shown["state"], &shown["result"]), (&json!("completed"), &json!(LENGTH)), "{shown:#}");
    }
    serving.kill();
}
