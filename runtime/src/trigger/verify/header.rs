//! What does the signature header say?

use http::HeaderMap;

use super::{Grammar, Refusal, Scheme};

/// What a request presents as its proof.
pub(super) struct Presented<'a> {
    /// The signatures, still encoded. At least one.
    pub(super) signatures: Vec<&'a str>,
    /// The timestamp as it was sent.
    pub(super) timestamp: Option<&'a str>,
}

pub(super) fn read<'a>(scheme: &Scheme, headers: &'a HeaderMap) -> Result<Presented<'a>, Refusal> {
    let value = single(headers, &scheme.header)?.ok_or(Refusal::NoHeader)?;
    let mut presented = match &scheme.grammar {
        Grammar::Whole { prefix } => {
            let signature = value.strip_prefix(prefix.as_str()).ok_or(Refusal::NoSignature)?;
            Presented { signatures: vec![signature], timestamp: None }
        }
        Grammar::Pairs { timestamp, signature } => pairs(value, timestamp.as_deref(), signature)?,
    };
    if let Some(name) = &scheme.timestamp_header {
        presented.timestamp = single(headers, name)?;
    }
    presented.signatures.retain(|text| !text.is_empty());
    if presented.signatures.is_empty() { Err(Refusal::NoSignature) } else { Ok(presented) }
}

/// The value of a header that may be there once; none when it is absent or empty. A value that is no visible ASCII is
/// nothing that a scheme could have put there.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
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
fn pairs<'a>(value: &'a str, timestamp_key: Option<&str>, signature_key: &str) -> Result<Presented<'a>, Refusal> {
    let mut presented = Presented { signatures: Vec::new(), timestamp: None };
    for pair in value.split([',', ';']) {
        let Some((key, value)) = pair.trim().split_once('=') else { continue };
        if key == signature_key {
            presented.signatures.push(value);
        } else if Some(key) == timestamp_key && presented.timestamp.replace(value).is_some() {
            return Err(Refusal::Ambiguous);
        }
    }
    Ok(presented)
}
