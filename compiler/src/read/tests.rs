//! What programs read as.

use std::{fs, path::PathBuf};

use flow_model::span::FileId;

use super::source;

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The programs and connectors that the repository ships.
fn shipped() -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for folder in ["stdlib/connectors", "examples"] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            for file in fs::read_dir(entry.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "flow") {
                    all.push((path.clone(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    all
}

#[test]
fn what_is_shipped_reads_without_problems() {
    let all = shipped();
    assert!(all.len() >= 6, "{all:?}");
    for (path, text) in all {
        let (file, problems) = source(&text, FileId(0));
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
        assert!(!file.items.is_empty(), "{}", path.display());
    }
}
