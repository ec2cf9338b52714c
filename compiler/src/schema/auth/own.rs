//! A vendor's own scheme of signed requests: `signed(…)`.
//!
//! What is signed is a text with parts of the request, as in a `verification`. A time or a text used once that is signed and goes
//! nowhere would be known to nobody, so it is reported.

use flow_model::{
    diagnostic::Diagnostic,
    schema::{Carrier, DigestEncoding, Hash, KeyForm, OwnScheme, Proof, RequestPart, TimeForm},
};

use super::{
    super::{
        Context,
        request::{header_problem, is_token},
        section::{fixed_text, form, word, wrong_value},
        verification::{ENCODINGS, HASHES, key},
    },
    credential,
    named::{Form, Named},
    wrong,
};
use crate::{
    ast::{self, Arg, ExprKind, TextPart},
    names::literal,
};

const KNOWN: [&str; 12] =
    ["secret", "signed", "header", "query", "value", "method", "hash", "key", "encoding", "timestamp", "time", "nonce"];

const METHODS: [(&str, Proof); 2] = [("hmac", Proof::Hmac), ("digest", Proof::Digest)];

const TIMES: [(&str, TimeForm); 4] = [
    ("unix", TimeForm::Unix),
    ("unix_millis", TimeForm::UnixMillis),
    ("iso", TimeForm::Iso),
    ("basic", TimeForm::Basic),
];

const PARTS: &str = "write a text with `{timestamp}`, `{date}`, `{nonce}`, `{method}`, `{url}`, `{target}`, `{path}`, `{query}`, \
                     `{sorted_query}`, `{host}`, `{body}`, `{sha256(body)}`, `{sha256(\"…\")}`, `{header(\"…\")}`, `{secret}` and \
                     settings: `{config.key}`";

const DERIVED: &str =
    "write texts with `{secret}`, `{date}`, `{timestamp}` and settings: `derived(\"V4{secret}\", \"{date}\")`";

const CARRIED: &str =
    "write a text with `{signature}`, `{timestamp}`, `{date}`, `{nonce}` and settings: `{config.key}`";

/// `signed(secret: config.secret, header: "X-Signature", signed: "{timestamp}{method}{target}{body}", timestamp: header("X-Time"))`
pub(super) fn scheme(context: &Context<'_, '_>, form: &Form<'_>, problems: &mut Vec<Diagnostic>) -> Option<OwnScheme> {
    let named = Named::of(form, &KNOWN, &["secret", "signed"], problems)?;
    let secret = named.credential(context, "secret", problems)??;
    let place = match (named.get("header"), named.get("query")) {
        (Some(name), None) => header(name, problems)?,
        (None, Some(name)) => Carrier::Query(fixed_text("query", name, problems)?),
        _ => {
            let help = format!("write `{}`", form.example);
            problems.push(wrong("a signature goes into one place", form.written, "`header` or `query`", &help));
            return None;
        }
    };
    let method = match named.get("method") {
        Some(written) => word("method", written, &METHODS, problems)?,
        None => Proof::Hmac,
    };
    let hash = match named.get("hash") {
        Some(written) => word("hash", written, &HASHES, problems)?,
        None => Hash::Sha256,
    };
    let encoding = match named.get("encoding") {
        Some(written) => word("encoding", written, &ENCODINGS, problems)?,
        None => DigestEncoding::Hex,
    };
    let (key, derived) = match named.get("key") {
        Some(written) => match super::super::section::form(written) {
            Some(("derived", texts)) if !texts.is_empty() => (KeyForm::Text, derived(context, texts, problems)?),
            _ => (key(written, problems)?, Vec::new()),
        },
        None => (KeyForm::Text, Vec::new()),
    };
    let time = match named.get("time") {
        Some(written) => word("time", written, &TIMES, problems)?,
        None => TimeForm::Unix,
    };
    let mut carrier = |name: &str| match named.get(name) {
        Some(written) => carrier(name, written, problems).map(Some),
        None => Some(None),
    };
    let (timestamp, nonce) = (carrier("timestamp")?, carrier("nonce")?);
    let written = named.get("signed")?;
    let signed = parts(context, "signed", written, PARTS, problems)?;
    let value = match named.get("value") {
        Some(written) => parts(context, "value", written, CARRIED, problems)?,
        None => vec![RequestPart::Signature],
    };
    if let Some(value_written) = named.get("value")
        && !value.contains(&RequestPart::Signature)
    {
        let help = "put `{signature}` where the vendor has it";
        problems.push(wrong("nothing carries the signature", value_written, "has no `{signature}`", help));
        return None;
    }
    if !derived.is_empty() && !derived.iter().any(|text| RequestPart::Secret.is_among(text)) {
        let help = "put `{secret}` into the first text";
        problems.push(wrong(
            "a key without the secret proves nothing",
            form.written,
            "`derived` has no `{secret}`",
            help,
        ));
        return None;
    }
    let digests = (method == Proof::Digest, RequestPart::Secret.is_among(&signed));
    if digests.0 != digests.1 {
        let (message, label, help) = match digests.0 {
            true => ("a hash without the secret proves nothing", "has no `{secret}`", "put `{secret}` into `signed`"),
            false => ("the secret is the key", "has `{secret}` too", "leave `{secret}` out, or write `method: digest`"),
        };
        problems.push(wrong(message, written, label, help));
        return None;
    }
    for (part, name, carrier) in
        [(RequestPart::Timestamp, "timestamp", &timestamp), (RequestPart::Nonce, "nonce", &nonce)]
    {
        if part.is_among(&signed) && carrier.is_none() && !value.contains(&part) {
            let message = format!("`{{{name}}}` is signed and not sent");
            let help = format!("say where it goes: `{name}: header(\"X-…\")` or `{name}: query(\"…\")`");
            problems.push(wrong(&message, written, "nobody else knows it", &help));
            return None;
        }
    }
    Some(OwnScheme { method, hash, secret, key, derived, encoding, place, value, signed, timestamp, time, nonce })
}

