//! CSV and JSON lines as values, and text as the types that are expected of it.
//!
//! Every value of CSV is text; [`typed`] turns it into what a declared type asks for, where the text is one.

use flow_model::{
    boundary::{self, Limits},
    csv::{self, MOST_ROWS},
    ty::{Type, TypeDef, Types},
    value::Value,
};
use indexmap::IndexMap;
use serde_json::Value as Json;

/// Reads CSV: a list of records.
///
/// # Errors
/// Why it is not acceptable, with line and column: not UTF-8, a row with other columns, a value or a table that is too
/// long, a name that is there twice.
pub(super) fn csv(bytes: &[u8], separator: u8) -> Result<Value, String> {
    csv::rows(bytes, separator, None).map(Value::List)
}

/// Reads JSON lines: one value a line, empty ones passed over.
///
/// # Errors
/// The first line that is not acceptable JSON.
pub(super) fn json_lines(bytes: &[u8]) -> Result<Json, String> {
    let mut values = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if values.len() == MOST_ROWS {
            return Err(format!("it has more than {MOST_ROWS} lines"));
        }
        let value = boundary::parse(line, Limits::default()).map_err(|error| format!("line {}: {error}", at + 1))?;
        values.push(value);
    }
    Ok(Json::Array(values))
}

/// A value that was text in a table or in XML, as a type asks for it: numbers and truths are read, an empty text is null
/// where null may be, and one element is a list of one where a list is asked for. What does not fit stays as it is, and
/// the type says so.
pub fn typed(value: Value, ty: &Type, types: &Types) -> Value {
    match (ty, value) {
        (Type::Optional(_), Value::String(text)) if text.trim().is_empty() => Value::Null,
        (Type::Optional(_), Value::Null) => Value::Null,
        (Type::Optional(inner), value) => typed(value, inner, types),
        (Type::List(item), Value::List(items)) => {
            Value::List(items.into_iter().map(|value| typed(value, item, types)).collect())
        }
        (Type::List(_), Value::Null) => Value::List(Vec::new()),
        (Type::List(item), one) => Value::List(vec![typed(one, item, types)]),
        (Type::Map(item), Value::Record(fields)) => {
            Value::Record(fields.into_iter().map(|(name, value)| (name, typed(value, item, types))).collect())
        }
        (Type::Record(declared), Value::Record(fields)) => record(fields, declared, types),
        (Type::Named(name), value) => match (types.get(name), value) {
            (Some(TypeDef::Record(declared)), Value::Record(fields)) => record(fields, declared, types),
            (_, value) => value,
        },
        (Type::Bool, Value::String(text)) => match text.trim() {
            "true" | "TRUE" | "True" | "1" => Value::Bool(true),
            "false" | "FALSE" | "False" | "0" => Value::Bool(false),
            _ => Value::String(text),
        },
        (Type::Int | Type::Decimal, Value::String(text)) => number(text.trim()).unwrap_or(Value::String(text)),
        (Type::String, Value::Null) => Value::text(""),
        (_, value) => value,
    }
}

fn number(text: &str) -> Option<Value> {
    if let Ok(int) = text.parse::<i64>() {
        return Some(Value::Int(int));
    }
    text.parse().ok().map(Value::Decimal)
}

fn record(fields: IndexMap<String, Value>, declared: &IndexMap<String, flow_model::ty::Field>, types: &Types) -> Value {
    let mut read: IndexMap<String, Value> = fields;
    for (name, field) in declared {
        let name = field.json_name.as_ref().unwrap_or(name);
        match read.get_mut(name) {
            Some(value) => {
                let text = std::mem::replace(value, Value::Null);
                // A point in time in digits is a number of seconds or milliseconds.
                *value = match field.format {
                    Some(_) => typed(text, &Type::Int, types),
                    None => typed(text, &field.ty, types),
                };
            }
            // An absent element is a row of none.
            None if matches!(field.ty, Type::List(_)) && field.default.is_none() => {
                read.insert(name.clone(), Value::List(Vec::new()));
            }
            None => {}
        }
    }
    Value::Record(read)
}

#[cfg(test)]
mod tests {
    use flow_model::{csv::MOST_CELL, ty::Field};
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_have_the_names_of_the_first_line_and_become_what_is_asked_for() {
        let table = csv(b"\xef\xbb\xbfid;name;note;paid\r\n7;\"a;\"\"b\"\"\";;true\r\n8;c;x;no\r\n", b';').unwrap();
        let ty = Type::List(Box::new(Type::Record(IndexMap::from([
            ("id".to_owned(), Field::of(Type::Int)),
            ("name".to_owned(), Field::of(Type::String)),
            ("note".to_owned(), Field::of(Type::String.optional())),
            ("paid".to_owned(), Field::of(Type::Bool)),
        ]))));
        assert_eq!(
            typed(table, &ty, &Types::default()).to_json(),
            json!([
                { "id": 7, "name": "a;\"b\"", "note": null, "paid": true },
                { "id": 8, "name": "c", "note": "x", "paid": "no" },
            ])
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (bytes, told) in [
            (b"a,b\n1\n".as_slice(), "line 2 has 1 columns, and the first line names 2"),
            (b"a,b\n1,\xff\n", "line 2, column 2: the text is not UTF-8"),
            (b"a,b\n1,x\0y\n", "line 2, column 2: the value holds a NUL character"),
            (b"a,a\n1,2\n", "line 1: the column `a` is there twice"),
        ] {
            assert_eq!(csv(bytes, b',').unwrap_err(), told);
        }
        let long = format!("a\n{}\n", "x".repeat(MOST_CELL + 1));
        assert_eq!(csv(long.as_bytes(), b',').unwrap_err(), "line 2, column 1: the value is longer than 1 MiB");
    }

    #[test]
    fn lines_are_values() {
        assert_eq!(json_lines(b"{\"a\":1}\n\n[2]\r\n").unwrap(), json!([{ "a": 1 }, [2]]));
        assert!(json_lines(b"1\n{\n").unwrap_err().starts_with("line 2: "));
    }
}
