//! What fits and what does not, and the property that what is written reads back.

use indexmap::IndexMap;
use jiff::Timestamp;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;

use super::*;
use crate::{
    expr::Expr,
    ty::{Bounds, Field, Format, TypeDef},
    units::Millis,
    value::Money,
};

fn record<const N: usize>(fields: [(&str, Field); N]) -> IndexMap<String, Field> {
    fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect()
}

/// A schema that has one of everything.
fn types() -> Types {
    let named = |name: &str| Type::Named(name.to_owned());
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let line = record([
        ("sku", Field::of(Type::String)),
        ("quantity", Field { bounds: Bounds { min: Some(Decimal::ONE), ..Bounds::default() }, ..Field::of(Type::Int) }),
    ]);
    let order = record([
        ("id", Field::of(Type::Int)),
        ("created_at", Field { json_name: Some("createdAt".into()), ..Field::of(Type::Timestamp) }),
        ("paid", Field { format: Some(Format::UnixSeconds), ..Field::of(Type::Timestamp.optional()) }),
        ("seen", Field { format: Some(Format::UnixMillis), ..Field::of(Type::List(Box::new(Type::Timestamp))) }),
        ("total", Field::of(Type::Money(None))),
        ("rate", Field::of(Type::Decimal)),
        ("tier", Field::of(Type::OneOf(texts(&["pro", "standard"])))),
        ("state", Field::of(named("State"))),
        ("email", Field { pii: true, ..Field::of(Type::Email.optional()) }),
        ("note", Field { default: Some(Box::new(Expr::Literal(Value::text("none")))), ..Field::of(Type::String) }),
        ("labels", Field::of(Type::Map(Box::new(Type::String.optional())))),
        ("lines", Field::of(Type::List(Box::new(named("Line"))))),
        ("payment", Field::of(named("Payment"))),
        ("raw", Field::of(Type::Bytes)),
        ("day", Field::of(Type::Date)),
        ("wait", Field::of(Type::Duration)),
        ("size", Field::of(Type::Size)),
        ("anything", Field::of(Type::Json)),
    ]);
    let card = record([("brand", Field::of(Type::String))]);
    let sepa = record([("kind", Field::of(Type::String)), ("iban", Field::of(Type::String))]);
    let cases =
        [("card", Type::Record(card)), ("sepa", Type::Record(sepa))].map(|(tag, case)| (tag.to_owned(), case)).into();
    Types(
        [
            ("Line", TypeDef::Record(line)),
            ("Order", TypeDef::Record(order)),
            ("State", TypeDef::Enum(texts(&["Open", "Closed"]))),
            ("Payment", TypeDef::Union { on: "kind".into(), cases }),
        ]
        .map(|(name, def)| (name.to_owned(), def.into()))
        .into(),
    )
}

fn order() -> Type {
    Type::Named("Order".into())
}

fn written() -> Json {
    serde_json::from_str(
        r#"{
            "id": 9007199254740993, "createdAt": "2026-01-31T10:00:00Z", "paid": 1712000000, "seen": [1712000000500],
            "total": {"amount": "5.00", "currency": "EUR"}, "rate": 0.10, "tier": "pro", "state": "Open",
            "email": "jenny@example.com", "note": "x", "labels": {"a": "b", "c": null},
            "lines": [{"sku": "lamp", "quantity": 2}], "payment": {"kind": "card", "brand": "visa"},
            "raw": "AP8=", "day": "2026-01-31", "wait": "90s", "size": 4000000, "anything": {"deep": [1, 2.50]}
        }"#,
    )
    .unwrap()
}

#[test]
fn json_becomes_typed_values_and_unknown_fields_are_passed_over() {
    let mut json = written();
    json["unknown"] = json!({ "huge": serde_json::from_str::<Json>("1e400").unwrap() });
    let value = decode(&json, &order(), &types()).unwrap();
    let at = |text: &str| Value::Timestamp(text.parse().unwrap());
    assert_eq!(value.get("id"), Some(&Value::Int(9_007_199_254_740_993)));
    assert_eq!(value.get("created_at"), Some(&at("2026-01-31T10:00:00Z")));
    assert_eq!(value.get("paid"), Some(&at("2024-04-01T19:33:20Z")));
    assert_eq!(value.get("seen"), Some(&Value::List(vec![at("2024-04-01T19:33:20.5Z")])));
    assert_eq!(
        value.get("total"),
        Some(&Value::Money(Money { amount: "5.00".parse().unwrap(), currency: "EUR".into() }))
    );
    assert_eq!(value.get("rate").map(ToString::to_string).as_deref(), Some("0.10"));
    assert_eq!(value.get("wait"), Some(&Value::Duration(Millis::seconds(90))));
    assert_eq!(value.get("raw"), Some(&Value::Bytes([0, 255].as_slice().into())));
    assert_eq!(value.get("unknown"), None);
    assert_eq!(encode(&value, &order(), &types()), written());
}

