//! `given`: with what does the run of a test begin?

use std::collections::BTreeMap;

use flow_model::{
    case::Given,
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Expr, Slot},
    plan::{Trigger, TriggerKind},
    span::Span,
    ty::{Field, Type},
    value::Value,
};
use indexmap::IndexMap;
use jiff::Timestamp;

use super::Checker;
use crate::{
    ast,
    names::similar,
    types::{Because, Binding, Kind, Want, listed},
};

/// When a run that a timer starts was scheduled, unless a test says it: 2026-01-01T00:00:00Z, when tests begin.
const SCHEDULED_AT: i64 = 1_767_225_600;

impl Checker<'_> {
    /// What starts the run, and with what. Brings what is given into scope.
    pub(super) fn given(&mut self, test: &ast::Test) -> (Option<usize>, Given) {
        let given = self.once(&test.given);
        let payload = given.iter().find_map(|one| self.trigger(&one.name.text).map(|trigger| (*one, trigger)));
        let Some((payload, trigger)) = payload else {
            if given.is_empty() && !self.plan.triggers.is_empty() {
                let slot = self.el.scope.fresh();
                self.bind_payload(0, slot, test.name.span);
                return (Some(0), Given::Nothing);
            }
            return (None, self.params(test, &given));
        };
        for other in given.iter().filter(|other| other.name.text != payload.name.text) {
            if self.plan.params.contains_key(&other.name.text) {
                let message = format!("`{}` is a parameter, and a trigger starts this run", other.name.text);
                self.el.problems.push(
                    Diagnostic::new(Code::E0421, message, other.name.span, "has its default then")
                        .label(payload.name.span, "what the trigger brings")
                        .help("give one of them: the trigger's payload, or parameters"),
                );
            } else if self.trigger(&other.name.text).is_some() {
                let message = "one trigger starts a run";
                self.el.problems.push(
                    Diagnostic::new(Code::E0421, message, other.name.span, "a second one")
                        .label(payload.name.span, "the first one")
                        .help("write a test for each"),
                );
            } else {
                self.no_given(other);
            }
        }
        let ty = self.plan.triggers.get(trigger).map_or(Type::Unknown, expected);
        let value = self.el.check(&payload.value, Want::of(&ty));
        let slot = self.el.scope.fresh();
        self.bind_payload(trigger, slot, payload.name.span);
        (Some(trigger), Given::Payload(value.expr))
    }

    /// The `given`s, each name once.
    fn once<'t>(&mut self, given: &'t [ast::Given]) -> Vec<&'t ast::Given> {
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        let mut once = Vec::new();
        for one in given {
            match seen.get(one.name.text.as_str()) {
                Some(first) => self.el.problems.push(
                    Diagnostic::new(Code::E0308, format!("`{}` is given twice", one.name.text), one.name.span, "again")
                        .label(*first, "first here")
                        .help("leave one out"),
                ),
                None => {
                    seen.insert(&one.name.text, one.name.span);
                    once.push(one);
                }
            }
        }
        once
    }

    /// The trigger that binds its payload to that name.
    fn trigger(&self, name: &str) -> Option<usize> {
        let flow = self.el.names.flows.get(&self.plan.flow)?;
        flow.ast.triggers.iter().position(|trigger| trigger.bind.as_ref().is_some_and(|bind| bind.text == name))
    }

    /// Brings the payload of a trigger into scope, if it has a name.
    fn bind_payload(&mut self, trigger: usize, slot: Slot, span: Span) {
        let flow = self.el.names.flows.get(&self.plan.flow);
        let bind = flow.and_then(|flow| flow.ast.triggers.get(trigger)).and_then(|trigger| trigger.bind.as_ref());
        let payload = self.plan.triggers.get(trigger).map(Trigger::bound);
        if let (Some(bind), Some(ty)) = (bind, payload) {
            self.el.scope.bind(&bind.text, Binding { slot, ty, span, kind: Kind::Payload, used: true });
        }
    }

    fn params(&mut self, test: &ast::Test, given: &[&ast::Given]) -> Given {
        let mut values = Vec::new();
        let mut bound = Vec::new();
        let mut understood = true;
        for one in given {
            let Some(field) = self.plan.params.get(&one.name.text) else {
                self.no_given(one);
                understood = false;
                continue;
            };
            let because = self.declared(&one.name.text, &field.ty);
            let value = self.el.check(&one.value, Want { ty: Some(&field.ty), because: because.as_ref() });
            values.push((one.name.text.clone(), value.expr));
            bound.push((one.name.text.as_str(), one.name.span));
        }
        // Slots are those of the flow's parameters, in order.
        for (name, field) in &self.plan.params {
            let slot = self.el.scope.fresh();
            if let Some((_, span)) = bound.iter().find(|(known, _)| known == name) {
                let binding = Binding { slot, ty: field.ty.clone(), span: *span, kind: Kind::Parameter, used: true };
                self.el.scope.bind(name, binding);
            }
        }
        let missing: Vec<&String> = self
            .plan
            .params
            .iter()
            .filter(|(name, field)| {
                field.default.is_none()
                    && !field.ty.is_nullable()
                    && !bound.iter().any(|(known, _)| *known == name.as_str())
            })
            .map(|(name, _)| name)
            .collect();
        if let (Some(first), true) = (missing.first(), understood) {
            let what = if missing.len() == 1 { "the parameter" } else { "the parameters" };
            let message = format!("`{}` needs {what} {}", self.plan.flow, listed(missing.iter().copied()));
            let mut problem = Diagnostic::new(Code::E0307, message, test.flow.span, "not given");
            if let Some(ty) = self.plan.params.get(*first).map(|field| &field.ty)
                && let Some(because) = self.declared(first, ty)
            {
                problem = problem.label(because.span, because.text);
            }
            self.el.problems.push(problem.help(format!("add `given {first} = …`")));
        }
        if values.is_empty() { Given::Nothing } else { Given::Params(values) }
    }

    fn declared(&self, param: &str, ty: &Type) -> Option<Because> {
        let flow = self.el.names.flows.get(&self.plan.flow)?;
        let declared = flow.ast.params.iter().find(|one| one.name.text == param)?;
        Some(Because { span: declared.name.span, text: format!("`{param}` is declared `{ty}`") })
    }

    fn no_given(&mut self, given: &ast::Given) {
        self.el.check(&given.value, Want::default());
        let flow = self.el.names.flows.get(&self.plan.flow);
        let binds = flow.into_iter().flat_map(|flow| &flow.ast.triggers).filter_map(|trigger| trigger.bind.as_ref());
        let mut known: Vec<String> = binds.map(|bind| bind.text.clone()).collect();
        known.extend(self.plan.params.keys().cloned());
        known.dedup();
        let message = format!("nothing called `{}` starts `{}`", given.name.text, self.plan.flow);
        let problem = Diagnostic::new(Code::E0421, message, given.name.span, "not known");
        self.el.problems.push(match similar(&given.name.text, known.iter().map(String::as_str)) {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: given.name.span, text: near.to_owned() }]),
            None if known.is_empty() && self.plan.triggers.is_empty() => {
                problem.help("the flow has no parameters: leave this out")
            }
            None if known.is_empty() => problem.help("give the payload a name in the flow: `on … as event`"),
            None => problem.help(format!("what can be given: {}", listed(&known))),
        });
    }
}

