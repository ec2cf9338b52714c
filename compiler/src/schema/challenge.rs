//! How does a connector answer when a system asks whether a URL takes its webhooks, and how are those set up?
//!
//! In: `challenge name { … }` and `webhooks { … }`. Out: the handshake and the calls.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr},
    schema::{Challenge, DigestEncoding, Hash, Signing, Webhooks, webhook_params},
    span::Span,
    ty::Type,
    units::Millis,
    value::Value,
};

use super::{
    Context, Section, Template,
    reference::operation_call,
    request::header_names,
    section::{word, wrong_value},
    template::{over_answer, typed_over_answer},
    verification::{ENCODINGS, HASHES, verify_call},
};
use crate::{
    ast::{self, ExprKind, PropertyValue, RecordEntry},
    names::literal,
};

const PROPERTIES: [&str; 10] =
    ["method", "when", "verify", "token", "secret", "sign", "hash", "encoding", "answer", "headers"];

const SETTING_UP: [&str; 9] = ["register", "list", "renew", "every", "expires", "remove", "id", "url", "secret"];

/// How often webhooks are renewed when nothing is said.
const EVERY: Millis = Millis::seconds(12 * 60 * 60);

const METHODS: [(&str, &str); 3] = [("POST", "POST"), ("GET", "GET"), ("HEAD", "HEAD")];

/// Reads a handshake.
pub(super) fn challenge(
    context: &Context<'_, '_>,
    written: &ast::Challenge,
    problems: &mut Vec<Diagnostic>,
) -> Option<Challenge> {
    let what = format!("the challenge `{}`", written.name.text);
    let section = Section::new(what.clone(), written.name.span, &written.properties, &PROPERTIES, problems);
    let help = "say by which method it comes: `method: POST`, `GET` or `HEAD`";
    section.require("method", help, problems);
    let method = section.expr("method", problems).and_then(|method| word("method", method, &METHODS, problems));
    let query = (Ambient::Query, Type::Map(Box::new(Type::String)));
    let mut sees = vec![query];
    let mut read = |name: &str, expected: Option<&Type>, sees: &[(Ambient, Type)]| {
        section.expr(name, problems).map(|written| over_answer(context, written, expected, sees, problems))
    };
    let when = read("when", Some(&Type::Bool), &sees);
    let token = read("token", None, &sees);
    let secret = read("secret", Some(&Type::Secret(Box::new(Type::String))), &sees);
    let sign = read("sign", None, &sees);
    if sign.is_some() {
        sees.push((Ambient::Signature, Type::String));
    }
    let answer = read("answer", None, &sees);
    let headers = section.get("headers").map(|written| headers(context, written, &sees, problems)).unwrap_or_default();
    let verify = section
        .expr("verify", problems)
        .and_then(|verify| verify_call(context.names, context.definitions, verify, Some(context.connector), problems));
    let hash = section.expr("hash", problems).and_then(|hash| word("hash", hash, &HASHES, problems));
    let encoding =
        section.expr("encoding", problems).and_then(|encoding| word("encoding", encoding, &ENCODINGS, problems));
    let place = |name: &str| section.get(name).map_or(written.name.span, |property| property.span);
    let is_proved = token.is_some() || sign.is_some();
    let wrong = |message: String, span: Span, label: &str, help: &str| {
        Diagnostic::new(Code::E0526, message, span, label).help(help)
    };
    match (&secret, is_proved) {
        (None, true) => {
            let span = if token.is_some() { place("token") } else { place("sign") };
            let help = "name the secret: `secret: config.verify_token`";
            problems.push(wrong(format!("{what} needs a secret"), span, "with which secret?", help));
        }
        (Some(_), false) => {
            let help = "add `token: query[\"…\"]` to compare it, or `sign: …` to sign with it; else leave it out";
            problems.push(wrong(format!("{what} does nothing with its secret"), place("secret"), "of no use", help));
        }
        _ => {}
    }
    if answer.is_none() && headers.is_empty() && sign.is_some() {
        let help = "add `answer: { … signature … }`";
        problems.push(wrong(format!("{what} signs a text and answers nothing"), place("sign"), "goes nowhere", help));
    }
    let sign = sign.map(|text| Signing {
        text,
        hash: hash.unwrap_or(Hash::Sha256),
        encoding: encoding.unwrap_or(DigestEncoding::Hex),
    });
    let (doc, method) = (written.doc.clone(), method?.to_owned());
    Some(Challenge { doc, method, when, verify, token, secret, sign, answer, headers })
}

/// `{ "X-Hook-Secret": headers["x-hook-secret"] }`
fn headers(
    context: &Context<'_, '_>,
    property: &ast::Property,
    sees: &[(Ambient, Type)],
    problems: &mut Vec<Diagnostic>,
) -> Vec<(String, Expr)> {
    header_names(property, problems);
    let help = "write `headers: { \"X-Hook-Secret\": headers[\"x-hook-secret\"] }`";
    let entries = match &property.value {
        PropertyValue::Expr(ast::Expr { kind: ExprKind::Record(entries), .. }) => entries.as_slice(),
        PropertyValue::Expr(ast::Expr { kind: ExprKind::Missing, .. }) => &[],
        _ => {
            problems.push(wrong_value("headers", property.span, "not names with values", help));
            &[]
        }
    };
    let mut read = Vec::new();
    for entry in entries {
        match entry {
            RecordEntry::Field { name, value } => {
                let wanted = Type::String.optional();
                read.push((name.text.clone(), over_answer(context, value, Some(&wanted), sees, problems)));
            }
            RecordEntry::Spread(rest) => {
                problems.push(wrong_value("headers", rest.span, "has names that nobody knows here", help));
            }
        }
    }
    read
}