#[test]
fn what_does_not_fit_is_named_by_its_path() {
    let cases: [(&str, Json, &str); 22] = [
        ("/id", json!("7"), "`id` should be an integer and is a string"),
        ("/id", json!(7.5), "`id` should be an integer of 64 bits and is the number 7.5"),
        (
            "/id",
            serde_json::from_str("9223372036854775808").unwrap(),
            "`id` should be an integer of 64 bits and is the number 9223372036854775808",
        ),
        (
            "/createdAt",
            json!(1),
            "`createdAt` should be a timestamp such as \"2026-01-31T10:00:00Z\" and is the number 1",
        ),
        (
            "/createdAt",
            json!("2026-01-31"),
            "`createdAt` should be a timestamp such as \"2026-01-31T10:00:00Z\" and is the text \"2026-01-31\"",
        ),
        ("/paid", json!("soon"), "`paid` should be seconds since 1970 and is a string"),
        ("/seen/0", json!(1e300), "`seen[0]` should be milliseconds since 1970 and is the number 1e+300"),
        (
            "/total/amount",
            json!("five"),
            "`total.amount` should be a decimal of at most 28 digits and is the text \"five\"",
        ),
        (
            "/total/currency",
            json!("eur"),
            "`total.currency` should be a currency of three capital letters and is the text \"eur\"",
        ),
        (
            "/rate",
            serde_json::from_str("1e400").unwrap(),
            "`rate` should be a decimal of at most 28 digits and is the number 1e+400",
        ),
        ("/tier", json!("gold"), "`tier` should be one of \"pro\", \"standard\" and is the text \"gold\""),
        ("/state", json!("open"), "`state` should be one of \"Open\", \"Closed\" and is the text \"open\""),
        ("/email", json!("jenny"), "`email` should be an e-mail address and is another text"),
        ("/labels/a", json!(1), "`labels.a` should be a string and is the number 1"),
        ("/lines", json!({}), "`lines` should be a list and is a record"),
        ("/lines/0/quantity", json!(0), "`lines[0].quantity` should be at least 1 and is the number 0"),
        ("/lines/0", json!({ "sku": "lamp" }), "`lines[0].quantity` is missing: expected an integer"),
        ("/payment", json!({ "brand": "visa" }), "`payment.kind` is missing: expected one of \"card\", \"sepa\""),
        ("/payment/kind", json!("cash"), "`payment.kind` should be one of \"card\", \"sepa\" and is the text \"cash\""),
        ("/payment", json!({ "kind": "sepa" }), "`payment.iban` is missing: expected a string"),
        ("/raw", json!("not base64!"), "`raw` should be bytes in base64 and is another text"),
        ("/note", Json::Null, "`note` should be a string and is null"),
    ];
    for (pointer, replacement, expected) in cases {
        let mut json = written();
        *json.pointer_mut(pointer).unwrap() = replacement;
        let message = decode(&json, &order(), &types()).unwrap_err().to_string();
        assert_eq!(message, expected);
    }
    assert_eq!(decode(&json!([]), &order(), &types()).unwrap_err().to_string(), "expected a record, found a list");
}

#[test]
fn a_time_that_is_a_number_is_read_from_text_too() {
    let (mut json, value) = (written(), decode(&written(), &order(), &types()).unwrap());
    let number = json["paid"].to_string();
    json["paid"] = json!(number);
    assert_eq!(decode(&json, &order(), &types()).unwrap().get("paid"), value.get("paid"));
}

