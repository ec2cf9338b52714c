//! What an editor is told of places in programs. A case is a program with marks, `‸`; its snapshot has the answer for each
//! mark: what the name there is, and what could be written. Of a program without marks it has the documentation.

use std::fmt::Write as _;

use flow_compiler::{
    Catalog, Project,
    query::{Surroundings, complete, document, look},
};
use insta::glob;

use crate::{
    cases::snapshot,
    programs::{Repository, errors},
    tidy::shown,
};

/// Where something is asked.
const MARK: &str = "‸";

#[test]
fn names_are_explained_as_their_snapshots_show() {
    glob!("cases/query/look/*.flow", |path| {
        let marked = std::fs::read_to_string(path).unwrap();
        let (text, places) = places(&marked);
        let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
        let mut told = String::new();
        for (number, at) in places.iter().enumerate() {
            let around = around(&catalog);
            let _ = write!(told, "{}. ", number + 1);
            let Some(look) = look(around, &shown(path), &text, *at) else {
                told.push_str("nothing\n\n");
                continue;
            };
            let name = &text[look.place.start as usize..look.place.end as usize];
            let declared = look.declared.and_then(|span| {
                let file = look.files.get(span.file)?;
                let line = file.text[..span.start as usize].lines().count();
                let name = &file.text[span.start as usize..span.end as usize];
                Some(format!("declared at {}:{line}: `{name}`\n", file.path))
            });
            let doc = if look.doc.is_empty() { String::new() } else { format!("{}\n", look.doc) };
            let _ = writeln!(told, "`{name}`\n{}\n{doc}{}", look.code, declared.unwrap_or_default());
        }
        snapshot(path, &marked, &[("looks", &told)]);
    });
}

#[test]
fn what_could_be_written_is_as_the_snapshots_show() {
    glob!("cases/query/complete/*.flow", |path| {
        let marked = std::fs::read_to_string(path).unwrap();
        let (text, places) = places(&marked);
        let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
        let mut told = String::new();
        for (number, at) in places.iter().enumerate() {
            let completion = complete(around(&catalog), &shown(path), &text, *at);
            let begun = &text[completion.place.start as usize..*at as usize];
            let _ = writeln!(told, "{}. `{begun}`", number + 1);
            for proposal in completion.proposals.iter().filter(|proposal| proposal.text.starts_with(begun)) {
                let _ = writeln!(told, "{}", format!("   {:24}  {}", proposal.text, proposal.detail).trim_end());
            }
            told.push('\n');
        }
        snapshot(path, &marked, &[("proposals", &told)]);
    });
}

#[test]
fn items_are_documented_as_the_snapshots_show() {
    glob!("cases/query/document/*.flow", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
        let (checked, items) = document(around(&catalog), &shown(path), &text);
        assert_eq!(errors(&checked), "");
        let mut told = String::new();
        for item in items {
            let _ = writeln!(told, "{}\n{}", item.code, item.doc);
            for start in &item.starts {
                let _ = writeln!(told, "starts: {start}");
            }
            for error in &item.errors {
                let _ = writeln!(told, "can end with: {error}");
            }
            told.push('\n');
        }
        snapshot(path, &text, &[("documentation", &told)]);
    });
}

/// The text without its marks, and their places.
fn places(marked: &str) -> (String, Vec<u32>) {
    let mut text = String::new();
    let mut places = Vec::new();
    for (index, piece) in marked.split(MARK).enumerate() {
        if index > 0 {
            places.push(text.len() as u32);
        }
        text.push_str(piece);
    }
    (text, places)
}

fn around(catalog: &Catalog) -> Surroundings<'_> {
    static PROJECT: std::sync::LazyLock<Project> = std::sync::LazyLock::new(Project::default);
    Surroundings { project: &PROJECT, environment: None, catalog, loader: &Repository }
}
