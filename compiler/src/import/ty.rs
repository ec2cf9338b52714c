//! Which type of Flow does a schema of an API description stand for?
//!
//! In: schemas as JSON Schema in OpenAPI writes them (2.0, 3.0 and 3.1), with references. Out: types, and the records and
//! unions that they name, each once. What Flow has no type for is `Json`. Records that would hold one another without
//! end, which no answer could fulfil, get an optional field.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flow_model::failure::ErrorKind;
use indexmap::IndexMap;
use petgraph::{
    algo::tarjan_scc,
    graph::{DiGraph, NodeIndex},
};
use serde_json::Value;

use super::{
    document::{Document, last_part, reference},
    word,
};
use crate::names;

/// Most schemas that stand in one another.
const DEPTH: usize = 40;

/// Most words of an enum that are written out.
const WORDS: usize = 60;

/// Most fields of a record that is written where it is used.
const INLINE: usize = 3;

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ty {
    /// A built-in type.
    Plain(&'static str),
    /// A point in time as a number: `Timestamp @unix`, where a field can say so.
    Unix(&'static str),
    OneOf(Vec<String>),
    List(Box<Ty>),
    Map(Box<Ty>),
    Optional(Box<Ty>),
    Record(Vec<Field>),
    /// A declared record or union.
    Named(String),
}

impl Ty {
    pub(super) fn optional(self) -> Self {
        match self {
            Self::Optional(_) => self,
            other => Self::Optional(Box::new(other)),
        }
    }

    /// Takes back what is said of the form of addresses in records: answers hold what people have typed, also nothing, and one that
    /// is no address would keep a program from all else that the record holds.
    pub(super) fn loosen(&mut self, is_in_record: bool) {
        match self {
            Self::Plain(name @ ("Email" | "Url")) if is_in_record => *name = "String",
            Self::Optional(inner) | Self::List(inner) | Self::Map(inner) => inner.loosen(is_in_record),
            Self::Record(fields) => fields.iter_mut().for_each(|field| field.ty.loosen(true)),
            Self::Plain(_) | Self::Unix(_) | Self::OneOf(_) | Self::Named(_) => {}
        }
    }

    /// The type without the `?` around it.
    pub(super) fn non_null(&self) -> &Self {
        match self {
            Self::Optional(inner) => inner,
            other => other,
        }
    }
}

/// A field of a record, or a property of a body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// As the description calls it.
    pub(super) json: String,
    pub(super) ty: Ty,
    pub(super) doc: Vec<String>,
    /// Answers have it, requests don't.
    pub(super) read_only: bool,
}

/// What is declared beside the operations.
#[derive(Debug)]
pub(super) enum Declared {
    Record { doc: Vec<String>, fields: Vec<Field> },
    Union { doc: Vec<String>, on: String, cases: Vec<(String, String)> },
}

/// The types of an import.
pub(super) struct Types<'a> {
    document: &'a Document,
    /// The declared name of each reference.
    named: BTreeMap<&'a str, String>,
    taken: BTreeSet<String>,
    /// In the order in which they were met.
    pub(super) declared: IndexMap<String, Declared>,
    /// Named, and not yet declared.
    open: VecDeque<(String, &'a Value)>,
    /// References that are being followed.
    following: Vec<&'a str>,
    /// What could not be carried, with how often.
    pub(super) lost: BTreeMap<String, usize>,
}

/// The properties of an object, with those of what it is made of.
#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) properties: IndexMap<&'a str, &'a Value>,
    /// Those that choices beside them have, each with what the choices say of it.
    chosen: IndexMap<&'a str, Vec<&'a Value>>,
    pub(super) required: BTreeSet<&'a str>,
    rest: Option<&'a Value>,
    /// Is an object, also where it has no properties.
    is_object: bool,
}

impl Object<'_> {
    pub(super) fn has_fields(&self) -> bool {
        !self.properties.is_empty() || !self.chosen.is_empty()
    }
}

