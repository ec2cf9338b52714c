//! A mistake is one problem, and costs what it stands in.

use super::shipped;
use crate::{Kind, Tree, read, scan};

fn count(tree: &Tree, kinds: &[Kind]) -> usize {
    tree.entries.iter().filter(|entry| kinds.contains(&entry.kind)).count()
}

/// What a person writes on a line of its own.
const UNITS: &[Kind] = &[
    Kind::LetStatement,
    Kind::StepStatement,
    Kind::ReturnStatement,
    Kind::ControlStatement,
    Kind::Field,
    Kind::Property,
    Kind::ConfigEntry,
    Kind::MatchArm,
    Kind::ErrorRule,
    Kind::Operation,
    Kind::Webhook,
    Kind::RecordItem,
    Kind::FlowItem,
    Kind::ConnectorItem,
    Kind::ConnectionItem,
    Kind::FnItem,
    Kind::ConstItem,
    Kind::TriggerClause,
    Kind::UseItem,
    Kind::Trigger,
    Kind::Verification,
    Kind::Challenge,
];

#[test]
fn a_token_that_is_left_out_costs_little() {
    let (mut mistakes, mut reported, mut before, mut after, mut silent) = (0, 0, 0, 0, 0);
    for (_, text) in shipped() {
        let whole = count(&read(&text).0, UNITS);
        for token in scan::scan(&text).tokens {
            let mut rest = &text[token.end as usize..];
            if token.first {
                // Nobody leaves the space behind that follows the first word of a line.
                rest = rest.trim_start_matches(' ');
            }
            let damaged = format!("{}{rest}", &text[..token.start as usize]);
            let (tree, problems) = read(&damaged);
            mistakes += 1;
            reported += problems.len();
            silent += usize::from(problems.is_empty());
            if !problems.is_empty() {
                before += whole;
                after += count(&tree, UNITS).min(whole);
            }
        }
    }
    let kept = after as f64 / before as f64;
    let each = reported as f64 / (mistakes - silent) as f64;
    assert!(kept > 0.99, "only {kept} of what is written was kept");
    assert!(each < 1.05, "{each} problems for each mistake");
}

#[test]
fn fixes_mend_what_they_are_for() {
    let (mut offered, mut wrong) = (0, Vec::new());
    for (_, text) in shipped() {
        for token in scan::scan(&text).tokens {
            let damaged = format!("{}{}", &text[..token.start as usize], &text[token.end as usize..]);
            let (_, problems) = read(&damaged);
            let [problem] = problems.as_slice() else { continue };
            if problem.fix.is_empty() {
                continue;
            }
            let mut fixed = damaged.clone();
            for edit in problem.fix.iter().rev() {
                fixed.replace_range(edit.start as usize..edit.end as usize, &edit.text);
            }
            offered += 1;
            if !read(&fixed).1.is_empty() {
                let line = fixed.get(..problem.start as usize).map_or(0, |before| before.lines().count());
                wrong.push(format!("{:?}: {:?}", problem.kind, fixed.lines().nth(line.saturating_sub(1))));
            }
        }
    }
    assert!(offered > 100 && wrong.is_empty(), "{} of {offered} fixes do not mend: {wrong:#?}", wrong.len());
}
