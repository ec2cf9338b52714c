//! What is marked `@pii` is kept for the run and hidden from people who look at it, unless they ask for it.

use std::fs;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::process::{flowc, output, runs};

const PROGRAM: &str = r#"
record Lead { name: String, email: Email @pii }

error Refused { email: Email @pii, why: String }

flow take(lead: Lead, refuse: Bool = false) fails Refused {
  dead_letter later { lead, number: 7 }
  try {
    fail Refused(email: lead.email, why: "no")
  } catch {
    Refused => { dead_letter refused { number: 8 } }
  }
  if refuse {
    fail Refused(email: lead.email, why: "no")
  }
  return { number: 7, mail: lead.email }
}
"#;

/// Runs the flow in a folder, and shows the run that it made.
fn shown(refuse: bool, more: &[&str]) -> Json {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
    let input = json!({ "lead": { "name": "Ada", "email": "ada@example.com" }, "refuse": refuse }).to_string();
    output(flowc().current_dir(folder.path()).args(["run", "main.flow", "--input", &input]));
    let data = folder.path().join(".flow");
    let id = runs(&data)[0]["id"].as_str().unwrap().to_owned();
    let mut command = flowc();
    command.args(["runs", "show", &id, "--format", "json", "--data"]).arg(&data).args(more);
    output(&mut command).says(0, &[]).json()
}

#[test]
fn results_and_dead_letters_are_shown_without_personal_data() {
    let run = shown(false, &[]);
    assert_eq!(run["result"], json!({ "number": 7, "mail": "***" }));
    let letter = json!({ "lead": { "name": "Ada", "email": "***" }, "number": 7 });
    assert_eq!(run["dead_letters"][0]["value"], letter);
    let cause = &run["dead_letters"][1]["cause"]["failure"];
    assert_eq!((&cause["kind"], &cause["email"], &cause["why"]), (&json!("Refused"), &json!("***"), &json!("no")));
    assert!(!run.to_string().contains("ada@"), "{run:#}");
}

#[test]
fn errors_are_shown_without_personal_data() {
    let run = shown(true, &[]);
    assert_eq!((&run["failure"]["email"], &run["failure"]["why"]), (&json!("***"), &json!("no")));
    assert!(!run.to_string().contains("ada@"), "{run:#}");
}

#[test]
fn who_asks_for_it_sees_all() {
    let run = shown(false, &["--reveal"]);
    assert_eq!(run["result"]["mail"], "ada@example.com");
    assert_eq!(run["dead_letters"][0]["value"]["lead"]["email"], "ada@example.com");
    assert_eq!(run["dead_letters"][1]["cause"]["failure"]["email"], "ada@example.com");
}

