//! Which environment variables does the body of a flow read?
//!
//! And does it draw random values? A run records them when it begins, so that it sees the same ones to its end, also after a restart with others.

use std::collections::BTreeSet;

use crate::chance::Chance;
use flow_model::{
    expr::{Ambient, Expr, ListPart, RecordPart, TextPart},
    plan::{NodeKind, Plan, Stage},
};

/// The names, in order.
pub(super) fn names(plan: &Plan) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for node in plan.graph.node_weights() {
        each_of_node(&node.kind, &mut |expr| collect(expr, &mut names));
    }
    plan.functions.values().for_each(|function| collect(&function.body, &mut names));
    plan.params.values().filter_map(|field| field.default.as_ref()).for_each(|expr| collect(expr, &mut names));
    names
}

/// Says whether the body draws random values.
pub(super) fn draws(plan: &Plan) -> bool {
    fn within(expr: &Expr, found: &mut bool) {
        *found |= matches!(expr, Expr::Ambient(Ambient::Uuid | Ambient::Random));
        each_below(expr, &mut |expr| within(expr, found));
    }
    let mut found = false;
    plan.graph.node_weights().for_each(|node| each_of_node(&node.kind, &mut |expr| within(expr, &mut found)));
    found
}

/// What random values of a run are made of: nobody can guess it.
pub(super) fn seed(chance: &dyn Chance) -> String {
    hex::encode([chance.draw().to_be_bytes(), chance.draw().to_be_bytes()].concat())
}

fn collect(expr: &Expr, names: &mut BTreeSet<String>) {
    if let Expr::Env(name, _) = expr {
        names.insert(name.clone());
    }
    each_below(expr, &mut |expr| collect(expr, names));
}

fn each_of_node(kind: &NodeKind, visit: &mut dyn FnMut(&Expr)) {
    match kind {
        NodeKind::Let { value, .. } => visit(value),
        NodeKind::Step(step) => step.args.iter().chain(&step.key).for_each(visit),
        NodeKind::If { conditions, .. } => conditions.iter().for_each(visit),
        NodeKind::Match { subject, arms, .. } => {
            visit(subject);
            arms.iter().filter_map(|(_, guard)| guard.as_ref()).for_each(visit);
        }
        NodeKind::For { items, concurrency, every, stream, .. } => {
            let stages = stream.iter().flatten().map(Stage::expr);
            [items, concurrency].into_iter().chain(every).chain(stages).for_each(visit);
        }
        NodeKind::Try { arms, .. } => arms.iter().filter_map(|arm| arm.guard.as_ref()).for_each(visit),
        NodeKind::Yield(value) | NodeKind::Return(value) | NodeKind::Sleep(value) | NodeKind::Log(value) => {
            visit(value)
        }
        NodeKind::Respond { status, body } => std::iter::once(status).chain(body).for_each(visit),
        NodeKind::Fail { fields, .. } => fields.iter().for_each(|(_, value)| visit(value)),
        NodeKind::DeadLetter { value, .. } | NodeKind::Emit { value, .. } => visit(value),
        NodeKind::First { items, .. } => visit(items),
        NodeKind::Repeat { every, times, until, .. } => [every, times, until].into_iter().for_each(visit),
        NodeKind::Wait { filter, within, .. } => filter.iter().chain(within).for_each(visit),
        NodeKind::Approve { question, by, within, .. } => {
            std::iter::once(question).chain(by).chain(within).for_each(visit);
        }
        NodeKind::Run { params, .. } => params.iter().for_each(|(_, value)| visit(value)),
        NodeKind::Parallel { .. } | NodeKind::Saga { .. } | NodeKind::Race { .. } => {}
    }
}

fn each_below(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    match expr {
        Expr::Literal(_) | Expr::Slot(_) | Expr::Ambient(_) => {}
        Expr::Env(_, default) => default.iter().for_each(|default| visit(default)),
        Expr::Text { parts, .. } => parts.iter().for_each(|part| match part {
            TextPart::Fixed(_) => {}
            TextPart::Insert(expr) => visit(expr),
        }),
        Expr::Record(parts) => parts.iter().for_each(|part| match part {
            RecordPart::Field(_, expr) | RecordPart::Spread(expr) => visit(expr),
        }),
        Expr::List(parts) => parts.iter().for_each(|part| match part {
            ListPart::Item(expr) | ListPart::Spread(expr) => visit(expr),
        }),
        Expr::Member { of, .. }
        | Expr::Unary(_, of)
        | Expr::Lambda(_, of)
        | Expr::Convert(of, _)
        | Expr::Wire(of, _)
        | Expr::Whole(of, _)
        | Expr::Masked(of, _) => {
            visit(of);
        }
        Expr::Index(a, b) | Expr::Binary(_, a, b) => [a, b].into_iter().for_each(|expr| visit(expr)),
        Expr::If(a, b, c) => [a, b, c].into_iter().for_each(|expr| visit(expr)),
        Expr::Match { subject, arms } => {
            visit(subject);
            for arm in arms {
                arm.guard.iter().for_each(&mut *visit);
                visit(&arm.value);
            }
        }
        Expr::Let { value, then, .. } => [value, then].into_iter().for_each(|expr| visit(expr)),
        Expr::Call(_, args) => args.iter().for_each(visit),
    }
}
