//! What does each declaration promise, before anything is computed?
//!
//! In: the items, with the names of all types known. Out: the fields of types, the parameters and results of functions,
//! flows and operations. Done twice: the second time defaults are known, and what is wrong was reported the first time.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    schema::{self, Call, Effect, Errors},
    span::Span,
    ty::{Field, Type, TypeDef},
};
use indexmap::IndexMap;

use super::{
    ConnectorInfo, ConstInfo, FlowInfo, FnInfo, Names, OperationSpans,
    declare::Used,
    duplicate,
    load::{Origin, Unit},
};
use crate::ast::{self, Ident, Item};

/// Enters the names of all types, so that types can refer to each other.
pub(super) fn type_names(
    names: &mut Names<'_>,
    units: &[Unit],
    connectors: &BTreeMap<String, Used<'_>>,
    problems: &mut Vec<Diagnostic>,
) {
    for item in program(units) {
        match item {
            Item::Event(event) => event_name(names, event, problems),
            item => type_name(names, item, None),
        }
    }
    for (connector, used) in connectors {
        for item in &used.ast.types {
            type_name(names, item, Some(connector));
        }
    }
}

fn type_name(names: &mut Names<'_>, item: &Item, within: Option<&str>) {
    let (name, def) = match item {
        Item::Record(item) => (&item.name, TypeDef::Record(IndexMap::new())),
        Item::Error(item) => (&item.name, TypeDef::Error(IndexMap::new())),
        Item::Enum(item) => (&item.name, TypeDef::Enum(Vec::new())),
        Item::Union(item) => (&item.name, TypeDef::Union { on: item.on.text.clone(), cases: IndexMap::new() }),
        _ => return,
    };
    if within.is_none() && names.items.get(&name.text).is_none_or(|(_, span)| *span != name.span) {
        // Another item has this name, which was reported.
        return;
    }
    let full = full_name(&name.text, within);
    if !names.types.0.contains_key(&full) {
        names.type_spans.insert(full.clone(), name.span);
        names.types.0.insert(full, Arc::new(def));
    }
}

/// Enters an event as a type: its content is a record.
fn event_name(names: &mut Names<'_>, event: &ast::Event, problems: &mut Vec<Diagnostic>) {
    let (name, span) = (event.name.text(), event.name.span());
    match names.events.get(&name) {
        Some(first) if *first != span => problems.push(duplicate("event", &Ident { text: name, span }, *first)),
        Some(_) => {}
        None => {
            names.events.insert(name.clone(), span);
            names.type_spans.insert(name.clone(), span);
            names.types.0.insert(name, Arc::new(TypeDef::Record(IndexMap::new())));
        }
    }
}

/// Gives an event its fields.
fn event(names: &mut Names<'_>, event: &ast::Event, problems: &mut Vec<Diagnostic>) {
    let name = event.name.text();
    let fields = names.fields(&event.fields, None, problems);
    for field in &event.fields {
        if field.name.text == "event" {
            problems.push(
                Diagnostic::new(
                    Code::E0203,
                    "`event` is the name of the event itself",
                    field.name.span,
                    "can't be declared again",
                )
                .help("choose another name: where a pattern starts a flow, `.event` says which event it was"),
            );
        }
        if let Some(declared) = fields.get(&field.name.text)
            && crate::types::holds_secret(&names.types, &declared.ty)
        {
            problems.push(crate::types::secret("a secret can't be part of an event", field.span));
        }
    }
    if names.events.get(&name) == Some(&event.name.span()) {
        for field in &event.fields {
            names.field_spans.entry((name.clone(), field.name.text.clone())).or_insert(field.name.span);
        }
        names.types.0.insert(name, Arc::new(TypeDef::Record(fields)));
    }
}

fn full_name(name: &str, within: Option<&str>) -> String {
    within.map_or_else(|| name.to_owned(), |connector| format!("{connector}.{name}"))
}

fn program(units: &[Unit]) -> impl Iterator<Item = &Item> {
    units.iter().filter(|unit| unit.origin == Origin::Program).flat_map(|unit| &unit.ast.items)
}

/// Reads all headers. Operations are described as far as types go; [`crate::schema`] completes them.
pub(super) fn headers<'a>(
    names: &mut Names<'a>,
    units: &'a [Unit],
    connectors: &BTreeMap<String, Used<'a>>,
    problems: &mut Vec<Diagnostic>,
) {
    for item in program(units) {
        header(names, item, problems);
    }
    of_connectors(names, connectors, problems);
}

/// Reads the headers of items of the program, and those of connectors, a second time.
pub(super) fn again<'a>(names: &mut Names<'a>, items: &[&'a Item], connectors: &BTreeMap<String, Used<'a>>) {
    for item in items {
        header(names, item, &mut Vec::new());
    }
    of_connectors(names, connectors, &mut Vec::new());
}

