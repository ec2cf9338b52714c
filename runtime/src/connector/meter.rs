//! What has a limit let through, and when does it let through more?
//!
//! A meter knows the times that it was given and nothing of a clock: the same ones count places that calls are promised, and
//! calls that have really left.

use std::collections::VecDeque;

use flow_model::{
    schema::{Limit, Rate},
    units::{Instant, Millis},
};

/// What a call uses up.
#[derive(Clone, Copy)]
pub(super) struct Uses {
    /// Of each limit, in its units.
    pub(super) cost: u32,
    /// The budget that it takes one from, as a call that is made again.
    pub(super) budget: Option<Rate>,
}

/// The limits of an account, and its budget, with what they have let through.
#[derive(Clone, Default)]
pub(super) struct Meters {
    limits: Vec<(Limit, Meter)>,
    budget: Option<(Rate, Meter)>,
}

impl Meters {
    /// Takes over what a plan declares; what is the same as before goes on. Says whether the limits are others now.
    pub(super) fn declare(&mut self, limits: &[Limit], budget: Option<Rate>) -> bool {
        if let Some(rate) = budget
            && self.budget.as_ref().is_none_or(|(known, _)| *known != rate)
        {
            self.budget = Some((rate, Meter::of(rate)));
        }
        let declared = || limits.iter().copied().filter(|limit| !matches!(limit, Limit::Concurrent(_)));
        if self.limits.iter().map(|(limit, _)| *limit).eq(declared()) {
            return false;
        }
        let mut old = std::mem::take(&mut self.limits);
        self.limits = declared()
            .filter_map(|limit| match old.iter().position(|(known, _)| *known == limit) {
                Some(at) => Some(old.swap_remove(at)),
                None => Some((limit, Meter::of_limit(limit)?)),
            })
            .collect();
        true
    }

    /// Whether there are limits, beside the budget.
    pub(super) fn has_limits(&self) -> bool {
        !self.limits.is_empty()
    }

    /// The earliest time from `from` on at which a call may leave by all of them.
    pub(super) fn earliest(&self, uses: Uses, from: Instant) -> Instant {
        let mut at = from;
        // Each may move the time on, and then another one has to be asked again; it only grows.
        loop {
            let before = at;
            for (_, meter) in &self.limits {
                at = at.max(meter.earliest(uses.cost, at));
            }
            if let Some((_, meter)) = self.budget.as_ref().filter(|_| uses.budget.is_some()) {
                at = at.max(meter.earliest(1, at));
            }
            if at == before {
                return at;
            }
        }
    }

    pub(super) fn take(&mut self, uses: Uses, at: Instant) {
        self.limits.iter_mut().for_each(|(_, meter)| meter.take(uses.cost, at));
        if let Some((_, meter)) = self.budget.as_mut().filter(|_| uses.budget.is_some()) {
            meter.take(1, at);
        }
    }

    /// Forgets what was to leave later than now.
    pub(super) fn forget_beyond(&mut self, now: Instant) {
        self.all().for_each(|meter| meter.forget_beyond(now));
    }

    /// The clock was set by so many milliseconds: what has left is as long ago as before.
    pub(super) fn moved(&mut self, by: i64, now: Instant) {
        self.all().for_each(|meter| {
            meter.moved(by);
            meter.forget_beyond(now);
        });
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Meter> {
        let budget = self.budget.iter_mut().map(|(_, meter)| meter);
        self.limits.iter_mut().map(|(_, meter)| meter).chain(budget)
    }
}

/// What a limit has let through.
#[derive(Clone)]
enum Meter {
    /// When the latest left, oldest first, once for each unit: at most as many as the limit.
    Moving { rate: Rate, left: VecDeque<Instant> },
    /// In which period of the clock how many.
    Fixed { rate: Rate, period: i64, used: u32 },
    /// How full the bucket was at a time, in units of which each call takes `rate.period`: so nothing is rounded.
    Bucket { size: u32, rate: Rate, level: u128, at: Option<Instant> },
}

impl Meter {
    fn of(rate: Rate) -> Self {
        Self::Moving { rate, left: VecDeque::new() }
    }

