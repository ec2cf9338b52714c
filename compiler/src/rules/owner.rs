//! Whose is a secret?
//!
//! A secret that is the credential of a connection goes to the hosts of that connection alone. It is told from others by
//! its name, so two systems that share one name share one credential: whoever runs the one could act at the other. A
//! secret that is only ever an argument belongs to the system that it is first sent to.
//! Systems are the same when they belong to one connector with one base URL, or to hosts of one domain.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    span::Span,
    value::Value,
};

use crate::{
    facts,
    names::{ConnectionInfo, ItemKind, Names},
};

/// A system that secrets are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct System<'n> {
    connector: &'n str,
    /// Its host, where one is known before the program runs.
    host: Option<String>,
    /// Whether no item of the program says where it is: it may never be called.
    is_default: bool,
}

impl System<'_> {
    fn is(&self, other: &Self) -> bool {
        if self.connector == other.connector && (self.is_default || other.is_default) {
            return true;
        }
        match (&self.host, &other.host) {
            (Some(own), Some(other)) => domain(own) == domain(other),
            // What native connectors reach is not known here.
            (None, None) => true,
            _ => self.connector == other.connector,
        }
    }

    fn spoken(&self) -> String {
        self.host.clone().unwrap_or_else(|| self.connector.to_owned())
    }
}

/// The last two parts of a host's name; all of an address or of a name that settings decide.
fn domain(host: &str) -> &str {
    let name = host.split(':').next().unwrap_or(host);
    if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || host.starts_with('[') {
        return host;
    }
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at + 1);
    let last_two = dots.nth(1).and_then(|at| name.get(at..)).unwrap_or(name);
    if last_two.contains(['{', '}']) { host } else { last_two }
}

fn system<'n>(names: &'n Names<'_>, name: &str, connection: &'n ConnectionInfo) -> Option<System<'n>> {
    let connector = names.connectors.get(&connection.connector)?;
    let config = &connection.plan.config;
    let known = |setting: &str| config.get(setting).filter(|value| matches!(value, Expr::Literal(_)));
    let mut host = facts::host(&connector.schema, known("base_url"), known("sandbox"));
    for (setting, value) in config {
        if let (Some(host), Expr::Literal(Value::String(text))) = (&mut host, value) {
            *host = host.replace(&format!("{{config.{setting}}}"), text);
        }
    }
    let is_default = !matches!(names.items.get(name), Some((ItemKind::Connection, _)));
    Some(System { connector: &connection.connector, host, is_default })
}

/// The settings of a connection that hold a secret: the setting and the secret's name.
fn credentials(connection: &ConnectionInfo) -> impl Iterator<Item = (&str, &str)> {
    connection.plan.config.iter().filter_map(|(setting, value)| match value {
        Expr::Literal(Value::Secret(name)) => Some((setting.as_str(), name.as_ref())),
        _ => None,
    })
}

/// The place of a setting, or of the connection where the connector's default holds.
fn place(connection: &ConnectionInfo, setting: &str) -> Span {
    connection.settings.get(setting).copied().unwrap_or(connection.span)
}

const HELP: &str =
    "give each system a secret of its own: they are told apart by their names, even where the values are the same";

/// Reports secrets that two connections to different systems share.
pub(super) fn shared(names: &Names<'_>) -> Vec<Diagnostic> {
    let mut connections: Vec<(&String, &ConnectionInfo)> = names.connections.iter().collect();
    connections.sort_by_key(|(_, connection)| connection.span);
    let mut owners: BTreeMap<&str, (System<'_>, &str, Span)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, connection) in connections {
        let Some(system) = system(names, name, connection) else { continue };
        for (setting, secret) in credentials(connection) {
            let here = place(connection, setting);
            let Some((owner, owned_by, there)) = owners.get(secret) else {
                owners.insert(secret, (system.clone(), name, here));
                continue;
            };
            if !owner.is(&system) {
                problems.push(
                    Diagnostic::new(
                        Code::E0607,
                        format!("the secret `{secret}` is the credential of two systems"),
                        here,
                        format!("of `{name}`, sent to `{}`", system.spoken()),
                    )
                    .label(*there, format!("of `{owned_by}`, sent to `{}`", owner.spoken()))
                    .help(HELP),
                );
            }
        }
    }
    problems
}

/// Secrets that an argument of a step sends.
#[derive(Debug)]
pub(crate) struct Sent {
    pub secrets: BTreeSet<String>,
    /// The connection that gets them.
    pub to: String,
    pub at: Span,
}

/// Reports an argument that sends the credential of another system.
pub(crate) fn sent_elsewhere(names: &Names<'_>, sent: &Sent) -> Option<Diagnostic> {
    let Sent { to, at, .. } = sent;
    let target = system(names, to, names.connections.get(to)?)?;
    let mut foreign = None;
    for (name, connection) in &names.connections {
        let owned = credentials(connection).find(|(_, secret)| sent.secrets.contains(*secret));
        let (Some((setting, secret)), Some(owner)) = (owned, system(names, name, connection)) else { continue };
        if owner.is(&target) {
            return None;
        }
        foreign.get_or_insert((name, secret, place(connection, setting), owner));
    }
    let (owner, secret, declared, system) = foreign?;
    Some(
        Diagnostic::new(
            Code::E0607,
            format!("the secret `{secret}` belongs to `{owner}` and would be sent to `{to}`"),
            *at,
            format!("sent to `{}`", target.spoken()),
        )
        .label(declared, format!("the credential for `{}`", system.spoken()))
        .help(HELP),
    )
}

/// Reports secrets that are no credential of a connection and that arguments send to two systems.
pub(super) fn sent_to_several(names: &Names<'_>, mut sent: Vec<Sent>) -> Vec<Diagnostic> {
    sent.sort_by_key(|sent| sent.at);
    let owned: BTreeSet<&str> = names.connections.values().flat_map(credentials).map(|(_, secret)| secret).collect();
    let mut owners: BTreeMap<&str, (System<'_>, &Sent)> = BTreeMap::new();
    let mut problems = Vec::new();
    for one in &sent {
        let connection = names.connections.get(&one.to);
        let Some(system) = connection.and_then(|connection| system(names, &one.to, connection)) else { continue };
        for secret in one.secrets.iter().map(String::as_str).filter(|secret| !owned.contains(secret)) {
            let (owner, first) = owners.entry(secret).or_insert_with(|| (system.clone(), one));
            if !owner.is(&system) {
                problems.push(
                    Diagnostic::new(
                        Code::E0607,
                        format!("the secret `{secret}` would be sent to two systems"),
                        one.at,
                        format!("sent to `{}`, by `{}`", system.spoken(), one.to),
                    )
                    .label(first.at, format!("sent to `{}`, by `{}`", owner.spoken(), first.to))
                    .help(HELP),
                );
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_domain_are_one_system() {
        let same = |one: &str, other: &str| {
            let system = |host: &str| System { connector: "c", host: Some(host.to_owned()), is_default: false };
            system(one).is(&system(other))
        };
        assert!(same("api.stripe.com", "files.stripe.com") && same("a.example.com:8080", "example.com"));
        assert!(same("{config.shop}.myshopify.com", "x.myshopify.com"));
        assert!(!same("api.stripe.com", "stripe.com.evil.example") && !same("127.0.0.1:1", "10.0.0.1:1"));
        assert!(!same("{config.host}", "{config.url}") && !same("localhost", "example.com"));
    }
}
