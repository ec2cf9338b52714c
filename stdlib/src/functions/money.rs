//! Functions of money. Decimal places are those of ISO 4217 ([`flow_model::currency`]).

use flow_model::{
    currency,
    failure::Failure,
    function::StandardFunction,
    value::{Money, Value},
};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    argument::{Arguments, invalid},
    decimal::{MOST_PLACES, rounded},
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Money.minor(amount: Int, currency: Currency, places?: Places) -> Money",
        "Money from an amount in the currency's minor unit. The currency is an ISO 4217 code in any case; `places` is for systems that count in another unit than ISO's.",
        &[
            r#"Money.minor(1999, "eur") == 19.99 EUR"#,
            r#"Money.minor(500, "jpy") == 500 JPY"#,
            r#"Money.minor(1500, "kwd") == 1.500 KWD"#,
            r#"Money.minor(2000, "ISK", 2) == 20 ISK"#,
        ],
        |args| {
            let currency = args.text(1)?.to_ascii_uppercase();
            let places = match args.at(2) {
                Value::Null => places(&currency)?,
                _ => u32::try_from(args.count(2, "the number of decimal places", MOST_PLACES)?).unwrap_or(0),
            };
            known(&currency)?;
            Ok(Value::Money(Money { amount: Decimal::from_i128_with_scale(args.int(0)?.into(), places), currency }))
        },
    ),
    entry(
        "Money.of(amount: Decimal, currency: Currency) -> Money",
        "Money from an amount in the major unit. The currency is an ISO 4217 code in any case.",
        &[r#"Money.of(19.99, "eur") == 19.99 EUR"#],
        |args| {
            let currency = args.text(1)?.to_ascii_uppercase();
            known(&currency)?;
            Ok(Value::Money(Money { amount: args.decimal(0)?, currency }))
        },
    ),
    entry("Money.amount: Decimal", "The amount in the major unit.", &["(19.99 EUR).amount == 19.99"], |args| {
        Ok(Value::Decimal(args.money(0)?.amount))
    }),
    entry(
        "Money.currency: String",
        "The currency as ISO 4217 writes it.",
        &[r#"(19.99 EUR).currency == "EUR""#],
        |args| Ok(Value::text(args.money(0)?.currency.as_str())),
    ),
    entry(
        "Money.to_minor(self: Money) -> Int",
        "The amount in the currency's minor unit; a fraction of that unit is refused, so round first.",
        &["(19.99 EUR).to_minor() == 1999", "(500 JPY).to_minor() == 500"],
        |args| {
            let money = args.money(0)?;
            let scale = Decimal::from(10_i64.pow(places(&money.currency)?));
            money
                .amount
                .checked_mul(scale)
                .filter(|minor| minor.fract().is_zero())
                .and_then(|minor| minor.to_i64())
                .map(Value::Int)
                .ok_or_else(|| {
                    invalid(format!("`{} {}` is no whole number of minor units", money.amount, money.currency))
                })
        },
    ),
    entry(
        "Money.round(self: Money, places?: Places) -> Money",
        "The amount rounded to the currency's decimal places, or as many as given; a half goes away from zero.",
        &["(1.005 EUR).round() == 1.01 EUR", "(99.5 JPY).round() == 100 JPY"],
        |args| {
            let money = args.money(0)?;
            let places = match args.at(1) {
                Value::Null => places(&money.currency)?,
                _ => u32::try_from(args.count(1, "the number of decimal places", MOST_PLACES)?).unwrap_or(0),
            };
            Ok(Value::Money(Money { amount: rounded(money.amount, places), currency: money.currency.clone() }))
        },
    ),
    entry("Money.abs(self: Money) -> Money", "The amount without its sign.", &["(-5 EUR).abs() == 5 EUR"], |args| {
        let money = args.money(0)?;
        Ok(Value::Money(Money { amount: money.amount.abs(), currency: money.currency.clone() }))
    }),
    entry(
        "Money.split(self: Money, parts: Positive) -> List<Money>",
        "As many shares as given, equal but for a minor unit: the first ones are greater, and together they are the whole.",
        &["(10.00 EUR).split(3) == [3.34 EUR, 3.33 EUR, 3.33 EUR]"],
        |args| {
            let money = args.money(0)?;
            let parts = args.count(1, "the number of parts", 10_000)?;
            let digits = places(&money.currency)?;
            let unit = Decimal::new(1, digits);
            let Some(share) = money.amount.checked_div(Decimal::from(parts)) else {
                return Err(invalid("money is split into at least one part"));
            };
            let least = share.round_dp_with_strategy(digits, rust_decimal::RoundingStrategy::ToZero);
            let mut left = money.amount - least * Decimal::from(parts);
            if !(left / unit).fract().is_zero() {
                return Err(invalid(format!(
                    "`{} {}` has a fraction of a minor unit: round it first",
                    money.amount, money.currency
                )));
            }
            let step = if left.is_sign_negative() { -unit } else { unit };
            let shares = (0..parts).map(|_| {
                let extra = if left.is_zero() { Decimal::ZERO } else { step };
                left -= extra;
                Value::Money(Money { amount: least + extra, currency: money.currency.clone() })
            });
            Ok(Value::List(shares.collect()))
        },
    ),
];

/// Decimal places of a currency, which must be one of ISO 4217.
fn places(currency: &str) -> Result<u32, Failure> {
    currency::minor_digits(currency).ok_or_else(|| invalid(format!("`{currency}` is no currency of ISO 4217")))
}

/// Refuses what is no currency.
fn known(currency: &str) -> Result<(), Failure> {
    places(currency).map(drop)
}
