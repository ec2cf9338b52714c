//! Functions of exact decimals. Rounding is commercial: a half goes away from zero.

use flow_model::{failure::Failure, function::StandardFunction, value::Value};
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

use super::{
    argument::{Arguments, invalid},
    entry,
};

/// The most decimal places of a decimal.
pub(super) const MOST_PLACES: usize = 28;

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry("Decimal.abs(self: Decimal) -> Decimal", "The number without its sign.", &["(-1.5).abs() == 1.5"], |args| {
        Ok(Value::Decimal(args.decimal(0)?.abs()))
    }),
    entry(
        "Decimal.round(self: Decimal, places?: Places) -> Decimal",
        "The number with that many decimal places, none by default; a half goes away from zero.",
        &["(2.345).round(2) == 2.35", "(2.5).round() == 3", "(-2.5).round() == -3"],
        |args| Ok(Value::Decimal(rounded(args.decimal(0)?, places(args)?))),
    ),
    entry(
        "Decimal.round_half_even(self: Decimal, places?: Places) -> Decimal",
        "The number with that many decimal places; a half goes to the even neighbour, as banks round.",
        &["(2.345).round_half_even(2) == 2.34", "(3.5).round_half_even() == 4"],
        |args| {
            let strategy = RoundingStrategy::MidpointNearestEven;
            Ok(Value::Decimal(args.decimal(0)?.round_dp_with_strategy(places(args)?, strategy)))
        },
    ),
    entry(
        "Decimal.truncate(self: Decimal, places?: Places) -> Decimal",
        "The number with the decimal places after that many cut off.",
        &["(2.349).truncate(2) == 2.34", "(-2.9).truncate() == -2"],
        |args| {
            let strategy = RoundingStrategy::ToZero;
            Ok(Value::Decimal(args.decimal(0)?.round_dp_with_strategy(places(args)?, strategy)))
        },
    ),
    entry(
        "Decimal.floor(self: Decimal) -> Int",
        "The greatest integer that is not above the number.",
        &["(2.9).floor() == 2", "(-2.1).floor() == -3"],
        |args| integer(args.decimal(0)?.floor()),
    ),
    entry(
        "Decimal.ceil(self: Decimal) -> Int",
        "The least integer that is not below the number.",
        &["(2.1).ceil() == 3"],
        |args| integer(args.decimal(0)?.ceil()),
    ),
    entry(
        "Decimal.min(self: Decimal, other: Decimal) -> Decimal",
        "The smaller of the two.",
        &["(1.5).min(0.5) == 0.5"],
        |args| Ok(Value::Decimal(args.decimal(0)?.min(args.decimal(1)?))),
    ),
    entry(
        "Decimal.max(self: Decimal, other: Decimal) -> Decimal",
        "The greater of the two.",
        &["(1.5).max(0.5) == 1.5"],
        |args| Ok(Value::Decimal(args.decimal(0)?.max(args.decimal(1)?))),
    ),
    entry(
        "Decimal.clamp(self: Decimal, least: Decimal, most: Decimal) -> Decimal",
        "The number, or the bound that it lies beyond.",
        &["(1.5).clamp(0.0, 1.0) == 1.0"],
        |args| {
            let (least, most) = (args.decimal(1)?, args.decimal(2)?);
            if least > most {
                return Err(invalid(format!("`clamp` needs bounds in order, not {least} and {most}")));
            }
            Ok(Value::Decimal(args.decimal(0)?.clamp(least, most)))
        },
    ),
    entry(
        "Decimal.to_int(self: Decimal) -> Int?",
        "The same number as an integer, null when it has a fraction or does not fit 64 bits.",
        &["(3.00).to_int() == 3", "(3.5).to_int() == null"],
        |args| {
            let value = args.decimal(0)?;
            Ok(if value.fract().is_zero() { value.to_i64().map_or(Value::Null, Value::Int) } else { Value::Null })
        },
    ),
    entry(
        "Decimal.to_string(self: Decimal) -> String",
        "The number with the decimal places that it has.",
        &[r#"(19.90).to_string() == "19.90""#],
        |args| Ok(Value::text(args.decimal(0)?.to_string())),
    ),
    entry(
        "Decimal.format(self: Decimal, places: Places, point?: String, thousands?: String) -> String",
        "The number rounded to that many decimal places, with a mark between thousands when one is given.",
        &[
            r#"(1234567.5).format(2, ".", ",") == "1,234,567.50""#,
            r#"(-1234.5).format(2, ",", ".") == "-1.234,50""#,
            r#"(0.005).format(1) == "0.0""#,
        ],
        |args| {
            let places = args.count(1, "the number of decimal places", MOST_PLACES)?;
            let mut value = rounded(args.decimal(0)?, u32::try_from(places).unwrap_or(0));
            let negative = value.is_sign_negative() && !value.is_zero();
            value.set_sign_positive(true);
            let text = format!("{value:.places$}");
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let mut written = grouped(whole, args.text_or(3, "")?);
            if !fraction.is_empty() {
                written = format!("{written}{}{fraction}", args.text_or(2, ".")?);
            }
            Ok(Value::text(if negative { format!("-{written}") } else { written }))
        },
    ),
];

/// Rounds half away from zero.
pub(super) fn rounded(value: Decimal, places: u32) -> Decimal {
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

fn places(args: &[flow_model::function::Argument<'_>]) -> Result<u32, Failure> {
    if *args.at(1) == Value::Null {
        return Ok(0);
    }
    Ok(u32::try_from(args.count(1, "the number of decimal places", MOST_PLACES)?).unwrap_or(0))
}

fn integer(value: Decimal) -> Result<Value, Failure> {
    value.to_i64().map(Value::Int).ok_or_else(|| invalid(format!("{value} does not fit 64 bits")))
}

/// Puts a mark between each three digits from the right.
fn grouped(digits: &str, mark: &str) -> String {
    let mut written = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push_str(mark);
        }
        written.push(digit);
    }
    written
}
