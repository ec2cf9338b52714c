//! Values at run time, and their two written forms.
//!
//! Plain JSON is what people and other systems see ([`Value::to_json`], and [`crate::boundary`] for the way back, which
//! needs a type). The tagged form is what the journal and the plan hold: it needs no type to be read back, and what
//! JSON has no form for is an object with a single key that begins with `$` (`{"$decimal": "19.99"}`).

use std::{cmp::Ordering, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use indexmap::IndexMap;
use jiff::{Timestamp, Zoned, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use serde_json::Value as Json;

use crate::{file::File, units::Millis};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A signed integer of 64 bits.
    Int(i64),
    /// An exact decimal.
    Decimal(Decimal),
    /// Text; also of type `Email`, `Url`, `Uuid`, enums and string alternatives.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// An amount in a currency.
    Money(Money),
    /// A point in time.
    Timestamp(Timestamp),
    /// A point in time as the clocks of a time zone show it.
    Zoned(Zoned),
    /// A calendar day.
    Date(civil::Date),
    /// A length of time.
    Duration(Millis),
    /// A number of bytes.
    Size(u64),
    /// A list.
    List(Vec<Value>),
    /// A record or a map: names in their order.
    Record(IndexMap<String, Value>),
    /// A secret by name. Its text is put in where a request is built and nowhere else.
    Secret(Arc<str>),
    /// A file: what is known of it. Its bytes lie in the data folder and are read as a stream.
    File(Arc<File>),
}

/// An amount in a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// In the major unit: `19.99`.
    pub amount: Decimal,
    /// ISO 4217, three upper-case letters.
    pub currency: String,
}

