//! Each method and path starts one flow.
//!
//! Two flows with the same `on http` would both answer; only one of them could.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::Span,
};

use crate::{ast::TriggerSource, names::Names};

/// Reports a method and path that was taken by an earlier trigger.
pub(super) fn route(names: &Names<'_>) -> Vec<Diagnostic> {
    let mut routes: Vec<(Span, &str, &str)> = Vec::new();
    for flow in names.flows.values() {
        for trigger in &flow.ast.triggers {
            if let TriggerSource::Http { method, path } = &trigger.source {
                routes.push((path.span, &method.text, &path.text));
            }
        }
    }
    routes.sort_by_key(|(span, ..)| *span);
    let mut taken: BTreeMap<(&str, &str), Span> = BTreeMap::new();
    let mut problems = Vec::new();
    for (span, method, path) in routes {
        match taken.get(&(method, path)) {
            Some(first) => problems.push(
                Diagnostic::new(Code::E0411, format!("`{method} {path}` starts a flow already"), span, "again")
                    .label(*first, "first here")
                    .help("choose another path: one request starts one flow"),
            ),
            None => {
                taken.insert((method, path), span);
            }
        }
    }
    problems
}
