//! Recorded deliveries: what a system sends to a webhook, and what becomes of it.
//!
//! In: a connector and a delivery, with the time and the secrets that its signature was made with. Out: what is otherwise
//! than recorded. The delivery comes to a flow for each trigger of the connector, and is verified and read as in the
//! server; no flow runs.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use flow_compiler::{Catalog, reference::Reference};
use flow_model::units::Instant;
use flow_runtime::{
    eval::Library,
    secret::{SecretText, Secrets},
    trigger::{self, Delivered, Surroundings, verify::Roots},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use url::Url;

use super::{
    differs,
    replay::{compiled, literal, settings},
};

/// The connection that deliveries come to.
const CONNECTION: &str = "replayed";

/// A delivery and what becomes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// What it shows, in a few words; the name of the file where it says nothing.
    #[serde(default)]
    pub(crate) about: String,
    /// What was sent.
    delivery: Delivery,
    /// When it came, as RFC 3339 writes it.
    at: String,
    /// The texts of secrets by name; there are no others.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// Settings of the connection. A secret is its name.
    #[serde(default)]
    settings: Map<String, Json>,
    /// How it is verified, as a flow writes it, where the triggers say nothing.
    verify: Option<String>,
    /// The authorities that the certificates of senders may come from, in PEM.
    #[serde(default)]
    roots: String,
    /// The events that it brings; an empty list where no trigger is meant.
    events: Option<Vec<Event>>,
    /// Why it is refused, in the place of events: `no_match`.
    refused: Option<String>,
    /// What is sent back to a handshake, in the place of events: text, or JSON.
    answer: Option<Json>,
}

/// A request to a webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    #[serde(default = "post")]
    method: String,
    /// The whole of it, as the sender has it.
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// As it came, letter by letter.
    #[serde(default)]
    body: String,
}

