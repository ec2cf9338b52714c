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
mod once;
mod policy;
mod step;
#[cfg(test)]
mod tests;
mod trigger;

pub(crate) use self::{content::referred, failure::of_operation, step::wire};

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Diagnostic, Severity},
    plan::{Plan, SourceMap},
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
    problems.append(&mut once::once(found));
    plans
}
