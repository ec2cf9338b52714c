//! What does a connector offer, in words?
//!
//! In: the name of a connector. Out: [`Reference`]: its settings, limits, operations, triggers and types, as Flow writes
//! them, for a terminal, a program or a page ([`Reference::markdown`]). Left out on purpose: how requests are made.

use std::fmt::Write as _;

use flow_model::{
    expr::{Ambient, Expr, TextPart},
    failure::ErrorKind,
    schema::{Call, Connector, Effect, EventOrder, KeySource, Limit, Operation},
    ty::Field,
    value::Value,
};
use indexmap::IndexMap;
use serde::Serialize;

use crate::{Catalog, LoadError, Loader, Project, examine, query};

/// What a connector offers.
#[derive(Clone, Debug, Serialize)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its doc comment.
    pub doc: String,
    /// The base of its requests; absent where it is native throughout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Further servers that they go to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// The version of the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the vendor documents it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// What a connection sets.
    pub settings: Vec<Parameter>,
    /// What may leave, over all runs.
    pub limits: Vec<String>,
    /// The kinds of errors that its rules tell apart.
    pub errors: Vec<String>,
    /// Its operations, by name.
    pub operations: Vec<OperationReference>,
    /// Its triggers, by name.
    pub triggers: Vec<TriggerReference>,
    /// Its ways to verify webhooks: `signature(secret: Secret<String>, tolerance: Duration = 5m)`.
    pub verifications: Vec<String>,
    /// Its types, as they are declared.
    pub types: Vec<String>,
}

/// A setting or a parameter.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Whether it must be given.
    pub required: bool,
    /// Its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether records are given to it with null where a field is absent: `@whole`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

/// An operation.
#[derive(Clone, Debug, Serialize)]
pub struct OperationReference {
    /// Its name.
    pub name: String,
    /// How it is called: `chat.post_message(channel: String, text: Mrkdwn) -> slack.Message`.
    pub signature: String,
    /// Its doc comment.
    pub doc: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The type of its result.
    pub result: String,
    /// `read`, `idempotent`, `create` or `destroy`.
    pub effect: &'static str,
    /// What that means for trying it again.
    pub repeating: String,
    /// Errors that it declares.
    pub errors: Vec<String>,
    /// OAuth scopes that it needs.
    pub scopes: Vec<String>,
    /// The operation that takes it back with `undo default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// Why it should no longer be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// Whether Rust carries it out, and no request.
    pub native: bool,
}

/// A trigger.
#[derive(Clone, Debug, Serialize)]
pub struct TriggerReference {
    /// Its name.
    pub name: String,
    /// Its doc comment.
    pub doc: String,
    /// The type of what it brings.
    pub payload: String,
    /// What a flow tells it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Whether the connector says how it is verified.
    pub verified: bool,
    /// Whether the connector says by what an event is known when it is sent again.
    pub keyed: bool,
    /// What it says of the order in which events come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// How often it is looked for, where the connector asks the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
}

/// What a connector of the catalog offers; nothing where there is none of that name or it has mistakes.
pub fn reference(name: &str, catalog: &Catalog) -> Option<Reference> {
    struct NoFiles;
    impl Loader for NoFiles {
        fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
            Err(LoadError::NotFound)
        }
    }
    let text = format!("use {name}\n");
    let project = (&Project::default(), None);
    let (checked, reference) =
        examine(project, "reference.flow", text.as_bytes(), catalog, &NoFiles, |names, units| {
            let known = query::Known { names, units, catalog };
            names.connectors.get(name).map(|info| of(&info.schema, &known))
        });
    reference.filter(|_| checked.program.is_some())
}

fn of(connector: &Connector, known: &query::Known<'_>) -> Reference {
    let http = connector.http.as_ref();
    let mut errors: Vec<String> = connector.errors.rules.iter().map(|(_, kind)| kind.name().to_owned()).collect();
    errors.sort();
    errors.dedup();
    // What code carries out goes where its own settings say.
    let is_code_alone = connector.operations.values().all(|operation| operation.call == Call::Native);
    let sends_requests = connector.operations.is_empty() || !is_code_alone;
    Reference {
        name: connector.name.clone(),
        doc: connector.doc.clone(),
        base: http.filter(|_| sends_requests).map(|http| text(&http.base)),
        also: http.map(|http| http.also.clone()).unwrap_or_default(),
        version: http.and_then(|http| http.version.as_ref()).map(|version| match &version.sunset {
            Some(sunset) => format!("{}, served until {sunset}", version.name),
            None => version.name.clone(),
        }),
        docs: http.and_then(|http| http.docs.clone()),
        settings: parameters(&connector.config),
        limits: http.map(|http| http.limits.iter().map(limit).collect()).unwrap_or_default(),
        errors,
        operations: connector.operations.iter().map(|(name, operation)| self::operation(name, operation)).collect(),
        triggers: connector
            .triggers
            .iter()
            .map(|(name, trigger)| TriggerReference {
                name: name.clone(),
                doc: trigger.doc.clone(),
                payload: trigger.payload.to_string(),
                parameters: trigger.poll.as_ref().map(|poll| parameters(&poll.params)).unwrap_or_default(),
                verified: trigger.verify.is_some(),
                keyed: trigger.dedupe.is_some(),
                order: trigger.order.as_ref().and_then(order),
                every: trigger.poll.as_ref().map(|poll| poll.every.to_string()),
            })
            .collect(),
        verifications: connector
            .verifications
            .iter()
            .map(|(name, verification)| format!("{name}({})", listed(&verification.params)))
            .collect(),
        types: connector.types.0.keys().filter_map(|name| known.definition(name)).collect(),
    }
}

