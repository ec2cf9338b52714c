//! Defaults that are constant, without an evaluator.

use rust_decimal::Decimal;

use crate::{
    expr::{Expr, ListPart, RecordPart, TextPart, UnaryOp},
    value::Value,
};

/// The value of an expression that has no names in it, if it is that simple.
pub(super) fn value(expr: &Expr) -> Option<Value> {
    Some(match expr {
        Expr::Literal(value) => value.clone(),
        Expr::Unary(UnaryOp::Negate, inner) => match value(inner)? {
            Value::Int(number) => Value::Int(number.checked_neg()?),
            Value::Decimal(number) => Value::Decimal(Decimal::ZERO - number),
            _ => return None,
        },
        Expr::Text { parts, .. } => {
            let mut text = String::new();
            for part in parts {
                match part {
                    TextPart::Fixed(fixed) => text.push_str(fixed),
                    TextPart::Insert(_) => return None,
                }
            }
            Value::text(text)
        }
        Expr::List(parts) => Value::List(
            parts
                .iter()
                .map(|part| match part {
                    ListPart::Item(item) => value(item),
                    ListPart::Spread(_) => None,
                })
                .collect::<Option<_>>()?,
        ),
        Expr::Record(parts) => Value::Record(
            parts
                .iter()
                .map(|part| match part {
                    RecordPart::Field(name, field) => Some((name.clone(), value(field)?)),
                    RecordPart::Spread(_) => None,
                })
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}
