//! What have all requests of a connector in common?
//!
//! In: the section `http { base: …, auth: …, … }`. Out: the same as the executor follows it.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    schema::{Auth, Http, Version},
    span::Span,
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Context, Section, auth, limit, origin,
    reach::in_clear,
    reference::operation_named,
    request::{self, Params},
    section::{fixed_text, form, texts, wrong_value},
};
use crate::ast;

const PROPERTIES: [&str; 14] = [
    "base",
    "sandbox",
    "auth",
    "headers",
    "query",
    "version",
    "docs",
    "also",
    "hosts",
    "probe",
    "limit",
    "retry_after",
    "remaining",
    "reset",
];

/// Reads the section.
pub(super) fn http(
    context: &Context<'_, '_>,
    span: Span,
    properties: &[ast::Property],
    problems: &mut Vec<Diagnostic>,
) -> Option<Http> {
    let keyword = Span { end: span.start + "http".len() as u32, ..span };
    let what = format!("the section `http` of `{}`", context.connector);
    let section = Section::new(what, keyword, properties, &PROPERTIES, problems);
    section.require("base", "write `base: \"https://…\"`", problems);
    let mut base =
        |name: &str| section.expr(name, problems).and_then(|base| request::base(context, name, base, problems));
    let (base, sandbox) = (base("base"), base("sandbox"));
    let auth = section.expr("auth", problems).map(|written| auth::auth(context, written, problems));
    if let (Some(Expr::Literal(Value::String(url))), Some(written), Some(Some(_))) =
        (&base, section.expr("base", problems), &auth)
    {
        problems.extend(in_clear(url, written.span));
    }
    let also = section.expr("also", problems).map(|written| origin::also(written, problems)).unwrap_or_default();
    if let (Some(written), Some(Some(_))) = (section.expr("also", problems), &auth) {
        problems.extend(also.iter().filter_map(|url| in_clear(url, written.span)));
    }
    let none = Params { written: &[], fields: &IndexMap::new() };
    let headers = section.get("headers").map(|headers| {
        request::header_names(headers, problems);
        request::entries(context, headers, none, problems)
    });
    let headers = headers.unwrap_or_default();
    let query = section.get("query").map(|query| request::entries(context, query, none, problems)).unwrap_or_default();
    let limits = section.get("limit").map(|limit| limit::limits(limit, problems)).unwrap_or_default();
    let retry_after = section.expr("retry_after", problems).map(|written| limit::waits(context, written, problems));
    let remaining = section.expr("remaining", problems).map(|written| limit::over_headers(context, written, problems));
    let reset = section.expr("reset", problems).map(|written| limit::wait(context, written, problems));
    let version = section.expr("version", problems).and_then(|written| version(written, problems));
    let docs = section.expr("docs", problems).and_then(|written| url("docs", written, problems));
    let hosts = section.expr("hosts", problems).map(|written| hosts(written, problems)).unwrap_or_default();
    let probe = section.expr("probe", problems).and_then(|written| probe(context, written, problems));
    Some(Http {
        base: base?,
        auth: auth.flatten().unwrap_or(Auth::None),
        headers: headers.named,
        more_headers: headers.more,
        query: query.named,
        more_query: query.more,
        limits,
        retry_after: retry_after.unwrap_or_default(),
        remaining,
        reset,
        sandbox,
        also,
        hosts,
        version,
        docs,
        probe,
    })
}

/// `"2025-01"`, `version("2025-01", sunset: "2026-01-31")`
fn version(written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Version> {
    let Some(("version", args)) = form(written) else {
        return Some(Version { name: fixed_text("version", written, problems)?, sunset: None });
    };
    let help = "write `version: \"2025-01\"`, or `version: version(\"2025-01\", sunset: \"2026-01-31\")`";
    let named = |name: &str| args.iter().find(|arg| arg.name.as_ref().is_some_and(|found| found.text == name));
    let (Some(name), sunset) = (args.iter().find(|arg| arg.name.is_none()), named("sunset")) else {
        problems.push(wrong_value("version", written.span, "names no version", help));
        return None;
    };
    if args.len() != 1 + usize::from(sunset.is_some()) {
        problems.push(wrong_value("version", written.span, "has other arguments", help));
        return None;
    }
    let name = fixed_text("version", &name.value, problems)?;
    let sunset = match sunset {
        None => None,
        Some(arg) => {
            let text = fixed_text("sunset", &arg.value, problems)?;
            if text.parse::<jiff::civil::Date>().is_err() {
                problems.push(wrong_value("sunset", arg.span, "not a day", "write it as `2026-01-31`"));
                return None;
            }
            Some(text)
        }
    };
    Some(Version { name, sunset })
}

fn url(name: &str, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let text = fixed_text(name, written, problems)?;
    let is_web = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_web {
        problems.push(wrong_value(name, written.span, "not a URL", format!("write `{name}: \"https://…\"`")));
    }
    is_web.then_some(text)
}

/// `["*.s3.amazonaws.com", "uploads.example.com"]`: names of hosts, of which the first part may be `*`.
fn hosts(written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let hosts = texts("hosts", written, problems);
    for host in &hosts {
        let name = host.strip_prefix("*.").unwrap_or(host);
        let is_host = name.contains('.')
            && name
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        if !is_host {
            let help = "write names of hosts: `uploads.example.com`, or `*.example.com` for all below one";
            problems.push(wrong_value("hosts", written.span, &format!("`{host}` is no name of a host"), help));
        }
    }
    hosts
}

/// `probe: auth.test`
fn probe(context: &Context<'_, '_>, written: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let (name, operation) = operation_named(context, written, problems)?;
    let must = operation.params.iter().find(|(_, field)| field.default.is_none() && !field.ty.is_nullable());
    if let Some((param, _)) = must {
        let message = format!("`{name}` can't show whether a credential works");
        let label = format!("needs the argument `{param}`");
        let help = "name an operation that only reads and needs no arguments, such as that of the account itself";
        problems.push(Diagnostic::new(Code::E0521, message, written.span, label).help(help));
        return None;
    }
    Some(name)
}
