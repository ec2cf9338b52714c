//! What a column of PostgreSQL is as a value.
//!
//! The binary forms are those of the server's own `typsend` functions (PostgreSQL documentation, "Frontend/Backend
//! Protocol", and `src/backend/utils/adt` for the layout of `numeric`, `interval` and arrays). What has no exact form in
//! Flow is refused with the cast that gives it one; nothing is rounded.

use flow_model::{units::Millis, value::Value};
use jiff::{SignedDuration, Timestamp, civil};
use tokio_postgres::types::{FromSql, Kind, Type};

/// Seconds from 1970 to 2000, where PostgreSQL counts from.
const EPOCH: i64 = 946_684_800;

/// A column as it came: null, or the bytes of its binary form.
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Reads a column.
///
/// # Errors
/// Why it is no value, in words that follow the column's name.
pub(super) fn value(ty: &Type, raw: Option<&[u8]>) -> Result<Value, String> {
    let Some(bytes) = raw else { return Ok(Value::Null) };
    match ty.kind() {
        Kind::Array(item) => array(item, bytes),
        Kind::Domain(inner) => value(inner, raw),
        Kind::Enum(_) => text(bytes),
        Kind::Composite(fields) => {
            let mut read = Bytes(bytes);
            let count = read.i32()?;
            let mut values = indexmap::IndexMap::new();
            for field in fields.iter().take(usize::try_from(count).unwrap_or(0)) {
                read.i32()?;
                let raw = read.counted()?;
                values.insert(field.name().to_owned(), value(field.type_(), raw)?);
            }
            Ok(Value::Record(values))
        }
        _ => simple(ty, bytes),
    }
}

fn simple(ty: &Type, bytes: &[u8]) -> Result<Value, String> {
    let mut read = Bytes(bytes);
    Ok(match *ty {
        Type::BOOL => Value::Bool(read.array::<1>()? != [0]),
        Type::INT2 => Value::Int(i16::from_be_bytes(read.array()?).into()),
        Type::INT4 => Value::Int(read.i32()?.into()),
        Type::INT8 => Value::Int(read.i64()?),
        Type::OID | Type::REGCLASS | Type::XID => Value::Int(u32::from_be_bytes(read.array()?).into()),
        Type::NUMERIC => numeric(read)?,
        Type::FLOAT4 => number(&f32::from_be_bytes(read.array()?).to_string())?,
        Type::FLOAT8 => number(&f64::from_be_bytes(read.array()?).to_string())?,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::XML | Type::UNKNOWN | Type::CHAR => text(bytes)?,
        Type::BYTEA => Value::Bytes(bytes.into()),
        Type::UUID => Value::text(uuid(read.array()?)),
        Type::JSON => json(bytes)?,
        Type::JSONB => {
            // The form's version comes first.
            let [1] = read.array()? else { return Err("has a form of `jsonb` that is not known".to_owned()) };
            json(read.0)?
        }
        Type::DATE => match read.i32()? {
            i32::MAX | i32::MIN => return Err("is no day that a calendar has: `infinity`".to_owned()),
            days => {
                let first = civil::date(2000, 1, 1);
                let date = first.checked_add(jiff::Span::new().try_days(i64::from(days)).map_err(too_far)?);
                Value::Date(date.map_err(too_far)?)
            }
        },
        Type::TIMESTAMPTZ | Type::TIMESTAMP => Value::Timestamp(timestamp(read.i64()?)?),
        Type::TIME => Value::text(time(read.i64()?)?),
        Type::INTERVAL => interval(&mut read)?,
        Type::VOID => Value::Null,
        _ if ty.name() == "citext" => text(bytes)?,
        _ => {
            return Err(format!("has the type `{}`, for which there is no value: cast it, as in `x::text`", ty.name()));
        }
    })
}

fn too_far(_: jiff::Error) -> String {
    "is a time beyond the years -9999 to 9999".to_owned()
}

/// Microseconds since 2000. A `timestamp` without a time zone is read as UTC.
fn timestamp(micros: i64) -> Result<Timestamp, String> {
    if matches!(micros, i64::MAX | i64::MIN) {
        return Err("is no point in time: `infinity`".to_owned());
    }
    let since = SignedDuration::from_micros(micros);
    let since = since.checked_add(SignedDuration::from_secs(EPOCH)).ok_or_else(|| "is no point in time".to_owned())?;
    Timestamp::from_duration(since).map_err(too_far)
}

/// Microseconds since midnight.
fn time(micros: i64) -> Result<String, String> {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if !(0..=24).contains(&hour) {
        return Err("is no time of a day".to_owned());
    }
    let whole = format!("{hour:02}:{minute:02}:{second:02}");
    Ok(if fraction == 0 { whole } else { format!("{whole}.{fraction:06}").trim_end_matches('0').to_owned() })
}

