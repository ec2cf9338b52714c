//! Which request does an operation make?
//!
//! In: `POST "/path/{id}" { query: { … }, headers: { … }, body: { … } }` and the base of all requests. Out: the request
//! as the HTTP executor follows it. What could change the host, an insertion that is no parameter, and parameters that
//! go nowhere are reported.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, TextPart},
    schema::{Body, Format, ListStyle, Request},
    span::Span,
    ty::{Field, Language, Type, Types},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Context, Section, Template, body, origin,
    section::{form, listed, wrong_value},
};
use crate::{
    ast::{self, ExprKind, Ident, Property, PropertyValue, RecordEntry},
    names::{self, similar, walk},
    types::{
        holds_secret, secret,
        url_path::{is_single, wrong_insertion, wrong_path},
    },
};

/// The methods that declarations use.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

/// The parts of a request.
const PARTS: [&str; 10] =
    ["query", "headers", "body", "form", "raw", "content_type", "multipart", "xml", "graphql", "variables"];

/// The base URL (`base` or `sandbox`): text that may use `config`.
pub(super) fn base(
    context: &Context<'_, '_>,
    property: &str,
    written: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Option<Expr> {
    let ExprKind::Text(parts) = &written.kind else {
        if !matches!(written.kind, ExprKind::Missing) {
            let help = "write `\"https://host\"`; parts of it may be inserted: `\"https://{config.shop}.example.com\"`";
            problems.push(wrong_value(property, written.span, "not a text", help));
        }
        return None;
    };
    // The URL with a letter in place of each insertion: what is fixed of it can be checked.
    let mut sample = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            ast::TextPart::Fixed(text) => sample.push_str(text),
            ast::TextPart::Insert(_) if at == 0 => sample.push_str("https://x"),
            ast::TextPart::Insert(_) => sample.push('x'),
        }
    }
    if let Some(reason) = wrong_base(&sample) {
        let (message, help) = match property {
            "base" | "sandbox" => {
                ("this is no base URL".to_owned(), "the base is `https://`, a host, and perhaps a path")
            }
            _ => {
                (format!("`{property}` is no URL of a server"), "it is `https://`, a host, and a path, without a query")
            }
        };
        problems.push(Diagnostic::new(Code::E0520, message, written.span, reason).help(help));
    }
    let mut template = Template::new(context, &[], &IndexMap::new());
    let base = text(context, parts, &mut template, &[], problems);
    secret_host(context, parts, problems);
    template.finish(problems);
    Some(base)
}

/// Reports a secret in the name of a host, which is asked for in the open.
fn secret_host(context: &Context<'_, '_>, parts: &[ast::TextPart], problems: &mut Vec<Diagnostic>) {
    let mut before = String::new();
    for part in parts {
        match part {
            ast::TextPart::Fixed(text) => before.push_str(text),
            ast::TextPart::Insert(inserted) => {
                let is_host = before.split_once("://").is_none_or(|(_, host)| !host.contains('/'));
                let typed = super::template::plain(context, inserted, None, &mut Vec::new());
                if is_host && holds_secret(&context.names.types, &typed.ty) {
                    let problem = secret("a secret can't be part of a host's name", inserted.span);
                    problems.push(
                        problem.help("names of hosts are asked for in the open: send it with `auth`, or in a header"),
                    );
                }
                before.push('x');
            }
        }
    }
}

