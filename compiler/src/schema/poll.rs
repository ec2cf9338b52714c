//! Which operation lists what has happened, and how far was it read?
//!
//! In: `trigger name(folder: String) as Type { poll: …, cursor: …, within: …, listed: …, expired: …, overlap: …, granularity: …,
//! first: …, dedupe: …, every: … }`. Out: the whole trigger.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Descend, Expr, Slot},
    schema::{First, Listed, Poll, WebhookTrigger},
    ty::{Field, Format, Type, TypeDef},
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Context, Section, Template, errors,
    reference::operation_call,
    section::{word, wrong_value},
    template::{over_answer, typed_over_answer},
};
use crate::{
    ast,
    names::{chain, literal},
};

const PROPERTIES: [&str; 10] =
    ["poll", "cursor", "within", "listed", "expired", "overlap", "granularity", "first", "dedupe", "every"];

const FIRST: [(&str, First); 2] = [("now", First::Now), ("start", First::Start)];

const LISTED: [(&str, Listed); 2] = [("newest_first", Listed::NewestFirst), ("oldest_first", Listed::OldestFirst)];

/// How often a list is read when nothing is said.
const EVERY: Millis = Millis::seconds(60);

/// Completes a trigger that polls.
pub(super) fn poll(
    context: &Context<'_, '_>,
    written: &ast::WebhookTrigger,
    mut trigger: WebhookTrigger,
    problems: &mut Vec<Diagnostic>,
) -> WebhookTrigger {
    let what = format!("the trigger `{}`", written.name.text());
    let section = Section::new(what, written.name.span(), &written.properties, &PROPERTIES, problems);
    let item = [(Ambient::Item, trigger.payload.clone())];
    section.require("cursor", "say which field of an item grows: `cursor: .updated_at`", problems);
    let cursor = section.expr("cursor", problems).map(|cursor| {
        let (expr, ty) = typed_over_answer(context, cursor, None, &item, problems);
        if !matches!(ty, Type::Timestamp | Type::Int | Type::String | Type::Unknown) {
            let help = "name a field of type `Timestamp`, `Int` or `String` that is never null";
            problems.push(wrong_value("cursor", cursor.span, &format!("of type `{ty}`"), help));
            return (expr, Type::Unknown);
        }
        (expr, ty)
    });
    let within = section.expr("within", problems).map(|within| {
        let (expr, ty) = typed_over_answer(context, within, None, &item, problems);
        if !matches!(ty, Type::Int | Type::String | Type::Unknown) {
            let help = "name a field of type `Int` or `String` that is never null";
            problems.push(wrong_value("within", within.span, &format!("of type `{ty}`"), help));
        }
        expr
    });
    let listed = section.expr("listed", problems).and_then(|listed| {
        let found = word("listed", listed, &LISTED, problems)?;
        if within.is_some() {
            let help = "leave out `within`, or `listed` where the cursor grows in each place";
            problems.push(wrong_value("listed", listed.span, "there are several places", help));
        }
        Some(found)
    });
    let expired = section.expr("expired", problems).and_then(|expired| {
        if listed.is_some() {
            let help = "leave it out: with `listed`, what is not listed any more is not known any more either";
            problems.push(wrong_value("expired", expired.span, "all that was read would be new", help));
        }
        errors::one_kind(context, "expired", expired, problems)
    });
    if let Some(dedupe) = section.expr("dedupe", problems) {
        trigger.dedupe = Some(over_answer(context, dedupe, None, &item, problems));
    }
    let mut time = |name: &str, least: Millis| {
        let written = section.expr(name, problems)?;
        match literal(written) {
            Some(Value::Duration(time)) if time >= least => Some((time, written.span)),
            _ => {
                let help = format!("write a time of at least {least}: `{name}: 5m`");
                problems.push(wrong_value(name, written.span, "not such a time", &help));
                None
            }
        }
    };
    let every = time("every", Millis::seconds(1)).map_or(EVERY, |(time, _)| time);
    let (overlap, granularity) = (time("overlap", Millis(1)), time("granularity", Millis(1)));
    let is_time = cursor.as_ref().is_none_or(|(_, ty)| matches!(ty, Type::Timestamp | Type::Unknown));
    for (name, found) in [("overlap", overlap), ("granularity", granularity)] {
        if let Some((_, span)) = found.filter(|_| !is_time) {
            let help = "leave it out: only a cursor of type `Timestamp` can be set back by a time";
            problems.push(wrong_value(name, span, "the cursor is no time", help));
        }
    }
    if let (Some((_, span)), Some(_), true) = (overlap, listed, is_time) {
        let help = "leave it out: with `listed`, whatever was not listed before is new, however old it is";
        problems.push(wrong_value("overlap", span, "nothing is too old here", help));
    }
    let first = section.expr("first", problems).and_then(|first| word("first", first, &FIRST, problems));
    let of_cursor = cursor.as_ref().filter(|_| within.is_none());
    let format = of_cursor.and_then(|(expr, _)| format(context, &trigger.payload, expr));
    let since = cursor.as_ref().map_or(Type::Unknown, |(_, ty)| ty.clone());
    let since = if within.is_some() { Type::Map(Box::new(since)) } else { since };
    let since = Field { format, ..Field::of(since.optional()) };
    let params = context.names.params(&written.params, Some(context.connector), problems);
    if let Some(other) = written.params.iter().find(|param| param.name.text == "since") {
        let help = "choose another name: `since` is how far was read";
        let problem = Diagnostic::new(Code::E0203, "`since` has a meaning here", other.name.span, "can't be declared");
        problems.push(problem.help(help));
    }
    let mut sees = IndexMap::from([("since".to_owned(), since)]);
    sees.extend(params.clone());
    let call = section.expr("poll", problems).and_then(|listing| {
        let mut template = Template::over(context, &sees, "`since`, how far was read, is known here: null at first");
        let example = "contacts.list(updated_since: since)";
        let call = operation_call(context, &mut template, "poll", listing, example, problems);
        template.finish(problems);
        let (call, operation) = call?;
        for (index, param) in (1..).zip(&written.params) {
            if param.name.text != "since" && !call.args.iter().any(|arg| mentions(arg, Slot(index))) {
                problems.push(goes_nowhere(written, param, "give it to the operation that lists, or leave it out"));
            }
        }
        let gives = match &operation.result {
            Type::List(item) | Type::Stream(item) => Some(&**item),
            _ => None,
        };
        if !reads(context, &call.operation) {
            let help = "name an operation whose effect is `read`: it is called again and again";
            problems.push(wrong_value("poll", listing.span, "does more than read", help));
        } else if gives != Some(&trigger.payload) {
            let help = format!("name an operation that gives a `List<{0}>` or a `Stream<{0}>`", trigger.payload);
            problems.push(wrong_value("poll", listing.span, &format!("gives `{}`", operation.result), &help));
        }
        Some(call)
    });
    if let (Some(call), Some((cursor, ty))) = (call, cursor) {
        let time = |found: Option<(Millis, _)>| found.map_or(Millis(0), |(time, _)| time);
        let (overlap, granularity) = (time(overlap), time(granularity));
        let first = first.unwrap_or(First::Now);
        trigger.poll = Some(Poll {
            params,
            call,
            cursor,
            ty,
            within,
            listed,
            expired,
            format,
            overlap,
            granularity,
            first,
            every,
        });
    }
    trigger
}

