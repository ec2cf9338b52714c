//! When may a call of an account leave? Limits, pauses that the server asks for, the breaker, the budget of retries.
//!
//! Calls are let through in the order in which they ask. A call that has to wait is told until when, and has its place
//! then: nobody who comes later goes before it, so that waiting takes one wait and not many. What was let through may wait
//! for something else before it leaves (room for a call, a token, the disk), so it is counted again as it leaves: what the
//! server sees is within the limits, but for what the network does. All of it is in memory: after a restart the limits
//! begin anew, and what the server says corrects them.

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

use super::{
    Admission, Parked, Pass,
    meter::{Meters, Uses},
};
use crate::timer::Clock;

/// How far a clock may go back before what is known of an account is forgotten.
const SLACK: Millis = Millis::seconds(5);

/// How long a half-open breaker waits for the call that it let through.
const PROBE: Millis = Millis::seconds(120);

/// How long after its time a place is held for the call that has it.
const HELD: Millis = Millis::seconds(600);

/// How long a call that was let through waits at most to leave, while it takes up room: longer waits take none.
const MOMENT: Millis = Millis::seconds(1);

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
    /// What tells this attempt from all others; empty for one that nobody asked about.
    pub(crate) ticket: &'a str,
    /// Counts from 1.
    pub(crate) attempt: u32,
    pub(crate) limits: &'a [Limit],
    /// How much of the limits it uses up.
    pub(crate) cost: u32,
    pub(crate) policy: &'a Policy,
}

impl Leaving<'_> {
    /// What it uses up.
    fn uses(&self) -> Uses {
        Uses { cost: self.cost, budget: self.policy.budget.filter(|_| self.attempt > 1) }
    }
}

#[derive(Default)]
struct Account {
    /// When calls are to leave, by the places that they were promised.
    planned: Meters,
    /// When they have left.
    left: Meters,
    /// The same with those that are told to come again, and when the latest of these comes.
    told: Option<(Instant, Meters)>,
    /// When the latest has left, and how far the clock was set then.
    departed: Option<(Instant, i64)>,
    /// Calls leave one after the other, in the order in which they come.
    door: Arc<tokio::sync::Mutex<()>>,
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

/// What a call waits for.
struct Wait {
    at: Instant,
    because: String,
}

impl Gates {
    /// Says whether a call may leave now, or when.
    pub(crate) fn ask(&self, account: &str, leaving: Leaving<'_>, now: Instant) -> Admission {
        let mut all = self.lock();
        all.entry(account.to_owned()).or_default().ask(leaving, now)
    }

    /// Counts a call that was let through as it really leaves, after whatever else it has waited for: so many leave as the
    /// limits say, however late they come, and none once a breaker has opened or the server has asked for a pause. Waits for
    /// a moment where too many leave.
    ///
    /// # Errors
    /// What it waits for where that takes longer: it asks again.
    pub(crate) async fn depart(&self, account: &str, leaving: Leaving<'_>, clock: &dyn Clock) -> Result<(), Parked> {
        let door = Arc::clone(&self.lock().entry(account.to_owned()).or_default().door);
        let until = clock.now().after(MOMENT);
        let turn = tokio::select! {
            biased;
            turn = door.lock() => Some(turn),
            () = clock.sleep(MOMENT) => None,
        };
        loop {
            let time = (clock.now(), clock.set_by());
            let departed = {
                let mut all = self.lock();
                let account = all.entry(account.to_owned()).or_default();
                match turn {
                    Some(_) => account.depart(leaving, time),
                    None => Err(account.comes_again(leaving, time.0)),
                }
            };
            let Err(Wait { at, because }) = departed else { return Ok(()) };
            let again = at.since(time.0);
            if turn.is_none() || at > until {
                return Err(Parked { because, again });
            }
            clock.sleep(again).await;
        }
    }

