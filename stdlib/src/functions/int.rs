//! Functions of integers of 64 bits. What does not fit is a failure; nothing wraps around.

use flow_model::{failure::Failure, function::StandardFunction, value::Value};

use super::{
    argument::{Arguments, invalid},
    entry,
    list::limited,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry("Int.abs(self: Int) -> Int", "The number without its sign.", &["(-5).abs() == 5"], |args| {
        fits(args.int(0)?.checked_abs())
    }),
    entry("Int.min(self: Int, other: Int) -> Int", "The smaller of the two.", &["(3).min(2) == 2"], |args| {
        Ok(Value::Int(args.int(0)?.min(args.int(1)?)))
    }),
    entry("Int.max(self: Int, other: Int) -> Int", "The greater of the two.", &["(3).max(2) == 3"], |args| {
        Ok(Value::Int(args.int(0)?.max(args.int(1)?)))
    }),
    entry(
        "Int.clamp(self: Int, least: Int, most: Int) -> Int",
        "The number, or the bound that it lies beyond.",
        &["(15).clamp(1, 10) == 10", "(5).clamp(1, 10) == 5"],
        |args| {
            let (least, most) = (args.int(1)?, args.int(2)?);
            if least > most {
                return Err(invalid(format!("`clamp` needs bounds in order, not {least} and {most}")));
            }
            Ok(Value::Int(args.int(0)?.clamp(least, most)))
        },
    ),
    entry(
        "Int.quotient(self: Int, by: Int) -> Int",
        "How often a number goes into this one, rounded towards zero; `/` divides exactly.",
        &["(7).quotient(2) == 3", "(-7).quotient(2) == -3"],
        |args| {
            let by = args.int(1)?;
            if by == 0 { Err(invalid("division by zero")) } else { fits(args.int(0)?.checked_div(by)) }
        },
    ),
    entry(
        "Int.to_decimal(self: Int) -> Decimal",
        "The same number as a decimal.",
        &["(3).to_decimal() == 3.0"],
        |args| Ok(Value::Decimal(args.decimal(0)?)),
    ),
    entry("Int.to_string(self: Int) -> String", "The number in digits.", &[r#"(42).to_string() == "42""#], |args| {
        Ok(Value::text(args.int(0)?.to_string()))
    }),
    entry(
        "List.range(from: Int, to: Int) -> List<Int>",
        "The integers from one up to another that is not included, at most a million.",
        &["List.range(1, 4) == [1, 2, 3]", "List.range(4, 1).is_empty"],
        |args| {
            let (from, to) = (args.int(0)?, args.int(1)?);
            limited("List.range", usize::try_from(to.saturating_sub(from)).unwrap_or(0))?;
            Ok(Value::List((from..to).map(Value::Int).collect()))
        },
    ),
];

fn fits(value: Option<i64>) -> Result<Value, Failure> {
    value.map(Value::Int).ok_or_else(|| invalid("the result does not fit 64 bits"))
}
