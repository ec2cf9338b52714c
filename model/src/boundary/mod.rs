//! Where data enters and leaves: JSON and typed values, both ways.
//!
//! In: JSON of other systems, and the type that a program or a connector declares for it. Out: a value of that type, or a
//! [`Mismatch`] that names the place. Unknown fields are passed over, a missing required one is a mismatch, numbers are
//! exact or refused. The other way, [`wire`] gives a value the names and formats that its type has in JSON.
//!
//! Left out on purpose: evaluation. Defaults that are not constant are computed by whom the caller names
//! ([`Decoder::with_defaults`]).

mod bounds;
mod constant;
mod decode;
mod encode;
mod number;
mod parse;
mod raw;
mod text;

use std::fmt;

use serde_json::Value as Json;

pub use self::{
    bounds::within,
    decode::Decoder,
    encode::{encode, whole, wire, wire_field},
    number::exact as exact_number,
    parse::{JsonError, Limits, parse},
    text::{is_email, is_url, is_uuid},
};
use crate::{
    ty::{Type, Types},
    value::Value,
};

/// Reads JSON as a value of a type.
///
/// # Errors
/// What does not fit, with its path.
pub fn decode(json: &Json, ty: &Type, types: &Types) -> Result<Value, Mismatch> {
    Decoder::new(types).json(json, ty)
}

/// Reads a value that holds JSON (of type `Json`, or of another type with the same form) as a value of a type: what
/// `x as T` does.
///
/// # Errors
/// What does not fit, with its path.
pub fn convert(value: &Value, ty: &Type, types: &Types) -> Result<Value, Mismatch> {
    Decoder::new(types).value(value, ty)
}

/// Why JSON is not of the type that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where, in the names of the JSON: `data.lines[2].sku`. Empty for the value as a whole.
    pub path: String,
    /// What was expected: `an integer`, `one of "a", "b"`.
    pub expected: String,
    /// What is there in its place: `a string`, `nothing`. Never the content of a field marked `@pii`.
    pub found: String,
}

impl Mismatch {
    /// A mismatch of the value as a whole; [`Mismatch::below`] leads to it.
    pub(crate) fn here(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: String::new(), expected: expected.into(), found: found.into() }
    }

    /// The same seen from one field further out.
    #[must_use]
    pub(crate) fn below(self, field: &str) -> Self {
        let plain = !field.is_empty() && field.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let head = if plain { field.to_owned() } else { format!("[{}]", Json::from(shorten(field))) };
        self.under(head)
    }

    /// The same seen from one list further out.
    #[must_use]
    pub(crate) fn at(self, index: usize) -> Self {
        self.under(format!("[{index}]"))
    }

    fn under(mut self, head: String) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{head}{joint}{}", self.path);
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, expected, found } = self;
        match (path.as_str(), found.as_str()) {
            ("", found) => write!(f, "expected {expected}, found {found}"),
            (path, "nothing") => write!(f, "`{path}` is missing: expected {expected}"),
            (path, found) => write!(f, "`{path}` should be {expected} and is {found}"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// Text as it may stand in a message: its beginning.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
