//! What does each flow do, as a graph?
//!
//! In: the names of a program. Out: the plan and the source map of each flow, and all problems of constants, functions
//! and flows. A plan is complete in itself; of a flow with errors there is none.

mod account;
mod answer;
mod attempts;
mod binding;
mod body;
mod builder;
mod call;
mod content;
mod control;
mod deadline;
mod event;
mod failure;
mod flow;
mod gather;
mod keyed;
mod lower;
mod once;
mod policy;
mod repetition;
mod saga;
mod schedule;
mod step;
mod stream;
#[cfg(test)]
mod tests;
mod trigger;
mod verify;

pub(crate) use self::{
    account::{accounts, hooks},
    content::referred,
    failure::of_operation,
    step::wire,
};

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use flow_model::{
    diagnostic::{Code, Diagnostic, Severity},
    plan::{Plan, SourceMap},
    span::Span,
};

use crate::{names::Names, rules, types::Definitions};

/// Checks all constants, functions and flows, and makes the plan of each flow that has no error.
pub(crate) fn plans(
    names: &Names<'_>,
    definitions: &Definitions,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, (Plan, SourceMap)> {
    // What could not be read may have used what seems unused.
    let unread = problems.iter().filter(|problem| problem.code.id().starts_with("E01"));
    let gaps: Rc<[Span]> = unread.map(Diagnostic::span).collect();
    let mut found = definitions.check_all(names);
    let mut plans = BTreeMap::new();
    let mut signatures = call::Signatures::new();
    let mut personal = rules::Personal::new(names, definitions);
    let mut cuts = content::Cuts::default();
    let mut sent = Vec::new();
    let (order, called) = call::in_order(names, &mut found);
    for name in order {
        let Some(info) = names.flows.get(name) else { continue };
        let flow::Lowered { mut plan, sources, arguments, sent: mut sends, problems: mut own } =
            flow::lower(names, definitions, info, &signatures, &mut cuts, &gaps);
        sent.append(&mut sends);
        let is_sound = !own.iter().any(|problem| problem.severity() == Severity::Error);
        if is_sound {
            own.append(&mut personal.flow(&mut plan, &sources, &arguments));
        }
        let signature = call::Signature {
            result: plan.result.clone(),
            errors: plan.errors.clone(),
            is_open: !is_sound,
            digest: if is_sound && called.contains(name) { plan.digest() } else { String::new() },
        };
        signatures.insert(name.to_owned(), signature);
        if is_sound {
            plans.insert(name.to_owned(), (plan, sources));
        }
        found.append(&mut own);
    }
    found.append(&mut body::bodies(names, definitions, &signatures, &gaps));
    found.append(&mut rules::across_flows(names, sent));
    if !gaps.is_empty() {
        found.retain(|problem| problem.severity() == Severity::Error);
    }
    // Of a call that was left without `step` it is said before that nothing is done with it.
    let start = |problem: &Diagnostic| (problem.span().file, problem.span().start);
    let idle: BTreeSet<_> = problems.iter().filter(|known| known.code == Code::E0102).map(start).collect();
    found.retain(|problem| problem.code != Code::E0404 || !idle.contains(&start(problem)));
    problems.append(&mut once::once(found));
    plans
}
