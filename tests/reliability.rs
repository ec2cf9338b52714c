//! `docs/reliability.md`: is each test that it names there?

use std::collections::BTreeSet;

use crate::{
    programs::read,
    tidy::{files, shown},
};

/// Names in backticks that are those of functions, below a row of the table.
fn named(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.matches('_').count() >= 2 && word.chars().all(is_of_name)).collect()
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

#[test]
fn each_test_that_the_page_names_is_there() {
    let page = read("docs/reliability.md");
    let sources: Vec<String> = files(&["rs"]).iter().map(|path| read(shown(path))).collect();
    let is_there = |name: &str| sources.iter().any(|source| source.contains(&format!("fn {name}(")));
    let missing: Vec<_> = named(&page).into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "no test has the name {missing:#?}");
    assert!(named(&page).len() > 60, "{:?}", named(&page));
    for case in (1..=25).map(|case| format!("| {case} |")).chain((1..=4).map(|case| format!("| S{case} |"))) {
        assert!(page.lines().any(|line| line.starts_with(&case)), "there is no row `{case}`");
    }
}
