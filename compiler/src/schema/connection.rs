//! Which systems does the program talk to, with what configuration?
//!
//! In: connections as written, and the connectors in use. Out: a connection for each, and one for each connector in use
//! that no connection of its name replaces. What is missing, unknown or of the wrong type is reported with the field of
//! the connector; a default connection that lacks something is reported where it is called.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::Expr,
    plan::{self, Policy},
    span::Span,
    ty::{Field, Type},
    value::Value,
};
use indexmap::IndexMap;

use super::{over, reach::reach, section::listed, setting};
use crate::{
    ast::{self, ExprKind, Ident, Item},
    names::{ConnectionInfo, ConnectorInfo, Names, Unit, chain, out_of_bounds, unknown, walk},
    project::InForce,
    types::{Definitions, Elaborator},
};

/// How many settings that a connector does not have are named in one problem.
const MOST_NAMED: usize = 6;

/// Fills [`Names::connections`]; `used_at` has the place of each connector's `use`.
pub(crate) fn connections(
    names: &mut Names<'_>,
    units: &[Unit],
    used_at: &BTreeMap<&str, Span>,
    definitions: &Definitions,
    project: &InForce<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    let mut connections = BTreeMap::new();
    for item in units.iter().flat_map(|unit| &unit.ast.items) {
        let Item::Connection(written) = item else { continue };
        let info = connection(names, written, definitions, project, problems);
        let is_first = names.items.get(&written.name.text).is_some_and(|(_, span)| *span == written.name.span);
        if is_first {
            connections.insert(written.name.text.clone(), info);
        }
    }
    let mut lacking = BTreeMap::new();
    for (name, info) in &names.connectors {
        if connections.contains_key(name) {
            continue;
        }
        let set = setting::set(names, info, project.connection(name), definitions, problems);
        let missing: Vec<&str> = info
            .schema
            .config
            .iter()
            .filter(|(name, field)| field.default.is_none() && !field.ty.is_nullable() && !set.contains_key(*name))
            .map(|(field, _)| field.as_str())
            .collect();
        if !missing.is_empty() {
            lacking.insert(name.as_str(), missing);
        }
        let value =
            |field: &String, declared| set.get(field).map_or_else(|| absent(declared), |(expr, _)| expr.clone());
        let config =
            info.schema.config.iter().map(|(field, declared)| (field.clone(), value(field, declared))).collect();
        let places = set.into_iter().map(|(field, (_, place))| (field, place)).collect();
        reach(info, &config, &places, problems);
        connections.insert(
            name.clone(),
            ConnectionInfo {
                connector: name.clone(),
                plan: plan::Connection { connector: name.clone(), config },
                policy: over(&info.schema.policy, project.defaults()),
                span: used_at.get(name.as_str()).copied().unwrap_or(info.span),
                retry_span: None,
                settings: places,
                personal: false,
            },
        );
    }
    let mut calls = Calls { names, lacking, problems };
    for item in units.iter().flat_map(|unit| &unit.ast.items) {
        walk::item(item, &mut calls);
    }
    names.connections = connections;
}

/// What a field holds that is not set.
fn absent(field: &Field) -> Expr {
    field.default.as_deref().cloned().unwrap_or(Expr::Literal(Value::Null))
}

fn connection(
    names: &Names<'_>,
    written: &ast::Connection,
    definitions: &Definitions,
    project: &InForce<'_>,
    problems: &mut Vec<Diagnostic>,
) -> ConnectionInfo {
    let (policy, retry_span) = names.policy(&written.with, problems);
    let name = &written.connector;
    let sees = names.sees(name.span.file, &name.text);
    let info = names.connectors.get(&name.text).filter(|_| sees);
    let (config, settings) = match info {
        Some(info) => config(names, written, info, definitions, project, problems),
        None => {
            problems.extend(no_connector(names, name));
            (IndexMap::new(), BTreeMap::new())
        }
    };
    let connectors = info.map_or_else(Policy::default, |info| info.schema.policy.clone());
    ConnectionInfo {
        connector: name.text.clone(),
        plan: plan::Connection { connector: name.text.clone(), config },
        policy: over(&over(&policy, &connectors), project.defaults()),
        span: written.name.span,
        retry_span,
        settings,
        personal: marks(written, problems),
    }
}

/// Whether a connection is marked `@pii`; any other mark is reported.
fn marks(written: &ast::Connection, problems: &mut Vec<Diagnostic>) -> bool {
    let mut personal = false;
    for mark in &written.attributes {
        if mark.text == "pii" {
            personal = true;
            continue;
        }
        let problem = unknown(Code::E0211, "attribute", mark, ["pii"]);
        problems.push(match problem.help {
            Some(_) => problem,
            None => problem.help("a connection has one attribute, `@pii`: personal data may go there"),
        });
    }
    personal
}