/// Reads `webhooks { register: …, list: …, renew: …, every: …, expires: …, remove: …, id: …, url: …, secret: … }`.
pub(super) fn webhooks(
    context: &Context<'_, '_>,
    span: Span,
    properties: &[ast::Property],
    problems: &mut Vec<Diagnostic>,
) -> Webhooks {
    let keyword = Span { end: span.start + "webhooks".len() as u32, ..span };
    let what = format!("the section `webhooks` of `{}`", context.connector);
    let section = Section::new(what, keyword, properties, &SETTING_UP, problems);
    let params = webhook_params();
    let (mut result, mut renewed, mut item) = (Type::Json, None, None);
    let mut call = |name: &str| {
        let written = section.expr(name, problems)?;
        let mut template = Template::over(context, &params, "`url`, `events` and `id` are known here");
        let example = match name {
            "register" => "hooks.create(url: url, topics: events)",
            "list" => "hooks.list()",
            "renew" => "hooks.extend(id: id)",
            _ => "hooks.delete(id: id)",
        };
        let call = operation_call(context, &mut template, name, written, example, problems);
        template.finish(problems);
        let (call, operation) = call?;
        match name {
            "register" => result = operation.result,
            "renew" => renewed = Some(operation.result),
            "list" => item = Some((operation.result, written.span)),
            _ => {}
        }
        Some(call)
    };
    let (register, list, renew, remove) = (call("register"), call("list"), call("renew"), call("remove"));
    if register.is_none() && section.get("register").is_none() {
        section.require("register", "say how one is set up: `register: webhooks.create(url: url)`", problems);
    }
    let every = section.expr("every", problems).and_then(|written| match (literal(written), &renew) {
        (_, None) => {
            let help = "add `renew: hooks.extend(id: id)`, or leave `every` out";
            problems.push(wrong_value("every", written.span, "nothing is renewed", help));
            None
        }
        (Some(Value::Duration(time)), Some(_)) if time >= Millis::seconds(1) => Some(time),
        _ => {
            problems.push(wrong_value(
                "every",
                written.span,
                "not such a time",
                "write a time of at least 1s: `every: 12h`",
            ));
            None
        }
    });
    let every = every.or(renew.as_ref().map(|_| EVERY));
    let item = item.map(|(ty, span)| match ty {
        Type::List(item) | Type::Stream(item) => *item,
        Type::Unknown | Type::Json => Type::Json,
        other => {
            let help = "name an operation that gives a `List<T>` or a `Stream<T>`";
            problems.push(wrong_value("list", span, &format!("gives `{other}`"), help));
            Type::Json
        }
    });
    if list.is_some() || renew.is_some() || remove.is_some() {
        section.require("id", "say where what `register` answers has the id: `id: .id`", problems);
    }
    if list.is_some() {
        section.require("url", "say where an item of `list` has its URL: `url: .url`", problems);
    }
    let over = |name: &str, ty: &Type, problems: &mut Vec<Diagnostic>| {
        let written = section.expr(name, problems)?;
        Some(over_answer(context, written, None, &[(Ambient::Item, ty.clone())], problems))
    };
    let id = over("id", &result, problems);
    if let (Some(item), Some(_)) = (&item, &id) {
        // It is read out of both; what is wrong with it in one way is said once.
        let mut of_items = Vec::new();
        over("id", item, &mut of_items);
        if !problems.iter().any(|problem| of_items.iter().any(|other| other.span() == problem.span())) {
            problems.append(&mut of_items);
        }
    }
    let url = over("url", item.as_ref().unwrap_or(&Type::Json), problems);
    let secret = section
        .expr("secret", problems)
        .map(|written| over_answer(context, written, None, &[(Ambient::Item, result.clone())], problems));
    if let (Some(property), None) = (section.get("secret"), &register) {
        let help = "the answer to `register` holds the secret; without it, leave `secret` out";
        problems.push(wrong_value("secret", property.span, "of which answer?", help));
    }
    let expires = section.expr("expires", problems).and_then(|written| {
        let Some(renewed) = &renewed else {
            let help = "add `renew: hooks.extend(id: id)`, or leave `expires` out";
            problems.push(wrong_value("expires", written.span, "nothing is renewed", help));
            return None;
        };
        let read = |ty: &Type, problems: &mut Vec<Diagnostic>| {
            let (expr, ty) = typed_over_answer(context, written, None, &[(Ambient::Item, ty.clone())], problems);
            if !matches!(ty.non_null(), Type::Timestamp | Type::Unknown) {
                let help = "name a field of type `Timestamp`, which may be null; `@unix_ms` after it reads a number";
                problems.push(wrong_value("expires", written.span, &format!("of type `{ty}`"), help));
            }
            expr
        };
        let before = problems.len();
        let expr = read(&result, problems);
        // What is renewed ends, too: what is wrong with it there is said if nothing is wrong with it here.
        if problems.len() == before && *renewed != result {
            read(renewed, problems);
        }
        Some(expr)
    });
    Webhooks { register, list, renew, every, expires, remove, id, url, secret }
}
