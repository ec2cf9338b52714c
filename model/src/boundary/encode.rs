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
    Writing { types, absent: Absent::LeftOut }.value(value, ty)
}

/// The same, with null for each field that the value lacks and its type lets be null.
pub fn whole(value: &Value, ty: &Type, types: &Types) -> Value {
    Writing { types, absent: Absent::Null }.value(value, ty)
}

/// Gives the value of a field or parameter the form that it has in JSON.
pub fn wire_field(value: &Value, field: &Field, types: &Types) -> Value {
    Writing { types, absent: Absent::LeftOut }.field(value, field)
}

/// What stands for a field that a record lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    LeftOut,
    Null,
}

struct Writing<'t> {
    types: &'t Types,
    absent: Absent,
}

impl Writing<'_> {
    fn value(&self, value: &Value, ty: &Type) -> Value {
        match (value, ty) {
            (value, Type::Optional(inner)) => self.value(value, inner),
            (Value::List(items), Type::List(item) | Type::Stream(item)) => {
                Value::List(items.iter().map(|value| self.value(value, item)).collect())
            }
            (Value::Record(entries), Type::Map(item)) => {
                Value::Record(entries.iter().map(|(key, value)| (key.clone(), self.value(value, item))).collect())
            }
            (Value::Record(entries), Type::Record(fields)) => Value::Record(self.record(entries, fields)),
            (Value::Record(entries), Type::Named(name)) => match self.types.get(name) {
                Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => Value::Record(self.record(entries, fields)),
                Some(TypeDef::Union { on, cases }) => self.union(value, entries, on, cases),
                Some(TypeDef::Enum(_)) | None => value.clone(),
            },
            _ => value.clone(),
        }
    }

    fn field(&self, value: &Value, field: &Field) -> Value {
        match field.format {
            Some(format) => formatted(value, format),
            None => self.value(value, &field.ty),
        }
    }

    fn record(&self, entries: &IndexMap<String, Value>, fields: &IndexMap<String, Field>) -> IndexMap<String, Value> {
        fields
            .iter()
            .filter_map(|(name, field)| {
                let json_name = field.json_name.as_ref().unwrap_or(name);
                let value = match entries.get(name) {
                    Some(value) => self.field(value, field),
                    None if self.absent == Absent::Null && field.ty.is_nullable() => Value::Null,
                    None => return None,
                };
                Some((json_name.clone(), value))
            })
            .collect()
    }

    fn union(
        &self,
        value: &Value,
        entries: &IndexMap<String, Value>,
        on: &str,
        cases: &IndexMap<String, Type>,
    ) -> Value {
        let tag = entries.get(on).cloned();
        let case = tag.as_ref().and_then(Value::as_str).and_then(|tag| cases.get(tag));
        let (Some(tag), Some(case)) = (tag, case) else { return value.clone() };
        let mut written = self.value(value, case);
        if let Value::Record(fields) = &mut written {
            fields.entry(on.to_owned()).or_insert(tag);
        }
        written
    }
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
