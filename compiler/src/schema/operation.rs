//! What does an operation do, and how?
//!
//! In: an operation as written, with its parameters and result known. Out: the whole operation: its effect, what makes
//! repeating it safe, its request or that it is native, its scopes.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Ambient,
    failure::ErrorKind,
    schema::{Body, Call, Effect, Errors, Format, Into, KeySource, Operation, OperationCall, Request},
    ty::Type,
    value::Value,
};

use super::{
    Context, Section, Template, body, bulk, errors, page,
    place::{self, place},
    reference::{operation_call, wrong},
    request::{self, Params, header_problem, is_token},
    section::{fixed_text, form, texts, word, wrong_value},
    steps,
    template::over_answer,
};
use crate::{
    ast::{self, ExprKind, PropertyValue},
    names::literal,
    types::{holds_secret, secret},
};

const PROPERTIES: [&str; 16] = [
    "effect",
    "key",
    "request",
    "native",
    "fails",
    "answer",
    "format",
    "success_when",
    "null_when",
    "bulk",
    "page",
    "undo",
    "cost",
    "visible_after",
    "scopes",
    "deprecated",
];

const EFFECTS: [(&str, Effect); 4] = [
    ("read", Effect::Read),
    ("idempotent", Effect::Idempotent),
    ("create", Effect::Create),
    ("destroy", Effect::Destroy),
];

const FORMATS: [(&str, Format); 5] = [
    ("json", Format::Json),
    ("json_lines", Format::JsonLines),
    ("csv", Format::Csv(b',')),
    ("xml", Format::Xml),
    ("text", Format::Text),
];

/// Completes an operation.
pub(super) fn operation(
    context: &Context<'_, '_>,
    written: &ast::Operation,
    mut operation: Operation,
    errors: &Errors,
    problems: &mut Vec<Diagnostic>,
) -> Operation {
    if let Some(body) = &written.body {
        return steps::operation(context, written, body, operation, problems);
    }
    let what = format!("the operation `{}`", written.name.text());
    let section = Section::new(what.clone(), written.name.span(), &written.properties, &PROPERTIES, problems);
    let help = "say what a call does: `effect: read`, `idempotent`, `create` or `destroy`";
    section.require("effect", help, problems);
    let effect = section.expr("effect", problems).and_then(|effect| word("effect", effect, &EFFECTS, problems));
    // What is not known counts as what is least safe.
    operation.effect = effect.unwrap_or(Effect::Create);
    if let Some(call) = call(context, &what, &section, written, &operation, problems) {
        operation.call = call;
    }
    operation.fails = fails(context, &section, &operation, problems);
    answer(context, &section, &mut operation, problems);
    if let Some(result) = written.result.as_ref().filter(|_| holds_secret(&context.names.types, &operation.result)) {
        let problem = secret("a result can't hold a secret", result.span);
        problems
            .push(problem.help("results are kept in the run's history: leave it out of the type, and it is not read"));
    }
    operation.key = key(context, &section, &mut operation, effect, written, problems);
    operation.undo = undo(context, &section, &operation, written, problems);
    if let Some(bulk) = section.expr("bulk", problems) {
        operation.bulk = bulk::bulk(context, &operation, bulk, problems);
    }
    operation.page = page::page(context, &section, &operation, written, problems);
    operation.cost = section.expr("cost", problems).map(|cost| {
        let mut template = Template::new(context, &written.params, &operation.params);
        let cost = template.expr(cost, Some(&Type::Int)).expr;
        template.finish(problems);
        cost
    });
    unused_types(&what, written, &operation, problems);
    operation.visible_after = section.expr("visible_after", problems).and_then(|written| match literal(written) {
        Some(Value::Duration(time)) => Some(time),
        _ => {
            problems.push(wrong_value("visible_after", written.span, "not a time", "write a time: `2s`"));
            None
        }
    });
    operation.scopes =
        section.expr("scopes", problems).map(|scopes| texts("scopes", scopes, problems)).unwrap_or_default();
    operation.deprecated =
        section.expr("deprecated", problems).and_then(|reason| fixed_text("deprecated", reason, problems));
    let declared = errors.rules.iter().filter(|(_, kind)| matches!(kind, ErrorKind::Declared(_)));
    for (_, kind) in declared {
        if matches!(operation.call, Call::Http(_)) && !operation.errors.contains(kind) {
            operation.errors.push(kind.clone());
        }
    }
    operation
}

