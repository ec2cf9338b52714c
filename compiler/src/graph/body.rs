//! Operations with a body in Flow, `contacts.upsert`: steps on other operations of the same connector.
//!
//! In: a step that calls one, and its body as written. Out: the body as region 1 of the step's node, over the arguments, on
//! the connection of the step; so its calls are steps of the run like all others, each with a place below that of the step.
//! The body is checked once, where it is declared; a caller hears only of what its own policy makes of it.

use std::rc::Rc;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    plan::{NodeKind, Policy, Step},
    span::Span,
    ty::Type,
    value::Value,
};
use petgraph::graph::NodeIndex;

use super::{
    builder::Chain,
    call::Signatures,
    failure::Raised,
    lower::{Caller, Ends, Goal, Lowering, Promise},
    step::Target,
};
use crate::{
    ast::{self, Statement, StatementKind},
    names::{ConnectorInfo, Names, similar},
    query::watch::{self, Meaning},
    types::{ADD_VALUE, Because, Binding, Definitions, Kind, NO_VALUE, Want, listed},
};

/// The operation whose body is lowered.
pub(super) struct Within<'a> {
    /// The connection that its steps are on.
    connection: String,
    info: &'a ConnectorInfo<'a>,
    /// The operation, and those whose bodies it stands in.
    way: Vec<String>,
    /// The policies on the steps that call them.
    pub with: Vec<ast::PolicyUse>,
}

/// Checks the bodies of all operations.
pub(super) fn bodies<'a>(
    names: &'a Names<'a>,
    definitions: &'a Definitions,
    signatures: &'a Signatures,
    gaps: &Rc<[Span]>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (connector, info) in &names.connectors {
        for written in info.ast.operations.iter().filter(|written| written.body.is_some()) {
            let name = written.name.text();
            let is_first = info.operations.get(&name).is_some_and(|spans| spans.name == written.name.span());
            let Some(operation) = info.schema.operations.get(&name).filter(|_| is_first) else { continue };
            let promise = Promise { ty: None, because: None };
            let mut lowering = Lowering::new(names, definitions, signatures, promise, Caller::Waits);
            lowering.el.with_gaps(gaps, written.span);
            let target = Target {
                connection: connector.clone(),
                name,
                info,
                operation: std::borrow::Cow::Borrowed(operation),
                span: written.name.span(),
            };
            let args: Vec<Expr> = operation.params.keys().map(|_| Expr::Literal(Value::Null)).collect();
            let call = Step {
                slot: None,
                connection: connector.clone(),
                operation: target.name.clone(),
                result: None,
                args: args.clone(),
                key: None,
                policy: Policy::default(),
            };
            let mut chain = Chain::default();
            let node = lowering.builder.add(&mut chain, "body", NodeKind::Step(Box::new(call)), written.span);
            lowering.lower_body(node, &[], &target, &args);
            problems.extend(lowering.el.finish());
        }
    }
    problems
}

impl<'a> Lowering<'a> {
    /// The body of an operation that a step calls. Its mistakes are told where it is declared.
    pub(super) fn body(&mut self, node: NodeIndex, step: &ast::Step, target: &Target<'a>, args: &[Expr]) {
        let (problems, has_gaps) = (std::mem::take(&mut self.el.problems), self.el.has_gaps);
        self.raised.push(Raised::default());
        self.lower_body(node, &step.with, target, args);
        let raised = self.raised.pop().unwrap_or_default();
        raised.kinds.into_keys().for_each(|kind| self.raise(kind, target.span));
        if raised.is_open {
            self.raise_unknown();
        }
        let found = std::mem::replace(&mut self.el.problems, problems);
        // One change at the step mends all of them.
        self.el.problems.extend(found.into_iter().find(|problem| problem.code == Code::E0601));
        self.el.has_gaps = has_gaps;
    }

