//! Which items are there, and which file sees which?
//!
//! In: the files that were read. Out: the kind and the place of each item, the connectors in use, and the names that
//! each file sees. Names declared twice, names that have a meaning already and imports that name nothing are reported.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    failure::ErrorKind,
    span::{FileId, Span},
};

use super::{Names, built_in_types, duplicate, load, load::Origin, load::Unit, unknown};
use crate::ast::{self, Ident, Item, UseWhat};

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Const,
    Record,
    Enum,
    Union,
    Error,
    Function,
    Connection,
    Policy,
    Connector,
    Flow,
}

impl ItemKind {
    /// What a person calls it, with its article.
    pub(crate) fn spoken(self) -> &'static str {
        match self {
            Self::Const => "a constant",
            Self::Record => "a record",
            Self::Enum => "an enum",
            Self::Union => "a union",
            Self::Error => "an error",
            Self::Function => "a function",
            Self::Connection => "a connection",
            Self::Policy => "a policy",
            Self::Connector => "a connector",
            Self::Flow => "a flow",
        }
    }

    fn is_type(self) -> bool {
        matches!(self, Self::Record | Self::Enum | Self::Union | Self::Error)
    }
}

/// The kind and the name of an item that declares one.
pub(crate) fn declared(item: &Item) -> Option<(ItemKind, &Ident)> {
    Some(match item {
        // Events have names of their own, with dots, which the whole program knows.
        Item::Use(_) | Item::Test(_) | Item::Event(_) => return None,
        Item::Const(item) => (ItemKind::Const, &item.name),
        Item::Record(item) => (ItemKind::Record, &item.name),
        Item::Enum(item) => (ItemKind::Enum, &item.name),
        Item::Union(item) => (ItemKind::Union, &item.name),
        Item::Error(item) => (ItemKind::Error, &item.name),
        Item::Function(item) => (ItemKind::Function, &item.name),
        Item::Connection(item) => (ItemKind::Connection, &item.name),
        Item::Policy(item) => (ItemKind::Policy, &item.name),
        Item::Connector(item) => (ItemKind::Connector, &item.name),
        Item::Flow(item) => (ItemKind::Flow, &item.name),
    })
    .filter(|(_, name)| !name.text.is_empty())
}

/// A connector in use: as written, where its name stands, and where a `use` names it first.
pub(super) struct Used<'a> {
    pub(super) ast: &'a ast::Connector,
    pub(super) used_at: Span,
}

/// Fills [`Names::items`] and [`Names::visible`], and finds the connectors in use.
pub(super) fn declare<'a>(
    names: &mut Names<'a>,
    units: &'a [Unit],
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Used<'a>> {
    let mut connectors = BTreeMap::new();
    let program = || units.iter().filter(|unit| unit.origin == Origin::Program);
    for unit in program() {
        for item in &unit.ast.items {
            if let Some((kind, name)) = declared(item) {
                add(names, item, kind, name, problems);
                names.visible.entry(unit.file).or_default().insert(name.text.clone());
                if let Item::Connector(ast) = item
                    && names.connector_spans.get(&name.text) == Some(&name.span)
                {
                    connectors.insert(name.text.clone(), Used { ast, used_at: name.span });
                }
            }
        }
    }
    for unit in units {
        if let Origin::Connector(name) = &unit.origin {
            from_catalog(names, &mut connectors, unit, name, units, problems);
        }
    }
    for unit in program() {
        imports(names, unit, units, problems);
    }
    let lost = units.iter().flat_map(|unit| &unit.lost).filter(|name| !names.items.contains_key(*name));
    names.broken.extend(lost.cloned().collect::<Vec<_>>());
    reserved_connections(names, units, problems);
    connectors
}

fn add(names: &mut Names<'_>, item: &Item, kind: ItemKind, name: &Ident, problems: &mut Vec<Diagnostic>) {
    if let Some(problem) = reserved(kind, name) {
        problems.push(problem);
    }
    if kind == ItemKind::Connector {
        match names.connector_spans.get(&name.text) {
            Some(first) => problems.push(duplicate("connector", name, *first)),
            None => {
                names.connector_spans.insert(name.text.clone(), name.span);
            }
        }
    }
    // A connection of the connector's own name replaces its default connection.
    let is_default =
        |item: &Item| matches!(item, Item::Connection(connection) if connection.connector.text == name.text);
    match names.items.get(&name.text) {
        Some((ItemKind::Connector, _)) if is_default(item) => {
            names.items.insert(name.text.clone(), (kind, name.span));
        }
        Some((ItemKind::Connection, _)) if kind == ItemKind::Connector => {}
        Some((ItemKind::Connector, _)) if kind == ItemKind::Connector => {}
        Some((_, first)) => problems.push(duplicate("name", name, *first)),
        None => {
            names.items.insert(name.text.clone(), (kind, name.span));
        }
    }
}

