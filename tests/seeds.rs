//! The exercises that Flow was made for: each is a program with the connectors that it needs, checked without a warning,
//! and its tests run.

use std::process::Command;

use crate::tidy::{files, root, shown};

const FOLDER: &str = "tests/cases/seeds";

fn flowc(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_flowc")).args(arguments).current_dir(root().join(FOLDER)).output();
    let output = output.unwrap();
    let told = [output.stdout, output.stderr].map(|told| String::from_utf8_lossy(&told).into_owned());
    (output.status.success(), told.concat())
}

#[test]
fn the_exercises_are_without_mistakes() {
    let prefix = format!("{FOLDER}/");
    let all = files(&["flow"]);
    let programs: Vec<String> =
        all.iter().map(|path| shown(path)).filter(|path| path.ends_with("/main.flow")).collect();
    let own: Vec<&str> = programs.iter().filter_map(|path| path.strip_prefix(&prefix)).collect();
    assert!(own.len() >= 7, "{own:?}");
    for program in own {
        let (is_sound, told) = flowc(&["check", program]);
        assert!(is_sound && told.starts_with("no problems"), "{program}\n{told}");
    }
    let (is_laid_out, told) = flowc(&["fmt", "--check", "."]);
    assert!(is_laid_out, "{told}");
}

#[test]
fn the_exercises_do_what_their_tests_say() {
    let (passed, told) = flowc(&["test", "."]);
    assert!(passed && !told.contains('✗'), "{told}");
    let flows = told.matches(" reached").count();
    assert!(flows >= 9, "{flows} flows are reached\n{told}");
}
