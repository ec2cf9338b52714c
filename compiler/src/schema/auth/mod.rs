//! How do requests carry the credential?
//!
//! In: `bearer(config.token)`, `basic(user, password)`, `header("X-Api-Key", key, prefix: "Token ")`,
//! `query("api_key", key)`, `field("api_key", key)`, `first(…)` of these, the forms of OAuth 2.0, of logins and of
//! signatures, or `none`. Out: the form with its expressions.

mod field;
mod named;
mod oauth;
mod own;
mod signed;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, TextPart},
    schema::{Auth, Carry, Grant, Into},
    ty::Type,
    value::Value,
};

pub(super) use self::field::has_a_place;
use self::named::{Form, Named};
use super::{
    Context,
    place::{self, place},
    request::{header_problem, is_token},
    section::{fixed_text, listed, wrong_value},
    template,
};
use crate::{
    ast::{self, ExprKind},
    names::similar,
};

/// The forms with their parameters, as they are written.
const FORMS: [(&str, &str); 15] = [
    ("bearer", "bearer(config.token)"),
    ("basic", "basic(config.user, config.password)"),
    ("header", "header(\"X-Api-Key\", config.key)"),
    ("query", "query(\"api_key\", config.key)"),
    ("field", "field(\"api_key\", config.key)"),
    (
        "client_credentials",
        "client_credentials(token: \"https://…/token\", id: config.client_id, secret: config.client_secret)",
    ),
    (
        "authorization_code",
        "authorization_code(authorize: \"https://…/authorize\", token: \"https://…/token\", id: config.client_id, \
         secret: config.client_secret)",
    ),
    ("device_code", "device_code(device: \"https://…/device\", token: \"https://…/token\", id: config.client_id)"),
    (
        "jwt_bearer",
        "jwt_bearer(token: \"https://…/token\", key: config.private_key, issuer: config.client_id, \
         subject: config.user)",
    ),
    (
        "session",
        "session(login: sessions.create(user: config.user, password: config.password), token: .token, \
         header: \"X-Session\")",
    ),
    (
        "oauth1",
        "oauth1(consumer_key: config.consumer_key, consumer_secret: config.consumer_secret, token: config.token, \
         token_secret: config.token_secret)",
    ),
    (
        "sigv4",
        "sigv4(access_key_id: config.access_key_id, secret_access_key: config.secret_access_key, \
         region: config.region, service: \"execute-api\")",
    ),
    (
        "signed",
        "signed(secret: config.secret, header: \"X-Signature\", signed: \"{timestamp}{method}{target}{body}\", \
         timestamp: header(\"X-Timestamp\"))",
    ),
    ("first", "first(bearer(config.token), header(\"X-Api-Key\", config.key), none)"),
    ("none", "none"),
];

