//! Numbers, money, durations and sizes.

use flow_grammar::{Kind, Node};
use flow_model::{
    diagnostic::{Code, Diagnostic},
    units::Millis,
    value::{Money, Value},
};
use rust_decimal::Decimal;

use super::Reader;
use crate::ast;

/// Units of durations, in milliseconds.
const DURATIONS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Units of sizes, in bytes.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// What stands before a number and belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing.
    None,
    /// `-`
    Minus,
}

impl Reader<'_> {
    /// A literal as an expression.
    pub(super) fn literal(&mut self, node: Node<'_>, sign: Sign) -> ast::Expr {
        let kind = self.value(node, sign).map_or(ast::ExprKind::Missing, ast::ExprKind::Literal);
        ast::Expr { span: self.span(node), kind }
    }

    /// The value of a literal, or nothing when it was reported, as too large here or by the parser for its unit.
    pub(super) fn value(&mut self, node: Node<'_>, before: Sign) -> Option<Value> {
        let text = self.text_of(node).replace('_', "");
        let sign = |text: &str| if before == Sign::Minus { format!("-{text}") } else { text.to_owned() };
        match node.kind() {
            Kind::True => Some(Value::Bool(true)),
            Kind::False => Some(Value::Bool(false)),
            Kind::Null => Some(Value::Null),
            Kind::Number if !is_number(&text) => None,
            Kind::Number if text.contains('.') => {
                self.fits(node, decimal(&sign(&text)), "an exact decimal of 28 digits").map(Value::Decimal)
            }
            Kind::Number => self.fits(node, sign(&text).parse().ok(), "an integer of 64 bits").map(Value::Int),
            Kind::Money => {
                let number = self.text_of(node.child(Kind::Number)?).replace('_', "");
                if !is_number(&number) {
                    return None;
                }
                let currency = self.text_of(node.child(Kind::Currency)?).to_owned();
                let amount = self.fits(node, decimal(&sign(&number)), "an exact decimal of 28 digits")?;
                Some(Value::Money(Money { amount, currency }))
            }
            Kind::Duration if before == Sign::Minus => {
                let span = self.span(node);
                self.syntax(span, "a duration is not negative", "has a `-` before it", "leave the `-` out");
                None
            }
            Kind::Duration => {
                let value = with_unit(&text, DURATIONS)?;
                self.fits(node, value, "64 bits of milliseconds").map(|value| Value::Duration(Millis(value)))
            }
            Kind::Size => {
                let value = with_unit(&text, SIZES)?;
                self.fits(node, value, "64 bits of bytes").map(Value::Size)
            }
            _ => None,
        }
    }

    /// Reports a literal that has no exact value.
    fn fits<T>(&mut self, node: Node<'_>, value: Option<T>, into: &str) -> Option<T> {
        if value.is_none() {
            let message = format!("this number does not fit {into}");
            let diagnostic = Diagnostic::new(Code::E0102, message, self.span(node), "too large, or too many digits");
            self.report(diagnostic.help("write fewer digits; numbers are exact and never rounded"));
        }
        value
    }
}

/// Says whether a number is written as one, and not repaired by the parser.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.matches('.').count() <= 1
}

/// An exact decimal: none when digits would be lost.
fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok()
}

/// Digits and a unit, as a number of the smallest unit, where that fits 64 bits; nothing when there is no such unit.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<Option<u64>> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let size = units.iter().find(|(name, _)| *name == unit)?.1;
    Some(digits.parse::<u64>().ok().and_then(|digits| digits.checked_mul(size)))
}
