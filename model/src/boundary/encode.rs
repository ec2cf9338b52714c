//! A value out, in the form that its type has in JSON: names (`from "createdAt"`) and formats (`@unix`).

use indexmap::IndexMap;
use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::{
    ty::{Field, Format, Type, TypeDef, Types},
    value::Value,
};

/// Writes a value of a type as JSON; [`decode`](super::decode) reads it back.
pub fn encode(value: &Value, ty: &Type, types: &Types) -> Json {
    wire(value, ty, types).to_json()
}

/// Gives a value of a type the names and formats that it has in JSON. Bytes, timestamps, secrets and the like stay what
/// they are: [`Value::to_json`] writes them. Of a record, the fields that its type has are taken, in the order of the
/// type; a field that the value lacks is left out. What does not fit the type is taken as it is.
pub fn wire(value: &Value, ty: &Type, types: &Types) -> Value {
    match (value, ty) {
        (value, Type::Optional(inner)) => wire(value, inner, types),
        (Value::List(items), Type::List(item) | Type::Stream(item)) => {
            Value::List(items.iter().map(|value| wire(value, item, types)).collect())
        }
        (Value::Record(entries), Type::Map(item)) => {
            Value::Record(entries.iter().map(|(key, value)| (key.clone(), wire(value, item, types))).collect())
        }
        (Value::Record(entries), Type::Record(fields)) => Value::Record(record(entries, fields, types)),
        (Value::Record(entries), Type::Named(name)) => match types.get(name) {
            Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => Value::Record(record(entries, fields, types)),
            Some(TypeDef::Union { on, cases }) => union(value, entries, on, cases, types),
            Some(TypeDef::Enum(_)) | None => value.clone(),
        },
        _ => value.clone(),
    }
}

/// Gives the value of a field or parameter the form that it has in JSON.
pub fn wire_field(value: &Value, field: &Field, types: &Types) -> Value {
    match field.format {
        Some(format) => formatted(value, format),
        None => wire(value, &field.ty, types),
    }
}

fn record(
    entries: &IndexMap<String, Value>,
    fields: &IndexMap<String, Field>,
    types: &Types,
) -> IndexMap<String, Value> {
    fields
        .iter()
        .filter_map(|(name, field)| {
            let json_name = field.json_name.as_ref().unwrap_or(name);
            Some((json_name.clone(), wire_field(entries.get(name)?, field, types)))
        })
        .collect()
}

fn union(
    value: &Value,
    entries: &IndexMap<String, Value>,
    on: &str,
    cases: &IndexMap<String, Type>,
    types: &Types,
) -> Value {
    let tag = entries.get(on).cloned();
    let case = tag.as_ref().and_then(Value::as_str).and_then(|tag| cases.get(tag));
    let (Some(tag), Some(case)) = (tag, case) else { return value.clone() };
    let mut written = wire(value, case, types);
    if let Value::Record(fields) = &mut written {
        fields.entry(on.to_owned()).or_insert(tag);
    }
    written
}

fn formatted(value: &Value, format: Format) -> Value {
    match value {
        Value::Timestamp(timestamp) => {
            let places = match format {
                Format::UnixSeconds => 9,
                Format::UnixMillis => 6,
            };
            let count = Decimal::from_i128_with_scale(timestamp.as_nanosecond(), places).normalize();
            super::number::integer(count).map_or(Value::Decimal(count), Value::Int)
        }
        Value::List(items) => Value::List(items.iter().map(|item| formatted(item, format)).collect()),
        other => other.clone(),
    }
}
