//! `flowc runs retry|replay|export`, `flowc dead-letters` and `flowc journal verify`: what has failed is done again, and
//! what is damaged is found.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    eventually,
    process::{Ended, Serving, flowc, output, run, runs},
};

const PROGRAM: &str = r#"
use files

connection desk = files { folder: "desk" }

flow order(id: String) {
  step address = desk.read(path: "address.txt")
  step label   = desk.read(path: "label.txt")
  step desk.write(path: "{id}.txt", text: "{address}, {label}")
  return label
}

event parcel.left { id: String, weight: Decimal? }

flow leave(id: String) {
  dead_letter backlog { id }
  emit parcel.left { id }
  return id
}

flow send(id: String) {
  try {
    step reading = desk.read(path: "{id}.txt")
  } catch {
    NotFound => {
      if id != "" {
        dead_letter unsent { id }
      }
    }
  }
  return id
}

flow nap(id: String) {
  step address = desk.read(path: "address.txt")
  sleep 1h
  return { id, address }
}

flow take(id: String) {
  step desk.write(path: "taken-{id}.txt", text: id)
  return id
}

flow hook {
  on http POST "/" as req {
    body:   Json
    verify: none because "a test"
  }
  log "called"
}
"#;

/// A folder with the program and what its flows read.
struct Shop(TempDir);

impl Shop {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("shop.flow"), PROGRAM).unwrap();
        fs::create_dir(folder.path().join("desk")).unwrap();
        Self(folder)
    }

    fn desk(&self, name: &str) -> PathBuf {
        self.0.path().join("desk").join(name)
    }

    fn data(&self) -> PathBuf {
        self.0.path().join(".flow")
    }

    fn flowc(&self, arguments: &[&str]) -> Ended {
        output(flowc().current_dir(self.0.path()).args(arguments))
    }

    /// Runs a flow and gives the id of its run.
    fn start(&self, flow: &str, id: &str, exit: i32) -> String {
        let input = json!({ "id": id }).to_string();
        self.flowc(&["run", "shop.flow", "--flow", flow, "--input", &input]).says(exit, &[]);
        self.last()
    }

    /// The id of the newest run.
    fn last(&self) -> String {
        runs(&self.data())[0]["id"].as_str().unwrap().to_owned()
    }

    fn last_state(&self) -> Json {
        runs(&self.data())[0]["state"].clone()
    }
}

fn states(run: &Json) -> Vec<(&str, &str)> {
    let steps = run["steps"].as_array().unwrap().iter();
    steps.map(|step| (step["path"].as_str().unwrap(), step["state"].as_str().unwrap())).collect()
}

#[test]
fn a_failed_run_is_retried_from_its_step_and_replayed_from_another() {
    let shop = Shop::new();
    fs::write(shop.desk("address.txt"), "1 Main Street").unwrap();
    let failed = shop.start("order", "A-1", 3);
    assert_eq!(states(&run(&shop.data(), &failed)), [("address", "completed"), ("label", "failed")]);

    // What went well is kept: its file may be gone.
    fs::remove_file(shop.desk("address.txt")).unwrap();
    fs::write(shop.desk("label.txt"), "fragile").unwrap();
    let begun = shop.flowc(&["runs", "retry", &failed]).says(0, &[]).stdout;
    let retried = shop.last();
    assert!(retried != failed && begun.contains(&retried) && begun.contains("flowc runs resume"), "{begun}");
    let ended = shop.flowc(&["runs", "resume", &retried]).says(0, &[]);
    assert_eq!(ended.json(), "fragile");
    assert_eq!(fs::read_to_string(shop.desk("A-1.txt")).unwrap(), "1 Main Street, fragile");
    assert_eq!(run(&shop.data(), &retried)["trigger"], format!("retry of run {failed} at `label`"));
    shop.flowc(&["runs", "retry", &retried]).says(2, &["has not failed"]);

    // From `address` on all is new, so that its file is missed.
    shop.flowc(&["runs", "replay", &retried, "--from", "address"]).says(0, &[]);
    shop.flowc(&["runs", "resume", &shop.last()]).says(3, &["address.txt"]);
    shop.flowc(&["runs", "replay", &retried, "--from", "nowhere"]).says(2, &["`nowhere`", "flowc runs show"]);
    shop.flowc(&["runs", "replay", &retried, "--from", "label"]).says(0, &[]);
    shop.flowc(&["runs", "resume", &shop.last()]).says(0, &[]);
    shop.flowc(&["runs", "retry", "NOBODY"]).says(2, &["there is no run `NOBODY`", "flowc runs list"]);
}