fn operation(name: &str, operation: &Operation) -> OperationReference {
    let (effect, does) = match operation.effect {
        Effect::Read => ("read", "is tried again where it fails in passing"),
        Effect::Idempotent => {
            ("idempotent", "does the same when done again, and is tried again where it fails in passing")
        }
        Effect::Create => ("create", "creates something on each call, and is not tried again"),
        Effect::Destroy => ("destroy", "can't be done twice, and is not tried again"),
    };
    let repeating = match &operation.key {
        Some(KeySource::Header(header)) => format!("is tried again with the same key, in the header `{header}`"),
        Some(KeySource::Field(field)) => format!("is tried again with the same key, in the field `{field}`"),
        Some(KeySource::Within(path)) => {
            format!("is tried again with the same key, in the field `{}`", path.join("."))
        }
        Some(KeySource::Native) => "is tried again with the same key".to_owned(),
        Some(KeySource::Lookup(lookup)) => {
            format!("is tried again after `{}` has shown that the first try did nothing", lookup.operation)
        }
        None => does.to_owned(),
    };
    OperationReference {
        name: name.to_owned(),
        signature: query::signature(name, operation),
        doc: operation.doc.clone(),
        parameters: parameters(&operation.params),
        result: operation.result.to_string(),
        effect,
        repeating,
        errors: operation.fails.iter().flatten().chain(&operation.errors).map(ErrorKind::to_string).collect(),
        scopes: operation.scopes.clone(),
        undo: operation.undo.as_ref().map(|undo| undo.operation.clone()),
        deprecated: operation.deprecated.clone(),
        native: operation.call == Call::Native,
    }
}

fn parameters(fields: &IndexMap<String, Field>) -> Vec<Parameter> {
    let parameter = |(name, field): (&String, &Field)| Parameter {
        name: name.clone(),
        ty: field.ty.to_string(),
        required: field.default.is_none() && !field.ty.is_nullable(),
        default: field.default.as_deref().map(text),
        whole: field.whole,
    };
    fields.iter().map(parameter).collect()
}

fn listed(fields: &IndexMap<String, Field>) -> String {
    let all = parameters(fields).into_iter().map(|one| match one.default {
        Some(default) => format!("{}: {} = {default}", one.name, one.ty),
        None => format!("{}: {}", one.name, one.ty),
    });
    all.collect::<Vec<_>>().join(", ")
}

fn limit(limit: &Limit) -> String {
    match limit {
        Limit::Moving(rate) => format!("{} per {}", rate.count, rate.period),
        Limit::Fixed(rate) => format!("{} in each {}", rate.count, rate.period),
        Limit::Bucket { size, refill } => format!("{size} at once, then {} per {}", refill.count, refill.period),
        Limit::Concurrent(count) => format!("{count} at the same time"),
    }
}

/// A sentence on the order of events.
fn order(order: &EventOrder) -> Option<String> {
    match order {
        EventOrder::Kept | EventOrder::None => None,
        EventOrder::By(expr) => Some(format!("Events come in any order; `{}` tells which is the later.", text(expr))),
    }
}