fn of_connectors<'a>(names: &mut Names<'a>, connectors: &BTreeMap<String, Used<'a>>, problems: &mut Vec<Diagnostic>) {
    for (name, used) in connectors {
        for item in &used.ast.types {
            define(names, item, Some(name), problems);
        }
    }
    for (name, used) in connectors {
        let info = connector(names, name, used.ast, problems);
        names.connectors.insert(name.clone(), info);
    }
}

fn header<'a>(names: &mut Names<'a>, item: &'a Item, problems: &mut Vec<Diagnostic>) {
    match item {
        Item::Const(ast) => {
            let ty = ast.ty.as_ref().map(|ty| names.ty(ty, None, problems));
            if is_first(names, &ast.name) {
                names.consts.insert(ast.name.text.clone(), ConstInfo { ty, ast });
            }
        }
        Item::Function(ast) => {
            let params = names.params(&ast.params, None, problems);
            let result = ast.result.as_ref().map(|ty| names.ty(ty, None, problems));
            if is_first(names, &ast.name) {
                names.functions.insert(ast.name.text.clone(), FnInfo { params, result, ast });
            }
        }
        Item::Flow(ast) => {
            let params = names.params(&ast.params, None, problems);
            let result = ast.result.as_ref().map(|ty| names.ty(ty, None, problems));
            let fails = ast.fails.as_ref().map(|fails| {
                let kinds =
                    fails.iter().filter_map(|path| Some((names.error_kind(path, None, problems)?, path.span())));
                kinds.collect()
            });
            if is_first(names, &ast.name) {
                names.flows.insert(ast.name.text.clone(), FlowInfo { params, result, fails, ast });
            }
        }
        Item::Record(_) | Item::Error(_) | Item::Enum(_) | Item::Union(_) => define(names, item, None, problems),
        Item::Event(declared) => event(names, declared, problems),
        Item::Use(_) | Item::Connection(_) | Item::Policy(_) | Item::Connector(_) | Item::Test(_) => {}
    }
}

fn is_first(names: &Names<'_>, name: &Ident) -> bool {
    names.items.get(&name.text).is_some_and(|(_, span)| *span == name.span)
}

/// Gives a type its definition.
fn define(names: &mut Names<'_>, item: &Item, within: Option<&str>, problems: &mut Vec<Diagnostic>) {
    let (name, def, parts) = match item {
        Item::Record(item) => {
            let fields = names.fields(&item.fields, within, problems);
            (&item.name, TypeDef::Record(fields), field_names(&item.fields))
        }
        Item::Error(item) => {
            let fields = names.fields(&item.fields, within, problems);
            for field in item.fields.iter().filter(|field| matches!(field.name.text.as_str(), "kind" | "message")) {
                let message = format!("every error has a field `{}` already", field.name.text);
                problems.push(
                    Diagnostic::new(Code::E0203, message, field.name.span, "can't be declared again")
                        .help("choose another name"),
                );
            }
            (&item.name, TypeDef::Error(fields), field_names(&item.fields))
        }
        Item::Enum(item) => {
            let variants = first_of_each("variant", item.variants.iter(), problems);
            let texts = variants.iter().map(|variant| variant.text.clone()).collect();
            (&item.name, TypeDef::Enum(texts), variants)
        }
        Item::Union(item) => {
            let tags = first_of_each("case", item.cases.iter().map(|(tag, _)| tag), problems);
            let mut cases: IndexMap<String, Type> = IndexMap::new();
            for (tag, ty) in &item.cases {
                let case = names.ty(ty, within, problems);
                if !is_record(names, &case) {
                    let message = format!("a case of a union is a record, and `{case}` is none");
                    let help = format!("name a record that has the field `{}`", item.on.text);
                    problems.push(Diagnostic::new(Code::E0206, message, ty.span, "not a record").help(help));
                }
                cases.entry(tag.text.clone()).or_insert(case);
            }
            (&item.name, TypeDef::Union { on: item.on.text.clone(), cases }, tags)
        }
        _ => return,
    };
    let full = full_name(&name.text, within);
    match names.type_spans.get(&full) {
        Some(first) if *first != name.span => {
            // In a program, a second item of the name was reported with the items.
            if within.is_some() {
                problems.push(duplicate("type", name, *first));
            }
        }
        _ => {
            for part in parts {
                names.field_spans.entry((full.clone(), part.text.clone())).or_insert(part.span);
            }
            names.types.0.insert(full, Arc::new(def));
        }
    }
}

fn is_record(names: &Names<'_>, ty: &Type) -> bool {
    match ty {
        Type::Named(name) => matches!(names.types.get(name), Some(TypeDef::Record(_))),
        Type::Record(_) | Type::Unknown => true,
        _ => false,
    }
}

fn field_names(fields: &[ast::Field]) -> Vec<&Ident> {
    fields.iter().map(|field| &field.name).collect()
}

