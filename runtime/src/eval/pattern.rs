//! Does a value fit a pattern?

use std::cmp::Ordering;

use flow_model::{
    expr::{Pattern, Slot},
    value::Value,
};

use super::Slots;

/// Says whether the value fits, and binds the pattern's names. Where it does not fit, some may have been bound: slots are
/// unique in their plan, so nobody reads them.
pub(super) fn fits(pattern: &Pattern, value: &Value, slots: &mut dyn Slots) -> bool {
    match pattern {
        Pattern::Any => true,
        Pattern::Bind(slot) => {
            slots.set(*slot, value.clone());
            true
        }
        Pattern::Literal(literal) => literal.equals(value),
        Pattern::Range { from, to } => {
            from.as_ref().is_none_or(|from| matches!(value.order(from), Some(Ordering::Greater | Ordering::Equal)))
                && to.as_ref().is_none_or(|to| matches!(value.order(to), Some(Ordering::Less)))
        }
        Pattern::StartsWith(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
        Pattern::Record(fields) => {
            matches!(value, Value::Record(_))
                && fields.iter().all(|(name, pattern)| fits(pattern, value.get(name).unwrap_or(&Value::Null), slots))
        }
        Pattern::List { items, rest } => match value {
            Value::List(values) => list(items, *rest, values, slots),
            _ => false,
        },
        Pattern::Either(patterns) => patterns.iter().any(|pattern| fits(pattern, value, slots)),
        Pattern::Case { on, tag, bind } => {
            let fits = value.get(on).and_then(Value::as_str) == Some(tag);
            if fits && let Some(slot) = bind {
                slots.set(*slot, value.clone());
            }
            fits
        }
    }
}

fn list(items: &[Pattern], rest: Option<Option<Slot>>, values: &[Value], slots: &mut dyn Slots) -> bool {
    if values.len() < items.len() || (rest.is_none() && values.len() > items.len()) {
        return false;
    }
    let (front, back) = values.split_at(items.len());
    if !items.iter().zip(front).all(|(pattern, value)| fits(pattern, value, slots)) {
        return false;
    }
    if let Some(Some(slot)) = rest {
        slots.set(slot, Value::List(back.to_vec()));
    }
    true
}