impl<'a> Types<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        let built_in = names::built_in_types().chain(ErrorKind::BUILT_IN.iter().map(|kind| kind.name().to_owned()));
        Self {
            document,
            named: BTreeMap::new(),
            taken: built_in.collect(),
            declared: IndexMap::new(),
            open: VecDeque::new(),
            following: Vec::new(),
            lost: BTreeMap::new(),
        }
    }

    /// The type of a schema. `hint` names a record that the schema describes without a name of its own.
    pub(super) fn ty(&mut self, schema: &'a Value, hint: &str) -> Ty {
        self.at_depth(schema, hint, 0)
    }

    /// Declares all that has been named, and mends what is endless.
    pub(super) fn finish(&mut self) {
        while let Some((name, schema)) = self.open.pop_front() {
            let declared = match self.tagged(schema) {
                Some((on, cases)) => Declared::Union { doc: self.doc(schema), on, cases },
                None => {
                    Declared::Record { doc: self.doc(schema), fields: self.merged(schema, &name).unwrap_or_default() }
                }
            };
            self.declared.insert(name, declared);
        }
        self.end_circles();
    }

    fn at_depth(&mut self, schema: &'a Value, hint: &str, depth: usize) -> Ty {
        self.document.look(1);
        if depth > DEPTH {
            return self.lose("schemas that are nested more than 40 deep are `Json`");
        }
        if let Some(reference) = reference(schema) {
            return self.referred(reference, hint, depth);
        }
        let ty = self.plain(schema, hint, depth);
        if is_nullable(schema) { ty.optional() } else { ty }
    }

    /// What a reference stands for: a record or union of its own, or the type of what it leads to.
    fn referred(&mut self, to: &'a str, hint: &str, depth: usize) -> Ty {
        if let Some(name) = self.named.get(to) {
            let ty = Ty::Named(name.clone());
            return if self.document.at(to).is_some_and(is_nullable) { ty.optional() } else { ty };
        }
        let Some(target) = self.document.at(to) else {
            return self.lose("references that lead to other files, or nowhere, are `Json`");
        };
        if self.following.contains(&to) {
            return self.lose("schemas that are defined by themselves are `Json`");
        }
        if reference(target).is_none() && self.is_declared(target) {
            let name = self.claim(&word::pascal(&last_part(to)));
            self.named.insert(to, name.clone());
            self.open.push_back((name.clone(), target));
            let ty = Ty::Named(name);
            return if is_nullable(target) { ty.optional() } else { ty };
        }
        self.following.push(to);
        let ty = self.at_depth(target, hint, depth + 1);
        self.following.pop();
        ty
    }

    /// Whether what a reference leads to gets a name: a record with fields, or a union.
    fn is_declared(&self, schema: &'a Value) -> bool {
        let choices = choices(schema);
        if !choices.is_empty() {
            return self.tags(schema).is_some();
        }
        self.object(schema).has_fields()
    }

    fn claim(&mut self, wanted: &str) -> String {
        let wanted = if self.taken.contains(wanted) && !self.declared.contains_key(wanted) && !self.is_open(wanted) {
            format!("{wanted}Object")
        } else {
            wanted.to_owned()
        };
        let name = word::free(&wanted, |name| self.taken.contains(name));
        self.taken.insert(name.clone());
        name
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.iter().any(|(open, _)| open == name)
    }

    fn plain(&mut self, schema: &'a Value, hint: &str, depth: usize) -> Ty {
        if let Some(words) = words(schema) {
            return self.one_of(words);
        }
        let choices = choices(schema);
        if !choices.is_empty() {
            return self.choice(schema, &choices, hint, depth);
        }
        if let Some(ty) = self.only_part(schema, hint, depth) {
            return ty;
        }
        match kind(schema) {
            Some("string") => text(schema),
            Some("integer") => number(schema, "Int"),
            Some("number") => number(schema, "Decimal"),
            Some("boolean") => Ty::Plain("Bool"),
            Some("file") => Ty::Plain("File"),
            Some("array") => {
                let item = schema.get("items").filter(|items| items.is_object());
                let hint = word::singular(&word::snake(hint));
                let item = item.map_or(Ty::Plain("Json"), |item| self.at_depth(item, &hint, depth + 1));
                Ty::List(Box::new(item))
            }
            _ => self.record(schema, hint, depth),
        }
    }

    /// `allOf` with one part that says what it is, as it is written to add a description to a reference.
    fn only_part(&mut self, schema: &'a Value, hint: &str, depth: usize) -> Option<Ty> {
        let parts = schema.get("allOf")?.as_array()?;
        if schema.get("properties").is_some() || !alternatives(schema).is_empty() {
            return None;
        }
        let told = |part: &&Value| {
            let keys = ["$ref", "type", "properties", "allOf", "oneOf", "anyOf", "enum", "items"];
            keys.iter().any(|key| part.get(key).is_some())
        };
        let mut parts = parts.iter().filter(told);
        let (only, None) = (parts.next()?, parts.next()) else { return None };
        Some(self.at_depth(only, hint, depth + 1))
    }

    fn record(&mut self, schema: &'a Value, hint: &str, depth: usize) -> Ty {
        let object = self.object(schema);
        if object.has_fields() {
            let is_small = object.chosen.is_empty()
                && object.properties.len() <= INLINE
                && object.properties.values().all(|property| {
                    reference(property).is_some()
                        || matches!(kind(property), Some("string" | "integer" | "number" | "boolean"))
                });
            if is_small {
                return Ty::Record(self.fields(schema, hint, depth));
            }
            let name = self.claim(&word::pascal(hint));
            self.open.push_back((name.clone(), schema));
            return Ty::Named(name);
        }
        match object.rest {
            Some(rest) if rest.as_object().is_some_and(|rest| !rest.is_empty()) => {
                let hint = word::singular(&word::snake(hint));
                Ty::Map(Box::new(self.at_depth(rest, &hint, depth + 1)))
            }
            _ if object.is_object && object.rest.is_some() => Ty::Map(Box::new(Ty::Plain("Json"))),
            _ => Ty::Plain("Json"),
        }
    }

    /// One of several schemas.
    fn choice(&mut self, schema: &'a Value, choices: &[&'a Value], hint: &str, depth: usize) -> Ty {
        if let [only] = choices {
            return self.at_depth(only, hint, depth + 1);
        }
        if let Some((on, cases)) = self.tagged(schema) {
            let name = self.claim(&word::pascal(hint));
            let doc = self.doc(schema);
            self.declared.insert(name.clone(), Declared::Union { doc, on, cases });
            return Ty::Named(name);
        }
        // Words of several enums are one enum.
        let resolved: Vec<_> = choices.iter().filter_map(|choice| self.document.follow(choice)).collect();
        let all: Option<Vec<_>> = resolved.iter().map(|choice| words(choice)).collect();
        if let Some(all) = all.filter(|_| resolved.len() == choices.len()) {
            let mut distinct = Vec::new();
            for word in all.concat() {
                if !distinct.contains(&word) {
                    distinct.push(word);
                }
            }
            return self.one_of(distinct);
        }
        let kinds: BTreeSet<_> = resolved.iter().map(|choice| kind(choice)).collect();
        if kinds.len() == 1 && resolved.len() == choices.len() {
            match kinds.first() {
                Some(Some("string")) => return Ty::Plain("String"),
                Some(Some("integer")) => return Ty::Plain("Int"),
                Some(Some("number")) => return Ty::Plain("Decimal"),
                Some(Some("boolean")) => return Ty::Plain("Bool"),
                _ => {}
            }
        }
        if kinds.iter().all(|kind| matches!(kind, Some("integer" | "number"))) && !kinds.is_empty() {
            return Ty::Plain("Decimal");
        }
        // Stripe: an id, or on request the whole object.
        if schema.get("x-expansionResources").is_some() && kinds.contains(&Some("string")) {
            return Ty::Plain("String");
        }
        let all_records = resolved.iter().all(|choice| self.object(choice).has_fields());
        if all_records && resolved.len() == choices.len() {
            self.lose("values of one of several records have the fields of all of them, none required");
            let name = self.claim(&word::pascal(hint));
            self.open.push_back((name.clone(), schema));
            return Ty::Named(name);
        }
        self.lose("values of one of several forms, without a field that tells which, are `Json`")
    }

    /// The field that tells the cases of a choice apart, and the cases with the records that they are.
    fn tagged(&mut self, schema: &'a Value) -> Option<(String, Vec<(String, String)>)> {
        let (on, tags) = self.tags(schema)?;
        let mut cases = Vec::new();
        for (tag, reference) in tags {
            let Ty::Named(name) = self.referred(reference, &tag, 0) else { return None };
            cases.push((tag, name));
        }
        Some((on, cases))
    }

    fn tags(&self, schema: &'a Value) -> Option<(String, Vec<(String, &'a str)>)> {
        let choices = choices(schema);
        let discriminator = schema.get("discriminator")?;
        let on = discriminator.get("propertyName")?.as_str()?;
        // A case carries the field under its own name.
        if word::snake(on) != on || choices.len() < 2 {
            return None;
        }
        let mapping = discriminator.get("mapping").and_then(Value::as_object);
        let mut cases: Vec<(String, &'a str)> = Vec::new();
        for choice in &choices {
            let to = reference(choice)?;
            let target = self.document.at(to)?;
            if reference(target).is_some() || !self::choices(target).is_empty() || is_nullable(target) {
                return None;
            }
            if !self.object(target).has_fields() {
                return None;
            }
            let mapped: Vec<String> = mapping
                .into_iter()
                .flatten()
                .filter(|(_, target)| {
                    target.as_str().is_some_and(|target| target == to || last_part(target) == last_part(to))
                })
                .map(|(tag, _)| tag.clone())
                .collect();
            let tags = if mapped.is_empty() { vec![last_part(to)] } else { mapped };
            for tag in tags {
                if cases.iter().any(|(known, _)| *known == tag) {
                    return None;
                }
                cases.push((tag, to));
            }
        }
        Some((on.to_owned(), cases))
    }

    fn one_of(&mut self, words: Vec<String>) -> Ty {
        if words.len() > WORDS {
            self.lose("enums of more than 60 words are `String`");
            return Ty::Plain("String");
        }
        Ty::OneOf(words)
    }

    /// The fields of an object.
    pub(super) fn fields(&mut self, schema: &'a Value, name: &str, depth: usize) -> Vec<Field> {
        let object = self.object(schema);
        let properties = object.properties.iter().map(|(json, property)| {
            let ty = self.at_depth(property, &format!("{name}_{json}"), depth + 1);
            let ty = if object.required.contains(json) { ty } else { ty.optional() };
            let read_only = flag(property, "readOnly");
            Field { json: (*json).to_owned(), ty, doc: self.doc(property), read_only }
        });
        let mut fields: Vec<Field> = properties.collect();
        for (json, told) in object.chosen.iter().filter(|(json, _)| !object.properties.contains_key(*json)) {
            let types: Vec<Ty> =
                told.iter().map(|told| self.at_depth(told, &format!("{name}_{json}"), depth + 1)).collect();
            let ty = types.into_iter().reduce(|all, ty| self.either(all, ty)).unwrap_or(Ty::Plain("Json"));
            let ty = if object.required.contains(json) { ty } else { ty.optional() };
            let first = told.first();
            let doc = first.map(|told| self.doc(told)).unwrap_or_default();
            let read_only = first.is_some_and(|told| flag(told, "readOnly"));
            fields.push(Field { json: (*json).to_owned(), ty, doc, read_only });
        }
        fields
    }

    /// The type of what is one of two.
    fn either(&mut self, one: Ty, other: Ty) -> Ty {
        match (one, other) {
            (one, other) if one == other => one,
            (Ty::Optional(one), other) | (other, Ty::Optional(one)) => {
                self.either(*one, other.non_null().clone()).optional()
            }
            (Ty::OneOf(mut words), Ty::OneOf(more)) => {
                let more: Vec<_> = more.into_iter().filter(|word| !words.contains(word)).collect();
                words.extend(more);
                self.one_of(words)
            }
            (Ty::Plain("String"), Ty::OneOf(_)) | (Ty::OneOf(_), Ty::Plain("String")) => Ty::Plain("String"),
            _ => self.lose("values of one of several forms, without a field that tells which, are `Json`"),
        }
    }

    /// What an object is made of, with all its parts.
    pub(super) fn object(&self, schema: &'a Value) -> Object<'a> {
        let mut object = Object::default();
        self.gather(schema, &mut object, 0);
        object
    }

    fn gather(&self, schema: &'a Value, object: &mut Object<'a>, depth: usize) {
        let Some(schema) = self.document.follow(schema).filter(|_| depth < DEPTH) else { return };
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.gather(part, object, depth + 1);
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.document.look(1);
            if property.is_object() {
                object.properties.insert(name, property);
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        object.required.extend(required.filter_map(Value::as_str));
        object.rest = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) | None => object.rest,
            Some(rest) => Some(rest),
        };
        object.is_object |= kind(schema) == Some("object");
        // What is one of several says more about what there is besides.
        if depth > 0 || is_whole(schema) {
            for choice in alternatives(schema) {
                let mut one = Object::default();
                self.gather(choice, &mut one, depth + 1);
                let told = one.properties.into_iter().map(|(name, property)| (name, vec![property])).chain(one.chosen);
                told.for_each(|(name, told)| object.chosen.entry(name).or_default().extend(told));
            }
        }
    }

    /// Fields of each choice of a body, none of them required.
    pub(super) fn merged(&mut self, schema: &'a Value, name: &str) -> Option<Vec<Field>> {
        let schema = self.document.follow(schema)?;
        let choices = choices(schema);
        if choices.is_empty() {
            let is_object = self.object(schema).has_fields();
            return is_object.then(|| self.fields(schema, name, 0));
        }
        let mut merged: IndexMap<String, Field> = IndexMap::new();
        for choice in choices {
            let choice = self.document.follow(choice)?;
            if !self.object(choice).has_fields() {
                return None;
            }
            for mut field in self.fields(choice, name, 0) {
                field.ty = field.ty.optional();
                match merged.get_mut(&field.json) {
                    Some(known) => known.ty = self.either(known.ty.clone(), field.ty),
                    None => {
                        merged.insert(field.json.clone(), field);
                    }
                }
            }
        }
        Some(merged.into_values().collect())
    }

    pub(super) fn doc(&self, schema: &'a Value) -> Vec<String> {
        let told = ["description", "title"].iter().find_map(|key| schema.get(key).and_then(Value::as_str));
        told.map(|text| word::doc(text, 104)).unwrap_or_default()
    }

    fn lose(&mut self, what: &str) -> Ty {
        *self.lost.entry(what.to_owned()).or_default() += 1;
        Ty::Plain("Json")
    }

    /// Makes a field optional in each record that can't be built because it holds itself.
    fn end_circles(&mut self) {
        let mut graph: DiGraph<&str, ()> = DiGraph::new();
        let nodes: BTreeMap<&str, NodeIndex> =
            self.declared.keys().map(|name| (name.as_str(), graph.add_node(name.as_str()))).collect();
        for (name, declared) in &self.declared {
            let mut held = Vec::new();
            match declared {
                Declared::Record { fields, .. } => fields.iter().for_each(|field| holds(&field.ty, &mut held)),
                Declared::Union { cases, .. } => held.extend(cases.iter().map(|(_, case)| case.as_str())),
            }
            for held in held {
                if let (Some(from), Some(to)) = (nodes.get(name.as_str()), nodes.get(held)) {
                    graph.add_edge(*from, *to, ());
                }
            }
        }
        let mut circles: Vec<BTreeSet<String>> = Vec::new();
        for group in tarjan_scc(&graph) {
            let is_circle = group.len() > 1 || group.iter().any(|node| graph.find_edge(*node, *node).is_some());
            if is_circle {
                circles.push(
                    group.iter().filter_map(|node| graph.node_weight(*node)).map(|name| (*name).to_owned()).collect(),
                );
            }
        }
        for circle in circles {
            for name in &circle {
                let Some(Declared::Record { fields, .. }) = self.declared.get_mut(name) else { continue };
                for field in fields {
                    let mut held = Vec::new();
                    holds(&field.ty, &mut held);
                    if held.iter().any(|held| circle.contains(*held)) {
                        field.ty = field.ty.clone().optional();
                        *self
                            .lost
                            .entry("required fields that would hold their own record are optional".to_owned())
                            .or_default() += 1;
                    }
                }
            }
        }
    }
}

