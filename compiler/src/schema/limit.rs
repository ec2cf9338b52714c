//! How much may leave, and when may a request be repeated?
//!
//! In: `limit:`, `retry_after:`, `remaining:` and `reset:` of a section `http`. Out: limits, and waits over an answer.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    schema::{Limit, Rate, Wait, WaitForm},
    span::Span,
    units::Millis,
    value::Value,
};

use super::{
    Context,
    errors::{answer, header, header_value},
    section::{form, items, wrong_value},
};
use crate::{
    ast::{Arg, Expr as Written, ExprKind, Property, PropertyValue},
    names::{literal, similar},
};

const FORMS: [(&str, &str); 4] = [
    ("moving", "moving(100, per: 10s)"),
    ("fixed", "fixed(10_000, per: 1d)"),
    ("bucket", "bucket(40, refill: 2, per: 1s)"),
    ("concurrent", "concurrent(10)"),
];

const HELP: &str = "write `100 per 10s` alone, or a list of `moving(100, per: 10s)`, `fixed(10_000, per: 1d)`, \
                    `bucket(40, refill: 2, per: 1s)` and `concurrent(10)`";

/// `limit: 100 per 10s`, `limit: [bucket(40, refill: 2, per: 1s), concurrent(10)]`
pub(super) fn limits(property: &Property, problems: &mut Vec<Diagnostic>) -> Vec<Limit> {
    let written = match &property.value {
        PropertyValue::Rate(rate) => {
            let read = rate_of(&rate.count, &rate.period, problems);
            return read.map(Limit::Moving).into_iter().collect();
        }
        PropertyValue::Expr(written) if matches!(written.kind, ExprKind::Missing) => return Vec::new(),
        PropertyValue::Expr(written) => written,
        _ => {
            problems.push(wrong_limit(property.span, "not a limit", HELP));
            return Vec::new();
        }
    };
    items(written).into_iter().filter_map(|written| one(written, problems)).collect()
}

fn wrong_limit(span: Span, label: &str, help: &str) -> Diagnostic {
    Diagnostic::new(Code::E0523, "this is no limit", span, label).help(help)
}

fn one(written: &Written, problems: &mut Vec<Diagnostic>) -> Option<Limit> {
    let (name, args) = form(written).unwrap_or(("", &[]));
    let Some((_, example)) = FORMS.iter().find(|(known, _)| *known == name) else {
        let near = similar(name, FORMS.iter().map(|(known, _)| *known));
        let example = FORMS.iter().find(|(known, _)| Some(*known) == near).map(|(_, example)| example);
        let help = example.map_or(HELP.to_owned(), |example| format!("did you mean `{example}`?"));
        problems.push(wrong_limit(written.span, "not a form of a limit", &help));
        return None;
    };
    let help = format!("write `{example}`");
    let Some(first) = args.first().filter(|arg| arg.name.is_none()) else {
        problems.push(wrong_limit(written.span, "does not say how many", &help));
        return None;
    };
    let known: &[&str] = match name {
        "concurrent" => &[],
        "bucket" => &["refill", "per"],
        _ => &["per"],
    };
    if args.len() != 1 + known.len() || known.iter().any(|name| named(args, name).is_none()) {
        problems.push(wrong_limit(written.span, "has other arguments", &help));
        return None;
    }
    Some(match name {
        "concurrent" => Limit::Concurrent(count(&first.value, &help, problems)?),
        "bucket" => Limit::Bucket {
            size: count(&first.value, &help, problems)?,
            refill: rate_of(&named(args, "refill")?.value, &named(args, "per")?.value, problems)?,
        },
        "fixed" => Limit::Fixed(rate_of(&first.value, &named(args, "per")?.value, problems)?),
        _ => Limit::Moving(rate_of(&first.value, &named(args, "per")?.value, problems)?),
    })
}

fn named<'w>(args: &'w [Arg], name: &str) -> Option<&'w Arg> {
    args.iter().find(|arg| arg.name.as_ref().is_some_and(|found| found.text == name))
}

/// A number above 0.
pub(super) fn count(written: &Written, help: &str, problems: &mut Vec<Diagnostic>) -> Option<u32> {
    let count = match literal(written) {
        Some(Value::Int(count)) => u32::try_from(count).ok().filter(|count| *count > 0),
        _ => None,
    };
    if count.is_none() {
        problems.push(wrong_limit(written.span, "not a number above 0", help));
    }
    count
}

fn rate_of(count: &Written, period: &Written, problems: &mut Vec<Diagnostic>) -> Option<Rate> {
    let help = "write a number and a time: `100 per 10s`";
    let count = self::count(count, help, problems);
    let time = match literal(period) {
        Some(Value::Duration(period)) if period > Millis(0) => Some(period),
        _ => {
            problems.push(wrong_limit(period.span, "not a time above 0", help));
            None
        }
    };
    Some(Rate { count: count?, period: time? })
}

/// `retry_after: header("Retry-After")`, or a list of which the longest wins.
pub(super) fn waits(context: &Context<'_, '_>, written: &Written, problems: &mut Vec<Diagnostic>) -> Vec<Wait> {
    items(written).into_iter().map(|written| wait(context, written, problems)).collect()
}

/// `header("X-Reset")`, `millis(body.retry_in)`, `unix(header("X-RateLimit-Reset"))`, or any expression over the answer.
pub(super) fn wait(context: &Context<'_, '_>, written: &Written, problems: &mut Vec<Diagnostic>) -> Wait {
    let forms = [
        ("seconds", WaitForm::Seconds),
        ("millis", WaitForm::Millis),
        ("unix", WaitForm::Unix),
        ("unix_millis", WaitForm::UnixMillis),
    ];
    if let Some((name, [Arg { name: None, value, .. }])) = form(written)
        && let Some((_, form)) = forms.iter().find(|(known, _)| *known == name)
    {
        return Wait { value: over_headers(context, value, problems), form: *form };
    }
    Wait { value: over_headers(context, written, problems), form: WaitForm::Any }
}

/// `header("…")`, or any expression over the answer.
pub(super) fn over_headers(context: &Context<'_, '_>, written: &Written, problems: &mut Vec<Diagnostic>) -> Expr {
    match header(written) {
        Some(Ok(name)) => header_value(&name),
        Some(Err(span)) => {
            problems.push(wrong_value("header", span, "not one name of a header", "write `header(\"Retry-After\")`"));
            Expr::Literal(Value::Null)
        }
        None => answer(context, written, problems),
    }
}
