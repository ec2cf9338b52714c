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
