//! Which part of a request is meant?
//!
//! In: `query.after`, `query["page[after]"]`, `body.cursor`, `body.variables.after`. Out: the part, and why a body has no such
//! place: where pages begin, where a key goes, where a credential goes.

use flow_model::{
    expr::{Expr, RecordPart},
    schema::{Body, Into},
    value::Value,
};

use crate::{
    ast::{self, ExprKind},
    names::literal,
};

/// What is written where a part of the request is meant.
pub(super) const HELP: &str = "write `query.name`, `body.name` or `body.name.inner`";

/// The part that is written; none where it is no part of a request.
pub(super) fn place(written: &ast::Expr) -> Option<Into> {
    let path = path(written)?;
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    Some(match names.as_slice() {
        ["query", name] => Into::Query((*name).to_owned()),
        ["body", name] => Into::Body((*name).to_owned()),
        ["body", inner @ ..] if !inner.is_empty() => {
            Into::Within(inner.iter().map(|name| (*name).to_owned()).collect())
        }
        _ => return None,
    })
}

/// Why a body has no such place, in short, and what to write; none where it has one.
pub(super) fn unfit(into: &Into, body: &Body) -> Option<(&'static str, &'static str, &'static str)> {
    let names: Vec<&str> = match into {
        Into::Query(_) => return None,
        Into::Body(name) => vec![name],
        Into::Within(path) => path.iter().map(String::as_str).collect(),
    };
    match (body, names.as_slice()) {
        (Body::Json(_) | Body::Form(_) | Body::None, _) | (Body::GraphQl { .. }, ["variables", _, ..]) => None,
        (Body::GraphQl { .. }, _) => Some((
            "a query takes what changes as a variable",
            "no variable",
            "write `body.variables.name`, with a variable that the query declares",
        )),
        (Body::Xml(_), [_]) => {
            Some(("the body has one root element", "a second one", "write `body.Root.name`: an element within it"))
        }
        (Body::Xml(root), [first, ..]) => match root_of(root) {
            Some(name) if name != *first => Some((
                "the root element of the body is another one",
                "a second one",
                "begin with the root element, with the prefix that it is written with",
            )),
            _ => None,
        },
        (Body::Multipart(_), [_]) => None,
        (Body::Raw(..) | Body::Multipart(_) | Body::Xml(_), _) => {
            Some(("the body has no fields", "put into a field", HELP))
        }
    }
}

/// The root element of XML that is written out.
fn root_of(root: &Expr) -> Option<&str> {
    match root {
        Expr::Record(parts) => match parts.as_slice() {
            [RecordPart::Field(name, _)] => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// The names of `a.b["c"]`.
fn path(expr: &ast::Expr) -> Option<Vec<String>> {
    let (of, name) = match &expr.kind {
        ExprKind::Name(name) => return Some(vec![name.clone()]),
        ExprKind::Member { of, name, null_safe: false } => (of, name.text.clone()),
        ExprKind::Index { of, index } => match literal(index)? {
            Value::String(name) => (of, name.to_string()),
            _ => return None,
        },
        _ => return None,
    };
    let mut path = path(of)?;
    path.push(name);
    Some(path)
}