#[test]
fn absent_fields_take_their_default_or_stay_absent() {
    let mut json = written();
    let fields = json.as_object_mut().unwrap();
    for name in ["paid", "email", "note"] {
        fields.remove(name);
    }
    let value = decode(&json, &order(), &types()).unwrap();
    assert_eq!(value.get("paid"), None);
    assert_eq!(value.get("email"), None);
    assert_eq!(value.get("note"), Some(&Value::text("none")));
    let (mut written, whole) =
        (wire(&value, &order(), &types()).to_json(), whole(&value, &order(), &types()).to_json());
    assert!(written.get("paid").is_none(), "{written}");
    written["paid"] = Json::Null;
    written["email"] = Json::Null;
    assert_eq!(written, whole);
}

#[test]
fn a_default_that_is_not_constant_is_asked_for() {
    let default = Expr::Call("fallback".into(), vec![]);
    let fields = record([("a", Field { default: Some(Box::new(default.clone())), ..Field::of(Type::Int) })]);
    let types = Types::default();
    let defaults = |expr: &Expr| {
        assert_eq!(*expr, default);
        Ok(Value::Int(7))
    };
    let decoder = Decoder::new(&types).with_defaults(&defaults);
    assert_eq!(decoder.json_fields(&json!({}), &fields), Ok(Value::record([("a", Value::Int(7))])));
    assert!(Decoder::new(&types).json_fields(&json!({}), &fields).is_err());
}

#[test]
fn patterns_and_lengths_hold_for_the_whole_text() {
    let bounds = Bounds { min: Some(Decimal::TWO), max: Some(Decimal::from(4)), pattern: Some("[a-z]+|é+".into()) };
    let fields = record([("code", Field { bounds, ..Field::of(Type::String.optional()) })]);
    let read = |json: Json| Decoder::new(&Types::default()).json_fields(&json, &fields);
    for good in [json!("ab"), json!("éééé"), Json::Null] {
        assert!(read(json!({ "code": good })).is_ok());
    }
    for bad in ["a", "abcde", "ab1", "ab\n", "1ab"] {
        assert!(read(json!({ "code": bad })).is_err(), "{bad}");
    }
}

#[test]
fn the_content_of_personal_data_stays_out_of_messages() {
    let fields = record([("code", Field { pii: true, ..Field::of(Type::OneOf(vec!["a".into(), "b".into()])) })]);
    let mismatch = Decoder::new(&Types::default()).json_fields(&json!({ "code": "Jenny" }), &fields).unwrap_err();
    assert_eq!(mismatch.to_string(), "`code` should be one of \"a\", \"b\" and is another text");
}

#[test]
fn keys_that_are_no_names_are_quoted_in_paths() {
    let ty = Type::Map(Box::new(Type::List(Box::new(Type::Int))));
    let mismatch = decode(&json!({ "a b\u{1b}": [1, "x"] }), &ty, &Types::default()).unwrap_err();
    assert_eq!(mismatch.path, r#"["a b\u001b"][1]"#);
}

#[test]
fn json_values_convert_and_secrets_can_not_be_read_from_json() {
    let json = Value::from_json(&written()).unwrap();
    assert_eq!(convert(&json, &order(), &types()), decode(&written(), &order(), &types()));
    assert_eq!(convert(&Value::text("a@b.example"), &Type::Email, &types()), Ok(Value::text("a@b.example")));
    let secret = Type::Secret(Box::new(Type::String));
    assert!(decode(&json!("x"), &secret, &types()).is_err());
    assert_eq!(convert(&Value::Secret("a".into()), &secret, &types()), Ok(Value::Secret("a".into())));
}

#[test]
fn a_union_keeps_its_tag_both_ways() {
    let ty = Type::Named("Payment".into());
    for json in [json!({ "kind": "card", "brand": "visa" }), json!({ "kind": "sepa", "iban": "DE02" })] {
        let value = decode(&json, &ty, &types()).unwrap();
        assert_eq!(value.get("kind").and_then(Value::as_str), json["kind"].as_str());
        assert_eq!(encode(&value, &ty, &types()), json);
    }
}

fn any_timestamp() -> impl Strategy<Value = Value> {
    (-2_000_000_000_i64..4_000_000_000, 0_i32..1_000_000_000)
        .prop_map(|(seconds, nanos)| Value::Timestamp(Timestamp::new(seconds, nanos.abs()).unwrap()))
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    (-79_228_162_514_264_337_593_543_950_335_i128..=79_228_162_514_264_337_593_543_950_335, 0_u32..=28)
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ".*".prop_map(Value::text),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(".*", inner, 0..6).prop_map(|map| Value::Record(map.into_iter().collect())),
        ]
    })
}

