//! What MySQL holds as values, and the other way (MySQL reference manual, "Data Types", and "Binary Protocol Resultset").
//! Nothing is rounded: what has no exact form in Flow is refused with the cast that gives it one.

use flow_model::value::Value;
use jiff::{Timestamp, civil, tz::TimeZone};
use mysql_async::{
    Column, Value as Mysql,
    consts::{ColumnFlags, ColumnType},
};

use crate::postgres::number;

/// The collation of what is no text.
const BINARY: u16 = 63;

/// How a value is written in a statement. A decimal goes as text, which would be compared as an inexact number.
pub(super) fn place(value: &Value) -> String {
    match value {
        Value::Decimal(value) => {
            let scale = value.scale();
            let digits = u32::try_from(value.mantissa().unsigned_abs().to_string().len()).unwrap_or(30);
            format!("cast(? as decimal({}, {scale}))", digits.max(scale + 1))
        }
        _ => "?".to_owned(),
    }
}

/// A value as it is bound.
///
/// # Errors
/// Why it can't be.
pub(super) fn bound(value: &Value) -> Result<Mysql, String> {
    let unfit = |help: &str| Err(format!("it is {}{help}", value.kind()));
    Ok(match value {
        Value::Null => Mysql::NULL,
        Value::Bool(value) => Mysql::Int((*value).into()),
        Value::Int(value) => Mysql::Int(*value),
        Value::Size(value) => Mysql::UInt(*value),
        Value::Decimal(value) => Mysql::Bytes(value.to_string().into()),
        Value::String(text) => Mysql::Bytes(text.as_bytes().to_vec()),
        Value::Bytes(bytes) => Mysql::Bytes(bytes.to_vec()),
        Value::Timestamp(at) => return time(*at),
        Value::Zoned(at) => return time(at.timestamp()),
        Value::Date(day) => date(*day, civil::Time::midnight())?,
        Value::Duration(_) => Mysql::Bytes(value.to_string().into()),
        Value::List(_) | Value::Record(_) => Mysql::Bytes(value.to_json().to_string().into()),
        Value::Money(_) => return unfit(": insert its `.amount` and its `.currency`"),
        Value::File(_) => return unfit(": insert its text or its bytes"),
        Value::Secret(_) => return unfit(""),
    })
}

fn time(at: Timestamp) -> Result<Mysql, String> {
    let at = at.to_zoned(TimeZone::UTC);
    date(at.date(), at.time())
}

fn date(day: civil::Date, time: civil::Time) -> Result<Mysql, String> {
    let part = |part: i8| u8::try_from(part).unwrap_or(0);
    let year = u16::try_from(day.year()).map_err(|_| "it is before the year 0".to_owned())?;
    let micros = u32::try_from(time.subsec_nanosecond() / 1_000).unwrap_or(0);
    let (month, day) = (part(day.month()), part(day.day()));
    Ok(Mysql::Date(year, month, day, part(time.hour()), part(time.minute()), part(time.second()), micros))
}

/// Reads a column.
///
/// # Errors
/// Why it is no value, in words that follow the column's name.
pub(super) fn value(column: &Column, raw: Mysql) -> Result<Value, String> {
    use ColumnType::*;
    let ty = column.column_type();
    Ok(match raw {
        Mysql::NULL => Value::Null,
        // `tinyint(1)` is what both write for `boolean`.
        Mysql::Int(value @ 0..=1) if is_boolean(column) => Value::Bool(value == 1),
        Mysql::UInt(value @ 0..=1) if is_boolean(column) => Value::Bool(value == 1),
        Mysql::Int(value) => Value::Int(value),
        Mysql::UInt(value) => i64::try_from(value).map_or_else(|_| Value::Decimal(value.into()), Value::Int),
        Mysql::Float(value) => number(&value.to_string())?,
        Mysql::Double(value) => number(&value.to_string())?,
        Mysql::Date(year, month, day, hour, minute, second, micros) => {
            let part = |part: u8| i8::try_from(part).unwrap_or(-1);
            let none = || "is no day that a calendar has".to_owned();
            let year = i16::try_from(year).map_err(|_| none())?;
            let date = civil::Date::new(year, part(month), part(day)).map_err(|_| none())?;
            if matches!(ty, MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE) {
                return Ok(Value::Date(date));
            }
            let nanos = i32::try_from(micros).unwrap_or(-1).saturating_mul(1_000);
            let time = civil::Time::new(part(hour), part(minute), part(second), nanos).map_err(|_| none())?;
            let at = date.to_datetime(time).to_zoned(TimeZone::UTC).map_err(|_| none())?;
            Value::Timestamp(at.timestamp())
        }
        Mysql::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let sign = if is_negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            let whole = format!("{sign}{hours:02}:{minutes:02}:{seconds:02}");
            let exact = format!("{whole}.{micros:06}");
            Value::text(if micros == 0 { whole } else { exact.trim_end_matches('0').to_owned() })
        }
        Mysql::Bytes(bytes) => match ty {
            MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL => number(&text(bytes)?)?,
            MYSQL_TYPE_JSON => {
                let json = serde_json::from_slice(&bytes).map_err(|_| "is JSON that does not read".to_owned())?;
                Value::from_json(&json)?
            }
            MYSQL_TYPE_BIT => bits(&bytes, column.column_length())?,
            MYSQL_TYPE_GEOMETRY | MYSQL_TYPE_VECTOR => {
                return Err("is of a type for which there is no value: ask for it as text".to_owned());
            }
            _ if column.character_set() == BINARY && !is_name(column) => Value::Bytes(bytes.into()),
            _ => Value::text(text(bytes)?),
        },
    })
}

fn is_boolean(column: &Column) -> bool {
    column.column_type() == ColumnType::MYSQL_TYPE_TINY && column.column_length() == 1
}

/// Names of an `enum` or a `set`.
fn is_name(column: &Column) -> bool {
    column.flags().intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG)
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "is a text that is not UTF-8".to_owned())
}

/// The bits of a number, the highest first.
fn bits(bytes: &[u8], length: u32) -> Result<Value, String> {
    let number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    match (length, number) {
        (1, number) => Ok(Value::Bool(number == 1)),
        (_, number) => {
            i64::try_from(number).map(Value::Int).map_err(|_| "is of 64 bits: cast it, as in `x + 0`".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_numbers_of_their_own_length() {
        let of = |text: &str| place(&Value::Decimal(text.parse().unwrap()));
        assert_eq!(of("19.90"), "cast(? as decimal(4, 2))");
        assert_eq!(of("0.001"), "cast(? as decimal(4, 3))");
        assert_eq!(of("-79228162514264337593543950335"), "cast(? as decimal(29, 0))");
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        let column = Column::new(ColumnType::MYSQL_TYPE_DATETIME);
        let zero = value(&column, Mysql::Date(0, 0, 0, 0, 0, 0, 0));
        assert_eq!(zero, Err("is no day that a calendar has".to_owned()));
    }
}
