//! What does the text look like when what can be mended is mended?
//!
//! In: a text and the diagnostics of its file. Out: the text with their fixes applied. The first fix of a diagnostic is
//! taken; of two that touch the same place the first counts, and the other is left for the next check.

use flow_model::{
    diagnostic::{Diagnostic, Edit},
    span::FileId,
};

/// A mended text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The text.
    pub text: String,
    /// What was done, by the titles of the fixes, in the order of the text.
    pub done: Vec<String>,
}

/// Applies the fixes of the diagnostics of a file.
pub fn mend(file: FileId, text: &str, diagnostics: &[Diagnostic]) -> Mended {
    let mut edits: Vec<&Edit> = Vec::new();
    let mut done = Vec::new();
    for diagnostic in diagnostics {
        let Some(fix) = diagnostic.fixes.first() else { continue };
        let is_own = fix.edits.iter().all(|edit| edit.span.file == file && edit.span.end as usize <= text.len());
        let is_free = fix.edits.iter().all(|edit| edits.iter().all(|other| !overlap(edit, other)));
        if is_own && is_free && !fix.edits.is_empty() {
            edits.extend(&fix.edits);
            done.push((fix.edits.iter().map(|edit| edit.span.start).min(), fix.title.clone()));
        }
    }
    edits.sort_by_key(|edit| edit.span);
    let mut mended = text.to_owned();
    for edit in edits.iter().rev() {
        let range = edit.span.start as usize..edit.span.end as usize;
        if mended.is_char_boundary(range.start) && mended.is_char_boundary(range.end) {
            mended.replace_range(range, &edit.text);
        }
    }
    done.sort();
    Mended { text: mended, done: done.into_iter().map(|(_, title)| title).collect() }
}

fn overlap(one: &Edit, other: &Edit) -> bool {
    let (a, b) = (one.span, other.span);
    (a.start < b.end && b.start < a.end) || a.start == b.start
}

#[cfg(test)]
mod tests {
    use flow_model::{diagnostic::Code, span::Span};

    use super::*;

    fn write(at: u32, end: u32, text: &str) -> Diagnostic {
        let span = Span::new(FileId(0), at, end);
        Diagnostic::new(Code::E0102, "wrong", span, "")
            .fix(format!("write `{text}`"), vec![Edit { span, text: text.to_owned() }])
    }

    #[test]
    fn fixes_are_applied_together_and_the_first_of_two_at_one_place_wins() {
        let mended = mend(FileId(0), "a = b && c", &[write(6, 8, "and"), write(2, 3, "=="), write(5, 7, "or")]);
        assert_eq!(mended.text, "a == b and c");
        assert_eq!(mended.done, ["write `==`", "write `and`"]);
    }

    #[test]
    fn fixes_of_other_files_and_places_outside_are_left() {
        let elsewhere = Span::new(FileId(1), 0, 1);
        let other = Diagnostic::new(Code::E0102, "wrong", elsewhere, "")
            .fix("x", vec![Edit { span: elsewhere, text: "x".into() }]);
        assert_eq!(mend(FileId(0), "abc", &[other, write(2, 99, "x")]).text, "abc");
    }
}
