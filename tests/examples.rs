//! The programs that people copy: each is checked without a warning and has a page. They are run from outside by the
//! tests in `e2e`.

use std::{fs, path::Path, process::Command};

use crate::{
    programs::{blocks, read},
    tidy::root,
};

#[test]
fn every_example_is_without_mistakes_and_has_a_page() {
    let folders: Vec<_> = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(folders.len() >= 3, "{folders:?}");
    for folder in folders {
        let flowc = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_flowc")).args(args).arg(&folder).output().unwrap();
        let checked = flowc(&["check", "--format", "json"]);
        let told = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success() && told.contains("\"diagnostics\": []"), "{}: {told}", folder.display());
        let formatted = flowc(&["fmt", "--check"]);
        assert!(formatted.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&formatted.stdout));
        assert!(folder.join("README.md").is_file(), "{} has no README.md", folder.display());
    }
}

#[test]
fn the_commands_on_the_pages_work_as_they_stand_there() {
    let mut commands = 0;
    for page in [
        "README.md",
        "examples/first_run/README.md",
        "examples/stripe_receipt/README.md",
        "examples/custom_connector/README.md",
        "examples/order_book/README.md",
        "examples/support_inbox/README.md",
        "examples/any_api/README.md",
    ] {
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

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
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