/// `derived("TC3{secret}", "{date}", config.service)`
fn derived(context: &Context<'_, '_>, texts: &[Arg], problems: &mut Vec<Diagnostic>) -> Option<Vec<Vec<RequestPart>>> {
    texts
        .iter()
        .map(|text| match &text.value.kind {
            ExprKind::Member { .. } => Some(vec![RequestPart::Value(credential(context, &text.value, problems)?)]),
            _ => parts(context, "key", &text.value, DERIVED, problems),
        })
        .collect()
}

fn header(written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Carrier> {
    let name = fixed_text("header", written, problems)?;
    if !is_token(&name) {
        problems.push(header_problem(&name, written.span));
        return None;
    }
    Some(Carrier::Header(name))
}

/// `header("X-Time")`, `query("timestamp")`
fn carrier(name: &str, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Carrier> {
    match form(written) {
        Some(("header", [Arg { name: None, value, .. }])) => header(value, problems),
        Some(("query", [Arg { name: None, value, .. }])) => fixed_text(name, value, problems).map(Carrier::Query),
        _ => {
            let help = format!("write `{name}: header(\"X-…\")` or `{name}: query(\"…\")`");
            problems.push(wrong_value(name, written.span, "not a part of the request", help));
            None
        }
    }
}

/// `"{timestamp}{method}{target}{body}"`; what carries the signature may have it, and no part that a request has anyway.
fn parts(
    context: &Context<'_, '_>,
    name: &str,
    written: &ast::Expr,
    help: &'static str,
    problems: &mut Vec<Diagnostic>,
) -> Option<Vec<RequestPart>> {
    let words: &[(&str, RequestPart)] = match name {
        "value" => &[
            ("signature", RequestPart::Signature),
            ("timestamp", RequestPart::Timestamp),
            ("date", RequestPart::Date),
            ("nonce", RequestPart::Nonce),
        ],
        "key" => &[("secret", RequestPart::Secret), ("date", RequestPart::Date), ("timestamp", RequestPart::Timestamp)],
        _ => &[
            ("timestamp", RequestPart::Timestamp),
            ("date", RequestPart::Date),
            ("nonce", RequestPart::Nonce),
            ("method", RequestPart::Method),
            ("url", RequestPart::Url),
            ("target", RequestPart::Target),
            ("path", RequestPart::Path),
            ("query", RequestPart::Query),
            ("sorted_query", RequestPart::SortedQuery),
            ("host", RequestPart::Host),
            ("body", RequestPart::Body),
            ("secret", RequestPart::Secret),
        ],
    };
    let ExprKind::Text(text) = &written.kind else {
        if !matches!(written.kind, ExprKind::Missing) {
            problems.push(wrong_value(name, written.span, "not a text", help));
        }
        return None;
    };
    let mut read = Vec::new();
    for part in text {
        let inserted = match part {
            TextPart::Fixed(fixed) => {
                read.push(RequestPart::Text(fixed.clone()));
                continue;
            }
            TextPart::Insert(inserted) => inserted,
        };
        let found = match (&inserted.kind, form(inserted)) {
            (ExprKind::Member { .. }, _) => credential(context, inserted, problems).map(RequestPart::Value)?,
            (_, Some((function, [Arg { name: None, value, .. }]))) if name == "signed" => {
                match (function, literal(value), &value.kind) {
                    ("header", Some(flow_model::value::Value::String(header)), _) => {
                        RequestPart::Header(header.to_ascii_lowercase())
                    }
                    ("sha256", _, ExprKind::Name(of)) if of == "body" => RequestPart::BodySha256,
                    ("sha256", _, ExprKind::Text(_)) => {
                        RequestPart::Sha256(parts(context, name, value, help, problems)?)
                    }
                    _ => return not_a_part(name, inserted, help, problems),
                }
            }
            (ExprKind::Name(word), _) => match words.iter().find(|(known, _)| known == word) {
                Some((_, part)) => part.clone(),
                None => return not_a_part(name, inserted, help, problems),
            },
            _ => return not_a_part(name, inserted, help, problems),
        };
        read.push(found);
    }
    Some(read)
}

fn not_a_part<T>(name: &str, inserted: &ast::Expr, help: &'static str, problems: &mut Vec<Diagnostic>) -> Option<T> {
    let label = match name {
        "value" => "not a part of what is carried",
        "key" => "not a part of a key",
        _ => "not a part of a request",
    };
    problems.push(wrong_value(name, inserted.span, label, help));
    None
}
