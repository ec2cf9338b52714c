//! Calls of flows: `step r = other_flow(a: 1)` is a run of its own.
//!
//! In: the flows of a program. Out: an order in which each comes after those that it calls, the circles among them, and
//! the node of each call. A flow's result and errors are known to its callers as soon as it is lowered.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, Slot},
    failure::ErrorKind,
    plan::NodeKind,
    span::Span,
    ty::Type,
};
use indexmap::IndexMap;

use super::{builder::Chain, lower::Lowering};
use crate::{
    ast::{self, Arg, ExprKind},
    names::{FlowInfo, Names, walk},
    query::watch::{self, Meaning},
    types::{Callee, Parameter, Typed, argument_left_out},
};

/// What callers know of a flow.
pub(super) struct Signature {
    /// The type of its result.
    pub result: Type,
    /// The errors that it can end with.
    pub errors: Vec<ErrorKind>,
    /// Whether there may be others, because a part of it was not understood.
    pub is_open: bool,
    /// The digest of its plan, if something calls it.
    pub digest: String,
}

/// Flows that callers can rely on, by name.
pub(super) type Signatures = BTreeMap<String, Signature>;

/// A flow that is called, and where.
type Called<'n> = (&'n str, Span);

/// The flows, each after those that it calls, as far as they don't go in circles; the circles are reported. With them
/// those that are called.
pub(super) fn in_order<'n>(names: &'n Names<'_>, problems: &mut Vec<Diagnostic>) -> (Vec<&'n str>, BTreeSet<&'n str>) {
    let mut order = Vec::new();
    let mut all_called = BTreeSet::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in names.flows.keys() {
        // Depth first, with the way taken kept beside.
        let mut way: Vec<(&str, Vec<Called<'_>>, Span)> = Vec::new();
        if done.insert(start) {
            way.push((start, calls(names, start), Span::default()));
        }
        while let Some((flow, left, _)) = way.last_mut() {
            let Some((called, span)) = left.pop() else {
                order.push(*flow);
                way.pop();
                continue;
            };
            all_called.insert(called);
            if let Some(at) = way.iter().position(|(flow, ..)| *flow == called) {
                let circle: Vec<Called<'_>> = way.iter().skip(at + 1).map(|(flow, _, span)| (*flow, *span)).collect();
                problems.push(circle_of(called, span, &circle));
            } else if done.insert(called) {
                way.push((called, calls(names, called), span));
            }
        }
    }
    (order, all_called)
}

/// The flows that a flow calls, with the places, the first last.
fn calls<'n>(names: &'n Names<'_>, flow: &str) -> Vec<Called<'n>> {
    struct Calls<'v, 'n, 'a> {
        names: &'n Names<'a>,
        found: &'v mut Vec<Called<'n>>,
    }
    impl<'s> walk::Visitor<'s> for Calls<'_, '_, '_> {
        fn step(&mut self, step: &'s ast::Step) {
            if let ExprKind::Call { callee, .. } = &step.call.kind
                && let ExprKind::Name(name) = &callee.kind
                && self.names.sees(callee.span.file, name)
                && let Some((name, _)) = self.names.flows.get_key_value(name)
            {
                self.found.push((name, callee.span));
            }
        }
    }
    let mut found = Vec::new();
    if let Some(info) = names.flows.get(flow) {
        walk::flow(info.ast, &mut Calls { names, found: &mut found });
    }
    found.reverse();
    found
}

fn circle_of(flow: &str, closing: Span, circle: &[Called<'_>]) -> Diagnostic {
    let message = match circle.is_empty() {
        true => format!("`{flow}` calls itself"),
        false => {
            let names: Vec<String> = circle.iter().map(|(flow, _)| format!("`{flow}`")).collect();
            format!("`{flow}` calls {}, which calls `{flow}`", names.join(", which calls "))
        }
    };
    let label = if circle.is_empty() { "calls itself" } else { "closes the circle" };
    let mut problem = Diagnostic::new(Code::E0414, message, closing, label);
    for (flow, span) in circle {
        problem = problem.label(*span, format!("calls `{flow}`"));
    }
    problem.help(
        "a run would never end: to go through a list write `for`, to try again until something holds write `repeat`",
    )
}

impl<'a> Lowering<'a> {
    /// The flow that the callee of a step names.
    pub(super) fn called_flow(&self, callee: &ast::Expr) -> Option<(String, &'a FlowInfo<'a>)> {
        let ExprKind::Name(name) = &callee.kind else { return None };
        let names = self.el.names;
        let info = names.flows.get(name)?;
        watch::see(callee.span, || Meaning::Item(name.clone()));
        (names.sees(callee.span.file, name) && !self.el.scope.has(name)).then(|| (name.clone(), info))
    }

    /// The node of a call of a flow.
    pub(super) fn run(
        &mut self,
        chain: &mut Chain,
        step: &ast::Step,
        callee: Span,
        (flow, info): (&str, &FlowInfo<'_>),
        args: &[Arg],
        node_name: &str,
    ) -> Typed {
        self.needs_payload(callee, flow, info);
        let params: IndexMap<String, Parameter> = info
            .params
            .iter()
            .map(|(name, field)| {
                let written = info.ast.params.iter().find(|param| param.name.text == *name);
                (name.clone(), Parameter::of(field, written.map(|param| param.name.span)))
            })
            .collect();
        let called = Callee { name: format!("`{flow}`"), span: callee, declared: Some(info.ast.name.span) };
        let mut values = Vec::new();
        let mut places = Vec::new();
        if let Some(given) = self.el.bind_arguments(&called, step.call.span, args, &params) {
            for (((name, param), field), arg) in params.iter().zip(info.params.values()).zip(given) {
                let value = match arg {
                    Some(arg) => self.el.argument(name, param, arg),
                    None => argument_left_out(field),
                };
                places.push(arg.map(|arg| arg.span));
                values.push((name.clone(), value));
            }
        }
        let slot: Slot = self.el.scope.fresh();
        let Some(signature) = self.signatures.get(flow) else {
            // It calls this flow in turn, which was reported.
            self.raise_unknown();
            return Typed::new(Expr::Slot(slot), Type::Unknown);
        };
        if signature.is_open {
            self.raise_unknown();
        }
        for kind in &signature.errors {
            self.raise(kind.clone(), callee);
        }
        // The other run may be cancelled.
        self.raise(ErrorKind::Rejected, callee);
        let kind =
            NodeKind::Run { slot: Some(slot), flow: flow.to_owned(), digest: signature.digest.clone(), params: values };
        let node = self.builder.add(chain, node_name, kind, step.span);
        self.builder.argue(node, places);
        Typed::new(Expr::Slot(slot), signature.result.clone())
    }

    /// Reports a call of a flow that works on what its trigger brings.
    fn needs_payload(&mut self, callee: Span, flow: &str, info: &FlowInfo<'_>) {
        let triggers = &info.ast.triggers;
        // With a payload that may be missing the flow knows that others start it as well.
        let is_bound_by_all = !triggers.is_empty() && triggers.iter().all(|trigger| trigger.bind.is_some());
        let Some(bind) = triggers.first().and_then(|trigger| trigger.bind.as_ref()).filter(|_| is_bound_by_all) else {
            return;
        };
        self.el.problems.push(
            Diagnostic::new(
                Code::E0415,
                format!("`{flow}` needs what its trigger brings, and can't be called"),
                callee,
                "called here",
            )
            .label(bind.span, format!("`{}` comes with the trigger", bind.text))
            .help("move what both need into a flow with parameters, and call that one from here and from there"),
        );
    }
}
