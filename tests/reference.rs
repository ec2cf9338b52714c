//! The language reference covers the grammar: each form of an item, a statement, a clause, an expression, a pattern and a
//! type stands in a program of the section that describes it.

use std::collections::BTreeSet;

use flow_compiler::project;
use flow_grammar::Node;

use crate::programs::{blocks, drawn_of, read};

/// The page, and the beginnings of the headings of the sections that describe what a choice of the grammar offers.
const CHOICES: &[(&str, &str)] = &[
    ("item", "5 6 9 11"),
    ("member_item", "9"),
    ("trigger_source", "6 8"),
    ("statement", "6 7 8"),
    ("step_clause", "7 8"),
    ("control", "8"),
    ("primary", "3 4 5 8"),
    ("literal", "3 4"),
    ("pattern_one", "5 8"),
    ("type_atom", "3"),
    ("stub_answer", "11"),
    ("expectation", "11"),
];

/// What is described there without being an alternative of a choice.
const PARTS: &[(&str, &str)] = &[
    ("use_connectors", "5"),
    ("use_file", "5"),
    ("use_names", "5"),
    ("json_name", "3"),
    ("default", "3"),
    ("bound", "3"),
    ("attribute", "3"),
    ("union_case", "5"),
    ("error_rule", "9"),
    ("when_condition", "9"),
    ("status_class", "9"),
    ("connection_condition", "9"),
    ("request", "9"),
    ("fails", "6"),
    ("bind", "6"),
    ("none_because", "6"),
    ("for_span", "6"),
    ("step_name", "7"),
    ("wait", "8"),
    ("catch_arm", "7"),
    ("guard", "7"),
    ("else_if", "8"),
    ("concurrency", "8"),
    ("on_error", "8"),
    ("pace", "8"),
    ("lambda", "4"),
    ("member", "4"),
    ("safe_member", "4"),
    ("index", "4"),
    ("call", "4"),
    ("convert", "4"),
    ("spread", "4"),
    ("insert", "4"),
    ("rest_pattern", "8"),
    ("given", "11"),
    ("how_often", "11"),
    ("called_with", "11"),
];

/// Rules of the grammar that the section on what is not there yet names by the word beside them.
const NOT_YET: &[(&str, &str)] = &[("destination_item", "destination"), ("later_item", "route")];

#[test]
fn each_form_of_the_grammar_is_in_a_program_of_its_section() {
    let grammar = read("grammar/flow.pest");
    let page = read("docs/language.md");
    let mut missing = Vec::new();
    let mut look = |rule: &str, of: &str, numbers: &str| {
        let kinds: BTreeSet<String> = numbers.split(' ').flat_map(|number| kinds(section(&page, number))).collect();
        if !kinds.contains(&camel_case(rule)) {
            missing.push(format!("`{rule}` ({of}) is in no program of the sections {numbers}"));
        }
    };
    for (choice, numbers) in CHOICES {
        for rule in alternatives(&grammar, choice) {
            let is_later = NOT_YET.iter().any(|(later, _)| *later == rule);
            // Described with the choice that they are, or stands for what could not be read.
            let is_choice = CHOICES.iter().any(|(known, _)| *known == rule);
            if !is_later && !is_choice && rule != "hole" {
                look(tree_name(&rule), choice, numbers);
            }
        }
    }
    for (rule, numbers) in PARTS {
        assert!(grammar.contains(&format!("\n{rule} ")), "the grammar has no rule `{rule}`");
        look(rule, "a part", numbers);
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let later = page.split("Not yet\n").last().unwrap();
    for (rule, word) in NOT_YET {
        assert!(grammar.contains(&format!("\n{rule} ")), "the grammar has no rule `{rule}`");
        assert!(later.contains(&format!("`{word}`")), "`{word}` is not among what is not there yet");
        assert!(!kinds(&page).contains(&camel_case(rule)), "`{word}` is in a program and among what is not there yet");
    }
}

#[test]
fn words_in_shown_grammar_are_words_of_the_grammar() {
    let grammar = read("grammar/flow.pest");
    let mut blocks = blocks(&read("docs/language.md"));
    blocks.retain(|block| block.info == "grammar");
    assert!(blocks.len() >= 6, "{}", blocks.len());
    for block in blocks {
        for word in block.text.split('"').skip(1).step_by(2) {
            let is_known = grammar.contains(&format!("\"{word}\"")) || ["verify", "default"].contains(&word);
            assert!(is_known, "docs/language.md:{}: the grammar has no `{word}`", block.line);
        }
    }
}

#[test]
fn projects_on_pages_are_without_mistakes() {
    let mut found = 0;
    for page in ["docs/language.md", "docs/operations.md"] {
        for block in blocks(&read(page)).iter().filter(|block| block.info == "toml") {
            let project = project::read("flow.toml", &block.text);
            let drawing = drawn_of(&project.files, &project.diagnostics);
            assert!(project.diagnostics.is_empty(), "{page}:{}:\n{drawing}", block.line);
            found += 1;
        }
    }
    assert!(found >= 3, "{found}");
}

/// A section of the page by its number.
fn section<'p>(page: &'p str, number: &str) -> &'p str {
    let start = page.find(&format!("\n## {number}. ")).unwrap_or_else(|| panic!("there is no section {number}"));
    let rest = &page[start + 1..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The kinds of nodes in the programs of a part of a page.
fn kinds(page: &str) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for block in blocks(page).iter().filter(|block| block.info.split(' ').next() == Some("flow")) {
        let (tree, _) = flow_grammar::read(&block.text);
        let mut open: Vec<Node<'_>> = vec![tree.root()];
        while let Some(node) = open.pop() {
            kinds.insert(format!("{:?}", node.kind()));
            open.extend(node.children());
        }
    }
    kinds
}

/// The rules that a choice is between.
fn alternatives(grammar: &str, choice: &str) -> Vec<String> {
    let start = grammar.find(&format!("\n{choice} ")).unwrap_or_else(|| panic!("there is no rule `{choice}`"));
    let body = grammar[start..].split_once('{').unwrap().1.split_once('}').unwrap().0;
    body.split('|').map(|rule| rule.trim().to_owned()).collect()
}

/// The rule under whose name the tree has what another one makes.
fn tree_name(rule: &str) -> &str {
    match rule {
        "kw_true" => "true",
        "kw_false" => "false",
        "kw_null" => "null",
        other => other,
    }
}

fn camel_case(rule: &str) -> String {
    rule.split('_').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..])).collect()
}
