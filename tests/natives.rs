//! What connectors declare `native` has code, and all code is declared.

use std::collections::BTreeSet;

use flow_model::{plan::Plan, schema::Call};

use crate::programs::{checked, errors};

#[test]
fn native_declarations_and_code_agree_both_ways() {
    let mut declared = BTreeSet::new();
    for (name, source) in flow_stdlib::catalog() {
        // A plan holds only what its flow uses, so a text search finds the names and a plan shows that they are native.
        let operations: Vec<_> = source.text.split("\n  operation ").skip(1).collect();
        for operation in operations.iter().filter(|text| native(text)) {
            let end = operation.find(['(', '<']).unwrap();
            declared.insert((name.clone(), operation[..end].to_owned()));
        }
    }
    let table = flow_stdlib::native::native_table(None);
    let bound: BTreeSet<_> =
        table.operations().map(|(connector, operation)| (connector.to_owned(), operation.to_owned())).collect();
    assert_eq!(declared, bound);
    assert!(bound.contains(&("files".to_owned(), "write".to_owned())));
}

/// Says whether an operation's text has `native` in the place of a request.
fn native(text: &str) -> bool {
    text.split("\n  }").next().unwrap().lines().any(|line| line.trim() == "native")
}

#[test]
fn a_plan_says_that_an_operation_is_native() {
    let text = "use files\n\nflow note {\n  step files.write(path: \"a\", text: \"b\")\n}\n";
    let checked = checked("note.flow", text);
    assert_eq!(errors(&checked), "");
    let plan: &Plan = &checked.program.as_ref().unwrap().plans["note"];
    assert_eq!(plan.connectors["files"].operations["write"].call, Call::Native);
}