/// A value of a declaration as it is written there; `…` for what computes.
fn text(expr: &Expr) -> String {
    match expr {
        Expr::Literal(Value::Secret(name)) => format!("secret({name:?})"),
        Expr::Literal(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        Expr::Text { parts, .. } => {
            let part = |part: &TextPart| match part {
                TextPart::Fixed(text) => text.clone(),
                TextPart::Insert(expr) => format!("{{{}}}", text(expr)),
            };
            parts.iter().map(part).collect()
        }
        Expr::Member { of, name, .. } => match &**of {
            Expr::Ambient(Ambient::Config) => format!("config.{name}"),
            Expr::Ambient(Ambient::Item) => format!(".{name}"),
            inner @ Expr::Member { .. } => format!("{}.{name}", text(inner)),
            _ => "…".to_owned(),
        },
        Expr::Env(name, _) => format!("env({name:?})"),
        _ => "…".to_owned(),
    }
}

impl Reference {
    /// The page of the connector.
    pub fn markdown(&self) -> String {
        let mut page = format!("# {}\n\n{}\n\n```text\nuse {0}\n```\n", self.name, self.doc);
        let facts = [
            self.base.as_ref().map(|base| {
                let also: Vec<String> = self.also.iter().map(|also| format!(" and `{also}`")).collect();
                format!("- Requests go to `{base}`{}.", also.concat())
            }),
            self.version.as_ref().map(|version| format!("- The version of the interface is {version}.")),
            self.docs.as_ref().map(|docs| format!("- The vendor documents it at <{docs}>.")),
            (!self.limits.is_empty()).then(|| format!("- At most {} leave, over all runs.", self.limits.join(", "))),
            (!self.errors.is_empty()).then(|| format!("- Its rules tell apart {}.", quoted(&self.errors))),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        if !facts.is_empty() {
            let _ = write!(page, "\n{}\n", facts.join("\n"));
        }
        if !self.settings.is_empty() {
            page.push_str("\n## Settings of a connection\n\n| setting | type | when it is left out |\n|---|---|---|\n");
            for setting in &self.settings {
                let absent = match (&setting.default, setting.required) {
                    (Some(default), _) => format!("`{default}`"),
                    (None, true) => "must be given".to_owned(),
                    (None, false) => "null".to_owned(),
                };
                let _ = writeln!(page, "| `{}` | `{}` | {absent} |", setting.name, in_cell(&setting.ty));
            }
        }
        if !self.operations.is_empty() {
            page.push_str("\n## Operations\n");
        }
        for operation in &self.operations {
            let _ = write!(page, "\n### {}\n\n```text\n{}\n```\n\n", operation.name, operation.signature);
            if !operation.doc.is_empty() {
                let _ = write!(page, "{}\n\n", operation.doc);
            }
            for line in operation.notes() {
                let _ = writeln!(page, "- {line}");
            }
        }
        if !self.triggers.is_empty() {
            page.push_str("\n## Triggers\n");
        }
        for trigger in &self.triggers {
            let told: Vec<String> = trigger.parameters.iter().map(|one| format!("{}: {}", one.name, one.ty)).collect();
            let told = if told.is_empty() { String::new() } else { format!("({})", told.join(", ")) };
            let _ = write!(page, "\n### {}{told}\n\nBrings `{}`. ", trigger.name, trigger.payload);
            match (&trigger.every, trigger.verified) {
                (Some(every), _) => {
                    let _ = writeln!(page, "It is looked for every {every}, unless the flow says `every:`.");
                }
                (None, true) => page.push_str("The connector says how it is verified.\n"),
                (None, false) => page.push_str("The flow says with `verify:` how it is verified.\n"),
            }
            if let Some(order) = &trigger.order {
                let _ = write!(page, "\n{order}\n");
            }
            if !trigger.doc.is_empty() {
                let _ = write!(page, "\n{}\n", trigger.doc);
            }
        }
        if !self.verifications.is_empty() {
            page.push_str("\n## Verifications\n\n");
            for verification in &self.verifications {
                let _ = writeln!(page, "- `{}.{verification}`", self.name);
            }
        }
        if !self.types.is_empty() {
            page.push_str("\n## Types\n");
        }
        for ty in &self.types {
            let _ = write!(page, "\n```text\n{ty}\n```\n");
        }
        page
    }
}

impl OperationReference {
    /// What is to be known besides its signature, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let whole = self.parameters.iter().filter(|one| one.whole).map(|one| one.name.clone()).collect::<Vec<_>>();
        let notes = [
            Some(format!("`effect: {}`: {}.", self.effect, self.repeating)),
            (!whole.is_empty())
                .then(|| format!("`@whole`: records in {} come with null where a field is absent.", quoted(&whole))),
            self.undo.as_ref().map(|undo| format!("`undo default` takes it back with `{undo}`.")),
            (!self.errors.is_empty())
                .then(|| format!("Fails with {}, besides the usual errors.", quoted(&self.errors))),
            (!self.scopes.is_empty()).then(|| format!("Needs the scopes {}.", quoted(&self.scopes))),
            self.deprecated.as_ref().map(|reason| format!("Deprecated: {reason}.")),
        ];
        notes.into_iter().flatten().collect()
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn in_cell(text: &str) -> String {
    text.replace('|', "\\|")
}
