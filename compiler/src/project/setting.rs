//! What does `flow.toml` set something to?
//!
//! In: a value of TOML. Out: [`Setting`], which is JSON or says where the value comes from: `{ secret = "stripe/key" }`,
//! `{ env = "REGION" }`.

use serde_json::Value as Json;
use toml::de::DeValue;

/// A value in `flow.toml`.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// The value itself. Numbers are exact, times are texts.
    Value(Json),
    /// `{ secret = "NAME" }`: what `secret("NAME")` is in a program.
    Secret(String),
    /// `{ env = "NAME" }`: what `env("NAME")` is in a program.
    Env(String),
}

impl Setting {
    /// Reads a value, unless Flow has none like it: a number that is infinite or none at all.
    pub(super) fn of(value: &DeValue<'_>) -> Option<Self> {
        if let DeValue::Table(table) = value
            && table.len() == 1
            && let Some((key, named)) = table.iter().next()
            && let Some(name) = named.get_ref().as_str()
        {
            match key.get_ref().as_ref() {
                "secret" => return Some(Self::Secret(name.to_owned())),
                "env" => return Some(Self::Env(name.to_owned())),
                _ => {}
            }
        }
        json(value).map(Self::Value)
    }

    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Value(Json::String(text)) => Some(text),
            Self::Value(_) | Self::Secret(_) | Self::Env(_) => None,
        }
    }
}

fn json(value: &DeValue<'_>) -> Option<Json> {
    Some(match value {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Integer(number) => {
            Json::from(i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?)
        }
        // The digits as they are written: no binary number stands between.
        DeValue::Float(number) => {
            let digits = number.as_str().replace('_', "");
            serde_json::from_str(digits.trim_start_matches('+')).ok().filter(Json::is_number)?
        }
        DeValue::Datetime(time) => Json::String(time.to_string()),
        DeValue::Array(items) => Json::Array(items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}
