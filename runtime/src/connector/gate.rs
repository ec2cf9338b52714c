//! When may a call of an account leave? Limits, pauses that the server asks for, the breaker, the budget of retries.
//!
//! Calls are let through in the order in which they ask. A call that has to wait is told until when, and has its place
//! then: nobody who comes later goes before it, so that waiting takes one wait and not many. All of it is in memory: after
//! a restart the limits begin anew, and what the server says corrects them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flow_model::{
    failure::ErrorKind,
    plan::{Breaker, Policy},
    schema::{Limit, Rate},
    units::{Instant, Millis},
};
use tokio::sync::Semaphore;

use super::{Admission, Pass};

/// How far a clock may go back before what is known of an account is forgotten.
const SLACK: Millis = Millis::seconds(5);

/// How long a half-open breaker waits for the call that it let through.
const PROBE: Millis = Millis::seconds(120);

/// How long after its time a place is held for the call that has it.
const HELD: Millis = Millis::seconds(600);

/// How long a breaker stays open at most that has opened again and again, unless its policy says more: a quarter of an hour.
const MOST_OPEN: Millis = Millis::seconds(900);

/// The accounts, by connector and connection.
#[derive(Default)]
pub(crate) struct Gates(Mutex<HashMap<String, Account>>);

/// What asks to leave.
#[derive(Clone, Copy)]
pub(crate) struct Leaving<'a> {
    /// The connection's name, for reasons.
    pub(crate) connection: &'a str,
    /// What tells this attempt from all others.
    pub(crate) ticket: &'a str,
    /// Counts from 1.
    pub(crate) attempt: u32,
    pub(crate) limits: &'a [Limit],
    /// How much of the limits it uses up.
    pub(crate) cost: u32,
    pub(crate) policy: &'a Policy,
}

#[derive(Default)]
struct Account {
    meters: Vec<(Limit, Meter)>,
    budget: Option<(Rate, Meter)>,
    circuit: Circuit,
    breaker: Option<Breaker>,
    /// Until when the server wants nothing.
    pause: Option<Instant>,
    /// When the latest call leaves that has its place.
    last: Option<Instant>,
    /// When the clock was read last.
    seen: Option<Instant>,
    places: Places,
    room: Option<(u32, Arc<Semaphore>)>,
}

/// Calls that have their place and have not come for it.
#[derive(Default)]
struct Places {
    by_ticket: HashMap<String, Place>,
    /// The same by when they are, so that those nobody came for are found.
    by_time: BTreeSet<(Instant, String)>,
    /// Places that were given back and lie ahead, with how many there are of each.
    free: BTreeMap<Place, usize>,
}

/// When a call leaves, and how much of the limits is taken up for it then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Instant,
    cost: u32,
}

impl Gates {
    /// Says whether a call may leave now, or when.
    pub(crate) fn ask(&self, account: &str, leaving: Leaving<'_>, now: Instant) -> Admission {
        let mut all = self.lock();
        all.entry(account.to_owned()).or_default().ask(leaving, now)
    }

    /// Takes note of how a call ended.
    pub(crate) fn ended(&self, account: &str, failure: Option<&ErrorKind>, pause: Option<Millis>, now: Instant) {
        let mut all = self.lock();
        let account = all.entry(account.to_owned()).or_default();
        if let Some(pause) = pause {
            account.pause = account.pause.max(Some(now.after(pause)));
        }
        match failure {
            Some(ErrorKind::Unavailable | ErrorKind::Timeout) => account.failed(now),
            // It says nothing of whether the system works.
            Some(ErrorKind::RateLimited) => {}
            _ => account.worked(),
        }
    }

    /// Takes note that a call will not leave: its place is another's.
    pub(super) fn withdraw(&self, account: &str, ticket: &str) {
        if let Some(account) = self.lock().get_mut(account) {
            account.withdraw(ticket);
        }
    }

