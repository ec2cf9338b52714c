//! Reads arguments as Rust values, and says what is wrong with one that is not what the signature declares.
//!
//! The compiler checks arguments; what is refused here reached a function through data of type `Json` or a gap in the
//! checks, and is a failure rather than a panic.

use std::sync::Arc;

use flow_model::{
    failure::{ErrorKind, Failure},
    file::File,
    function::Argument,
    value::{Money, Value},
};
use indexmap::IndexMap;
use jiff::{Timestamp, Zoned, civil::Date};
use rust_decimal::Decimal;

/// A fault of an expression.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}

/// Arguments by position. Those that may be left out are null then, or not there.
pub(super) trait Arguments {
    /// The argument at that position.
    fn at(&self, index: usize) -> &Value;
    /// Text.
    fn text(&self, index: usize) -> Result<&str, Failure>;
    /// Text, or the given one when it was left out.
    fn text_or<'a>(&'a self, index: usize, default: &'a str) -> Result<&'a str, Failure>;
    /// An integer.
    fn int(&self, index: usize) -> Result<i64, Failure>;
    /// An integer, or the given one when it was left out.
    fn int_or(&self, index: usize, default: i64) -> Result<i64, Failure>;
    /// A count: an integer that is not negative and at most `most`; `what` names it in the message.
    fn count(&self, index: usize, what: &str, most: usize) -> Result<usize, Failure>;
    /// A decimal; an integer is one too.
    fn decimal(&self, index: usize) -> Result<Decimal, Failure>;
    /// Money.
    fn money(&self, index: usize) -> Result<&Money, Failure>;
    /// Bytes; those of a text are its UTF-8.
    fn bytes(&self, index: usize) -> Result<&[u8], Failure>;
    /// A file.
    fn file(&self, index: usize) -> Result<&File, Failure>;
    /// A point in time.
    fn timestamp(&self, index: usize) -> Result<Timestamp, Failure>;
    /// A point in time in a zone.
    fn zoned(&self, index: usize) -> Result<&Zoned, Failure>;
    /// A day.
    fn date(&self, index: usize) -> Result<Date, Failure>;
    /// The items of a list.
    fn list(&self, index: usize) -> Result<&[Value], Failure>;
    /// The entries of a map.
    fn map(&self, index: usize) -> Result<&IndexMap<String, Value>, Failure>;
    /// Calls the lambda at that position.
    fn call(&self, index: usize, args: &[Value]) -> Result<Value, Failure>;
    /// Calls the lambda at that position, which says yes or no.
    fn test(&self, index: usize, args: &[Value]) -> Result<bool, Failure>;
}

impl Arguments for [Argument<'_>] {
    fn at(&self, index: usize) -> &Value {
        self.get(index).map_or(&Value::Null, Argument::value)
    }

    fn text(&self, index: usize) -> Result<&str, Failure> {
        self.at(index).as_str().ok_or_else(|| expected("a string", self.at(index)))
    }

    fn text_or<'a>(&'a self, index: usize, default: &'a str) -> Result<&'a str, Failure> {
        if *self.at(index) == Value::Null { Ok(default) } else { self.text(index) }
    }

    fn int(&self, index: usize) -> Result<i64, Failure> {
        match self.at(index) {
            Value::Int(value) => Ok(*value),
            other => Err(expected("an integer", other)),
        }
    }

    fn int_or(&self, index: usize, default: i64) -> Result<i64, Failure> {
        if *self.at(index) == Value::Null { Ok(default) } else { self.int(index) }
    }

    fn count(&self, index: usize, what: &str, most: usize) -> Result<usize, Failure> {
        let value = self.int(index)?;
        usize::try_from(value)
            .ok()
            .filter(|value| *value <= most)
            .ok_or_else(|| invalid(format!("{what} must be from 0 to {most}, not {value}")))
    }

    fn decimal(&self, index: usize) -> Result<Decimal, Failure> {
        match self.at(index) {
            Value::Decimal(value) => Ok(*value),
            Value::Int(value) => Ok(Decimal::from(*value)),
            other => Err(expected("a decimal", other)),
        }
    }

    fn money(&self, index: usize) -> Result<&Money, Failure> {
        match self.at(index) {
            Value::Money(money) => Ok(money),
            other => Err(expected("money", other)),
        }
    }

    fn bytes(&self, index: usize) -> Result<&[u8], Failure> {
        match self.at(index) {
            Value::Bytes(bytes) => Ok(bytes),
            Value::String(text) => Ok(text.as_bytes()),
            other => Err(expected("bytes", other)),
        }
    }

    fn file(&self, index: usize) -> Result<&File, Failure> {
        match self.at(index) {
            Value::File(file) => Ok(file),
            other => Err(expected("a file", other)),
        }
    }

    fn timestamp(&self, index: usize) -> Result<Timestamp, Failure> {
        match self.at(index) {
            Value::Timestamp(value) => Ok(*value),
            other => Err(expected("a timestamp", other)),
        }
    }

    fn zoned(&self, index: usize) -> Result<&Zoned, Failure> {
        match self.at(index) {
            Value::Zoned(value) => Ok(value),
            other => Err(expected("a time in a time zone", other)),
        }
    }

    fn date(&self, index: usize) -> Result<Date, Failure> {
        match self.at(index) {
            Value::Date(value) => Ok(*value),
            other => Err(expected("a date", other)),
        }
    }

    fn list(&self, index: usize) -> Result<&[Value], Failure> {
        match self.at(index) {
            Value::List(items) => Ok(items),
            other => Err(expected("a list", other)),
        }
    }

    fn map(&self, index: usize) -> Result<&IndexMap<String, Value>, Failure> {
        match self.at(index) {
            Value::Record(entries) => Ok(entries),
            other => Err(expected("a map", other)),
        }
    }

    fn call(&self, index: usize, args: &[Value]) -> Result<Value, Failure> {
        match self.get(index) {
            Some(argument) => argument.call(args),
            None => Err(invalid("a function was expected")),
        }
    }

    fn test(&self, index: usize, args: &[Value]) -> Result<bool, Failure> {
        match self.call(index, args)? {
            Value::Bool(answer) => Ok(answer),
            other => Err(expected("a boolean", &other)),
        }
    }
}

/// Makes a list of texts.
pub(super) fn texts<T: Into<Arc<str>>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::List(items.into_iter().map(Value::text).collect())
}

/// Makes an integer from a length.
pub(super) fn length(length: usize) -> Value {
    Value::Int(i64::try_from(length).unwrap_or(i64::MAX))
}

/// Makes a value, or null from nothing.
pub(super) fn or_null(value: Option<Value>) -> Value {
    value.unwrap_or(Value::Null)
}

fn expected(what: &str, got: &Value) -> Failure {
    invalid(format!("expected {what}, got {}", got.kind()))
}
