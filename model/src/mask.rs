//! Which parts of a value are personal, and how is it shown without them?
//!
//! The compiler follows `@pii` from where data enters to where values are shown; the plan carries the result. A masked
//! value has the same shape: what is personal reads `***`, and null stays null.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// What stands in the place of personal data.
pub const MASKED: &str = "***";

/// The personal parts of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    /// All of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Fields of a record, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Self>,
    /// Each item of a list, each value of a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Self>>,
}

impl Mask {
    /// All of a value.
    pub fn all() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// Says whether nothing is personal.
    pub fn is_empty(&self) -> bool {
        !self.whole && self.fields.is_empty() && self.items.is_none()
    }

    /// The personal parts of either.
    pub fn join(mut self, other: &Self) -> Self {
        self.whole |= other.whole;
        for (name, field) in &other.fields {
            let joined = self.fields.remove(name).unwrap_or_default().join(field);
            self.fields.insert(name.clone(), joined);
        }
        self.items = match (self.items, &other.items) {
            (Some(own), Some(theirs)) => Some(Box::new(own.join(theirs))),
            (own, theirs) => own.or_else(|| theirs.clone()),
        };
        self
    }

    /// The value as people may see it.
    pub fn apply(&self, value: Value) -> Value {
        if value == Value::Null || self.is_empty() {
            return value;
        }
        if self.whole {
            return Value::text(MASKED);
        }
        match value {
            Value::Record(fields) => Value::Record(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let mask = self.fields.get(&name).or(self.items.as_deref());
                        let value = mask.map_or_else(|| value.clone(), |mask| mask.apply(value.clone()));
                        (name, value)
                    })
                    .collect(),
            ),
            Value::List(items) => match &self.items {
                Some(mask) => Value::List(items.into_iter().map(|item| mask.apply(item)).collect()),
                None => Value::List(items),
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_personal_is_hidden_and_the_rest_stays() {
        let name = Mask { fields: BTreeMap::from([("name".to_owned(), Mask::all())]), ..Mask::default() };
        let mask = Mask { items: Some(Box::new(name.clone())), ..Mask::default() };
        let person = |name: Value| Value::record([("id", Value::Int(7)), ("name", name)]);
        let shown = mask.apply(Value::List(vec![person(Value::text("Jenny")), person(Value::Null)]));
        assert_eq!(shown, Value::List(vec![person(Value::text(MASKED)), person(Value::Null)]));
        assert_eq!(Mask::default().apply(Value::text("a")), Value::text("a"));
        assert_eq!(Mask::all().apply(Value::Int(3)), Value::text(MASKED));
        let joined = name.clone().join(&mask);
        assert_eq!((joined.fields.len(), joined.items, joined.whole), (1, Some(Box::new(name)), false));
    }
}
