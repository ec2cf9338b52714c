//! What is `a.b`, `a?.b` and `a[i]`?
//!
//! Members are those of records, maps and `Json`; properties such as `xs.length` are calls of standard functions. The checks
//! keep programs from reading a member of what may be null, so what is left to decide here is `Json`: what a `Json` value
//! does not have is null, whatever it is.

use std::borrow::Cow;

use flow_model::{expr::Expr, failure::Failure, value::Value};

use super::{Slots, Walk};

pub(super) fn member(walk: &Walk<'_, '_>, of: &Expr, name: &str, slots: &mut dyn Slots) -> Result<Value, Failure> {
    let of = operand(walk, of, slots)?;
    Ok(of.get(name).cloned().unwrap_or(Value::Null))
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
