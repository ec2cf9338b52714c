//! What is the body of a request?
//!
//! In: `body: { … }` (JSON), `form: { … }`, `multipart: { … }`, `xml: { … }`, `graphql: "…"` with its `variables`, or
//! `raw: value` with its `content_type`. Out: the body.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr,
    schema::{Body, ListStyle, Part},
    span::Span,
    ty::{Type, Types},
};

use super::{
    Context, Section, Template,
    request::{Params, styled},
    section::{fixed_text, form, wrong_value},
};
use crate::{
    ast::{Arg, Expr, ExprKind, RecordEntry},
    types::url_path::is_single,
};

/// The properties that are a body, each by itself.
pub(super) const BODIES: [&str; 6] = ["body", "form", "raw", "multipart", "xml", "graphql"];

/// The body of a request, and how lists in a form are written; nothing when there is none, or when it could not be understood,
/// which is reported.
pub(super) fn body(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    params: Params<'_>,
    problems: &mut Vec<Diagnostic>,
) -> (Body, BTreeMap<String, ListStyle>) {
    let mut lists = BTreeMap::new();
    let given: Vec<_> = BODIES.into_iter().filter_map(|part| section.get(part)).collect();
    if let [first, second, ..] = given.as_slice() {
        problems.push(
            Diagnostic::new(Code::E0509, "a request has one body", second.name.span, "a second body")
                .label(first.name.span, "the first is here")
                .help("keep one of `body` (JSON), `form`, `multipart`, `xml`, `graphql` and `raw`"),
        );
    }
    for (part, of, help) in [
        ("content_type", "raw", "leave it out: the other bodies have media types of their own"),
        ("variables", "graphql", "leave it out: only a GraphQL query has variables"),
    ] {
        if let (Some(found), false) = (section.get(part), given.iter().any(|given| given.name.text == of)) {
            problems.push(wrong_value(part, found.span, &format!("goes with `{of}`"), help));
        }
    }
    let mut template = Template::new(context, params.written, params.fields);
    let body = match given
        .first()
        .and_then(|part| Some((part.name.text.as_str(), section.expr(&part.name.text, problems)?)))
    {
        Some(("body", written)) => Body::Json(template.expr(written, None).expr),
        Some(("form", written)) => {
            let (plain, words) = form_lists(written);
            let typed = template.expr(&plain, None);
            for (name, (style, span)) in words {
                problems.extend(wrong_list(context, &typed.ty, &name, style, span));
                lists.insert(name, style);
            }
            let has_fields =
                context.names.types.fields(&typed.ty).is_some() || matches!(typed.ty, Type::Map(_) | Type::Unknown);
            if holds_file(&context.names.types, &typed.ty, &mut Vec::new()) {
                let problem =
                    Diagnostic::new(Code::E0505, "a file goes into no form like this", written.span, "holds a file");
                problems.push(problem.help("send it with `multipart`, which is a form with files"));
            }
            if !has_fields {
                problems.push(wrong_value("form", written.span, "has no fields", "write `form: { name: value }`"));
            }
            Body::Form(typed.expr)
        }
        Some(("multipart", written)) => multipart(context, written, &mut template, problems),
        Some(("xml", written)) => {
            let has_root = matches!(&written.kind, ExprKind::Record(entries)
                if matches!(entries.as_slice(), [RecordEntry::Field { .. }]));
            if !has_root {
                let help = "write the root element as the one field: `xml: { Order: { … } }`";
                problems.push(wrong_value("xml", written.span, "has not one root element", help));
            }
            Body::Xml(template.expr(written, None).expr)
        }
        Some(("graphql", written)) => graphql(section, written, &mut template, problems),
        Some((_, written)) => raw(context, section, written, &mut template, problems),
        None => Body::None,
    };
    template.finish(problems);
    (body, lists)
}

/// A form without the words for its lists, `form: { MediaUrl: repeated(media) }`, and those words with what they are about.
fn form_lists(written: &Expr) -> (Expr, BTreeMap<String, (ListStyle, Span)>) {
    let (mut plain, mut lists) = (written.clone(), BTreeMap::new());
    if let ExprKind::Record(entries) = &mut plain.kind {
        for entry in entries {
            let RecordEntry::Field { name, value } = entry else { continue };
            let (inner, Some(style)) = styled(value) else { continue };
            lists.insert(name.text.clone(), (style, inner.span));
            *value = inner.clone();
        }
    }
    (plain, lists)
}

/// Says whether a value of the type holds a file.
fn holds_file(types: &Types, ty: &Type, seen: &mut Vec<String>) -> bool {
    match ty {
        Type::File => true,
        Type::List(item) | Type::Map(item) | Type::Optional(item) => holds_file(types, item, seen),
        Type::Named(name) if seen.contains(name) => false,
        ty => {
            if let Type::Named(name) = ty {
                seen.push(name.clone());
            }
            types.fields(ty).is_some_and(|fields| fields.values().any(|field| holds_file(types, &field.ty, seen)))
        }
    }
}

/// Reports a list that can't be written as a form says: records in it need their indexes.
fn wrong_list(context: &Context<'_, '_>, form: &Type, name: &str, style: ListStyle, span: Span) -> Option<Diagnostic> {
    let types = &context.names.types;
    let ty = &types.fields(form)?.get(name)?.ty;
    let item = match ty.non_null() {
        Type::List(item) => item.non_null(),
        other => other,
    };
    (style != ListStyle::Indexes && !is_single(types, item)).then(|| {
        let problem =
            Diagnostic::new(Code::E0505, format!("`{ty}` can't be written so"), span, "no list of single values");
        problem.help("leave the word out: records and lists in a form are nested with their names")
    })
}

