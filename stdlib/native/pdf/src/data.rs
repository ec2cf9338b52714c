//! Values as templates see them.

use flow_model::value::Value;
use typst::foundations::{Bytes, Datetime, Decimal, Dict, IntoValue as _, Str, Value as Typst};

/// A record is a dictionary, a list an array, null `none`; numbers are exact, a day is a `datetime`, money has `amount` and
/// `currency`. What templates have no form for is its text.
pub(crate) fn typst(value: &Value) -> Typst {
    match value {
        Value::Null => Typst::None,
        Value::Bool(value) => Typst::Bool(*value),
        Value::Int(number) => Typst::Int(*number),
        Value::Decimal(number) => decimal(&number.to_string()),
        Value::String(text) => Typst::Str(Str::from(&**text)),
        Value::Bytes(bytes) => Bytes::new(bytes.to_vec()).into_value(),
        Value::Date(day) => {
            let (month, of_month) = (day.month().unsigned_abs(), day.day().unsigned_abs());
            Datetime::from_ymd(day.year().into(), month, of_month).map_or(Typst::None, Typst::Datetime)
        }
        Value::Money(money) => [
            (Str::from("amount"), decimal(&money.amount.to_string())),
            (Str::from("currency"), Typst::Str(Str::from(money.currency.as_str()))),
        ]
        .into_iter()
        .collect::<Dict>()
        .into_value(),
        Value::List(items) => Typst::Array(items.iter().map(typst).collect()),
        Value::Record(fields) => {
            fields.iter().map(|(name, field)| (Str::from(name.as_str()), typst(field))).collect::<Dict>().into_value()
        }
        other => Typst::Str(Str::from(other.to_string())),
    }
}

fn decimal(text: &str) -> Typst {
    text.parse::<Decimal>().map_or_else(|_| Typst::Str(Str::from(text)), Typst::Decimal)
}