    /// None where it says how many calls are under way: nobody knows when room for one comes.
    fn of_limit(limit: Limit) -> Option<Self> {
        Some(match limit {
            Limit::Moving(rate) => Self::of(rate),
            Limit::Fixed(rate) => Self::Fixed { rate, period: i64::MIN, used: 0 },
            Limit::Bucket { size, refill } => Self::Bucket { size, rate: refill, level: 0, at: None },
            Limit::Concurrent(_) => return None,
        })
    }

    /// The earliest time from `from` on at which calls of that cost may leave. What costs more than all of the limit takes
    /// all of it.
    fn earliest(&self, cost: u32, from: Instant) -> Instant {
        match self {
            Self::Moving { rate, left } => {
                let (count, cost) = (rate.count.max(1) as usize, cost.min(rate.count.max(1)) as usize);
                match (left.len() + cost).checked_sub(count + 1).and_then(|at| left.get(at)) {
                    Some(blocking) => from.max(blocking.after(rate.period)),
                    None => from,
                }
            }
            Self::Fixed { rate, period, used } => {
                let (length, cost) = (length(*rate), cost.min(rate.count));
                let asked = from.0.div_euclid(length);
                match asked.cmp(period) {
                    std::cmp::Ordering::Greater => from,
                    _ if used.saturating_add(cost) <= rate.count => from.max(Instant(period.saturating_mul(length))),
                    _ => from.max(Instant(period.saturating_add(1).saturating_mul(length))),
                }
            }
            Self::Bucket { size, rate, .. } => {
                let needed = u128::from(cost.min(*size)) * u128::from(rate.period.0.max(1));
                let lacking = needed.saturating_sub(self.level_at(from));
                from.after(Millis(u64::try_from(lacking.div_ceil(u128::from(rate.count.max(1)))).unwrap_or(u64::MAX)))
            }
        }
    }

    fn take(&mut self, cost: u32, at: Instant) {
        let level = self.level_at(at);
        match self {
            Self::Moving { rate, left } => {
                let count = rate.count.max(1);
                // Clocks are corrected by moments, also backward.
                let at = left.back().map_or(at, |latest| at.max(*latest));
                left.extend(std::iter::repeat_n(at, cost.min(count) as usize));
                while left.len() > count as usize {
                    left.pop_front();
                }
            }
            Self::Fixed { rate, period, used } => {
                let asked = at.0.div_euclid(length(*rate));
                if asked > *period {
                    (*period, *used) = (asked, 0);
                }
                *used = used.saturating_add(cost.min(rate.count));
            }
            Self::Bucket { size, rate, level: kept, at: when } => {
                let needed = u128::from(cost.min(*size)) * u128::from(rate.period.0.max(1));
                (*kept, *when) = (level.saturating_sub(needed), Some(at));
            }
        }
    }

    /// Forgets what was to leave later than now.
    fn forget_beyond(&mut self, now: Instant) {
        match self {
            // Those before them may be forgotten already, so they count as having left now.
            Self::Moving { left, .. } => left.iter_mut().for_each(|at| *at = (*at).min(now)),
            Self::Fixed { rate, period, used } => {
                let current = now.0.div_euclid(length(*rate));
                if *period > current {
                    // It was moved on because the current one is used up.
                    (*period, *used) = (current, rate.count);
                }
            }
            Self::Bucket { at, .. } => *at = (*at).min(Some(now)),
        }
    }

    /// Periods of the clock stay where the clock has them.
    fn moved(&mut self, by: i64) {
        match self {
            Self::Moving { left, .. } => left.iter_mut().for_each(|at| *at = at.moved(by)),
            Self::Bucket { at, .. } => *at = at.map(|at| at.moved(by)),
            Self::Fixed { .. } => {}
        }
    }

    /// How full a bucket is at a time.
    fn level_at(&self, now: Instant) -> u128 {
        let Self::Bucket { size, rate, level, at } = self else { return 0 };
        let full = u128::from(*size) * u128::from(rate.period.0.max(1));
        match at {
            None => full,
            Some(at) => (level + u128::from(now.since(*at).0) * u128::from(rate.count)).min(full),
        }
    }
}

/// The length of a period in milliseconds.
fn length(rate: Rate) -> i64 {
    i64::try_from(rate.period.0.max(1)).unwrap_or(i64::MAX)
}
