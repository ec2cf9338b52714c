//! What is the body of a request?
//!
//! In: `body: { … }` (JSON), `form: { … }`, or `raw: value` with its `content_type`. Out: the body.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    schema::Body,
    ty::Type,
};

use super::{
    Context, Section, Template,
    request::{Params, is_single},
    section::{fixed_text, wrong_value},
};
use crate::ast::{Expr, ExprKind};

/// The body of a request; nothing when there is none, or when it could not be understood, which is reported.
pub(super) fn body(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    params: Params<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Body {
    let given: Vec<_> = ["body", "form", "raw"].into_iter().filter_map(|part| section.get(part)).collect();
    if let [first, second, ..] = given.as_slice() {
        problems.push(
            Diagnostic::new(Code::E0509, "a request has one body", second.name.span, "a second body")
                .label(first.name.span, "the first is here")
                .help("keep one of `body` (JSON), `form` and `raw`"),
        );
    }
    if let (Some(content_type), false) = (section.get("content_type"), given.iter().any(|part| part.name.text == "raw"))
    {
        problems.push(wrong_value(
            "content_type",
            content_type.span,
            "goes with `raw`",
            "leave it out: JSON and forms have media types of their own",
        ));
    }
    let mut template = Template::new(context, params.written, params.fields);
    let body = match given
        .first()
        .and_then(|part| Some((part.name.text.as_str(), section.expr(&part.name.text, problems)?)))
    {
        Some(("body", written)) => Body::Json(template.expr(written, None).expr),
        Some(("form", written)) => {
            let typed = template.expr(written, None);
            let has_fields =
                context.names.types.fields(&typed.ty).is_some() || matches!(typed.ty, Type::Map(_) | Type::Unknown);
            if !has_fields {
                problems.push(wrong_value("form", written.span, "has no fields", "write `form: { name: value }`"));
            }
            Body::Form(typed.expr)
        }
        Some((_, written)) => raw(context, section, written, &mut template, problems),
        None => Body::None,
    };
    template.finish(problems);
    body
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
    if *ty != Type::Bytes && !is_single(&context.names.types, ty) {
        let message = format!("`{}` can't be sent as it is", typed.ty);
        problems.push(
            Diagnostic::new(Code::E0505, message, written.span, "neither text nor bytes")
                .help("send it as `body`, which is JSON"),
        );
    }
    let media_type = section.expr("content_type", problems).and_then(|ty| fixed_text("content_type", ty, problems));
    let usual = if *ty == Type::Bytes { "application/octet-stream" } else { "text/plain; charset=utf-8" };
    Body::Raw(typed.expr, media_type.unwrap_or_else(|| usual.to_owned()))
}

/// The name of each field that a body writes, if it is written as a record.
pub(super) fn fields(written: &Expr) -> Option<Vec<&str>> {
    let ExprKind::Record(entries) = &written.kind else { return None };
    let names = entries.iter().map(|entry| match entry {
        crate::ast::RecordEntry::Field { name, .. } => Some(name.text.as_str()),
        crate::ast::RecordEntry::Spread(_) => None,
    });
    Some(names.flatten().collect())
}
