//! What SQLite holds as values, and the other way.
//!
//! SQLite has integers, reals, texts and bytes; what else a column is says only the type that it is declared with
//! (SQLite documentation, "Datatypes In SQLite"). Nothing is rounded: what a real can't hold is refused.

use flow_model::value::Value;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rusqlite::types::{Value as Sqlite, ValueRef};

use crate::postgres::number;

/// How many digits a real holds for sure (SQLite documentation, "Floating Point Numbers").
const REAL_DIGITS: usize = 15;

/// A value as it is bound.
///
/// # Errors
/// Why it can't be.
pub(super) fn bound(value: &Value) -> Result<Sqlite, String> {
    let unfit = |help: &str| Err(format!("it is {}{help}", value.kind()));
    Ok(match value {
        Value::Null => Sqlite::Null,
        Value::Bool(value) => Sqlite::Integer((*value).into()),
        Value::Int(value) => Sqlite::Integer(*value),
        Value::Size(value) => match i64::try_from(*value) {
            Ok(value) => Sqlite::Integer(value),
            Err(_) => return unfit(" of more than 64 bits"),
        },
        Value::Decimal(value) => {
            let plain = value.normalize();
            let digits = plain.mantissa().unsigned_abs().to_string().len();
            match (i64::try_from(plain), plain.to_string().parse()) {
                (Ok(whole), _) if plain.is_integer() => Sqlite::Integer(whole),
                (_, Ok(real)) if digits <= REAL_DIGITS => Sqlite::Real(real),
                _ => return unfit(" of more than 15 digits, which SQLite has no number for: insert its text"),
            }
        }
        Value::String(text) => Sqlite::Text(text.to_string()),
        Value::Bytes(bytes) => Sqlite::Blob(bytes.to_vec()),
        Value::Timestamp(at) => Sqlite::Text(time(*at)),
        Value::Zoned(at) => Sqlite::Text(time(at.timestamp())),
        Value::Date(_) | Value::Duration(_) => Sqlite::Text(value.to_string()),
        Value::List(_) | Value::Record(_) => Sqlite::Text(value.to_json().to_string()),
        Value::Money(_) => return unfit(": insert its `.amount` and its `.currency`"),
        Value::File(_) => return unfit(": insert its text or its bytes"),
        Value::Secret(_) => return unfit(""),
    })
}

/// With as many digits each time, so that texts have the order of times.
fn time(at: Timestamp) -> String {
    if at.subsec_nanosecond() % 1_000 == 0 { format!("{at:.6}") } else { format!("{at:.9}") }
}

/// What a column is declared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    Plain,
    Bool,
    Time,
    Number,
    Json,
}

impl Declared {
    pub(super) fn of(declared: Option<&str>) -> Self {
        let name = declared.unwrap_or_default().to_ascii_uppercase();
        match name.split(['(', ' ']).next().unwrap_or_default() {
            "BOOL" | "BOOLEAN" => Self::Bool,
            "TIMESTAMP" | "TIMESTAMPTZ" | "DATETIME" => Self::Time,
            "DECIMAL" | "NUMERIC" => Self::Number,
            "JSON" => Self::Json,
            _ => Self::Plain,
        }
    }

    /// Reads a column.
    ///
    /// # Errors
    /// Why it is no value, in words that follow the column's name.
    pub(super) fn value(self, raw: ValueRef<'_>) -> Result<Value, String> {
        Ok(match raw {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value @ 0..=1) if self == Self::Bool => Value::Bool(value == 1),
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Real(value) => number(&value.to_string())?,
            ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
            ValueRef::Text(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| "is a text that is not UTF-8".to_owned())?;
                self.text(text)
            }
        })
    }

    fn text(self, text: &str) -> Value {
        let read = match self {
            Self::Time => moment(text).map(Value::Timestamp),
            Self::Number => number(text).ok(),
            Self::Json => serde_json::from_str(text).ok().and_then(|json| Value::from_json(&json).ok()),
            Self::Plain | Self::Bool => None,
        };
        // What does not read as it is declared is told where it does not fit the caller's type.
        read.unwrap_or_else(|| Value::text(text))
    }
}

/// A time with its offset, or as SQLite's own functions write it, in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let without = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    text.parse().ok().or_else(without)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_texts() {
        let at = |text: &str| time(text.parse().unwrap());
        assert_eq!(at("2026-01-31T10:00:00Z"), "2026-01-31T10:00:00.000000Z");
        assert!(at("2026-01-31T10:00:00Z") < at("2026-01-31T10:00:00.5Z"));
        assert_eq!(moment("2026-01-31 10:00:00"), moment("2026-01-31T11:00:00.000000+01:00"));
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn decimals_are_bound_exactly_or_not_at_all() {
        let of = |text: &str| bound(&Value::Decimal(text.parse().unwrap())).map(|bound| format!("{bound:?}"));
        assert_eq!(of("19.00").unwrap(), "Integer(19)");
        assert_eq!(of("19.90").unwrap(), "Real(19.9)");
        assert_eq!(of("123456789012.345").unwrap(), "Real(123456789012.345)");
        assert!(of("1234567890123.4567").unwrap_err().contains("15 digits"));
    }
}
