//! What do operators compute?
//!
//! Integers are checked: what does not fit 64 bits is a failure, never a wrapped number. Decimals are exact up to 28
//! digits; a result that has more (a third, a product of long fractions) is rounded to the nearest there, ties to even,
//! and one whose whole part does not fit is a failure. An `Int` beside a `Decimal` is taken as a `Decimal`.

use std::cmp::Ordering;

use flow_model::{
    expr::BinaryOp,
    failure::Failure,
    units::Millis,
    value::{Money, Value},
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::invalid;

const DAY: u64 = 86_400_000;

pub(super) fn negate(value: Value) -> Result<Value, Failure> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(|| overflow("-")),
        Value::Decimal(value) => Ok(Value::Decimal(-value)),
        Value::Money(money) => Ok(Value::Money(Money { amount: -money.amount, currency: money.currency })),
        other => Err(invalid(format!("`-` does not apply to {}", other.kind()))),
    }
}

/// Applies an operator whose operands are both computed.
pub(super) fn apply(op: BinaryOp, left: Value, right: Value) -> Result<Value, Failure> {
    match op {
        BinaryOp::Equal => Ok(Value::Bool(left.equals(&right))),
        BinaryOp::NotEqual => Ok(Value::Bool(!left.equals(&right))),
        BinaryOp::Less => compare(op, &left, &right, Ordering::is_lt),
        BinaryOp::LessEqual => compare(op, &left, &right, Ordering::is_le),
        BinaryOp::Greater => compare(op, &left, &right, Ordering::is_gt),
        BinaryOp::GreaterEqual => compare(op, &left, &right, Ordering::is_ge),
        BinaryOp::In => contains(&left, &right),
        BinaryOp::Add => add(left, right),
        BinaryOp::Subtract => subtract(left, right),
        BinaryOp::Multiply => multiply(left, right),
        BinaryOp::Divide => divide(left, right),
        BinaryOp::Remainder => remainder(left, right),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Coalesce => Err(misfit(op, &left, &right)),
    }
}

fn compare(op: BinaryOp, left: &Value, right: &Value, holds: fn(Ordering) -> bool) -> Result<Value, Failure> {
    match left.order(right) {
        Some(ordering) => Ok(Value::Bool(holds(ordering))),
        None => Err(misfit(op, left, right)),
    }
}

fn contains(item: &Value, of: &Value) -> Result<Value, Failure> {
    match (item, of) {
        (item, Value::List(items)) => Ok(Value::Bool(items.iter().any(|other| other.equals(item)))),
        (Value::String(name), Value::Record(fields)) => Ok(Value::Bool(fields.contains_key(&**name))),
        _ => Err(misfit(BinaryOp::In, item, of)),
    }
}

fn add(left: Value, right: Value) -> Result<Value, Failure> {
    const OP: BinaryOp = BinaryOp::Add;
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(b).map(Value::Int).ok_or_else(|| overflow("+")),
        (Value::Money(a), Value::Money(b)) => money(OP, a, &b, Decimal::checked_add),
        (Value::Duration(a), Value::Duration(b)) => millis(OP, a.0.checked_add(b.0)),
        (Value::Size(a), Value::Size(b)) => a.checked_add(b).map(Value::Size).ok_or_else(|| overflow("+")),
        (Value::Timestamp(at), Value::Duration(by)) | (Value::Duration(by), Value::Timestamp(at)) => {
            moved(OP, at, by, Timestamp::checked_add).map(Value::Timestamp)
        }
        (Value::Zoned(at), Value::Duration(by)) | (Value::Duration(by), Value::Zoned(at)) => {
            let moved = moved(OP, at.timestamp(), by, Timestamp::checked_add)?;
            Ok(Value::Zoned(moved.to_zoned(at.time_zone().clone())))
        }
        (Value::Date(day), Value::Duration(by)) | (Value::Duration(by), Value::Date(day)) => {
            moved_date(OP, day, by, Date::checked_add)
        }
        (Value::String(a), Value::String(b)) => Ok(Value::text(format!("{a}{b}"))),
        (Value::List(mut a), Value::List(b)) => {
            a.extend(b);
            Ok(Value::List(a))
        }
        (left, right) => decimals(OP, &left, &right, Decimal::checked_add),
    }
}

