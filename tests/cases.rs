//! Programs with a snapshot beside each: the source, then what the user sees. `parse` shows the syntax tree and what could
//! not be read, `check` the mistakes, `plan` the drawing of each flow.
//!
//! A new case is a file; `INSTA_UPDATE=always cargo test cases` writes its snapshot, which is then read before it is kept.

use std::{collections::BTreeSet, path::Path, sync::Mutex};

use flow_compiler::draw;
use flow_model::diagnostic::Code;
use insta::{Settings, assert_snapshot, glob};

use crate::{
    programs::{PageFiles, blocks, checked, checked_with, codes, drawn, errors, read},
    tidy::{files, shown},
};

/// `glob!` counts failures for one directory at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn texts_are_read_as_their_snapshots_show() {
    let _guard = ONE_AT_A_TIME.lock();
    glob!("cases/parse/**/*.flow", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (tree, problems) = flow_grammar::read(&text);
        let problems: Vec<_> = problems.iter().map(|problem| format!("{problem:?}\n")).collect();
        snapshot(path, &text, &[("problems", &problems.concat()), ("tree", &tree.dump(&text))]);
    });
}

#[test]
fn mistakes_are_shown_as_their_snapshots_show() {
    let _guard = ONE_AT_A_TIME.lock();
    glob!("cases/check/**/*.flow", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let checked = checked(&shown(path), &text);
        snapshot(path, &text, &[("mistakes", &drawn(&checked, &checked.diagnostics))]);
    });
}

#[test]
fn flows_become_plans_as_their_snapshots_show() {
    let _guard = ONE_AT_A_TIME.lock();
    glob!("cases/plan/**/*.flow", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let checked = checked(&shown(path), &text);
        assert_eq!(errors(&checked), "");
        let plans = checked.program.unwrap().plans;
        let drawings: Vec<_> = plans.iter().map(|(name, plan)| (name.as_str(), draw::mermaid(plan))).collect();
        let parts: Vec<_> = drawings.iter().map(|(name, drawing)| (*name, drawing.as_str())).collect();
        snapshot(path, &text, &parts);
    });
}

#[test]
fn every_code_is_given_by_some_case() {
    let mut given = BTreeSet::new();
    for path in files(&["flow"]).into_iter().filter(|path| shown(path).starts_with("tests/cases/check/")) {
        given.extend(codes(&checked(&shown(&path), &std::fs::read_to_string(&path).unwrap())));
    }
    // What has no text of its own is shown by other tests: bytes that are no UTF-8, a file of 10 MB, a catalog.
    let elsewhere = ["E0101", "E0104", "E0519"];
    let missing: Vec<_> = Code::ALL
        .iter()
        .map(|code| code.id())
        .filter(|code| !given.contains(code) && !elsewhere.contains(code))
        .collect();
    assert!(missing.is_empty(), "no case in tests/cases/check gives {}", missing.join(", "));
}

#[test]
fn the_pages_of_codes_break_the_rule_first_and_follow_it_then() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let page = code.page();
        let title = format!("# {}: ", code.id());
        if !page.starts_with(&title) {
            wrong.push(format!("the page of {} does not begin with `{title}`", code.id()));
        }
        let programs: Vec<_> = blocks(page).into_iter().filter(|block| block.info == "flow").collect();
        let [breaks, follows] = programs.as_slice() else {
            if !["E0101", "E0104", "E0519"].contains(&code.id()) {
                wrong.push(format!("the page of {} has {} programs, not two", code.id(), programs.len()));
            }
            continue;
        };
        let path = format!("{}.flow", code.id());
        let first = checked_with(&path, &breaks.text, &PageFiles);
        if codes(&first) != [code.id()] {
            wrong.push(format!(
                "the first program of {} gives {:?}\n{}",
                code.id(),
                codes(&first),
                drawn(&first, &first.diagnostics)
            ));
        }
        let second = checked_with(&path, &follows.text, &PageFiles);
        if !second.diagnostics.is_empty() {
            wrong.push(format!(
                "the second program of {} is not clean:\n{}",
                code.id(),
                drawn(&second, &second.diagnostics)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn programs_on_pages_are_what_the_pages_say() {
    let mut wrong = Vec::new();
    for page in files(&["md"]) {
        let name = shown(&page);
        if name.starts_with("model/") {
            continue;
        }
        let blocks = blocks(&read(&page));
        for (at, block) in blocks.iter().enumerate() {
            // `flow`, `flow E0304`, `flow E0304 as order.flow`
            let Some(rest) = block.info.strip_prefix("flow") else { continue };
            let (expected, path) = rest.split_once(" as ").unwrap_or((rest, "example.flow"));
            let checked = checked(path, &block.text);
            let drawing = drawn(&checked, &checked.diagnostics);
            if codes(&checked).join(" ") != expected.trim() {
                wrong.push(format!("{name}:{}: gives `{}`\n{drawing}", block.line, codes(&checked).join(" ")));
            }
            // What a page shows of a diagnostic is what `flowc check` prints.
            let shown = blocks.get(at + 1).filter(|next| next.info == "text" && next.text.contains("[E"));
            if let Some(shown) = shown.filter(|shown| shown.text.trim_end() != drawing.trim_end()) {
                wrong.push(format!("{name}:{}: the drawing is\n{drawing}", shown.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn snapshot(path: &Path, source: &str, parts: &[(&str, &str)]) {
    let mut text = format!("{source}\n");
    for (title, part) in parts {
        text.push_str(&format!("──── {title}\n{}\n", if part.is_empty() { "none\n" } else { part }));
    }
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(path.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.remove_snapshot_suffix();
    settings.remove_input_file();
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    settings.bind(|| assert_snapshot!(name, text));
}
