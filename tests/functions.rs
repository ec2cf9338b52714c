//! Standard functions: their examples are true, and their page in docs/ is fresh.

use std::collections::BTreeMap;

use flow_model::{
    function::{Signature, StandardFunction},
    plan::{NodeKind, Plan},
    value::Value,
};
use flow_runtime::eval::{Evaluator, Frame, Library, Slots as _};

use crate::{
    programs::{checked, errors, read},
    tidy::root,
};

#[test]
fn every_example_of_a_standard_function_is_true() {
    let mut wrong = Vec::new();
    for function in flow_stdlib::functions() {
        for example in function.examples {
            let checked = checked("example.flow", &format!("flow example {{\n  return {example}\n}}\n"));
            let Some(program) = &checked.program else {
                wrong.push(errors(&checked));
                continue;
            };
            match value(&program.plans["example"]) {
                Ok(Value::Bool(true)) => {}
                Ok(other) => wrong.push(format!("`{example}` is {other}")),
                Err(why) => wrong.push(format!("`{example}` fails: {why}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a flow without steps returns.
fn value(plan: &Plan) -> Result<Value, String> {
    let library = Library::new(flow_stdlib::functions());
    let evaluator = Evaluator {
        library: &library,
        functions: &plan.functions,
        types: &plan.types,
        env: &BTreeMap::new(),
        ambient: &|_| None,
    };
    let mut frame = Frame::new();
    let mut at = plan.entry;
    while let Some(node) = at {
        match &plan.graph[node].kind {
            NodeKind::Let { slot, value } => {
                let value = evaluator.eval(value, &mut frame).map_err(|failure| failure.to_string())?;
                frame.set(*slot, value);
            }
            NodeKind::Return(value) => {
                return evaluator.eval(value, &mut frame).map_err(|failure| failure.to_string());
            }
            other => return Err(format!("an example has no {other:?}")),
        }
        at = plan.next(node);
    }
    Err("nothing is returned".to_owned())
}

#[test]
fn the_page_of_functions_is_fresh() {
    let fresh = page(flow_stdlib::functions());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join("docs/functions.md"), &fresh).unwrap();
    }
    assert_eq!(read("docs/functions.md"), fresh, "`UPDATE_DOCS=1 cargo test the_page_of_functions` writes it anew");
}

fn page(functions: &[StandardFunction]) -> String {
    let mut page = String::from(
        "<!-- Generated from stdlib/src/functions by the test `the_page_of_functions_is_fresh`. -->\n\
         # Standard functions\n\n\
         All are pure. A trailing `?` on a parameter's name means that it may be left out. `N` stands for what can be \
         added up,\n`K` for what has an order, other single letters for any type.\n\n\
         Some names say more than a type, and a literal that is given there is checked when the program is: `Pattern` is a \
         `String` that is a\nregular expression (the crate `regex`: linear time), `Zone` one that names a time zone \
         (`Europe/Berlin`), `TimeFormat`, `DayFormat`,\n`DayPattern` and `TimePattern` ones with directives of `strftime` and \
         `strptime`, `TimeOfDay` is `09:00`, `Currency` a code of ISO 4217,\n`Character` one character, `Separator` a \
         text that is not empty, `CellSeparator` what separates values in CSV. `Count` is an `Int` from 0, `Positive` one from 1, `Places`\none from 0 to 28. Where `@whole` stands after\na type, records have null there for each field that they lack.\n",
    );
    let mut area = String::new();
    for function in functions {
        let signature = Signature::parse(function.signature).unwrap();
        let (owner, _) = signature.name.split_once('.').unwrap();
        if owner != area {
            page.push_str(&format!("\n## {owner}\n"));
            area = owner.to_owned();
        }
        let examples: Vec<_> = function.examples.iter().map(|example| format!("    {example}\n")).collect();
        page.push_str(&format!("\n`{}`  \n{}\n\n{}", function.signature, function.doc, examples.concat()));
    }
    page
}
