//! The expected digests were computed with Python's `hmac`, GitHub's is the one of its own documentation ("Validating
//! webhook deliveries", testing the webhook payload validation).

use std::collections::BTreeMap;

use flow_model::{
    expr::{Ambient, Expr, Slot},
    schema::{DigestEncoding, Hash, HeaderGrammar, KeyForm, Place, Proof, SignedPart, Verification, VerifyCall},
    ty::{Field, Type, Types},
    value::Value,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::{
    eval::{Evaluator, Library},
    secret::{Redactor, SecretText, Secrets},
};

const KEY: &str = "whsec_test_secret";
const NEXT_KEY: &str = "whsec_next_secret";
const BODY: &[u8] = br#"{"id":"evt_1","amount":1999}"#;
const NOW: Instant = Instant(1_700_000_000_000);
/// HMAC-SHA256 of `1700000000.` and the body, with each of the keys.
const STRIPE: &str = "fa2855d9478a1cd5c9edff5796ff8681b07391550436fd2ecb7d5fbc95ca37f2";
const STRIPE_NEXT: &str = "f118134176bd96ff51e1ce19e04432f941ffb97d7af02209fc6eaac41807f892";
/// The same with an empty key.
const STRIPE_EMPTY_KEY: &str = "b43a59c045628af560607c9c205eaf9055200a6a7b5d3ccb036e957591459c9b";

/// HMAC-SHA256 with the key, in hexadecimal.
fn keyed(body: &[u8]) -> String {
    let mut running = proof::keyed(Hash::Sha256, KEY.as_bytes());
    running.update(body);
    hex::encode(running.finish())
}

fn stripe(secrets: &[&str]) -> Scheme {
    Scheme {
        method: Proof::Hmac,
        carried: Redactor::default(),
        key: KeyForm::Text,
        values: Vec::new(),
        hash: Hash::Sha256,
        secrets: secrets.iter().map(|text| SecretText::new(*text)).collect(),
        encoding: DigestEncoding::Hex,
        header: Spot::Header("Stripe-Signature".to_owned()),
        grammar: Grammar::Pairs { timestamp: Some("t".to_owned()), signature: "v1".to_owned() },
        timestamp: None,
        signed: vec![SignedPart::Timestamp, SignedPart::Text(".".to_owned()), SignedPart::Body],
        tolerance: Some(Millis::seconds(300)),
    }
}

fn whole(hash: Hash, encoding: DigestEncoding, prefix: &str, key: &str) -> Scheme {
    Scheme {
        method: Proof::Hmac,
        carried: Redactor::default(),
        key: KeyForm::Text,
        values: Vec::new(),
        hash,
        secrets: vec![SecretText::new(key)],
        encoding,
        header: Spot::Header("x-signature".to_owned()),
        grammar: Grammar::Whole { prefix: prefix.to_owned() },
        timestamp: None,
        signed: vec![SignedPart::Body],
        tolerance: None,
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn check(scheme: &Scheme, pairs: &[(&str, &str)], body: &[u8], now: Instant) -> Result<(), Refusal> {
    let headers = headers(pairs);
    let url = "https://hooks.example.com/hooks/crm?a=1";
    verify(scheme, &Delivery { method: "POST", url, headers: &headers, body }, &Roots::only(""), now)
}

fn stripe_check(value: &str) -> Result<(), Refusal> {
    check(&stripe(&[KEY]), &[("stripe-signature", value)], BODY, NOW)
}

#[test]
fn stripes_scheme_matches_whatever_else_is_in_the_header() {
    let other = "ab".repeat(32);
    for value in [
        format!("t=1700000000,v1={STRIPE}"),
        format!("t=1700000000, v1={STRIPE}, v0={other}"),
        format!("v0={other},v1={other},v1={STRIPE},t=1700000000"),
        format!("t=1700000000,v1=zz,v1={STRIPE}"),
        format!("t=1700000000,v1={}", STRIPE.to_uppercase()),
        format!("t=1700000000;v1={STRIPE}"),
    ] {
        assert_eq!(stripe_check(&value), Ok(()), "{value}");
    }
}

#[test]
fn case_08_what_is_no_proof_is_refused_with_its_reason() {
    let odd = STRIPE.get(..63).unwrap();
    let short = STRIPE.get(..62).unwrap();
    let flipped = STRIPE.replacen('f', "e", 1);
    for (value, reason) in [
        (String::new(), Refusal::NoHeader),
        ("   ".to_owned(), Refusal::NoHeader),
        ("hello".to_owned(), Refusal::NoSignature),
        ("t=1700000000".to_owned(), Refusal::NoSignature),
        ("t=1700000000,v1=".to_owned(), Refusal::NoSignature),
        (format!("t=1700000000,v0={STRIPE}"), Refusal::NoSignature),
        (format!("t=1700000000,v2={STRIPE}"), Refusal::NoSignature),
        (format!("t=1700000000,V1={STRIPE}"), Refusal::NoSignature),
        (format!("t=1700000000,v1={odd}"), Refusal::Malformed),
        (format!("t=1700000000,v1={short}"), Refusal::Malformed),
        (format!("t=1700000000,v1={STRIPE}00"), Refusal::Malformed),
        (format!("t=1700000000,v1=sha256={STRIPE}"), Refusal::Malformed),
        (format!("t=1700000000,v1={flipped}"), Refusal::NoMatch),
        (format!("t=1700000001,v1={STRIPE}"), Refusal::NoMatch),
        (format!("t=01700000000,v1={STRIPE}"), Refusal::NoMatch),
        (format!("v1={STRIPE}"), Refusal::NoTimestamp),
        (format!("t=1,t=1700000000,v1={STRIPE}"), Refusal::Ambiguous),
    ] {
        assert_eq!(stripe_check(&value), Err(reason), "{value}");
    }
    let good = format!("t=1700000000,v1={STRIPE}");
    let twice = [("stripe-signature", good.as_str()), ("stripe-signature", good.as_str())];
    assert_eq!(check(&stripe(&[KEY]), &twice, BODY, NOW), Err(Refusal::Ambiguous));
    assert_eq!(check(&stripe(&[KEY]), &[], BODY, NOW), Err(Refusal::NoHeader));
    let mut map = HeaderMap::new();
    map.insert("stripe-signature", HeaderValue::from_bytes(b"t=1,v1=\xff\xfe").unwrap());
    let delivery = Delivery { method: "POST", url: "", headers: &map, body: BODY };
    assert_eq!(verify(&stripe(&[KEY]), &delivery, &Roots::only(""), NOW), Err(Refusal::Malformed));
}

#[test]
fn another_body_does_not_match() {
    let good = format!("t=1700000000,v1={STRIPE}");
    for body in [b"".as_slice(), br#"{"id":"evt_1","amount":1999} "#, br#"{"id": "evt_1","amount":1999}"#] {
        assert_eq!(check(&stripe(&[KEY]), &[("stripe-signature", &good)], body, NOW), Err(Refusal::NoMatch));
    }
}

#[test]
fn secrets_in_rotation_match_with_either_and_an_absent_one_never() {
    let old = format!("t=1700000000,v1={STRIPE}");
    let new = format!("t=1700000000,v1={STRIPE_NEXT}");
    let empty = format!("t=1700000000,v1={STRIPE_EMPTY_KEY}");
    let refused =
        |secrets: &[&str], value: &str| check(&stripe(secrets), &[("stripe-signature", value)], BODY, NOW).err();
    assert_eq!(refused(&[KEY, NEXT_KEY], &old), None);
    assert_eq!(refused(&[KEY, NEXT_KEY], &new), None);
    assert_eq!(refused(&["", NEXT_KEY], &new), None);
    assert_eq!(refused(&[NEXT_KEY], &old), Some(Refusal::NoMatch));
    assert_eq!(refused(&["", NEXT_KEY], &empty), Some(Refusal::NoMatch));
    assert_eq!(refused(&[""], &empty), Some(Refusal::NoSecret));
    assert_eq!(refused(&[], &old), Some(Refusal::NoSecret));
}

#[test]
fn the_timestamp_may_lie_up_to_the_tolerance_from_now_in_both_directions() {
    let good = format!("t=1700000000,v1={STRIPE}");
    let at = |offset: i64| check(&stripe(&[KEY]), &[("stripe-signature", &good)], BODY, Instant(NOW.0 + offset));
    assert_eq!(at(300_000), Ok(()));
    assert_eq!(at(300_001), Err(Refusal::TooOld));
    assert_eq!(at(-300_000), Ok(()));
    assert_eq!(at(-300_001), Err(Refusal::TooEarly));
    assert_eq!(at(i64::MAX - NOW.0), Err(Refusal::TooOld));
    assert_eq!(at(i64::MIN), Err(Refusal::TooEarly));
}

#[test]
fn times_read_as_vendors_write_them() {
    assert_eq!(instant("1700000000"), Some(NOW));
    assert_eq!(instant("1700000000123"), Some(Instant(1_700_000_000_123)));
    assert_eq!(instant("2023-11-14T22:13:20Z"), Some(NOW));
    for text in ["", "-1", "1e9", "99999999999999999999", "soon", "1700000000.5"] {
        assert_eq!(instant(text), None, "{text}");
    }
}

#[test]
fn a_signed_timestamp_that_is_no_time_is_refused() {
    let mut scheme = whole(Hash::Sha256, DigestEncoding::Hex, "", KEY);
    scheme.tolerance = Some(Millis::seconds(300));
    scheme.timestamp = Some(Spot::Header("x-timestamp".to_owned()));
    let signature = keyed(BODY);
    let signed = |time: &str| check(&scheme, &[("x-signature", &signature), ("x-timestamp", time)], BODY, NOW);
    assert_eq!(signed("soon"), Err(Refusal::BadTimestamp));
    assert_eq!(signed(""), Err(Refusal::NoTimestamp));
    assert_eq!(signed("1700000000"), Ok(()));
}

#[test]
fn githubs_prefix_is_part_of_the_proof() {
    let scheme = whole(Hash::Sha256, DigestEncoding::Hex, "sha256=", "It's a Secret to Everybody");
    let digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let signed = |value: &str| check(&scheme, &[("X-Signature", value)], b"Hello, World!", NOW);
    assert_eq!(signed(&format!("sha256={digest}")), Ok(()));
    assert_eq!(signed(digest), Err(Refusal::NoSignature));
    assert_eq!(signed(&format!("sha1={digest}")), Err(Refusal::NoSignature));
    assert_eq!(signed("sha256="), Err(Refusal::NoSignature));
}

#[test]
fn digests_are_read_as_hex_or_base64_and_never_as_the_other() {
    let base64 = whole(Hash::Sha256, DigestEncoding::Base64, "", KEY);
    let text = "OXgib6cnIlrCfuXdRtgugvOa9+Wb54HGqiffaPwKCec=";
    let signed = |scheme: &Scheme, value: &str| check(scheme, &[("x-signature", value)], BODY, NOW);
    assert_eq!(signed(&base64, text), Ok(()));
    assert_eq!(signed(&base64, text.trim_end_matches('=')), Err(Refusal::Malformed));
    assert_eq!(signed(&base64, STRIPE), Err(Refusal::Malformed));
    let sha1 = whole(Hash::Sha1, DigestEncoding::Hex, "sha1=", KEY);
    assert_eq!(signed(&sha1, "sha1=33af2d70c8bd2d33b8d702e28e12e88b05104d84"), Ok(()));
    let sha512 = whole(Hash::Sha512, DigestEncoding::Base64, "", KEY);
    let text = "UwEMeJzsqhhFR5F54QhmFXX8LNQlXAPZzjqxPjYKYaVrZdDUuM24zmAyubbMK1uZbTXfX0WnuQXKMpF+vPIXEg==";
    assert_eq!(signed(&sha512, text), Ok(()));
    assert_eq!(signed(&sha512, "OXgib6cnIlrCfuXdRtgugvOa9+Wb54HGqiffaPwKCec="), Err(Refusal::Malformed));
}

#[test]
fn every_byte_of_the_body_counts_whatever_it_is() {
    let scheme = whole(Hash::Sha256, DigestEncoding::Hex, "", KEY);
    let body: Vec<u8> = (0..=255).collect();
    let signature = "395b703813e851f1b70f301e5384d88385f832d5447afe934d4830264ce1afb3";
    assert_eq!(check(&scheme, &[("x-signature", signature)], &body, NOW), Ok(()));
    let of_nothing = "c6c175a074d482e2b94a0f8c5619f3abd861a511ec3ea7603b906811fd3d9d30";
    assert_eq!(check(&scheme, &[("x-signature", of_nothing)], b"", NOW), Ok(()));
}

#[test]
fn method_url_and_a_timestamp_of_its_own_header_can_be_signed() {
    let scheme = Scheme {
        timestamp: Some(Spot::Header("x-timestamp".to_owned())),
        signed: vec![SignedPart::Method, SignedPart::Url, SignedPart::Body, SignedPart::Timestamp],
        tolerance: Some(Millis::seconds(300)),
        ..whole(Hash::Sha256, DigestEncoding::Base64, "", KEY)
    };
    let signature = ("x-signature", "erckzMEJBwomhY43s/xcdbSFkkAabEaH4SSHvGNIeLA=");
    assert_eq!(check(&scheme, &[signature, ("x-timestamp", "1700000000123")], BODY, NOW), Ok(()));
    assert_eq!(check(&scheme, &[signature, ("x-timestamp", "1700000000124")], BODY, NOW), Err(Refusal::NoMatch));
    assert_eq!(check(&scheme, &[signature], BODY, NOW), Err(Refusal::NoTimestamp));
}

struct Vault(BTreeMap<&'static str, &'static str>);

impl Secrets for Vault {
    fn get(&self, name: &str) -> Option<SecretText> {
        self.0.get(name).map(|text| SecretText::new(*text))
    }
}

fn resolved(args: Vec<Expr>) -> Result<Scheme, Refusal> {
    let slot = |index: u32| Expr::Slot(Slot(index));
    let mut tolerance = Field::of(Type::Duration);
    tolerance.default = Some(Box::new(Expr::Literal(Value::Duration(Millis::seconds(300)))));
    let scheme = Verification {
        doc: String::new(),
        params: [
            ("secret".to_owned(), Field::of(Type::Secret(Box::new(Type::String)))),
            ("tolerance".to_owned(), tolerance),
        ]
        .into_iter()
        .collect(),
        method: Proof::Hmac,
        key: KeyForm::Text,
        hash: Hash::Sha256,
        secret: slot(0),
        encoding: DigestEncoding::Hex,
        header: Place::Header(Expr::Literal(Value::text("Stripe-Signature"))),
        grammar: HeaderGrammar::Pairs { timestamp: Some("t".to_owned()), signature: "v1".to_owned() },
        timestamp: None,
        signed: vec![SignedPart::Timestamp, SignedPart::Text(".".to_owned()), SignedPart::Body],
        tolerance: Some(slot(1)),
    };
    let config = Value::record([("signing", Value::Secret("old".into()))]);
    let (library, functions, types, env) = (Library::default(), BTreeMap::new(), Types::default(), BTreeMap::new());
    let ambient = |which: Ambient| (which == Ambient::Config).then(|| config.clone());
    let evaluator = Evaluator { library: &library, functions: &functions, types: &types, env: &env, ambient: &ambient };
    let vault = Vault([("old", KEY), ("new", NEXT_KEY)].into_iter().collect());
    Scheme::resolve(&VerifyCall { scheme, args }, &evaluator, &vault)
}

#[test]
fn a_scheme_takes_its_arguments_defaults_and_secrets() {
    let secret = |name: &str| Expr::Literal(Value::Secret(name.into()));
    let header = format!("t=1700000000,v1={STRIPE}");
    let accepts =
        |args| check(&resolved(args).unwrap(), &[("stripe-signature", &header)], BODY, Instant(NOW.0 + 300_001));
    assert_eq!(accepts(vec![secret("old")]), Err(Refusal::TooOld));
    let longer = Expr::Literal(Value::Duration(Millis::seconds(301)));
    assert_eq!(accepts(vec![secret("old"), longer.clone()]), Ok(()));
    let from_config =
        Expr::Member { of: Box::new(Expr::Ambient(Ambient::Config)), name: "signing".to_owned(), null_safe: false };
    assert_eq!(accepts(vec![from_config, longer.clone()]), Ok(()));
    let list = Expr::Literal(Value::List(vec![Value::Secret("gone".into()), Value::Secret("old".into())]));
    assert_eq!(accepts(vec![list, longer.clone()]), Ok(()));
    assert_eq!(accepts(vec![secret("gone"), longer]), Err(Refusal::NoSecret));
}

#[test]
fn a_scheme_that_can_t_be_computed_refuses() {
    let missing = Expr::Env("NOT_SET".to_owned(), None);
    assert_eq!(resolved(vec![missing]).err(), Some(Refusal::NotSetUp));
    let plain = Expr::Literal(Value::text(KEY));
    assert_eq!(resolved(vec![plain]).err(), Some(Refusal::NotSetUp));
}

proptest! {
    #[test]
    fn no_header_is_a_proof_by_chance(value in "[ -~]{0,200}", body in prop::collection::vec(any::<u8>(), 0..64)) {
        let pairs = [("stripe-signature", value.as_str()), ("x-signature", value.as_str())];
        prop_assert!(check(&stripe(&[KEY, ""]), &pairs, &body, NOW).is_err());
        prop_assert!(check(&whole(Hash::Sha256, DigestEncoding::Base64, "", KEY), &pairs, &body, NOW).is_err());
    }

    #[test]
    fn a_signature_matches_its_body_and_no_other(body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>()) {
        let scheme = whole(Hash::Sha256, DigestEncoding::Hex, "", KEY);
        let signature = keyed(&body);
        let pairs = [("x-signature", signature.as_str())];
        prop_assert_eq!(check(&scheme, &pairs, &body, NOW), Ok(()));
        let mut other = body.clone();
        other[at.index(body.len())] ^= 1;
        prop_assert_eq!(check(&scheme, &pairs, &other, NOW), Err(Refusal::NoMatch));
    }
}
