//! Which name did the author mean?
//!
//! In: a name that means nothing and those that would. Out: the nearest one, if it is near enough to be a slip of the
//! hand, and the diagnostic for an unknown name that offers it. In a program with very many unknown names, only the first
//! ones are compared with all others, since that takes time with the square of their number.

use std::cell::Cell;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::Span,
};

use crate::{ast::Ident, query::watch};

/// Most bytes of a name that is compared; a longer one is no slip of the hand.
const LONGEST: usize = 64;

/// How many comparisons one check makes.
const COMPARISONS: u32 = 200_000;

thread_local! {
    /// How many comparisons are left to the check that runs on this thread.
    static LEFT: Cell<u32> = const { Cell::new(COMPARISONS) };
}

/// Begins a check: names are compared again.
pub(crate) fn begin_suggesting() {
    LEFT.set(COMPARISONS);
}

/// Says whether names are still compared: when not, there is no need to collect candidates.
pub(crate) fn is_worth_it() -> bool {
    LEFT.get() > 0
}

/// Takes one comparison from those that are left.
fn compare() -> bool {
    let left = LEFT.get();
    LEFT.set(left.saturating_sub(1));
    left > 0
}

/// The candidate that `name` is most likely a misspelling of.
///
/// A third of the letters may differ, at least one; a swap of two neighbours counts as one difference, upper and lower
/// case as none. Of several that are equally near, the first in order is taken.
pub(crate) fn similar<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if watch::is_asked(name) {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        watch::offer(name, || candidates.into_iter().map(|candidate| (candidate, String::new())).collect());
        return None;
    }
    if name.len() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .take_while(|_| compare())
        .filter(|candidate| candidate.len() <= LONGEST && *candidate != name)
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Reports that `name` means nothing here: `what` says what was looked for (`policy`, `operation of `slack``), and the
/// nearest candidate is offered.
pub(crate) fn unknown<'a>(
    code: Code,
    what: &str,
    name: &Ident,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    let problem = Diagnostic::new(code, format!("there is no {what} `{}`", name.text), name.span, "not known");
    match similar(&name.text, candidates) {
        Some(near) => problem
            .help(format!("did you mean `{near}`?"))
            .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
        None => problem,
    }
}

/// Reports the second declaration of a name.
pub(crate) fn duplicate(what: &str, name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::new(Code::E0202, format!("the {what} `{}` is declared twice", name.text), name.span, "declared again")
        .label(first, "first declared here")
        .help("rename one of them, or leave it out")
}

/// Reports a property, setting or argument that is given a second time.
pub(crate) fn repeated(what: &str, name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::new(Code::E0202, format!("the {what} `{}` is given twice", name.text), name.span, "given again")
        .label(first, "first given here")
        .help("leave one out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_understood() {
        let names = ["customer", "amount", "receipt_email", "id"];
        assert_eq!(similar("custommer", names), Some("customer"));
        assert_eq!(similar("Amuont", names), Some("amount"));
        assert_eq!(similar("reciept_email", names), Some("receipt_email"));
        assert_eq!(similar("ID", names), Some("id"));
        assert_eq!(similar("total", names), None);
        assert_eq!(similar("x", names), None);
    }

    #[test]
    fn a_very_long_name_is_not_compared() {
        let long = "a".repeat(1_000_000);
        assert_eq!(similar(&long, [long.as_str(), "a"]), None);
    }
}
