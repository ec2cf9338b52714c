//! Functions that match text against regular expressions (the syntax of the crate `regex`: linear time, no
//! back-references). Expressions are compiled once for each thread.

use std::{cell::RefCell, collections::HashMap};

use flow_model::{failure::Failure, function::StandardFunction, literal::MOST_COMPILED, value::Value};
use regex::{Regex, RegexBuilder};

use super::{
    argument::{Arguments, invalid, or_null, texts},
    entry,
};

/// How many compiled expressions a thread keeps.
const MOST_KEPT: usize = 64;

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "String.matches(self: String, pattern: Pattern) -> Bool",
        "Says whether a regular expression fits somewhere in the text; `^` and `$` tie it to the ends.",
        &[r#""DE-10115".matches(r"^[A-Z]{2}-\d+$")"#, r#"not "x".matches("y")"#],
        |args| Ok(Value::Bool(compiled(args.text(1)?)?.is_match(args.text(0)?))),
    ),
    entry(
        "String.capture(self: String, pattern: Pattern) -> List<String?>?",
        "What the groups of a regular expression took at its first fit (a group that took no part is null), or null where it fits nowhere.",
        &[r#""Order A-17 paid".capture(r"([A-Z])-(\d+)") == ["A", "17"]"#, r#""none".capture(r"(\d+)") == null"#],
        |args| {
            let groups = compiled(args.text(1)?)?.captures(args.text(0)?).map(|found| {
                Value::List(
                    found.iter().skip(1).map(|group| or_null(group.map(|it| Value::text(it.as_str())))).collect(),
                )
            });
            Ok(or_null(groups))
        },
    ),
    entry(
        "String.find_all(self: String, pattern: Pattern) -> List<String>",
        "Each fit of a regular expression, from left to right; none overlaps with the one before.",
        &[r#""a1, b22".find_all(r"\d+") == ["1", "22"]"#],
        |args| {
            let expression = compiled(args.text(1)?)?;
            Ok(texts(expression.find_iter(args.text(0)?).map(|found| found.as_str())))
        },
    ),
    entry(
        "String.split_pattern(self: String, pattern: Pattern) -> List<String>",
        "The pieces between the fits of a regular expression.",
        &[r#""a, b;c".split_pattern(r"[,;]\s*") == ["a", "b", "c"]"#],
        |args| Ok(texts(compiled(args.text(1)?)?.split(args.text(0)?))),
    ),
    entry(
        "String.replace_pattern(self: String, pattern: Pattern, to: String) -> String",
        "Replaces each fit of a regular expression; `$1` or `${1}` in `to` is the first group, `$$` a dollar sign.",
        &[r#""a1b22".replace_pattern(r"\d+", "_") == "a_b_""#],
        |args| Ok(Value::text(compiled(args.text(1)?)?.replace_all(args.text(0)?, args.text(2)?))),
    ),
];

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

fn compiled(pattern: &str) -> Result<Regex, Failure> {
    COMPILED.with_borrow_mut(|kept| {
        if let Some(regex) = kept.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = RegexBuilder::new(pattern)
            .size_limit(MOST_COMPILED)
            .build()
            .map_err(|why| invalid(format!("`{pattern}` is no regular expression: {}", last_line(&why.to_string()))))?;
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    })
}

/// The reason, without the drawing of the expression above it.
fn last_line(message: &str) -> &str {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ")
}
