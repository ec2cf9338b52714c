//! What a value is as a parameter of PostgreSQL.
//!
//! The server has said which type each parameter has. Values go in the written form of that type, which the server reads
//! exactly or refuses; bytes go as they are. What would be read as something else than is meant does not leave.

use bytes::BytesMut;
use flow_model::value::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

/// A value that is bound.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self.0, base(ty)) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Bytes(bytes), &Type::BYTEA) => out.extend_from_slice(bytes),
            (value, ty) => out.extend_from_slice(written(value, ty)?.as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match (self.0, base(ty)) {
            (Value::Bytes(_), &Type::BYTEA) => Format::Binary,
            _ => Format::Text,
        }
    }

    to_sql_checked!();
}

fn base(ty: &Type) -> &Type {
    match ty.kind() {
        Kind::Domain(inner) => base(inner),
        _ => ty,
    }
}

/// The written form of a value for a type.
///
/// # Errors
/// Why the type does not take it.
pub(super) fn written(value: &Value, ty: &Type) -> Result<String, String> {
    let ty = base(ty);
    let unfit =
        |help: &str| Err(format!("the statement takes `{}` here, and this is {}{help}", ty.name(), value.kind()));
    let is_json = matches!(*ty, Type::JSON | Type::JSONB);
    let is_text = matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN);
    let is_number =
        matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8 | Type::NUMERIC | Type::FLOAT4 | Type::FLOAT8 | Type::OID);
    if let (Value::List(items), Kind::Array(item)) = (value, ty.kind()) {
        return array(items, item);
    }
    Ok(match value {
        value if is_json => value.to_json().to_string(),
        Value::Bool(value) if *ty == Type::BOOL || is_text => value.to_string(),
        Value::Int(value) if is_number || is_text => value.to_string(),
        Value::Decimal(value) if is_number || is_text => value.to_string(),
        Value::Size(value) if is_number || is_text => value.to_string(),
        // Types of other names than these read the text and refuse it where it is none of theirs.
        Value::String(text) if !is_number && *ty != Type::BOOL && *ty != Type::BYTEA => text.to_string(),
        Value::Timestamp(at) if is_moment(ty) || is_text => at.to_string(),
        Value::Zoned(at) if is_moment(ty) => at.timestamp().to_string(),
        Value::Date(day) if *ty == Type::DATE || is_text => day.to_string(),
        Value::Duration(length) if *ty == Type::INTERVAL => format!("{} milliseconds", length.0),
        Value::List(_) => return unfit(": a list is taken by `= any({…})`"),
        Value::Money(_) => return unfit(": insert its `.amount` and its `.currency`"),
        Value::File(_) => return unfit(": insert its text or its bytes"),
        Value::Timestamp(_) | Value::Zoned(_) if *ty == Type::DATE => {
            return unfit(": a day is `at.in(\"Europe/Berlin\").date()`");
        }
        _ => return unfit(""),
    })
}

/// A `timestamp` without a time zone is taken for UTC, as it is when read.
fn is_moment(ty: &Type) -> bool {
    matches!(*ty, Type::TIMESTAMPTZ | Type::TIMESTAMP)
}

/// `{"a","b",NULL}`: every item is quoted, so that none is taken for another thing (PostgreSQL documentation, section
/// 8.15.6).
fn array(items: &[Value], item: &Type) -> Result<String, String> {
    let mut text = String::from("{");
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match value {
            Value::Null => text.push_str("NULL"),
            Value::List(inner) if !matches!(*base(item), Type::JSON | Type::JSONB) => {
                text.push_str(&array(inner, item)?)
            }
            Value::Bytes(bytes) if *base(item) == Type::BYTEA => {
                text.push_str(&format!("\"\\\\x{}\"", hex::encode(bytes)));
            }
            value => {
                text.push('"');
                for letter in written(value, item)?.chars() {
                    if matches!(letter, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(letter);
                }
                text.push('"');
            }
        }
    }
    text.push('}');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_arrays_stay_what_they_are() {
        let items = ["plain", "NULL", "a,b", "\"q\" \\ {x}", ""].map(Value::text);
        let list = Value::List([items.as_slice(), &[Value::Null]].concat());
        let text = written(&list, &Type::TEXT_ARRAY).unwrap();
        assert_eq!(text, r#"{"plain","NULL","a,b","\"q\" \\ {x}","",NULL}"#);
    }

    #[test]
    fn what_would_be_read_as_something_else_does_not_leave() {
        for (value, ty) in [
            (Value::Int(1), Type::BOOL),
            (Value::text("1"), Type::INT4),
            (Value::text("\\x00"), Type::BYTEA),
            (Value::Bytes([0].into()), Type::TEXT),
            (Value::Timestamp(jiff::Timestamp::UNIX_EPOCH), Type::DATE),
            (Value::List(vec![]), Type::TEXT),
        ] {
            let refused = written(&value, &ty).unwrap_err();
            assert!(refused.contains(ty.name()) && refused.contains(value.kind()), "{refused}");
        }
        assert_eq!(written(&Value::text("a\"b"), &Type::JSONB).unwrap(), "\"a\\\"b\"");
    }
}
