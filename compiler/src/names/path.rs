//! Names joined by dots, as text and as a place.

use flow_model::span::Span;

use crate::ast::{Expr, ExprKind, Ident, Path};

impl Path {
    /// The path as it is written: `chat.post_message`.
    pub(crate) fn text(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.text.as_str()).collect();
        parts.join(".")
    }

    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        match (self.parts.first(), self.parts.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        }
    }

    /// The last name of it.
    pub(crate) fn last(&self) -> Option<&Ident> {
        self.parts.last()
    }
}

/// The names of an expression `a.b.c`, if it is one.
pub(crate) fn chain(expr: &Expr) -> Option<Path> {
    match &expr.kind {
        ExprKind::Name(name) => Some(Path { parts: vec![Ident { text: name.clone(), span: expr.span }] }),
        ExprKind::Member { of, name, null_safe: false } => {
            let mut path = chain(of)?;
            path.parts.push(name.clone());
            Some(path)
        }
        _ => None,
    }
}

/// Says whether an event's name fits a pattern: `*` stands for one part, at the end for one or more.
pub(crate) fn fits(pattern: &Path, event: &str) -> bool {
    let mut parts = event.split('.');
    let count = pattern.parts.len();
    for (index, wanted) in pattern.parts.iter().enumerate() {
        match (parts.next(), wanted.text.as_str()) {
            (None, _) => return false,
            (Some(_), "*") if index + 1 == count => return true,
            (Some(_), "*") => {}
            (Some(part), wanted) if part == wanted => {}
            (Some(_), _) => return false,
        }
    }
    parts.next().is_none()
}
