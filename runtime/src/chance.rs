//! Where do random numbers come from?
//!
//! From here and nowhere else: the jitter of waits and the ids of runs. The source is handed in, as the clock is, so that a
//! simulation goes the same way each time.

use std::sync::{Mutex, PoisonError};

/// A source of random numbers.
pub trait Chance: Send + Sync {
    /// The next number; any is as likely as any other.
    fn draw(&self) -> u64;
}

/// The random numbers of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn draw(&self) -> u64 {
        rand::random()
    }
}

/// Numbers that follow from a seed: SplitMix64 (G. L. Steele et al., "Fast Splittable Pseudorandom Number Generators",
/// OOPSLA 2014).
#[derive(Debug)]
pub struct Seeded(Mutex<u64>);

impl Seeded {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Says yes once in so many times.
    pub fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }
}

#[cfg(test)]
impl Seeded {
    /// The bytes, changed at a few places, at most so many: something is taken away, doubled, flipped or written large, or
    /// one of the pieces is put in, once or as often as no one writes it.
    pub(crate) fn changed(&self, bytes: &[u8], places: u64, pieces: &[&[u8]]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let index = |length: usize| usize::try_from(self.below(length as u64)).unwrap();
        for _ in 0..=self.below(places) {
            let (from, to) = (index(bytes.len() + 1), index(bytes.len() + 1));
            let (from, to) = (from.min(to), from.max(to));
            let piece = || pieces[index(pieces.len())];
            match self.below(7) {
                0 => drop(bytes.drain(from..to)),
                1 => bytes.truncate(from),
                2 => drop(bytes.splice(from..from, bytes[from..to].to_vec())),
                3 => drop(bytes.splice(from..from, piece().iter().copied())),
                4 => drop(bytes.splice(from..from, piece().repeat(1 + index(300)))),
                5 => bytes[from..to].make_ascii_uppercase(),
                _ => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
            }
        }
        bytes
    }
}

impl Chance for Seeded {
    fn draw(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