    /// The same for a call of whichever account.
    pub(super) fn withdraw_anywhere(&self, ticket: &str) {
        self.lock().values_mut().for_each(|account| account.withdraw(ticket));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn ask(&mut self, leaving: Leaving<'_>, now: Instant) -> Admission {
        if self.seen.is_some_and(|seen| seen.since(now) > SLACK) {
            // The clock was set back: places that lie in the old future would be waited for in vain.
            *self = Self { room: self.room.take(), ..Self::default() };
        }
        self.seen = Some(now);
        // One that has none of its own counts its failures all the same.
        self.breaker = leaving.policy.breaker.or(self.breaker);
        let name = leaving.connection;
        if let Some(at) = self.circuit(leaving, now) {
            let because = match &leaving.policy.breaker {
                Some(Breaker { opens_at, .. }) => {
                    format!("`{name}` failed {} times within {}: its breaker is open", opens_at.count, opens_at.period)
                }
                None => format!("the breaker of `{name}` is open"),
            };
            return Admission::At { at, because };
        }
        let pause = self.pause.filter(|pause| *pause > now);
        self.places.forget_before(now);
        let place = match self.places.taken(leaving.ticket) {
            // The server has asked for a pause meanwhile: the place is lost.
            Some(place) if pause.is_none_or(|pause| place.at >= pause) => place,
            _ => self.reserve(leaving, pause.unwrap_or(now)),
        };
        if place.at > now {
            self.places.keep(leaving.ticket, place);
            let because = match pause {
                Some(_) => format!("`{name}` asks to wait"),
                None => format!("the limit of `{name}` is used up"),
            };
            return Admission::At { at: place.at, because };
        }
        let at_once = leaving.limits.iter().filter_map(|limit| match limit {
            Limit::Concurrent(most) => Some(*most),
            _ => None,
        });
        // Each of several holds, so the lowest does.
        let admission = match at_once.min() {
            None => Admission::Now(Pass::free()),
            Some(most) => self.room(most),
        };
        match admission {
            Admission::Now(pass) if self.circuit.is_probed_by(leaving) => Admission::Now(pass.for_a_probe()),
            Admission::Later(pass) if self.circuit.is_probed_by(leaving) => {
                Admission::Later(Box::pin(async { pass.await.for_a_probe() }))
            }
            admission => admission,
        }
    }

    /// Finds the earliest time at which a call may leave by all limits, and takes it.
    fn reserve(&mut self, leaving: Leaving<'_>, from: Instant) -> Place {
        let declared: Vec<Limit> =
            leaving.limits.iter().copied().filter(|limit| !matches!(limit, Limit::Concurrent(_))).collect();
        if !self.meters.iter().map(|(limit, _)| *limit).eq(declared.iter().copied()) {
            // A newer plan declares others; what is the same goes on.
            self.places.free.clear();
            let mut old = std::mem::take(&mut self.meters);
            self.meters = declared
                .into_iter()
                .map(|limit| match old.iter().position(|(known, _)| *known == limit) {
                    Some(at) => old.swap_remove(at),
                    None => (limit, Meter::of(limit)),
                })
                .collect();
        }
        let budget = leaving.policy.budget.filter(|_| leaving.attempt > 1);
        if let Some(rate) = budget
            && self.budget.as_ref().is_none_or(|(known, _)| *known != rate)
        {
            self.budget = Some((rate, Meter::of(Limit::Moving(rate))));
        }
        let spends = budget.is_some();
        if !spends && let Some(place) = self.places.given_back(leaving.cost, from) {
            return place;
        }
        let is_limited = !self.meters.is_empty() || spends;
        let mut at = if is_limited { from.max(self.last.unwrap_or(from)) } else { from };
        // Each limit may move the time on, and then another one has to be asked again; it only grows.
        loop {
            let before = at;
            for (_, meter) in &self.meters {
                at = at.max(meter.earliest(leaving.cost, at));
            }
            if let Some((_, meter)) = self.budget.as_ref().filter(|_| spends) {
                at = at.max(meter.earliest(1, at));
            }
            if at == before {
                break;
            }
        }
        self.meters.iter_mut().for_each(|(_, meter)| meter.take(leaving.cost, at));
        if let Some((_, meter)) = self.budget.as_mut().filter(|_| spends) {
            meter.take(1, at);
        }
        if is_limited {
            self.last = Some(at);
        }
        Place { at, cost: leaving.cost }
    }

    /// A call will not leave.
    fn withdraw(&mut self, ticket: &str) {
        if let Some(place) = self.places.taken(ticket)
            && !self.meters.is_empty()
        {
            *self.places.free.entry(place).or_default() += 1;
        }
        if let (Circuit::HalfOpen { probe, length, .. }, Some(until)) = (&self.circuit, self.seen)
            && probe == ticket
        {
            // Another one shows whether the system works.
            self.circuit = Circuit::Open { until, parked: 0, length: *length };
        }
    }

    fn room(&mut self, most: u32) -> Admission {
        let room = match &self.room {
            Some((known, room)) if *known == most => Arc::clone(room),
            _ => {
                let room = Arc::new(Semaphore::new(most as usize));
                self.room = Some((most, Arc::clone(&room)));
                room
            }
        };
        match Arc::clone(&room).try_acquire_owned() {
            Ok(permit) => Admission::Now(Pass::of(permit)),
            Err(_) => Admission::Later(Box::pin(async move {
                // Never closed.
                room.acquire_owned().await.map_or_else(|_| Pass::free(), Pass::of)
            })),
        }
    }

    /// When a call may ask again, if the breaker does not let it through.
    fn circuit(&mut self, leaving: Leaving<'_>, now: Instant) -> Option<Instant> {
        let breaker = leaving.policy.breaker?;
        match &mut self.circuit {
            Circuit::Closed { .. } => None,
            Circuit::Open { until, parked, length } if *until > now => {
                *parked += 1;
                Some(if *parked == 1 { *until } else { spread(*until, *length, leaving.ticket) })
            }
            Circuit::Open { length, .. } => {
                self.circuit = Circuit::HalfOpen { probe: leaving.ticket.to_owned(), since: now, length: *length };
                None
            }
            Circuit::HalfOpen { probe, .. } if probe == leaving.ticket => None,
            Circuit::HalfOpen { probe, since, .. } if now.since(*since) > PROBE => {
                *probe = leaving.ticket.to_owned();
                *since = now;
                None
            }
            Circuit::HalfOpen { length, .. } => {
                Some(spread(now.after(breaker.half_open_after), *length, leaving.ticket))
            }
        }
    }

    fn failed(&mut self, now: Instant) {
        let Some(breaker) = self.breaker else { return };
        let opens = match &mut self.circuit {
            Circuit::Closed { failures } => {
                failures.push_back(now);
                while failures.front().is_some_and(|first| now.since(*first) > breaker.opens_at.period) {
                    failures.pop_front();
                }
                (failures.len() >= breaker.opens_at.count as usize).then_some(breaker.half_open_after)
            }
            // The longer the system is away, the more seldom it is asked.
            Circuit::HalfOpen { length, .. } => {
                Some(Millis(length.0.saturating_mul(2)).min(MOST_OPEN).max(breaker.half_open_after))
            }
            // A call that left before.
            Circuit::Open { .. } => None,
        };
        if let Some(length) = opens {
            let until = now.after(length);
            tracing::warn!(%until, "a breaker opens");
            self.circuit = Circuit::Open { until, parked: 0, length };
            self.forget_places(now);
        }
    }

    /// Takes back all places that lie ahead: those who have them come back later than that, and would leave all at once.
    fn forget_places(&mut self, now: Instant) {
        self.places = Places::default();
        self.last = self.last.min(Some(now));
        let budget = self.budget.iter_mut().map(|(_, meter)| meter);
        self.meters.iter_mut().map(|(_, meter)| meter).chain(budget).for_each(|meter| meter.forget_beyond(now));
    }

    fn worked(&mut self) {
        match &mut self.circuit {
            Circuit::HalfOpen { .. } => self.circuit = Circuit::default(),
            // Calls that left before it opened say nothing of now.
            Circuit::Closed { .. } | Circuit::Open { .. } => {}
        }
    }
}

/// How many of the requests of one call leave together, in their order, and what these cost: as many as all limits let
/// through at once, and one at least.
pub(super) fn together(costs: &[u32], limits: &[Limit]) -> (usize, u32) {
    let room = limits.iter().filter_map(|limit| match limit {
        Limit::Moving(rate) | Limit::Fixed(rate) => Some(rate.count),
        Limit::Bucket { size, .. } => Some(*size),
        Limit::Concurrent(_) => None,
    });
    let room = room.min().unwrap_or(u32::MAX);
    let (mut count, mut taken) = (0, 0u32);
    for cost in costs {
        let sum = taken.saturating_add(*cost);
        if count > 0 && sum > room {
            break;
        }
        (count, taken) = (count + 1, sum);
    }
    (count, taken)
}

impl Places {
    fn keep(&mut self, ticket: &str, place: Place) {
        self.by_ticket.insert(ticket.to_owned(), place);
        self.by_time.insert((place.at, ticket.to_owned()));
    }

