//! `flowc fmt`: files that are laid out anew, those that `--check` only names, and standard input for editors.

use std::fs::{self, File};

use tempfile::TempDir;

use super::process::{flowc, output};

/// A program that is laid out well, the same in disorder, and one with a mistake in the middle.
const NEAT: &str = "flow greet(name: String) {\n  log \"Hello {name}\" // to the log\n  return { name }\n}\n";
const LOOSE: &str = "flow greet( name:String ) {\nlog   \"Hello {name}\"   // to the log\n\n\n  return {name}\n}";
const DAMAGED: &str = "flow greet( name:String ) {\n  log   \"a\"\n  step = ( 1 +   ] ,\n  return {name}\n}\n";

#[test]
fn check_names_what_would_change_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("neat.flow"), NEAT).unwrap();
    fs::write(at("loose.flow"), LOOSE).unwrap();
    let fmt = |arguments: &[&str]| output(flowc().current_dir(folder.path()).arg("fmt").args(arguments));

    let named = fmt(&["--check"]);
    assert_eq!(named.stdout, "would change loose.flow\n", "{named:?}");
    named.says(1, &["1 of 2 files would change: `flowc fmt` changes them"]);
    assert_eq!(fs::read_to_string(at("loose.flow")).unwrap(), LOOSE);

    let changed = fmt(&[]);
    assert_eq!(changed.stdout, "formatted loose.flow\n", "{changed:?}");
    changed.says(0, &["1 of 2 files changed"]);
    let laid_out = fs::read_to_string(at("loose.flow")).unwrap();
    assert_eq!(laid_out, NEAT.replace("log\n  return", "log\n\n  return"));
    assert_eq!(fs::read_to_string(at("neat.flow")).unwrap(), NEAT);

    let checked = fmt(&["--check"]);
    assert_eq!(checked.stdout, "");
    checked.says(0, &["in good order: 2 files"]);
    fmt(&["--check", "loose.flow"]).says(0, &["in good order: 1 file"]);
}

#[test]
fn standard_input_goes_to_standard_output_and_what_is_damaged_stays() {
    let folder = TempDir::new().unwrap();
    let laid_out = |text: &str| {
        let path = folder.path().join("given");
        fs::write(&path, text).unwrap();
        output(flowc().args(["fmt", "--stdin"]).stdin(File::open(&path).unwrap())).says(0, &[]).stdout
    };
    assert_eq!(laid_out(LOOSE), NEAT.replace("log\n  return", "log\n\n  return"));
    assert_eq!(laid_out(NEAT), NEAT);
    assert_eq!(
        laid_out(DAMAGED),
        "flow greet(name: String) {\n  log \"a\"\n  step = ( 1 +   ] ,\n  return { name }\n}\n"
    );
    assert_eq!(laid_out(""), "");
    assert_eq!(laid_out("no program at all\n"), "no program at all\n");
}

#[test]
fn what_is_no_text_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let bytes: &[u8] = b"flow a( ) {\n  log \"\xff\"\n}\n";
    fs::write(folder.path().join("bytes.flow"), bytes).unwrap();
    let fmt = |arguments: &[&str]| output(flowc().current_dir(folder.path()).arg("fmt").args(arguments));
    fmt(&["bytes.flow"]).says(1, &["bytes.flow", "UTF-8"]);
    assert_eq!(fs::read(folder.path().join("bytes.flow")).unwrap(), bytes);
    fmt(&["elsewhere.flow"]).says(2, &["elsewhere.flow"]);

    fs::write(folder.path().join("given"), bytes).unwrap();
    let given = File::open(folder.path().join("given")).unwrap();
    let ended = output(flowc().args(["fmt", "--stdin"]).stdin(given));
    assert_eq!(ended.stdout, "");
    ended.says(2, &["standard input can't be read", "UTF-8"]);
}
