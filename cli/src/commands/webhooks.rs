//! `flowc webhooks`: where do other systems send what happens, and do they know it?

mod kept;
mod register;
mod renew;

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{
    plan::{Plan, TriggerKind},
    schema::WebhookTrigger,
};
use flow_runtime::trigger::{self, Route, Verified};
use serde_json::json;

use self::kept::{Book, Entry, State};
pub(super) use self::renew::{Hooks, renew};
use super::serve::served;
use crate::{
    args::{self, Format, WebhooksCommand},
    exit::Exit,
    program::{self, Place},
    trouble::Trouble,
    ui::{self, CARE, HINT, QUIET, plain, styled, table::table},
};

/// Looks at webhooks.
///
/// # Errors
/// A program has errors, or two flows want the same requests.
pub(crate) fn webhooks(args: &args::Webhooks) -> Result<Exit, Trouble> {
    match &args.command {
        WebhooksCommand::List(args) => list(args),
        WebhooksCommand::Register(args) => register::register(args),
        WebhooksCommand::Remove(args) => register::remove(args),
    }
}

fn list(args: &args::WebhooksList) -> Result<Exit, Trouble> {
    let place = Place::of(&args.of.path, &args.of.data.environment)?;
    let book = Book::look(&place.data_folder(&args.of.data, &args.of.path))?;
    let plans = served(&place, &program::served(&args.of.path)?)?.plans;
    let routes = trigger::routes(&plans).map_err(|error| Trouble::new(Exit::Program, error.to_string()))?;
    let public = place.project().serve.public_url.as_ref().map(|url| url.value.as_str().trim_end_matches('/'));
    let url = |route: &Route| format!("{}{}", public.unwrap_or_default(), route.path);
    if args.of.format == Format::Json {
        let webhooks = routes.iter().map(|route| {
            json!({
                "method": route.method,
                "path": route.path,
                "url": public.map(|_| url(route)),
                "flows": route.flows,
                "events": events(&plans, route),
                "verified": route.verified == Verified::All,
                "registered": entry(&book, route).map(|entry| entry.id().is_some()),
                "id": entry(&book, route).and_then(Entry::id),
                "expires": entry(&book, route).and_then(|entry| entry.expires).map(|end| end.to_string()),
            })
        });
        ui::print(&format!("{:#}\n", json!({ "version": 1, "webhooks": webhooks.collect::<Vec<_>>() })))?;
        return Ok(Exit::Done);
    }
    if routes.is_empty() {
        ui::print(&format!("no flow of `{}` is started by requests\n", args.of.path.display()))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 6]> = routes
        .iter()
        .map(|route| {
            let verified = match route.verified {
                Verified::All => "verified".to_owned(),
                Verified::NotAll => styled(CARE, "unverified"),
            };
            let events = events(&plans, route).into_iter().collect::<Vec<_>>().join(", ");
            let there = match entry(&book, route).map(|entry| (&entry.state, entry.expires)) {
                None => String::new(),
                Some((State::Registered { id }, expires)) => {
                    let until = expires.map(|end| format!(" until {end}")).unwrap_or_default();
                    format!("{}{until}", plain(id.as_deref().unwrap_or("registered")))
                }
                Some((State::Asked { .. }, _)) => styled(CARE, "not known"),
            };
            [route.method.clone(), styled(HINT, url(route)), route.flows.join(", "), verified, there, events]
        })
        .collect();
    let mut text = table(["METHOD", "URL", "FLOWS", "SENDER", "REGISTERED", "EVENTS"], &rows);
    if public.is_none() {
        let hint = "set `public_url` in `[serve]` of flow.toml: then these are the URLs to register";
        text.push_str(&format!("\n{}\n", styled(QUIET, hint)));
    }
    ui::print(&text)?;
    Ok(Exit::Done)
}

/// The events of a connection that flows ask for at a path, by the names that the vendor has for them where its connector
/// says them.
fn events(plans: &[Arc<Plan>], route: &Route) -> BTreeSet<String> {
    let mut events = BTreeSet::new();
    for plan in plans {
        for trigger in &plan.triggers {
            let TriggerKind::Webhook { connection, trigger: name, .. } = &trigger.kind else { continue };
            if route.path != format!("/hooks/{connection}") {
                continue;
            }
            let connector = plan.connections.get(connection).and_then(|used| plan.connectors.get(&used.connector));
            let declared = connector.and_then(|connector| connector.triggers.get(name));
            events.extend(called_there(name, declared));
        }
    }
    events
}

/// What the vendor calls the events of a trigger.
fn called_there(name: &str, declared: Option<&WebhookTrigger>) -> Vec<String> {
    match declared {
        Some(declared) if !declared.events.is_empty() => declared.events.clone(),
        _ => vec![name.to_owned()],
    }
}

/// What is remembered of the webhook at a path.
fn entry<'b>(book: &'b Book, route: &Route) -> Option<&'b Entry> {
    book.get(route.path.strip_prefix("/hooks/")?)
}
