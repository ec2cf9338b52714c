//! Numbers as written, exactly: what does an [`Int`](crate::ty::Type::Int) or an exact decimal make of this text?

use rust_decimal::Decimal;

use crate::value::Value;

/// The most digits that a 96-bit mantissa can have.
const MOST_DIGITS: usize = 29;

/// Reads the text of a JSON number: an integer where it has the form of one and fits 64 bits, else a decimal. None when
/// an exact decimal can't hold it; nothing is ever rounded. The scale is kept: `19.90` has two decimal places.
pub fn exact(text: &str) -> Option<Value> {
    if let Ok(value) = text.parse::<i64>() {
        return Some(Value::Int(value));
    }
    decimal(text).map(Value::Decimal)
}

/// Reads the text of a JSON number as a decimal without rounding.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (base, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((base, exponent)) => (base, exponent.parse::<i64>().ok()),
        None => (unsigned, Some(0)),
    };
    let (whole, fraction) = base.split_once('.').unwrap_or((base, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || base.ends_with('.') {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let mut digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        let places = u32::try_from(fraction.len()).unwrap_or(u32::MAX).min(Decimal::MAX_SCALE);
        return Some(Decimal::new(0, places));
    }
    let mut scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent?)?;
    let greatest = i64::from(Decimal::MAX_SCALE);
    while (scale > greatest || digits.len() > MOST_DIGITS) && scale > 0 && digits.ends_with('0') {
        digits.pop();
        scale -= 1;
    }
    if scale > greatest || digits.len() > MOST_DIGITS {
        return None;
    }
    while scale < 0 {
        digits.push('0');
        scale += 1;
        if digits.len() > MOST_DIGITS {
            return None;
        }
    }
    let mantissa: i128 = digits.parse().ok()?;
    let mantissa = if negative { -mantissa } else { mantissa };
    Decimal::try_from_i128_with_scale(mantissa, u32::try_from(scale).ok()?).ok()
}

/// The integer that a decimal is, if it is one and fits 64 bits.
pub(super) fn integer(value: Decimal) -> Option<i64> {
    let value = value.normalize();
    if value.scale() == 0 { i64::try_from(value.mantissa()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_without_rounding_or_refused() {
        let read = |text: &str| decimal(text).map(|value| value.to_string());
        for (text, expected) in [
            ("19.90", "19.90"),
            ("-0.5", "-0.5"),
            ("1e3", "1000"),
            ("1.25e1", "12.5"),
            ("125E-2", "1.25"),
            ("0e400", "0"),
            ("1.000000000000000000000000000000000000", "1.0000000000000000000000000000"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("1e28", "10000000000000000000000000000"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "79228162514264337593543950336",
            "1e29",
            "1e400",
            "1e-29",
            "1e99999999999999999999",
            "0.12345678901234567890123456789012",
            "1.00000000000000000000000000000000000001e0",
            "",
            "-",
            ".5",
            "5.",
            "1e",
            "NaN",
            "0x10",
            "1_000",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_of_many_digits_takes_no_long_time() {
        assert_eq!(decimal(&"9".repeat(1_000_000)), None);
        assert_eq!(decimal(&format!("1.{}", "0".repeat(1_000_000))).map(|value| value.normalize()), Some(Decimal::ONE));
    }

    #[test]
    fn only_whole_decimals_are_integers() {
        assert_eq!(integer("5.00".parse().unwrap()), Some(5));
        assert_eq!(integer("5.01".parse().unwrap()), None);
        assert_eq!(integer("9223372036854775808".parse().unwrap()), None);
    }
}
