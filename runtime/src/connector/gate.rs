//! When may a call of an account leave? Limits, pauses that the server asks for, its [breaker](super::breaker), the budget of
//! retries.
//!
//! Calls are let through in the order in which they ask. A call that has to wait is told until when, and has its place
//! then: nobody who comes later goes before it, so that waiting takes one wait and not many. What was let through may wait
//! for something else before it leaves (room for a call, a token, the disk), so it is counted again as it leaves: what the
//! server sees is within the limits, but for what the network does. All of it is in memory: after a restart the limits
//! begin anew, and what the server says corrects them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flow_model::{
    plan::Breaker,
    schema::Limit,
    units::{Instant, Millis},
};
use tokio::sync::Semaphore;

use super::{
    Admission, Parked, Pass, Terms, Waiting,
    breaker::{Circuit, Sign},
    meter::{Meters, Uses},
};
use crate::timer::Clock;

/// How far a clock may go back before what is known of an account is forgotten.
const SLACK: Millis = Millis::seconds(5);

/// How long after its time a place is held for the call that has it.
const HELD: Millis = Millis::seconds(600);

/// How long a call that was let through waits at most to leave, while it takes up room: longer waits take none.
const MOMENT: Millis = Millis::seconds(1);

/// The accounts, by connector and connection.
#[derive(Default)]
pub(crate) struct Gates(Arc<Mutex<HashMap<String, Account>>>);

/// A call that a breaker has let through to see whether the system works. When it is dropped, and has not ended with a sign of
/// that, another one is let through.
pub(crate) struct Trial {
    accounts: Arc<Mutex<HashMap<String, Account>>>,
    account: String,
    ticket: String,
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut all = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = all.get_mut(&self.account) {
            account.circuit.gave_up(&self.ticket);
        }
    }
}

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
    pub(crate) terms: Terms,
}

impl Leaving<'_> {
    /// What it uses up.
    fn uses(&self) -> Uses {
        Uses { cost: self.cost, budget: self.terms.budget.filter(|_| self.attempt > 1) }
    }

    /// Says whether it waits while the system does not work.
    fn has_breaker(&self) -> bool {
        self.terms.breaker != Some(Breaker::none())
    }
}

#[derive(Default)]
struct Account {
    /// The connection's name, for the log.
    name: String,
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
    /// The one that a policy names, else the usual one; none while all who have come do without.
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
pub(super) struct Wait {
    pub(super) at: Instant,
    pub(super) because: String,
    pub(super) waits: Waiting,
}

impl Gates {
    /// Says whether a call may leave now, or when.
    pub(crate) fn ask(&self, account: &str, leaving: Leaving<'_>, now: Instant) -> Admission {
        let mut all = self.lock();
        let known = all.entry(account.to_owned()).or_default();
        let admission = known.ask(leaving, now);
        let name: Arc<str> = account.into();
        if !known.circuit.is_tried_by(leaving.ticket) {
            return match admission {
                Admission::Now(pass) => Admission::Now(pass.of_account(name)),
                Admission::Later(pass) => Admission::Later(Box::pin(async { pass.await.of_account(name) })),
                at @ Admission::At { .. } => at,
            };
        }
        let (accounts, account, ticket) = (Arc::clone(&self.0), account.to_owned(), leaving.ticket.to_owned());
        let trial = Trial { accounts, account, ticket };
        match admission {
            Admission::Now(pass) => Admission::Now(pass.of_account(name).for_a(trial)),
            Admission::Later(pass) => Admission::Later(Box::pin(async { pass.await.of_account(name).for_a(trial) })),
            // It comes again for its place.
            at @ Admission::At { .. } => {
                drop(all);
                drop(trial);
                at
            }
        }
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
            let Err(Wait { at, because, waits }) = departed else { return Ok(()) };
            if turn.is_none() || at > until {
                return Err(Parked { because, again: at.since(time.0), waits });
            }
            clock.sleep_as_far_as(at).await;
        }
    }