/// The names that the language gives a meaning to outside of bodies.
fn reserved(kind: ItemKind, name: &Ident) -> Option<Diagnostic> {
    let text = name.text.as_str();
    let taken = if kind.is_type() && built_in_types().any(|known| known == text) {
        "a built-in type"
    } else if kind == ItemKind::Error && ErrorKind::BUILT_IN.iter().any(|known| known.name() == text) {
        "a kind of error that every connector has"
    } else if matches!(text, "secret" | "env" | "now" | "uuid" | "random" | "hmac_sha256") {
        "a built-in function"
    } else if matches!(kind, ItemKind::Connection | ItemKind::Connector)
        && matches!(text, "every" | "cron" | "event" | "file")
    {
        "the name of a trigger after `on`"
    } else {
        return None;
    };
    let message = format!("`{text}` is {taken}");
    Some(Diagnostic::new(Code::E0203, message, name.span, "can't be declared again").help("choose another name"))
}

fn from_catalog<'a>(
    names: &mut Names<'a>,
    connectors: &mut BTreeMap<String, Used<'a>>,
    unit: &'a Unit,
    name: &str,
    units: &[Unit],
    problems: &mut Vec<Diagnostic>,
) {
    let uses = units.iter().flat_map(|unit| &unit.ast.items).flat_map(load::used_connectors);
    let used_at = uses.into_iter().find(|used| used.text == name).map(|used| used.span).unwrap_or_default();
    names.visible.entry(unit.file).or_default().insert(name.to_owned());
    let own = unit.ast.items.iter().find_map(|item| match item {
        Item::Connector(ast) if ast.name.text == name => Some(ast),
        _ => None,
    });
    let Some(ast) = own else {
        problems.extend(not_declared(unit, name, used_at));
        names.broken.insert(name.to_owned());
        return;
    };
    for (kind, other) in unit.ast.items.iter().filter_map(declared).filter(|(_, other)| other.span != ast.name.span) {
        let message = format!("the file of the connector `{name}` also declares `{}`", other.text);
        problems.push(
            Diagnostic::new(Code::E0519, message, other.span, kind.spoken())
                .help("put what belongs to the connector into its braces, and the rest into another file"),
        );
    }
    match names.items.get(name).copied() {
        Some((ItemKind::Connection, span)) if !replaces_default(units, span, name) => {
            let taken = Ident { text: name.to_owned(), span };
            problems.push(
                duplicate("name", &taken, used_at)
                    .help("give the connection a name that is not the one of a connector in use"),
            );
        }
        Some((ItemKind::Connection, _)) => {}
        Some((_, first)) => problems.push(duplicate("name", &Ident { text: name.to_owned(), span: used_at }, first)),
        None => {
            names.items.insert(name.to_owned(), (ItemKind::Connector, used_at));
        }
    }
    names.connector_spans.insert(name.to_owned(), ast.name.span);
    connectors.insert(name.to_owned(), Used { ast, used_at });
}

/// A file of the catalog that lacks its connector. One that could not be read has no items, which was reported.
fn not_declared(unit: &Unit, name: &str, used_at: Span) -> Option<Diagnostic> {
    let (kind, first) = unit.ast.items.iter().find_map(declared)?;
    let message = format!("the file of the connector `{name}` does not declare it");
    let problem = Diagnostic::new(Code::E0519, message, first.span, kind.spoken()).label(used_at, "used here");
    Some(problem.help(format!("declare `connector {name} {{ … }}` in it, and nothing else")))
}

/// Says whether the connection that is declared at a place is one of the connector whose name it has.
fn replaces_default(units: &[Unit], span: Span, name: &str) -> bool {
    units.iter().flat_map(|unit| &unit.ast.items).any(|item| {
        matches!(item, Item::Connection(connection) if connection.name.span == span && connection.connector.text == name)
    })
}

/// A connection of a connector declared in the program, with the name of another one.
fn reserved_connections(names: &Names<'_>, units: &[Unit], problems: &mut Vec<Diagnostic>) {
    for item in units.iter().flat_map(|unit| &unit.ast.items) {
        let Item::Connection(connection) = item else { continue };
        let name = &connection.name;
        let Some(connector) = names.connector_spans.get(&name.text) else { continue };
        let of_program = names.items.get(&name.text).is_some_and(|(_, span)| *span == name.span);
        if of_program
            && connection.connector.text != name.text
            && !problems.iter().any(|known| known.span() == name.span)
        {
            problems.push(duplicate("name", name, *connector));
        }
    }
}

