//! What is read: JSON, or a value that holds JSON; one view of both.

use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::{Mismatch, number, shorten};
use crate::{ty::Type, value::Value};

/// What is read: JSON, or a value that holds JSON.
#[derive(Clone, Copy)]
pub(super) enum Raw<'a> {
    Json(&'a Json),
    Value(&'a Value),
}

impl<'a> Raw<'a> {
    pub(super) fn is_null(self) -> bool {
        matches!(self, Self::Json(Json::Null) | Self::Value(Value::Null))
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self {
            Self::Json(Json::Bool(value)) => Some(*value),
            Self::Value(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Json(Json::String(text)) => Some(text),
            Self::Value(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// None when this is no number, `Some(None)` when it is one that a decimal can't hold.
    pub(super) fn number(self) -> Option<Option<Decimal>> {
        match self {
            Self::Json(Json::Number(number)) => Some(number::decimal(&number.to_string())),
            Self::Value(Value::Int(number)) => Some(Some(Decimal::from(*number))),
            Self::Value(Value::Decimal(number)) => Some(Some(*number)),
            _ => None,
        }
    }

    pub(super) fn items(self) -> Option<Vec<Raw<'a>>> {
        match self {
            Self::Json(Json::Array(items)) => Some(items.iter().map(Raw::Json).collect()),
            Self::Value(Value::List(items)) => Some(items.iter().map(Raw::Value).collect()),
            _ => None,
        }
    }

    pub(super) fn entries(self) -> Option<Vec<(&'a str, Raw<'a>)>> {
        match self {
            Self::Json(Json::Object(map)) => {
                Some(map.iter().map(|(name, value)| (name.as_str(), Raw::Json(value))).collect())
            }
            Self::Value(Value::Record(map)) => {
                Some(map.iter().map(|(name, value)| (name.as_str(), Raw::Value(value))).collect())
            }
            _ => None,
        }
    }

    pub(super) fn get(self, name: &str) -> Option<Raw<'a>> {
        match self {
            Self::Json(Json::Object(map)) => map.get(name).map(Raw::Json),
            Self::Value(Value::Record(map)) => map.get(name).map(Raw::Value),
            _ => None,
        }
    }

    /// Any JSON, as the type `Json` holds it.
    pub(super) fn any(self) -> Result<Value, Mismatch> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Json(Json::Number(number)) => {
                number::exact(&number.to_string()).ok_or_else(|| self.not("a number of at most 28 digits"))
            }
            Self::Json(Json::Array(items)) => {
                let any = |(index, item)| Raw::Json(item).any().map_err(|mismatch| mismatch.at(index));
                items.iter().enumerate().map(any).collect::<Result<_, _>>().map(Value::List)
            }
            Self::Json(Json::Object(map)) => {
                let any = |(name, field): (&String, &'a Json)| match Raw::Json(field).any() {
                    Ok(value) => Ok((name.clone(), value)),
                    Err(mismatch) => Err(mismatch.below(name)),
                };
                map.iter().map(any).collect::<Result<_, _>>().map(Value::Record)
            }
            Self::Json(Json::Null) => Ok(Value::Null),
            Self::Json(Json::Bool(value)) => Ok(Value::Bool(*value)),
            Self::Json(Json::String(text)) => Ok(Value::text(text.as_str())),
        }
    }

    /// The value, where it is one of the type already and of a kind that JSON does not have.
    pub(super) fn as_is(self, ty: &Type) -> Option<Value> {
        let Self::Value(value) = self else { return None };
        let same = match (value, ty) {
            (Value::Bytes(_), Type::Bytes)
            | (Value::Timestamp(_), Type::Timestamp)
            | (Value::Zoned(_), Type::Zoned)
            | (Value::Date(_), Type::Date)
            | (Value::Duration(_), Type::Duration)
            | (Value::Size(_), Type::Size)
            | (Value::Secret(_), Type::Secret(_))
            | (Value::File(_), Type::File) => true,
            (Value::Money(money), Type::Money(currency)) => {
                currency.as_ref().is_none_or(|code| *code == money.currency)
            }
            _ => false,
        };
        same.then(|| value.clone())
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Value(value) => value.kind(),
            Self::Json(Json::Null) => "null",
            Self::Json(Json::Bool(_)) => "a boolean",
            Self::Json(Json::Number(_)) => "a number",
            Self::Json(Json::String(_)) => "a string",
            Self::Json(Json::Array(_)) => "a list",
            Self::Json(Json::Object(_)) => "a record",
        }
    }

    /// Says that this is not what is expected.
    pub(super) fn not(self, expected: &str) -> Mismatch {
        let found = match self {
            Self::Json(Json::Number(number)) => format!("the number {}", shorten(&number.to_string())),
            Self::Value(value @ (Value::Int(_) | Value::Decimal(_))) => format!("the number {value}"),
            _ => self.kind().to_owned(),
        };
        Mismatch::here(expected, found)
    }
}
