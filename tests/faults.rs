//! `flowc test --faults`: programs with a snapshot beside each of what people are told, and the examples, which pass.

use std::{fs, path::Path, process::Command};

use insta::glob;

use crate::{
    cases::snapshot,
    tidy::{root, shown},
};

/// The exit code of `flowc test`, and what it says.
pub(crate) fn flowc_test(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    command.args(["--color", "never", "test"]).args(arguments).current_dir(root()).env_clear();
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_breaks_under_a_fault_is_told_as_the_snapshots_show() {
    glob!("cases/faults/*.flow", |path| {
        let text = fs::read_to_string(path).unwrap();
        let (code, told) = flowc_test(&[&shown(path), "--faults"]);
        let is_sound = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.starts_with("sound"));
        assert_eq!(code, Some(if is_sound { 0 } else { 3 }), "{told}");
        snapshot(path, &text, &[("told", &told)]);
    });
}

#[test]
fn a_story_is_seen_again_by_what_is_told() {
    let program = "tests/cases/faults/fallback.flow";
    let (_, all) = flowc_test(&[program, "--faults"]);
    let again = all.lines().find_map(|line| line.trim().strip_prefix("to see it again: flowc test ")).unwrap();
    let fault = again.rsplit("--faults=").next().unwrap();
    let (code, one) = flowc_test(&[program, &format!("--faults={fault}")]);
    assert_eq!(code, Some(3), "{one}");
    let story = |told: &str| {
        let lines = told.lines().skip_while(|line| !line.contains("the run begins"));
        lines.take_while(|line| !line.contains("╭─")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(story(&one), story(&all));
    let (code, calm) = flowc_test(&["tests/cases/faults/sound.flow", "--faults=lost:1"]);
    assert_eq!(code, Some(0), "{calm}");
    assert!(calm.contains("its answer is lost on the way"), "{calm}");
}

#[test]
fn all_of_it_is_there_for_programs_too() {
    let program = "tests/cases/faults/no_dedupe.flow";
    let (code, json) = flowc_test(&[program, "--faults", "--format", "json"]);
    assert_eq!(code, Some(3));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let faults = &json["tests"][0]["faults"];
    assert_eq!((json["failed"].as_u64(), faults["failing"].as_u64()), (Some(1), Some(1)));
    assert_eq!(faults["tried"], faults["possible"]);
    assert_eq!(faults["shortest"]["fault"], "twice");
    assert!(faults["shortest"]["story"].as_array().unwrap().len() > 4, "{faults}");
    let (code, xml) = flowc_test(&[program, "--faults", "--format", "junit"]);
    assert_eq!(code, Some(3));
    assert!(
        xml.contains("<failure message=\"does not hold under flowc test tests/cases/faults/no_dedupe.flow"),
        "{xml}"
    );
}

#[test]
fn a_fault_that_is_none_is_refused_in_words() {
    let output = Command::new(env!("CARGO_BIN_EXE_flowc"))
        .args(["test", "examples/first_run", "--faults=explode"])
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("`explode` is not a fault: they are `crash-before:N`"), "{told}");
}

#[test]
fn the_examples_pass_under_every_fault() {
    assert!(Path::new(&root()).join("examples").is_dir());
    let (code, told) = flowc_test(&["examples", "--faults"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(" faults\n"), "{told}");
}