    fn lower_body(&mut self, node: NodeIndex, with: &[ast::PolicyUse], target: &Target<'a>, args: &[Expr]) {
        let written = target.info.ast.operations.iter().find(|written| written.name.text() == target.name);
        let Some((written, body)) = written.and_then(|written| Some((written, written.body.as_ref()?))) else { return };
        let around = self.within.take();
        let mut way = around.as_ref().map(|around| around.way.clone()).unwrap_or_default();
        if way.contains(&target.name) {
            // It calls itself, which was reported.
            self.within = around;
            return self.raise_unknown();
        }
        way.push(target.name.clone());
        let outer = around.iter().flat_map(|around| &around.with).chain(with).cloned().collect();
        self.within = Some(Within { connection: target.connection.clone(), info: target.info, way, with: outer });
        let hidden = self.el.scope.hide();
        let before = self.el.move_to(Some(target.info.schema.name.clone()));
        let observed = std::mem::replace(&mut self.el.observes, true);
        let sagas = std::mem::take(&mut self.sagas);

        self.builder.enter(node);
        let mut chain = Chain::default();
        self.el.scope.push();
        for ((name, field), arg) in target.operation.params.iter().zip(args) {
            let span =
                written.params.iter().find(|param| param.name.text == *name).map_or(written.span, |p| p.name.span);
            let slot = self.el.scope.fresh();
            self.builder.add(&mut chain, name, NodeKind::Let { slot, value: arg.clone() }, span);
            let binding = Binding { slot, ty: field.ty.clone(), span, kind: Kind::Parameter, used: false };
            self.el.scope.bind(name, binding);
        }
        self.el.scope.push();
        let result = &target.operation.result;
        let because = written
            .result
            .as_ref()
            .map(|ty| Because { span: ty.span, text: format!("`{}` gives `{result}`", target.name) });
        // That a body gives no stream was reported.
        let wanted = Some(result).filter(|result| !matches!(result, Type::Stream(_)));
        let want = Want { ty: wanted, because: because.as_ref() };
        let gives = *result != Type::Null;
        let goal = if gives { Goal::Yield(want) } else { Goal::Drop };
        let mut ends = self.statements(&mut chain, &body.statements, body.value.as_deref());
        match &body.value {
            Some(value) => {
                let (_, _, value_ends) = self.value(&mut chain, value, goal);
                ends = if ends == Ends::Leaves { ends } else { value_ends };
            }
            None if gives && ends == Ends::Falls => {
                let end = Span { start: body.span.end.saturating_sub(1), ..body.span };
                self.el.absent(want, end, NO_VALUE, ADD_VALUE);
            }
            None => {}
        }
        if !gives && ends == Ends::Falls {
            self.builder.add(&mut chain, "yield", NodeKind::Yield(Expr::Literal(Value::Null)), body.span);
        }
        self.el.close();
        self.el.close();
        self.builder.leave();
        self.builder.region(node, 1, chain);

        self.sagas = sagas;
        self.el.observes = observed;
        self.el.move_to(before);
        self.el.scope.show(hidden);
        self.within = around;
    }

    /// The operation of the same connector that a step of a body names.
    pub(super) fn own_operation(&mut self, path: &ast::Path, span: Span) -> Option<Target<'a>> {
        let within = self.within.as_ref()?;
        let (info, connection, name) = (within.info, within.connection.clone(), path.text());
        watch::offer(&name, || {
            let operations = info.schema.operations.iter();
            operations.map(|(name, operation)| (name.as_str(), watch::signature(operation))).collect()
        });
        if let Some(operation) = info.schema.operations.get(&name) {
            watch::see(span, || Meaning::Operation { connector: info.schema.name.clone(), name: name.clone() });
            return Some(Target { connection, name, info, operation: std::borrow::Cow::Borrowed(operation), span });
        }
        let operations: Vec<String> = info.schema.operations.keys().cloned().collect();
        let problem = Diagnostic::new(
            Code::E0528,
            format!("`{}` has no operation `{name}`", info.schema.name),
            span,
            "a body calls operations of its own connector, and no others",
        );
        let near = similar(&name, operations.iter().map(String::as_str)).map(str::to_owned);
        self.el.problems.push(match near {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("name one as it is declared: {}", listed(&operations))),
        });
        None
    }

    /// Reports a statement that has no place in the body of an operation.
    pub(super) fn not_in_a_body(&mut self, statement: &Statement) -> Option<Ends> {
        self.within.as_ref()?;
        let (does, help) = match &statement.kind {
            StatementKind::Return(_) => {
                ("end the run with `return`", "its value is the last expression: write `if … { … } else { … }`")
            }
            StatementKind::Respond { .. } => ("answer a caller", "give the answer in the flow, after the step"),
            StatementKind::Emit { .. } => ("emit events", "emit it in the flow, after the step"),
            StatementKind::DeadLetter { .. } => ("keep dead letters", "let the step fail, and catch that in the flow"),
            _ => return None,
        };
        self.not_here_but(statement.span, does, help);
        Some(if matches!(statement.kind, StatementKind::Return(_)) { Ends::Leaves } else { Ends::Falls })
    }

    pub(super) fn not_here(&mut self, span: Span, does: &str) {
        self.not_here_but(span, does, "do that in the flow that calls it");
    }

    fn not_here_but(&mut self, span: Span, does: &str, help: &str) {
        let name = self.within.as_ref().and_then(|within| within.way.last().cloned()).unwrap_or_default();
        self.el.has_gaps = true;
        self.el.problems.push(
            Diagnostic::new(Code::E0528, format!("`{name}` can't {does}"), span, "in the body of an operation")
                .help(help),
        );
    }
}
