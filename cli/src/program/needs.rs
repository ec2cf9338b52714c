//! What does a plan need to run here: which secrets, which variables, and which code?
//!
//! A plan is walked in its JSON form, where an expression is an expression whatever holds it. Constants are not entered
//! except for secrets, so that data can't be taken for an expression.

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{
    plan::Plan,
    schema::{Call, Connector},
};
use serde_json::Value as Json;

use crate::{exit::Exit, host::Host, trouble::Trouble, ui};

/// What plans need, each name once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Needs {
    /// Secrets by name.
    secrets: BTreeSet<String>,
    /// Variables that `env("NAME")` reads without a default.
    variables: BTreeSet<String>,
    /// Operations that code carries out: connector and operation.
    natives: BTreeSet<(String, String)>,
}

impl Needs {
    /// Adds what is needed to receive the triggers of a flow and to run it.
    pub(crate) fn add(&mut self, plan: &Plan) {
        let mut found = Self::default();
        found.walk(&json(plan));
        self.secrets.extend(plan.secrets.iter().cloned());
        self.variables.extend(found.variables);
        self.add_natives(plan);
    }

    /// Adds what code of this build has to carry out.
    pub(crate) fn add_natives(&mut self, plan: &Plan) {
        for (connector, declared) in &plan.connectors {
            let native = declared.operations.iter().filter(|(_, operation)| operation.call == Call::Native);
            self.natives.extend(native.map(|(operation, _)| (connector.clone(), operation.clone())));
        }
    }

    /// Adds a secret by its name.
    pub(crate) fn add_secret(&mut self, name: &str) {
        self.secrets.insert(name.to_owned());
    }

    /// Adds what is needed to run a flow that no trigger starts: its webhooks are not received, so their secrets need
    /// not be known.
    pub(crate) fn add_without_triggers(&mut self, plan: &Plan) {
        let mut found = Self::default();
        found.walk(&json(&without_triggers(plan)));
        self.secrets.extend(found.secrets.into_iter().filter(|name| plan.secrets.contains(name)));
        self.variables.extend(found.variables);
        self.add_natives(plan);
    }

    /// Adds what is needed to continue a run. The variables that its body reads were written down when it began.
    pub(crate) fn add_unfinished(&mut self, plan: &Plan) {
        let mut found = Self::default();
        found.walk(&json(&without_triggers(plan)));
        self.secrets.extend(found.secrets.into_iter().filter(|name| plan.secrets.contains(name)));
        let mut read_again = Self::default();
        let connectors: Vec<&Connector> = plan.connectors.values().map(AsRef::as_ref).collect();
        read_again.walk(&serde_json::json!([plan.connections, connectors]));
        self.variables.extend(read_again.variables);
    }

