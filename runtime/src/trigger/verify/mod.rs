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
#[cfg(test)]
mod drawn;
mod header;
mod message;
mod proof;
mod refusal;
mod scheme;
#[cfg(test)]
mod tests;

use flow_model::{
    schema::{Proof, SignedPart},
    units::{Instant, Millis},
};
use http::HeaderMap;
use subtle::Choice;

use self::header::Presented;
pub(super) use self::proof::sign;
pub(crate) use self::proof::{Means, authenticated, encode, prove};
pub use self::{
    certificate::Roots,
    refusal::Refusal,
    scheme::{Grammar, Scheme, Spot},
};
use crate::secret::SecretText;

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
    let (presented, candidates) = presented(scheme, delivery)?;
    let means = Means { method: scheme.method, hash: scheme.hash, key: &scheme.key };
    let (mut matches, mut distrusted) = (Choice::from(0), None);
    for secret in usable(scheme)? {
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
    in_time(scheme, delivery, &presented, now)
}

/// What a request presents, and the proofs among it that can be ones.
fn presented(scheme: &Scheme, delivery: &Delivery<'_>) -> Result<(Presented, Vec<Vec<u8>>), Refusal> {
    let presented = header::read(scheme, delivery)?;
    let length = proof::length(scheme.method, scheme.hash);
    let candidates: Vec<Vec<u8>> = presented
        .signatures
        .iter()
        .filter_map(|text| proof::decode(scheme.method, text, scheme.encoding))
        .filter(|bytes| length.is_none_or(|length| bytes.len() == length))
        .collect();
    if candidates.is_empty() { Err(Refusal::Malformed) } else { Ok((presented, candidates)) }
}

/// The secrets that are set.
fn usable(scheme: &Scheme) -> Result<impl Iterator<Item = &SecretText>, Refusal> {
    let mut usable = scheme.secrets.iter().filter(|secret| !secret.reveal().is_empty()).peekable();
    if usable.peek().is_none() { Err(Refusal::NoSecret) } else { Ok(usable) }
}

fn in_time(scheme: &Scheme, delivery: &Delivery<'_>, presented: &Presented, now: Instant) -> Result<(), Refusal> {
    match scheme.tolerance {
        Some(tolerance) => within(header::time(scheme, delivery, presented)?.as_deref(), tolerance, now),
        None => Ok(()),
    }
}

/// Verifies a request whose body comes piece by piece, by a scheme for which [`takes_pieces`](flow_model::schema::Verification::takes_pieces) holds.
pub struct Proving<'a> {
    scheme: &'a Scheme,
    delivery: Delivery<'a>,
    presented: Presented,
    candidates: Vec<Vec<u8>>,
    /// A hash for each secret, over what stands before the body and what has come of it.
    running: Vec<(&'a SecretText, Box<dyn proof::Running>)>,
}

impl<'a> Proving<'a> {
    /// Begins, with all but the body.
    ///
    /// # Errors
    /// As [`verify`].
    pub fn begin(scheme: &'a Scheme, delivery: Delivery<'a>) -> Result<Self, Refusal> {
        let (presented, candidates) = presented(scheme, &delivery)?;
        let means = Means { method: scheme.method, hash: scheme.hash, key: &scheme.key };
        let mut running = Vec::new();
        for secret in usable(scheme)? {
            let Some(mut one) = proof::begin(means, secret) else { continue };
            let before = scheme.signed.split(is_body).next().unwrap_or_default();
            let pieces = message::pieces(before, scheme, &delivery, &presented, secret)?;
            pieces.iter().for_each(|piece| one.update(piece));
            running.push((secret, one));
        }
        Ok(Self { scheme, delivery, presented, candidates, running })
    }

    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        if self.scheme.signed.iter().any(is_body) {
            self.running.iter_mut().for_each(|(_, running)| running.update(piece));
        }
    }

    /// Ends: the body is over.
    ///
    /// # Errors
    /// As [`verify`].
    pub fn finish(self, now: Instant) -> Result<(), Refusal> {
        let Self { scheme, delivery, presented, candidates, running } = self;
        let mut matches = Choice::from(0);
        if scheme.method == Proof::Token {
            let means = Means { method: scheme.method, hash: scheme.hash, key: &scheme.key };
            usable(scheme)?.for_each(|secret| matches |= proof::holds(means, secret, &[], &candidates));
        }
        for (secret, mut running) in running {
            let after = scheme.signed.split(is_body).nth(1).unwrap_or_default();
            let pieces = message::pieces(after, scheme, &delivery, &presented, secret)?;
            pieces.iter().for_each(|piece| running.update(piece));
            matches |= proof::equal(&running.finish(), &candidates);
        }
        if bool::from(matches) { in_time(scheme, &delivery, &presented, now) } else { Err(Refusal::NoMatch) }
    }
}

fn is_body(part: &SignedPart) -> bool {
    *part == SignedPart::Body
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
