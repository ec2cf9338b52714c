//! What does each connector declare, and how are connections made of it?
//!
//! In: connectors, policies and connections as written, with the names of the program known as far as types go. Out:
//! [`flow_model::schema::Connector`] for each connector in use, and the plan's connections and policies. Each mistake in
//! a declaration is reported at its place, also in connectors of the catalog.

mod auth;
mod body;
mod bulk;
mod challenge;
mod connection;
mod errors;
mod http;
mod limit;
mod operation;
mod origin;
mod page;
mod place;
mod policy;
mod poll;
mod reach;
mod reference;
mod request;
mod section;
mod setting;
mod steps;
mod template;
mod verification;
mod webhook;

use std::collections::BTreeMap;

use flow_model::{diagnostic::Diagnostic, plan::Policy};

pub(crate) use connection::connections;
pub(crate) use policy::{MOST_TIMES, over, policies};
pub(crate) use verification::verify_call;

use crate::{ast, names::Names, types::Definitions};
use section::Section;
use template::Template;

/// What of a connector is being described, and what is known for it.
struct Context<'a, 'n> {
    names: &'a Names<'n>,
    definitions: &'a Definitions,
    connector: &'a str,
}

/// Completes the schema of a connector, of which types, parameters and results are known.
pub(crate) fn connector(
    names: &mut Names<'_>,
    name: &str,
    ast: &ast::Connector,
    definitions: &Definitions,
    problems: &mut Vec<Diagnostic>,
) {
    let context = Context { names, definitions, connector: name };
    let verifications = verification::verifications(&context, ast, problems);
    if let Some(info) = names.connectors.get_mut(name) {
        info.schema.verifications = verifications;
    }
    let context = Context { names, definitions, connector: name };
    let http = ast.http.as_ref().and_then(|(span, properties)| http::http(&context, *span, properties, problems));
    let errors = ast.errors.as_ref().map(|errors| errors::errors(&context, errors, problems)).unwrap_or_default();
    let mut operations = BTreeMap::new();
    let mut triggers = BTreeMap::new();
    if let Some(info) = names.connectors.get(name) {
        for written in &ast.operations {
            let full = written.name.text();
            let is_first = info.operations.get(&full).is_some_and(|spans| spans.name == written.name.span());
            if let (Some(operation), true) = (info.schema.operations.get(&full), is_first) {
                let complete = operation::operation(&context, written, operation.clone(), &errors, problems);
                operations.insert(full, complete);
            }
        }
        for written in &ast.triggers {
            let full = written.name.text();
            let is_first = info.triggers.get(&full) == Some(&written.name.span());
            if let (Some(trigger), true) = (info.schema.triggers.get(&full), is_first) {
                triggers.insert(full, webhook::webhook(&context, written, trigger.clone(), problems));
            }
        }
    }
    if let Some(http) = &http {
        auth::has_a_place(ast, http, &operations, problems);
    }
    let mut challenges = BTreeMap::new();
    for written in &ast.challenges {
        if let Some(challenge) = challenge::challenge(&context, written, problems) {
            challenges.entry(written.name.text.clone()).or_insert(challenge);
        }
    }
    let webhooks =
        ast.webhooks.as_ref().map(|(span, properties)| challenge::webhooks(&context, *span, properties, problems));
    let retry = ast.errors.as_ref().and_then(|written| errors::retry(&context, written, problems));
    if let Some(info) = names.connectors.get_mut(name) {
        info.schema.challenges = challenges;
        info.schema.webhooks = webhooks;
        info.schema.policy = Policy { retry, ..Policy::default() };
        info.schema.http = http;
        info.schema.errors = errors;
        info.schema.operations = operations;
        info.schema.triggers = triggers;
    }
}
