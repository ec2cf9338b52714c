//! What is signed of a request, in pieces, so that the body is not copied.

use std::borrow::Cow;

use flow_model::schema::SignedPart;
use sha2::{Digest as _, Sha256};

use super::{Delivery, Refusal, Scheme, header::Presented};
use crate::secret::SecretText;

/// The escapes that HubSpot decodes in a URL before it signs it ("Validating requests", version 3).
const HUBSPOT: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

pub(super) fn message<'a>(
    scheme: &'a Scheme,
    delivery: &Delivery<'a>,
    presented: &'a Presented,
    secret: &'a SecretText,
) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
    pieces(&scheme.signed, scheme, delivery, presented, secret)
}

/// The same for some of the parts.
pub(super) fn pieces<'a>(
    parts: &'a [SignedPart],
    scheme: &'a Scheme,
    delivery: &Delivery<'a>,
    presented: &'a Presented,
    secret: &'a SecretText,
) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
    let piece = |part: &'a SignedPart| {
        Ok(match part {
            SignedPart::Text(text) => Cow::Borrowed(text.as_bytes()),
            SignedPart::Timestamp => {
                Cow::Borrowed(presented.timestamp.as_deref().ok_or(Refusal::NoTimestamp)?.as_bytes())
            }
            SignedPart::Body => Cow::Borrowed(delivery.body),
            SignedPart::Method => Cow::Borrowed(delivery.method.as_bytes()),
            SignedPart::Url => Cow::Borrowed(delivery.url.as_bytes()),
            SignedPart::DecodedUrl => Cow::Owned(decoded(delivery.url).into_bytes()),
            SignedPart::Path => {
                let below = delivery.url.split_once("://").map_or(delivery.url, |(_, rest)| rest);
                let path = below.find('/').and_then(|at| below.get(at..)).unwrap_or("/");
                Cow::Borrowed(path.split(['?', '#']).next().unwrap_or(path).as_bytes())
            }
            SignedPart::Header(name) => {
                Cow::Borrowed(super::header::single(delivery.headers, name)?.ok_or(Refusal::NoHeader)?.as_bytes())
            }
            SignedPart::Param(index) => {
                Cow::Borrowed(scheme.values.get(*index as usize).ok_or(Refusal::NotSetUp)?.as_bytes())
            }
            SignedPart::Secret => Cow::Borrowed(secret.reveal().as_bytes()),
            SignedPart::Form => Cow::Owned(form(delivery.body)),
            SignedPart::BodySha256 => Cow::Owned(hex::encode(Sha256::digest(delivery.body)).into_bytes()),
            SignedPart::BodyCrc32 => Cow::Owned(crc32fast::hash(delivery.body).to_string().into_bytes()),
        })
    };
    parts.iter().map(piece).collect()
}

fn decoded(url: &str) -> String {
    let mut decoded = url.to_owned();
    for (escape, character) in HUBSPOT {
        decoded = decoded.replace(escape, character).replace(&escape.to_ascii_lowercase(), character);
    }
    decoded
}

/// The fields of a form by name, each name and value, with nothing between (Mailchimp Transactional, "Authenticating
/// webhook requests"; Twilio, "Webhooks security").
fn form(body: &[u8]) -> Vec<u8> {
    let mut fields: Vec<(Cow<'_, str>, Cow<'_, str>)> = url::form_urlencoded::parse(body).collect();
    fields.sort();
    fields
        .into_iter()
        .flat_map(|(name, value)| [name.into_owned(), value.into_owned()])
        .collect::<String>()
        .into_bytes()
}
