//! What holds for every text: trees are well formed, nothing panics, time is linear, a mistake costs little.

mod mutation;
mod nesting;
mod recovery;

use std::{fs, path::PathBuf};

use crate::{CONTROL, Kind, Node, Problem, RESERVED, STATEMENTS, Tree, read, token::BODY};

/// The programs and connectors that the repository ships, with their paths.
fn shipped() -> Vec<(String, String)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut all = Vec::new();
    for folder in ["stdlib/connectors", "examples"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            for file in fs::read_dir(&path).into_iter().flatten() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "flow") {
                    all.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    all.sort();
    assert!(all.len() >= 6, "{all:?}");
    all
}

/// Asserts what the types promise about a tree and its problems.
fn assert_well_formed(text: &str, tree: &Tree, problems: &[Problem]) {
    assert_eq!(tree.root().kind(), Kind::File);
    assert_eq!((tree.root().start(), tree.root().end()), (0, text.len() as u32));
    let is_place = |at: u32| text.is_char_boundary(at as usize) && at as usize <= text.len();
    fn node(text: &str, parent: Node<'_>, is_place: &dyn Fn(u32) -> bool, count: &mut usize) {
        *count += 1;
        let mut last = parent.start();
        for child in parent.children_and_comments() {
            assert!(is_place(child.start()) && is_place(child.end()), "{child:?}");
            assert!(
                last <= child.start() && child.start() <= child.end() && child.end() <= parent.end(),
                "{parent:?} {child:?} in {text}"
            );
            last = child.end();
            node(text, child, is_place, count);
        }
    }
    let mut count = 0;
    node(text, tree.root(), &is_place, &mut count);
    assert_eq!(count, tree.len());
    for problem in problems {
        assert!(is_place(problem.start) && is_place(problem.end) && problem.start <= problem.end, "{problem:?}");
        for edit in &problem.fix {
            assert!(is_place(edit.start) && is_place(edit.end) && edit.start <= edit.end, "{problem:?}");
            assert!(!edit.text.contains('\u{1}'), "{problem:?}");
        }
    }
    assert!(problems.is_sorted_by_key(|problem| problem.start));
}

#[test]
fn what_is_shipped_reads_without_problems() {
    for (path, text) in shipped() {
        let (tree, problems) = read(&text);
        assert_eq!(problems, [], "{path}");
        assert_well_formed(&text, &tree, &problems);
        assert!(!tree.dump(&text).contains("Missing"), "{path}");
    }
}

#[test]
fn every_comment_is_in_the_tree_once() {
    for (path, text) in shipped() {
        let (tree, _) = read(&text);
        let comments = tree.entries.iter().filter(|entry| entry.kind == Kind::Comment);
        let in_tree: Vec<&str> = comments.map(|entry| &text[entry.start as usize..entry.end as usize]).collect();
        // None of the shipped files has `//` in a text outside of a URL.
        let in_text: Vec<&str> = text
            .lines()
            .filter_map(|line| line.find("//").filter(|at| !line[..*at].ends_with(':')).map(|at| &line[at..]))
            .collect();
        assert_eq!(in_tree, in_text, "{path}");
    }
}

#[test]
fn the_words_that_are_reserved_are_those_of_the_grammar() {
    let grammar = include_str!("../flow.pest");
    let (_, rule) = grammar.split_once("\nreserved = _{").unwrap();
    let (rule, _) = rule.split_once('}').unwrap();
    let mut ruled: Vec<&str> = rule.split('"').skip(1).step_by(2).collect();
    ruled.sort_unstable();
    let mut listed = RESERVED.to_vec();
    listed.sort_unstable();
    assert_eq!(listed, ruled);
    assert_eq!((STATEMENTS.last(), CONTROL.first()), (Some(&"emit"), Some(&"if")));
    assert_eq!((CONTROL.last(), BODY.last()), (Some(&"repeat"), Some(&"on")));
}

#[test]
fn a_file_may_be_empty_or_hold_nothing_but_space_and_comments() {
    for text in ["", "\n", "  \t\r\n", "// only a comment", "\u{feff}", "\u{feff}// a\n", "/// a\n\n/// b\n"] {
        let (tree, problems) = read(text);
        assert_eq!(problems, [], "{text:?}");
        assert!(tree.root().children().next().is_none());
        assert_well_formed(text, &tree, &problems);
    }
}

#[test]
fn line_ends_and_tabs_of_windows_make_no_difference() {
    for (path, text) in shipped() {
        let windows = text.replace('\n', "\r\n").replace("  ", "\t");
        let (tree, problems) = read(&windows);
        assert_eq!(problems, [], "{path}");
        let kinds = |tree: &Tree| tree.entries.iter().map(|entry| (entry.kind, entry.size)).collect::<Vec<_>>();
        assert_eq!(kinds(&tree), kinds(&read(&text).0), "{path}");
    }
}
