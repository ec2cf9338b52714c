//! Which expectations of a test can't hold together?
//!
//! A run has one end, a flow has a result only when it completes, and both numbers of calls can't be right. Two
//! expectations that say otherwise are a mistake whatever the flow does, and the second is told.

use flow_model::{
    case::{Count, Expectation, Expected, RunState},
    diagnostic::{Code, Diagnostic},
    expr::Expr,
};

/// Reports each expectation that rules out one before it.
pub(super) fn contradictions(expectations: &[Expectation], problems: &mut Vec<Diagnostic>) {
    for (index, one) in expectations.iter().enumerate() {
        let before = expectations.iter().take(index);
        let Some((first, message)) = before.filter_map(|first| Some((first, ruled_out(first, one)?))).next() else {
            continue;
        };
        problems.push(
            Diagnostic::new(Code::E0424, message, one.span, "can't hold beside the other")
                .label(first.span, "expected here")
                .help("keep the one that is meant; what happens another time is a test of its own"),
        );
    }
}

fn ruled_out(first: &Expectation, other: &Expectation) -> Option<&'static str> {
    const RESULT: &str = "a run that does not complete has no result";
    match (&first.what, &other.what) {
        (Expected::Run { state: one, .. }, Expected::Run { state: two, .. }) => {
            let is_same = match (one, two) {
                (RunState::Failed(one), RunState::Failed(two)) => one.is_none() || two.is_none() || one == two,
                _ => one == two,
            };
            (!is_same).then_some("a run has one end")
        }
        (Expected::Run { state, .. }, Expected::Result(_)) | (Expected::Result(_), Expected::Run { state, .. }) => {
            (*state != RunState::Completed).then_some(RESULT)
        }
        (
            Expected::Called { target: one, count: first, with: first_with },
            Expected::Called { target: two, count: second, with: second_with },
        ) if one == two => {
            let is_possible = agree((*first, first_with), (*second, second_with));
            (!is_possible).then_some("both numbers of calls can't be right")
        }
        (
            Expected::Emitted { event: one, count: first, with: first_with },
            Expected::Emitted { event: two, count: second, with: second_with },
        ) if one == two => {
            let is_possible = agree((*first, first_with), (*second, second_with));
            (!is_possible).then_some("both numbers of events can't be right")
        }
        _ => None,
    }
}

/// Says whether both counts of one thing can hold. Of all of them, those with certain content are a part.
fn agree((first, first_with): (Count, &Option<Expr>), (second, second_with): (Count, &Option<Expr>)) -> bool {
    let (whole, part) = match (first_with, second_with) {
        (None, None) => {
            return match (first, second) {
                (Count::Exactly(first), Count::Exactly(second)) => first == second,
                (Count::Exactly(0), Count::AtLeastOnce) | (Count::AtLeastOnce, Count::Exactly(0)) => false,
                _ => true,
            };
        }
        (None, Some(_)) => (first, second),
        (Some(_), None) => (second, first),
        (Some(_), Some(_)) => return true,
    };
    let most = match part {
        Count::AtLeastOnce => 1,
        Count::Exactly(times) => times,
    };
    !matches!(whole, Count::Exactly(times) if times < most)
}
