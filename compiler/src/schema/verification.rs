//! How does the sender of a webhook prove itself?
//!
//! In: `verification name(…) { … }` in a connector, and calls of such schemes after `verify:`. Out: the scheme, and the
//! call with its arguments in order. A scheme that does not sign the body, or checks a time that nobody signed, proves
//! nothing and is reported.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr, Slot},
    schema::{DigestEncoding, Hash, HeaderGrammar, KeyForm, Place, Proof, SignedPart, Verification, VerifyCall},
    span::Span,
    ty::{Field, Type},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Context, Section, Template,
    section::{fixed_text, form, word, wrong_value},
};
use crate::{
    ast::{self, Arg, ExprKind, TextPart},
    names::{Names, literal, unknown},
    types::{Definitions, Elaborator},
};

const PROPERTIES: [&str; 10] =
    ["method", "hash", "secret", "key", "encoding", "header", "signature", "signed", "timestamp", "tolerance"];

const METHODS: [(&str, Proof); 6] = [
    ("hmac", Proof::Hmac),
    ("digest", Proof::Digest),
    ("token", Proof::Token),
    ("rsa", Proof::Rsa),
    ("ecdsa", Proof::Ecdsa),
    ("ed25519", Proof::Ed25519),
];

const KEYS: [(&str, KeyWord); 4] =
    [("text", KeyWord::Text), ("hex", KeyWord::Hex), ("base64", KeyWord::Base64), ("sha256", KeyWord::Sha256)];

#[derive(Clone, Copy)]
enum KeyWord {
    Text,
    Hex,
    Base64,
    Sha256,
}

pub(super) const HASHES: [(&str, Hash); 3] = [("sha256", Hash::Sha256), ("sha512", Hash::Sha512), ("sha1", Hash::Sha1)];

pub(super) const ENCODINGS: [(&str, DigestEncoding); 3] =
    [("hex", DigestEncoding::Hex), ("base64", DigestEncoding::Base64), ("base64url", DigestEncoding::Base64Url)];

/// The scheme that every program can use: `verify: hmac_sha256(header: "X-Signature", secret: secret("…"))`.
const BUILT_IN: &str = "hmac_sha256";