/// `graphql: """query …""", variables: { … }`
fn graphql(section: &Section<'_>, written: &Expr, template: &mut Template<'_>, problems: &mut Vec<Diagnostic>) -> Body {
    let variables = section.expr("variables", problems).map(|variables| template.expr(variables, None).expr);
    let Some(flow_model::value::Value::String(query)) = crate::names::literal(written) else {
        if !matches!(written.kind, ExprKind::Missing) {
            problems.push(
                Diagnostic::new(Code::E0524, "a GraphQL query is fixed text", written.span, "is put together")
                    .help(
                        "write it as it is, `r\"query($id: ID!) { … }\"`, where braces are no insertions; what changes is a \
                         variable of it: `variables: { id }`",
                    ),
            );
        }
        return Body::None;
    };
    Body::GraphQl { query: query.to_string(), variables }
}

/// `multipart: { file: file(content, name: "a.pdf", type: "application/pdf"), title }`
fn multipart(
    context: &Context<'_, '_>,
    written: &Expr,
    template: &mut Template<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Body {
    let help = "write `multipart: { name: value, document: file(content, name: \"a.pdf\") }`";
    let ExprKind::Record(entries) = &written.kind else {
        problems.push(wrong_value("multipart", written.span, "has no parts", help));
        return Body::None;
    };
    let mut parts = Vec::new();
    for entry in entries {
        let (name, value) = match entry {
            RecordEntry::Field { name, value } => (name, value),
            RecordEntry::Spread(rest) => {
                let typed = template.expr(rest, None);
                let fits = match &typed.ty {
                    Type::Map(item) => is_part(context, item) || **item == Type::Json,
                    ty => *ty == Type::Unknown,
                };
                if !fits {
                    let help = "spread a `Map<File>` or a `Map<Json>`, or name the parts";
                    problems.push(wrong_value("multipart", rest.span, &format!("of type `{}`", typed.ty), help));
                }
                parts.push((String::new(), Part::All(typed.expr)));
                continue;
            }
        };
        let part = match form(value) {
            Some(("file", args)) if !args.is_empty() => file(context, value, args, template, problems),
            Some(("json", [Arg { name: None, value, .. }])) => Some(Part::Json(template.expr(value, None).expr)),
            _ => {
                let typed = template.expr(value, None);
                if !is_part(context, &typed.ty) {
                    let message = format!("`{}` can't be a part of a form", typed.ty);
                    let problem = Diagnostic::new(Code::E0505, message, value.span, "neither a value nor a file");
                    problems.push(problem.help("send it as JSON: `json(value)`"));
                }
                Some(Part::Value(typed.expr))
            }
        };
        parts.extend(part.map(|part| (name.text.clone(), part)));
    }
    Body::Multipart(parts)
}

/// Says whether a value is a part of a form, or several of the same name.
fn is_part(context: &Context<'_, '_>, ty: &Type) -> bool {
    let ty = match ty.non_null() {
        Type::List(item) => item.non_null(),
        other => other,
    };
    matches!(ty, Type::Bytes | Type::File | Type::Null) || is_single(&context.names.types, ty)
}

/// `file(content, name: …, type: …)`
fn file(
    context: &Context<'_, '_>,
    written: &Expr,
    args: &[Arg],
    template: &mut Template<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Part> {
    let help = "write `file(content, name: \"a.pdf\", type: \"application/pdf\")`";
    let named = |name: &str| args.iter().find(|arg| arg.name.as_ref().is_some_and(|found| found.text == name));
    let content: Vec<_> = args.iter().filter(|arg| arg.name.is_none()).collect();
    let known = content.len() + usize::from(named("name").is_some()) + usize::from(named("type").is_some());
    let ([content], true) = (content.as_slice(), known == args.len()) else {
        problems.push(wrong_value("file", written.span, "has other arguments", help));
        return None;
    };
    let typed = template.expr(&content.value, None);
    let ty = typed.ty.non_null();
    if !matches!(ty, Type::Bytes | Type::File | Type::Unknown) && !is_single(&context.names.types, ty) {
        let message = format!("`{}` can't be a file", typed.ty);
        let problem = Diagnostic::new(Code::E0505, message, content.span, "neither a file nor bytes nor text");
        problems.push(problem.help(help));
    }
    let mut text = |name: &str| -> Option<expr::Expr> {
        named(name).map(|arg| template.expr(&arg.value, Some(&Type::String.optional())).expr)
    };
    let (name, media_type) = (text("name"), text("type"));
    Some(Part::File { content: typed.expr, name, media_type })
}

fn raw(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    written: &Expr,
    template: &mut Template<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Body {
    let typed = template.expr(written, None);
    let ty = typed.ty.non_null();
    if !matches!(ty, Type::Bytes | Type::File) && !is_single(&context.names.types, ty) {
        let message = format!("`{}` can't be sent as it is", typed.ty);
        problems.push(
            Diagnostic::new(Code::E0505, message, written.span, "neither text nor bytes")
                .help("send it as `body`, which is JSON"),
        );
    }
    let media_type = section.expr("content_type", problems).and_then(|ty| fixed_text("content_type", ty, problems));
    Body::Raw(typed.expr, media_type)
}

/// The name of each field that a body writes, if it is written as a record.
pub(super) fn fields(written: &Expr) -> Option<Vec<&str>> {
    let ExprKind::Record(entries) = &written.kind else { return None };
    let names = entries.iter().map(|entry| match entry {
        RecordEntry::Field { name, .. } => Some(name.text.as_str()),
        RecordEntry::Spread(_) => None,
    });
    Some(names.flatten().collect())
}