/// The declared types that a value of a type can't be without.
fn holds<'t>(ty: &'t Ty, held: &mut Vec<&'t str>) {
    match ty {
        Ty::Named(name) => held.push(name),
        Ty::Record(fields) => fields.iter().for_each(|field| holds(&field.ty, held)),
        Ty::Plain(_) | Ty::Unix(_) | Ty::OneOf(_) | Ty::List(_) | Ty::Map(_) | Ty::Optional(_) => {}
    }
}

/// The one kind of a schema besides null, as it says or as its other words tell.
pub(super) fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => Some(kind),
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            match (kinds.next(), kinds.next()) {
                (Some(only), None) => Some(only),
                _ => None,
            }
        }
        _ if schema.get("properties").is_some() => Some("object"),
        _ if schema.get("items").is_some_and(Value::is_object) => Some("array"),
        _ => None,
    }
}

/// The words of a schema that is an enum of texts.
fn words(schema: &Value) -> Option<Vec<String>> {
    let listed = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(listed)), _) => listed.iter().collect::<Vec<_>>(),
        (_, Some(only)) => vec![only],
        _ => return None,
    };
    if kind(schema).is_some_and(|kind| kind != "string") {
        return None;
    }
    let mut words = Vec::new();
    for word in listed.into_iter().filter(|word| !word.is_null()) {
        let word = word.as_str()?.to_owned();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    (!words.is_empty()).then_some(words)
}