/// `fails: [NotFound, Rejected]`: what native code ends with, besides what any call can end with.
fn fails(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    operation: &Operation,
    problems: &mut Vec<Diagnostic>,
) -> Option<Vec<ErrorKind>> {
    let written = section.expr("fails", problems);
    if operation.call != Call::Native || section.get("native").is_none() {
        if let Some(written) = written.filter(|_| section.get("request").is_some()) {
            let help = "leave it out: the section `errors { 404 => NotFound }` says what answers mean";
            problems.push(wrong_value("fails", written.span, "for native operations alone", help));
        }
        return None;
    }
    let mut kinds = Vec::new();
    for (kind, span) in written.map(|written| errors::kinds(context, "fails", written, problems)).unwrap_or_default() {
        let why = match &kind {
            ErrorKind::Interrupted => Some("whether the fate of a call is known is not for code to say"),
            kind if ErrorKind::OF_EVERY_CALL.contains(kind) => Some("what every call can end with"),
            kind if kinds.contains(kind) => Some("said before"),
            _ => None,
        };
        match why {
            Some(why) => problems.push(wrong_value("fails", span, why, "leave it out")),
            None => kinds.push(kind),
        }
    }
    Some(kinds)
}

/// Reports types that the caller gives for nothing.
fn unused_types(what: &str, written: &ast::Operation, operation: &Operation, problems: &mut Vec<Diagnostic>) {
    let mut used = Vec::new();
    for ty in operation.params.values().map(|field| &field.ty).chain([&operation.result]) {
        let found = std::cell::RefCell::new(Vec::new());
        let _same = ty.replaced(&|name| {
            found.borrow_mut().push(name.to_owned());
            None
        });
        used.append(&mut found.into_inner());
    }
    for name in written.types.iter().filter(|name| !used.contains(&name.text)) {
        let message = format!("the type `{}` of {what} stands nowhere", name.text);
        problems.push(
            Diagnostic::new(Code::E0507, message, name.span, "given for nothing")
                .help(format!("use it in the result, as in `-> {}?`, or leave it out", name.text)),
        );
    }
}

/// How the answer is read: `answer`, `format`, `success_when`, `null_when`.
fn answer(context: &Context<'_, '_>, section: &Section<'_>, operation: &mut Operation, problems: &mut Vec<Diagnostic>) {
    for name in ["answer", "format", "success_when", "null_when"] {
        let Some(written) = section.expr(name, problems) else { continue };
        let Call::Http(request) = &mut operation.call else {
            if section.get("native").is_some() {
                let help = "leave it out: a native operation gives its result itself";
                problems.push(wrong_value(name, written.span, "goes with `request`", help));
            }
            continue;
        };
        let status = [(Ambient::Status, Type::Int)];
        match name {
            "answer" => request.answer = Some(errors::answer(context, written, problems)),
            "format" => request.format = format(written, problems).unwrap_or_default(),
            "success_when" => {
                request.success_when = Some(over_answer(context, written, Some(&Type::Bool), &status, problems));
            }
            _ => {
                request.null_when = Some(over_answer(context, written, Some(&Type::Bool), &status, problems));
                if !operation.result.is_nullable() {
                    let label = format!("the result is `{}`", operation.result);
                    let help = format!("declare the result as `{}`", operation.result.clone().optional());
                    problems.push(wrong_value(name, written.span, &format!("{label}, which is never null"), help));
                }
            }
        }
    }
}

/// `json`, `json_lines`, `csv`, `csv(";")`, `xml`, `text`
fn format(written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Format> {
    if let Some(("csv", [arg])) = form(written) {
        let separator = fixed_text("csv", &arg.value, problems)?;
        return match separator.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => {
                Some(Format::Csv(*byte))
            }
            _ => {
                let help = "write one character: `csv(\";\")`, `csv(\"\\t\")`";
                problems.push(wrong_value("csv", arg.span, "can't separate values", help));
                None
            }
        };
    }
    if let Some(("xml", [arg])) = form(written) {
        return word("xml", &arg.value, &[("local", Format::XmlLocal)], problems);
    }
    word("format", written, &FORMATS, problems)
}

