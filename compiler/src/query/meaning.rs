//! What is a thing of the program, in Flow's own words?
//!
//! In: what a name stands for, and what the program knows. Out: its declaration in a line or a few, its doc comment, and
//! where it stands.

use flow_model::{
    schema::{Effect, KeySource, Operation},
    span::Span,
    ty::{Field, Type, TypeDef},
};
use indexmap::IndexMap;

use super::watch::Meaning;
use crate::{
    Catalog,
    ast::{self, Field as WrittenField, Ident, Item, Path},
    format,
    names::{self, ItemKind, Names, Unit, walk},
};

/// How many fields of a record are shown.
const MOST_FIELDS: usize = 12;

/// What a program knows, after its check.
pub(crate) struct Known<'a> {
    pub(crate) names: &'a Names<'a>,
    pub(crate) units: &'a [Unit],
    pub(crate) catalog: &'a Catalog,
}

/// What a name stands for, in words.
pub(super) struct Described {
    pub(super) code: String,
    pub(super) doc: String,
    pub(super) declared: Option<Span>,
}

impl Known<'_> {
    /// The names at a place that stand for something wherever they stand: items where they are declared, types, errors,
    /// policies, connectors, triggers.
    pub(super) fn written(&self, at: u32) -> Vec<(Span, Meaning)> {
        let Some(own) = self.units.first() else { return Vec::new() };
        let mut finder = Finder { at, known: self, found: Vec::new() };
        for item in &own.ast.items {
            walk::item(item, &mut finder);
            match item {
                Item::Use(used) => {
                    let listed: &[Ident] = match &used.what {
                        ast::UseWhat::Connectors(names) => names,
                        ast::UseWhat::File { names, .. } => names.as_deref().unwrap_or_default(),
                    };
                    listed.iter().for_each(|name| finder.item(name));
                }
                item => {
                    if let Some((_, name)) = names::declared(item) {
                        finder.item(name);
                    }
                }
            }
        }
        finder.found
    }

    /// What a name stands for, in words.
    pub(super) fn describe(&self, meaning: &Meaning) -> Option<Described> {
        let plain = |code: String, declared: Option<Span>| Described { code, doc: String::new(), declared };
        Some(match meaning {
            Meaning::Binding { kind, name, ty, declared } => plain(format!("{kind} {name}: {ty}"), Some(*declared)),
            Meaning::Field { name, ty, declared } => {
                let doc = declared.and_then(|span| self.field_doc(span)).unwrap_or_default();
                Described { code: format!("{name}: {ty}"), doc, declared: *declared }
            }
            Meaning::Operation { connector, name } => {
                let info = self.names.connectors.get(connector)?;
                let operation = info.schema.operations.get(name)?;
                let mut notes = vec![effect(operation)];
                if let Some(reason) = &operation.deprecated {
                    notes.push(format!("deprecated: {reason}"));
                }
                let doc = [operation.doc.clone(), notes.join(", ")].join("\n\n").trim().to_owned();
                let declared = info.operations.get(name).map(|spans| spans.name);
                Described { code: format!("operation {}", signature(name, operation)), doc, declared }
            }
            Meaning::Standard(key) => {
                let head = |text: &str| text.split(['(', ':']).next().is_some_and(|name| name.trim() == key);
                let function = self.catalog.functions.iter().find(|function| head(function.signature))?;
                let examples: Vec<String> = function.examples.iter().map(|example| format!("`{example}`")).collect();
                let doc = [function.doc.to_owned(), examples.join("  \n")].join("\n\n").trim().to_owned();
                Described { code: function.signature.to_owned(), doc, declared: None }
            }
            Meaning::Item(name) => self.item(name)?,
        })
    }

    /// The declaration of a type.
    pub(crate) fn definition(&self, name: &str) -> Option<String> {
        self.names.types.get(name).map(|def| definition(name, def))
    }

    /// The items of the program's own file, in their order, by name. What holds fields or values is shown as `text`, that
    /// file, says it, and what does something by its head.
    pub(super) fn items(&self, text: &str) -> Vec<(String, Described)> {
        let own = self.units.iter().take(1).flat_map(|unit| &unit.ast.items);
        let described = own.filter_map(|item| {
            let written = match item {
                Item::Const(item) => Some(item.span),
                Item::Record(item) | Item::Error(item) => Some(item.span),
                Item::Enum(item) => Some(item.span),
                Item::Union(item) => Some(item.span),
                Item::Connection(item) => Some(item.span),
                Item::Policy(item) => Some(item.span),
                Item::Event(item) => Some(item.span),
                _ => None,
            };
            let (name, described) = match item {
                Item::Event(event) => (event.name.text(), self.item(&event.name.text())?),
                item => {
                    let (_, name) = names::declared(item)?;
                    (name.text.clone(), self.item(&name.text)?)
                }
            };
            let written = written.and_then(|span| text.get(span.start as usize..span.end as usize));
            let code = written.map_or(described.code, |written| format(written).trim_end().to_owned());
            Some((name, Described { code, ..described }))
        });
        described.collect()
    }

    fn item(&self, name: &str) -> Option<Described> {
        let names = self.names;
        let (code, declared) = if let Some(flow) = names.flows.get(name) {
            let result = flow.result.as_ref().map(|ty| format!(" -> {ty}")).unwrap_or_default();
            (format!("flow {name}({}){result}", params(&flow.params)), flow.ast.name.span)
        } else if let Some(function) = names.functions.get(name) {
            let result = function.result.as_ref().map(|ty| format!(" -> {ty}")).unwrap_or_default();
            (format!("fn {name}({}){result}", params(&function.params)), function.ast.name.span)
        } else if let Some(constant) = names.consts.get(name) {
            let ty = constant.ty.as_ref().map(|ty| format!(": {ty}")).unwrap_or_default();
            (format!("const {name}{ty}"), constant.ast.name.span)
        } else if let Some(def) = names.types.get(name) {
            let definition = definition(name, def);
            // Events are types as well.
            let code = match names.events.contains_key(name) {
                true => definition.replacen("record ", "event ", 1),
                false => definition,
            };
            (code, names.type_spans.get(name).copied().unwrap_or_default())
        } else if names.policies.contains_key(name) {
            (format!("policy {name}"), names.items.get(name)?.1)
        } else if let Some(connection) = names.connections.get(name) {
            // A default connection stands for its connector.
            let is_default = names.items.get(name).is_some_and(|(kind, _)| *kind == ItemKind::Connector);
            match names.connectors.get(name).filter(|_| is_default) {
                Some(info) => (format!("connector {name}"), info.span),
                None => (format!("connection {name} = {}", connection.connector), connection.span),
            }
        } else {
            (format!("connector {name}"), names.connectors.get(name)?.span)
        };
        let own = self.doc(declared);
        let connector = names.connectors.get(name).map(|info| info.schema.doc.clone());
        Some(Described { code, doc: own.or(connector).unwrap_or_default(), declared: Some(declared) })
    }

    /// The doc comment of the item whose name stands at a place.
    fn doc(&self, span: Span) -> Option<String> {
        let unit = self.units.iter().find(|unit| unit.file == span.file)?;
        let connectors = unit.ast.items.iter().filter_map(|item| match item {
            Item::Connector(connector) => Some(&connector.types),
            _ => None,
        });
        let mut items = unit.ast.items.iter().chain(connectors.flatten());
        let item = items.find(|item| match item {
            Item::Event(event) => event.name.span() == span,
            item => names::declared(item).is_some_and(|(_, name)| name.span == span),
        })?;
        let doc = match item {
            Item::Const(item) => &item.doc,
            Item::Record(item) | Item::Error(item) => &item.doc,
            Item::Enum(item) => &item.doc,
            Item::Union(item) => &item.doc,
            Item::Function(item) => &item.doc,
            Item::Connection(item) => &item.doc,
            Item::Policy(item) => &item.doc,
            Item::Connector(item) => &item.doc,
            Item::Flow(item) => &item.doc,
            Item::Event(item) => &item.doc,
            Item::Use(_) | Item::Test(_) => return None,
        };
        (!doc.is_empty()).then(|| doc.clone())
    }

    fn field_doc(&self, span: Span) -> Option<String> {
        struct Docs(Span, Option<String>);
        impl<'a> walk::Visitor<'a> for Docs {
            fn field(&mut self, field: &'a WrittenField) {
                if field.name.span == self.0 {
                    self.1 = Some(field.doc.clone());
                }
            }
        }
        let unit = self.units.iter().find(|unit| unit.file == span.file)?;
        let mut docs = Docs(span, None);
        unit.ast.items.iter().for_each(|item| walk::item(item, &mut docs));
        docs.1
    }
}

