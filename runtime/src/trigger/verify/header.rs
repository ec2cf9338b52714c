//! What does a request present as its proof?

use flow_model::{
    boundary::{Limits, parse},
    schema::SignedPart,
};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde_json::Value as Json;

use super::{Delivery, Grammar, Refusal, Scheme, Spot};
use crate::trigger::event::MOST_VALUES;

/// What a request presents as its proof.
pub(super) struct Presented {
    /// The signatures, still encoded. At least one.
    pub(super) signatures: Vec<String>,
    /// The timestamp as it was sent.
    pub(super) timestamp: Option<String>,
}

pub(super) fn read(scheme: &Scheme, delivery: &Delivery<'_>) -> Result<Presented, Refusal> {
    let value = at(&scheme.header, delivery)?.ok_or(Refusal::NoHeader)?;
    let mut presented = match &scheme.grammar {
        Grammar::Whole { prefix } => {
            let signature = value.strip_prefix(prefix.as_str()).ok_or(Refusal::NoSignature)?;
            Presented { signatures: vec![signature.to_owned()], timestamp: None }
        }
        Grammar::Pairs { timestamp, signature } => pairs(&value, timestamp.as_deref(), signature)?,
        Grammar::List { separator, prefix } => {
            let parts = value.split(separator.as_str()).filter_map(|part| part.trim().strip_prefix(prefix.as_str()));
            Presented { signatures: parts.map(str::to_owned).collect(), timestamp: None }
        }
    };
    if let Some(spot) = scheme.timestamp.as_ref().filter(|_| !stands_in_what_is_signed(scheme)) {
        presented.timestamp = at(spot, delivery)?;
    }
    presented.signatures.retain(|text| !text.is_empty());
    if presented.signatures.is_empty() { Err(Refusal::NoSignature) } else { Ok(presented) }
}

/// Whether the time stands in the body, which is signed as a whole: it is read when that has matched.
fn stands_in_what_is_signed(scheme: &Scheme) -> bool {
    matches!(scheme.timestamp, Some(Spot::Field(_))) && !scheme.signed.contains(&SignedPart::Timestamp)
}

/// The time that a request says, once it has matched.
pub(super) fn time(scheme: &Scheme, delivery: &Delivery<'_>, presented: &Presented) -> Result<Option<String>, Refusal> {
    match &scheme.timestamp {
        Some(spot) if stands_in_what_is_signed(scheme) => at(spot, delivery),
        _ => Ok(presented.timestamp.clone()),
    }
}

/// What is in a place of a request that may be there once; none when it is absent or empty.
fn at(spot: &Spot, delivery: &Delivery<'_>) -> Result<Option<String>, Refusal> {
    let one = |name: &str, pairs: &mut dyn Iterator<Item = (String, String)>| {
        let mut found = pairs.filter(|(found, _)| found == name).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(Refusal::Ambiguous),
            (found, _) => Ok(found.filter(|value| !value.is_empty())),
        }
    };
    let owned = |bytes: &[u8]| -> Vec<(String, String)> { url::form_urlencoded::parse(bytes).into_owned().collect() };
    match spot {
        Spot::Header(name) => Ok(single(delivery.headers, name)?.map(str::to_owned)),
        Spot::Query(name) => {
            let query = delivery.url.split_once('?').map_or("", |(_, query)| query);
            one(name, &mut owned(query.as_bytes()).into_iter())
        }
        Spot::Field(name) if is_json(delivery.headers) => member(name, delivery.body),
        Spot::Field(name) => one(name, &mut owned(delivery.body).into_iter()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// A text or a number in a body of JSON, whose names stand apart by dots. A body in which a name stands twice is none: two
/// readers could see different things in it.
fn member(name: &str, body: &[u8]) -> Result<Option<String>, Refusal> {
    let json = parse(body, Limits { values: MOST_VALUES }).map_err(|_| Refusal::Malformed)?;
    let found = name.split('.').try_fold(&json, |value, name| value.get(name));
    Ok(match found {
        Some(Json::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
        Some(Json::Number(number)) => Some(number.to_string()),
        _ => None,
    })
}

/// The value of a header that may be there once; none when it is absent or empty. A value that is no visible ASCII is
/// nothing that a scheme could have put there.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::Ambiguous);
    }
    let value = value.to_str().map_err(|_| Refusal::Malformed)?.trim();
    Ok((!value.is_empty()).then_some(value))
}

/// Reads `t=1492774577,v1=5257a8…,v0=…`. Pairs of other keys are passed over; `;` separates as `,` does, as Paddle
/// writes it.
fn pairs(value: &str, timestamp_key: Option<&str>, signature_key: &str) -> Result<Presented, Refusal> {
    let mut presented = Presented { signatures: Vec::new(), timestamp: None };
    for pair in value.split([',', ';']) {
        let Some((key, value)) = pair.trim().split_once('=') else { continue };
        if key == signature_key {
            presented.signatures.push(value.to_owned());
        } else if Some(key) == timestamp_key && presented.timestamp.replace(value.to_owned()).is_some() {
            return Err(Refusal::Ambiguous);
        }
    }
    Ok(presented)
}
