//! One flow, from its head to its plan.
//!
//! In: a flow as written. Out: its plan, its source map and its problems. What it declares (`-> R`, `fails E`) is checked
//! against what it does; what it does not declare follows from what it does.

use std::rc::Rc;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    failure::ErrorKind,
    plan::{Plan, SourceMap, VERSION},
    span::Span,
    ty::Type,
};

use super::{
    answer::answered_twice,
    builder::Chain,
    call::Signatures,
    content::{self, Cuts},
    failure::Raised,
    gather::gathers,
    lower::{Caller, Ends, Lowering, Promise, has_effect},
};
use crate::{
    ast::{self, ExprKind, TriggerSource},
    names::{FlowInfo, Names},
    rules::{ArgumentSpans, Sent},
    types::{Because, Binding, Definitions, Kind, Want, holds_secret},
};

/// What becomes of a flow.
pub(super) struct Lowered {
    pub plan: Plan,
    pub sources: SourceMap,
    pub arguments: ArgumentSpans,
    /// Secrets that it sends as arguments.
    pub sent: Vec<Sent>,
    pub problems: Vec<Diagnostic>,
}

/// Lowers a flow. `gaps` are the places of the program that could not be read.
pub(super) fn lower(
    names: &Names<'_>,
    definitions: &Definitions,
    info: &FlowInfo<'_>,
    signatures: &Signatures,
    cuts: &mut Cuts,
    gaps: &Rc<[Span]>,
) -> Lowered {
    let written = info.ast;
    let because = written.result.as_ref().map(|ty| Because {
        span: ty.span,
        text: info.result.as_ref().map_or_else(|| "declared here".to_owned(), |ty| format!("the flow returns `{ty}`")),
    });
    let promise = Promise { ty: info.result.clone(), because };
    let mut lowering = Lowering::new(names, definitions, signatures, promise, caller(names, written));
    lowering.el.with_gaps(gaps, written.span);
    lowering.el.scope.push();
    lowering.params(info);
    let triggers = lowering.triggers(&written.triggers);
    lowering.el.scope.push();
    lowering.el.observes = true;
    let mut chain = Chain::default();
    answered_twice(&written.body, &mut lowering.el.problems);
    let mut ends = lowering.statements(&mut chain, &written.body.statements, written.body.value.as_deref());
    if let Some(value) = written.body.value.as_deref() {
        let value_ends = lowering.last(&mut chain, value);
        ends = if ends == Ends::Leaves { ends } else { value_ends };
    }
    lowering.el.close();
    lowering.el.close();
    let result = lowering.result(info, ends);
    let raised = lowering.raised.pop().unwrap_or_default();
    lowering.declared_failures(info, &raised);
    lowering.overrun();
    let mut errors: Vec<ErrorKind> = raised.kinds.into_keys().collect();
    errors.sort();
    let Lowering { el, builder, used, sent, .. } = lowering;
    let sources = SourceMap { nodes: builder.spans, slots: el.scope.slots.clone() };
    let plan = Plan {
        version: VERSION,
        flow: written.name.text.clone(),
        doc: written.doc.clone(),
        params: info.params.clone(),
        triggers,
        result,
        errors,
        graph: builder.graph,
        entry: chain.first,
        connections: Default::default(),
        connectors: Default::default(),
        functions: Default::default(),
        types: Default::default(),
        secrets: Vec::new(),
        personal: Default::default(),
    };
    let mut problems = el.finish();
    let plan = if problems.iter().any(|problem| problem.severity() == flow_model::diagnostic::Severity::Error) {
        plan
    } else {
        content::complete(plan, names, definitions, &used, cuts)
    };
    problems.sort_by_key(|problem| problem.span());
    Lowered { plan, sources, arguments: builder.arguments, sent, problems }
}

