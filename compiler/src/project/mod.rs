//! What does `flow.toml` say of a project?
//!
//! In: the text of the file. Out: [`Project`]: what each section says, each value with its place, and what is wrong with
//! the file. Each section is read by a file of its own, through [`table::Table`]; a new section is a new file, a field of
//! [`Project`] and a line in [`read`]. Left out on purpose: files and folders, which the caller looks for.
//!
//! Source: TOML 1.1 (toml.io).

mod defaults;
mod environment;
mod lints;
mod network;
mod runs;
mod secrets;
mod serve;
mod setting;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    plan::Policy,
    span::{FileId, Files, Span},
    units::Millis,
};
use jiff::civil::Date;
use toml::de::DeTable;

pub use self::{
    environment::{Environment, Overrides, Settings},
    lints::{Level, Lints},
    network::Network,
    runs::Runs,
    secrets::Secrets,
    serve::Serve,
    setting::Setting,
};
use table::Table;

use crate::ast::Ident;

/// The name of the file, at the root of a project.
pub const FILE: &str = "flow.toml";

/// Where the connectors of a project are when it does not say.
const CONNECTORS: &str = "connectors";

/// A value with its place in `flow.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// What a `flow.toml` says.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The file, which is the only one: spans refer to it.
    pub files: Files,
    /// What is wrong with it. What could be read is there all the same.
    pub diagnostics: Vec<Diagnostic>,
    /// `name`
    pub name: Option<Written<String>>,
    /// `connectors`: folders with connectors, relative to the file; `connectors` where nothing is said.
    pub connectors: Vec<Written<String>>,
    /// `environment`: the environment that is meant when none is named.
    pub environment: Option<Written<String>>,
    /// `data`, `[env]` and `[connections]`: what holds in each environment that does not say otherwise.
    pub base: Overrides,
    /// `[environments.NAME]`
    pub environments: BTreeMap<String, Environment>,
    /// `[defaults]`: what no step, connection or connector says of timeouts and retries.
    pub defaults: Policy,
    /// `[lints]`
    pub lints: Lints,
    /// `[secrets]`
    pub secrets: Secrets,
    /// `[network]`
    pub network: Network,
    /// `[serve]`
    pub serve: Serve,
    /// `[runs]`
    pub runs: Runs,
    /// The day on which its programs are checked. No file says it: who asks for a check may know it.
    pub today: Option<Date>,
}

/// The length of time that a text is as a whole: `90s`, `30d`.
pub fn duration(text: &str) -> Option<Millis> {
    crate::read::duration(text)
}

/// Reads the text of a `flow.toml`; `path` is what messages call it.
pub fn read(path: &str, text: &str) -> Project {
    let mut files = Files::default();
    let file = files.add(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Diagnostic> = errors.iter().map(|error| syntax(error, file)).collect();
    let mut project = Project { files, ..Project::default() };
    let mut root = Table::root(document.get_ref(), file, &mut problems);
    project.name = root.text("name");
    project.environment = root.text("environment");
    project.connectors = root
        .texts("connectors")
        .unwrap_or_else(|| vec![Written { value: CONNECTORS.to_owned(), span: Span::new(file, 0, 0) }]);
    project.base = environment::overrides(&mut root);
    root.tables("environments", "an environment", |name, table| {
        project.environments.insert(name.value, environment::read(table));
    });
    root.table("defaults", |table| project.defaults = defaults::read(table));
    root.table("lints", |table| project.lints = lints::read(table));
    root.table("secrets", |table| project.secrets = secrets::read(table));
    root.table("network", |table| project.network = network::read(table));
    root.table("serve", |table| project.serve = serve::read(table));
    root.table("runs", |table| project.runs = runs::read(table));
    // Where the text is broken, a key can end up in a table that it does not belong to.
    if errors.is_empty() {
        root.finish();
    }
    if let Some(chosen) = &project.environment
        && !project.environments.contains_key(&chosen.value)
    {
        let known = project.environments.keys().map(String::as_str);
        problems.push(environment::unknown(&chosen.value, chosen.span, known));
    }
    problems.sort_by_key(|problem| (problem.span(), problem.code));
    project.diagnostics = problems;
    project
}

impl Project {
    /// What holds in an environment: what it says over what the project says.
    pub fn settings(&self, environment: Option<&str>) -> Overrides {
        match environment.and_then(|name| self.environments.get(name)) {
            Some(chosen) => self.base.under(&chosen.overrides),
            None => self.base.clone(),
        }
    }

    /// What is wrong with the project as a whole: settings of connections that none of its programs has. `known` are the
    /// connections of all programs.
    pub fn strangers(&self, known: &BTreeSet<String>) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let environments = self.environments.values().map(|environment| &environment.overrides);
        for overrides in [&self.base].into_iter().chain(environments) {
            environment::strangers(overrides, known, &mut problems);
        }
        problems
    }

    /// What a check takes into account. `flow.toml` is put among its files, as the last one.
    pub(crate) fn in_force(&self, environment: Option<&str>, files: &mut Files) -> InForce<'_> {
        let file = match self.files.iter().next() {
            Some((_, source)) => files.add(source.path.clone(), source.text.clone()),
            None => FileId(u32::MAX),
        };
        InForce { project: self, overrides: self.settings(environment), file }
    }
}

/// What of a project a check takes into account.
pub(crate) struct InForce<'p> {
    project: &'p Project,
    overrides: Overrides,
    /// `flow.toml` among the files of the check.
    file: FileId,
}

impl InForce<'_> {
    /// The settings of a connection that take the place of those in the program, with their places.
    pub(crate) fn connection(&self, name: &str) -> impl Iterator<Item = (Ident, &Setting, Span)> {
        let place = |span: Span| Span { file: self.file, ..span };
        let settings = self.overrides.connections.get(name);
        settings.into_iter().flat_map(|settings| &settings.entries).map(move |(key, setting)| {
            (Ident { text: key.value.clone(), span: place(key.span) }, &setting.value, place(setting.span))
        })
    }

    /// What no step, connection or connector says of timeouts and retries.
    pub(crate) fn defaults(&self) -> &Policy {
        &self.project.defaults
    }

    /// Gives each warning the level that the project wants.
    pub(crate) fn lint(&self, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        lints::apply(&self.project.lints, self.file, found)
    }
}

/// What TOML itself does not take.
fn syntax(error: &toml::de::Error, file: FileId) -> Diagnostic {
    let range = error.span().unwrap_or_default();
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let span = Span::new(file, place(range.start), place(range.end));
    let message = error.message().lines().next().unwrap_or_default().to_owned();
    Diagnostic::new(Code::E0801, format!("`{FILE}` can't be read: {message}"), span, "not TOML")
        .help("write `key = \"text\"`, `key = 5` or `[section]`, one to a line")
}