/// Why a URL can't be the base of requests.
pub(super) fn wrong_base(sample: &str) -> Option<String> {
    let url = match url::Url::parse(sample) {
        Ok(url) => url,
        Err(error) => return Some(error.to_string()),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("`{}` is neither `http` nor `https`", url.scheme()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("it has a query or a fragment".to_owned());
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    has_user.then(|| "it has a user or a password".to_owned())
}

/// The parameters of an operation: as written, and what they mean.
#[derive(Clone, Copy)]
pub(super) struct Params<'a> {
    pub(super) written: &'a [ast::Field],
    pub(super) fields: &'a IndexMap<String, Field>,
}

/// The request of the operation `what`.
pub(super) fn request(
    context: &Context<'_, '_>,
    what: &str,
    property: &Property,
    params: Params<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Request> {
    let PropertyValue::Request { method, path, parts } = &property.value else {
        let is_path = matches!(&property.value, PropertyValue::Expr(ast::Expr { kind: ExprKind::Text(_), .. }));
        let help = match is_path {
            true => "write the method before the path: `request: GET \"/path/{id}\"`",
            false => "write a method, a path and what is sent: `POST \"/path/{id}\" { body: { … } }`",
        };
        problems.push(wrong_value("request", property.span, "not a request", help));
        return None;
    };
    let names: Vec<&str> = params.fields.keys().map(String::as_str).collect();
    if !METHODS.contains(&method.text.as_str()) {
        problems.push(unknown_method(method));
    }
    let section = Section::new(format!("the request of {what}"), method.span.to(path.span), parts, &PARTS, problems);
    let mut template = Template::new(context, params.written, params.fields);
    let (mut whole_url, mut given_path, mut origin) = (false, false, None);
    let path = match &path.kind {
        ExprKind::Text(parts) if matches!(parts.as_slice(), [ast::TextPart::Insert(_)]) => {
            let (path, is_given) = whole(context, parts, &mut template, problems);
            (whole_url, given_path) = (!is_given, is_given);
            path
        }
        ExprKind::Text(parts) => {
            let mut below = parts.clone();
            if let Some((found, path)) = origin::written(context, parts, path.span, problems) {
                (origin, below) = (found, path);
            }
            let is_base = below.iter().all(|part| matches!(part, ast::TextPart::Fixed(text) if text.is_empty()));
            problems.extend(wrong_path(&below, path.span).filter(|_| !is_base));
            text(context, &below, &mut template, &names, problems)
        }
        _ => Expr::Literal(Value::text("/")),
    };
    template.finish(problems);
    let query = section.get("query").map(|query| entries(context, query, params, problems)).unwrap_or_default();
    let headers = section.get("headers").map(|headers| {
        header_names(headers, problems);
        entries(context, headers, params, problems)
    });
    let headers = headers.unwrap_or_default();
    let (body, form_lists) = body::body(context, &section, params, problems);
    if matches!(method.text.as_str(), "GET" | "HEAD") && !matches!(body, Body::None) {
        let part = body::BODIES.into_iter().find_map(|part| section.get(part));
        let span = part.map_or(method.span, |part| part.name.span);
        problems.push(
            Diagnostic::new(Code::E0509, format!("a `{}` request has no body", method.text), span, "would not be read")
                .label(method.span, "this method")
                .help("send it as `query`, or use `POST`"),
        );
    }
    Some(Request {
        method: method.text.clone(),
        path,
        origin,
        whole_url,
        given_path,
        query: query.named,
        lists: query.lists,
        form_lists,
        more_query: query.more,
        headers: headers.named,
        more_headers: headers.more,
        body,
        answer: None,
        format: Format::Auto,
        success_when: None,
        null_when: None,
    })
}

/// `"{upload_url}"`: a whole URL that a system gave out, or `"{path}"`, a path that the caller wrote, and whether it is one.
fn whole(
    context: &Context<'_, '_>,
    parts: &[ast::TextPart],
    template: &mut Template<'_>,
    problems: &mut Vec<Diagnostic>,
) -> (Expr, bool) {
    let Some(ast::TextPart::Insert(inserted)) = parts.first() else { return (Expr::Literal(Value::Null), true) };
    let typed = template.expr(inserted, None);
    if typed.ty == Type::Text(Language::UrlPath) {
        return (typed.expr, true);
    }
    if !matches!(typed.ty, Type::Url | Type::Unknown) {
        let message = format!("a whole URL is inserted as a `Url`, and this is a `{}`", typed.ty);
        problems.push(
            Diagnostic::new(Code::E0506, message, inserted.span, "not a URL")
                .help("declare the parameter as `Url`; a path begins with `/`, and is put after the base, or is a `UrlPath` of the caller's"),
        );
    } else if !names_hosts(context) {
        problems.push(
            Diagnostic::new(Code::E0506, "a whole URL may lead anywhere", inserted.span, "to which hosts?")
                .help("name the hosts that it may lead to in the section `http`: `hosts: [\"*.example.com\"]`"),
        );
    }
    (typed.expr, false)
}

/// Says whether the connector names hosts besides that of its base.
pub(super) fn names_hosts(context: &Context<'_, '_>) -> bool {
    let info = context.names.connectors.get(context.connector);
    info.and_then(|info| info.ast.http.as_ref())
        .is_some_and(|(_, properties)| properties.iter().any(|property| property.name.text == "hosts"))
}

/// Reports parameters that the request does not send.
pub(super) fn unused(what: &str, property: &Property, params: Params<'_>, problems: &mut Vec<Diagnostic>) {
    let mut mentioned = Mentioned(BTreeSet::new());
    walk::property(property, &mut mentioned);
    let fixed = match &property.value {
        PropertyValue::Request { path, .. } => match names::literal(path) {
            Some(Value::String(path)) => path.to_string(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    for param in params.written {
        let name = &param.name;
        let in_path =
            [format!(":{}", name.text), format!("<{}>", name.text)].into_iter().find(|form| fixed.contains(form));
        if !mentioned.0.contains(name.text.as_str()) && !name.text.is_empty() {
            problems.push(
                Diagnostic::new(
                    Code::E0507,
                    format!("the parameter `{}` of {what} goes nowhere", name.text),
                    name.span,
                    "not part of the request",
                )
                .label(property.name.span, "this request")
                .help(match in_path {
                    Some(form) => format!("write `{{{}}}` in the place of `{form}`", name.text),
                    None => format!("send it, as in `body: {{ {} }}`, or leave it out", name.text),
                }),
            );
        }
    }
}

struct Mentioned<'a>(BTreeSet<&'a str>);

impl<'a> walk::Visitor<'a> for Mentioned<'a> {
    fn expr(&mut self, expr: &'a ast::Expr) {
        if let ExprKind::Name(name) = &expr.kind {
            self.0.insert(name);
        }
    }
}

fn unknown_method(method: &Ident) -> Diagnostic {
    let message = format!("`{}` is no method of HTTP that a declaration can use", method.text);
    let help = match similar(&method.text, METHODS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the methods are {}", listed(&METHODS)),
    };
    Diagnostic::new(Code::E0515, message, method.span, "not known").help(help)
}

/// Text in a URL: each insertion is a parameter (or `config`), a single value, and not null.
fn text(
    context: &Context<'_, '_>,
    parts: &[ast::TextPart],
    template: &mut Template<'_>,
    names: &[&str],
    problems: &mut Vec<Diagnostic>,
) -> Expr {
    let mut read = Vec::new();
    for part in parts {
        match part {
            ast::TextPart::Fixed(text) => read.push(TextPart::Fixed(text.clone())),
            ast::TextPart::Insert(inserted) => {
                if let ExprKind::Name(name) = &inserted.kind
                    && name != "config"
                    && !names.contains(&name.as_str())
                {
                    problems.push(no_parameter(name, inserted.span, names));
                    continue;
                }
                let typed = template.expr(inserted, None);
                problems.extend(wrong_insertion(&context.names.types, &typed.ty, inserted));
                read.push(TextPart::Insert(typed.expr));
            }
        }
    }
    match read.as_slice() {
        [] => Expr::Literal(Value::text("")),
        [TextPart::Fixed(text)] => Expr::Literal(Value::text(text.as_str())),
        _ => Expr::Text { parts: read, language: None },
    }
}

fn no_parameter(name: &str, span: Span, names: &[&str]) -> Diagnostic {
    let help = match (similar(name, names.iter().copied()), names) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "only `config` can be inserted here".to_owned(),
        (None, [one]) => format!("declare it as a parameter, or insert `{one}`"),
        (None, _) => format!("declare it as a parameter, or insert one of {}", listed(names)),
    };
    Diagnostic::new(Code::E0506, format!("`{name}` is no parameter"), span, "inserted here").help(help)
}

/// Headers or a query.
#[derive(Default)]
pub(super) struct Entries {
    /// Those that are named.
    pub(super) named: Vec<(String, Expr)>,
    /// How lists are written, by name.
    pub(super) lists: BTreeMap<String, ListStyle>,
    /// Maps whose entries are sent too: `...query`.
    pub(super) more: Vec<Expr>,
}

/// `{ name: value, ...map }` as headers or a query: single values, lists of them, or null.
pub(super) fn entries(
    context: &Context<'_, '_>,
    property: &Property,
    params: Params<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Entries {
    let name = property.name.text.as_str();
    let help = format!("write `{name}: {{ name: value }}`");
    let written = match &property.value {
        PropertyValue::Expr(ast::Expr { kind: ExprKind::Record(entries), .. }) => entries,
        PropertyValue::Expr(ast::Expr { kind: ExprKind::Missing, .. }) => return Entries::default(),
        _ => {
            problems.push(wrong_value(name, property.span, "not names with values", help));
            return Entries::default();
        }
    };
    let mut template = Template::new(context, params.written, params.fields);
    let mut read: IndexMap<String, (Expr, Span)> = IndexMap::new();
    let (mut lists, mut more) = (BTreeMap::new(), Vec::new());
    for entry in written {
        match entry {
            RecordEntry::Spread(rest) => {
                let typed = template.expr(rest, None);
                let item = match &typed.ty {
                    Type::Map(item) => item.non_null(),
                    other => other,
                };
                let fits = match (&typed.ty, item) {
                    (Type::Unknown, _) => true,
                    (Type::Map(_), Type::Json) => name == "query",
                    (Type::Map(_), Type::List(item)) if name == "query" => {
                        is_single(&context.names.types, item.non_null())
                    }
                    (Type::Map(_), item) => is_single(&context.names.types, item),
                    _ => false,
                };
                if !fits {
                    let item = if name == "query" { "Json" } else { "String" };
                    let help = format!("spread a `Map<{item}>`, or name what is sent: `{name}: {{ name: value }}`");
                    problems.push(wrong_value(name, rest.span, &format!("of type `{}`", typed.ty), help));
                }
                more.push(typed.expr);
            }
            RecordEntry::Field { name: entry, value } => {
                let (value, style) = if name == "query" { styled(value) } else { (value, None) };
                lists.extend(style.map(|style| (entry.text.clone(), style)));
                let typed = template.expr(value, None);
                let types = &context.names.types;
                let item = match typed.ty.non_null() {
                    Type::List(item) if name == "query" => item.non_null(),
                    other => other,
                };
                // What has names is written below them in brackets; in a list, each item below its index.
                let is_named = has_names(types, item) && name == "query";
                let is_nested =
                    is_named && (!matches!(typed.ty.non_null(), Type::List(_)) || style == Some(ListStyle::Indexes));
                if !is_single(types, item) && *item != Type::Null && !is_nested {
                    let message = format!("`{}` can't be sent as one of `{name}`", typed.ty);
                    let help = match (name, is_named) {
                        ("query", true) => "records in a list are written with their indexes: `indexes(…)`",
                        ("query", false) => "send single values, records, or lists of them",
                        _ => "send single values",
                    };
                    problems.push(Diagnostic::new(Code::E0505, message, value.span, "not a single value").help(help));
                }
                if let Some((_, first)) = read.get(&entry.text) {
                    problems.push(names::repeated("name", entry, *first));
                } else {
                    read.insert(entry.text.clone(), (typed.expr, entry.span));
                }
            }
        }
    }
    template.finish(problems);
    Entries { named: read.into_iter().map(|(name, (expr, _))| (name, expr)).collect(), lists, more }
}

/// Says whether a value of the type is written as names with values: `created[gte]=7`.
fn has_names(types: &Types, ty: &Type) -> bool {
    match ty {
        Type::Map(_) | Type::Json => true,
        ty => types.fields(ty).is_some(),
    }
}

/// `comma(ids)`, `repeated(ids)`, `brackets(ids)`, `indexes(ids)`: how a list is written in a query or a form.
pub(super) fn styled(value: &ast::Expr) -> (&ast::Expr, Option<ListStyle>) {
    let styles = [
        ("repeated", ListStyle::Repeat),
        ("comma", ListStyle::Comma),
        ("brackets", ListStyle::Brackets),
        ("indexes", ListStyle::Indexes),
    ];
    match form(value) {
        Some((name, [ast::Arg { name: None, value: inner, .. }])) => {
            match styles.iter().find(|(word, _)| *word == name) {
                Some((_, style)) => (inner, Some(*style)),
                None => (value, None),
            }
        }
        _ => (value, None),
    }
}

/// Reports names in `headers: { … }` that no header can have.
pub(super) fn header_names(property: &Property, problems: &mut Vec<Diagnostic>) {
    let PropertyValue::Expr(ast::Expr { kind: ExprKind::Record(entries), .. }) = &property.value else { return };
    for entry in entries {
        if let RecordEntry::Field { name, .. } = entry
            && !is_token(&name.text)
            && !name.text.is_empty()
        {
            problems.push(header_problem(&name.text, name.span));
        }
    }
}

/// Reports a name that no header can have.
pub(super) fn header_problem(name: &str, span: Span) -> Diagnostic {
    if of_connection(name) {
        let help = "leave it out: it is set where the request is sent";
        return wrong_value("header", span, &format!("`{name}` belongs to the connection"), help);
    }
    wrong_value("header", span, &format!("`{name}` is no name of a header"), "names have letters, digits and `-`")
}

/// Says whether text can be the name of a header that a declaration may set: a token (RFC 9110, section 5.6.2) that does
/// not belong to the connection.
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        && !of_connection(name)
}

fn of_connection(name: &str) -> bool {
    let names = ["host", "content-length", "transfer-encoding", "connection", "te", "upgrade"];
    names.contains(&name.to_ascii_lowercase().as_str())
}
