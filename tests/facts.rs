//! What `flowc facts` says of the programs in `tests/cases/facts`, to people and to programs.

use std::process::Command;

use insta::{Settings, assert_snapshot, glob};

use crate::tidy::{root, shown};

fn facts(path: &str, format: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    let output = command.args(["facts", path, "--format", format]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn facts_are_told_as_their_snapshots_show() {
    glob!("cases/facts/*.flow", |path| {
        let name = shown(path);
        let text = format!("{}\n──── json\n{}", facts(&name, "human"), facts(&name, "json"));
        let mut settings = Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_snapshot_suffix();
        settings.remove_input_file();
        settings.bind(|| assert_snapshot!(path.file_stem().unwrap().to_string_lossy().into_owned(), text));
    });
}
