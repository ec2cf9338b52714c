//! What does an operation do, and how?
//!
//! In: an operation as written, with its parameters and result known. Out: the whole operation: its effect, what makes
//! repeating it safe, its request or that it is native, its scopes.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    failure::ErrorKind,
    schema::{Body, Call, Effect, Errors, KeySource, Operation, Request},
    ty::Type,
};

use super::{
    Context, Section, body, errors,
    request::{self, Params, header_problem, is_token},
    section::{fixed_text, word, wrong_value},
};
use crate::ast::{self, ExprKind, ListEntry, PropertyValue};

const PROPERTIES: [&str; 7] = ["effect", "key", "request", "native", "answer", "scopes", "deprecated"];

const EFFECTS: [(&str, Effect); 4] = [
    ("read", Effect::Read),
    ("idempotent", Effect::Idempotent),
    ("create", Effect::Create),
    ("destroy", Effect::Destroy),
];

/// Completes an operation.
pub(super) fn operation(
    context: &Context<'_, '_>,
    written: &ast::Operation,
    mut operation: Operation,
    errors: &Errors,
    problems: &mut Vec<Diagnostic>,
) -> Operation {
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
    if let Some(answer) = section.expr("answer", problems) {
        let read = errors::answer(context, answer, problems);
        match &mut operation.call {
            Call::Http(request) => request.answer = Some(read),
            Call::Native if section.get("native").is_some() => problems.push(wrong_value(
                "answer",
                answer.span,
                "goes with `request`",
                "leave it out: a native operation gives its result itself",
            )),
            Call::Native => {}
        }
    }
    operation.key = key(&section, &operation, effect, written, problems);
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
            if let (Type::Stream(_), Some(result)) = (&operation.result, &written.result) {
                problems.push(wrong_value(
                    "result",
                    result.span,
                    "a request gives one answer",
                    "name the type of one answer, such as `List<…>`",
                ));
            }
            request::unused(what, property, params, problems);
            let request: Option<Request> = request::request(context, what, property, params, problems);
            request.map(|request| Call::Http(Box::new(request)))
        }
    }
}

/// `key: header("Idempotency-Key")`, `key: field("request_id")`, `key: native`
fn key(
    section: &Section<'_>,
    operation: &Operation,
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
        "write `key: header(\"Idempotency-Key\")` or `key: field(\"request_id\")`"
    };
    let named = match &expr.kind {
        ExprKind::Name(name) if name == "native" && is_native => return Some(KeySource::Native),
        ExprKind::Call { callee, args, .. } => match (&callee.kind, args.as_slice()) {
            (ExprKind::Name(form), [arg]) if matches!(form.as_str(), "header" | "field") && !is_native => {
                Some((form.as_str(), &arg.value))
            }
            _ => None,
        },
        _ => None,
    };
    let Some((form, named)) = named else {
        problems.push(wrong("this does not say where the key goes", "not known", help));
        return None;
    };
    let name = fixed_text(form, named, problems)?;
    if form == "header" {
        if !is_token(&name) {
            problems.push(header_problem(&name, named.span));
            return None;
        }
        return Some(KeySource::Header(name));
    }
    if let Call::Http(request) = &operation.call {
        if matches!(request.body, Body::Raw(..)) {
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

/// A list of fixed texts.
fn texts(name: &str, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let ExprKind::List(entries) = &written.kind else {
        problems.push(wrong_value(name, written.span, "not a list", format!("write `{name}: [\"…\"]`")));
        return Vec::new();
    };
    let mut read = Vec::new();
    for entry in entries {
        match entry {
            ListEntry::Item(item) => read.extend(fixed_text(name, item, problems)),
            ListEntry::Spread(rest) => {
                problems.push(wrong_value(name, rest.span, "not a fixed text", "write each text"));
            }
        }
    }
    read
}