    /// Counts requests that have left beside a call, as those for tokens do.
    pub(super) fn has_left(&self, account: &str, limits: &[Limit], count: u32, now: Instant) {
        let mut all = self.lock();
        let left = &mut all.entry(account.to_owned()).or_default().left;
        left.declare(limits, None);
        (0..count).for_each(|_| left.take(Uses { cost: 1, budget: None }, now));
    }

    /// Takes note that the server wants nothing for a time.
    pub(crate) fn pause(&self, account: &str, pause: Millis, now: Instant) {
        let mut all = self.lock();
        let account = all.entry(account.to_owned()).or_default();
        account.pause = account.pause.max(Some(now.after(pause)));
    }

    /// Takes note of what the end of a call says of the system.
    pub(crate) fn ended(&self, account: &str, ticket: &str, sign: Sign, now: Instant) {
        self.lock().entry(account.to_owned()).or_default().ended(ticket, sign, now);
    }

    /// The connections that were called, and whether a breaker keeps calls of one of their accounts from leaving.
    pub(super) fn breakers(&self) -> BTreeMap<String, bool> {
        let mut breakers = BTreeMap::new();
        for account in self.lock().values().filter(|account| account.breaker.is_some()) {
            *breakers.entry(account.name.clone()).or_default() |= !matches!(account.circuit, Circuit::Closed { .. });
        }
        breakers
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
        leaving.connection.clone_into(&mut self.name);
        // Calls that do without count all the same.
        if leaving.has_breaker() {
            self.breaker = leaving.terms.breaker.or(self.breaker).or(Some(Breaker::standard()));
        }
    }

    fn ask(&mut self, leaving: Leaving<'_>, now: Instant) -> Admission {
        self.look(leaving, now);
        let name = leaving.connection;
        if let Some(Wait { at, because, waits }) = self.circuit(leaving, now) {
            return Admission::At { at, because, waits };
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
            return Admission::At { at: place.at, because, waits: Waiting::Turn };
        }
        let at_once = leaving.limits.iter().filter_map(|limit| match limit {
            Limit::Concurrent(most) => Some(*most),
            _ => None,
        });
        // Each of several holds, so the lowest does.
        match at_once.min() {
            None => Admission::Now(Pass::free()),
            Some(most) => self.room(most),
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
            let because = format!("`{}` asks to wait", leaving.connection);
            return Err(Wait { at, because, waits: Waiting::Turn });
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
        let because = format!("the limit of `{}` is used up", leaving.connection);
        Wait { at, because, waits: Waiting::Turn }
    }

    /// A call will not leave.
    fn withdraw(&mut self, ticket: &str) {
        if let Some(place) = self.places.taken(ticket)
            && self.planned.has_limits()
        {
            *self.places.free.entry(place).or_default() += 1;
        }
        self.circuit.gave_up(ticket);
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

    /// What a call waits for that the breaker does not let through.
    fn circuit(&mut self, leaving: Leaving<'_>, now: Instant) -> Option<Wait> {
        let breaker = self.breaker.filter(|_| leaving.has_breaker())?;
        self.circuit.holds(breaker, leaving.connection, leaving.ticket, now)
    }

    /// Takes note of what the end of a call says of the system.
    fn ended(&mut self, ticket: &str, sign: Sign, now: Instant) {
        let Some(breaker) = self.breaker else { return };
        let was_trying = matches!(self.circuit, Circuit::HalfOpen { .. });
        if let Some(length) = self.circuit.ended(breaker, ticket, sign, now) {
            tracing::warn!(connection = self.name, for_ = %length, "a breaker opens: calls wait");
            self.forget_places(now);
        } else if was_trying && matches!(self.circuit, Circuit::Closed { .. }) {
            tracing::info!(connection = self.name, "a breaker closes");
        }
    }

    /// Takes back all places that lie ahead: those who have them come back later than that, and would leave all at once.
    fn forget_places(&mut self, now: Instant) {
        self.places = Places::default();
        self.last = self.last.min(Some(now));
        self.planned.forget_beyond(now);
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

#[cfg(test)]
mod tests;