/// `undo: refunds.create(charge: .id)`
fn undo(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    operation: &Operation,
    written: &ast::Operation,
    problems: &mut Vec<Diagnostic>,
) -> Option<OperationCall> {
    let undo = section.expr("undo", problems)?;
    let mut template = Template::new(context, &written.params, &operation.params);
    template.sees(Ambient::Item, operation.result.clone());
    let example = "contacts.delete(id: .id)";
    let call = operation_call(context, &mut template, "undo", undo, example, problems);
    template.finish(problems);
    let (call, target) = call?;
    if effect_of(context, &call.operation) == Some(Effect::Read) || target.effect == Effect::Read {
        let message = format!("`{}` takes nothing back", call.operation);
        problems.push(wrong(&message, undo.span, "only reads", "name an operation that removes or resets"));
        return None;
    }
    Some(call)
}

/// The effect that another operation of the connector is written with: it may not have been read yet.
fn effect_of(context: &Context<'_, '_>, operation: &str) -> Option<Effect> {
    let info = context.names.connectors.get(context.connector)?;
    let written = info.ast.operations.iter().find(|written| written.name.text() == operation)?;
    effect_written(written)
}

/// The effect that an operation is written with.
pub(super) fn effect_written(written: &ast::Operation) -> Option<Effect> {
    let property = written.properties.iter().find(|property| property.name.text == "effect")?;
    let PropertyValue::Expr(ast::Expr { kind: ExprKind::Name(word), .. }) = &property.value else { return None };
    EFFECTS.iter().find(|(known, _)| known == word).map(|(_, effect)| *effect)
}