/// Microseconds, days and months apart; days are of 24 hours.
fn interval(read: &mut Bytes<'_>) -> Result<Value, String> {
    let (micros, days, months) = (read.i64()?, read.i32()?, read.i32()?);
    if months != 0 {
        return Err("is an interval with months, which have no fixed length: cast it, as in `x::text`".to_owned());
    }
    let total = i128::from(days) * 86_400_000_000 + i128::from(micros);
    if total < 0 || total % 1_000 != 0 {
        let why = "is an interval below zero or of parts of a millisecond, and no duration: cast it, as in `x::text`";
        return Err(why.to_owned());
    }
    u64::try_from(total / 1_000).map(|millis| Value::Duration(Millis(millis))).map_err(|_| "is too long".to_owned())
}

fn text(bytes: &[u8]) -> Result<Value, String> {
    std::str::from_utf8(bytes).map(Value::text).map_err(|_| "is a text that is not UTF-8".to_owned())
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = hex::encode(bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

fn json(bytes: &[u8]) -> Result<Value, String> {
    let json = serde_json::from_slice(bytes).map_err(|error| format!("is JSON that does not read: {error}"))?;
    Value::from_json(&json)
}

/// A number as it is written, exactly.
pub(crate) fn number(text: &str) -> Result<Value, String> {
    let not = || format!("is {}, which is no number", text.to_lowercase());
    let number: serde_json::Number = serde_json::from_str(text).map_err(|_| not())?;
    match Value::from_json(&serde_json::Value::Number(number)) {
        Ok(value) => Ok(value),
        Err(_) => Err("is a number of more than 28 digits: round it, or cast it, as in `x::text`".to_owned()),
    }
}

/// Digits to the base 10,000, the place of the first, a sign, and how many decimal places are shown.
fn numeric(mut read: Bytes<'_>) -> Result<Value, String> {
    let count = u16::from_be_bytes(read.array()?);
    let weight = i16::from_be_bytes(read.array()?);
    let sign = u16::from_be_bytes(read.array()?);
    let scale = usize::from(u16::from_be_bytes(read.array()?));
    let sign = match sign {
        0x0000 => "",
        0x4000 => "-",
        0xc000 => return Err("is `NaN`, which is no number".to_owned()),
        _ => return Err("is `infinity`, which is no number".to_owned()),
    };
    let mut digits = Vec::with_capacity(count.into());
    for _ in 0..count {
        digits.push(u16::from_be_bytes(read.array()?));
    }
    let digit = |place: i32| -> u16 {
        usize::try_from(i32::from(weight) - place).ok().and_then(|index| digits.get(index).copied()).unwrap_or(0)
    };
    let whole: String = (0..=i32::from(weight).max(0)).rev().map(|place| format!("{:04}", digit(place))).collect();
    let whole = whole.trim_start_matches('0');
    let groups = i32::try_from(scale.div_ceil(4)).unwrap_or(i32::MAX);
    let mut fraction: String = (1..=groups).map(|place| format!("{:04}", digit(-place))).collect();
    fraction.truncate(scale);
    let whole = if whole.is_empty() { "0" } else { whole };
    let is_zero = digits.iter().all(|digit| *digit == 0);
    let sign = if is_zero { "" } else { sign };
    number(&if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// The number of dimensions, whether there are nulls, the type, each dimension's length and first index, the items.
fn array(item: &Type, bytes: &[u8]) -> Result<Value, String> {
    let mut read = Bytes(bytes);
    let dimensions = read.i32()?;
    read.array::<8>()?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(read.i32()?).unwrap_or(0));
        read.i32()?;
    }
    if lengths.is_empty() {
        return Ok(Value::List(Vec::new()));
    }
    nested(item, &mut read, &lengths)
}

fn nested(item: &Type, read: &mut Bytes<'_>, lengths: &[usize]) -> Result<Value, String> {
    let Some((length, inner)) = lengths.split_first() else {
        let raw = read.counted()?;
        return value(item, raw);
    };
    (0..*length).map(|_| nested(item, read, inner)).collect::<Result<_, _>>().map(Value::List)
}

/// Bytes that are read from their front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (first, rest) = self.0.split_first_chunk().ok_or_else(|| "is shorter than its type".to_owned())?;
        self.0 = rest;
        Ok(*first)
    }

    fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, String> {
        self.array().map(i64::from_be_bytes)
    }

    /// A length and so many bytes; null where the length is -1.
    fn counted(&mut self) -> Result<Option<&'a [u8]>, String> {
        let length = self.i32()?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let (first, rest) = self.0.split_at_checked(length).ok_or_else(|| "is shorter than its type".to_owned())?;
        self.0 = rest;
        Ok(Some(first))
    }
}