/// Reads the form; none when it could not be understood, which is reported.
pub(super) fn auth(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Auth> {
    let (form, args) = match &written.kind {
        ExprKind::Missing => return None,
        ExprKind::Name(name) if name == "none" => return Some(Auth::None),
        ExprKind::Call { callee, args, .. } => match &callee.kind {
            ExprKind::Name(name) => (name.as_str(), args.as_slice()),
            _ => ("", args.as_slice()),
        },
        ExprKind::Name(name) => (name.as_str(), [].as_slice()),
        _ => ("", [].as_slice()),
    };
    let Some((_, example)) = FORMS.iter().find(|(known, _)| *known == form) else {
        let near = similar(form, FORMS.iter().map(|(known, _)| *known));
        let example = FORMS.iter().find(|(known, _)| Some(*known) == near).map(|(_, example)| *example);
        let help = match example {
            Some(example) => format!("did you mean `{example}`?"),
            None => {
                let names = FORMS.map(|(name, _)| name);
                format!("the forms are {}; `flowc explain E0508` shows each", listed(&names))
            }
        };
        problems.push(wrong("this is no form of authentication", written, "not known", &help));
        return None;
    };
    let named = Form { name: form, example, written, args };
    match form {
        "client_credentials" | "authorization_code" | "device_code" | "jwt_bearer" => {
            return oauth::oauth(context, &named, problems).map(|oauth| Auth::OAuth(Box::new(oauth)));
        }
        "session" => return signed::session(context, &named, problems).map(|it| Auth::Session(Box::new(it))),
        "oauth1" => return signed::oauth1(context, &named, problems).map(|it| Auth::OAuth1(Box::new(it))),
        "sigv4" => return signed::sigv4(context, &named, problems).map(|it| Auth::SigV4(Box::new(it))),
        "signed" => return own::scheme(context, &named, problems).map(|it| Auth::Signed(Box::new(it))),
        "first" => return first(context, args, written, problems),
        _ => {}
    }
    let help = format!("write `{example}`");
    let (mut values, mut prefix) = (Vec::new(), None);
    for arg in args {
        match &arg.name {
            None => values.push(&arg.value),
            Some(name) if matches!(form, "header" | "query" | "field") && name.text == "prefix" => {
                prefix = fixed_text("prefix", &arg.value, problems);
            }
            Some(name) => {
                let message = format!("`{form}` has no parameter `{}`", name.text);
                problems.push(Diagnostic::new(Code::E0508, message, name.span, "not known").help(help.as_str()));
                return None;
            }
        }
    }
    let mut secret = |written: &ast::Expr| secret(context, written, problems);
    match (form, values.as_slice()) {
        ("bearer", [token]) => Some(Auth::Bearer(secret(token)?)),
        ("basic", [user, password]) => {
            // Some systems want a key in the place of the user, and any text as the password.
            let is_user_known = !is_secret(&template::plain(context, user, None, &mut Vec::new()).ty);
            let password = if is_user_known { secret(password)? } else { credential(context, password, problems)? };
            Some(Auth::Basic(credential(context, user, problems)?, password))
        }
        ("header", [name, value]) => {
            let value = secret(value)?;
            Some(Auth::Header(header_name(context, name, problems)?, with_prefix(value, prefix)))
        }
        ("query", [name, value]) => {
            let value = with_prefix(secret(value)?, prefix);
            Some(Auth::Query(fixed_text("query", name, problems)?, value))
        }
        ("field", [name, value]) => {
            let value = with_prefix(secret(value)?, prefix);
            match place(name) {
                Some(Into::Body(name)) => Some(Auth::Field(name, value)),
                Some(Into::Within(path)) => Some(Auth::Within(path, value)),
                Some(Into::Query(_)) => {
                    problems.push(wrong(
                        "a field is a part of the body",
                        name,
                        "a part of the query",
                        "write `query(\"api_key\", config.key)`",
                    ));
                    None
                }
                None => Some(Auth::Field(fixed_text("field", name, problems)?, value)),
            }
        }
        _ => {
            let message = format!("`{form}` takes other arguments");
            problems.push(wrong(&message, written, "has too few or too many", &help));
            None
        }
    }
}

/// `first(bearer(config.token), none)`: forms that say by themselves whether the connection has their credential.
fn first(
    context: &Context<'_, '_>,
    args: &[ast::Arg],
    written: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Option<Auth> {
    let mut forms = Vec::new();
    for arg in args {
        let form = auth(context, &arg.value, problems)?;
        let is_choice = match &form {
            Auth::None
            | Auth::Bearer(_)
            | Auth::Basic(..)
            | Auth::Header(..)
            | Auth::Query(..)
            | Auth::Field(..)
            | Auth::Within(..) => true,
            Auth::OAuth(oauth) => {
                let decides = match &oauth.grant {
                    Grant::JwtBearer(claim) => Some(&claim.key),
                    _ => oauth.id.as_ref(),
                };
                decides.is_some_and(|decides| matches!(decides, Expr::Member { .. }))
            }
            _ => false,
        };
        if !is_choice {
            let help = "`bearer`, `basic`, `header`, `query`, `field`, forms of OAuth 2.0 whose `id` or `key` is a setting, and \
                        `none` stand here; another form needs a connector of its own";
            problems.push(wrong(
                "this form is no choice among others",
                &arg.value,
                "has no setting that is left out",
                help,
            ));
            return None;
        }
        forms.push(form);
    }
    if forms.len() < 2 {
        let help = "write the forms in the order in which they are looked at: `first(bearer(config.token), none)`";
        problems.push(wrong("`first` chooses among forms", written, "has none to choose from", help));
        return None;
    }
    Some(Auth::First(forms))
}

/// `header: "X-Token", prefix: "Token "`, or `into: body["s:Envelope"]["s:Header"].Token`: how requests carry a token.
fn carry(named: &Named<'_>, problems: &mut Vec<Diagnostic>) -> Option<Carry> {
    let usual = Carry::default();
    let header = named.header(&usual.header, problems)?;
    let into = match (named.get("into"), named.get("header")) {
        (Some(into), Some(_)) => {
            problems.push(wrong(
                "a token goes into one place",
                into,
                "`header` says another",
                "leave one of the two out",
            ));
            return None;
        }
        (Some(written), None) => {
            let into = place(written);
            if into.is_none() {
                problems.push(wrong_value("into", written.span, "not a part of a request", place::HELP));
            }
            Some(into?)
        }
        (None, _) => None,
    };
    // Another place takes the token as it is.
    let prefix = if header == usual.header && into.is_none() { usual.prefix.as_str() } else { "" };
    Some(Carry { prefix: named.text("prefix", prefix, problems)?, header, into })
}

/// The name of a header: fixed text, or a setting.
fn header_name(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Expr> {
    if !matches!(written.kind, ExprKind::Member { .. }) {
        let header = fixed_text("header", written, problems)?;
        if !is_token(&header) {
            problems.push(header_problem(&header, written.span));
            return None;
        }
        return Some(Expr::Literal(Value::text(header)));
    }
    let typed = template::plain(context, written, Some(&Type::String), problems);
    if !matches!(typed.ty, Type::String | Type::OneOf(_) | Type::Unknown) {
        let message = format!("the name of a header is a text, and this is a `{}`", typed.ty);
        problems.push(wrong(&message, written, "not a text", "name a field of `config` that is `String`"));
        return None;
    }
    Some(typed.expr)
}

fn wrong(message: &str, written: &ast::Expr, label: &str, help: &str) -> Diagnostic {
    Diagnostic::new(Code::E0508, message, written.span, label).help(help)
}

/// A secret: what is plain text stands in programs and in the history of runs.
fn secret(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Expr> {
    let typed = template::plain(context, written, None, &mut Vec::new());
    if is_secret(&typed.ty) || !is_text(typed.ty.non_null()) {
        return credential(context, written, problems);
    }
    let (message, label) = match &typed.expr {
        Expr::Literal(_) => ("a credential does not stand in a program".to_owned(), "can be read by anyone"),
        _ => (
            format!("a credential is a secret, and this is a `{}`", typed.ty),
            "would be seen in programs and histories",
        ),
    };
    let help = "declare the setting as `token: Secret<String>`; a connection gives it `secret(\"name\")`";
    problems.push(wrong(&message, written, label, help));
    None
}

fn is_secret(ty: &Type) -> bool {
    matches!(ty.non_null(), Type::Secret(_) | Type::Unknown)
}

fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::String | Type::Email | Type::Url | Type::Uuid | Type::OneOf(_))
}

/// A secret or plain text.
fn credential(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Expr> {
    let typed = template::plain(context, written, None, problems);
    match typed.ty.non_null() {
        Type::Unknown => Some(typed.expr),
        Type::Secret(inner) if is_text(inner) => Some(typed.expr),
        ty if is_text(ty) => Some(typed.expr),
        ty => {
            let message = format!("a credential is a secret or text, and `{ty}` is neither");
            problems.push(wrong(
                &message,
                written,
                "not a credential",
                "name a field of `config` that is `Secret<String>`",
            ));
            None
        }
    }
}

fn with_prefix(value: Expr, prefix: Option<String>) -> Expr {
    match prefix {
        Some(prefix) if !prefix.is_empty() => {
            Expr::Text { parts: vec![TextPart::Fixed(prefix), TextPart::Insert(value)], language: None }
        }
        _ => value,
    }
}
