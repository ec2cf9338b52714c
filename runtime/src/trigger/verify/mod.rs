//! Does a request come from whom it says?
//!
//! In: the request as received, its body as raw bytes, a [`Scheme`] with its secrets, and the time. Out: nothing, or the
//! [`Refusal`]. Everything that is not a match is a refusal: a header that is missing, twice there, empty, of another
//! version or not decodable, a timestamp outside the tolerance, a secret that is not set. Signatures are compared in
//! constant time and before anything else is looked at, so that a refusal tells nobody but the holder of the secret more
//! than that it did not match.
//!
//! Left out on purpose: parsing of the body, which comes after.

mod header;
mod refusal;
mod scheme;
#[cfg(test)]
mod tests;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{
    schema::{DigestEncoding, Hash, SignedPart},
    units::{Instant, Millis},
};
use hmac::{Hmac, KeyInit as _, Mac, digest::block_api::EagerHash};
use http::HeaderMap;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use self::header::Presented;
pub use self::{
    refusal::Refusal,
    scheme::{Grammar, Scheme},
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
pub fn verify(scheme: &Scheme, delivery: &Delivery<'_>, now: Instant) -> Result<(), Refusal> {
    let presented = header::read(scheme, delivery.headers)?;
    let length = length(scheme.hash);
    let candidates: Vec<Vec<u8>> = presented
        .signatures
        .iter()
        .filter_map(|text| decode(text, scheme.encoding))
        .filter(|bytes| bytes.len() == length)
        .collect();
    if candidates.is_empty() {
        return Err(Refusal::Malformed);
    }
    let message = message(scheme, delivery, &presented)?;
    let mut usable = scheme.secrets.iter().filter(|secret| !secret.reveal().is_empty()).peekable();
    if usable.peek().is_none() {
        return Err(Refusal::NoSecret);
    }
    let mut matches = Choice::from(0);
    for secret in usable {
        let expected = digest(scheme.hash, secret, &message);
        for candidate in &candidates {
            matches |= expected.as_slice().ct_eq(candidate);
        }
    }
    if !bool::from(matches) {
        return Err(Refusal::NoMatch);
    }
    match scheme.tolerance {
        Some(tolerance) => within(presented.timestamp, tolerance, now),
        None => Ok(()),
    }
}

/// What is signed, in pieces, so that the body is not copied.
fn message<'a>(
    scheme: &'a Scheme,
    delivery: &Delivery<'a>,
    presented: &Presented<'a>,
) -> Result<Vec<&'a [u8]>, Refusal> {
    let piece = |part: &'a SignedPart| match part {
        SignedPart::Text(text) => Ok(text.as_bytes()),
        SignedPart::Timestamp => presented.timestamp.map(str::as_bytes).ok_or(Refusal::NoTimestamp),
        SignedPart::Body => Ok(delivery.body),
        SignedPart::Method => Ok(delivery.method.as_bytes()),
        SignedPart::Url => Ok(delivery.url.as_bytes()),
    };
    scheme.signed.iter().map(piece).collect()
}

fn digest(hash: Hash, secret: &SecretText, message: &[&[u8]]) -> Vec<u8> {
    fn of<D: EagerHash>(secret: &SecretText, message: &[&[u8]]) -> Vec<u8>
    where
        Hmac<D>: Mac + hmac::KeyInit,
    {
        let mut mac = Hmac::<D>::new_from_slice(secret.reveal().as_bytes()).expect("an HMAC takes a key of any length");
        for piece in message {
            mac.update(piece);
        }
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        Hash::Sha1 => of::<Sha1>(secret, message),
        Hash::Sha256 => of::<Sha256>(secret, message),
        Hash::Sha512 => of::<Sha512>(secret, message),
    }
}

/// The length of a digest in bytes (FIPS 180-4, figure 1).
fn length(hash: Hash) -> usize {
    match hash {
        Hash::Sha1 => 20,
        Hash::Sha256 => 32,
        Hash::Sha512 => 64,
    }
}

fn decode(text: &str, encoding: DigestEncoding) -> Option<Vec<u8>> {
    match encoding {
        DigestEncoding::Hex => hex::decode(text).ok(),
        DigestEncoding::Base64 => STANDARD.decode(text).ok(),
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
