//! What does an API description say, and where do its references lead?
//!
//! In: the text of a description, JSON or YAML. Out: its values, and the value that a reference in it stands for.
//! References to other documents lead nowhere: the importer reads one file and fetches nothing.

use std::{borrow::Cow, cell::Cell};

use serde_json::Value;

use super::Failure;

/// Most references that follow one another.
const HOPS: usize = 32;

/// A description as it was written.
pub(super) struct Document {
    root: Value,
    /// How many values have been looked at.
    looks: Cell<usize>,
}

impl Document {
    /// Reads a description.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] where it is neither JSON nor YAML.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_start().starts_with('{') {
            match serde_json::from_str(text) {
                Ok(root) => return Ok(Self::of(root)),
                // YAML may begin with a brace too, but JSON with a mistake is the likelier.
                Err(error) => match yaml(text) {
                    Ok(root) => return Ok(Self::of(root)),
                    Err(_) => return Err(Failure::Unreadable(format!("as JSON: {error}"))),
                },
            }
        }
        yaml(text).map(Self::of).map_err(|error| Failure::Unreadable(format!("as YAML: {error}")))
    }

    /// Holds a description that was put together.
    pub(super) fn of(root: Value) -> Self {
        Self { root, looks: Cell::new(0) }
    }

    /// The whole, by itself.
    pub(super) fn into_root(self) -> Value {
        self.root
    }

    /// The whole.
    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    /// The value itself, or what its `$ref` leads to; nothing where that leads nowhere.
    pub(super) fn follow<'a>(&'a self, value: &'a Value) -> Option<&'a Value> {
        let mut value = value;
        for _ in 0..HOPS {
            self.look(1);
            match reference(value) {
                Some(pointer) => value = self.at(pointer)?,
                None => return Some(value),
            }
        }
        None
    }

    /// Counts values that are looked at.
    pub(super) fn look(&self, values: usize) {
        self.looks.set(self.looks.get().saturating_add(values));
    }

    /// How many values have been looked at: the work of an import, which no clock has to measure.
    pub(super) fn looks(&self) -> usize {
        self.looks.get()
    }

    /// The value at a reference as it is written: `#/components/schemas/Order`.
    pub(super) fn at(&self, reference: &str) -> Option<&Value> {
        let pointer = reference.strip_prefix('#')?;
        if let Some(found) = self.root.pointer(pointer) {
            return Some(found);
        }
        // References are URLs: their letters may be escaped.
        let unescaped = unescape(pointer);
        self.root.pointer(&unescaped)
    }
}

/// What a value refers to, if it is a reference.
pub(super) fn reference(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}

/// The last part of a reference, as text: `Order` of `#/components/schemas/Order`.
pub(super) fn last_part(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    unescape(last).replace("~1", "/").replace("~0", "~")
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(letter) => {
                out.push(letter);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// YAML as JSON values. Tabs where YAML wants spaces are taken for two of them: they are common in descriptions that were
/// written by hand, and other readers pass over them.
fn yaml(text: &str) -> Result<Value, String> {
    let read =
        |text: &str| serde_saphyr::from_str_with_options::<Value>(text, options()).map_err(|error| error.to_string());
    match read(text) {
        Err(_) if text.contains('\t') => read(&text.replace('\t', "  ")),
        read => read,
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        budget: None,
    }
}
