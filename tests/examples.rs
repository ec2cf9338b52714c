//! The programs that people copy: each is checked without a warning and has a page. They are run from outside by the
//! tests in `e2e`.

use std::{fs, path::Path, process::Command};

use crate::{
    programs::{blocks, checked, drawn, read},
    tidy::{files, root, shown},
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
fn the_commands_on_the_pages_work_as_they_stand_there() {
    let mut commands = 0;
    for page in ["README.md", "examples/first_run/README.md", "examples/stripe_receipt/README.md"] {
        // Commands leave files behind, so each page gets a copy; they run in the order of the page.
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("examples"), &folder.path().join("examples"));
        for block in blocks(&read(page)).iter().filter(|block| block.info == "sh") {
            for line in block.text.lines() {
                let Some(arguments) = line.split(" #").next().unwrap().trim().strip_prefix("cargo run -- ") else {
                    continue;
                };
                if arguments.starts_with("serve") {
                    continue;
                }
                let output = Command::new(env!("CARGO_BIN_EXE_flowc"))
                    .args(arguments.split(' '))
                    .current_dir(folder.path())
                    .output()
                    .unwrap();
                let told = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{page}: `{line}` ends with {}\n{told}", output.status);
                assert!(!output.stdout.is_empty(), "{page}: `{line}` prints nothing\n{told}");
                commands += 1;
            }
        }
    }
    assert!(commands >= 5, "{commands}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        match entry.file_type().unwrap().is_dir() {
            true if name == ".flow" => {}
            true => copy(&entry.path(), &to.join(name)),
            false => drop(fs::copy(entry.path(), to.join(name)).unwrap()),
        }
    }
}