impl Value {
    /// Makes text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// Makes a record from names and values.
    pub fn record<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The field of a record, if this is one and has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Record(fields) => fields.get(name),
            _ => None,
        }
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// What a person calls a value of this kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Decimal(_) => "a decimal",
            Self::String(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::Money(_) => "money",
            Self::Timestamp(_) => "a timestamp",
            Self::Zoned(_) => "a time in a time zone",
            Self::Date(_) => "a date",
            Self::Duration(_) => "a duration",
            Self::Size(_) => "a size",
            Self::List(_) => "a list",
            Self::Record(_) => "a record",
            Self::Secret(_) => "a secret",
            Self::File(_) => "a file",
        }
    }

    /// The plain JSON that people and other systems see. Bytes are base64; money is `{"amount": "5.00", "currency":
    /// "EUR"}`; a secret is its name in angle brackets; a file is what is known of it, without its bytes.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Decimal(value) => decimal_json(*value),
            Self::String(text) => Json::String(text.to_string()),
            Self::Size(value) => Json::from(*value),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Record(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
            }
            Self::Money(money) => serde_json::json!({ "amount": money.amount.to_string(), "currency": money.currency }),
            Self::File(file) => file.to_json(),
            Self::Bytes(_)
            | Self::Timestamp(_)
            | Self::Zoned(_)
            | Self::Date(_)
            | Self::Duration(_)
            | Self::Secret(_) => Json::String(self.to_string()),
        }
    }

    /// Reads plain JSON without a type: what the type `Json` holds. An integer outside 64 bits becomes a decimal.
    ///
    /// # Errors
    /// A number that an exact decimal of 28 digits can't hold is refused, never rounded.
    pub fn from_json(json: &Json) -> Result<Self, String> {
        Ok(match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => number_value(&number.to_string())?,
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => Self::List(items.iter().map(Self::from_json).collect::<Result<_, _>>()?),
            Json::Object(fields) => Self::Record(
                fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), Self::from_json(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
        })
    }

    /// Which of two values comes first, as `<` and `sort_by` see it: numbers by size, text by code points, `false`
    /// before `true`, times by the instant. None where the two have no order: of different kinds, or money in two
    /// currencies.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Decimal(a), Self::Decimal(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Decimal(b)) => Some(Decimal::from(*a).cmp(b)),
            (Self::Decimal(a), Self::Int(b)) => Some(a.cmp(&Decimal::from(*b))),
            (Self::String(a), Self::String(b)) => Some(a.cmp(b)),
            (Self::Money(a), Self::Money(b)) => (a.currency == b.currency).then(|| a.amount.cmp(&b.amount)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Zoned(a), Self::Zoned(b)) => Some(a.timestamp().cmp(&b.timestamp())),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (Self::Size(a), Self::Size(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Says whether two values are equal as `==` sees it: `1 == 1.0`, records whatever the order of their fields. A field
    /// that is absent is null.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
            (Self::Record(a), Self::Record(b)) => {
                a.iter().all(|(name, value)| b.get(name).unwrap_or(&Self::Null).equals(value))
                    && b.iter().all(|(name, value)| *value == Self::Null || a.contains_key(name))
            }
            (Self::Null, Self::Null) => true,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Secret(a), Self::Secret(b)) => a == b,
            (Self::File(a), Self::File(b)) => a == b,
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    fn from_tagged(json: Json) -> Result<Self, String> {
        Ok(match json {
            Json::Array(items) => Self::List(items.into_iter().map(Self::from_tagged).collect::<Result<_, _>>()?),
            Json::Object(mut fields) => {
                let tag = fields.keys().next().filter(|name| name.starts_with('$') && !name.starts_with("$$")).cloned();
                match tag.and_then(|tag| fields.remove(&tag).map(|content| (tag, content))) {
                    Some((tag, content)) => {
                        return Self::from_tag(&tag, &content).ok_or_else(|| format!("`{tag}` holds no value"));
                    }
                    None => Self::Record(
                        fields
                            .into_iter()
                            .map(|(name, value)| {
                                let name = name.strip_prefix('$').map(str::to_owned).unwrap_or(name);
                                Ok((name, Self::from_tagged(value)?))
                            })
                            .collect::<Result<_, String>>()?,
                    ),
                }
            }
            other => Self::from_json(&other)?,
        })
    }

    fn from_tag(tag: &str, content: &Json) -> Option<Self> {
        let text = content.as_str();
        Some(match tag {
            "$decimal" => Self::Decimal(text?.parse().ok()?),
            "$bytes" => Self::Bytes(STANDARD.decode(text?).ok()?.into()),
            "$money" => {
                let (amount, currency) = text?.split_once(' ')?;
                Self::Money(Money { amount: amount.parse().ok()?, currency: currency.to_owned() })
            }
            "$timestamp" => Self::Timestamp(text?.parse().ok()?),
            "$zoned" => Self::Zoned(text?.parse().ok()?),
            "$date" => Self::Date(text?.parse().ok()?),
            "$duration" => Self::Duration(Millis(content.as_u64()?)),
            "$size" => Self::Size(content.as_u64()?),
            "$secret" => Self::Secret(text?.into()),
            "$file" => Self::File(Arc::new(File::deserialize(content).ok()?)),
            _ => return None,
        })
    }
}

/// Reads the text of a JSON number exactly.
fn number_value(text: &str) -> Result<Value, String> {
    crate::boundary::exact_number(text)
        .ok_or_else(|| format!("the number {text} does not fit an exact decimal of 28 digits"))
}

fn decimal_json(value: Decimal) -> Json {
    serde_json::from_str::<serde_json::Number>(&value.to_string())
        .map_or_else(|_| Json::String(value.to_string()), Json::Number)
}

