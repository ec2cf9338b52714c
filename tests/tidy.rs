//! Is the repository in order? The direction of dependence, file sizes, headers, words that don't belong, and what each
//! library is for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Who may use whom, as docs/decisions and the README's map say. Dev-dependencies are free, but only within `tests/` and
/// the crate itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("flow-model", &[]),
    ("flow-grammar", &[]),
    ("flow-compiler", &["flow-grammar", "flow-model"]),
    ("flow-runtime", &["flow-model"]),
    ("flow-native-kafka", &["flow-model", "flow-runtime"]),
    ("flow-native-mail", &["flow-model", "flow-runtime"]),
    ("flow-native-pdf", &["flow-model", "flow-runtime"]),
    ("flow-native-s3", &["flow-model", "flow-runtime"]),
    ("flow-native-sql", &["flow-model", "flow-runtime"]),
    (
        "flow-stdlib",
        &[
            "flow-model",
            "flow-native-kafka",
            "flow-native-mail",
            "flow-native-pdf",
            "flow-native-s3",
            "flow-native-sql",
            "flow-runtime",
        ],
    ),
    ("flow-lsp", &["flow-compiler", "flow-model", "flow-stdlib"]),
    ("flow-cli", &["flow-compiler", "flow-lsp", "flow-model", "flow-runtime", "flow-stdlib"]),
    ("flowc", &["flow-cli"]),
    ("flow-benches", &[]),
];

/// What may be used only behind a feature: crate and its optional dependencies.
const OPTIONAL: &[(&str, &[&str])] = &[(
    "flow-stdlib",
    &["flow-native-kafka", "flow-native-mail", "flow-native-pdf", "flow-native-s3", "flow-native-sql", "flow-runtime"],
)];

/// Libraries that only some crates may use: the terminal, the async runtime, the parser.
const RESERVED: &[(&str, &[&str])] = &[
    ("pest", &["flow-grammar"]),
    ("clap", &["flow-cli"]),
    ("lsp-server", &["flow-lsp"]),
    ("miette", &["flow-compiler"]),
    ("rusqlite", &["flow-runtime", "flow-native-sql"]),
    (
        "tokio",
        &[
            "flow-runtime",
            "flow-stdlib",
            "flow-native-kafka",
            "flow-native-mail",
            "flow-native-pdf",
            "flow-native-s3",
            "flow-native-sql",
            "flow-cli",
        ],
    ),
    ("reqwest", &["flow-runtime"]),
];

/// The most lines of a file of code.
const MOST_LINES: usize = 800;
/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

/// Words that say nothing about the code they stand in, or that mean it is not finished. Each is put together here, so
/// that this file does not contain it.
fn forbidden() -> Vec<(String, &'static str)> {
    vec![
        (["todo", "!("].concat(), "not finished"),
        (["unimplemented", "!("].concat(), "not finished"),
        (["TO", "DO"].concat(), "not finished"),
        (["XX", "X:"].concat(), "not finished"),
        (["#[", "ignore"].concat(), "a test that does not run"),
        (["dbg", "!("].concat(), "left over"),
        (["/ro", "ot/"].concat(), "a path of one machine"),
        (["/wo", "rk/"].concat(), "a path of one machine"),
        (["/ho", "me/"].concat(), "a path of one machine"),
    ]
}

/// Names that a module must not have, since they say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "helpers", "manager", "common"];

#[test]
fn crates_depend_in_one_direction_only() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let optional: BTreeMap<&str, &[&str]> = OPTIONAL.iter().copied().collect();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "the table of crates is not up to date");
    for package in &metadata.packages {
        let name = package.name.as_str();
        for dependency in package.dependencies.iter().filter(|it| it.kind == DependencyKind::Normal) {
            let to = dependency.name.as_str();
            if ours.contains(to) {
                assert!(allowed[name].contains(&to), "`{name}` must not depend on `{to}`");
                let must = optional.get(name).is_some_and(|names| names.contains(&to));
                assert_eq!(dependency.optional, must, "`{name}` → `{to}`: behind a feature or not");
            }
            if let Some((_, users)) = RESERVED.iter().find(|(library, _)| *library == to) {
                assert!(users.contains(&name), "`{name}` must not use the library `{to}`");
            }
        }
    }
}

#[test]
fn every_library_is_used_and_says_what_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let manifests: Vec<String> = files(&["toml"])
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for line in section.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
        let name = line.split(" = ").next().unwrap();
        assert!(line.contains("path = ") || line.contains(" # "), "`{name}` does not say what it is for");
        let used = [format!("\n{name}.workspace = true"), format!("\n{name} = {{ workspace = true")];
        assert!(
            manifests.iter().any(|text| used.iter().any(|it| text.contains(it.as_str()))),
            "`{name}` is used by no crate"
        );
    }
}

#[test]
fn files_of_code_are_short_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for path in files(&["rs", "pest"]) {
        let text = fs::read_to_string(&path).unwrap();
        let name = shown(&path);
        let lines = text.lines().count();
        if lines > MOST_LINES && !LONGER.iter().any(|(path, _)| *path == name) {
            wrong.push(format!("{name} has {lines} lines"));
        }
        let header = if name.ends_with(".rs") { "//!" } else { "//" };
        if !text.trim_start().starts_with(header) {
            wrong.push(format!("{name} does not begin with `{header}`"));
        }
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if EMPTY_NAMES.contains(&stem.as_str()) {
            wrong.push(format!("{name} has a name that says nothing"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_that_does_not_belong() {
    let mut wrong = Vec::new();
    for path in files(&["rs", "pest", "flow", "md", "toml", "sh", "yml", "yaml", "json"]) {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            for (word, why) in forbidden() {
                if line.contains(&word) {
                    wrong.push(format!("{}:{}: `{word}`: {why}", shown(&path), number + 1));
                }
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            wrong.push(format!("{} does not end with a line end", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path below the root.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// All files of the repository with one of these extensions, sorted; what is built, hidden or waiting for review is
/// passed over.
pub(crate) fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| extensions.iter().any(|extension| it == *extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