/// A type with a value of it.
fn typed() -> impl Strategy<Value = (Type, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| (Type::Bool, Value::Bool(value))),
        ".*".prop_map(|text| (Type::String, Value::text(text))),
        any::<i64>().prop_map(|value| (Type::Int, Value::Int(value))),
        any_decimal().prop_map(|value| (Type::Decimal, Value::Decimal(value))),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| (Type::Bytes, Value::Bytes(bytes.into()))),
        (any_decimal(), "[A-Z]{3}")
            .prop_map(|(amount, currency)| (Type::Money(None), Value::Money(Money { amount, currency }))),
        any_timestamp().prop_map(|value| (Type::Timestamp, value)),
        (1_i16..=9999, 1_i8..=12, 1_i8..=28)
            .prop_map(|(year, month, day)| (Type::Date, Value::Date(jiff::civil::date(year, month, day)))),
        any::<u64>().prop_map(|length| (Type::Duration, Value::Duration(Millis(length)))),
        (0..=i64::MAX as u64).prop_map(|bytes| (Type::Size, Value::Size(bytes))),
        "[a-z]{1,8}@[a-z]{1,8}\\.example".prop_map(|text| (Type::Email, Value::text(text))),
        "https://[a-z]{1,8}\\.example/[a-z]{0,5}".prop_map(|text| (Type::Url, Value::text(text))),
        prop_oneof![Just("a"), Just("b \"c\"")]
            .prop_map(|text| (Type::OneOf(vec!["a".into(), "b \"c\"".into()]), Value::text(text))),
        any_json().prop_map(|value| (Type::Json, value)),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let field = (inner.clone(), prop::option::of("[a-zA-Z$ ]{1,6}"), any::<bool>());
        prop_oneof![
            (inner.clone(), 0_usize..4)
                .prop_map(|((ty, value), count)| (Type::List(Box::new(ty)), Value::List(vec![value; count]))),
            (inner.clone(), prop::collection::vec(".*", 0..4)).prop_map(|((ty, value), keys)| {
                let entries = keys.into_iter().map(|key| (key, value.clone())).collect();
                (Type::Map(Box::new(ty)), Value::Record(entries))
            }),
            (inner, any::<bool>()).prop_map(|((ty, value), is_null)| match ty {
                Type::Json => (ty, value),
                ty => (ty.optional(), if is_null { Value::Null } else { value }),
            }),
            prop::collection::vec(field, 0..5).prop_map(|fields| {
                let (mut schema, mut values) = (IndexMap::new(), IndexMap::new());
                for (index, ((ty, value), json_name, unix)) in fields.into_iter().enumerate() {
                    let format = (ty == Type::Timestamp && unix).then_some(Format::UnixMillis);
                    // The index keeps two fields from having one JSON name.
                    let json_name = json_name.map(|name| format!("{name}{index}"));
                    schema.insert(format!("f{index}_"), Field { json_name, format, ..Field::of(ty) });
                    values.insert(format!("f{index}_"), value);
                }
                (Type::Record(schema), Value::Record(values))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back((ty, value) in typed()) {
        let types = Types::default();
        let text = serde_json::to_vec(&encode(&value, &ty, &types)).unwrap();
        let json = parse(&text, Limits::default()).unwrap();
        let read = decode(&json, &ty, &types);
        prop_assert_eq!(read, Ok(value.clone()));
        prop_assert_eq!(convert(&wire(&value, &ty, &types), &ty, &types), Ok(value));
    }

    #[test]
    fn no_input_makes_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), (ty, _) in typed()) {
        if let Ok(json) = parse(&bytes, Limits::default()) {
            let _ = decode(&json, &ty, &types());
        }
    }

    #[test]
    fn json_of_one_type_is_read_as_another_or_refused((ty, _) in typed(), (other, value) in typed()) {
        let json = encode(&value, &other, &Types::default());
        if let Ok(read) = decode(&json, &ty, &Types::default()) {
            let again = decode(&encode(&read, &ty, &Types::default()), &ty, &Types::default());
            prop_assert_eq!(again, Ok(read));
        }
    }
}