/// Writes the value as text, as an insertion in a text literal does: records and lists as JSON, a secret by its name.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Decimal(value) => value.fmt(f),
            Self::String(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&STANDARD.encode(bytes)),
            Self::Money(money) => write!(f, "{} {}", money.amount, money.currency),
            Self::Timestamp(value) => value.fmt(f),
            Self::Zoned(value) => value.fmt(f),
            Self::Date(value) => value.fmt(f),
            Self::Duration(value) => value.fmt(f),
            Self::Size(value) => write!(f, "{value}B"),
            Self::List(_) | Self::Record(_) | Self::File(_) => self.to_json().fmt(f),
            Self::Secret(name) => write!(f, "<secret {name}>"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn tag<S: Serializer>(
            serializer: S,
            name: &str,
            content: &(impl Serialize + ?Sized),
        ) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(name, content)?;
            map.end()
        }
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Record(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    if name.starts_with('$') {
                        map.serialize_entry(&format!("${name}"), value)?;
                    } else {
                        map.serialize_entry(name, value)?;
                    }
                }
                map.end()
            }
            Self::Decimal(value) => tag(serializer, "$decimal", &value.to_string()),
            Self::Bytes(bytes) => tag(serializer, "$bytes", &STANDARD.encode(bytes)),
            Self::Money(money) => tag(serializer, "$money", &format!("{} {}", money.amount, money.currency)),
            Self::Timestamp(value) => tag(serializer, "$timestamp", &value.to_string()),
            Self::Zoned(value) => tag(serializer, "$zoned", &value.to_string()),
            Self::Date(value) => tag(serializer, "$date", &value.to_string()),
            Self::Duration(value) => tag(serializer, "$duration", value),
            Self::Size(value) => tag(serializer, "$size", value),
            Self::Secret(name) => tag(serializer, "$secret", &**name),
            Self::File(file) => tag(serializer, "$file", &**file),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_tagged(Json::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Sha256;

    fn every_kind() -> Value {
        Value::record([
            ("null", Value::Null),
            ("bool", Value::Bool(true)),
            ("int", Value::Int(i64::MIN)),
            ("decimal", Value::Decimal("19.90".parse().unwrap())),
            ("text", Value::text("a \"b\"")),
            ("bytes", Value::Bytes([0u8, 255].as_slice().into())),
            ("money", Value::Money(Money { amount: "5.00".parse().unwrap(), currency: "EUR".into() })),
            ("at", Value::Timestamp("2026-01-31T10:00:00.5Z".parse().unwrap())),
            ("local", Value::Zoned("2026-10-25T02:30:00+01:00[Europe/Berlin]".parse().unwrap())),
            ("day", Value::Date("2026-01-31".parse().unwrap())),
            ("wait", Value::Duration(Millis(1500))),
            ("size", Value::Size(4_000_000)),
            ("list", Value::List(vec![Value::Int(1), Value::List(vec![])])),
            ("$odd", Value::record([("$decimal", Value::text("not a decimal"))])),
            ("secret", Value::Secret("stripe/webhook".into())),
            ("file", Value::File(File::new(Sha256::of(b"%PDF"), 4, "bill.pdf", "application/pdf").into())),
        ])
    }

    #[test]
    fn the_tagged_form_reads_back_every_kind_of_value() {
        let written = serde_json::to_string(&every_kind()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), every_kind(), "{written}");
    }

    #[test]
    fn values_compare_as_programs_see_them() {
        let money = |amount: &str, currency: &str| {
            Value::Money(Money { amount: amount.parse().unwrap(), currency: currency.into() })
        };
        assert!(Value::Int(1).equals(&Value::Decimal("1.00".parse().unwrap())));
        assert!(money("5", "EUR").equals(&money("5.00", "EUR")));
        assert_eq!(money("5", "EUR").order(&money("6", "USD")), None);
        assert_eq!(Value::Int(2).order(&Value::Decimal("1.5".parse().unwrap())), Some(Ordering::Greater));
        let ab = Value::record([("a", Value::Int(1)), ("b", Value::Null)]);
        let ba = Value::record([("b", Value::Null), ("a", Value::Decimal(Decimal::ONE))]);
        assert!(ab.equals(&ba));
        // What is absent is null.
        let (a, ac) =
            (Value::record([("a", Value::Int(1))]), Value::record([("a", Value::Int(1)), ("c", Value::Int(2))]));
        assert!(ab.equals(&a) && a.equals(&ab) && !a.equals(&ac) && !ac.equals(&ab));
        assert_eq!(Value::Int(1).order(&Value::text("1")), None);
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        let read = |text: &str| Value::from_json(&serde_json::from_str(text).unwrap());
        assert_eq!(read("19.90").unwrap().to_json().to_string(), "19.90");
        assert_eq!(read("9007199254740993"), Ok(Value::Int(9_007_199_254_740_993)));
        assert_eq!(read("9223372036854775808").unwrap().to_string(), "9223372036854775808");
        assert!(read("0.12345678901234567890123456789012").is_err());
        assert!(read("1e400").is_err());
    }
}
