//! How do requests carry the credential?
//!
//! In: `bearer(config.token)`, `basic(user, password)`, `header("X-Api-Key", key, prefix: "Token ")`,
//! `query("api_key", key)`, `client_credentials(…)`, `authorization_code(…)` or `none`. Out: the form with its expressions.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, TextPart},
    schema::{Auth, Grant, OAuth, SendClient},
    ty::Type,
};

use super::{
    Context,
    request::{self, header_problem, is_token},
    section::{fixed_text, texts, word, wrong_value},
    template,
};
use crate::{
    ast::{self, ExprKind},
    names::similar,
};

/// The forms with their parameters, as they are written.
const FORMS: [(&str, &str); 7] = [
    ("bearer", "bearer(config.token)"),
    ("basic", "basic(config.user, config.password)"),
    ("header", "header(\"X-Api-Key\", config.key)"),
    ("query", "query(\"api_key\", config.key)"),
    ("client_credentials", CLIENT_CREDENTIALS),
    ("authorization_code", AUTHORIZATION_CODE),
    ("none", "none"),
];

const CLIENT_CREDENTIALS: &str =
    "client_credentials(token: \"https://…/token\", id: config.client_id, secret: config.client_secret)";
const AUTHORIZATION_CODE: &str = "authorization_code(authorize: \"https://…/authorize\", token: \"https://…/token\", \
                                  id: config.client_id, secret: config.client_secret)";

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
            None => format!("write one of {}", FORMS.map(|(_, example)| format!("`{example}`")).join(", ")),
        };
        problems.push(wrong("this is no form of authentication", written, "not known", &help));
        return None;
    };
    if matches!(form, "client_credentials" | "authorization_code") {
        return oauth(context, (form, example), written, args, problems).map(|oauth| Auth::OAuth(Box::new(oauth)));
    }
    let help = format!("write `{example}`");
    let (mut values, mut prefix) = (Vec::new(), None);
    for arg in args {
        match &arg.name {
            None => values.push(&arg.value),
            Some(name) if form == "header" && name.text == "prefix" => {
                prefix = fixed_text("prefix", &arg.value, problems);
            }
            Some(name) => {
                let message = format!("`{form}` has no parameter `{}`", name.text);
                problems.push(Diagnostic::new(Code::E0508, message, name.span, "not known").help(help.as_str()));
                return None;
            }
        }
    }
    let mut credential = |written: &ast::Expr| credential(context, written, problems);
    match (form, values.as_slice()) {
        ("bearer", [token]) => Some(Auth::Bearer(credential(token)?)),
        ("basic", [user, password]) => Some(Auth::Basic(credential(user)?, credential(password)?)),
        ("header", [name, value]) => {
            let value = credential(value)?;
            let header = fixed_text("header", name, problems)?;
            if !is_token(&header) {
                problems.push(header_problem(&header, name.span));
                return None;
            }
            Some(Auth::Header(header, with_prefix(value, prefix)))
        }
        ("query", [name, value]) => {
            let value = credential(value)?;
            Some(Auth::Query(fixed_text("query", name, problems)?, value))
        }
        _ => {
            let message = format!("`{form}` takes other arguments");
            problems.push(wrong(&message, written, "has too few or too many", &help));
            None
        }
    }
}

/// `client_credentials(…)` and `authorization_code(…)`: all arguments have names.
fn oauth(
    context: &Context<'_, '_>,
    (form, example): (&str, &str),
    written: &ast::Expr,
    args: &[ast::Arg],
    problems: &mut Vec<Diagnostic>,
) -> Option<OAuth> {
    let help = format!("write `{example}`");
    let asks_a_person = form == "authorization_code";
    let mut known = vec!["token", "id", "secret", "send", "scopes", "separator", "params"];
    if asks_a_person {
        known.extend(["authorize", "authorize_params"]);
    }
    let mut found: BTreeMap<&str, &ast::Expr> = BTreeMap::new();
    for arg in args {
        let name = arg.name.as_ref().map_or("", |name| name.text.as_str());
        if !known.contains(&name) || found.insert(name, &arg.value).is_some() {
            let near = similar(name, known.iter().copied()).filter(|_| !found.contains_key(name));
            let help = near.map_or_else(|| help.clone(), |near| format!("did you mean `{near}`?"));
            let message = format!("`{form}` does not take this argument");
            problems.push(Diagnostic::new(Code::E0508, message, arg.span, "not known, or there twice").help(help));
            return None;
        }
    }
    let must = if asks_a_person { ["token", "id", "authorize"].as_slice() } else { &["token", "id", "secret"] };
    if let Some(missing) = must.iter().find(|name| !found.contains_key(*name)) {
        let label = format!("`{missing}` is missing");
        problems.push(wrong(&format!("`{form}` lacks an argument"), written, &label, &help));
        return None;
    }
    let mut url = |name: &str| found.get(name).and_then(|written| request::base(context, name, written, problems));
    let (token, authorize) = (url("token")?, url("authorize"));
    let id = credential(context, found.get("id")?, problems)?;
    let secret = match found.get("secret") {
        Some(secret) => Some(credential(context, secret, problems)?),
        None => None,
    };
    let words = [("basic", SendClient::Basic), ("body", SendClient::Body)];
    let send = found.get("send").map(|written| word("send", written, &words, problems));
    let scopes = found.get("scopes").map(|written| texts("scopes", written, problems)).unwrap_or_default();
    let separator = match found.get("separator") {
        Some(written) => fixed_text("separator", written, problems)?,
        None => " ".to_owned(),
    };
    let mut fixed = |name: &str| match found.get(name) {
        Some(written) => fixed_params(name, written, problems),
        None => Some(Vec::new()),
    };
    let (params, authorize_params) = (fixed("params")?, fixed("authorize_params")?);
    let grant = match asks_a_person {
        true => Grant::AuthorizationCode { authorize: authorize?, params: authorize_params },
        false => Grant::ClientCredentials,
    };
    let send = match send {
        Some(send) => send?,
        None => SendClient::default(),
    };
    Some(OAuth { grant, token, id, secret, send, scopes, separator, params })
}

/// `{ audience: "https://…" }`
fn fixed_params(name: &str, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Vec<(String, String)>> {
    let ExprKind::Record(entries) = &written.kind else {
        problems.push(wrong_value(name, written.span, "not a record", format!("write `{name}: {{ name: \"text\" }}`")));
        return None;
    };
    let mut params = Vec::new();
    for entry in entries {
        match entry {
            ast::RecordEntry::Field { name: param, value } => {
                params.push((param.text.clone(), fixed_text(name, value, problems)?));
            }
            ast::RecordEntry::Spread(rest) => {
                problems.push(wrong_value(name, rest.span, "not a fixed text", "write each parameter"));
                return None;
            }
        }
    }
    Some(params)
}

fn wrong(message: &str, written: &ast::Expr, label: &str, help: &str) -> Diagnostic {
    Diagnostic::new(Code::E0508, message, written.span, label).help(help)
}

/// A secret or plain text.
fn credential(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Expr> {
    let typed = template::plain(context, written, None, problems);
    let is_text = |ty: &Type| matches!(ty, Type::String | Type::Email | Type::Url | Type::Uuid | Type::OneOf(_));
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