    /// Counts requests that have left beside a call, as those for tokens do.
    pub(super) fn has_left(&self, account: &str, limits: &[Limit], count: u32, now: Instant) {
        let mut all = self.lock();
        let left = &mut all.entry(account.to_owned()).or_default().left;
        left.declare(limits, None);
        (0..count).for_each(|_| left.take(Uses { cost: 1, budget: None }, now));
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
    /// Takes note of the time, and of a breaker.
    fn look(&mut self, leaving: Leaving<'_>, now: Instant) {
        if self.seen.is_some_and(|seen| seen.since(now) > SLACK) {
            // The clock was set back: places that lie in the old future would be waited for in vain.
            let Self { left, departed, door, room, .. } = std::mem::take(self);
            *self = Self { left, departed, door, room, ..Self::default() };
        }
        self.seen = Some(now);
        // One that has none of its own counts its failures all the same.
        self.breaker = leaving.policy.breaker.or(self.breaker);
    }

    fn ask(&mut self, leaving: Leaving<'_>, now: Instant) -> Admission {
        self.look(leaving, now);
        let name = leaving.connection;
        if let Some(Wait { at, because }) = self.circuit(leaving, now) {
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
        let uses = leaving.uses();
        if self.planned.declare(leaving.limits, uses.budget) {
            self.places.free.clear();
        }
        if uses.budget.is_none()
            && let Some(place) = self.places.given_back(leaving.cost, from)
        {
            return place;
        }
        if !self.planned.has_limits() && uses.budget.is_none() {
            return Place { at: from, cost: leaving.cost };
        }
        let at = self.planned.earliest(uses, from.max(self.last.unwrap_or(from)));
        self.planned.take(uses, at);
        self.last = Some(at);
        Place { at, cost: leaving.cost }
    }

    /// Counts a call that leaves now, unless it has to wait.
    fn depart(&mut self, leaving: Leaving<'_>, (now, set_by): (Instant, i64)) -> Result<(), Wait> {
        self.look(leaving, now);
        if let Some(wait) = self.circuit(leaving, now) {
            return Err(wait);
        }
        if let Some(at) = self.pause.filter(|pause| *pause > now) {
            return Err(Wait { at, because: format!("`{}` asks to wait", leaving.connection) });
        }
        let uses = leaving.uses();
        self.left.declare(leaving.limits, uses.budget);
        if let Some((then, by)) = self.departed
            && (by != set_by || then.since(now) > SLACK)
        {
            self.left.moved(set_by.saturating_sub(by), now);
        }
        self.departed = Some((now, set_by));
        if self.left.earliest(uses, now) > now {
            return Err(self.comes_again(leaving, now));
        }
        self.left.take(uses, now);
        self.places.taken(leaving.ticket);
        Ok(())
    }

    /// When a call has its place that can't leave yet: each of several has one of its own.
    fn comes_again(&mut self, leaving: Leaving<'_>, now: Instant) -> Wait {
        let uses = leaving.uses();
        let at = match self.places.taken(leaving.ticket).filter(|place| place.at > now) {
            Some(place) => place.at,
            None => {
                let told = self.told.take().filter(|(latest, _)| *latest > now);
                let (latest, mut meters) = told.unwrap_or_else(|| (now, self.left.clone()));
                let at = meters.earliest(uses, latest);
                meters.take(uses, at);
                self.told = Some((at, meters));
                at
            }
        };
        if !leaving.ticket.is_empty() {
            self.places.keep(leaving.ticket, Place { at, cost: uses.cost });
        }
        Wait { at, because: format!("the limit of `{}` is used up", leaving.connection) }
    }

    /// A call will not leave.
    fn withdraw(&mut self, ticket: &str) {
        if let Some(place) = self.places.taken(ticket)
            && self.planned.has_limits()
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
    fn circuit(&mut self, leaving: Leaving<'_>, now: Instant) -> Option<Wait> {
        let breaker = leaving.policy.breaker?;
        let at = match &mut self.circuit {
            Circuit::Closed { .. } => return None,
            Circuit::Open { until, parked, length } if *until > now => {
                *parked += 1;
                if *parked == 1 { *until } else { spread(*until, *length, leaving.ticket) }
            }
            Circuit::Open { length, .. } => {
                self.circuit = Circuit::HalfOpen { probe: leaving.ticket.to_owned(), since: now, length: *length };
                return None;
            }
            Circuit::HalfOpen { probe, .. } if probe == leaving.ticket => return None,
            Circuit::HalfOpen { probe, since, .. } if now.since(*since) > PROBE => {
                *probe = leaving.ticket.to_owned();
                *since = now;
                return None;
            }
            Circuit::HalfOpen { length, .. } => spread(now.after(breaker.half_open_after), *length, leaving.ticket),
        };
        let (name, Rate { count, period }) = (leaving.connection, breaker.opens_at);
        Some(Wait { at, because: format!("`{name}` failed {count} times within {period}: its breaker is open") })
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
        self.planned.forget_beyond(now);
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

#[cfg(test)]
mod tests;
