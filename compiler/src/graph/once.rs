//! Which mistakes are one mistake?
//!
//! In: problems. Out: the same, with those put together that are made at several places of a file: a name that is not
//! known, a member that is not there. The other places become labels, and a change that mends it is made at all of them.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Label},
    span::FileId,
};

/// How many places a mistake is shown at.
const MOST_PLACES: usize = 4;

/// What two problems have in common that are one mistake.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Mistake {
    code: Code,
    file: FileId,
    message: String,
    help: Option<String>,
}

/// Tells each mistake once, by its first place.
pub(super) fn once(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by_key(Diagnostic::span);
    let mut first: BTreeMap<Mistake, usize> = BTreeMap::new();
    let mut told: Vec<Diagnostic> = Vec::new();
    for problem in found {
        if !is_of_a_name(&problem) {
            told.push(problem);
            continue;
        }
        let mistake = Mistake {
            code: problem.code,
            file: problem.span().file,
            message: problem.message.clone(),
            help: problem.help.clone(),
        };
        match first.get(&mistake).and_then(|at| told.get_mut(*at)) {
            Some(one) => add_place(one, problem),
            None => {
                first.insert(mistake, told.len());
                told.push(problem);
            }
        }
    }
    told
}

/// Says whether the message names what it is about, so that two with the same words are one mistake.
fn is_of_a_name(problem: &Diagnostic) -> bool {
    match problem.code {
        Code::E0201 | Code::E0206 | Code::E0303 | Code::E0306 => true,
        Code::E0302 => problem.message.starts_with('`') && problem.message.contains("` may be null"),
        Code::E0404 => problem.message.starts_with('`'),
        _ => false,
    }
}

fn add_place(one: &mut Diagnostic, other: Diagnostic) {
    const ALSO: &str = "also here";
    if one.span() == other.span() {
        return;
    }
    if one.labels.iter().filter(|label| label.text == ALSO).count() + 1 < MOST_PLACES {
        one.labels.push(Label { span: other.span(), text: ALSO.to_owned() });
    }
    for (fix, other) in one.fixes.iter_mut().zip(other.fixes) {
        fix.edits.extend(other.edits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow_model::{diagnostic::Edit, span::Span};

    fn unknown(at: u32) -> Diagnostic {
        let span = Span::new(FileId(0), at, at + 1);
        Diagnostic::new(Code::E0201, "there is no value `x`", span, "not known")
            .fix("write `y`", vec![Edit { span, text: "y".to_owned() }])
    }

    #[test]
    fn places_are_few_and_changes_are_all() {
        let other = Diagnostic::new(Code::E0301, "`Int` is expected", Span::new(FileId(0), 3, 4), "of type `String`");
        let told = once(vec![other.clone(), unknown(50), other.clone(), unknown(10), unknown(20), unknown(10)]);
        let [of_type, same, of_name] = &told[..] else { panic!("{told:?}") };
        assert_eq!((of_type, same), (&other, &other), "what names nothing is told each time");
        assert_eq!(of_name.span().start, 10);
        assert_eq!(of_name.labels.iter().map(|label| label.span.start).collect::<Vec<_>>(), [10, 20, 50]);
        assert_eq!(of_name.fixes[0].edits.len(), 3);
        let many = once((0..10).map(|at| unknown(at * 10)).collect());
        assert_eq!((many.len(), many[0].labels.len(), many[0].fixes[0].edits.len()), (1, MOST_PLACES, 10));
    }
}