fn subtract(left: Value, right: Value) -> Result<Value, Failure> {
    const OP: BinaryOp = BinaryOp::Subtract;
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.checked_sub(b).map(Value::Int).ok_or_else(|| overflow("-")),
        (Value::Money(a), Value::Money(b)) => money(OP, a, &b, Decimal::checked_sub),
        (Value::Duration(a), Value::Duration(b)) => millis(OP, a.0.checked_sub(b.0)),
        (Value::Size(a), Value::Size(b)) => {
            a.checked_sub(b).map(Value::Size).ok_or_else(|| invalid("a size can't be less than zero"))
        }
        (Value::Timestamp(at), Value::Duration(by)) => moved(OP, at, by, Timestamp::checked_sub).map(Value::Timestamp),
        (Value::Zoned(at), Value::Duration(by)) => {
            let moved = moved(OP, at.timestamp(), by, Timestamp::checked_sub)?;
            Ok(Value::Zoned(moved.to_zoned(at.time_zone().clone())))
        }
        (Value::Date(day), Value::Duration(by)) => moved_date(OP, day, by, Date::checked_sub),
        (Value::Timestamp(a), Value::Timestamp(b)) => between(a.duration_since(b)),
        (Value::Zoned(a), Value::Zoned(b)) => between(a.timestamp().duration_since(b.timestamp())),
        (Value::Date(a), Value::Date(b)) => between(a.duration_since(b)),
        (left, right) => decimals(OP, &left, &right, Decimal::checked_sub),
    }
}

fn multiply(left: Value, right: Value) -> Result<Value, Failure> {
    const OP: BinaryOp = BinaryOp::Multiply;
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.checked_mul(b).map(Value::Int).ok_or_else(|| overflow("*")),
        (Value::Money(of), by) | (by, Value::Money(of)) => {
            let Some(factor) = number(&by) else { return Err(misfit(OP, &Value::Money(of), &by)) };
            scaled(OP, of, factor, Decimal::checked_mul)
        }
        (Value::Duration(of), by) | (by, Value::Duration(of)) => {
            let product = number(&by).map(|by| Decimal::from(of.0).checked_mul(by));
            whole(OP, &Value::Duration(of), &by, product).map(|product| Value::Duration(Millis(product)))
        }
        (Value::Size(of), by) | (by, Value::Size(of)) => {
            let product = number(&by).map(|by| Decimal::from(of).checked_mul(by));
            whole(OP, &Value::Size(of), &by, product).map(Value::Size)
        }
        (left, right) => decimals(OP, &left, &right, Decimal::checked_mul),
    }
}

fn divide(left: Value, right: Value) -> Result<Value, Failure> {
    const OP: BinaryOp = BinaryOp::Divide;
    let zero = match &right {
        Value::Money(money) => money.amount.is_zero(),
        Value::Duration(millis) => millis.0 == 0,
        Value::Size(size) => *size == 0,
        other => number(other).is_some_and(|number| number.is_zero()),
    };
    if zero {
        return Err(invalid("division by zero"));
    }
    match (left, right) {
        (Value::Money(a), Value::Money(b)) => {
            same_currency(OP, &a, &b)?;
            a.amount.checked_div(b.amount).map(Value::Decimal).ok_or_else(|| overflow("/"))
        }
        (Value::Money(of), by) => match number(&by) {
            Some(by) => scaled(OP, of, by, Decimal::checked_div),
            None => Err(misfit(OP, &Value::Money(of), &by)),
        },
        (Value::Duration(a), Value::Duration(b)) => ratio(a.0, b.0),
        (Value::Size(a), Value::Size(b)) => ratio(a, b),
        (Value::Duration(of), by) => {
            let quotient = number(&by).map(|by| Decimal::from(of.0).checked_div(by));
            whole(OP, &Value::Duration(of), &by, quotient).map(|quotient| Value::Duration(Millis(quotient)))
        }
        (Value::Size(of), by) => {
            let quotient = number(&by).map(|by| Decimal::from(of).checked_div(by));
            whole(OP, &Value::Size(of), &by, quotient).map(Value::Size)
        }
        (left, right) => decimals(OP, &left, &right, Decimal::checked_div),
    }
}

fn remainder(left: Value, right: Value) -> Result<Value, Failure> {
    if number(&right).is_some_and(|number| number.is_zero()) {
        return Err(invalid("the remainder of a division by zero"));
    }
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Ok(Value::Int(a.checked_rem(b).unwrap_or(0))),
        (left, right) => decimals(BinaryOp::Remainder, &left, &right, Decimal::checked_rem),
    }
}

