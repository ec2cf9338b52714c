//! What is written in a section `name { property: value }`, and what is not?
//!
//! In: the properties as written and those that the section knows. Out: each property by name; unknown, repeated and
//! missing ones are reported, and values that are not of the kind that a property takes.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::Span,
};

use crate::{
    ast::{Arg, Expr, ExprKind, Ident, ListEntry, Property, PropertyValue},
    names::{literal, repeated, similar, unknown},
};

/// The properties of a section.
pub(super) struct Section<'a> {
    /// What it belongs to, in words: `the operation `chat.post_message``.
    what: String,
    /// Where that is declared: its name there.
    span: Span,
    found: BTreeMap<&'a str, &'a Property>,
    /// Properties that one with a wrong name stands for.
    meant: BTreeSet<String>,
}

impl<'a> Section<'a> {
    /// Reads properties; `known` are the names that the section has.
    pub(super) fn new(
        what: String,
        span: Span,
        properties: &'a [Property],
        known: &[&str],
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut found: BTreeMap<&'a str, &'a Property> = BTreeMap::new();
        let mut meant = BTreeSet::new();
        for property in properties {
            let name = property.name.text.as_str();
            if name.is_empty() {
                continue;
            }
            if !known.contains(&name) {
                if let Some((property_meant, help)) = elsewhere(name).filter(|(meant, _)| known.contains(meant)) {
                    // Several that stand for one property are one mistake.
                    if meant.insert(property_meant.to_owned()) {
                        problems.push(unknown_property(&property.name, &what, &[]).help(help));
                    }
                    continue;
                }
                problems.push(unknown_property(&property.name, &what, known));
                meant.extend(similar(name, known.iter().copied()).map(str::to_owned));
            } else if let Some(first) = found.get(name) {
                problems.push(repeated("property", &property.name, first.name.span));
            } else {
                found.insert(name, property);
            }
        }
        Self { what, span, found, meant }
    }

    /// Says whether a property with a wrong name, which was reported, stands for this one.
    pub(super) fn is_meant(&self, name: &str) -> bool {
        self.meant.contains(name)
    }

    /// The property of that name, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&'a Property> {
        self.found.get(name).copied()
    }

    /// The property of that name; reported when it is not there.
    pub(super) fn require(&self, name: &str, help: &str, problems: &mut Vec<Diagnostic>) -> Option<&'a Property> {
        let found = self.get(name);
        if found.is_none() && !self.is_meant(name) {
            problems.push(missing(&self.what, name, self.span, help));
        }
        found
    }

    /// The expression of a property, if it is there.
    pub(super) fn expr(&self, name: &str, problems: &mut Vec<Diagnostic>) -> Option<&'a Expr> {
        self.get(name).and_then(|property| expr(property, problems))
    }
}

/// The property that one is called elsewhere, and how it is written.
fn elsewhere(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "base_url" | "baseUrl" | "endpoint" | "server" => ("base", "write `base: \"https://…\"`"),
        "method" | "path" | "route" | "verb" => {
            ("request", "write the method and the path as one: `request: GET \"/path/{id}\"`")
        }
        "body" | "json" | "data" => ("request", "write it after the path: `request: POST \"/path\" { body: { … } }`"),
        "query" | "params" => ("request", "write it after the path: `request: GET \"/path\" { query: { … } }`"),
        "authentication" | "authorization" => ("auth", "write `auth: bearer(config.token)`, or another scheme"),
        "rate_limit" | "rateLimit" => ("limit", "write `limit: 100 per 10s`"),
        "response" | "output" | "returns" => ("answer", "write `answer: body.data`"),
        "pagination" => ("page", "write `page: cursor(next: body.next, into: query.after)`, or another way"),
        _ => return None,
    })
}

/// Reports that a property does not exist.
pub(super) fn unknown_property(name: &Ident, what: &str, known: &[&str]) -> Diagnostic {
    let problem = unknown(Code::E0501, "property", name, known.iter().copied());
    let mut problem = match problem.help {
        Some(_) => problem,
        None => problem.help(format!("there are {}", listed(known))),
    };
    problem.message = format!("{what} has no property `{}`", name.text);
    problem
}

/// Reports that a property is not there.
pub(super) fn missing(what: &str, name: &str, span: Span, help: &str) -> Diagnostic {
    Diagnostic::new(Code::E0502, format!("{what} has no `{name}`"), span, format!("`{name}` is missing")).help(help)
}

/// Reports that a value is not one that a property takes.
pub(super) fn wrong_value(name: &str, span: Span, label: &str, help: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::E0505, format!("`{name}` can't be this"), span, label).help(help)
}

/// The expression that a property holds.
pub(super) fn expr<'a>(property: &'a Property, problems: &mut Vec<Diagnostic>) -> Option<&'a Expr> {
    match &property.value {
        PropertyValue::Expr(Expr { kind: ExprKind::Missing, .. }) => None,
        PropertyValue::Expr(expr) => Some(expr),
        PropertyValue::Request { .. } | PropertyValue::Rate(_) | PropertyValue::Each(_) | PropertyValue::Flag => {
            let name = &property.name.text;
            problems.push(wrong_value(name, property.span, "not a plain value", format!("write `{name}: value`")));
            None
        }
    }
}

/// The one of some words that an expression is.
pub(super) fn word<T: Copy>(name: &str, expr: &Expr, words: &[(&str, T)], problems: &mut Vec<Diagnostic>) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let written = match &expr.kind {
        ExprKind::Missing => return None,
        ExprKind::Name(word) => word.as_str(),
        _ => "",
    };
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == written) {
        return Some(*meaning);
    }
    let help = match similar(written, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", listed(&names)),
    };
    problems.push(wrong_value(name, expr.span, "not one of the words that it takes", help));
    None
}

/// The fixed text that an expression is.
pub(super) fn fixed_text(name: &str, expr: &Expr, problems: &mut Vec<Diagnostic>) -> Option<String> {
    match literal(expr) {
        Some(flow_model::value::Value::String(text)) => Some(text.to_string()),
        _ if matches!(expr.kind, ExprKind::Missing) => None,
        _ => {
            problems.push(wrong_value(name, expr.span, "not a fixed text", "write a text without insertions"));
            None
        }
    }
}

/// A call of a bare name with its arguments, or the name alone.
pub(super) fn form(expr: &Expr) -> Option<(&str, &[Arg])> {
    match &expr.kind {
        ExprKind::Name(name) => Some((name, &[])),
        ExprKind::Call { callee, args, .. } => match &callee.kind {
            ExprKind::Name(name) => Some((name, args)),
            _ => None,
        },
        _ => None,
    }
}

/// The items of a list, or the one value.
pub(super) fn items(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Missing => Vec::new(),
        ExprKind::List(entries) => entries
            .iter()
            .map(|entry| match entry {
                ListEntry::Item(value) | ListEntry::Spread(value) => value,
            })
            .collect(),
        _ => vec![expr],
    }
}

/// A list of fixed texts.
pub(super) fn texts(name: &str, written: &Expr, problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let ExprKind::List(entries) = &written.kind else {
        problems.push(wrong_value(name, written.span, "not a list", format!("write `{name}: [\"…\"]`")));
        return Vec::new();
    };
    let mut read = Vec::new();
    for entry in entries {
        match entry {
            ListEntry::Item(item) => read.extend(fixed_text(name, item, problems)),
            ListEntry::Spread(rest) => {
                problems.push(wrong_value(name, rest.span, "not a fixed text", "write each text"));
            }
        }
    }
    read
}

/// Names for a person: `` `a`, `b` and `c` ``.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
