//! The programs that people copy: each is checked without a warning and has a page. They are run from outside by the
//! tests in `e2e`.

use crate::{
    programs::{checked, drawn, read},
    tidy::{files, shown},
};

#[test]
fn every_example_is_without_mistakes_and_has_a_page() {
    let mut wrong = Vec::new();
    let examples: Vec<_> = files(&["flow"]).into_iter().filter(|path| shown(path).starts_with("examples/")).collect();
    assert!(examples.len() >= 2, "{examples:?}");
    for path in examples {
        let checked = checked(&shown(&path), &read(&path));
        if !checked.diagnostics.is_empty() {
            wrong.push(drawn(&checked, &checked.diagnostics));
        }
        if !path.parent().unwrap().join("README.md").is_file() {
            wrong.push(format!("{} has no README.md beside it", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
