//! What goes wrong in a simulation, and when?
//!
//! All of it follows from one number, so the number is all that has to be kept of a simulation that found something.

use std::fmt;

use flow_model::{failure::ErrorKind, units::Millis, value::Value};

use super::{
    disk::{Fault, Pace},
    outside::{Made, Reply},
    process::Life,
};
use crate::{
    chance::{Chance as _, Seeded},
    connector::Reached,
};

/// How many processes crash at most before the last one.
const MOST_LIVES: u64 = 6;

/// How many calls with the same key the network spoils at most, so that every retry comes to an end.
const MOST_SPOILED: usize = 2;

/// A plan of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What all of it follows from.
    pub seed: u64,
    /// The processes that crash, and by how much the clock moves after each: back, where that is negative.
    pub lives: Vec<(Life, i64)>,
    /// How the last process lives, which nothing happens to.
    pub last: Life,
    /// How often the sender sends each event to each process, at the same time.
    pub copies: Vec<usize>,
}

impl Schedule {
    /// Draws the faults of a seed.
    pub fn draw(seed: u64) -> Self {
        let chance = Seeded::new(seed);
        let pace = |chance: &Seeded| Pace::Drawn(chance.draw());
        let lives = (0..chance.below(MOST_LIVES)).map(|_| {
            let at = usize::try_from(chance.below(9)).unwrap_or(0);
            let fault = match chance.below(7) {
                0 => Fault::Never,
                1 => Fault::Before(at),
                2 => Fault::After(at),
                3 => Fault::Refused(at),
                4 => Fault::Low(at),
                5 => Fault::Slow(at),
                _ => Fault::Torn(at),
            };
            let lasts = Some(Millis(chance.below(20_000)));
            let down = i64::try_from(chance.below(90_000)).unwrap_or(0) - 30_000;
            (Life { fault, pace: pace(&chance), lasts }, down)
        });
        let lives = lives.collect();
        let copies = (0..=chance.below(3)).map(|_| 1 + usize::try_from(chance.below(3)).unwrap_or(0)).collect();
        let last = Life { fault: Fault::Never, pace: pace(&chance), lasts: None };
        Self { seed, lives, last, copies }
    }

    /// What the network does to a call.
    pub fn weather(&self, made: &Made) -> Weather {
        if made.before >= MOST_SPOILED {
            return Weather::Fair;
        }
        let key = made.key.bytes().fold(made.before as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let chance = Seeded::new(self.seed ^ key);
        match chance.below(12) {
            0 => Weather::AnswerLost,
            1 => Weather::RequestLost,
            2 => Weather::Reset,
            3 => Weather::Slow(Millis(chance.below(60_000))),
            // Only what may be repeated is repeated after an answer that says nothing was done.
            4 if made.repeatable => Weather::Refused(ErrorKind::Unavailable),
            5 if made.repeatable => Weather::Refused(ErrorKind::RateLimited),
            _ => Weather::Fair,
        }
    }
}

/// What becomes of a call on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It arrives and is answered.
    Fair,
    /// It arrives, and the answer does after a time.
    Slow(Millis),
    /// It arrives, and the answer does not.
    AnswerLost,
    /// It does not arrive, and nobody says so.
    RequestLost,
    /// It does not leave.
    Reset,
    /// It is answered that nothing was done.
    Refused(ErrorKind),
}

impl Weather {
    /// What the caller hears of a call that would be answered with a value.
    pub fn reply(&self, value: Value) -> Reply {
        match self {
            Self::Fair => Reply::ok(value),
            Self::Slow(by) => Reply::ok(value).after(by.0),
            Self::AnswerLost => Reply::err(ErrorKind::Timeout, Reached::Perhaps).after(30_000).applied(),
            Self::RequestLost => Reply::err(ErrorKind::Timeout, Reached::Perhaps).after(30_000),
            Self::Reset => Reply::err(ErrorKind::Unavailable, Reached::Never),
            Self::Refused(kind) => Reply::err(kind.clone(), Reached::Answered),
        }
    }
}

/// Writes a line for each process.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: each event is sent {:?} times to each process", self.seed, self.copies)?;
        for (number, (Life { fault, lasts, .. }, down)) in self.lives.iter().enumerate() {
            let end = match fault {
                Fault::Never | Fault::Low(_) | Fault::Slow(_) => String::new(),
                Fault::Before(at) => format!("ends before write {at}, or "),
                Fault::After(at) => format!("ends after write {at}, or "),
                Fault::Torn(at) => format!("ends in the middle of write {at}, or "),
                Fault::Refused(at) => format!("can't write from write {at} on, and "),
            };
            let low = match fault {
                Fault::Low(at) => format!(", with no room from write {at} on"),
                Fault::Slow(at) => format!(", with more to write than it can from write {at} on"),
                _ => String::new(),
            };
            let lasts = lasts.unwrap_or_default();
            writeln!(f, "process {number} {end}is killed after {lasts}{low}; then the clock moves by {down}ms")?;
        }
        write!(f, "process {} is left alone", self.lives.len())
    }
}