#[test]
fn an_export_has_the_plan_the_journal_the_events_and_the_dead_letters_of_a_run() {
    let shop = Shop::new();
    let id = shop.start("leave", "A-2", 0);
    let exported = shop.flowc(&["runs", "export", &id]).says(0, &[]).json();
    assert_eq!((&exported["version"], &exported["plan"]["flow"]), (&json!(1), &json!("leave")));
    assert_eq!(exported["run"]["dead_letters"][0]["value"], json!({ "id": "A-2" }));
    let event = &exported["events"][0];
    assert_eq!((&event["event"], &event["value"]), (&json!("parcel.left"), &json!({ "id": "A-2" })), "{exported:#}");
    assert!(event["at"].as_str().unwrap().ends_with('Z'), "{event}");
    let said = exported["journal"].as_array().unwrap();
    assert!(said.len() >= 3 && said[0]["said"].to_string().contains("A-2"), "{exported:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let shop = Shop::new();
    let letters = |more: &[&str]| {
        let listed = shop.flowc(&[&["dead-letters", "list", "--format", "json"], more].concat()).says(0, &[]).json();
        listed.as_array().unwrap().iter().map(|letter| letter["settled"].clone()).collect::<Vec<_>>()
    };
    for id in ["A-3", "A-4", "A-5"] {
        shop.start("leave", id, 0);
    }
    assert_eq!((letters(&[]).len(), letters(&["--queue", "other"]).len()), (3, 0));
    let shown = shop.flowc(&["dead-letters", "show", "1", "--format", "json"]).says(0, &[]).json();
    assert_eq!((&shown["queue"], &shown["value"]), (&json!("backlog"), &json!({ "id": "A-3" })));
    let told = shop.flowc(&["dead-letters", "show", "1"]).says(0, &[]).stdout;
    assert!(told.contains("backlog") && told.contains("A-3"), "{told}");

    // Where nobody serves the folder: the run that left it is done again, and leaves one of its own.
    shop.flowc(&["dead-letters", "replay", "1"]).says(0, &[]);
    shop.flowc(&["runs", "resume", &shop.last()]).says(0, &[]);
    assert_eq!(letters(&[]).len(), 3);
    shop.flowc(&["dead-letters", "replay", "1"]).says(2, &["dead letter 1 is replayed as run"]);
    shop.flowc(&["dead-letters", "drop", "2"]).says(0, &[]);
    shop.flowc(&["dead-letters", "drop", "99"]).says(2, &["there is no dead letter 99", "flowc dead-letters list"]);

    // Beside a server, another flow takes one.
    let serving =
        Serving::start(flowc().current_dir(shop.0.path()).args(["serve", "shop.flow", "--listen", "127.0.0.1:0"]));
    let arguments = ["dead-letters", "replay", "3", "shop.flow", "--flow", "take"];
    shop.flowc(&arguments).says(0, &[]);
    eventually("the letter is taken", async || match fs::read_to_string(shop.desk("taken-A-5.txt")) {
        Ok(text) if text == "A-5" => Ok(()),
        other => Err(other),
    })
    .await;
    let settled = letters(&["--all"]);
    assert_eq!((settled.len(), &settled[2]), (4, &json!("dropped")));
    assert_eq!(letters(&[]).len(), 1);
    drop(serving);
}

#[test]
fn a_dead_letter_holds_what_it_was_left_for() {
    let shop = Shop::new();
    let id = shop.start("send", "A-8", 0);
    let listed = shop.flowc(&["dead-letters", "list", "--format", "json"]).says(0, &[]).json();
    let cause = &listed[0]["cause"];
    assert_eq!((&cause["step"], &cause["connection"]), (&json!("reading"), &json!("desk")), "{listed:#}");
    assert_eq!(cause["failure"]["kind"], "NotFound");
    let message = cause["failure"]["message"].as_str().unwrap();
    assert!(message.contains("A-8.txt"), "{message}");
    let shown = shop.flowc(&["dead-letters", "show", "1", "--format", "json"]).says(0, &[]).json();
    assert_eq!(shown["cause"]["failure"]["message"], message);
    let told = shop.flowc(&["dead-letters", "show", "1"]).says(0, &[]).stdout;
    assert!(told.contains("  because NotFound: ") && told.contains(" at `reading` of `desk`"), "{told}");
    let told = shop.flowc(&["dead-letters", "list"]).says(0, &[]).stdout;
    assert!(told.contains("BECAUSE") && told.contains("NotFound: "), "{told}");
    assert_eq!(run(&shop.data(), &id)["dead_letters"][0]["cause"], shown["cause"]);
    shop.start("leave", "A-9", 0);
    let shown = shop.flowc(&["dead-letters", "show", "2", "--format", "json"]).says(0, &[]).json();
    assert_eq!(shown["cause"], Json::Null, "nothing was caught");
}

#[test]
fn case_02_a_changed_byte_on_disk_is_found_in_its_run_and_the_others_go_on() {
    let shop = Shop::new();
    fs::write(shop.desk("label.txt"), "fragile").unwrap();
    fs::write(shop.desk("address.txt"), "UNTOUCHED").unwrap();
    let well = shop.start("order", "A-6", 0);
    fs::write(shop.desk("address.txt"), "DAMAGED").unwrap();
    let hurt = shop.start("order", "A-7", 0);
    let told = shop.flowc(&["journal", "verify"]).says(0, &[]).stdout;
    assert!(told.starts_with("well: 2 runs with "), "{told}");

    // Compaction leaves nothing in the log, where a page would stand for the damaged one.
    shop.flowc(&["journal", "compact"]).says(0, &[]);
    let database = shop.data().join("journal.sqlite");
    change(&database, b"DAMAGED", b"DAMAGEd");
    let told = shop.flowc(&["journal", "verify"]).says(6, &[]).stdout;
    assert!(told.contains(&hurt) && !told.contains(&well), "{told}");
    assert!(
        told.contains("of `order`, completed: entry ") && told.contains("what to do: nothing was changed"),
        "{told}"
    );
    let found = shop.flowc(&["journal", "verify", "--format", "json"]).says(6, &[]).json();
    assert_eq!((&found["well"], &found["damaged"][0]["run"]), (&json!(false), &json!(hurt)));
    assert_eq!(found["damaged"].as_array().unwrap().len(), 1, "{found:#}");

    shop.flowc(&["runs", "export", &hurt]).says(6, &["is damaged", "flowc journal verify"]);
    shop.flowc(&["runs", "replay", &hurt]).says(2, &["can't be done again: entry"]);
    shop.flowc(&["runs", "replay", &well]).says(0, &[]);
    shop.flowc(&["runs", "resume", &shop.last()]).says(0, &[]);
    assert_eq!(shop.last_state(), "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_ended_are_kept_as_long_as_the_project_says() {
    let shop = Shop::new();
    fs::write(shop.desk("address.txt"), "1 Main Street").unwrap();
    shop.start("order", "A-1", 3);
    let says = |keep: &str| fs::write(shop.0.path().join("flow.toml"), format!("[runs]\nkeep = \"{keep}\"\n")).unwrap();
    says("30d");
    shop.flowc(&["journal", "compact"]).says(0, &[]);
    assert_eq!(shop.last_state(), "failed", "it is younger");
    says("soon");
    shop.flowc(&["journal", "compact"]).says(1, &["`runs.keep` can't be this", "`flow.toml` has 1 error"]);
    assert_eq!(shop.last_state(), "failed");
    says("1ms");
    let told = shop.flowc(&["journal", "compact"]).says(0, &[]).stdout;
    assert!(told.starts_with("removed 1 run, "), "{told}");
    let listed = shop.flowc(&["runs", "list", "--format", "json"]).says(0, &[]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(0), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_02_a_run_that_can_t_go_on_is_ended_by_repair_and_what_there_is_of_it_is_kept() {
    let shop = Shop::new();
    fs::write(shop.desk("address.txt"), "DAMAGED").unwrap();
    let mut child = flowc()
        .current_dir(shop.0.path())
        .args(["run", "shop.flow", "--flow", "nap", "--input", r#"{"id":"A-9"}"#])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the run sleeps", async || {
        // There may be no journal yet.
        let listed = shop.flowc(&["runs", "list", "--state", "waiting", "--format", "json"]);
        if listed.stdout.contains("nap") { Ok(()) } else { Err(listed) }
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let hurt = shop.last();
    shop.flowc(&["journal", "repair"]).says(0, &[]);
    assert_eq!(shop.last_state(), "waiting", "what is well is left alone");

    shop.flowc(&["journal", "compact"]).says(0, &[]);
    change(&shop.data().join("journal.sqlite"), b"DAMAGED", b"DAMAGEd");
    shop.flowc(&["journal", "verify"]).says(6, &[]);
    let told = shop.flowc(&["journal", "repair"]).says(0, &[]).stdout;
    assert!(told.contains(&hurt) && told.contains("of `nap` was waiting and is failed now: entry "), "{told}");
    let copy = fs::read_to_string(shop.data().join("damaged").join(format!("{hurt}.json"))).unwrap();
    let copy: Json = serde_json::from_str(&copy).unwrap();
    assert_eq!((&copy["run"], &copy["flow"]), (&json!(hurt), &json!("nap")));
    assert!(copy["rows"].as_array().unwrap().len() >= 3 && copy.to_string().contains("DAMAGEd"), "{copy:#}");
    assert_eq!(shop.last_state(), "failed");
    shop.flowc(&["runs", "resume", &hurt]).says(2, &["is failed already"]);
    let told = shop.flowc(&["journal", "repair"]).says(0, &[]).stdout;
    assert!(told.contains("nothing to repair"), "{told}");
    let told = shop.flowc(&["journal", "verify"]).says(0, &[]).stdout;
    assert!(told.contains("but for 1 run that `repair` has ended:") && told.contains(&hurt), "{told}");
    let told = shop.flowc(&["journal", "verify", "--format", "json"]).says(0, &[]).json();
    assert_eq!((&told["well"], &told["repaired"][0]["run"]), (&json!(true), &json!(hurt)));
    // What is damaged further is told again.
    change(&shop.data().join("journal.sqlite"), b"DAMAGEd", b"DAMAgEd");
    let told = shop.flowc(&["journal", "verify"]).says(6, &[]).stdout;
    assert!(told.contains("damaged run") && told.contains("these runs are over"), "{told}");
}

/// Changes a text in a file, as a disk does that forgets.
fn change(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let found = places(&bytes, from);
    assert!(!found.is_empty(), "the text is in the file");
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

fn places(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(text.len()).enumerate();
    windows.filter(|(_, window)| *window == text).map(|(at, _)| at).collect()
}
