//! When is an answer an error, and when may a request be repeated?
//!
//! In: the section `errors { 404 => NotFound, … }`. Out: the rules in order, what fills declared errors, and which kinds
//! are tried again.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr},
    failure::ErrorKind,
    plan::Retry,
    schema::{ErrorCondition, Errors},
    span::Span,
    ty::{Type, TypeDef},
    value::Value,
};

use super::{
    Context, Section, Template,
    section::{items, listed, wrong_value},
    template::over_answer,
};
use crate::{
    ast::{self, ExprKind},
    names::{chain, literal, unknown},
};

/// The rules of a connector.
pub(super) fn errors(context: &Context<'_, '_>, written: &ast::Errors, problems: &mut Vec<Diagnostic>) -> Errors {
    let (mut rules, mut fields) = (Vec::new(), BTreeMap::new());
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for rule in &written.rules {
        let path = ast::Path { parts: vec![rule.kind.clone()] };
        let kind = context.names.error_kind(&path, Some(context.connector), problems);
        let filled = fill(context, kind.as_ref(), rule, problems);
        for condition in &rule.conditions {
            let condition = self::condition(context, condition, &mut seen, problems);
            if let (Some(condition), Some(kind)) = (condition, &kind) {
                if !filled.is_empty() {
                    fields.insert(rules.len(), filled.clone());
                }
                rules.push((condition, kind.clone()));
            }
        }
    }
    let keyword = Span { end: written.span.start + "errors".len() as u32, ..written.span };
    let what = format!("the section `errors` of `{}`", context.connector);
    let section = Section::new(what, keyword, &written.properties, &["message", "code", "retry"], problems);
    let mut over = |name| section.expr(name, problems).map(|written| answer(context, written, problems));
    let message = over("message");
    Errors { rules, fields, message, code: over("code") }
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

/// `=> CardDeclined(reason: body.error?.decline_code)`: what fills the fields of a declared error.
fn fill(
    context: &Context<'_, '_>,
    kind: Option<&ErrorKind>,
    rule: &ast::ErrorRule,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(String, Expr)> {
    let Some(ErrorKind::Declared(name)) = kind else {
        if let (Some(kind), Some(arg)) = (kind, rule.args.first()) {
            let help = "leave it out, or declare an error of your own: `error CardDeclined { reason: String? }`";
            let problem = Diagnostic::new(Code::E0511, format!("`{kind}` has no fields"), arg.span, "goes nowhere");
            problems.push(problem.help(help));
        }
        return Vec::new();
    };
    let Some(TypeDef::Error(fields)) = context.names.types.get(name) else { return Vec::new() };
    let mut template = Template::answer(context, &[(Ambient::Status, Type::Int)]);
    let mut filled: Vec<(String, Expr)> = Vec::new();
    for arg in &rule.args {
        let Some(written) = &arg.name else {
            let help = format!("write `{}(field: value)`", rule.kind.text);
            problems.push(Diagnostic::new(Code::E0511, "this fills no field", arg.span, "which field?").help(help));
            continue;
        };
        if !fields.contains_key(&written.text) {
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            let problem = unknown(Code::E0501, "field", written, known.iter().copied());
            problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help(format!("its fields are {}", listed(&known))),
            });
            continue;
        }
        // What an answer holds is read as the field's type where the failure is made; what does not fit is null there.
        filled.push((written.text.clone(), template.expr(&arg.value, None).expr));
    }
    template.finish(problems);
    problems.extend(unfillable(context, name, &rule.kind, &filled));
    filled
}

/// A declared error with a field that must be there: an answer may always lack it.
fn unfillable(
    context: &Context<'_, '_>,
    name: &str,
    kind: &ast::Ident,
    filled: &[(String, Expr)],
) -> Option<Diagnostic> {
    let TypeDef::Error(fields) = context.names.types.get(name)? else { return None };
    let is_filled = |field: &str| filled.iter().any(|(filled, _)| filled == field);
    let (field, _) =
        fields.iter().find(|(name, field)| field.default.is_none() && !field.ty.is_nullable() && !is_filled(name))?;
    let message = format!("nothing fills the field `{field}` of `{}`", kind.text);
    let mut problem = Diagnostic::new(Code::E0511, message, kind.span, "made from an answer");
    if let Some(span) = context.names.field_spans.get(&(name.to_owned(), field.clone())) {
        problem = problem.label(*span, "must be there");
    }
    Some(
        problem.help(format!(
            "fill it: `{}({field}: body.…)`, make it nullable with `?`, or give it a default",
            kind.text
        )),
    )
}

/// `retry: [Conflict, Locked]`: kinds after which what is safe to repeat is tried again, besides the usual ones.
pub(super) fn retry(context: &Context<'_, '_>, written: &ast::Errors, problems: &mut Vec<Diagnostic>) -> Option<Retry> {
    // The section as a whole was checked with the rules.
    let property = written.properties.iter().find(|property| property.name.text == "retry")?;
    let ast::PropertyValue::Expr(list) = &property.value else { return None };
    let mut retry = Retry::standard();
    for (kind, span) in kinds(context, "retry", list, problems) {
        if kind == ErrorKind::Interrupted {
            let help = "leave it out: a call that may have taken effect must not be made again";
            problems.push(wrong_value("retry", span, "whether the call took effect is not known", help));
        } else if !retry.on.contains(&kind) {
            retry.on.push(kind);
        }
    }
    Some(retry)
}

/// The kinds of errors in a list, each with its place.
pub(super) fn kinds(
    context: &Context<'_, '_>,
    name: &str,
    list: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(ErrorKind, Span)> {
    let mut kinds = Vec::new();
    for item in items(list) {
        let Some(path) = chain(item) else {
            let help = format!("write the kinds: `{name}: [NotFound, Conflict]`");
            problems.push(wrong_value(name, item.span, "not a kind of error", help));
            continue;
        };
        let kind = context.names.error_kind(&path, Some(context.connector), problems);
        kinds.extend(kind.map(|kind| (kind, item.span)));
    }
    kinds
}

/// `expired: Gone`: the one kind of failure that a property names.
pub(super) fn one_kind(
    context: &Context<'_, '_>,
    property: &str,
    written: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Option<ErrorKind> {
    let Some(path) = chain(written) else {
        let help = format!("name a kind that `errors` gives to such an answer: `{property}: NotFound`");
        problems.push(wrong_value(property, written.span, "not a kind of error", &help));
        return None;
    };
    context.names.error_kind(&path, Some(context.connector), problems)
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
