//! Does the system of an account work, and what leaves while it does not?
//!
//! A breaker (M. Nygard, "Release It!", 2007, section 5.2) opens when so many calls in a row had no answer. After a time one
//! call is let through to see. While that goes unanswered, the next try comes ever later; once it has worked, two are let
//! through at the same time, and one more with each that works, so that those who waited meanwhile do not arrive together
//! (the slow start of TCP: RFC 5681, section 3.1). Calls are told from each other by their tickets: what ends that has left
//! before it opened says nothing of now.

use std::{
    collections::{HashMap, VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
};

use flow_model::{
    failure::ErrorKind,
    plan::Breaker,
    schema::Rate,
    units::{Instant, Millis},
};

use super::{Attempt, Reached, Waiting, gate::Wait};

/// How long a call that was let through to see is waited for before another one is.
const TRIAL: Millis = Millis::seconds(120);

/// How long a breaker stays open at most that has opened again and again, unless its policy says more: a quarter of an hour.
const MOST_OPEN: Millis = Millis::seconds(900);

/// How many calls are let through at the same time when the system counts as working again.
const ENOUGH: usize = 64;

/// How long those wait at least that find no place among the first.
const MOMENT: Millis = Millis::seconds(1);

/// What the end of a call says of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It works: it has answered, whatever it said about the request.
    Works,
    /// It does not.
    Fails,
    /// Nothing: the call has not left, or there were too many of them.
    Nothing,
}

impl Sign {
    /// What an attempt says that has ended.
    pub(crate) fn of(attempt: &Attempt) -> Self {
        match attempt.outcome.as_ref().map_err(|failure| &failure.kind) {
            _ if attempt.parked.is_some() => Self::Nothing,
            Err(ErrorKind::Unavailable | ErrorKind::Timeout) => Self::Fails,
            Err(ErrorKind::RateLimited) => Self::Nothing,
            Err(_) if attempt.reached != Reached::Answered => Self::Nothing,
            Ok(_) | Err(_) => Self::Works,
        }
    }
}

/// Whether calls of an account leave at all.
pub(super) enum Circuit {
    Closed {
        /// When the latest calls ended that had no answer, and none since that had one.
        failures: VecDeque<Instant>,
    },
    Open {
        until: Instant,
        /// How long it was opened for.
        length: Millis,
        /// Whether nobody is promised any more to be the first. Where it has opened again nobody is: one that always fails by
        /// its own fault would be, and keep it open for all others.
        promised: bool,
    },
    HalfOpen {
        /// The calls that were let through, and when.
        trials: HashMap<String, Instant>,
        /// How many are at the same time.
        most: usize,
        /// When the first had an answer.
        works_since: Option<Instant>,
        /// How long it was open before.
        length: Millis,
    },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: VecDeque::new() }
    }
}

impl Circuit {
    /// What a call waits for that asks to leave; none when it may.
    pub(super) fn holds(&mut self, breaker: Breaker, name: &str, ticket: &str, now: Instant) -> Option<Wait> {
        self.goes_on(breaker, now);
        let wait = |at, because| Some(Wait { at, because, waits: Waiting::Recovery });
        let Rate { count, period } = breaker.opens_at;
        let open = || format!("`{name}` gave no answer {count} times in a row within {period}: its breaker is open");
        match self {
            Self::Closed { .. } => None,
            Self::Open { until, length, promised } => {
                let is_first = !std::mem::replace(promised, true);
                wait(if is_first { *until } else { spread(*until, *length, ticket) }, open())
            }
            Self::HalfOpen { trials, most, .. } if trials.contains_key(ticket) || trials.len() < *most => {
                trials.entry(ticket.to_owned()).or_insert(now);
                None
            }
            Self::HalfOpen { works_since: None, length, .. } => {
                wait(spread(now.after(breaker.half_open_after), *length, ticket), open())
            }
            Self::HalfOpen { .. } => {
                let because = format!("`{name}` answers again, and the calls that waited leave a few at a time");
                wait(spread(now.after(MOMENT), breaker.half_open_after, ticket), because)
            }
        }
    }

    /// Takes note of the time.
    fn goes_on(&mut self, breaker: Breaker, now: Instant) {
        match self {
            Self::Open { until, length, .. } if *until <= now => {
                *self = Self::HalfOpen { trials: HashMap::new(), most: 1, works_since: None, length: *length };
            }
            Self::HalfOpen { trials, most, works_since, .. } => {
                trials.retain(|_, since| now.since(*since) <= TRIAL);
                let has_lasted = works_since.is_some_and(|since| now.since(since) >= breaker.half_open_after);
                if has_lasted && trials.len() < *most {
                    *self = Self::default();
                }
            }
            Self::Closed { .. } | Self::Open { .. } => {}
        }
    }

    /// Says whether a call was let through to see whether the system works.
    pub(super) fn is_tried_by(&self, ticket: &str) -> bool {
        matches!(self, Self::HalfOpen { trials, .. } if trials.contains_key(ticket))
    }

    /// Takes note that a call that was let through to see will say nothing: another one is.
    pub(super) fn gave_up(&mut self, ticket: &str) {
        if let Self::HalfOpen { trials, .. } = self {
            trials.remove(ticket);
        }
    }

    /// Takes note of how a call ended; says how long it is open now where that has opened it.
    pub(super) fn ended(&mut self, breaker: Breaker, ticket: &str, sign: Sign, now: Instant) -> Option<Millis> {
        let (length, promised) = match (&mut *self, sign) {
            (Self::Closed { failures }, Sign::Works) => {
                failures.clear();
                return None;
            }
            (Self::Closed { failures }, Sign::Fails) => {
                failures.push_back(now);
                while failures.front().is_some_and(|first| now.since(*first) > breaker.opens_at.period) {
                    failures.pop_front();
                }
                if failures.len() < breaker.opens_at.count as usize {
                    return None;
                }
                (breaker.half_open_after, false)
            }
            (Self::HalfOpen { trials, most, works_since, length }, _) => {
                trials.remove(ticket)?;
                match (sign, works_since) {
                    (Sign::Nothing, _) => return None,
                    (Sign::Works, works_since) => {
                        *most += 1;
                        works_since.get_or_insert(now);
                        if *most > ENOUGH {
                            *self = Self::default();
                        }
                        return None;
                    }
                    // The longer the system is away, the more seldom it is asked.
                    (Sign::Fails, None) => {
                        let longer = Millis(length.0.saturating_mul(2)).min(MOST_OPEN).max(breaker.half_open_after);
                        (longer, true)
                    }
                    (Sign::Fails, Some(_)) => (breaker.half_open_after, true),
                }
            }
            (Self::Closed { .. }, Sign::Nothing) | (Self::Open { .. }, _) => return None,
        };
        *self = Self::Open { until: now.after(length), length, promised };
        Some(length)
    }
}

/// A time within so long after another one, so that calls that waited together do not come back together.
fn spread(from: Instant, over: Millis, ticket: &str) -> Instant {
    let mut hasher = DefaultHasher::new();
    ticket.hash(&mut hasher);
    from.after(Millis(hasher.finish() % over.0.max(1)))
}

#[cfg(test)]
mod tests;
