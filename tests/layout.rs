//! What holds for the layout and for fixes, over all programs of the repository: the right ones and the wrong ones.

use std::{collections::BTreeMap, fs};

use flow_compiler::format;
use flow_runtime::chance::Seeded;

use crate::{
    drawn::Grammar,
    programs::checked,
    tidy::{files, shown},
};

/// All `.flow` files of the repository, with their paths.
fn programs() -> Vec<(String, String)> {
    let all: Vec<_> =
        files(&["flow"]).into_iter().filter_map(|path| Some((shown(&path), fs::read_to_string(&path).ok()?))).collect();
    assert!(all.len() > 300, "{}", all.len());
    all
}

/// The program with other indents, other ends of lines and more empty lines. Nothing is changed inside of texts on several
/// lines.
fn shaken(text: &str) -> Option<String> {
    if text.contains("\"\"\"") {
        return None;
    }
    let mut seed = text.len();
    let mut out = String::new();
    for line in text.lines() {
        seed = seed.wrapping_mul(31).wrapping_add(line.len() + 7);
        out.push_str(&" ".repeat(seed % 5));
        out.push_str(line.trim());
        out.push_str(if seed.is_multiple_of(7) { " \n\n\n" } else { "\n" });
    }
    Some(out)
}

/// The text without what a layout may change: space, the commas that may be left out, and the bytes of line ends.
fn content(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace() && *letter != ',' && *letter != '\u{feff}').collect()
}

/// The comments of a text, each as often as it is there.
fn comments(text: &str) -> BTreeMap<String, usize> {
    let (tree, _) = flow_grammar::read(text);
    let mut found = BTreeMap::new();
    let mut open = vec![tree.root()];
    while let Some(node) = open.pop() {
        if node.kind() == flow_grammar::Kind::Comment {
            *found.entry(node.text(text).trim_end().to_owned()).or_default() += 1;
        }
        open.extend(node.children_and_comments());
    }
    found
}

/// The digest of the plan of each flow.
fn digests(path: &str, text: &str) -> Option<BTreeMap<String, String>> {
    let plans = checked(path, text).program?.plans;
    Some(plans.into_iter().map(|(name, plan)| (name, plan.digest())).collect())
}

#[test]
fn a_layout_is_stable_and_loses_nothing() {
    let mut wrong = Vec::new();
    for (path, text) in programs() {
        for text in [Some(text.clone()), shaken(&text)].into_iter().flatten() {
            let once = format(&text);
            if format(&once) != once {
                wrong.push(format!("{path}: formatting again changes something"));
            }
            if content(&once) != content(&text) {
                wrong.push(format!("{path}: something is lost, put in or moved"));
            }
            // Which words are a comment is not always known where brackets are never closed; they are there all the same.
            if flow_grammar::read(&text).1.is_empty() && comments(&once) != comments(&text) {
                wrong.push(format!("{path}: the comments differ"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_layout_can_not_read_stays_byte_for_byte() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in programs() {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let once = format(&text);
        for problem in flow_grammar::read(&text).1 {
            let (start, end) = (problem.start as usize, problem.end as usize);
            // As far as the entry goes in which it stands: what is beside it was understood.
            let from = text[..start].rfind(['\n', ',', '{', '}']).map_or(0, |at| at + 1);
            let to = text[end..].find(['\n', ',', '{', '}']).map_or(text.len(), |at| end + at);
            seen += 1;
            if !once.contains(text[from..to].trim()) {
                wrong.push(format!("{path}: {:?}", text[from..to].trim()));
            }
        }
    }
    assert!(seen > 200, "{seen}");
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_layout_changes_no_plan() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (path, text) in programs() {
        let Some(before) = digests(&path, &text) else { continue };
        compared += before.len();
        for text in [Some(text.clone()), shaken(&text)].into_iter().flatten() {
            if digests(&path, &format(&text)).as_ref() != Some(&before) {
                wrong.push(format!("{path}: a plan differs after formatting"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 60, "{compared}");
}

#[test]
fn what_fixes_leave_is_less_by_as_many_as_there_are() {
    let (mut wrong, mut mended) = (Vec::new(), 0);
    for (path, text) in programs().into_iter().filter(|(path, _)| path.starts_with("tests/cases/check/")) {
        let before = checked(&path, &text);
        let Some((own, _)) = before.files.iter().next() else { continue };
        let done = flow_compiler::mend(own, &text, |text| checked(&path, text).diagnostics);
        let after = checked(&path, &done.text);
        mended += done.done.len();
        if after.diagnostics.len() + done.done.len() > before.diagnostics.len() {
            let said: Vec<_> = after.diagnostics.iter().map(|one| format!("{}: {}", one.code, one.message)).collect();
            wrong.push(format!("{path}: {:?} leaves of {}: {said:#?}", done.done, before.diagnostics.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(mended > 250, "{mended}");
}

/// What a text is made of, in order, without its layout.
fn shape(text: &str) -> Vec<(flow_grammar::Kind, String)> {
    let (tree, _) = flow_grammar::read(text);
    let mut shape = Vec::new();
    let mut open = vec![tree.root()];
    while let Some(node) = open.pop() {
        let mut children: Vec<_> = node.children().collect();
        let text = if children.is_empty() { content(node.text(text)) } else { String::new() };
        shape.push((node.kind(), text));
        children.reverse();
        open.extend(children);
    }
    shape
}

#[test]
fn a_layout_is_stable_and_keeps_the_tree_of_two_thousand_drawn_programs() {
    const PROGRAMS: usize = 2000;
    let grammar = Grammar::read(&fs::read_to_string("grammar/flow.pest").expect("the grammar is there"));
    let (mut drawn, mut kinds) = (0, std::collections::BTreeSet::new());
    let mut wrong = Vec::new();
    for seed in 0.. {
        let text = grammar.sentence("item", &Seeded::new(seed));
        if text.len() > 4000 || !flow_grammar::read(&text).1.is_empty() {
            assert!(seed < 40 * PROGRAMS as u64, "only {drawn} of {seed} sentences are read");
            continue;
        }
        drawn += 1;
        let before = shape(&text);
        let once = format(&text);
        let said = match () {
            () if format(&once) != once => "formatting again changes something",
            () if shape(&once) != before => "the tree differs",
            () if content(&once) != content(&text) => "something is lost, put in or moved",
            () if comments(&once) != comments(&text) => "the comments differ",
            () => "",
        };
        if !said.is_empty() {
            let after = shape(&once);
            let first = before.iter().zip(&after).find(|(one, other)| one != other);
            wrong.push(format!(
                "{seed}: {said} {first:?}\n--- drawn\n{text}\n--- laid out\n{once}\n--- again\n{}",
                format(&once)
            ));
        }
        kinds.extend(before.into_iter().map(|(kind, _)| format!("{kind:?}")));
        if drawn == PROGRAMS {
            break;
        }
    }
    wrong.sort_by_key(String::len);
    assert!(wrong.is_empty(), "{} of {PROGRAMS}:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n========\n"));
    assert!(kinds.len() > 140, "{}: {kinds:?}", kinds.len());
}
