//! What do `now()`, `uuid()` and `random()` give?
//!
//! The machine reads no clock and draws nothing: the time is that of the event that is being applied, and random values are
//! made of a seed that the host drew when the run began and of how many were drawn before. Both are in the journal, so a
//! replay sees the same. Whoever does not know the seed can't tell one value from others.

use std::cell::RefCell;

use flow_model::{expr::Ambient, units::Instant, value::Value};
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

/// How many digits `random()` has after the point.
const DIGITS: u32 = 18;

/// What one expression sees.
pub(super) struct Observer<'a> {
    seed: &'a str,
    now: Instant,
    seen: RefCell<(u64, Vec<Value>)>,
}

impl<'a> Observer<'a> {
    /// For an expression before which so many random values were drawn.
    pub(super) fn new(seed: &'a str, drawn: u64, now: Instant) -> Self {
        Self { seed, now, seen: RefCell::new((drawn, Vec::new())) }
    }

    /// The value, if the program asks for one of the three.
    pub(super) fn observe(&self, which: Ambient) -> Option<Value> {
        let value = match which {
            Ambient::Now => Value::Timestamp(self.now.timestamp()),
            Ambient::Uuid => Value::text(uuid(self.draw())),
            Ambient::Random => {
                let below = 10_i128.pow(DIGITS);
                let part = i128::try_from(self.draw() >> 1).unwrap_or(0) % below;
                Value::Decimal(Decimal::from_i128_with_scale(part, DIGITS))
            }
            _ => return None,
        };
        self.seen.borrow_mut().1.push(value.clone());
        Some(value)
    }

    /// How many were drawn by now, and all that was seen.
    pub(super) fn end(self) -> (u64, Vec<Value>) {
        self.seen.into_inner()
    }

    fn draw(&self) -> u128 {
        let mut seen = self.seen.borrow_mut();
        let digest = Sha256::new().chain_update(self.seed).chain_update(seen.0.to_be_bytes()).finalize();
        seen.0 += 1;
        digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
    }
}

/// A UUID of version 4, the random kind (RFC 9562, section 5.4).
fn uuid(random: u128) -> String {
    let number = random & !(0xf000_u128 << 64) & !(0xc000_u128 << 48) | 0x4000_u128 << 64 | 0x8000_u128 << 48;
    let hex = format!("{number:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_values_and_no_two_are_equal() {
        let all = |seed: &str| {
            let observer = Observer::new(seed, 0, Instant(0));
            let drawn: Vec<_> =
                (0..200).filter_map(|at| observer.observe([Ambient::Uuid, Ambient::Random][at % 2])).collect();
            assert_eq!(observer.end().0, 200);
            drawn
        };
        let (first, again, other) = (all("a"), all("a"), all("b"));
        assert_eq!(first, again);
        for (at, value) in first.iter().enumerate() {
            assert!(!first[..at].contains(value) && !other.contains(value), "{value}");
            match value {
                Value::Decimal(random) => assert!(*random >= Decimal::ZERO && *random < Decimal::ONE, "{random}"),
                uuid => {
                    let text = uuid.to_string();
                    assert_eq!((text.len(), &text[14..15]), (36, "4"), "{text}");
                    assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
                }
            }
        }
    }
}