/// `key: lookup(contacts.find(email: email))`
fn lookup(
    context: &Context<'_, '_>,
    operation: &Operation,
    written: &ast::Operation,
    call: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Option<KeySource> {
    let mut template = Template::new(context, &written.params, &operation.params);
    let found = operation_call(context, &mut template, "lookup", call, "contacts.find(email: email)", problems);
    template.finish(problems);
    let (found, target) = found?;
    if effect_of(context, &found.operation).is_some_and(|effect| effect != Effect::Read) {
        let message = format!("`{}` does more than look", found.operation);
        problems.push(wrong(&message, call.span, "not a read", "name an operation with `effect: read`"));
        return None;
    }
    let (wanted, given) = (operation.result.non_null(), target.result.non_null());
    if *wanted != Type::Null && wanted != given && *given != Type::Unknown {
        let message = format!("`{}` does not find what `{}` makes", found.operation, written.name.text());
        let label = format!("gives a `{}`, and a `{}` is made", target.result, operation.result);
        let help = format!("name an operation whose result is `{}`", operation.result.clone().optional());
        problems.push(wrong(&message, call.span, &label, &help));
        return None;
    }
    Some(KeySource::Lookup(found))
}

fn call(
    context: &Context<'_, '_>,
    what: &str,
    section: &Section<'_>,
    written: &ast::Operation,
    operation: &Operation,
    problems: &mut Vec<Diagnostic>,
) -> Option<Call> {
    let native = section.get("native");
    if let Some(native) = native
        && !matches!(native.value, PropertyValue::Flag)
    {
        problems.push(wrong_value("native", native.span, "takes no value", "write `native` alone"));
    }
    let params = Params { written: &written.params, fields: &operation.params };
    match (section.get("request"), native) {
        (Some(request), Some(native)) => {
            problems.push(
                Diagnostic::new(
                    Code::E0504,
                    format!("{what} has both `request` and `native`"),
                    native.span,
                    "Rust code",
                )
                .label(request.name.span, "an HTTP request")
                .help("keep one: what HTTP can say needs no code"),
            );
            None
        }
        (None, Some(_)) => Some(Call::Native),
        (None, None) if section.is_meant("request") || section.is_meant("native") => None,
        (None, None) => {
            let help = "write `request: GET \"/path\"`, or `native` where it is carried out by code";
            problems.push(super::section::missing(what, "request", written.name.span(), help));
            None
        }
        (Some(property), None) => {
            if let Some(info) = context.names.connectors.get(context.connector)
                && info.ast.http.is_none()
            {
                problems.push(
                    Diagnostic::new(
                        Code::E0510,
                        format!("{what} makes a request, and `{}` does not say where to", context.connector),
                        property.name.span,
                        "needs a base URL",
                    )
                    .label(info.span, "has no section `http`")
                    .help("add `http { base: \"https://…\", auth: … }`"),
                );
            }
            request::unused(what, property, params, problems);
            let request: Option<Request> = request::request(context, what, property, params, problems);
            request.map(|request| Call::Http(Box::new(request)))
        }
    }
}

/// `key: header("Idempotency-Key")`, `key: field("request_id")`, `key: native`
fn key(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    operation: &mut Operation,
    effect: Option<Effect>,
    written: &ast::Operation,
    problems: &mut Vec<Diagnostic>,
) -> Option<KeySource> {
    let expr = section.expr("key", problems)?;
    let is_native = section.get("native").is_some();
    let wrong =
        |message: &str, label: &str, help: &str| Diagnostic::new(Code::E0513, message, expr.span, label).help(help);
    if matches!(effect, Some(Effect::Read | Effect::Idempotent)) {
        let effect = section.get("effect").map_or(written.name.span(), |effect| effect.span);
        problems.push(
            wrong("a call that is safe to repeat needs no key", "of no use", "leave `key` out")
                .label(effect, "safe to repeat"),
        );
        return None;
    }
    let help = if is_native {
        "write `key: native`: the code gets the key beside the arguments"
    } else {
        "write `key: header(\"Idempotency-Key\")`, `field(\"request_id\")`, with `format: uuid` where the system takes UUIDs alone, or `lookup(operation(…))`"
    };
    if let Some(("lookup", [arg])) = form(expr) {
        return lookup(context, operation, written, &arg.value, problems);
    }
    let named = match &expr.kind {
        ExprKind::Name(name) if name == "native" && is_native => return Some(KeySource::Native),
        _ if is_native => None,
        _ => match form(expr) {
            Some((form @ ("header" | "field"), [named])) => Some((form, &named.value)),
            Some((form @ ("header" | "field"), [named, format])) if is_uuid(format) => {
                operation.uuid_key = true;
                Some((form, &named.value))
            }
            _ => None,
        },
    };
    let Some((form, named)) = named else {
        problems.push(wrong("this does not say where the key goes", "not known", help));
        return None;
    };
    let into = if form == "field" { place(named) } else { None };
    if let (Some(into @ Into::Within(path)), Call::Http(request)) = (&into, &operation.call) {
        if let Some((why, label, instead)) = place::unfit(into, &request.body) {
            problems.push(wrong(why, label, if instead == place::HELP { help } else { instead }));
            return None;
        }
        return Some(KeySource::Within(path.clone()));
    }
    let name = match into {
        Some(Into::Body(name)) => name,
        _ => fixed_text(form, named, problems)?,
    };
    if form == "header" {
        if !is_token(&name) {
            problems.push(header_problem(&name, named.span));
            return None;
        }
        return Some(KeySource::Header(name));
    }
    if let Call::Http(request) = &operation.call {
        if matches!(request.body, Body::Raw(..) | Body::Multipart(_) | Body::Xml(_)) {
            problems.push(wrong("the body has no fields", "put into a field", help));
        }
        if let Some(PropertyValue::Request { parts, .. }) = section.get("request").map(|request| &request.value) {
            let bodies = parts.iter().filter(|part| matches!(part.name.text.as_str(), "body" | "form"));
            for part in bodies {
                if let PropertyValue::Expr(body) = &part.value
                    && body::fields(body).is_some_and(|fields| fields.contains(&name.as_str()))
                {
                    problems.push(
                        wrong(
                            "the body has this field already",
                            "would be replaced",
                            "leave the field out of the body",
                        )
                        .label(body.span, format!("sets `{name}`")),
                    );
                }
            }
        }
    }
    Some(KeySource::Field(name))
}

/// `format: uuid`: the key goes out as a UUID.
fn is_uuid(arg: &ast::Arg) -> bool {
    let is_format = arg.name.as_ref().is_some_and(|name| name.text == "format");
    is_format && matches!(&arg.value.kind, ExprKind::Name(word) if word == "uuid")
}