#[test]
fn why_a_flow_says_fail_is_told_by_the_fields_of_the_error_wherever_runs_and_letters_are_told_of() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
    let input = json!({ "lead": { "name": "Ada", "email": "ada@example.com" }, "refuse": true }).to_string();
    output(flowc().current_dir(folder.path()).args(["run", "main.flow", "--input", &input]));
    let data = folder.path().join(".flow");
    let run = runs(&data)[0].clone();
    let said = r#"the flow says `fail Refused(email: "***", why: "no")`"#;
    assert_eq!(run["reason"], json!(said));
    let told = |args: &[&str]| output(flowc().args(args).arg("--data").arg(&data)).says(0, &[]).stdout;
    let id = run["id"].as_str().unwrap();
    for args in [&["runs", "list"][..], &["runs", "why", id], &["dead-letters", "show", "2"]] {
        let text = told(args);
        assert!(text.contains(said) && !text.contains("ada@"), "{args:?}: {text}");
    }
    // Where the line is cut, what is personal is hidden all the same.
    let letters = told(&["dead-letters", "list", "--format", "json"]);
    assert!(letters.contains(r#""why": "no""#) && !letters.contains("ada@"), "{letters}");
}

/// The errors come from another flow, two calls away, and one of them has personal words.
const CALLS: &str = r#"
use files

record Lead { name: String, email: Email @pii }

error Refused { reason: String @pii, email: Email @pii, number: Int }
error Taken { reason: String, by: String }

flow reserve(lead: Lead, taken: Bool) fails Refused | Taken {
  if taken {
    fail Taken(reason: "taken by {lead.email}", by: lead.email)
  }
  fail Refused(reason: "no room for {lead.email}", email: lead.email, number: 7)
}

flow book(lead: Lead, taken: Bool = false) fails Refused | Taken {
  step reserve(lead: lead, taken: taken)
}

flow take(lead: Lead) fails Refused | Taken {
  step book(lead: lead) optional
  step book(lead: lead) catch {
    Refused as e => {
      log "refused: {e.message} {e.reason} {e.number}"
      dead_letter refused { number: 8, why: e.reason }
    }
    _ as e => { log "what else: {e.message}" }
  }
  step book(lead: lead, taken: true) catch {
    Taken as e => { log "taken: {e.message} {e.reason} {e.by}" }
  }
  let each = for one in [lead] on error collect {
    step book(lead: one)
  }
  dead_letter failed { each: each.failed.map(one -> one.error) }
  saga {
    step files.write(path: "kept.txt", text: lead.name)
      undo files.write(path: "kept.txt", text: "")
    step book(lead: lead, taken: lead.name == "Bob")
  }
}
"#;

#[test]
fn errors_that_come_from_other_flows_are_told_without_personal_data_wherever_they_show() {
    for (name, said) in [
        ("Ada", r#"the flow says `fail Refused(reason: "***", email: "***", number: 7)`"#),
        ("Bob", r#"the flow says `fail Taken(reason: "***", by: "***")`"#),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("main.flow"), CALLS).unwrap();
        let input = json!({ "lead": { "name": name, "email": "ada@example.com" } }).to_string();
        let mut command = flowc();
        command.current_dir(folder.path()).env("FLOW_LOG", "debug");
        let ran = output(command.args(["run", "main.flow", "--flow", "take", "--input", &input])).says(3, &[]);
        assert!(!format!("{ran:?}").contains("ada@"), "{ran:#?}");

        let data = folder.path().join(".flow");
        let runs = runs(&data);
        let runs: Vec<&Json> = runs.iter().collect();
        assert_eq!(runs.len(), 11, "{runs:#?}");
        for flow in ["take", "book", "reserve"] {
            assert!(runs.iter().any(|run| run["flow"] == flow && run["reason"] == said), "{flow}: {runs:#?}");
        }
        let told = |args: &[&str]| output(flowc().args(args).arg("--data").arg(&data)).says(0, &[]).stdout;
        let mut texts = vec![
            told(&["runs", "list"]),
            told(&["dead-letters", "list"]),
            told(&["dead-letters", "list", "--format", "json"]),
            told(&["dead-letters", "show", "1"]),
            told(&["dead-letters", "show", "2"]),
        ];
        for run in &runs {
            let id = run["id"].as_str().unwrap();
            for args in [&["runs", "show", id][..], &["runs", "why", id]] {
                texts.extend([told(args), told(&[args, &["--format", "json"][..]].concat())]);
            }
        }
        for text in texts {
            assert!(!text.contains("ada@"), "{text}");
        }
        let id = runs.iter().find(|run| run["flow"] == "take").unwrap()["id"].as_str().unwrap();
        let shown = told(&["runs", "show", id]);
        for line in [
            "passed over: the flow says `fail Refused(reason: \"***\", email: \"***\", number: 7)`",
            "refused: the flow says `fail Refused` *** 7",
            "taken: the flow says `fail Taken` *** ***",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        // Who asks for it sees it.
        assert!(told(&["runs", "show", id, "--reveal"]).contains("ada@example.com"));
    }
}