/// Whether a schema says what an object has, whatever else it says.
fn is_whole(schema: &Value) -> bool {
    schema.get("properties").is_some()
        || schema.get("allOf").and_then(Value::as_array).is_some_and(|all| !all.is_empty())
}

/// The schemas of which a value has one, where they alone say what it is.
fn choices(schema: &Value) -> Vec<&Value> {
    if is_whole(schema) { Vec::new() } else { alternatives(schema) }
}

/// The schemas of which a value has one.
fn alternatives(schema: &Value) -> Vec<&Value> {
    // Slack writes `items: [a, b]` for what is one of them.
    let items = || schema.get("items").filter(|_| schema.get("type").is_none())?.as_array();
    let listed = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.as_array()).or_else(items);
    let is_null = |choice: &&Value| kind(choice) == Some("null");
    // `anyOf: [{ required: ["a"] }, { required: ["b"] }]` says what must be there, not what it is.
    let says = |choice: &&Value| {
        choice.as_object().is_some_and(|choice| {
            choice.keys().any(|key| !matches!(key.as_str(), "required" | "not" | "title" | "description"))
        })
    };
    // Stripe writes "or the empty text, which unsets it" so.
    let unsets = |choice: &&Value| {
        choice.get("enum").and_then(Value::as_array).is_some_and(|words| words.iter().all(|word| word == ""))
    };
    listed.into_iter().flatten().filter(|choice| !is_null(choice) && says(choice) && !unsets(choice)).collect()
}