/// What becomes of a delivery.
enum Outcome<'r> {
    Events(&'r [Event]),
    Refused(&'r str),
    Answer(&'r Json),
}

/// An event that a delivery brings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    /// The trigger: `payment_intent.succeeded`.
    trigger: String,
    /// What a flow sees of it; of records, only the fields that stand here count.
    payload: Json,
    /// By what it is known when it is sent again.
    key: Option<String>,
}

fn post() -> String {
    "POST".to_owned()
}

/// The secrets of a delivery.
struct Given(BTreeMap<String, String>);

impl Secrets for Given {
    fn get(&self, name: &str) -> Option<SecretText> {
        self.0.get(name).map(|text| SecretText::new(text.as_str()))
    }
}

/// Says what of a delivery is otherwise than recorded.
pub(crate) async fn replay(recorded: &Recorded, connector: &Reference, catalog: &Catalog) -> Vec<String> {
    let outcome = match (&recorded.events, &recorded.refused, &recorded.answer) {
        (Some(events), None, None) => Outcome::Events(events),
        (None, Some(reason), None) => Outcome::Refused(reason),
        (None, None, Some(answer)) => Outcome::Answer(answer),
        _ => return vec!["the delivery has to say one of `events`, `refused` and `answer`".to_owned()],
    };
    match delivered(recorded, connector, catalog).await {
        Ok((delivered, triggers)) => otherwise(&outcome, &delivered, &triggers),
        Err(wrong) => vec![wrong],
    }
}

/// What becomes of a delivery now, and the trigger of each flow by its name.
async fn delivered(
    recorded: &Recorded,
    connector: &Reference,
    catalog: &Catalog,
) -> Result<(Delivered, BTreeMap<String, String>), String> {
    let (text, triggers) = program(recorded, connector)?;
    let plans = compiled(&text, catalog).map_err(|told| format!("the delivery does not fit the connector: {told}"))?;
    let plans: Vec<_> = plans.into_values().map(Arc::new).collect();
    let surroundings = Surroundings {
        library: Library::new(flow_stdlib::functions()),
        env: Arc::new(BTreeMap::new()),
        secrets: Arc::new(Given(recorded.secrets.clone())),
        roots: Arc::new(Roots::only(&recorded.roots)),
    };
    let at: Timestamp =
        recorded.at.parse().map_err(|_| format!("`{}` is no time: write it as `2026-01-15T12:00:00Z`", recorded.at))?;
    let now = Instant(at.as_millisecond());
    let delivered = trigger::delivered(&plans, CONNECTION, sent(&recorded.delivery)?, surroundings, now).await;
    delivered.map(|delivered| (delivered, triggers)).map_err(|error| error.to_string())
}

/// A flow for each trigger, and the trigger of each flow.
fn program(recorded: &Recorded, connector: &Reference) -> Result<(String, BTreeMap<String, String>), String> {
    let settings = settings(&recorded.settings, connector)?;
    let mut text =
        format!("use {0}\n\nconnection {CONNECTION} = {0} {{ {1} }} @pii\n", connector.name, settings.join(", "));
    let mut triggers = BTreeMap::new();
    for trigger in connector.triggers.iter().filter(|trigger| trigger.every.is_none()) {
        let flow = format!("taken_{:04}", triggers.len());
        let mut said = Vec::new();
        if let Some(verify) = recorded.verify.as_ref().filter(|_| !trigger.verified) {
            said.push(format!("verify: {verify}"));
        }
        if !trigger.keyed {
            said.push(format!("dedupe: {}", literal(&Json::String("one".to_owned()))));
        }
        text.push_str(&format!(
            "\nflow {flow} {{\n  on {CONNECTION}.{} as event {{ {} }}\n  return event\n}}\n",
            trigger.name,
            said.join("\n")
        ));
        triggers.insert(flow, trigger.name.clone());
    }
    if triggers.is_empty() {
        return Err(format!("`{}` has no trigger that webhooks come to", connector.name));
    }
    Ok((text, triggers))
}

fn sent(delivery: &Delivery) -> Result<trigger::Sent, String> {
    let method = Method::from_bytes(delivery.method.as_bytes())
        .map_err(|_| format!("`{}` is no method of HTTP", delivery.method))?;
    let url: Url = delivery.url.parse().map_err(|error| format!("`{}` is no URL: {error}", delivery.url))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &delivery.headers {
        let name = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no name of a header"))?;
        let value = HeaderValue::try_from(value).map_err(|_| format!("the header `{name}` can't have this value"))?;
        headers.append(name, value);
    }
    Ok(trigger::Sent { method, url, headers, body: delivery.body.clone().into_bytes() })
}

/// What of an outcome is otherwise than recorded.
fn otherwise(expected: &Outcome<'_>, delivered: &Delivered, triggers: &BTreeMap<String, String>) -> Vec<String> {
    let trigger = |event: &trigger::Event| triggers.get(&event.flow).cloned().unwrap_or_default();
    match (expected, delivered) {
        (Outcome::Events(expected), Delivered::Events(events)) => {
            let names = |names: Vec<String>| match names.as_slice() {
                [] => "no event".to_owned(),
                names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            };
            let (brought, recorded): (Vec<_>, Vec<_>) =
                (events.iter().map(trigger).collect(), expected.iter().map(|event| event.trigger.clone()).collect());
            if brought != recorded {
                return vec![format!("it brings {}, and {} is recorded", names(brought), names(recorded))];
            }
            let each = expected.iter().zip(events).flat_map(|(expected, event)| {
                let payload = differs(&expected.payload, &event.payload.to_json(), "");
                let key = expected.key.as_ref().filter(|key| Some(*key) != event.key.as_ref()).map(|key| {
                    let actual = event.key.as_ref().map_or_else(|| "none".to_owned(), |key| format!("`{key}`"));
                    format!("it is known by the key {actual}, and `{key}` is recorded")
                });
                payload.map(|difference| format!("in `{}` {difference}", expected.trigger)).into_iter().chain(key)
            });
            each.collect()
        }
        (Outcome::Refused(expected), Delivered::Refused { reason, message }) if *expected != reason => {
            vec![format!("it is refused as `{reason}` ({message}), and `{expected}` is recorded")]
        }
        (Outcome::Refused(_), Delivered::Refused { .. }) => Vec::new(),
        (Outcome::Answer(expected), Delivered::Answered { status: 200, body }) => {
            let text = String::from_utf8_lossy(body);
            let actual = match expected {
                Json::String(_) => Json::String(text.trim_end_matches('\n').to_owned()),
                _ => serde_json::from_str(&text).unwrap_or_else(|_| Json::String(text.into_owned())),
            };
            differs(expected, &actual, "").map(|difference| format!("in the answer {difference}")).into_iter().collect()
        }
        (expected, Delivered::Refused { reason, message }) => {
            vec![format!("it is refused as `{reason}` ({message}), and {} is recorded", expected.spoken())]
        }
        (expected, Delivered::Answered { status, .. }) => {
            vec![format!("it is answered with status {status}, and {} is recorded", expected.spoken())]
        }
        (expected, Delivered::Events(events)) => {
            let brought: Vec<_> = events.iter().map(|event| format!("`{}`", trigger(event))).collect();
            vec![format!("it is taken ({}), and {} is recorded", brought.join(", "), expected.spoken())]
        }
    }
}

impl Outcome<'_> {
    fn spoken(&self) -> String {
        match self {
            Self::Events(_) => "that it is taken".to_owned(),
            Self::Refused(reason) => format!("the refusal `{reason}`"),
            Self::Answer(_) => "an answer".to_owned(),
        }
    }
}