/// Who waits for what the flow answers.
fn caller(names: &Names<'_>, written: &ast::Flow) -> Caller {
    let nobody = |trigger: &ast::Trigger| match &trigger.source {
        TriggerSource::Every(_) | TriggerSource::Cron { .. } => Some("a timer starts this flow"),
        TriggerSource::Event(_) => Some("an event starts this flow"),
        TriggerSource::File(_) => Some("a file starts this flow"),
        TriggerSource::Http { .. } | TriggerSource::Connection(_) if gathers(trigger) => {
            Some("requests are answered before they are gathered into a run")
        }
        TriggerSource::Connection(path) if polls(names, path) => Some("what is listed starts this flow"),
        TriggerSource::Connection(path) if takes_no_body(names, path) => {
            Some("its sender wants to hear a status and no more")
        }
        TriggerSource::Http { .. } | TriggerSource::Connection(_) | TriggerSource::Missing => None,
    };
    let mut found = written.triggers.iter().map(|trigger| nobody(trigger).map(|why| (trigger.span, why)));
    match found.next() {
        Some(Some((span, why))) if found.all(|other| other.is_some()) => Caller::Nobody(span, why),
        _ => Caller::Waits,
    }
}

/// Says whether these events are found by reading a list.
fn polls(names: &Names<'_>, path: &ast::Path) -> bool {
    let connection = path.parts.first().and_then(|root| names.connections.get(&root.text));
    let connector = connection.and_then(|connection| names.connectors.get(&connection.connector));
    let name: Vec<&str> = path.parts.iter().skip(1).map(|part| part.text.as_str()).collect();
    let trigger = connector.and_then(|info| info.schema.triggers.get(&name.join(".")));
    trigger.is_some_and(|trigger| trigger.poll.is_some())
}

/// Says whether the system that sends these events takes one status, with no body, and no other answer.
fn takes_no_body(names: &Names<'_>, path: &ast::Path) -> bool {
    let connection = path.parts.first().and_then(|root| names.connections.get(&root.text));
    let connector = connection.and_then(|connection| names.connectors.get(&connection.connector));
    connector.is_some_and(|info| info.schema.triggers.values().any(|trigger| trigger.answer.is_some()))
}