    /// The place of a call, which it has no longer then.
    fn taken(&mut self, ticket: &str) -> Option<Place> {
        let (ticket, place) = self.by_ticket.remove_entry(ticket)?;
        self.by_time.remove(&(place.at, ticket));
        Some(place)
    }

    /// The first place from a time on that was given back and has room for that cost. Whoever waits behind it has a time of
    /// its own, so that nobody waits longer for it.
    fn given_back(&mut self, cost: u32, from: Instant) -> Option<Place> {
        let ahead = self.free.range(Place { at: from, cost: 0 }..).map(|(place, _)| *place);
        let place = { ahead }.find(|place| place.cost >= cost)?;
        if let Some(count) = self.free.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.free.remove(&place);
            }
        }
        Some(place)
    }

    /// Drops what nobody has come for, and what was given back and is over.
    fn forget_before(&mut self, now: Instant) {
        while self.by_time.first().is_some_and(|(at, _)| now.since(*at) > HELD) {
            if let Some((_, ticket)) = self.by_time.pop_first() {
                self.by_ticket.remove(&ticket);
            }
        }
        self.free = self.free.split_off(&Place { at: now, cost: 0 });
    }
}

/// A time within so long after another one, so that calls that waited together do not come back together.
fn spread(from: Instant, over: Millis, ticket: &str) -> Instant {
    let mut hasher = DefaultHasher::new();
    ticket.hash(&mut hasher);
    from.after(Millis(hasher.finish() % over.0.max(1)))
}

