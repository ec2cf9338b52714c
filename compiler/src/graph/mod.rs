//! What does each flow do, as a graph?
//!
//! In: the names of a program. Out: the plan and the source map of each flow, and all problems of constants, functions
//! and flows. A plan is complete in itself; of a flow with errors there is none.

mod binding;
mod builder;
mod content;
mod control;
mod failure;
mod flow;
mod lower;
mod policy;
mod step;
#[cfg(test)]
mod tests;
mod trigger;

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Label, Severity},
    plan::{Plan, SourceMap},
    span::FileId,
};

use crate::{names::Names, rules, types::Definitions};

/// Checks all constants, functions and flows, and makes the plan of each flow that has no error.
pub(crate) fn plans(
    names: &Names<'_>,
    definitions: &Definitions,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, (Plan, SourceMap)> {
    // What could not be read may have used what seems unused.
    let has_gaps = problems.iter().any(|problem| problem.code.id().starts_with("E01"));
    let mut found = definitions.check_all(names);
    let mut plans = BTreeMap::new();
    for (name, info) in &names.flows {
        let (plan, sources, mut own) = flow::lower(names, definitions, info, has_gaps);
        if !own.iter().any(|problem| problem.severity() == Severity::Error) {
            plans.insert(name.clone(), (plan, sources));
        }
        found.append(&mut own);
    }
    found.append(&mut rules::across_flows(names));
    if has_gaps {
        found.retain(|problem| problem.severity() == Severity::Error);
    }
    problems.append(&mut once(found));
    plans
}

/// How many places a mistake that is made several times is shown at.
const MOST_PLACES: usize = 4;

/// Tells a mistake once that is made at several places of a file: a name that is not known, a member that is not there.
/// The other places are labels, and a change that mends it is made at all of them.
fn once(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by_key(Diagnostic::span);
    let mut first: BTreeMap<(Code, FileId, String, Option<String>), (usize, usize)> = BTreeMap::new();
    let mut told: Vec<Diagnostic> = Vec::new();
    for problem in found {
        let is_of_a_name = match problem.code {
            Code::E0201 | Code::E0206 | Code::E0303 | Code::E0306 => true,
            Code::E0404 => problem.message.starts_with('`'),
            Code::E0302 => problem.message.starts_with('`') && problem.message.contains("` may be null"),
            _ => false,
        };
        if !is_of_a_name {
            told.push(problem);
            continue;
        }
        let key = (problem.code, problem.span().file, problem.message.clone(), problem.help.clone());
        match first.get_mut(&key).and_then(|(at, places)| told.get_mut(*at).map(|one| (one, places))) {
            Some((one, places)) => {
                if one.span() == problem.span() {
                    continue;
                }
                *places += 1;
                if *places <= MOST_PLACES {
                    one.labels.push(Label { span: problem.span(), text: "also here".to_owned() });
                }
                for (fix, other) in one.fixes.iter_mut().zip(problem.fixes) {
                    fix.edits.extend(other.edits);
                }
            }
            None => {
                first.insert(key, (told.len(), 1));
                told.push(problem);
            }
        }
    }
    told
}
