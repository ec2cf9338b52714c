//! What the parser could not read, in words.

use flow_grammar::Problem;
use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Span},
};

/// The diagnostic of a problem of the text.
pub(super) fn diagnostic(problem: &Problem, file: FileId) -> Diagnostic {
    let span = Span::new(file, problem.start, problem.end);
    Diagnostic::new(Code::E0102, format!("expected {}", problem.expected.join(" or ")), span, "not expected here")
}
