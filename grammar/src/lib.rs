//! The written form of Flow: grammar, parser with recovery, syntax tree.
//!
//! In: text. Out: a [`Tree`] and the [`Problem`]s of the text, always both. Left out on purpose: what names mean, and
//! the words of messages beyond what a person calls each part of the syntax. No type of pest leaves this crate.

mod build;
mod kind;
mod parser;
mod tree;

use pest::Parser as _;

pub use kind::Kind;
pub use tree::{Node, Tree};

/// A place where the text is not Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What could stand here, as a person calls it.
    pub expected: Vec<String>,
    /// What stands here.
    pub found: String,
    /// Which mistake it is.
    pub kind: ProblemKind,
}

/// Which mistake it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Something else was expected.
    Unexpected,
}

/// Reads a text: the tree of what could be read and the problems of what could not, in the order of the text.
pub fn read(text: &str) -> (Tree, Vec<Problem>) {
    let length = text.len() as u32;
    let mut entries = vec![build::file(length)];
    let mut problems = Vec::new();
    match parser::FlowParser::parse(parser::Rule::file, text) {
        Ok(mut pairs) => {
            let inner = pairs.next().map(|file| file.into_inner()).expect("a parse has its rule");
            build::build(inner, |offset, _| offset as u32, &mut entries);
        }
        Err(error) => {
            let at = match error.location {
                pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at as u32,
            };
            problems.push(Problem {
                start: at,
                end: at,
                expected: vec![error.variant.message().into_owned()],
                found: String::new(),
                kind: ProblemKind::Unexpected,
            });
        }
    }
    let size = entries.len() as u32;
    if let Some(file) = entries.first_mut() {
        file.size = size;
    }
    (Tree { entries }, problems)
}
