//! Which numbers, amounts and times do ranges and literals take together?
//!
//! In: the patterns for values of a type that has an order. Out: the stretches into which their bounds cut it, each of
//! which every pattern takes as a whole or not at all.

use std::cmp::Ordering;

use flow_model::{expr::Pattern, ty::Type, value::Value};

/// One value, or all values between two that are not among them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stretch {
    /// The value.
    One(Value),
    /// What is greater than the first and less than the second; without one, there is no end.
    Between(Option<Value>, Option<Value>),
}

impl Stretch {
    /// The stretches of a type, in order; none if no range is among the patterns, or the type has no order.
    pub(super) fn all(ty: &Type, patterns: &[&Pattern]) -> Vec<Self> {
        let has_order = matches!(
            ty,
            Type::Int
                | Type::Decimal
                | Type::Money(Some(_))
                | Type::Timestamp
                | Type::Zoned
                | Type::Date
                | Type::Duration
                | Type::Size
        );
        if !has_order || !patterns.iter().any(|pattern| matches!(pattern, Pattern::Range { .. })) {
            return Vec::new();
        }
        let mut bounds: Vec<&Value> = Vec::new();
        for pattern in patterns {
            match pattern {
                Pattern::Range { from, to } => bounds.extend(from.iter().chain(to)),
                Pattern::Literal(value) => bounds.push(value),
                _ => {}
            }
        }
        // What has no order with the others was reported.
        bounds.retain(|bound| bound.order(bound).is_some());
        bounds.sort_by(|one, other| one.order(other).unwrap_or(Ordering::Equal));
        bounds.dedup_by(|one, other| one.equals(other));
        let mut all = Vec::new();
        let mut below: Option<&Value> = None;
        for bound in bounds {
            let is_empty = *ty == Type::Int
                && matches!((below, bound), (Some(Value::Int(low)), Value::Int(high)) if *high == low.saturating_add(1));
            if !is_empty {
                all.push(Self::Between(below.cloned(), Some(bound.clone())));
            }
            all.push(Self::One(bound.clone()));
            below = Some(bound);
        }
        all.push(Self::Between(below.cloned(), None));
        all
    }

    /// It as a pattern: the least whole number is part of it, and any other value that it begins with is taken already.
    pub(super) fn written(&self, ty: &Type) -> String {
        let end = |value: &Option<Value>| value.as_ref().map_or_else(String::new, ToString::to_string);
        match self {
            Self::One(value) => value.to_string(),
            Self::Between(Some(Value::Int(low)), high) if *ty == Type::Int => {
                format!("{}..{}", low.saturating_add(1), end(high))
            }
            Self::Between(low, high) => format!("{}..{}", end(low), end(high)),
        }
    }

    /// Stretches that follow on each other, as few patterns as take them.
    pub(super) fn joined(stretches: &[Self], ty: &Type) -> Vec<String> {
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return Vec::new() };
        match (first, last) {
            (_, Self::One(value)) if stretches.len() > 1 => {
                // A range ends before its last value.
                let before = stretches.get(..stretches.len() - 1).unwrap_or_default();
                Self::joined(before, ty).into_iter().chain([value.to_string()]).collect()
            }
            (Self::One(value), Self::Between(_, high)) => {
                vec![format!("{value}..{}", high.as_ref().map_or_else(String::new, ToString::to_string))]
            }
            (Self::Between(low, _), Self::Between(_, high)) => {
                vec![Self::Between(low.clone(), high.clone()).written(ty)]
            }
            _ => vec![first.written(ty)],
        }
    }

    /// Says whether a range or a literal takes all of it.
    pub(super) fn is_in(&self, pattern: &Pattern) -> bool {
        let is = |one: &Value, other: &Value, holds: fn(Ordering) -> bool| one.order(other).is_some_and(holds);
        match (self, pattern) {
            (Self::One(value), Pattern::Literal(literal)) => value.equals(literal),
            (Self::One(value), Pattern::Range { from, to }) => {
                from.as_ref().is_none_or(|from| is(value, from, Ordering::is_ge))
                    && to.as_ref().is_none_or(|to| is(value, to, Ordering::is_lt))
            }
            (Self::Between(low, high), Pattern::Range { from, to }) => {
                let from_below = |from: &Value| low.as_ref().is_some_and(|low| is(low, from, Ordering::is_ge));
                let to_above = |to: &Value| high.as_ref().is_some_and(|high| is(high, to, Ordering::is_le));
                from.as_ref().is_none_or(from_below) && to.as_ref().is_none_or(to_above)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: Option<i64>, to: Option<i64>) -> Pattern {
        Pattern::Range { from: from.map(Value::Int), to: to.map(Value::Int) }
    }

    fn written(ty: &Type, patterns: &[Pattern]) -> Vec<String> {
        let all = Stretch::all(ty, &patterns.iter().collect::<Vec<_>>());
        let open = all.iter().filter(|one| !patterns.iter().any(|pattern| one.is_in(pattern)));
        open.map(|one| one.written(ty)).collect()
    }

    #[test]
    fn what_ranges_leave_is_found() {
        assert_eq!(written(&Type::Int, &[range(None, Some(10)), range(Some(10), None)]), [""; 0]);
        assert_eq!(written(&Type::Int, &[range(None, Some(10)), range(Some(11), None)]), ["10"]);
        assert_eq!(written(&Type::Int, &[range(Some(1), Some(5)), range(Some(8), None)]), ["..1", "5", "6..8"]);
        let ten = Pattern::Literal(Value::Int(10));
        assert_eq!(written(&Type::Int, &[range(None, Some(10)), ten.clone(), range(Some(11), None)]), [""; 0]);
        assert_eq!(written(&Type::Decimal, &[range(None, Some(10)), ten, range(Some(11), None)]), ["10..11"]);
    }

    #[test]
    fn literals_alone_cut_nothing() {
        assert_eq!(Stretch::all(&Type::Int, &[&Pattern::Literal(Value::Int(1))]), []);
        assert_eq!(Stretch::all(&Type::String, &[&range(None, None)]), []);
    }
}
