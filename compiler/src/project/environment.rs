//! What is different in production?
//!
//! In: `[environments.NAME]`, and the same keys at the top of the file, which hold in every environment. Out: settings of
//! connections that replace those of the program, values of `env("…")`, and the data folder.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::Span,
};

use super::{Setting, Written, table::Table};
use crate::names::similar;

/// `[environments.NAME]`
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// What it says over what the project says.
    pub overrides: Overrides,
}

/// What the project sets in the place of the program.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `data`: the folder of runs and their history, relative to the file.
    pub data: Option<Written<String>>,
    /// `[env]`: values of `env("NAME")` where the variable is not set.
    pub env: BTreeMap<String, Written<String>>,
    /// `[connections.NAME]`, by name.
    pub connections: BTreeMap<String, Settings>,
}

/// Settings of a connection.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the connection is named.
    pub span: Span,
    /// The settings, each with its key.
    pub entries: Vec<(Written<String>, Written<Setting>)>,
}

impl Overrides {
    /// These where `over` says nothing.
    pub(super) fn under(&self, over: &Self) -> Self {
        let mut all = self.clone();
        all.data = over.data.clone().or(all.data);
        all.env.extend(over.env.clone());
        for (name, settings) in &over.connections {
            let known = all.connections.entry(name.clone());
            let known = &mut known.or_insert_with(|| Settings { span: settings.span, entries: Vec::new() }).entries;
            known.retain(|(key, _)| !settings.entries.iter().any(|(over, _)| over.value == key.value));
            known.extend(settings.entries.iter().cloned());
        }
        all
    }
}

pub(super) fn read(table: &mut Table<'_, '_>) -> Environment {
    Environment { overrides: overrides(table) }
}

/// The keys that stand in an environment and at the top.
pub(super) fn overrides(table: &mut Table<'_, '_>) -> Overrides {
    let mut read = Overrides { data: table.text("data"), ..Overrides::default() };
    for (name, setting) in table.entries("env") {
        match setting.value.as_text() {
            Some(text) => {
                read.env.insert(name.value, Written { value: text.to_owned(), span: setting.span });
            }
            None => table.wrong(&format!("env.{}", name.value), setting.span, "text in quotes", "\"…\""),
        }
    }
    table.tables("connections", "the settings of a connection", |name, table| {
        read.connections.insert(name.value, Settings { span: name.span, entries: table.all() });
    });
    read
}

/// Reports settings of connections that no program has; `known` are those that there are.
pub(super) fn strangers(overrides: &Overrides, known: &BTreeSet<String>, problems: &mut Vec<Diagnostic>) {
    for (name, settings) in overrides.connections.iter().filter(|(name, _)| !known.contains(*name)) {
        let span = settings.span;
        let message = format!("no program of the project has a connection `{name}`");
        let problem = Diagnostic::new(Code::E0805, message, span, "not known");
        problems.push(match similar(name, known.iter().map(String::as_str)) {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
            None => problem.help("name a `connection` of a program, or leave the settings out"),
        });
    }
}

/// There is no environment of that name.
pub(super) fn unknown<'a>(name: &str, span: Span, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.collect();
    let problem = Diagnostic::new(Code::E0804, format!("there is no environment `{name}`"), span, "not known");
    match similar(name, known.iter().copied()) {
        Some(near) => problem
            .help(format!("did you mean `{near}`?"))
            .fix(format!("write `\"{near}\"`"), vec![Edit { span, text: format!("\"{near}\"") }]),
        None if known.is_empty() => problem.help(format!("declare it: `[environments.{name}]`")),
        None => problem.help(format!("there are {}", known.join(", "))),
    }
}
