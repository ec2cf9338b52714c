//! When is an answer an error, and when may a request be repeated?
//!
//! In: the section `errors { 404 => NotFound, … }`, `limit:` and `retry_after:`. Out: the rules in order, the rate, and
//! the expression over the answer.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr},
    schema::{ErrorCondition, Errors, Rate},
    span::Span,
    ty::{Type, TypeDef},
    units::Millis,
    value::Value,
};

use super::{Context, Section, section::wrong_value, template::over_answer};
use crate::{
    ast::{self, ExprKind, Property, PropertyValue},
    names::literal,
};

/// The rules of a connector.
pub(super) fn errors(context: &Context<'_, '_>, written: &ast::Errors, problems: &mut Vec<Diagnostic>) -> Errors {
    let mut rules = Vec::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for rule in &written.rules {
        let path = ast::Path { parts: vec![rule.kind.clone()] };
        let kind = context.names.error_kind(&path, Some(context.connector), problems);
        if let Some(flow_model::failure::ErrorKind::Declared(name)) = &kind {
            problems.extend(unfillable(context, name, &rule.kind));
        }
        for condition in &rule.conditions {
            let condition = self::condition(context, condition, &mut seen, problems);
            if let (Some(condition), Some(kind)) = (condition, &kind) {
                rules.push((condition, kind.clone()));
            }
        }
    }
    let keyword = Span { end: written.span.start + "errors".len() as u32, ..written.span };
    let what = format!("the section `errors` of `{}`", context.connector);
    let section = Section::new(what, keyword, &written.properties, &["message", "code"], problems);
    let mut over = |name| section.expr(name, problems).map(|written| answer(context, written, problems));
    let message = over("message");
    Errors { rules, message, code: over("code") }
}

/// An expression over an answer, its status among it.
pub(super) fn answer(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Expr {
    over_answer(context, written, None, &[(Ambient::Status, Type::Int)], problems)
}

fn condition(
    context: &Context<'_, '_>,
    written: &ast::ErrorCondition,
    seen: &mut BTreeMap<String, Span>,
    problems: &mut Vec<Diagnostic>,
) -> Option<ErrorCondition> {
    let (text, span, condition) = match written {
        ast::ErrorCondition::Status(span, status) if (100..600).contains(status) => {
            (status.to_string(), *span, ErrorCondition::Status(*status))
        }
        ast::ErrorCondition::StatusClass(span, class) if (1..6).contains(class) => {
            (format!("{class}xx"), *span, ErrorCondition::StatusClass(*class))
        }
        ast::ErrorCondition::Status(span, _) | ast::ErrorCondition::StatusClass(span, _) => {
            let help = "statuses are `100` to `599`, and `1xx` to `5xx` for a hundred of them";
            problems.push(
                Diagnostic::new(Code::E0517, "there is no such status", *span, "not a status of HTTP").help(help),
            );
            return None;
        }
        ast::ErrorCondition::Connection(span) => ("connection".to_owned(), *span, ErrorCondition::Connection),
        ast::ErrorCondition::When(when) => {
            let status = [(Ambient::Status, Type::Int)];
            return Some(ErrorCondition::When(over_answer(context, when, Some(&Type::Bool), &status, problems)));
        }
    };
    // A rule decides for all answers of its status, unless conditions on the body stand before it: those may be as many
    // as one likes. A class before one of its statuses takes all of them.
    let class = text.get(..1).map(|class| format!("{class}xx"));
    let taken = seen.get(&text).or_else(|| class.filter(|class| *class != text).and_then(|class| seen.get(&class)));
    if let Some(first) = taken {
        problems.push(
            Diagnostic::new(Code::E0512, format!("the rule for `{text}` never applies"), span, "decided before")
                .label(*first, "by this rule")
                .help("rules are tried in order: leave it out, or put it before the other"),
        );
    }
    seen.entry(text).or_insert(span);
    Some(condition)
}

/// A declared error whose fields nothing could fill.
fn unfillable(context: &Context<'_, '_>, name: &str, kind: &ast::Ident) -> Option<Diagnostic> {
    let TypeDef::Error(fields) = context.names.types.get(name)? else { return None };
    let (field, _) = fields.iter().find(|(_, field)| field.default.is_none() && !field.ty.is_nullable())?;
    let message = format!("nothing fills the field `{field}` of `{}`", kind.text);
    let mut problem = Diagnostic::new(Code::E0511, message, kind.span, "made from an answer");
    if let Some(span) = context.names.field_spans.get(&(name.to_owned(), field.clone())) {
        problem = problem.label(*span, "must be there");
    }
    Some(problem.help("make it nullable with `?`, or give it a default"))
}

/// `limit: 100 per 10s`
pub(super) fn limit(property: &Property, problems: &mut Vec<Diagnostic>) -> Option<Rate> {
    let help = "write a number and a time: `100 per 10s`";
    let PropertyValue::Rate(rate) = &property.value else {
        problems.push(wrong_value(&property.name.text, property.span, "not a rate", help));
        return None;
    };
    let count = match literal(&rate.count) {
        Some(Value::Int(count)) => u32::try_from(count).ok().filter(|count| *count > 0),
        _ => None,
    };
    let period = match literal(&rate.period) {
        Some(Value::Duration(period)) if period > Millis(0) => Some(period),
        _ => None,
    };
    match (count, period) {
        (Some(count), Some(period)) => Some(Rate { count, period }),
        (None, _) => {
            problems.push(wrong_value(&property.name.text, rate.count.span, "not a number above 0", help));
            None
        }
        (_, None) => {
            problems.push(wrong_value(&property.name.text, rate.period.span, "not a time above 0", help));
            None
        }
    }
}

/// `retry_after: header("Retry-After")`, or any expression over the answer.
pub(super) fn retry_after(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Expr {
    match header(written) {
        Some(Ok(name)) => header_value(&name),
        Some(Err(span)) => {
            problems.push(wrong_value("header", span, "not one name of a header", "write `header(\"Retry-After\")`"));
            Expr::Literal(Value::Null)
        }
        None => answer(context, written, problems),
    }
}

/// The name in `header("…")`, or the place of what is not one name; none for anything else.
pub(super) fn header(written: &ast::Expr) -> Option<Result<String, Span>> {
    let ExprKind::Call { callee, args, .. } = &written.kind else { return None };
    if !matches!(&callee.kind, ExprKind::Name(name) if name == "header") {
        return None;
    }
    Some(match args.as_slice() {
        [arg] if arg.name.is_none() => match literal(&arg.value) {
            Some(Value::String(name)) => Ok(name.to_string()),
            _ => Err(arg.span),
        },
        _ => Err(written.span),
    })
}

/// The value of a header of an answer or webhook; their names are in lower case.
pub(super) fn header_value(name: &str) -> Expr {
    let name = Expr::Literal(Value::text(name.to_ascii_lowercase()));
    Expr::Index(Box::new(Expr::Ambient(Ambient::Headers)), Box::new(name))
}