fn no_connector(names: &Names<'_>, name: &Ident) -> Option<Diagnostic> {
    if name.text.is_empty() || names.broken.contains(&name.text) {
        return None;
    }
    if let Some((kind, span)) = names.items.get(&name.text).filter(|_| names.sees(name.span.file, &name.text)) {
        let message = format!("`{}` is {}, not a connector", name.text, kind.spoken());
        let problem = Diagnostic::new(Code::E0206, message, name.span, "not a connector").label(*span, "declared here");
        return Some(problem.help("name a connector after `=`, and a policy after `with`"));
    }
    let seen = names.connectors.keys().map(String::as_str).filter(|known| names.sees(name.span.file, known));
    let problem = unknown(Code::E0201, "connector", name, seen);
    Some(match problem.help {
        Some(_) => problem,
        None => problem.help(format!("add `use {}`", name.text)),
    })
}

/// The configuration: what is set, with the connector's defaults; and where the values stand that are set.
fn config(
    names: &Names<'_>,
    written: &ast::Connection,
    info: &ConnectorInfo<'_>,
    definitions: &Definitions,
    project: &InForce<'_>,
    problems: &mut Vec<Diagnostic>,
) -> (IndexMap<String, Expr>, BTreeMap<String, Span>) {
    let mut set: IndexMap<&str, (Expr, Span)> = IndexMap::new();
    let mut places: BTreeMap<String, Span> = BTreeMap::new();
    let mut meant: Vec<String> = Vec::new();
    let mut strange: Vec<(&Ident, Diagnostic)> = Vec::new();
    for (name, value) in written.config.iter().filter(|(name, _)| !name.text.is_empty()) {
        let Some((field, declared)) = info.schema.config.get_key_value(&name.text) else {
            let problem = unknown_setting(name, info);
            // What was meant by it is not missing as well.
            meant.extend(problem.fixes.iter().flat_map(|fix| &fix.edits).map(|edit| edit.text.clone()));
            match problem.fixes.is_empty() {
                true => strange.push((name, problem)),
                false => problems.push(problem),
            }
            continue;
        };
        if let Some((_, first)) = set.get(field.as_str()) {
            problems.push(crate::names::repeated("setting", name, *first));
            continue;
        }
        let mut elaborator = Elaborator::new(names, definitions);
        let expr = elaborator.expr(value, Some(&declared.ty)).expr;
        let causes = elaborator.finish();
        problems.extend(causes.into_iter().map(|problem| because(problem, name, info)));
        set.insert(field, (expr, name.span));
        places.insert(field.clone(), value.span);
    }
    problems.extend(told_once(strange, info));
    let mut theirs = setting::set(names, info, project.connection(&written.name.text), definitions, problems);
    let mut config = IndexMap::new();
    let mut missing = Vec::new();
    for (field, declared) in &info.schema.config {
        let own = set.swap_remove(field.as_str()).map(|(expr, _)| expr);
        let theirs = theirs.remove(field).map(|(expr, place)| {
            places.insert(field.clone(), place);
            expr
        });
        match theirs.or(own) {
            Some(expr) => {
                config.insert(field.clone(), expr);
            }
            None if declared.default.is_some() || declared.ty.is_nullable() => {
                config.insert(field.clone(), absent(declared));
            }
            None if meant.contains(field) => {}
            None => missing.push(field.as_str()),
        }
    }
    if !missing.is_empty() {
        problems.push(lacks(&written.name.text, &missing, written.name.span, info));
    }
    let before = problems.len();
    reach(info, &config, &places, problems);
    let told: Vec<Span> = problems.iter().skip(before).map(Diagnostic::span).collect();
    for (field, place) in places.iter().filter(|(_, place)| !told.contains(place)) {
        if let (Some(declared), Some(Expr::Literal(value))) = (info.schema.config.get(field), config.get(field)) {
            problems.extend(out_of_bounds(field, &declared.bounds, value, *place, info.config.get(field).copied()));
        }
    }
    (config, places)
}

/// A problem with the value of a setting also shows the setting's declaration.
fn because(problem: Diagnostic, name: &Ident, info: &ConnectorInfo<'_>) -> Diagnostic {
    match info.config.get(&name.text) {
        Some(span) if problem.labels.len() == 1 => problem.label(*span, "this setting"),
        _ => problem,
    }
}

/// Settings of one connection that its connector does not have: those of which the same is to be said are one problem.
fn told_once(strange: Vec<(&Ident, Diagnostic)>, info: &ConnectorInfo<'_>) -> Vec<Diagnostic> {
    let mut alike: IndexMap<Option<String>, Vec<(&Ident, Diagnostic)>> = IndexMap::new();
    for (name, problem) in strange {
        alike.entry(problem.help.clone()).or_default().push((name, problem));
    }
    let told = alike.into_values().filter_map(|group| {
        let names: Vec<&str> = group.iter().map(|(name, _)| name.text.as_str()).collect();
        let message = match names.len() {
            1 => None,
            2..=MOST_NAMED => Some(format!("`{}` has no settings {}", info.schema.name, listed(&names))),
            count => Some(format!("`{}` has none of {count} settings", info.schema.name)),
        };
        let mut group = group.into_iter();
        let (_, mut first) = group.next()?;
        first.message = message.unwrap_or(first.message);
        Some(group.take(MOST_NAMED - 1).fold(first, |told, (name, _)| told.label(name.span, "nor this")))
    });
    told.collect()
}