/// Says whether an expression reads a slot.
fn mentions(expr: &Expr, slot: Slot) -> bool {
    let mut found = false;
    expr.clone().each_mut(&mut |part| {
        found |= *part == Expr::Slot(slot);
        Descend::Yes
    });
    found
}

/// The problem of a parameter that changes nothing.
pub(super) fn goes_nowhere(written: &ast::WebhookTrigger, param: &ast::Field, help: &str) -> Diagnostic {
    let message = format!("the parameter `{}` of the trigger `{}` goes nowhere", param.name.text, written.name.text());
    Diagnostic::new(Code::E0507, message, param.name.span, "changes nothing").help(help)
}

/// Says whether an operation is declared to read and no more. Effects are read after triggers are, so it is looked for where it
/// is written; one that is missing or wrong is reported there.
fn reads(context: &Context<'_, '_>, operation: &str) -> bool {
    let declared = context.names.connectors.get(context.connector).and_then(|info| {
        let operation = info.ast.operations.iter().find(|written| written.name.text() == operation)?;
        match &operation.properties.iter().find(|property| property.name.text == "effect")?.value {
            ast::PropertyValue::Expr(effect) => chain(effect),
            _ => None,
        }
    });
    declared.is_none_or(|effect| !["idempotent", "create", "destroy"].contains(&effect.text().as_str()))
}

/// How the field that a cursor names is written by the system.
fn format(context: &Context<'_, '_>, payload: &Type, cursor: &Expr) -> Option<Format> {
    let Expr::Member { of, name, .. } = cursor else { return None };
    if **of != Expr::Ambient(Ambient::Item) {
        return None;
    }
    let fields = match payload {
        Type::Record(fields) => fields,
        Type::Named(named) => match context.names.types.get(named) {
            Some(TypeDef::Record(fields)) => fields,
            _ => return None,
        },
        _ => return None,
    };
    fields.get(name)?.format
}
