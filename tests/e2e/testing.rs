//! `flowc test`: results for people and programs, exit codes, and the tests of a new project.

use std::fs;

use tempfile::TempDir;

use super::process::{flowc, output};

/// A test that passes, one that does not, and one that can't be carried out.
const PROGRAM: &str = r#"
use files

flow keep(name: String) {
  step note = files.write(path: "{name}.txt", text: "Hello <{name}>")
  if note.size > 5 { step files.read(path: note.path) }
  return note.path
}

test "it is kept" for keep {
  given name = "Ada"
  stub files.write returns { path: "a.txt", size: 1 }
  expect result "a.txt"
}

test "it is kept <twice>" for keep {
  given name = "Ada"
  stub files.write returns { path: "a.txt", size: 1 }
  expect files.write called 2 times
  expect run completed
}

test "nothing answers" for keep {
  given name = "Ada"
  expect run completed
}
"#;

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.flow"), PROGRAM).unwrap();
    folder
}

#[test]
fn a_failed_test_shows_what_was_expected_where_and_what_happened() {
    let folder = folder();
    let ended = output(flowc().current_dir(folder.path()).args(["test", "."]));
    let shown = ended.stdout.clone();
    ended.says(3, &[]);
    for text in [
        "shop.flow\n",
        "✓ it is kept  0ms",
        "✗ it is kept <twice>",
        "expected: `files.write` is called 2 times",
        "actual:   it is called once",
        "[shop.flow:19:3]",
        "note: files.write {\"path\":\"Ada.txt\",\"text\":\"Hello <Ada>\"} → {\"path\":\"a.txt\",\"size\":1}",
        "can't be carried out: `files.write` is called and has no stub",
        "keep: 1 of 2 steps reached, never `files.read`",
        "2 failed of 3 tests",
    ] {
        assert!(shown.contains(text), "`{text}` is missing in\n{shown}");
    }
}

#[test]
fn invariants_fields_of_errors_called_flows_and_branches_are_tested() {
    let folder = TempDir::new().unwrap();
    let program = r##"
use files, slack

flow keep(name: String) {
  step note = files.write(path: "{name}.txt", text: "x") catch { Forbidden as e if e.code == "full" => null }
  if note == null {
    log "full"
  } else {
    step told = tell(name)
    log told
  }
  return name
}

flow tell(name: String) -> String {
  step message = slack.chat.post_message(channel: "#a", text: name)
  return message.channel
}

test "holds" for keep {
  given name = "a"
  stub files.write using schema
  stub slack.chat.post_message returns { channel: "C1", ts: "1" }
  expect slack.chat.post_message called once with { text: "a" }
  expect never {
    files.write called after slack.chat.post_message
    files.write called where .path.starts_with("/")
    slack.chat.post_message succeeded after slack.chat.post_message succeeded
  }
}

test "does not hold" for keep {
  given name = "b"
  stub files.write fails Unavailable(message: "away") 2 times then using schema
  stub slack.chat.post_message using schema
  expect never { files.write succeeded after files.write failed }
  expect never { slack.chat.post_message called where .channel == "#a" }
}
"##;
    fs::write(folder.path().join("keep.flow"), program).unwrap();
    let ended = output(flowc().current_dir(folder.path()).args(["test", "."]));
    let shown = ended.stdout.clone();
    ended.says(3, &[]);
    for text in [
        "✓ holds",
        "✗ does not hold",
        "expected: never `files.write` succeeded after `files.write` failed",
        "actual:   call 1 is `files.write` with {\"path\":\"b.txt\",\"text\":\"x\"} → Unavailable, and call 3 is",
        "[keep.flow:37:18]",
        "expected: never `slack.chat.post_message` called where the condition holds",
        "actual:   call 4 is `slack.chat.post_message` with",
        "keep: 1 of 1 step reached; 1 of 3 branches taken, never `if` on line 6, arm 1 of `catch` on line 5",
    ] {
        assert!(shown.contains(text), "`{text}` is missing in\n{shown}");
    }
}

#[test]
fn a_filter_chooses_tests_and_all_that_pass_end_well() {
    let folder = folder();
    let ended = output(flowc().current_dir(folder.path()).args(["test", "--filter", "IS KEPT", "--format", "json"]));
    let json = ended.json();
    assert_eq!(
        (json["passed"].as_u64(), json["failed"].as_u64(), json["left_out"].as_u64()),
        (Some(1), Some(1), Some(1))
    );
    assert_eq!(json["tests"][1]["unmet"][0]["line"], 19);
    assert_eq!(json["coverage"][0]["missed"][0], "files.read");
    let none = output(flowc().current_dir(folder.path()).args(["test", "--filter", "elsewhere"]));
    none.says(2, &["no test has `elsewhere` in its name", "runs 3 tests"]);
}

#[test]
fn what_junit_reads_is_escaped() {
    let folder = folder();
    let ended = output(flowc().current_dir(folder.path()).args(["test", "--format", "junit"]));
    let xml = ended.stdout.clone();
    ended.says(3, &[]);
    assert!(
        xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"3\" failures=\"2\""),
        "{xml}"
    );
    assert!(
        xml.contains("<testcase name=\"it is kept &lt;twice&gt;\" classname=\"keep\" file=\"shop.flow\" line=\"16\""),
        "{xml}"
    );
    assert!(xml.contains("<failure message=\"expected: `files.write` is called 2 times\">"), "{xml}");
}

#[test]
fn a_program_with_errors_is_not_tested() {
    let folder = folder();
    fs::write(folder.path().join("wrong.flow"), "test \"a\" for nothing { expect run completed }\n").unwrap();
    let ended = output(flowc().current_dir(folder.path()).args(["test", "wrong.flow"]));
    let shown = ended.stdout.clone();
    ended.says(1, &[]);
    assert!(shown.contains("error[E0201]: there is no flow `nothing`"), "{shown}");
}

#[test]
fn the_tests_of_a_new_project_pass() {
    let folder = TempDir::new().unwrap();
    output(flowc().current_dir(folder.path()).args(["new", "orders"])).says(0, &["cd orders, then flowc test"]);
    let ended = output(flowc().current_dir(folder.path()).args(["test", "orders"]));
    let shown = ended.stdout.clone();
    ended.says(0, &[]);
    assert!(shown.contains("2 tests passed") && shown.contains("greet: 1 of 1 step reached"), "{shown}");
}
