//! API descriptions become connectors: small ones with a snapshot each, and those of vendors where they are at hand.

use std::{
    collections::BTreeMap,
    io::Read,
    num::NonZero,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use flow_compiler::import::{self, Failure, Imported, Options};
use insta::{Settings, assert_snapshot, glob};

use crate::programs::{checked, errors};

/// The import of a file: a discovery document or OpenAPI.
fn imported(path: &Path, text: &str) -> Result<Imported, Failure> {
    let source = path.file_name().unwrap().to_string_lossy();
    let options = Options { source: &source, name: None, only: None };
    match import::discovery(text, options) {
        Err(Failure::NotDiscovery) => import::openapi(text, options),
        other => other,
    }
}

#[test]
fn descriptions_become_connectors_as_their_snapshots_show() {
    glob!("cases/import/*.*", |path| {
        if path.extension().is_some_and(|extension| extension == "snap") {
            return;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let imported = imported(path, &text).unwrap();
        let mistakes = errors(&checked("imported.flow", &imported.text));
        assert_eq!(mistakes, "", "{}", imported.text);
        assert_eq!(flow_compiler::format(&imported.text), imported.text);
        let report = &imported.report;
        let lost: String = report.lost.iter().map(|(what, times)| format!("lost {times}: {what}\n")).collect();
        let skipped: String = report.skipped.iter().map(|(what, why)| format!("skipped {what}: {why}\n")).collect();
        let mut settings = Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_snapshot_suffix();
        settings.remove_input_file();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        settings.bind(|| {
            assert_snapshot!(name, format!("{} operations\n{skipped}{lost}\n{}", report.operations, imported.text));
        });
    });
}

/// Descriptions of vendors are no part of the project: they are read where they lie beside it, in the folder that comes
/// first.
fn descriptions() -> (PathBuf, Vec<PathBuf>) {
    let folder = std::env::var_os("FLOW_SPECS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/specs"), PathBuf::from);
    let mut open = vec![folder.clone()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().trim_end_matches(".gz").ends_with(".json")
                || path.to_string_lossy().trim_end_matches(".gz").ends_with(".yaml")
                || path.to_string_lossy().trim_end_matches(".gz").ends_with(".yml")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    (folder, found)
}

fn text_of(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// How often each value of a description may be looked at, by and large: what is named is looked at where it is used, too.
const LOOKS: usize = 8;

/// How many values there are in a value, itself among them.
fn values(of: &serde_json::Value) -> usize {
    match of {
        serde_json::Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        serde_json::Value::Object(fields) => 1 + fields.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

#[test]
fn descriptions_of_vendors_become_connectors_that_check() {
    let mut wrong = BTreeMap::new();
    let mut read = String::new();
    let (folder, found) = descriptions();
    for path in found {
        let text = text_of(&path);
        let imported = imported(&path, &text);
        let outcome = match &imported {
            Ok(Imported { text, report, .. }) => {
                let (left_out, guessed) = (report.skipped.len(), text.matches("// A guess: ").count());
                let why: String =
                    report.skipped.iter().map(|(what, why)| format!("\n  left out {what}: {why}")).collect();
                format!("{} imported, {left_out} left out, {guessed} with a guess{why}", report.operations)
            }
            Err(Failure::NotOpenApi) => "no description of an API".to_owned(),
            Err(failure) => failure.to_string(),
        };
        read.push_str(&format!("{}: {outcome}\n", path.strip_prefix(&folder).unwrap().display()));
        match imported {
            Err(Failure::NotOpenApi | Failure::OnlyWebhooks) => {}
            Err(failure) => drop(wrong.insert(path, failure.to_string())),
            Ok(imported) => {
                let written = values(&import::description(&text).unwrap());
                let looks = imported.report.looks;
                if looks > LOOKS * written {
                    wrong.insert(path.clone(), format!("{looks} looks at {written} values"));
                }
                let mistakes = errors(&checked("imported.flow", &imported.text));
                if !mistakes.is_empty() {
                    wrong.insert(path, mistakes.chars().take(3000).collect());
                }
            }
        }
    }
    let wrong: Vec<_> = wrong.iter().map(|(path, mistakes)| format!("{}\n{mistakes}", path.display())).collect();
    assert!(wrong.is_empty(), "{} descriptions\n{}", wrong.len(), wrong.join("\n"));
    if !read.is_empty() {
        let mut settings = Settings::clone_current();
        settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/import"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| assert_snapshot!("vendors", read));
    }
}

/// How many of the objections to what a connector sends are shown.
const SHOWN: usize = 6;

/// What imported operations send with made-up arguments, held against the description that they are from, and what they make of
/// the answers that it has as examples. What is objected to is what descriptions say against themselves: the snapshot shows it.
#[test]
fn imported_operations_send_what_their_descriptions_take() {
    let (folder, found) = descriptions();
    // Some are there twice, and of one, with thousands of operations of one pattern, a part is there, too.
    let is_again = |path: &Path| ["prismsafe", "v59-full"].iter().any(|part| path.to_string_lossy().contains(part));
    let found: Vec<PathBuf> = found.into_iter().filter(|path| !is_again(path)).collect();
    let next = AtomicUsize::new(0);
    let told = Mutex::new(BTreeMap::new());
    // Each is a process of its own; as many as there are processors.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                while let Some(path) = found.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Some(outcome) = sent(path) {
                        let shown = path.strip_prefix(&folder).unwrap().display().to_string();
                        told.lock().unwrap().insert(shown, outcome);
                    }
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    if told.is_empty() {
        return;
    }
    let read: String = told.iter().map(|(path, outcome)| format!("{path}: {outcome}\n")).collect();
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/import"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| assert_snapshot!("vendors_sent", read));
}

/// What `flowc connectors test --made-up` says of the connector from a description; nothing where that is no OpenAPI.
fn sent(path: &Path) -> Option<String> {
    let text = text_of(path);
    let options = Options { source: "description", name: Some("imported"), only: None };
    let imported = import::openapi(&text, options).ok()?;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("flow.toml"), "name = \"imports\"\n").unwrap();
    std::fs::create_dir(folder.path().join("connectors")).unwrap();
    std::fs::write(folder.path().join("connectors/imported.flow"), imported.text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    command.current_dir(folder.path()).args(["connectors", "test", "imported", "--made-up", "--spec"]).arg(path);
    let output = command.output().unwrap();
    let (objections, summary) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let lines: Vec<String> = objections.lines().map(|line| line.chars().take(160).collect()).collect();
    let rest = lines.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!("\n  and {rest} lines more") } else { String::new() };
    let shown: String = lines.iter().take(SHOWN).map(|line| format!("\n  {}", line.trim_end())).collect();
    Some(format!("{}{shown}{more}", summary.trim_end()))
}