/// Whether a value may be null.
pub(super) fn is_nullable(schema: &Value) -> bool {
    let has_null = |list: Option<&Value>, wanted: fn(&Value) -> bool| {
        list.and_then(Value::as_array).is_some_and(|list| list.iter().any(wanted))
    };
    flag(schema, "nullable")
        || flag(schema, "x-nullable")
        || has_null(schema.get("type"), |kind| kind == "null")
        || has_null(schema.get("enum"), Value::is_null)
        || has_null(schema.get("oneOf"), |choice| kind(choice) == Some("null"))
        || has_null(schema.get("anyOf"), |choice| kind(choice) == Some("null"))
}

/// Whether a property of a description is there and true.
pub(super) fn flag(value: &Value, key: &str) -> bool {
    match value.get(key) {
        Some(Value::Bool(set)) => *set,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn text(schema: &Value) -> Ty {
    if let Some(mark) = written_out_time(schema) {
        return Ty::Unix(mark);
    }
    Ty::Plain(match schema.get("format").and_then(Value::as_str) {
        Some("date-time" | "datetime" | "google-datetime") => "Timestamp",
        Some("date") => "Date",
        Some("email") => "Email",
        Some("uri" | "url") => "Url",
        Some("uuid" | "guid") => "Uuid",
        Some("byte" | "base64") => "Bytes",
        Some("binary") => "File",
        _ => "String",
    })
}

/// How a point in time is written, where a number of 64 bits in quotes is told to be one: Google has no format for that.
fn written_out_time(schema: &Value) -> Option<&'static str> {
    let is_number = matches!(schema.get("format").and_then(Value::as_str), Some("int64" | "uint64"));
    let told = schema.get("description").and_then(Value::as_str).filter(|_| is_number)?.to_ascii_lowercase();
    let words: Vec<&str> = told.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    if !has(&["epoch"]) && !told.contains("unix time") {
        return None;
    }
    match (has(&["ms", "millis", "milliseconds"]), has(&["s", "second", "seconds"])) {
        (true, false) => Some("unix_ms"),
        (false, true) => Some("unix"),
        _ => None,
    }
}

fn number(schema: &Value, plain: &'static str) -> Ty {
    match schema.get("format").and_then(Value::as_str) {
        Some("unix-time" | "unixtime" | "unix_time" | "timestamp") if plain == "Int" => Ty::Unix("unix"),
        Some("unix-time-millis" | "timestamp-ms") if plain == "Int" => Ty::Unix("unix_ms"),
        _ => Ty::Plain(plain),
    }
}
