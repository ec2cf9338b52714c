//! What does the text look like when what can be mended is mended?
//!
//! In: a text and who tells what is wrong with it. Out: the text with the fixes applied that leave less wrong. The first fix of a
//! diagnostic is taken; of two that touch the same place the first counts, and the other is left for the next pass.

use flow_model::{
    diagnostic::{Diagnostic, Edit, Fix, Severity},
    span::FileId,
};

/// A mended text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The text.
    pub text: String,
    /// What was done, by the titles of the fixes, pass by pass in the order of the text.
    pub done: Vec<String>,
}

/// How often a text is mended: one fix can make room for another.
const MOST_PASSES: usize = 8;

/// Applies to a text what fixes it has, as long as that leaves fewer diagnostics: one that only changes what is told is a guess,
/// and is left to the reader. `check` says what is wrong with a text.
pub fn mend(file: FileId, text: &str, check: impl Fn(&str) -> Vec<Diagnostic>) -> Mended {
    let mut mended = Mended { text: text.to_owned(), done: Vec::new() };
    let mut told = check(text);
    for _ in 0..MOST_PASSES {
        // What seems of no use may be meant for what is wrong.
        let is_wrong = told.iter().any(|one| one.severity() == Severity::Error);
        let of_now = told.iter().filter(|one| !is_wrong || one.severity() == Severity::Error);
        let mut fixes = free(file, &mended.text, of_now);
        let mut tried = try_out(&mended.text, &fixes, &told, &check);
        if tried.is_none() {
            fixes.retain(|fix| try_out(&mended.text, &[*fix], &told, &check).is_some());
            tried = try_out(&mended.text, &fixes, &told, &check).or_else(|| {
                fixes.truncate(1);
                try_out(&mended.text, &fixes, &told, &check)
            });
        }
        let Some((text, left)) = tried else { break };
        mended.done.extend(fixes.iter().map(|fix| fix.title.clone()));
        (mended.text, told) = (text, left);
    }
    mended
}

/// The first fix of each diagnostic, in the order of the text; of two at one place the first.
fn free<'d>(file: FileId, text: &str, diagnostics: impl Iterator<Item = &'d Diagnostic>) -> Vec<&'d Fix> {
    let mut taken: Vec<&Fix> = Vec::new();
    for fix in diagnostics.filter_map(|diagnostic| diagnostic.fixes.first()) {
        let is_own = fix.edits.iter().all(|edit| edit.span.file == file && edit.span.end as usize <= text.len());
        let others = || taken.iter().flat_map(|fix| &fix.edits);
        let is_free = fix.edits.iter().all(|edit| others().all(|other| !overlap(edit, other)));
        if is_own && is_free && !fix.edits.is_empty() {
            taken.push(fix);
        }
    }
    taken.sort_by_key(|fix| fix.edits.iter().map(|edit| edit.span.start).min());
    taken
}

/// The text with these fixes and what is wrong with it then, if that is less by as many diagnostics as there are fixes.
fn try_out(
    text: &str,
    fixes: &[&Fix],
    told: &[Diagnostic],
    check: &impl Fn(&str) -> Vec<Diagnostic>,
) -> Option<(String, Vec<Diagnostic>)> {
    let text = applied(text, fixes);
    let left = (!fixes.is_empty()).then(|| check(&text))?;
    (left.len() + fixes.len() <= told.len()).then_some((text, left))
}

fn applied(text: &str, fixes: &[&Fix]) -> String {
    let mut edits: Vec<&Edit> = fixes.iter().flat_map(|fix| &fix.edits).collect();
    edits.sort_by_key(|edit| edit.span);
    let mut applied = text.to_owned();
    for edit in edits.iter().rev() {
        let range = edit.span.start as usize..edit.span.end as usize;
        if applied.is_char_boundary(range.start) && applied.is_char_boundary(range.end) {
            applied.replace_range(range, &edit.text);
        }
    }
    applied
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

    /// Tells of each of these words, at its first place, with what to write instead.
    fn check(words: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Vec<Diagnostic> {
        |text| {
            let found = |(word, instead): &(&str, &str)| {
                let at = u32::try_from(text.find(word)?).ok()?;
                Some(write(at, at + u32::try_from(word.len()).ok()?, instead))
            };
            words.iter().filter_map(found).collect()
        }
    }

    #[test]
    fn fixes_are_applied_together_and_the_first_of_two_at_one_place_wins() {
        let mended = mend(FileId(0), "a = b && c", check(&[("&&", "and"), (" = ", " == "), ("& c", "or c")]));
        assert_eq!(mended.text, "a == b and c");
        assert_eq!(mended.done, ["write ` == `", "write `and`"]);
    }

    #[test]
    fn what_leaves_as_much_wrong_as_before_is_left() {
        let mended = mend(FileId(0), "one two three", check(&[("one", "1"), ("two", "four"), ("four", "2 four")]));
        assert_eq!(mended.text, "1 two three");
        assert_eq!(mended.done, ["write `1`"]);
    }

    #[test]
    fn fixes_of_other_files_and_places_outside_are_left() {
        let mended = mend(FileId(0), "abc", |_| {
            let elsewhere = Span::new(FileId(1), 0, 1);
            let other = Diagnostic::new(Code::E0102, "wrong", elsewhere, "")
                .fix("x", vec![Edit { span: elsewhere, text: "x".into() }]);
            vec![other, write(2, 99, "x")]
        });
        assert_eq!(mended.text, "abc");
    }
}
