//! The standard functions, one file for each type: signature, doc, examples and code together.
//!
//! In: arguments that the compiler has checked. Out: a value or a failure of kind `Invalid`. All are pure: what differs
//! from call to call (the time, random numbers) is no function but a step.

mod argument;
mod bytes;
mod csv;
mod date;
mod decimal;
mod digest;
mod duration;
mod email;
mod file;
mod int;
mod json;
mod list;
mod list_by;
mod map;
mod money;
mod pattern;
mod string;
mod string_parts;
mod timestamp;
mod url;
mod zoned;

use std::sync::LazyLock;

use flow_model::{
    failure::Failure,
    function::{Argument, StandardFunction},
    value::Value,
};

/// All entries, by area.
pub(crate) static ALL: LazyLock<Vec<StandardFunction>> = LazyLock::new(|| {
    [
        string::FUNCTIONS,
        string_parts::FUNCTIONS,
        pattern::FUNCTIONS,
        digest::OF_TEXT,
        int::FUNCTIONS,
        decimal::FUNCTIONS,
        money::FUNCTIONS,
        list::FUNCTIONS,
        list_by::FUNCTIONS,
        map::FUNCTIONS,
        json::FUNCTIONS,
        csv::FUNCTIONS,
        bytes::FUNCTIONS,
        digest::OF_BYTES,
        timestamp::FUNCTIONS,
        zoned::FUNCTIONS,
        date::FUNCTIONS,
        duration::FUNCTIONS,
        email::FUNCTIONS,
        url::FUNCTIONS,
        file::FUNCTIONS,
    ]
    .concat()
});

/// Makes an entry.
const fn entry(
    signature: &'static str,
    doc: &'static str,
    examples: &'static [&'static str],
    eval: fn(&[Argument<'_>]) -> Result<Value, Failure>,
) -> StandardFunction {
    StandardFunction { signature, doc, examples, eval }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod entries {
    use std::collections::BTreeSet;

    use flow_model::function::Signature;

    use super::*;

    #[test]
    fn every_signature_reads_and_every_name_is_one_function() {
        let mut names = BTreeSet::new();
        for function in ALL.iter() {
            let signature = Signature::parse(function.signature).unwrap_or_else(|why| panic!("{why}"));
            assert!(names.insert(signature.name), "`{}` is there twice", function.signature);
        }
        assert!(names.len() > 100, "{}", names.len());
    }

    #[test]
    fn every_entry_has_a_doc_and_an_example_that_uses_it() {
        for function in ALL.iter() {
            let name = Signature::parse(function.signature).unwrap().name;
            let (_, member) = name.split_once('.').unwrap();
            assert!(function.doc.ends_with('.') && !function.doc.starts_with(' '), "doc of `{name}`");
            assert!(!function.examples.is_empty(), "`{name}` has no example");
            for example in function.examples {
                assert!(example.contains(&format!(".{member}")), "`{example}` does not use `{name}`");
            }
        }
    }
}
