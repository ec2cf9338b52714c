//! `stub`: what do operations answer in a test?

use std::collections::BTreeMap;

use flow_model::{
    case::{Answer, AnswerKind, Stub, Target},
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    failure::ErrorKind,
    plan::NodeKind,
    span::Span,
    ty::{Field, Type, TypeDef},
};
use indexmap::IndexMap;

use super::{Checker, Meant};
use crate::{
    ast::{self, AnswerWhat, Fail},
    graph,
    types::{Because, Callee, Parameter, Want, decision},
};

impl Checker<'_> {
    pub(super) fn stubs(&mut self, written: &[ast::Stub]) -> Vec<Stub> {
        let mut stubs = Vec::new();
        // Targets of which all calls are answered already, with the place of the stub that does.
        let mut taken: BTreeMap<Target, Span> = BTreeMap::new();
        for one in written {
            let target = match self.target(&one.target) {
                Some(Meant::Called(target)) => target,
                Some(Meant::NotCalled(target)) => {
                    let flow = &self.plan.flow;
                    let (message, label) = match target {
                        Target::Approve => (format!("`{flow}` asks nobody"), "never asked"),
                        Target::Wait(event) => (format!("`{flow}` never waits for `{event}`"), "not waited for"),
                        Target::All | Target::Operation { .. } => {
                            (format!("`{flow}` never makes this call"), "never called")
                        }
                    };
                    self.unused(message, one.target.span(), label, None);
                    continue;
                }
                None => continue,
            };
            let is_call = matches!(target, Target::All | Target::Operation { .. });
            let of_all = || taken.get(&Target::All).filter(|_| is_call);
            if let Some(first) = taken.get(&target).or_else(of_all).copied() {
                let what = if is_call { "all these calls" } else { "all of them" };
                let message = format!("an earlier stub answers {what}");
                self.unused(message, one.target.span(), "never asked", Some(first));
            }
            let answers = self.answers(one, &target);
            if answers.iter().any(|answer| answer.times.is_none()) {
                taken.entry(target.clone()).or_insert_with(|| one.target.span());
            }
            stubs.push(Stub { target, answers, span: one.span });
        }
        stubs
    }

    fn unused(&mut self, message: impl Into<String>, span: Span, label: &str, first: Option<Span>) {
        let problem = Diagnostic::new(Code::W0403, message, span, label);
        self.el.problems.push(match first {
            Some(first) => problem.label(first, "answers them").help("leave it out, or put it before the other"),
            None => problem.help("leave it out"),
        });
    }

    fn answers(&mut self, stub: &ast::Stub, target: &Target) -> Vec<Answer> {
        let mut answers = Vec::new();
        let mut endless: Option<Span> = None;
        for (index, written) in stub.answers.iter().enumerate() {
            if let Some(first) = endless {
                self.unused("an earlier answer serves all calls", written.span, "never given", Some(first));
            }
            let is_last = index + 1 == stub.answers.len();
            let times = match written.often {
                Some(often) => often.times,
                // `fails Timeout then returns 1`: what something follows is given once.
                None => (!is_last).then_some(1),
            };
            if times.is_none() {
                endless.get_or_insert(written.span);
            }
            let after = self.after(written, target);
            if let Some(kind) = self.answer(written, target) {
                answers.push(Answer { kind, times, after });
            }
        }
        answers
    }

    /// How much later an answer comes.
    fn after(&mut self, written: &ast::Answer, target: &Target) -> Option<Expr> {
        let AnswerWhat::Returns(_, Some(after)) = &written.what else { return None };
        if matches!(target, Target::Approve | Target::Wait(_)) {
            return Some(self.el.check(after, Want::of(&Type::Duration)).expr);
        }
        self.el.alone(after);
        let problem = Diagnostic::new(Code::E0422, "calls take no time in a test", after.span, "not for a call");
        let help = "leave it out; a call that takes too long is `fails Timeout`";
        self.el.problems.push(problem.help(help));
        None
    }

    /// What somebody who is asked says, or the event that comes.
    fn comes(&mut self, written: &ast::Answer, target: &Target) -> Option<AnswerKind> {
        let ty = match target {
            Target::Wait(event) => Type::Named(event.clone()),
            _ => decision(),
        };
        let (span, what) = match &written.what {
            AnswerWhat::Returns(value, _) => {
                return Some(AnswerKind::Returns(self.el.check(value, Want::of(&ty)).expr));
            }
            AnswerWhat::Fails(fail) => {
                fail.args.iter().for_each(|arg| self.el.alone(&arg.value));
                (fail.error.span(), "never fails")
            }
            AnswerWhat::Schema => (written.span, "is not made from a type"),
        };
        let (who, help) = match target {
            Target::Wait(_) => ("an event", "write what it holds, `returns { … }`; without a stub none comes"),
            _ => ("an answer", "write `returns { approved: false }`; without a stub nobody answers"),
        };
        let problem = Diagnostic::new(Code::E0422, format!("{who} that is waited for {what}"), span, "not possible");
        self.el.problems.push(problem.help(help));
        None
    }

    fn answer(&mut self, written: &ast::Answer, target: &Target) -> Option<AnswerKind> {
        match (&written.what, target) {
            (_, Target::Approve | Target::Wait(_)) => self.comes(written, target),
            (AnswerWhat::Schema, _) => Some(AnswerKind::Schema),
            (AnswerWhat::Returns(value, _), Target::All) => {
                self.el.alone(value);
                let message = "`*` stands for operations with results of many types";
                let problem = Diagnostic::new(Code::E0422, message, value.span, "one value for all");
                self.el.problems.push(problem.help("write a stub for each operation, or `stub * using schema`"));
                None
            }
            (AnswerWhat::Returns(value, _), Target::Operation { connection, operation }) => {
                let declared = self.operation(connection, operation)?.1.clone();
                let result = match self.results(connection, operation).as_slice() {
                    [] => declared.result,
                    [one] => one.clone(),
                    [first, second, ..] => {
                        self.el.alone(value);
                        let message =
                            format!("`{}` calls `{connection}.{operation}` with several types", self.plan.flow);
                        let label = format!("for `{first}`, or for `{second}`?");
                        let problem = Diagnostic::new(Code::E0422, message, value.span, label);
                        self.el.problems.push(problem.help("write `using schema`, which makes a value for each type"));
                        return None;
                    }
                };
                let names = self.el.names;
                let span = names
                    .connections
                    .get(connection)
                    .and_then(|connection| names.connectors.get(&connection.connector))
                    .and_then(|connector| connector.operations.get(operation))
                    .and_then(|spans| spans.result);
                let because =
                    span.map(|span| Because { span, text: format!("`{connection}.{operation}` returns `{result}`") });
                // A stub of a stream gives all its items.
                let result = match result {
                    Type::Stream(item) => Type::List(item),
                    other => other,
                };
                let want = Want { ty: Some(&result), because: because.as_ref() };
                Some(AnswerKind::Returns(self.el.check(value, want).expr))
            }
            (AnswerWhat::Fails(fail), target) => {
                let (possible, what) = self.possible(target);
                let Some(kind) = self.kind(&fail.error, &possible, &what) else {
                    fail.args.iter().for_each(|arg| self.el.alone(&arg.value));
                    return None;
                };
                let fields = self.fields(fail, &kind)?;
                Some(AnswerKind::Fails { kind, fields })
            }
        }
    }

    /// The fields that are given of an error; those left out are made from their types.
    pub(super) fn fields(&mut self, fail: &Fail, kind: &ErrorKind) -> Option<Vec<(String, Expr)>> {
        let names = self.el.names;
        let declared = match kind {
            ErrorKind::Declared(name) => match names.types.get(name) {
                Some(TypeDef::Error(fields)) => fields.clone(),
                _ => IndexMap::new(),
            },
            // What connectors pick from an answer.
            _ => ["message", "code"]
                .map(|name| (name.to_owned(), Field::of(Type::String)))
                .into_iter()
                .chain([("status".to_owned(), Field::of(Type::Int))])
                .collect(),
        };
        let name = kind.to_string();
        let params: IndexMap<String, Parameter> = declared
            .iter()
            .map(|(field, what)| {
                let span = names.field_spans.get(&(name.clone(), field.clone())).copied();
                (field.clone(), Parameter { required: false, ..Parameter::of(what, span) })
            })
            .collect();
        let callee = Callee {
            name: format!("`{name}`"),
            span: fail.error.span(),
            declared: names.type_spans.get(&name).copied(),
        };
        let given = self.el.bind_arguments(&callee, fail.span, &fail.args, &params)?;
        let mut fields = Vec::new();
        for ((field, param), arg) in params.iter().zip(given) {
            if let Some(arg) = arg {
                fields.push((field.clone(), self.el.argument(field, param, arg)));
            }
        }
        Some(fields)
    }

    /// The types that the flow gives to an operation that leaves its result to its caller.
    fn results(&self, connection: &str, operation: &str) -> Vec<Type> {
        let mut results: Vec<Type> = Vec::new();
        for node in self.plans.iter().flat_map(|plan| plan.graph.node_weights()) {
            if let NodeKind::Step(step) = &node.kind
                && (step.connection.as_str(), step.operation.as_str()) == (connection, operation)
                && let Some(result) = &step.result
                && !results.contains(result)
            {
                results.push(result.clone());
            }
        }
        // What is any JSON can be what the others are.
        if results.iter().any(|result| *result != Type::Json) {
            results.retain(|result| *result != Type::Json);
        }
        results
    }

    /// The kinds with which what a stub is for can fail.
    fn possible(&self, target: &Target) -> (Vec<ErrorKind>, String) {
        let of = |connection: &str, operation: &str| {
            self.operation(connection, operation)
                .map(|(connector, operation)| graph::of_operation(connector, operation))
                .unwrap_or_default()
        };
        match target {
            Target::Operation { connection, operation } => {
                (of(connection, operation), format!("`{connection}.{operation}`"))
            }
            Target::All => {
                let mut all: Vec<ErrorKind> =
                    self.called.iter().flat_map(|(connection, operation)| of(connection, operation)).collect();
                all.sort();
                all.dedup();
                (all, format!("what `{}` calls", self.plan.flow))
            }
            Target::Approve | Target::Wait(_) => (Vec::new(), String::new()),
        }
    }
}
