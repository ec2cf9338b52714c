//! Does a request come from whom it says?
//!
//! In: the request as received, its body as raw bytes, a [`Scheme`] with its secrets, and the time. Out: nothing, or the
//! [`Refusal`]. Everything that is not a match is a refusal: a header that is missing, twice there, empty, of another
//! version or not decodable, a timestamp outside the tolerance, a secret that is not set. Signatures are compared in
//! constant time and before anything else is looked at, so that a refusal tells nobody but the holder of the secret more
//! than that it did not match.
//!
//! A certificate, where one is the secret, is looked at after its signature has matched, for the same reason.
//!
//! Left out on purpose: parsing of the body, which comes after.

mod certificate;
mod header;
mod message;
mod proof;
mod refusal;
mod scheme;
#[cfg(test)]
mod tests;

use flow_model::units::{Instant, Millis};
use http::HeaderMap;
use subtle::Choice;

use self::proof::Means;
pub(super) use self::proof::sign;
pub use self::{
    certificate::Roots,
    refusal::Refusal,
    scheme::{Grammar, Scheme, Spot},
};

/// A request as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The method: `POST`.
    pub method: &'a str,
    /// The URL with its query, as the sender saw it.
    pub url: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The bytes of the body, before any decoding.
    pub body: &'a [u8],
}

/// Verifies a request.
///
/// # Errors
/// Why the request is refused. Whoever does not know the secret can't get [`Refusal::TooOld`] or [`Refusal::TooEarly`].
pub fn verify(scheme: &Scheme, delivery: &Delivery<'_>, roots: &Roots, now: Instant) -> Result<(), Refusal> {
    let presented = header::read(scheme, delivery)?;
    let length = proof::length(scheme.method, scheme.hash);
    let candidates: Vec<Vec<u8>> = presented
        .signatures
        .iter()
        .filter_map(|text| proof::decode(scheme.method, text, scheme.encoding))
        .filter(|bytes| length.is_none_or(|length| bytes.len() == length))
        .collect();
    if candidates.is_empty() {
        return Err(Refusal::Malformed);
    }
    let mut usable = scheme.secrets.iter().filter(|secret| !secret.reveal().is_empty()).peekable();
    if usable.peek().is_none() {
        return Err(Refusal::NoSecret);
    }
    let means = Means { method: scheme.method, hash: scheme.hash, key: &scheme.key };
    let (mut matches, mut distrusted) = (Choice::from(0), None);
    for secret in usable {
        let message = message::message(scheme, delivery, &presented, secret)?;
        let pieces: Vec<&[u8]> = message.iter().map(AsRef::as_ref).collect();
        let holds = proof::holds(means, secret, &pieces, &candidates);
        if means.is_signature()
            && bool::from(holds)
            && let Err(refusal) = certificate::trusted(secret.reveal(), roots, now)
        {
            distrusted = Some(refusal);
            continue;
        }
        matches |= holds;
    }
    if !bool::from(matches) {
        return Err(distrusted.unwrap_or(Refusal::NoMatch));
    }
    match scheme.tolerance {
        Some(tolerance) => within(presented.timestamp.as_deref(), tolerance, now),
        None => Ok(()),
    }
}

fn within(timestamp: Option<&str>, tolerance: Millis, now: Instant) -> Result<(), Refusal> {
    let sent = instant(timestamp.ok_or(Refusal::NoTimestamp)?).ok_or(Refusal::BadTimestamp)?;
    if now.since(sent) > tolerance {
        Err(Refusal::TooOld)
    } else if sent.since(now) > tolerance {
        Err(Refusal::TooEarly)
    } else {
        Ok(())
    }
}

/// Reads a timestamp as vendors write it: seconds or milliseconds since 1970, or RFC 3339. What is written in digits
/// counts milliseconds from the number on that, as seconds, would lie past the year 5000.
fn instant(text: &str) -> Option<Instant> {
    const MILLISECONDS_FROM: i64 = 100_000_000_000;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return Some(Instant(if number < MILLISECONDS_FROM { number * 1000 } else { number }));
    }
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    Some(Instant(timestamp.as_millisecond()))
}