/// Whether calls of an account leave at all.
enum Circuit {
    Closed {
        failures: VecDeque<Instant>,
    },
    /// `length` is how long it was opened for.
    Open {
        until: Instant,
        parked: u64,
        length: Millis,
    },
    /// `length` is how long it was open before.
    HalfOpen {
        probe: String,
        since: Instant,
        length: Millis,
    },
}

impl Circuit {
    /// Says whether a call is the one that was let through.
    fn is_probed_by(&self, leaving: Leaving<'_>) -> bool {
        leaving.policy.breaker.is_some() && matches!(self, Self::HalfOpen { probe, .. } if probe == leaving.ticket)
    }
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: VecDeque::new() }
    }
}

/// What a limit has let through.
enum Meter {
    /// When the latest left, oldest first, once for each unit: at most as many as the limit.
    Moving { rate: Rate, left: VecDeque<Instant> },
    /// In which period of the clock how many.
    Fixed { rate: Rate, period: i64, used: u32 },
    /// How full the bucket was at a time, in units of which each call takes `rate.period`: so nothing is rounded.
    Bucket { size: u32, rate: Rate, level: u128, at: Option<Instant> },
}

impl Meter {
    fn of(limit: Limit) -> Self {
        match limit {
            Limit::Moving(rate) => Self::Moving { rate, left: VecDeque::new() },
            Limit::Fixed(rate) => Self::Fixed { rate, period: i64::MIN, used: 0 },
            Limit::Bucket { size, refill } => Self::Bucket { size, rate: refill, level: 0, at: None },
            // Kept apart, since it is known by nobody when room comes.
            Limit::Concurrent(most) => {
                Self::Moving { rate: Rate { count: most, period: Millis(0) }, left: VecDeque::new() }
            }
        }
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

#[cfg(test)]
mod tests;
