//! Proofs that are changed at random, thousands of times: none but the right one is taken, whole or piece by piece, and nothing
//! falls. `fuzz/fuzz_targets/signature.rs` looks for more.

use flow_model::schema::{DigestEncoding, Hash, KeyForm, Proof as Method, SignedPart};
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::{chance::Seeded, secret::Redactor};

const ROUNDS: usize = 20_000;
const KEY: &str = "whsec_test_secret";
const BODY: &[u8] = br#"{"id":"evt_1","amount":1999}"#;
const SENT: &str = "1700000000";
const NOW: Instant = Instant(1_700_000_000_000);

/// What is put into headers: what their grammars are made of, and what none is.
const PIECES: [&[u8]; 22] = [
    b"t=",
    b"v1=",
    b"v1,",
    b"v0=",
    b"sha256=",
    b",",
    b";",
    b" ",
    b"=",
    b"==",
    b"\t",
    b"-1",
    b"0",
    b"f",
    b"00",
    b"\"",
    b"\\",
    b"1700000000",
    b"99999999999999999999",
    b"2023-11-14T22:13:20Z",
    b"\xff\xfe",
    b"+/-_",
];

/// The right proof of a body under a key, in hexadecimal.
fn proof_of(message: &[u8]) -> String {
    let mut running = proof::keyed(Hash::Sha256, KEY.as_bytes());
    running.update(message);
    hex::encode(running.finish())
}

fn scheme(header: Spot, grammar: Grammar, timestamp: Option<Spot>, signed: Vec<SignedPart>) -> Scheme {
    let tolerance = signed.contains(&SignedPart::Timestamp).then_some(Millis::seconds(300));
    Scheme {
        method: Method::Hmac,
        hash: Hash::Sha256,
        secrets: vec![SecretText::new(""), SecretText::new("another"), SecretText::new(KEY)],
        carried: Redactor::default(),
        key: KeyForm::Text,
        encoding: DigestEncoding::Hex,
        header,
        grammar,
        timestamp,
        signed,
        values: Vec::new(),
        tolerance,
    }
}

/// A scheme, and the right header of it for the body.
fn schemes() -> Vec<(Scheme, String)> {
    let timed = || vec![SignedPart::Timestamp, SignedPart::Text(".".to_owned()), SignedPart::Body];
    let at = || Spot::Header("x-signature".to_owned());
    let (plain, dated) = (proof_of(BODY), proof_of(&[SENT.as_bytes(), b".", BODY].concat()));
    let whole = |prefix: &str| Grammar::Whole { prefix: prefix.to_owned() };
    let list = Grammar::List { separator: " ".to_owned(), prefix: "v1,".to_owned() };
    let pairs = Grammar::Pairs { timestamp: Some("t".to_owned()), signature: "v1".to_owned() };
    let time = || Some(Spot::Header("x-time".to_owned()));
    let token = Scheme { method: Method::Token, ..scheme(at(), whole(""), None, Vec::new()) };
    vec![
        (scheme(at(), whole(""), None, vec![SignedPart::Body]), plain.clone()),
        (scheme(at(), whole("sha256="), None, vec![SignedPart::Body]), format!("sha256={plain}")),
        (scheme(at(), list, time(), timed()), format!("v1,00 v1,{dated}")),
        (scheme(at(), pairs, None, timed()), format!("t={SENT},v0=00,v1={dated}")),
        (scheme(at(), whole(""), time(), timed()), dated),
        (token, KEY.to_owned()),
    ]
}

/// What holds of a delivery, whole and piece by piece.
fn held(scheme: &Scheme, headers: &HeaderMap, body: &[u8], drawn: &Seeded) -> Result<(), Refusal> {
    let delivery = Delivery { method: "POST", url: "https://hooks.example.com/hooks/crm?a=1", headers, body };
    let whole = verify(scheme, &delivery, &Roots::only(""), NOW);
    let pieces = Proving::begin(scheme, Delivery { body: b"", ..delivery }).and_then(|mut proving| {
        let size = 1 + usize::try_from(drawn.below(16)).unwrap();
        body.chunks(size).for_each(|piece| proving.update(piece));
        proving.finish(NOW)
    });
    assert_eq!(whole, pieces, "{headers:?}");
    whole
}

#[test]
fn a_proof_that_is_changed_at_random_is_refused_unless_it_is_still_one() {
    let drawn = Seeded::new(0x51_67);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let schemes = schemes();
        let (scheme, right) = &schemes[round % schemes.len()];
        let header =
            if drawn.one_in(8) { right.clone().into_bytes() } else { drawn.changed(right.as_bytes(), 3, &PIECES) };
        let body = if drawn.one_in(4) { drawn.changed(BODY, 3, &PIECES) } else { BODY.to_vec() };
        let time = if drawn.one_in(4) { drawn.changed(SENT.as_bytes(), 3, &PIECES) } else { SENT.as_bytes().to_vec() };
        // What can't stand in a header never arrives.
        let (Ok(value), Ok(sent)) = (HeaderValue::from_bytes(&header), HeaderValue::from_bytes(&time)) else {
            continue;
        };
        let mut headers = HeaderMap::new();
        headers.append("x-signature", value.clone());
        if drawn.one_in(50) {
            headers.append("x-signature", value);
        }
        headers.append("x-time", sent);
        match held(scheme, &headers, &body, &drawn) {
            Ok(()) => {
                taken += 1;
                let shown = String::from_utf8(header).unwrap().to_ascii_lowercase();
                let times = shown
                    .split(['=', ',', ';'])
                    .map(|part| part.trim().as_bytes())
                    .chain([time.as_slice().trim_ascii()]);
                let mut proofs = times.map(|time| proof_of(&[time, b".", &body].concat())).chain([proof_of(&body)]);
                let is_proof = match scheme.method {
                    Method::Token => shown.trim() == KEY,
                    _ => proofs.any(|proof| shown.contains(&proof)),
                };
                assert!(is_proof, "taken: {shown} for {}", String::from_utf8_lossy(&body));
                assert_eq!(headers.get_all("x-signature").iter().count(), 1, "one that is there twice says nothing");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(taken > ROUNDS / 20 && refused > ROUNDS / 3, "{taken} were taken and {refused} refused");
}