fn first_of_each<'n>(
    what: &str,
    names: impl Iterator<Item = &'n Ident>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<&'n Ident> {
    let mut first: IndexMap<&str, &Ident> = IndexMap::new();
    for name in names {
        match first.get(name.text.as_str()) {
            Some(known) => problems.push(duplicate(what, name, known.span)),
            None => {
                first.insert(&name.text, name);
            }
        }
    }
    first.into_values().collect()
}

/// The types of a connector's operations and triggers, and where everything is declared.
fn connector<'a>(
    names: &Names<'a>,
    name: &str,
    ast: &'a ast::Connector,
    problems: &mut Vec<Diagnostic>,
) -> ConnectorInfo<'a> {
    let within = Some(name);
    let mut config = names.fields(&ast.config, within, problems);
    // What code carries out goes where its own settings say.
    let has_code =
        |operation: &ast::Operation| operation.properties.iter().any(|property| property.name.text == "native");
    let is_code_alone = !ast.operations.is_empty() && ast.operations.iter().all(has_code);
    if ast.http.is_some() && !is_code_alone {
        config.entry("base_url".to_owned()).or_insert_with(|| Field::of(Type::Url.optional()));
        if ast.http.iter().flat_map(|(_, properties)| properties).any(|property| property.name.text == "sandbox") {
            config.entry("sandbox".to_owned()).or_insert_with(|| Field {
                default: Some(Box::new(flow_model::expr::Expr::Literal(flow_model::value::Value::Bool(false)))),
                ..Field::of(Type::Bool)
            });
        }
    }
    let own = format!("{name}.");
    let types = names.types.0.iter().filter(|(full, _)| full.starts_with(&own));
    let mut schema = schema::Connector {
        name: name.to_owned(),
        doc: ast.doc.clone(),
        config,
        http: None,
        errors: Errors::default(),
        types: flow_model::ty::Types(types.map(|(full, def)| (full.clone(), def.clone())).collect()),
        operations: BTreeMap::new(),
        triggers: BTreeMap::new(),
        verifications: BTreeMap::new(),
        challenges: BTreeMap::new(),
        webhooks: None,
        policy: flow_model::plan::Policy::default(),
    };
    let mut operations = BTreeMap::new();
    for written in &ast.operations {
        let params = names.params(&written.params, within, problems);
        let result = written.result.as_ref().map_or(Type::Null, |ty| names.ty(ty, within, problems));
        let full = written.name.text();
        let spans = spans(written);
        if let Some(first) = operations.get(&full).map(|first: &OperationSpans| first.name) {
            problems.push(duplicate("operation", &Ident { text: full, span: spans.name }, first));
            continue;
        }
        let types = first_of_each("type", written.types.iter(), problems);
        let operation = schema::Operation {
            doc: written.doc.clone(),
            types: types.into_iter().map(|name| name.text.clone()).collect(),
            params,
            result,
            effect: Effect::Create,
            key: None,
            call: Call::Native,
            errors: Vec::new(),
            fails: None,
            scopes: Vec::new(),
            deprecated: None,
            cost: None,
            undo: None,
            visible_after: None,
            uuid_key: false,
            bulk: None,
            page: None,
        };
        schema.operations.insert(full.clone(), operation);
        operations.insert(full, spans);
    }
    let mut triggers = BTreeMap::new();
    for written in &ast.triggers {
        let payload = names.ty(&written.payload, within, problems);
        let full = written.name.text();
        if let Some(first) = triggers.get(&full) {
            problems.push(duplicate("trigger", &Ident { text: full, span: written.name.span() }, *first));
            continue;
        }
        let trigger = schema::WebhookTrigger {
            doc: written.doc.clone(),
            payload,
            webhook: flow_model::expr::Expr::Ambient(flow_model::expr::Ambient::Body),
            each: false,
            when: None,
            verify: None,
            dedupe: None,
            order: None,
            events: Vec::new(),
            answer: None,
            poll: None,
        };
        schema.triggers.insert(full.clone(), trigger);
        triggers.insert(full, written.name.span());
    }
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for written in &ast.verifications {
        // Their parameters are read with the rest of them, by `crate::schema`.
        match seen.get(written.name.text.as_str()) {
            Some(first) => problems.push(duplicate("verification", &written.name, *first)),
            None => {
                seen.insert(&written.name.text, written.name.span);
            }
        }
    }
    ConnectorInfo {
        schema,
        ast,
        span: ast.name.span,
        operations,
        triggers,
        config: ast.config.iter().rev().map(|field| (field.name.text.clone(), field.name.span)).collect(),
    }
}

fn spans(written: &ast::Operation) -> OperationSpans {
    let property = |name: &str| written.properties.iter().find(|found| found.name.text == name).map(|found| found.span);
    OperationSpans {
        name: written.name.span(),
        effect: property("effect"),
        deprecated: property("deprecated"),
        result: written.result.as_ref().map(|ty| ty.span),
        params: written.params.iter().rev().map(|param| (param.name.text.clone(), param.name.span)).collect(),
    }
}
