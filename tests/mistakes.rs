//! Ten mistakes in a file are told at their ten places, and all that is right around them is read.

use std::{collections::BTreeSet, fs};

use flow_grammar::{Kind, read};

use crate::tidy::{files, shown};

/// What stands behind the lines with a mistake.
const MARK: &str = "// wrong";

#[test]
fn each_of_ten_mistakes_is_told_at_its_line() {
    let paths = files(&["flow"]).into_iter().filter(|path| shown(path).starts_with("tests/cases/parse/ten/"));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let (tree, problems) = read(&text);
        let line = |at: u32| text[..at as usize].matches('\n').count() + 1;
        let told: BTreeSet<usize> = problems.iter().map(|problem| line(problem.start)).collect();
        let marked: BTreeSet<usize> =
            text.lines().enumerate().filter(|(_, line)| line.contains(MARK)).map(|(index, _)| index + 1).collect();
        assert!(marked.len() >= 10, "{}", shown(&path));
        seen += 1;
        if told != marked || problems.len() != marked.len() {
            wrong.push(format!("{}: told on {told:?}, marked are {marked:?}: {problems:#?}", shown(&path)));
        }
        // What is right stays: every item begins a line, and each that has no mistake of its own is in the tree.
        let items = tree.root().children().filter(|item| item.kind() != Kind::Missing).count();
        let written = text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase())).count();
        if items + 1 < written {
            wrong.push(format!("{}: {items} of {written} items are in the tree", shown(&path)));
        }
    }
    assert_eq!(seen, 3);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