/// The schemes of a connector, by name.
pub(super) fn verifications(
    context: &Context<'_, '_>,
    ast: &ast::Connector,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Verification> {
    let mut read = BTreeMap::new();
    for written in &ast.verifications {
        let scheme = verification(context, written, problems);
        if let Some(scheme) = scheme
            && !read.contains_key(&written.name.text)
        {
            read.insert(written.name.text.clone(), scheme);
        }
    }
    read
}

fn verification(
    context: &Context<'_, '_>,
    written: &ast::Verification,
    problems: &mut Vec<Diagnostic>,
) -> Option<Verification> {
    let what = format!("the verification `{}`", written.name.text);
    let section = Section::new(what.clone(), written.name.span, &written.properties, &PROPERTIES, problems);
    let params = context.names.params(&written.params, Some(context.connector), problems);
    section.require("secret", "name the key: `secret: secret`, with a parameter `secret: Secret<String>`", problems);
    section.require("header", "name the header that carries the signature: `header: \"X-Signature\"`", problems);
    // What can't be understood is reported; such a scheme is not used, but read to its end.
    let hash = match section.expr("hash", problems) {
        Some(hash) => word("hash", hash, &HASHES, problems),
        None => Some(Hash::Sha256),
    };
    let encoding = match section.expr("encoding", problems) {
        Some(encoding) => word("encoding", encoding, &ENCODINGS, problems),
        None => Some(DigestEncoding::Hex),
    };
    let method = match section.expr("method", problems) {
        Some(method) => word("method", method, &METHODS, problems),
        None => Some(Proof::Hmac),
    };
    let key = match section.expr("key", problems) {
        Some(key) => self::key(key, problems),
        None => Some(KeyForm::Text),
    };
    let grammar = match section.expr("signature", problems) {
        Some(grammar) => self::grammar(grammar, problems),
        None => Some(HeaderGrammar::Whole { prefix: Expr::Literal(Value::text("")) }),
    };
    let names: Vec<&str> = params.keys().map(String::as_str).collect();
    let signed = match section.expr("signed", problems) {
        Some(signed) => self::signed(signed, &names, problems),
        None if method == Some(Proof::Token) => Some(Vec::new()),
        None => Some(vec![SignedPart::Body]),
    };
    let mut template = Template::new(context, &written.params, &params);
    let mut place = |name: &str| section.expr(name, problems).map(|written| self::place(written, &mut template));
    let (header, timestamp) = (place("header"), place("timestamp"));
    let secret_ty = Type::Secret(Box::new(Type::String));
    let mut read =
        |name: &str, ty: &Type| section.expr(name, problems).map(|written| template.expr(written, Some(ty)).expr);
    let secret = read("secret", &secret_ty);
    let tolerance = read("tolerance", &Type::Duration);
    template.finish(problems);
    let (grammar, signed) = (grammar?, signed?);
    let has_timestamp = timestamp.is_some() || matches!(&grammar, HeaderGrammar::Pairs { timestamp: Some(_), .. });
    if method == Some(Proof::Token) {
        problems.extend(section.get("signed").map(|property| {
            let help = "leave it out: a token is sent as it is";
            wrong_value("signed", property.span, "nothing is signed with a token", help)
        }));
    } else {
        // What stands in a body that is signed is signed with it.
        let in_body = matches!(timestamp, Some(Place::Field(_))) && signs_body(&signed);
        let time = Time { is_there: has_timestamp, is_signed: in_body || signed.contains(&SignedPart::Timestamp) };
        problems.extend(proves_nothing(&what, &section, &signed, time, written.name.span));
    }
    if method == Some(Proof::Digest) && !signed.contains(&SignedPart::Secret) {
        let span = section.get("signed").map_or(written.name.span, |property| property.span);
        let message = format!("{what} hashes no secret");
        let help = "put `{secret}` into `signed` as the vendor does";
        problems.push(Diagnostic::new(Code::E0518, message, span, "anyone could compute it").help(help));
    }
    Some(Verification {
        doc: written.doc.clone(),
        params,
        method: method?,
        hash: hash?,
        secret: secret?,
        key: key?,
        encoding: encoding?,
        header: header?,
        grammar,
        timestamp,
        signed,
        tolerance,
    })
}

/// `"X-Signature"` and `header("X-Signature")`, `query("token")`, `field("token")`
fn place(written: &ast::Expr, template: &mut Template<'_>) -> Place {
    type Form = (&'static str, fn(Expr) -> Place);
    let forms: [Form; 3] = [("header", Place::Header), ("query", Place::Query), ("field", Place::Field)];
    if let Some((name, [Arg { name: None, value, .. }])) = form(written)
        && let Some((_, place)) = forms.iter().find(|(known, _)| *known == name)
    {
        return place(template.expr(value, Some(&Type::String)).expr);
    }
    Place::Header(template.expr(written, Some(&Type::String)).expr)
}

/// `text`, `hex`, `base64`, `base64("whsec_")`, `sha256`
pub(super) fn key(written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<KeyForm> {
    if let Some(("base64", [arg])) = form(written) {
        return fixed_text("key", &arg.value, problems).map(KeyForm::Base64);
    }
    Some(match word("key", written, &KEYS, problems)? {
        KeyWord::Text => KeyForm::Text,
        KeyWord::Hex => KeyForm::Hex,
        KeyWord::Base64 => KeyForm::Base64(String::new()),
        KeyWord::Sha256 => KeyForm::Sha256,
    })
}

/// What a scheme says of the time of a delivery.
#[derive(Clone, Copy)]
struct Time {
    is_there: bool,
    is_signed: bool,
}

/// What a scheme lacks to prove who sent a webhook, and when.
fn proves_nothing(
    what: &str,
    section: &Section<'_>,
    signed: &[SignedPart],
    time: Time,
    name: Span,
) -> Option<Diagnostic> {
    let place = |property: &str| section.get(property).map_or(name, |property| property.span);
    let (message, span, label, help) = if !signs_body(signed) {
        let message = format!("{what} does not sign the body");
        (message, place("signed"), "anyone could send another body with it", "put `{body}` into `signed`")
    } else if time.is_signed && !time.is_there {
        let help = "write `signature: pairs(timestamp: \"t\", signature: \"v1\")`, or `timestamp: header(\"…\")`";
        (format!("{what} signs a timestamp that is nowhere"), place("signed"), "which timestamp?", help)
    } else if section.get("tolerance").is_some() && !time.is_signed {
        let help = "put `{timestamp}` into `signed` as the vendor does, name the field of the body that has the time with \
                    `timestamp: field(\"…\")`, or leave `tolerance` out";
        (
            format!("{what} limits a time that is not signed"),
            place("tolerance"),
            "anyone could write another time",
            help,
        )
    } else {
        return None;
    };
    Some(Diagnostic::new(Code::E0518, message, span, label).help(help))
}

/// Says whether another body would have another signature.
fn signs_body(signed: &[SignedPart]) -> bool {
    signed.iter().any(SignedPart::is_of_body)
}

/// `pairs(timestamp: "t", signature: "v1")`, `prefix("sha256=")`
fn grammar(written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<HeaderGrammar> {
    let help =
        "write `pairs(timestamp: \"t\", signature: \"v1\")`, `prefix(\"sha256=\")`, or `list(\" \", prefix: \"v1,\")`";
    if let ExprKind::Call { callee, args, .. } = &written.kind
        && let ExprKind::Name(form) = &callee.kind
    {
        match (form.as_str(), args.as_slice()) {
            ("prefix", [Arg { name: None, value, .. }]) => {
                let prefix = fixed_text("signature", value, problems)?;
                return Some(HeaderGrammar::Whole { prefix: Expr::Literal(Value::text(prefix)) });
            }
            ("list", [Arg { name: None, value: separator, .. }, rest @ ..]) if rest.len() < 2 => {
                let prefix = match rest {
                    [arg] if arg.name.as_ref().is_some_and(|name| name.text == "prefix") => {
                        Some(fixed_text("prefix", &arg.value, problems)?)
                    }
                    [] => Some(String::new()),
                    _ => None,
                };
                if let Some(prefix) = prefix {
                    let separator = fixed_text("signature", separator, problems)?;
                    return Some(HeaderGrammar::List { separator, prefix });
                }
            }
            ("pairs", args) => {
                let named = |wanted: &str| {
                    let is_it = |arg: &&Arg| arg.name.as_ref().is_some_and(|name| name.text == wanted);
                    args.iter().find(is_it)
                };
                let (timestamp, signature) = (named("timestamp"), named("signature"));
                let known = usize::from(timestamp.is_some()) + usize::from(signature.is_some());
                if let (Some(signature), true) = (signature, known == args.len()) {
                    let timestamp = match timestamp {
                        Some(timestamp) => Some(fixed_text("timestamp", &timestamp.value, problems)?),
                        None => None,
                    };
                    return Some(HeaderGrammar::Pairs {
                        timestamp,
                        signature: fixed_text("signature", &signature.value, problems)?,
                    });
                }
            }
            _ => {}
        }
    }
    problems.push(wrong_value("signature", written.span, "not a form of a signature", help));
    None
}

/// `"{timestamp}.{body}"`
fn signed(written: &ast::Expr, params: &[&str], problems: &mut Vec<Diagnostic>) -> Option<Vec<SignedPart>> {
    let help = "write a text with `{timestamp}`, `{body}`, `{method}`, `{url}`, `{decoded_url}`, `{path}`, `{form}`, \
                `{secret}`, `{sha256(body)}`, `{crc32(body)}`, `{header(\"…\")}` and parameters";
    let ExprKind::Text(parts) = &written.kind else {
        problems.push(wrong_value("signed", written.span, "not a text", help));
        return None;
    };
    let mut read = Vec::new();
    for part in parts {
        let inserted = match part {
            TextPart::Fixed(text) => {
                read.push(SignedPart::Text(text.clone()));
                continue;
            }
            TextPart::Insert(inserted) => inserted,
        };
        let words = [
            ("timestamp", SignedPart::Timestamp),
            ("body", SignedPart::Body),
            ("method", SignedPart::Method),
            ("url", SignedPart::Url),
            ("decoded_url", SignedPart::DecodedUrl),
            ("path", SignedPart::Path),
            ("form", SignedPart::Form),
            ("secret", SignedPart::Secret),
        ];
        if let Some((function, [Arg { name: None, value, .. }])) = form(inserted) {
            let of_body = matches!(&value.kind, ExprKind::Name(name) if name == "body");
            let part = match function {
                "sha256" if of_body => Some(SignedPart::BodySha256),
                "crc32" if of_body => Some(SignedPart::BodyCrc32),
                "header" => match literal(value) {
                    Some(Value::String(name)) => Some(SignedPart::Header(name.to_ascii_lowercase())),
                    _ => None,
                },
                _ => None,
            };
            if let Some(part) = part {
                read.push(part);
                continue;
            }
        }
        let name = match &inserted.kind {
            ExprKind::Name(name) => name.as_str(),
            _ => "",
        };
        match words.into_iter().find(|(word, _)| *word == name) {
            Some((_, part)) => read.push(part),
            None if params.contains(&name) => {
                let slot = params.iter().position(|param| *param == name).unwrap_or_default();
                read.push(SignedPart::Param(u32::try_from(slot).unwrap_or_default()));
            }
            None => {
                problems.push(wrong_value("signed", inserted.span, "not a part of a delivery", help));
                return None;
            }
        }
    }
    Some(read)
}

/// The built-in scheme: the digest of the body, alone in a header.
fn hmac_sha256(encoding: DigestEncoding) -> Verification {
    let text = |text: &str| Expr::Literal(Value::text(text));
    let with_default = |ty: Type, default: &str| Field { default: Some(Box::new(text(default))), ..Field::of(ty) };
    let encodings = ENCODINGS.iter().map(|(name, _)| (*name).to_owned()).collect();
    Verification {
        doc: "HMAC-SHA256 over the body, alone in a header.".to_owned(),
        params: IndexMap::from([
            ("header".to_owned(), Field::of(Type::String)),
            ("secret".to_owned(), Field::of(Type::Secret(Box::new(Type::String)))),
            ("prefix".to_owned(), with_default(Type::String, "")),
            ("encoding".to_owned(), with_default(Type::OneOf(encodings), "hex")),
        ]),
        method: Proof::Hmac,
        hash: Hash::Sha256,
        secret: Expr::Slot(Slot(1)),
        key: KeyForm::Text,
        encoding,
        header: Place::Header(Expr::Slot(Slot(0))),
        grammar: HeaderGrammar::Whole { prefix: Expr::Slot(Slot(2)) },
        timestamp: None,
        signed: vec![SignedPart::Body],
        tolerance: None,
    }
}

/// Reads the call after `verify:`: `stripe.signature(secret: …)`, `hmac_sha256(header: …, secret: …)`, and within the
/// connector itself `signature(…)`. None when it can't be understood, which is reported.
pub(crate) fn verify_call(
    names: &Names<'_>,
    definitions: &Definitions,
    written: &ast::Expr,
    within: Option<&str>,
    problems: &mut Vec<Diagnostic>,
) -> Option<VerifyCall> {
    let help = "write a scheme with its secret, as in `hmac_sha256(header: \"X-Signature\", secret: secret(\"…\"))`";
    let ExprKind::Call { callee, args, .. } = &written.kind else {
        if !matches!(written.kind, ExprKind::Missing) {
            problems.push(wrong_value("verify", written.span, "not a scheme with its arguments", help));
        }
        return None;
    };
    let (connector, name) = match &callee.kind {
        ExprKind::Name(name) => (within, ast::Ident { text: name.clone(), span: callee.span }),
        ExprKind::Member { of, name, .. } => match &of.kind {
            ExprKind::Name(connector) => {
                let seen = within == Some(connector.as_str()) || names.sees(of.span.file, connector);
                if !seen || !names.connectors.contains_key(connector) {
                    if !names.broken.contains(connector) {
                        let ident = ast::Ident { text: connector.clone(), span: of.span };
                        let known = names.connectors.keys().map(String::as_str);
                        problems.push(unknown(Code::E0201, "connector", &ident, known));
                    }
                    return None;
                }
                (Some(connector.as_str()), name.clone())
            }
            _ => (None, name.clone()),
        },
        _ => {
            problems.push(wrong_value("verify", written.span, "not a scheme with its arguments", help));
            return None;
        }
    };
    let own = connector.and_then(|connector| names.connectors.get(connector));
    let declared = own.and_then(|info| info.schema.verifications.get(&name.text));
    let scheme = match declared {
        Some(scheme) => scheme.clone(),
        None if name.text == BUILT_IN => hmac_sha256(encoding(args)),
        None => {
            // A scheme with mistakes of its own was reported.
            let is_declared =
                own.is_some_and(|info| info.ast.verifications.iter().any(|one| one.name.text == name.text));
            if !is_declared {
                let known = own.iter().flat_map(|info| info.schema.verifications.keys()).map(String::as_str);
                let candidates: Vec<&str> = known.chain([BUILT_IN]).collect();
                let mut problem = unknown(Code::E0201, "verification", &name, candidates.iter().copied());
                if let Some(info) = own
                    && within != connector
                {
                    problem.message = format!("`{}` has no verification `{}`", info.schema.name, name.text);
                }
                problems.push(match problem.help {
                    Some(_) => problem,
                    None => problem.help(help),
                });
            }
            return None;
        }
    };
    let args = arguments(names, definitions, &name, args, &scheme, within, problems)?;
    Some(VerifyCall { scheme, args })
}

/// The encoding that a call of the built-in scheme asks for.
fn encoding(args: &[Arg]) -> DigestEncoding {
    let written = args.iter().enumerate().find_map(|(at, arg)| match &arg.name {
        Some(name) => (name.text == "encoding").then_some(&arg.value),
        None => (at == 3).then_some(&arg.value),
    });
    let found = match written.and_then(literal) {
        Some(Value::String(text)) => ENCODINGS.iter().find(|(name, _)| **name == *text),
        _ => None,
    };
    found.map_or(DigestEncoding::Hex, |(_, encoding)| *encoding)
}

/// The arguments of a scheme, in the order of its parameters, with defaults.
fn arguments(
    names: &Names<'_>,
    definitions: &Definitions,
    name: &ast::Ident,
    args: &[Arg],
    scheme: &Verification,
    within: Option<&str>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Vec<Expr>> {
    let mut given: IndexMap<&str, &Arg> = IndexMap::new();
    let mut is_right = true;
    for (at, arg) in args.iter().enumerate() {
        let param = match &arg.name {
            Some(name) => scheme.params.get_key_value(&name.text).map(|(param, _)| param),
            None => scheme.params.get_index(at).map(|(param, _)| param),
        };
        let Some(param) = param else {
            let known: Vec<&str> = scheme.params.keys().map(String::as_str).collect();
            let problem = match &arg.name {
                Some(written) => unknown(Code::E0501, "parameter", written, known.iter().copied()),
                None => Diagnostic::new(
                    Code::E0501,
                    format!("`{}` takes fewer arguments", name.text),
                    arg.span,
                    "one too many",
                ),
            };
            problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help(format!("its parameters are {}", super::section::listed(&known))),
            });
            is_right = false;
            continue;
        };
        if let Some(first) = given.get(param.as_str()) {
            problems.push(
                Diagnostic::new(Code::E0202, format!("`{param}` is given twice"), arg.span, "again")
                    .label(first.span, "first here")
                    .help("leave one out"),
            );
            is_right = false;
        } else {
            given.insert(param, arg);
        }
    }
    let mut elaborator = Elaborator::new(names, definitions);
    if let Some(connector) = within {
        elaborator = elaborator.within(connector);
        let config = names.connectors.get(connector).map(|info| info.schema.config.clone());
        elaborator.ambient(Ambient::Config, Type::Record(config.unwrap_or_default()));
    }
    let mut read = Vec::new();
    for (param, field) in &scheme.params {
        read.push(match (given.get(param.as_str()), &field.default) {
            (Some(arg), _) => elaborator.expr(&arg.value, Some(&rotating(&field.ty, &arg.value))).expr,
            (None, Some(default)) => (**default).clone(),
            (None, None) if field.ty.is_nullable() => Expr::Literal(Value::Null),
            (None, None) => {
                let help = format!("add `{param}: …`, of type `{}`", field.ty);
                problems.push(super::section::missing(&format!("`{}`", name.text), param, name.span, &help));
                is_right = false;
                Expr::Literal(Value::Null)
            }
        });
    }
    let found = elaborator.finish();
    is_right &= found.is_empty();
    problems.extend(found);
    is_right.then_some(read)
}

/// The type that an argument has: where one secret is wanted, a list holds several in rotation.
fn rotating(ty: &Type, written: &ast::Expr) -> Type {
    match (ty, &written.kind) {
        (Type::Secret(_), ExprKind::List(_)) => Type::List(Box::new(ty.clone())),
        _ => ty.clone(),
    }
}