impl Lowering<'_> {
    fn params(&mut self, info: &FlowInfo<'_>) {
        let written = info.ast;
        for (name, field) in &info.params {
            let declared = written.params.iter().find(|param| param.name.text == *name);
            let span = declared.map_or(written.name.span, |param| param.name.span);
            let slot = self.el.scope.fresh();
            let binding = Binding { slot, ty: field.ty.clone(), span, kind: Kind::Parameter, used: false };
            self.el.scope.bind(name, binding);
            if holds_secret(&self.el.names.types, &field.ty) {
                self.secret(span, "a flow takes no secret: its input is kept in the run's history");
                if let Some(problem) = self.el.problems.last_mut() {
                    problem.help = Some("name the secret where it is used: `secret(\"name\")`".to_owned());
                }
            }
            if let Some(trigger) = written.triggers.first()
                && field.default.is_none()
                && !field.ty.is_nullable()
            {
                let keyword = Span { end: trigger.span.start + "on".len() as u32, ..trigger.span };
                self.el.problems.push(
                    Diagnostic::new(
                        Code::E0307,
                        format!("nobody gives `{name}` when a trigger starts the flow"),
                        span,
                        "has no default",
                    )
                    .label(keyword, "starts the flow without it")
                    .help(format!("give it a default: `{name}: {} = …`, or read it from the payload", field.ty)),
                );
            }
        }
    }

    /// What a flow's body ends in: a control expression is its last statement, another value would go nowhere.
    fn last(&mut self, chain: &mut Chain, value: &ast::Expr) -> Ends {
        if has_effect(value) {
            return self.control(chain, value, super::lower::Goal::Drop, None, None).1;
        }
        if self.forgotten_step(value).is_some() {
            return Ends::Falls;
        }
        let before = self.el.problems.len();
        let is_control = matches!(value.kind, ExprKind::If { .. } | ExprKind::Match { .. } | ExprKind::Block(_));
        if is_control {
            self.control(chain, value, super::lower::Goal::Drop, None, None);
        } else {
            self.el.check(value, Want::default());
        }
        if self.el.problems.len() == before && !matches!(value.kind, ExprKind::Missing) {
            let start = Span { end: value.span.start, ..value.span };
            let help = "a flow ends with its result where it says so: write `return` before it";
            let problem = Diagnostic::new(Code::E0413, "this value goes nowhere", value.span, "the last of the flow");
            self.el.problems.push(if is_control {
                problem.help("it has no step, so it does nothing: write `return` before it, or leave it out")
            } else {
                problem.help(help).fix("write `return`", vec![Edit { span: start, text: "return ".to_owned() }])
            });
        }
        Ends::Falls
    }

    /// The type of what the flow returns, checked against what it declares.
    fn result(&mut self, info: &FlowInfo<'_>, ends: Ends) -> Type {
        if let Some(declared) = &info.result {
            let written = info.ast;
            // A value that should have been returned was told, or what is wrong with it.
            let is_told = self.el.problems.last().is_some_and(|last| {
                written.body.value.as_ref().is_some_and(|value| {
                    !has_effect(value) && last.labels.first().is_some_and(|label| value.span.contains(label.span))
                })
            });
            let falls = ends == Ends::Falls && !declared.is_nullable() && !self.el.has_gaps;
            if falls && !is_told {
                let end = Span { start: written.body.span.end.saturating_sub(1), ..written.body.span };
                let mut problem = Diagnostic::new(
                    Code::E0408,
                    format!("`{}` can end without returning `{declared}`", written.name.text),
                    end,
                    "can end here",
                );
                if let Some(ty) = &written.result {
                    problem = problem.label(ty.span, "promised here");
                }
                self.el.problems.push(problem.help("add `return …` at the end, or leave `->` out"));
            }
            return declared.clone();
        }
        let returns = std::mem::take(&mut self.returns);
        let ty = self.el.join_arms(returns.iter().map(|(ty, span)| (ty, *span)), "the results of the flow");
        match (ty, ends) {
            (Type::Never, _) => Type::Null,
            (ty, Ends::Falls) => ty.optional(),
            (ty, Ends::Leaves) => ty,
        }
    }

    /// Checks `fails` against the errors that the flow raises.
    fn declared_failures(&mut self, info: &FlowInfo<'_>, raised: &Raised) {
        let Some(declared) = &info.fails else { return };
        // Of one that is not known nothing can be said, nor of those that it may stand for.
        if info.ast.fails.as_ref().is_some_and(|written| written.len() != declared.len()) {
            return;
        }
        let list_end = declared.last().map(|(_, span)| *span);
        for (kind, span) in &raised.kinds {
            let ErrorKind::Declared(name) = kind else { continue };
            if declared.iter().any(|(known, _)| known == kind) {
                continue;
            }
            let mut problem = Diagnostic::new(
                Code::E0407,
                format!("`{}` can end with `{name}`, which it does not declare", info.ast.name.text),
                *span,
                format!("raises `{name}`"),
            );
            if let Some(end) = list_end {
                problem = problem.label(end, "the errors that are declared").fix(
                    format!("add `{name}`"),
                    vec![Edit { span: Span { start: end.end, ..end }, text: format!(" | {name}") }],
                );
            }
            self.el.problems.push(problem.help(format!("add `{name}` after `fails`, or catch it")));
        }
        for (kind, span) in declared {
            if raised.is_open
                || self.el.has_gaps
                || !matches!(kind, ErrorKind::Declared(_))
                || raised.kinds.contains_key(kind)
            {
                continue;
            }
            self.el.problems.push(
                Diagnostic::new(
                    Code::W0402,
                    format!("`{}` never ends with `{kind}`", info.ast.name.text),
                    *span,
                    "never happens",
                )
                .help("leave it out"),
            );
        }
    }
}
