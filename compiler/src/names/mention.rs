//! Which names of the program does nothing refer to?
//!
//! In: the files of the program. Out: warnings for imports, connections and other items that are left over. A name that
//! is also bound within a body counts as a reference: at worst, a warning is missing.

use std::collections::BTreeSet;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::Span,
};
use rustc_hash::FxHashSet;

use super::{
    ItemKind, Names, declare, fits, is_worth_it,
    load::{Origin, Unit},
    walk::{self, Visitor},
};
use crate::ast::{Expr, ExprKind, Ident, Item, Path, UseWhat};

/// Warns of what is left over, unless one of the problems may be the reason: text that could not be read, or a name
/// that was misspelt.
pub(crate) fn unused(names: &Names<'_>, units: &[Unit], problems: &mut Vec<Diagnostic>) {
    if !is_worth_it() || problems.iter().any(|problem| problem.code.id().starts_with("E01")) {
        return;
    }
    let mut found = Vec::new();
    left(names, units, &mut found);
    let meant: BTreeSet<&str> = problems
        .iter()
        .flat_map(|problem| &problem.fixes)
        .flat_map(|fix| &fix.edits)
        .map(|edit| edit.text.as_str())
        .collect();
    // What has an error of its own is not told to be left over as well.
    let wrong: BTreeSet<Span> = problems.iter().map(Diagnostic::span).collect();
    let is_wrong = |name: Span| {
        let within = Span { end: name.start, ..name }..=Span { start: name.end, ..name };
        wrong.range(within).any(|span| span.file == name.file && span.end <= name.end)
    };
    found.retain(|(name, problem)| !meant.contains(name.as_str()) && !is_wrong(problem.span()));
    problems.extend(found.into_iter().map(|(_, problem)| problem));
}

/// The names that are left over, with the warning for each.
fn left(names: &Names<'_>, units: &[Unit], problems: &mut Vec<(String, Diagnostic)>) {
    let program: Vec<&Unit> = units.iter().filter(|unit| unit.origin == Origin::Program).collect();
    // What only refers to itself is left over as well.
    let mut from_outside = Mentions::default();
    for unit in &program {
        let mut mentions = Mentions::default();
        for item in &unit.ast.items {
            let mut inner = Found::default();
            walk::item(item, &mut inner);
            let own = declare::declared(item).map(|(_, name)| name.text.as_str());
            from_outside.extend(&inner, own);
            mentions.extend(&inner, None);
            if let Item::Use(used) = item
                && let UseWhat::File { names: Some(wanted), .. } = &used.what
            {
                from_outside.values.extend(wanted.iter().map(|name| name.text.as_str()));
            }
        }
        imports(names, unit, &program, &mentions, problems);
    }
    // A file without flows exists to be used by others.
    let Some(own) = program.first() else { return };
    if !own.ast.items.iter().any(|item| matches!(item, Item::Flow(_))) {
        return;
    }
    for item in &own.ast.items {
        let Some((kind, name)) = declare::declared(item) else { continue };
        let is_first = names.items.get(&name.text).is_some_and(|(_, span)| *span == name.span);
        let (code, is_used) = match kind {
            ItemKind::Connection => (Code::W0202, from_outside.values.contains(name.text.as_str())),
            ItemKind::Const | ItemKind::Function | ItemKind::Policy => {
                (Code::W0203, from_outside.values.contains(name.text.as_str()))
            }
            ItemKind::Record | ItemKind::Enum | ItemKind::Union | ItemKind::Error => {
                (Code::W0203, from_outside.anywhere(&name.text))
            }
            // A flow that nothing calls is called from outside, and a connector may still be in the making.
            ItemKind::Flow | ItemKind::Connector => continue,
        };
        if !is_first || is_used {
            continue;
        }
        let noun = kind.spoken().split_once(' ').map_or("item", |(_, noun)| noun);
        let message = format!("the {noun} `{}` is used nowhere", name.text);
        let problem = Diagnostic::new(code, message, name.span, "left over").help("use it, or leave it out");
        problems.push((name.text.clone(), problem));
    }
    for item in &own.ast.items {
        let Item::Event(event) = item else { continue };
        let name = event.name.text();
        let is_named = from_outside.events.iter().any(|path| fits(path, &name)) || from_outside.is_type(&name);
        if !is_named && names.events.get(&name) == Some(&event.name.span()) {
            let message = format!("the event `{name}` is neither emitted nor heard of");
            let problem = Diagnostic::new(Code::W0203, message, event.name.span(), "left over")
                .help(format!("emit it, start a flow with `on event {name}`, or leave it out"));
            problems.push((name, problem));
        }
    }
}

