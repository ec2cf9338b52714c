//! What does the project set in the place of the program?
//!
//! In: the settings of one connection in `flow.toml`. Out: their expressions, of the types that the connector declares.
//! They are checked as settings in a program are, with their places in `flow.toml`.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    span::Span,
    ty::Type,
    value::Value,
};
use serde_json::Value as Json;

use super::connection::unknown_setting;
use crate::{
    ast::{self, ExprKind, Ident, ListEntry, RecordEntry, TextPart},
    names::{ConnectorInfo, Names},
    project::Setting,
    types::{Definitions, Elaborator},
};

/// The settings that there are, by name, with their places.
pub(super) fn set<'p>(
    names: &Names<'_>,
    info: &ConnectorInfo<'_>,
    settings: impl Iterator<Item = (Ident, &'p Setting, Span)>,
    definitions: &Definitions,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, (Expr, Span)> {
    let mut set = BTreeMap::new();
    for (name, setting, span) in settings {
        let Some(declared) = info.schema.config.get(&name.text) else {
            problems.push(unknown_setting(&name, info));
            continue;
        };
        let mut elaborator = Elaborator::new(names, definitions);
        let expr = elaborator.expr(&written(setting, &declared.ty, span), Some(&declared.ty)).expr;
        let causes = elaborator.finish();
        problems.extend(causes.into_iter().map(|problem| in_toml(problem, &name, info)));
        set.insert(name.text, (expr, span));
    }
    set
}

/// The setting as a program would write it.
fn written(setting: &Setting, wanted: &Type, span: Span) -> ast::Expr {
    let kind = match setting {
        Setting::Secret(name) => call("secret", name, span),
        Setting::Env(name) => call("env", name, span),
        Setting::Value(json) => value(json, wanted, span),
    };
    ast::Expr { span, kind }
}

fn call(function: &str, name: &str, span: Span) -> ExprKind {
    let expr = |kind| ast::Expr { span, kind };
    ExprKind::Call {
        callee: Box::new(expr(ExprKind::Name(function.to_owned()))),
        types: Vec::new(),
        args: vec![ast::Arg { span, name: None, value: expr(text(name)) }],
    }
}

fn text(text: &str) -> ExprKind {
    ExprKind::Text(vec![TextPart::Fixed(text.to_owned())])
}

/// TOML has no times, sizes and amounts: they are literals of Flow in quotes.
fn value(json: &Json, wanted: &Type, span: Span) -> ExprKind {
    let within = |json: &Json| ast::Expr { span, kind: value(json, &Type::Json, span) };
    match json {
        Json::String(written) => match (wanted.non_null(), crate::read::literal(written)) {
            (Type::Duration, Some(value @ Value::Duration(_)))
            | (Type::Size, Some(value @ Value::Size(_)))
            | (Type::Money(_), Some(value @ Value::Money(_))) => ExprKind::Literal(value),
            _ => text(written),
        },
        Json::Null => ExprKind::Literal(Value::Null),
        Json::Bool(flag) => ExprKind::Literal(Value::Bool(*flag)),
        Json::Number(_) => match flow_model::boundary::exact_number(&json.to_string()) {
            Some(number) => ExprKind::Literal(number),
            None => text(&json.to_string()),
        },
        Json::Array(items) => ExprKind::List(items.iter().map(|item| ListEntry::Item(within(item))).collect()),
        Json::Object(fields) => ExprKind::Record(
            fields
                .iter()
                .map(|(name, value)| RecordEntry::Field {
                    name: Ident { text: name.clone(), span },
                    value: within(value),
                })
                .collect(),
        ),
    }
}

/// A problem in the words of `flow.toml`, with the setting's declaration.
fn in_toml(mut problem: Diagnostic, name: &Ident, info: &ConnectorInfo<'_>) -> Diagnostic {
    // They would write Flow into TOML.
    problem.fixes.clear();
    if problem.code == Code::E0604 {
        problem.help = Some(format!("write `{} = {{ secret = \"name\" }}`", name.text));
    }
    match info.config.get(&name.text) {
        Some(span) if problem.labels.len() == 1 => problem.label(*span, "this setting"),
        _ => problem,
    }
}