/// Reports a setting that the connector does not have.
pub(super) fn unknown_setting(name: &Ident, info: &ConnectorInfo<'_>) -> Diagnostic {
    let known: Vec<&str> = info.schema.config.keys().map(String::as_str).collect();
    let mut problem = unknown(Code::E0530, "setting", name, known.iter().copied());
    problem.message = format!("`{}` has no setting `{}`", info.schema.name, name.text);
    let is_address = matches!(
        name.text.as_str(),
        "url"
            | "uri"
            | "base"
            | "host"
            | "endpoint"
            | "baseurl"
            | "base_uri"
            | "baseUrl"
            | "baseURL"
            | "api_url"
            | "server"
    );
    if is_address && known.contains(&"base_url") {
        let edits = vec![Edit { span: name.span, text: "base_url".to_owned() }];
        return problem.help("the address of the system is its `base_url`").fix("write `base_url`", edits);
    }
    let is_part = matches!(
        name.text.as_str(),
        "host"
            | "hostname"
            | "server"
            | "address"
            | "port"
            | "user"
            | "username"
            | "password"
            | "database"
            | "db"
            | "dbname"
            | "uri"
            | "dsn"
            | "connection_string"
    );
    if let (true, Some(url)) = (is_part, info.schema.config.get("url"))
        && let Type::Secret(_) = url.ty.non_null()
    {
        let scheme = &info.schema.name;
        return problem.help(format!(
            "the address is one text with the user, the password and the database: `url: secret(\"{scheme}/url\")`, \
             where the secret is as `{scheme}://user:password@host/database`"
        ));
    }
    let is_proof = matches!(
        name.text.as_str(),
        "auth" | "authentication" | "authorization" | "bearer" | "credentials" | "api_key" | "apikey" | "apiKey"
    );
    let config = info.schema.config.iter();
    let secrets: Vec<&str> = config
        .filter(|(_, field)| matches!(field.ty.non_null(), Type::Secret(_)))
        .map(|(name, _)| name.as_str())
        .collect();
    if let (true, [first, ..]) = (is_proof, secrets.as_slice()) {
        let example = format!("{first}: secret(\"{}/{first}\")", info.schema.name);
        return problem.help(format!("what it proves itself with is {}: `{example}`", listed(&secrets)));
    }
    match problem.help {
        Some(_) => problem,
        None if known.is_empty() => problem.help("it takes none"),
        None => problem.help(format!("its settings are {}", listed(&known))),
    }
}

/// A connection that lacks settings which have no default.
fn lacks(name: &str, missing: &[&str], span: Span, info: &ConnectorInfo<'_>) -> Diagnostic {
    let message = format!("the connection `{name}` needs {}", listed(missing));
    let label = if missing.len() == 1 { "a setting is missing" } else { "settings are missing" };
    let mut problem = Diagnostic::new(Code::E0531, message, span, label);
    let mut settings = Vec::new();
    for field in missing {
        if let Some(span) = info.config.get(*field) {
            problem = problem.label(*span, "has no default");
        }
        let is_secret =
            info.schema.config.get(*field).is_some_and(|field| matches!(field.ty.non_null(), Type::Secret(_)));
        let example = if is_secret { format!("secret(\"{}/{field}\")", info.schema.name) } else { "…".to_owned() };
        settings.push(format!("{field}: {example}"));
    }
    problem.help(format!("add `{}`", settings.join(", ")))
}

/// Reports calls and triggers of default connections that lack settings.
struct Calls<'c, 'n> {
    names: &'c Names<'n>,
    /// What each lacks; one that was reported is taken out.
    lacking: BTreeMap<&'c str, Vec<&'c str>>,
    problems: &'c mut Vec<Diagnostic>,
}

impl Calls<'_, '_> {
    fn call(&mut self, name: &str, span: Span) {
        let Some(info) = self.names.connectors.get(name).filter(|_| self.names.sees(span.file, name)) else { return };
        let Some(missing) = self.lacking.remove(name) else { return };
        let mut problem = lacks(name, &missing, span, info);
        let settings = problem.help.take().unwrap_or_default();
        let settings = settings.trim_start_matches("add ").trim_matches('`');
        self.problems.push(problem.help(format!("add `connection {name} = {name} {{ {settings} }}`")));
    }
}

impl<'a> walk::Visitor<'a> for Calls<'_, '_> {
    fn step(&mut self, step: &'a ast::Step) {
        if let ExprKind::Call { callee, .. } = &step.call.kind
            && let Some(path) = chain(callee)
            && let Some(first) = path.parts.first()
        {
            self.call(&first.text, first.span);
        }
    }

    fn trigger(&mut self, path: &'a ast::Path) {
        if let Some(first) = path.parts.first() {
            self.call(&first.text, first.span);
        }
    }
}