fn imports(
    names: &Names<'_>,
    unit: &Unit,
    program: &[&Unit],
    mentions: &Mentions<'_>,
    problems: &mut Vec<(String, Diagnostic)>,
) {
    for item in &unit.ast.items {
        let Item::Use(used) = item else { continue };
        match &used.what {
            UseWhat::Connectors(connectors) => {
                left_over(names, connectors, used.span, mentions, problems);
            }
            UseWhat::File { names: Some(wanted), .. } => left_over(names, wanted, used.span, mentions, problems),
            UseWhat::File { path, names: None } => {
                let Some(from) =
                    unit.uses.get(&path.span).and_then(|file| program.iter().find(|one| one.file == *file))
                else {
                    continue;
                };
                let offered = from.ast.items.iter().filter_map(declare::declared);
                if !offered.into_iter().any(|(_, name)| mentions.anywhere(&name.text)) && from.file != unit.file {
                    let message = format!("nothing of `{}` is used", path.text);
                    let problem = Diagnostic::new(Code::W0201, message, used.span, "left over")
                        .help("leave this `use` out")
                        .fix("leave it out", vec![Edit { span: used.span, text: String::new() }]);
                    problems.push((String::new(), problem));
                }
            }
        }
    }
}

fn left_over(
    names: &Names<'_>,
    listed: &[Ident],
    whole: Span,
    mentions: &Mentions<'_>,
    problems: &mut Vec<(String, Diagnostic)>,
) {
    let is_left =
        |name: &&Ident| !name.text.is_empty() && !names.broken.contains(&name.text) && !mentions.anywhere(&name.text);
    let unused: Vec<&Ident> = listed.iter().filter(is_left).collect();
    for name in &unused {
        let problem = Diagnostic::new(Code::W0201, format!("`{}` is not used", name.text), name.span, "left over")
            .help(format!("leave `{}` out", name.text));
        let removal = if unused.len() == 1 { removal(name, listed, whole) } else { None };
        let problem = match removal {
            Some(span) => problem.fix("leave it out", vec![Edit { span, text: String::new() }]),
            None => problem,
        };
        problems.push((name.text.clone(), problem));
    }
}

/// What to take out so that a name is no longer listed: the comma beside it too, or the whole item.
fn removal(name: &Ident, listed: &[Ident], whole: Span) -> Option<Span> {
    let at = listed.iter().position(|one| one.span == name.span)?;
    match (at.checked_sub(1).and_then(|before| listed.get(before)), listed.get(at + 1)) {
        (Some(before), _) => Some(Span { start: before.span.end, ..name.span }),
        (None, Some(after)) => Some(Span { end: after.span.start, ..name.span }),
        (None, None) => Some(whole),
    }
}

/// Names that are referred to.
#[derive(Default)]
struct Mentions<'a> {
    /// As a value, a policy, or a connection that is called or starts a flow.
    values: FxHashSet<&'a str>,
    /// As a type, or before one.
    types: FxHashSet<&'a str>,
    /// As a type whose name has several parts.
    paths: Vec<&'a Path>,
    /// As the connector of a connection.
    connectors: FxHashSet<&'a str>,
    /// As events, or as patterns of their names.
    events: Vec<&'a Path>,
}

impl<'a> Mentions<'a> {
    /// Adds what an item refers to, without its own name.
    fn extend(&mut self, found: &Found<'a>, own: Option<&str>) {
        let is_other = |name: &&'a str| Some(*name) != own;
        self.values.extend(found.values.iter().copied().filter(is_other));
        self.types.extend(found.types.iter().copied().filter(is_other));
        self.connectors.extend(&found.connectors);
        self.paths.extend(&found.paths);
        self.events.extend(&found.events);
    }

    fn is_type(&self, name: &str) -> bool {
        self.types.contains(name) || self.paths.iter().any(|path| path.text() == name)
    }

    fn anywhere(&self, name: &str) -> bool {
        self.values.contains(name) || self.types.contains(name) || self.connectors.contains(name)
    }
}

/// The names that one item refers to, as often as it does.
#[derive(Default)]
struct Found<'a> {
    values: Vec<&'a str>,
    types: Vec<&'a str>,
    paths: Vec<&'a Path>,
    connectors: Vec<&'a str>,
    events: Vec<&'a Path>,
}

impl<'a> Visitor<'a> for Found<'a> {
    fn expr(&mut self, expr: &'a Expr) {
        if let ExprKind::Name(name) = &expr.kind {
            self.values.push(name);
        }
    }

    fn type_name(&mut self, path: &'a Path) {
        self.types.extend(path.parts.first().map(|first| first.text.as_str()));
        if path.parts.len() > 1 {
            self.paths.push(path);
        }
    }

    fn event(&mut self, path: &'a Path) {
        self.events.push(path);
    }

    fn error(&mut self, path: &'a Path) {
        self.types.extend(path.parts.first().map(|first| first.text.as_str()));
    }

    fn kind(&mut self, name: &'a Ident) {
        self.types.push(&name.text);
    }

    fn policy(&mut self, name: &'a Ident) {
        self.values.push(&name.text);
    }

    fn trigger(&mut self, path: &'a Path) {
        self.values.extend(path.parts.first().map(|first| first.text.as_str()));
    }

    fn tested(&mut self, name: &'a Ident) {
        self.values.push(&name.text);
    }

    fn called(&mut self, path: &'a Path) {
        self.values.extend(path.parts.first().map(|first| first.text.as_str()));
    }

    fn connector(&mut self, name: &'a Ident) {
        self.connectors.push(&name.text);
    }
}