/// Looks for names at a place.
struct Finder<'k, 'a> {
    at: u32,
    known: &'k Known<'a>,
    found: Vec<(Span, Meaning)>,
}

impl Finder<'_, '_> {
    fn is_at(&self, span: Span) -> bool {
        span.start <= self.at && self.at <= span.end
    }

    fn item(&mut self, name: &Ident) {
        if self.is_at(name.span) && !name.text.is_empty() {
            self.found.push((name.span, Meaning::Item(name.text.clone())));
        }
    }

    fn path(&mut self, path: &Path) {
        let Some((first, rest)) = path.parts.split_first() else { return };
        let names = self.known.names;
        match rest.split_first() {
            Some((type_name, [])) if names.types.get(&path.text()).is_some() => {
                if self.is_at(type_name.span) {
                    self.found.push((type_name.span, Meaning::Item(path.text())));
                }
                self.item(first);
            }
            _ => self.item(first),
        }
    }
}

impl<'a> walk::Visitor<'a> for Finder<'_, '_> {
    fn type_name(&mut self, path: &'a Path) {
        self.path(path);
    }

    fn error(&mut self, path: &'a Path) {
        self.path(path);
    }

    fn policy(&mut self, name: &'a Ident) {
        self.item(name);
    }

    fn connector(&mut self, name: &'a Ident) {
        self.item(name);
    }