    fn walk(&mut self, json: &Json) {
        match json {
            Json::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Json::Object(fields) => {
                for (name, content) in fields {
                    match (name.as_str(), content) {
                        ("Literal", constant) => self.constant(constant),
                        ("Env", Json::Array(parts)) => match parts.as_slice() {
                            [Json::String(variable), Json::Null] => {
                                self.variables.insert(variable.clone());
                            }
                            [Json::String(_), default] => self.walk(default),
                            _ => self.walk(content),
                        },
                        _ => self.walk(content),
                    }
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn constant(&mut self, json: &Json) {
        match json {
            Json::Array(items) => items.iter().for_each(|item| self.constant(item)),
            Json::Object(fields) => match (fields.get("$secret"), fields.len()) {
                (Some(Json::String(name)), 1) => {
                    self.secrets.insert(name.clone());
                }
                _ => fields.values().for_each(|field| self.constant(field)),
            },
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    /// What is missing, as it stands in programs.
    ///
    /// # Errors
    /// A provider of secrets can't be asked.
    pub(crate) fn missing(&self, host: &Host) -> Result<Vec<String>, Trouble> {
        let mut missing = Vec::new();
        for name in &self.secrets {
            if host.keyring.find(name)?.is_none() {
                missing.push(format!("`secret(\"{name}\")`"));
            }
        }
        let variables = self.variables.iter().filter(|name| !host.variables.has(name));
        missing.extend(variables.map(|name| format!("`env(\"{name}\")`")));
        Ok(missing)
    }

    /// Checks that everything is there.
    ///
    /// # Errors
    /// Names what is native and has no code here, or all that is missing, with each way in which it can be set; or a provider of secrets can't be asked.
    pub(crate) fn check(&self, host: &Host) -> Result<(), Trouble> {
        self.check_natives()?;
        let mut secrets = Vec::new();
        for name in &self.secrets {
            if host.keyring.find(name)?.is_none() {
                secrets.push(name);
            }
        }
        let plain: Vec<&String> = self.variables.iter().filter(|name| !host.variables.has(name)).collect();
        if secrets.is_empty() && plain.is_empty() {
            return Ok(());
        }
        let parts = [(secrets.len(), "secret"), (plain.len(), "variable")];
        let counted: Vec<String> =
            parts.iter().filter(|(number, _)| *number > 0).map(|(number, noun)| ui::count(*number, noun)).collect();
        let verb = if secrets.len() + plain.len() == 1 { "is" } else { "are" };
        let mut lines = Vec::new();
        for name in secrets {
            let how = host.keyring.how(name);
            lines.push(format!("`secret(\"{name}\")` was looked for here, and can be set in any of them:"));
            lines.extend(how.iter().map(|place| format!("  {place}")));
        }
        if !plain.is_empty() {
            lines.push("set in the environment:".to_owned());
            lines.extend(plain.iter().map(|name| format!("  {name}  for `env(\"{name}\")`")));
        }
        Err(Trouble::new(Exit::Environment, format!("{} {verb} missing", counted.join(" and "))).help(lines.join("\n")))
    }

    /// The native operations for which this build has no code.
    pub(crate) fn without_code(&self) -> Vec<String> {
        if self.natives.is_empty() {
            return Vec::new();
        }
        let table = flow_stdlib::native::native_table(None);
        let without = self.natives.iter().filter(|(connector, operation)| table.get(connector, operation).is_none());
        without.map(|(connector, operation)| format!("{connector}.{operation}")).collect()
    }

    fn check_natives(&self) -> Result<(), Trouble> {
        let named: Vec<String> = self.without_code().iter().map(|name| format!("`{name}`")).collect();
        if named.is_empty() {
            return Ok(());
        }
        let message = format!("this build of Flow has no code for {}", named.join(", "));
        Err(Trouble::new(Exit::Program, message).help(
            "`native` is for connectors that come with Flow: declare what is called with `request: …`, or write a body \
             of other calls. In tests, a stub stands for it",
        ))
    }
}

/// A plan without what receives its triggers.
fn without_triggers(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.triggers.clear();
    for connector in plan.connectors.values_mut() {
        let connector = Arc::make_mut(connector);
        connector.triggers.clear();
        connector.verifications.clear();
    }
    plan
}

fn json(plan: &Plan) -> Json {
    serde_json::to_value(plan).expect("a plan is always writable as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args, host::Surroundings, program::Place};

    fn found(json: Json) -> Needs {
        let mut needs = Needs::default();
        needs.walk(&json);
        needs
    }

    #[test]
    fn variables_without_default_and_secrets_are_found_wherever_they_stand() {
        let needs = found(serde_json::json!({
            "graph": [{ "Let": { "slot": 1, "value": { "Env": ["A", null] } } }],
            "config": { "x": { "Env": ["B", { "Env": ["C", null] }] }, "y": { "Literal": { "$secret": "s/one" } } },
            "list": { "Literal": [{ "$secret": "s/two" }, { "Env": ["data", null] }] },
        }));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(
            needs,
            Needs { secrets: names(&["s/one", "s/two"]), variables: names(&["A", "C"]), ..Needs::default() }
        );
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let needs = Needs {
            secrets: ["stripe/webhook".to_owned(), "slack/bot_token".to_owned()].into(),
            variables: ["REGION".to_owned()].into(),
            ..Needs::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let host = |set: &[&str]| {
            let set = set.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
            let data = args::Data { folder: None, environment: args::Environment { name: None } };
            let place = Place::of(folder.path(), &data.environment).unwrap();
            Host::new(&Surroundings::with(&place, folder.path(), &data, set).unwrap())
        };
        let trouble = needs.check(&host(&[])).unwrap_err();
        assert_eq!(trouble.message(), "2 secrets and 1 variable are missing");
        let help = trouble.helps().join("");
        for place in
            ["STRIPE_WEBHOOK", "SLACK_BOT_TOKEN", "REGION", ".env", "/run/secrets/stripe/webhook", "flowc secrets set"]
        {
            assert!(help.contains(place), "{help}");
        }
        assert!(needs.check(&host(&["STRIPE_WEBHOOK", "SLACK_BOT_TOKEN", "REGION"])).is_ok());
    }

    #[test]
    fn native_operations_have_code_in_this_build() {
        let of = |connector: &str, operation: &str| Needs {
            natives: [(connector.to_owned(), operation.to_owned())].into(),
            ..Needs::default()
        };
        assert!(of("files", "read").check_natives().is_ok());
        let trouble = of("own", "ping").check_natives().unwrap_err();
        assert_eq!(trouble.message(), "this build of Flow has no code for `own.ping`");
    }
}
