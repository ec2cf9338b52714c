//! Programs with a snapshot beside each: the source, then what the user sees. `parse` shows the syntax tree and what could
//! not be read, `check` the mistakes, `plan` the drawing of each flow.
//!
//! A new case is a file; `INSTA_UPDATE=always cargo test cases` writes its snapshot, which is then read before it is kept.

use std::{collections::BTreeSet, path::Path, sync::Mutex};

use flow_compiler::{
    Checked, draw,
    project::{self, Project},
};
use flow_model::diagnostic::Code;
use insta::{Settings, assert_snapshot, glob};

use crate::{
    programs::{PageFiles, blocks, checked, checked_in, checked_with, codes, drawn, drawn_of, errors, read},
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
fn every_mistake_says_what_to_do() {
    let mut silent = String::new();
    for path in files(&["flow"]).into_iter().filter(|path| shown(path).starts_with("tests/cases/check/")) {
        let checked = checked(&shown(&path), &std::fs::read_to_string(&path).unwrap());
        let mute: Vec<_> = checked.diagnostics.iter().filter(|known| known.help.is_none()).cloned().collect();
        silent.push_str(&drawn(&checked, &mute));
    }
    assert_eq!(silent, "");
}

#[test]
fn what_newcomers_write_is_one_mistake_that_says_what_to_do() {
    let mut wrong = Vec::new();
    for path in files(&["flow"]) {
        let name = shown(&path);
        if !name.starts_with("tests/cases/check/newcomers/") {
            continue;
        }
        let checked = checked(&name, &std::fs::read_to_string(&path).unwrap());
        match checked.diagnostics.as_slice() {
            [only] if only.help.is_some() => {}
            several => wrong.push(format!("{name}\n{}", drawn(&checked, several))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn projects_are_read_as_their_snapshots_show() {
    let _guard = ONE_AT_A_TIME.lock();
    glob!("cases/project/*/flow.toml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let project = in_project(path);
        let mut parts = vec![("project", drawn_of(&project.0.files, &project.0.diagnostics))];
        if let Some(checked) = &project.1 {
            let connections = checked.connections.iter().cloned().collect();
            parts.push(("strangers", drawn_of(&project.0.files, &project.0.strangers(&connections))));
            parts.push(("program", drawn(checked, &checked.diagnostics)));
        }
        let parts: Vec<_> = parts.iter().map(|(title, part)| (*title, part.as_str())).collect();
        snapshot(path, &text, &parts);
    });
}

/// The project of a `flow.toml`, and its `main.flow`, checked for the environment that the project means.
fn in_project(toml: &Path) -> (Project, Option<Checked>) {
    let project = project::read(&shown(toml), &std::fs::read_to_string(toml).unwrap());
    let environment = project.environment.as_ref().map(|named| named.value.clone());
    let main = toml.with_file_name("main.flow");
    let checked = std::fs::read_to_string(&main)
        .ok()
        .map(|text| checked_in(&project, environment.as_deref(), &shown(&main), &text));
    (project, checked)
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
    for path in files(&["toml"]).into_iter().filter(|path| shown(path).starts_with("tests/cases/project/")) {
        let (project, checked) = in_project(&path);
        given.extend(project.diagnostics.iter().map(|diagnostic| diagnostic.code.id()));
        if let Some(checked) = checked {
            let connections = checked.connections.into_iter().collect();
            given.extend(project.strangers(&connections).iter().map(|diagnostic| diagnostic.code.id()));
        }
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
        let blocks = blocks(page);
        let projects: Vec<_> = blocks.iter().filter(|block| block.info == "toml").collect();
        if let [breaks, follows] = projects.as_slice() {
            let found = |text| project::read("flow.toml", text).diagnostics;
            let codes: Vec<_> = found(&breaks.text).iter().map(|diagnostic| diagnostic.code).collect();
            if codes != [*code] || !found(&follows.text).is_empty() {
                wrong.push(format!("the first project of {code} gives {codes:?}, or the second is not clean"));
            }
            continue;
        }
        if let [only] = projects.as_slice() {
            // The rule is about a project and its programs: the page shows both as they should be.
            let project = project::read("flow.toml", &only.text);
            let program = blocks.iter().find(|block| block.info == "flow").unwrap();
            let checked = checked_in(&project, None, "main.flow", &program.text);
            let connections = checked.connections.iter().cloned().collect();
            if !project.strangers(&connections).is_empty() || !checked.diagnostics.is_empty() {
                wrong.push(format!("the project of {code} is not clean:\n{}", drawn(&checked, &checked.diagnostics)));
            }
            continue;
        }
        let programs: Vec<_> = blocks.iter().filter(|block| block.info == "flow").collect();
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

pub(crate) fn snapshot(path: &Path, source: &str, parts: &[(&str, &str)]) {
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