/// What the payload of a trigger must have in a test: what a request has besides its body may be left out.
fn expected(trigger: &Trigger) -> Type {
    let one = expected_of_one(trigger);
    if trigger.bound() == trigger.payload { one } else { Type::List(Box::new(one)) }
}

fn expected_of_one(trigger: &Trigger) -> Type {
    let Type::Record(fields) = &trigger.payload else { return trigger.payload.clone() };
    let nothing = || Value::Record(IndexMap::new());
    let defaults = match &trigger.kind {
        TriggerKind::Http { method, path, .. } => vec![
            ("headers", nothing()),
            ("query", nothing()),
            ("method", Value::text(method.as_str())),
            ("path", Value::text(path.as_str())),
        ],
        TriggerKind::Every(_) | TriggerKind::Cron { .. } => {
            let at = Timestamp::from_second(SCHEDULED_AT).expect("2026 is within the range of timestamps");
            vec![("scheduled_at", Value::Timestamp(at))]
        }
        TriggerKind::Webhook { .. }
        | TriggerKind::Event { .. }
        | TriggerKind::File { .. }
        | TriggerKind::Poll { .. } => {
            return trigger.payload.clone();
        }
    };
    let mut fields = fields.clone();
    for (name, value) in defaults {
        if let Some(field) = fields.get_mut(name) {
            *field = Field { default: Some(Box::new(Expr::Literal(value))), ..field.clone() };
        }
    }
    Type::Record(fields)
}
