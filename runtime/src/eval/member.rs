//! What is `a.b`, `a?.b` and `a[i]`?
//!
//! The checks keep programs from reading a member of what may be null, so what is left to decide here is `Json`: what a
//! `Json` value does not have is null.

use std::borrow::Cow;

use flow_model::{expr::Expr, failure::Failure, function::Argument, value::Value};

use super::{Slots, Walk};

pub(super) fn member(walk: &Walk<'_, '_>, of: &Expr, name: &str, slots: &mut dyn Slots) -> Result<Value, Failure> {
    let of = operand(walk, of, slots)?;
    match &*of {
        Value::Record(fields) => Ok(fields.get(name).cloned().unwrap_or(Value::Null)),
        Value::Null => Ok(Value::Null),
        other => property(walk, other, name),
    }
}

pub(super) fn index(walk: &Walk<'_, '_>, of: &Expr, index: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
    let index = walk.eval(index, slots)?;
    let of = operand(walk, of, slots)?;
    let found = match (&*of, &index) {
        (Value::List(items), Value::Int(index)) => usize::try_from(*index).ok().and_then(|index| items.get(index)),
        (Value::Record(fields), Value::String(name)) => fields.get(&**name),
        _ => None,
    };
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// Reads the operand in place where it stands in a binding, so that `event.data.object.id` copies no more than the id.
fn operand<'s>(walk: &Walk<'_, '_>, expr: &Expr, slots: &'s mut dyn Slots) -> Result<Cow<'s, Value>, Failure> {
    if place(expr, slots).is_none() {
        return walk.eval(expr, slots).map(Cow::Owned);
    }
    Ok(place(expr, slots).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
}

fn place<'s>(expr: &Expr, slots: &'s dyn Slots) -> Option<&'s Value> {
    match expr {
        Expr::Slot(slot) => slots.get(*slot),
        Expr::Member { of, name, .. } => match place(of, slots)? {
            Value::Record(fields) => fields.get(name),
            _ => None,
        },
        _ => None,
    }
}

/// A property of a value that is no record; null where there is none, as in a `Json` that holds something else.
fn property(walk: &Walk<'_, '_>, value: &Value, name: &str) -> Result<Value, Failure> {
    let types: &[&str] = match value {
        Value::Money(money) => match name {
            "amount" => return Ok(Value::Decimal(money.amount)),
            "currency" => return Ok(Value::text(money.currency.as_str())),
            _ => &["Money"],
        },
        Value::String(_) => &["String", "Email", "Url", "Uuid"],
        Value::Int(_) => &["Int"],
        Value::Decimal(_) => &["Decimal"],
        Value::Bytes(_) => &["Bytes"],
        Value::Timestamp(_) => &["Timestamp"],
        Value::Zoned(_) => &["Zoned"],
        Value::Date(_) => &["Date"],
        Value::Duration(_) => &["Duration"],
        Value::Size(_) => &["Size"],
        Value::List(_) => &["List"],
        Value::Null | Value::Bool(_) | Value::Record(_) | Value::Secret(_) => &[],
    };
    let function = types.iter().find_map(|ty| walk.evaluator.library.get(&format!("{ty}.{name}")));
    function.map_or(Ok(Value::Null), |function| function.call(vec![Argument::Value(value.clone())]))
}
