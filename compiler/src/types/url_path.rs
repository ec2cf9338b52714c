//! What is a path of a URL?
//!
//! In: the path of a request in a declaration, or a text where a `UrlPath` is wanted. Out: what is wrong with its fixed
//! parts and with its insertions: each of those is one segment, or a part of one, and is escaped.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::Span,
    ty::{Language, Type, TypeDef, Types},
};

use crate::ast;

/// What is wrong with the fixed parts of a path.
pub(crate) fn wrong_path(parts: &[ast::TextPart], span: Span) -> Option<Diagnostic> {
    let fixed = parts.iter().filter_map(|part| match part {
        ast::TextPart::Fixed(text) => Some(text.as_str()),
        ast::TextPart::Insert(_) => None,
    });
    let starts = matches!(parts.first(), Some(ast::TextPart::Fixed(text)) if text.starts_with('/'));
    let fixed: String = fixed.collect();
    let (label, help) = if fixed.starts_with("http://") || fixed.starts_with("https://") {
        (
            "is a whole address",
            "the host is the connection's, `connection api = http { base_url: \"https://…\" }`, and the rest is the path: `\"/orders/{id}\"`",
        )
    } else if !starts {
        ("does not begin with `/`", "the path is put after the base; begin it with `/`")
    } else if fixed.contains('?') {
        ("has a query", "write the query as `{ query: { name: value } }` after the path")
    } else if fixed.contains(|letter: char| letter == '#' || letter.is_whitespace() || letter.is_control()) {
        ("has a letter that a path can't have", "escape it as `%` and two hexadecimal digits")
    } else if fixed.contains('\\') {
        ("has a `\\`, which is read as `/`", "write `/`, or `%5C` for the sign itself")
    } else if fixed
        .split('/')
        .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
    {
        ("has a segment `.` or `..`", "write the path without it")
    } else {
        return None;
    };
    Some(Diagnostic::new(Code::E0516, "this is no path of a request", span, label).help(help))
}

/// What is wrong with an insertion into a path.
pub(crate) fn wrong_insertion(types: &Types, ty: &Type, inserted: &ast::Expr) -> Option<Diagnostic> {
    let (message, label, help) = if matches!(ty, Type::Optional(_) | Type::Null) {
        let message = format!("`{ty}` may be null, and a URL has no form for that");
        (message, "may be null", "make the parameter one that must be given, or write `?? …` after it")
    } else if *ty == Type::Text(Language::UrlPath) {
        let message = "a `UrlPath` is a whole path, and no part of one".to_owned();
        (
            message,
            "stands beside others",
            "write it alone: `GET \"{path}\"`; what stands before each path belongs to the base",
        )
    } else if !is_single(types, ty) {
        (format!("`{ty}` can't be a part of a URL"), "not a single value", "insert a text, a number or a date")
    } else {
        return None;
    };
    Some(Diagnostic::new(Code::E0506, message, inserted.span, label).help(help))
}

/// Says whether a value of the type is one text, number or point in time.
pub(crate) fn is_single(types: &Types, ty: &Type) -> bool {
    match ty {
        Type::Unknown
        | Type::Bool
        | Type::String
        | Type::Int
        | Type::Decimal
        | Type::Timestamp
        | Type::Zoned
        | Type::Date
        | Type::Duration
        | Type::Size
        | Type::Email
        | Type::Url
        | Type::Uuid
        | Type::OneOf(_)
        | Type::Text(_) => true,
        Type::Secret(inner) => is_single(types, inner),
        Type::Named(name) => matches!(types.get(name), Some(TypeDef::Enum(_)) | None),
        _ => false,
    }
}