/// What a file takes from others.
fn imports(names: &mut Names<'_>, unit: &Unit, units: &[Unit], problems: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<String, Span> = BTreeMap::new();
    for item in &unit.ast.items {
        let Item::Use(used) = item else { continue };
        match &used.what {
            UseWhat::Connectors(connectors) => {
                for name in connectors.iter().filter(|name| !name.text.is_empty()) {
                    take(names, unit.file, name, &mut taken, problems);
                    if !names.connector_spans.contains_key(&name.text) {
                        names.broken.insert(name.text.clone());
                    }
                }
            }
            UseWhat::File { path, names: wanted } => {
                let from = unit.uses.get(&path.span).and_then(|from| units.iter().find(|unit| unit.file == *from));
                let is_read = |from: &&Unit| {
                    !problems.iter().any(|known| known.span().file == from.file && known.code.id().starts_with("E01"))
                };
                let Some(from) = from.filter(is_read) else {
                    // It could not be read, or not all of it, which was reported: its items may be there or not.
                    break_all(names, unit, wanted.as_deref().unwrap_or_default(), from);
                    continue;
                };
                let mut private: BTreeMap<&str, Span> = BTreeMap::new();
                let mut offered: BTreeSet<&str> = BTreeSet::new();
                for (_, name) in from.ast.items.iter().filter_map(declared) {
                    match from.ast.private.get(&name.span) {
                        Some(keyword) => drop(private.insert(&name.text, *keyword)),
                        None => drop(offered.insert(&name.text)),
                    }
                }
                match wanted {
                    None => {
                        let all = offered.iter().map(|name| (*name).to_owned());
                        names.visible.entry(unit.file).or_default().extend(all);
                    }
                    Some(wanted) => {
                        for name in wanted.iter().filter(|name| !name.text.is_empty()) {
                            if offered.contains(name.text.as_str()) {
                                take(names, unit.file, name, &mut taken, problems);
                            } else if let Some(keyword) = private.get(name.text.as_str()) {
                                let message = format!("`{}` is private to `{}`", name.text, path.text);
                                let problem = Diagnostic::new(Code::E0215, message, name.span, "can't be taken");
                                problems.push(
                                    problem
                                        .label(*keyword, "for its own file only")
                                        .help("leave `private` out there, or do without it here"),
                                );
                                names.broken.insert(name.text.clone());
                            } else {
                                let mut problem = unknown(Code::E0214, "item", name, offered.iter().copied())
                                    .label(path.span, "in this file");
                                problem.message = format!("`{}` does not declare `{}`", path.text, name.text);
                                problem.help.get_or_insert_with(|| match offered.len() {
                                    0 => "it declares nothing that others may use".to_owned(),
                                    _ => {
                                        let names: Vec<String> =
                                            offered.iter().map(|name| format!("`{name}`")).collect();
                                        format!("it declares {}", names.join(", "))
                                    }
                                });
                                problems.push(problem);
                                names.broken.insert(name.text.clone());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Takes names from a file that could not be read: those that it offers all the same are known, others are never
/// reported.
fn break_all(names: &mut Names<'_>, unit: &Unit, wanted: &[Ident], from: Option<&Unit>) {
    let offered: Vec<&Ident> =
        from.iter().flat_map(|from| &from.ast.items).filter_map(declared).map(|(_, name)| name).collect();
    let visible = names.visible.entry(unit.file).or_default();
    visible.extend(wanted.iter().chain(offered.iter().copied()).map(|name| name.text.clone()));
    let lost = wanted.iter().filter(|name| !offered.iter().any(|offered| offered.text == name.text));
    names.broken.extend(lost.map(|name| name.text.clone()));
}

fn take(
    names: &mut Names<'_>,
    file: FileId,
    name: &Ident,
    taken: &mut BTreeMap<String, Span>,
    problems: &mut Vec<Diagnostic>,
) {
    names.visible.entry(file).or_default().insert(name.text.clone());
    match taken.get(&name.text) {
        Some(first) => problems.push(
            Diagnostic::new(Code::E0202, format!("`{}` is used twice", name.text), name.span, "again")
                .label(*first, "first here")
                .help("leave one out"),
        ),
        None => {
            taken.insert(name.text.clone(), name.span);
        }
    }
}
