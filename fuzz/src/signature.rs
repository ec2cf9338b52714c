//! Verifies any header over any body by each grammar: nothing but the secret's own signature is taken.
//!
//! The first line is the header; what follows is the body.

use flow_model::{
    schema::{DigestEncoding, Hash, KeyForm, Proof, SignedPart},
    units::{Instant, Millis},
};
use flow_runtime::{
    secret::{Redactor, SecretText},
    trigger::verify::{Delivery, Grammar, Proving, Roots, Scheme, Spot, verify},
};
use http::{HeaderMap, HeaderValue};

/// What holds of whatever is given.
pub fn signature(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (header, body) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let Ok(value) = HeaderValue::from_bytes(header) else { return };
    let mut headers = HeaderMap::new();
    headers.append("x-signature", value);
    let grammars = [
        Grammar::Whole { prefix: "sha256=".to_owned() },
        Grammar::List { separator: " ".to_owned(), prefix: "v1,".to_owned() },
        Grammar::Pairs { timestamp: Some("t".to_owned()), signature: "v1".to_owned() },
    ];
    for (grammar, encoding) in
        grammars.into_iter().zip([DigestEncoding::Hex, DigestEncoding::Base64, DigestEncoding::Hex])
    {
        let signed = match &grammar {
            Grammar::Pairs { .. } => vec![SignedPart::Timestamp, SignedPart::Text(".".to_owned()), SignedPart::Body],
            _ => vec![SignedPart::Body],
        };
        let tolerance = signed.contains(&SignedPart::Timestamp).then_some(Millis::seconds(300));
        let scheme = Scheme {
            method: Proof::Hmac,
            hash: Hash::Sha256,
            // Nobody guesses it: so whatever is taken is a mistake.
            secrets: vec![SecretText::new("kQ2vX0q8mJ7yRZ4b9wUeTt6sPfL3aHcD")],
            carried: Redactor::default(),
            key: KeyForm::Text,
            encoding,
            header: Spot::Header("x-signature".to_owned()),
            grammar,
            timestamp: None,
            signed,
            values: Vec::new(),
            tolerance,
        };
        let delivery = Delivery { method: "POST", url: "https://hooks.example.com/", headers: &headers, body };
        let now = Instant(1_700_000_000_000);
        let whole = verify(&scheme, &delivery, &Roots::only(""), now);
        assert!(whole.is_err(), "nobody has signed this");
        let pieces = Proving::begin(&scheme, Delivery { body: b"", ..delivery }).and_then(|mut proving| {
            body.chunks(7).for_each(|piece| proving.update(piece));
            proving.finish(now)
        });
        assert_eq!(whole, pieces, "piece by piece it is the same");
    }
}