    fn trigger(&mut self, path: &'a Path) {
        self.path(path);
    }

    fn tested(&mut self, name: &'a Ident) {
        self.item(name);
    }

    fn called(&mut self, path: &'a Path) {
        let names = self.known.names;
        let connection = path.parts.first().and_then(|root| names.connections.get(&root.text));
        if let (Some(connection), [_, first, ..]) = (connection, path.parts.as_slice())
            && let Some(last) = path.parts.last()
            && self.is_at(first.span.to(last.span))
        {
            let name = path.text().split_once('.').map(|(_, name)| name.to_owned()).unwrap_or_default();
            let connector = connection.connector.clone();
            self.found.push((first.span.to(last.span), Meaning::Operation { connector, name }));
        }
        self.path(path);
    }
}

/// `chat.post_message(channel: String, text: Mrkdwn, thread_ts: String?) -> Message`
pub(crate) fn signature(name: &str, operation: &Operation) -> String {
    let types = if operation.types.is_empty() { String::new() } else { format!("<{}>", operation.types.join(", ")) };
    let result = match &operation.result {
        Type::Null => String::new(),
        result => format!(" -> {result}"),
    };
    format!("{name}{types}({}){result}", params(&operation.params))
}

fn params(fields: &IndexMap<String, Field>) -> String {
    let param = |(name, field): (&String, &Field)| {
        let default = if field.default.is_some() { " = …" } else { "" };
        format!("{name}: {}{default}", field.ty)
    };
    fields.iter().map(param).collect::<Vec<_>>().join(", ")
}

/// What a call does, and what that means for repeating it.
fn effect(operation: &Operation) -> String {
    let effect = match operation.effect {
        Effect::Read => "reads",
        Effect::Idempotent => "is safe to repeat",
        Effect::Create => "creates something on each call",
        Effect::Destroy => "destroys something",
    };
    match &operation.key {
        Some(KeySource::Lookup(_)) => {
            format!("{effect}; before it is repeated, a look finds out what the first try did")
        }
        Some(_) => format!("{effect}; a key makes it safe to repeat"),
        None => effect.to_owned(),
    }
}

fn definition(name: &str, def: &TypeDef) -> String {
    let fields = |word: &str, fields: &IndexMap<String, Field>| {
        let mut lines: Vec<String> =
            fields.iter().take(MOST_FIELDS).map(|(name, field)| format!("  {name}: {}", field.ty)).collect();
        if fields.len() > MOST_FIELDS {
            lines.push(format!("  … {} more", fields.len() - MOST_FIELDS));
        }
        if lines.is_empty() { format!("{word} {name}") } else { format!("{word} {name} {{\n{}\n}}", lines.join("\n")) }
    };
    match def {
        TypeDef::Record(record) => fields("record", record),
        TypeDef::Error(error) => fields("error", error),
        TypeDef::Enum(variants) => {
            format!("enum {name} {{ {} }}", variants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        TypeDef::Union { on, cases } => {
            let cases: Vec<String> = cases.iter().map(|(tag, ty)| format!("  {tag} => {ty}")).collect();
            format!("union {name} on {on} {{\n{}\n}}", cases.join("\n"))
        }
    }
}
