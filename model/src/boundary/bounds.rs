//! `min`, `max` and `pattern` of a field, checked where data enters.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use regex::Regex;
use rust_decimal::Decimal;

use super::Mismatch;
use crate::{ty::Bounds, value::Value};

/// Says what of a field's bounds a value breaks.
///
/// # Errors
/// What was expected and what is there.
pub fn within(value: &Value, bounds: &Bounds) -> Result<(), Mismatch> {
    if bounds.is_empty() || *value == Value::Null {
        return Ok(());
    }
    let (measure, unit) = match value {
        Value::Int(number) => (Decimal::from(*number), ""),
        Value::Decimal(number) => (*number, ""),
        Value::Money(money) => (money.amount, ""),
        Value::Size(bytes) => (Decimal::from(*bytes), " bytes"),
        Value::Duration(length) => (Decimal::from(length.0), " milliseconds"),
        Value::String(text) => (Decimal::from(text.chars().count()), " characters"),
        Value::Bytes(bytes) => (Decimal::from(bytes.len()), " bytes"),
        Value::List(items) => (Decimal::from(items.len()), " items"),
        Value::Record(fields) => (Decimal::from(fields.len()), " entries"),
        _ => return Ok(()),
    };
    let found = || if unit.is_empty() { format!("the number {measure}") } else { format!("{measure}{unit}") };
    if let Some(min) = bounds.min.filter(|min| measure < *min) {
        return Err(Mismatch::here(format!("at least {min}{unit}"), found()));
    }
    if let Some(max) = bounds.max.filter(|max| measure > *max) {
        return Err(Mismatch::here(format!("at most {max}{unit}"), found()));
    }
    match (&bounds.pattern, value) {
        (Some(pattern), Value::String(text)) if !matches_whole(pattern, text) => {
            Err(Mismatch::here(format!("text that matches `{pattern}`"), "another text"))
        }
        _ => Ok(()),
    }
}

/// Says whether the whole text matches. A pattern that is no regular expression, which the checks keep out, matches
/// nothing.
fn matches_whole(pattern: &str, text: &str) -> bool {
    /// Patterns come from declarations, so there are few; the bound is for programs that are loaded again and again.
    const MOST: usize = 256;
    thread_local! {
        static COMPILED: RefCell<HashMap<Arc<str>, Option<Regex>>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        if !compiled.contains_key(pattern) {
            if compiled.len() >= MOST {
                compiled.clear();
            }
            compiled.insert(pattern.into(), Regex::new(&format!(r"\A(?:{pattern})\z")).ok());
        }
        compiled.get(pattern).is_some_and(|regex| regex.as_ref().is_some_and(|regex| regex.is_match(text)))
    })
}