type Arithmetic = fn(Decimal, Decimal) -> Option<Decimal>;

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(value) => Some(Decimal::from(*value)),
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}

fn decimals(op: BinaryOp, left: &Value, right: &Value, compute: Arithmetic) -> Result<Value, Failure> {
    match (number(left), number(right)) {
        (Some(a), Some(b)) => compute(a, b).map(Value::Decimal).ok_or_else(|| overflow(op.symbol())),
        _ => Err(misfit(op, left, right)),
    }
}

fn money(op: BinaryOp, a: Money, b: &Money, compute: Arithmetic) -> Result<Value, Failure> {
    same_currency(op, &a, b)?;
    scaled(op, a, b.amount, compute)
}

fn scaled(op: BinaryOp, of: Money, by: Decimal, compute: Arithmetic) -> Result<Value, Failure> {
    let amount = compute(of.amount, by).ok_or_else(|| overflow(op.symbol()))?;
    Ok(Value::Money(Money { amount, currency: of.currency }))
}

fn same_currency(op: BinaryOp, a: &Money, b: &Money) -> Result<(), Failure> {
    if a.currency == b.currency {
        return Ok(());
    }
    Err(invalid(format!("`{}` between {} and {}: convert one of them first", op.symbol(), a.currency, b.currency)))
}

fn millis(op: BinaryOp, result: Option<u64>) -> Result<Value, Failure> {
    match (result, op) {
        (Some(millis), _) => Ok(Value::Duration(Millis(millis))),
        (None, BinaryOp::Subtract) => Err(negative_duration()),
        (None, _) => Err(overflow(op.symbol())),
    }
}

/// The part before the point: durations have whole milliseconds, sizes whole bytes.
fn whole(op: BinaryOp, of: &Value, by: &Value, result: Option<Option<Decimal>>) -> Result<u64, Failure> {
    let result = result.ok_or_else(|| misfit(op, of, by))?.ok_or_else(|| overflow(op.symbol()))?;
    if result < Decimal::ZERO {
        return Err(invalid(format!("{} can't be less than zero", of.kind())));
    }
    result.trunc().to_u64().ok_or_else(|| overflow(op.symbol()))
}

fn ratio(a: u64, b: u64) -> Result<Value, Failure> {
    Decimal::from(a).checked_div(Decimal::from(b)).map(Value::Decimal).ok_or_else(|| overflow("/"))
}

fn signed(op: BinaryOp, by: Millis) -> Result<SignedDuration, Failure> {
    i64::try_from(by.0).map(SignedDuration::from_millis).map_err(|_| overflow(op.symbol()))
}

fn moved(
    op: BinaryOp,
    at: Timestamp,
    by: Millis,
    compute: fn(Timestamp, SignedDuration) -> Result<Timestamp, jiff::Error>,
) -> Result<Timestamp, Failure> {
    compute(at, signed(op, by)?).map_err(|_| invalid(format!("`{}` leaves the range of timestamps", op.symbol())))
}

fn moved_date(
    op: BinaryOp,
    day: Date,
    by: Millis,
    compute: fn(Date, SignedDuration) -> Result<Date, jiff::Error>,
) -> Result<Value, Failure> {
    if !by.0.is_multiple_of(DAY) {
        return Err(invalid(format!("{by} is not a number of whole days, which a date needs")));
    }
    let moved = compute(day, signed(op, by)?);
    moved.map(Value::Date).map_err(|_| invalid(format!("`{}` leaves the range of dates", op.symbol())))
}

fn between(duration: SignedDuration) -> Result<Value, Failure> {
    u64::try_from(duration.as_millis()).map(|millis| Value::Duration(Millis(millis))).map_err(|_| negative_duration())
}

fn negative_duration() -> Failure {
    invalid("a duration can't be less than zero: compare the two first")
}

fn overflow(symbol: &str) -> Failure {
    invalid(format!("the result of `{symbol}` does not fit"))
}

fn misfit(op: BinaryOp, left: &Value, right: &Value) -> Failure {
    if let (Value::Money(a), Value::Money(b)) = (left, right)
        && let Err(failure) = same_currency(op, a, b)
    {
        return failure;
    }
    invalid(format!("`{}` does not apply to {} and {}", op.symbol(), left.kind(), right.kind()))
}
