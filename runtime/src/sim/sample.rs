//! Which value can stand for any of a type?
//!
//! The value is the same each time, and plain: what a person would write into a first test.

use flow_model::{
    file::File,
    ty::{Field, Type, TypeDef, Types},
    units::Millis,
    value::{Money, Value},
};
use indexmap::IndexMap;
use rust_decimal::Decimal;

/// How deep a value may nest: types may contain themselves.
const MOST_DEPTH: u32 = 8;

/// A value of the type. Where the type allows null, a value is given all the same, unless the type contains itself.
pub fn sample(ty: &Type, types: &Types) -> Value {
    at_depth(ty, types, 0)
}

fn at_depth(ty: &Type, types: &Types, depth: u32) -> Value {
    match ty {
        Type::Bool => Value::Bool(true),
        Type::Int => Value::Int(1),
        Type::Decimal => Value::Decimal(Decimal::ONE),
        Type::String | Type::Text(_) => Value::text("text"),
        Type::Bytes => Value::Bytes(b"bytes".as_slice().into()),
        Type::Money(currency) => Value::Money(Money {
            amount: Decimal::new(100, 2),
            currency: currency.clone().unwrap_or_else(|| "EUR".to_owned()),
        }),
        Type::Timestamp => Value::Timestamp(super::START.timestamp()),
        Type::Zoned => Value::Zoned(super::START.timestamp().to_zoned(jiff::tz::TimeZone::UTC)),
        Type::Date => Value::Date(jiff::civil::date(2026, 1, 1)),
        Type::Duration => Value::Duration(Millis::seconds(1)),
        Type::Size => Value::Size(1),
        Type::Email => Value::text("someone@example.com"),
        Type::Url => Value::text("https://example.com/"),
        Type::Uuid => Value::text("00000000-0000-4000-8000-000000000000"),
        Type::OneOf(texts) => texts.first().map_or(Value::Null, |text| Value::text(text.as_str())),
        Type::List(item) | Type::Stream(item) if depth < MOST_DEPTH => {
            Value::List(vec![at_depth(item, types, depth + 1)])
        }
        Type::List(_) | Type::Stream(_) => Value::List(Vec::new()),
        Type::Map(item) if depth < MOST_DEPTH => Value::record([("key", at_depth(item, types, depth + 1))]),
        Type::Map(_) => Value::Record(IndexMap::new()),
        Type::Record(fields) => record(fields, types, depth),
        Type::Optional(_) if depth >= MOST_DEPTH => Value::Null,
        Type::Optional(inner) => at_depth(inner, types, depth + 1),
        Type::Secret(_) => Value::Secret("sample".into()),
        Type::Json => Value::Record(IndexMap::new()),
        Type::Named(name) => match types.get(name) {
            Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => record(fields, types, depth),
            Some(TypeDef::Enum(variants)) => variants.first().map_or(Value::Null, |name| Value::text(name.as_str())),
            Some(TypeDef::Union { on, cases }) => match cases.iter().next() {
                Some((tag, case)) => match at_depth(case, types, depth + 1) {
                    Value::Record(mut fields) => {
                        fields.insert(on.clone(), Value::text(tag.as_str()));
                        Value::Record(fields)
                    }
                    other => other,
                },
                None => Value::Null,
            },
            None => Value::Null,
        },
        Type::File => Value::File(File::with_content(b"text".as_slice(), "file.txt", "text/plain").into()),
        Type::Unknown | Type::Never | Type::Null | Type::Function(..) | Type::Variable(_) => Value::Null,
    }
}

fn record(fields: &IndexMap<String, Field>, types: &Types, depth: u32) -> Value {
    Value::Record(fields.iter().map(|(name, field)| (name.clone(), at_depth(&field.ty, types, depth + 1))).collect())
}
