//! The programs that people copy: each is checked without a warning, and the first one is run as the README says.

use std::{fs, process::Command};

use crate::{
    programs::{checked, drawn, read},
    tidy::{files, shown},
};

#[test]
fn every_example_is_without_mistakes_and_has_a_page() {
    let mut wrong = Vec::new();
    let examples: Vec<_> = files(&["flow"]).into_iter().filter(|path| shown(path).starts_with("examples/")).collect();
    assert!(examples.len() >= 2, "{examples:?}");
    for path in examples {
        let checked = checked(&shown(&path), &read(&path));
        if !checked.diagnostics.is_empty() {
            wrong.push(drawn(&checked, &checked.diagnostics));
        }
        if !path.parent().unwrap().join("README.md").is_file() {
            wrong.push(format!("{} has no README.md beside it", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_first_run_writes_packing_lists_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_flowc"))
        .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/first_run/main.flow"), "--data", "data"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{shown}");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        result,
        serde_json::json!({ "files": ["packing/berlin.txt", "packing/lyon.txt"], "calls": ["packing/call-A-1002.txt"] })
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("packing/berlin.txt")).unwrap(),
        "A-1001: 2 x lamp (standard)\nA-1003: 1 x chair (customs papers)"
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("packing/call-A-1002.txt")).unwrap(),
        "Call before delivery: A-1002: 4 x desk, 4 x lamp (call before delivery)"
    );
    for step in ["berlin", "lyon", "note"] {
        assert!(shown.contains(step), "the step `{step}` is not shown:\n{shown}");
    }
}
