//! Breakers on a virtual clock: who is let through, when, and how many at the same time?

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};

use super::*;
use crate::connector::{
    Admission, Pass, Terms,
    gate::{Gates, Leaving},
};

fn rate(count: u32, seconds: u64) -> Rate {
    Rate { count, period: Millis::seconds(seconds) }
}

fn policy(count: u32, period: u64, half_open_after: u64) -> Terms {
    let breaker = Breaker { opens_at: rate(count, period), half_open_after: Millis::seconds(half_open_after) };
    Terms { breaker: Some(breaker), budget: None }
}

fn second(second: i64) -> Instant {
    Instant(second * 1000)
}

/// An account, and the calls that were let through.
struct Account {
    gates: Gates,
    away: BTreeMap<String, Pass>,
}

impl Account {
    fn new() -> Self {
        Self { gates: Gates::default(), away: BTreeMap::new() }
    }

    /// Asks whether a call may leave; gives when it asks again, and why, if it may not.
    fn ask(&mut self, ticket: &str, terms: Terms, now: Instant) -> Option<(Instant, String)> {
        let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits: &[], cost: 1, terms };
        match self.gates.ask("crm", leaving, now) {
            Admission::Now(pass) => {
                self.away.insert(ticket.to_owned(), pass);
                None
            }
            Admission::At { at, because, waits } => {
                assert_eq!(waits, Waiting::Recovery);
                assert!(at > now, "a wait leads on");
                Some((at, because))
            }
            Admission::Later(_) => panic!("there is room"),
        }
    }

    /// The same with the second at which it asks again alone.
    fn asks(&mut self, ticket: &str, terms: Terms, now: i64) -> Option<i64> {
        self.ask(ticket, terms, second(now)).map(|(at, _)| at.0 / 1000)
    }

    /// Ends a call.
    fn ends(&mut self, ticket: &str, outcome: Result<(), ErrorKind>, reached: Reached, now: Instant) {
        let outcome = outcome.map(|()| Value::Null).map_err(|kind| Failure::new(kind, "the test says so"));
        let attempt = Attempt { outcome, retry_after: None, reached, parked: None };
        self.gates.ended("crm", ticket, Sign::of(&attempt), now);
        self.away.remove(ticket);
    }

    fn fails(&mut self, ticket: &str, now: i64) {
        self.ends(ticket, Err(ErrorKind::Unavailable), Reached::Answered, second(now));
    }

    fn works(&mut self, ticket: &str, now: i64) {
        self.ends(ticket, Ok(()), Reached::Answered, second(now));
    }

    /// Asks again and again until the call leaves; gives the second.
    fn leaves(&mut self, ticket: &str, terms: Terms, from: i64) -> i64 {
        let mut now = second(from);
        for _ in 0..100 {
            match self.ask(ticket, terms, now) {
                None => return now.0 / 1000,
                Some((at, _)) => now = at,
            }
        }
        panic!("it never leaves");
    }
}

#[test]
fn a_breaker_opens_lets_one_call_through_and_closes_or_opens_again() {
    let (mut crm, policy) = (Account::new(), policy(3, 60, 30));
    assert_eq!(crm.asks("a", policy, 0), None);
    crm.fails("a", 0);
    crm.ends("b", Err(ErrorKind::RateLimited), Reached::Answered, second(1));
    crm.fails("a", 10);
    assert_eq!(crm.asks("b", policy, 61), None, "the first failure is older than the period");
    crm.fails("b", 61);
    assert_eq!(crm.asks("c", policy, 62), None);
    crm.fails("c", 62);
    let (at, because) = crm.ask("d", policy, second(63)).unwrap();
    assert_eq!(at, second(92), "three failures in a row within the period");
    assert_eq!(because, "`crm` gave no answer 3 times in a row within 1m: its breaker is open");
    let later = crm.asks("e", policy, 64).unwrap();
    assert!((92..122).contains(&later), "the others are spread over the time until the next try");
    assert_eq!(crm.asks("d", policy, 92), None, "one call is let through");
    assert!(crm.asks("e", policy, 93).is_some_and(|at| at >= 123), "and no other");
    crm.fails("d", 94);
    let later = crm.asks("f", policy, 95).unwrap();
    assert!((154..214).contains(&later), "it has failed: open again, and for longer: {later}");
    assert_eq!(crm.asks("f", policy, later), None);
    crm.works("f", later + 1);
    assert_eq!(crm.asks("g", policy, later + 1), None);
    assert_eq!(crm.asks("h", policy, later + 1), None, "it has worked: two go");
    let (_, because) = crm.ask("i", policy, second(later + 1)).unwrap();
    assert_eq!(because, "`crm` answers again, and the calls that waited leave a few at a time");
}

#[test]
fn only_failures_in_a_row_open_it_and_any_answer_ends_the_row() {
    let (mut crm, policy) = (Account::new(), policy(2, 60, 30));
    assert_eq!(crm.asks("a", policy, 0), None);
    for kind in [ErrorKind::NotFound, ErrorKind::Invalid, ErrorKind::Rejected, ErrorKind::Mismatch] {
        crm.fails("a", 0);
        crm.ends("b", Err(kind), Reached::Answered, second(0));
    }
    crm.fails("a", 1);
    crm.works("b", 1);
    crm.fails("a", 1);
    assert_eq!(crm.asks("c", policy, 1), None);
    // What never left, and what there was too much of, says neither.
    crm.ends("b", Err(ErrorKind::Invalid), Reached::Never, second(1));
    crm.ends("b", Err(ErrorKind::RateLimited), Reached::Answered, second(1));
    crm.ends("c", Err(ErrorKind::Timeout), Reached::Perhaps, second(1));
    assert!(crm.asks("d", policy, 1).is_some());
}

#[test]
fn an_account_of_which_nothing_is_said_has_the_usual_breaker_and_one_step_alone_does_not_open_it() {
    let (mut crm, usual) = (Account::new(), Terms::default());
    let Rate { count, period } = Breaker::standard().opens_at;
    let tries = flow_model::plan::Retry::standard().times + 1;
    for attempt in 0..tries {
        assert_eq!(crm.asks("a", usual, i64::from(attempt)), None);
        crm.fails("a", i64::from(attempt));
    }
    assert_eq!(crm.asks("b", usual, 10), None);
    for _ in tries..count {
        assert_eq!(crm.asks("c", usual, 10), None);
        crm.fails("c", 10);
    }
    let (at, because) = crm.ask("d", usual, second(11)).unwrap();
    assert_eq!(at, second(10).after(Breaker::standard().half_open_after));
    assert_eq!(because, format!("`crm` gave no answer {count} times in a row within {period}: its breaker is open"));
}

#[test]
fn a_breaker_that_a_policy_names_holds_for_all_calls_of_the_account_but_those_that_do_without() {
    let (mut crm, strict) = (Account::new(), policy(2, 60, 30));
    let (usual, without) = (Terms::default(), Terms { breaker: Some(Breaker::none()), budget: None });
    assert_eq!([crm.asks("a", strict, 0), crm.asks("b", without, 0), crm.asks("c", usual, 0)], [None; 3]);
    crm.fails("b", 0);
    crm.fails("c", 0);
    assert_eq!(crm.asks("d", without, 1), None, "it neither waits nor keeps it shut");
    assert_eq!(crm.asks("e", strict, 1), Some(30));
    assert!(crm.asks("f", usual, 1).is_some());
}

#[test]
fn accounts_that_do_without_have_none() {
    let (mut crm, without) = (Account::new(), Terms { breaker: Some(Breaker::none()), budget: None });
    for _ in 0..100 {
        assert_eq!(crm.asks("a", without, 0), None);
        crm.fails("a", 0);
    }
}

#[test]
fn a_breaker_that_opens_again_and_again_lets_ever_fewer_through_until_one_has_worked() {
    let (mut crm, policy) = (Account::new(), policy(1, 60, 30));
    let mut now = 0;
    let mut waits = Vec::new();
    for number in 0..8 {
        let at = crm.leaves(&number.to_string(), policy, now);
        crm.fails(&number.to_string(), at);
        waits.push(at - now);
        now = at;
    }
    assert_eq!(waits[..2], [0, 30]);
    for (wait, length) in waits[2..].iter().zip([60, 120, 240, 480, 900, 900]) {
        assert!((length..2 * length).contains(wait), "{waits:?}");
    }
    let at = crm.leaves("a", policy, now);
    crm.works("a", at);
    assert_eq!(crm.leaves("b", policy, at), at);
    crm.fails("b", at);
    let again = crm.leaves("c", policy, at) - at;
    assert!((30..60).contains(&again), "after one that has worked it begins anew: {again}");
}

/// One call fails whatever happens, and another would work. The one is not let through for ever in the place of the other.
#[test]
fn a_call_that_fails_by_its_own_fault_does_not_keep_the_others_out() {
    let (mut crm, policy) = (Account::new(), policy(1, 60, 30));
    assert_eq!(crm.asks("poison", policy, 0), None);
    crm.fails("poison", 0);
    let mut waiting: BTreeSet<(Instant, &str)> =
        ["poison", "good"].map(|ticket| (crm.ask(ticket, policy, second(1)).unwrap().0, ticket)).into();
    for _ in 0..200 {
        let (now, ticket) = waiting.pop_first().unwrap();
        match crm.ask(ticket, policy, now) {
            Some((at, _)) => drop(waiting.insert((at, ticket))),
            None if ticket == "good" => return,
            None => {
                crm.ends(ticket, Err(ErrorKind::Unavailable), Reached::Answered, now);
                // It is tried again soon, before anyone else comes.
                waiting.insert((now.after(Millis::seconds(1)), ticket));
            }
        }
    }
    panic!("the good one never leaves");
}

#[test]
fn a_call_that_is_let_through_to_see_is_told_so() {
    let policy = policy(1, 60, 30);
    let mut crm = Account::new();
    assert_eq!(crm.asks("a", policy, 0), None);
    assert!(!crm.away["a"].is_for_a_trial());
    crm.fails("a", 0);
    assert_eq!(crm.asks("b", policy, 31), None);
    assert!(crm.asks("c", policy, 31).is_some());
    assert!(crm.away["b"].is_for_a_trial());
    crm.works("b", 32);
    assert_eq!(crm.asks("d", policy, 62), None);
    assert!(!crm.away["d"].is_for_a_trial(), "it has worked for half a minute");
}

#[test]
fn what_left_before_it_opened_says_nothing_of_now() {
    let (mut crm, policy) = (Account::new(), policy(1, 60, 30));
    assert_eq!([crm.asks("a", policy, 0), crm.asks("old", policy, 0), crm.asks("older", policy, 0)], [None; 3]);
    crm.fails("a", 0);
    crm.works("old", 1);
    assert!(crm.asks("b", policy, 2).is_some(), "open");
    assert_eq!(crm.asks("b", policy, 30), None);
    crm.works("older", 31);
    assert!(crm.asks("c", policy, 31).is_some(), "half open");
    crm.works("b", 31);
    assert_eq!(crm.asks("c", policy, 31), None);
}

#[test]
fn a_trial_that_says_nothing_is_followed_by_another_at_once_and_one_that_never_ends_after_a_time() {
    let (mut crm, policy) = (Account::new(), policy(1, 60, 30));
    assert_eq!(crm.asks("a", policy, 0), None);
    crm.fails("a", 0);
    assert_eq!(crm.asks("b", policy, 31), None);
    assert!(crm.asks("c", policy, 31).is_some());
    // It never left.
    crm.ends("b", Err(ErrorKind::Unauthorized), Reached::Never, second(31));
    assert_eq!(crm.asks("c", policy, 31), None);
    // It was given up.
    crm.away.remove("c");
    assert_eq!(crm.asks("d", policy, 31), None);
    // Nobody needs it any more.
    crm.gates.withdraw_anywhere("d");
    assert_eq!(crm.asks("e", policy, 31), None);
    assert!(crm.asks("f", policy, 150).is_some());
    assert_eq!(crm.asks("f", policy, 152), None);
}

/// Ten thousand wait, each call takes a second, and the system is back: how many arrive together?
#[test]
fn those_who_waited_arrive_a_few_at_a_time_and_more_with_each_that_works() {
    const WAITING: usize = 10_000;
    let (mut crm, policy) = (Account::new(), Terms::default());
    assert_eq!(crm.asks("first", policy, 0), None);
    for _ in 0..Breaker::standard().opens_at.count {
        crm.fails("first", 0);
    }
    let mut next = BTreeSet::new();
    for number in 0..WAITING {
        let ticket = number.to_string();
        next.insert((crm.ask(&ticket, policy, second(1)).unwrap().0, ticket));
    }
    let (mut under_way, mut came, mut most) = (BTreeSet::<(Instant, String)>::new(), Vec::new(), Vec::new());
    while let Some((now, ticket)) = next.pop_first() {
        while under_way.first().is_some_and(|(end, _)| *end <= now) {
            let (end, ended) = under_way.pop_first().unwrap();
            crm.ends(&ended, Ok(()), Reached::Answered, end);
        }
        match crm.ask(&ticket, policy, now) {
            Some((at, _)) => drop(next.insert((at, ticket))),
            None => {
                under_way.insert((now.after(Millis::seconds(1)), ticket));
                came.push(now);
                most.push(under_way.len());
            }
        }
    }
    assert_eq!(came.len(), WAITING);
    let begun = came[0];
    assert!(begun >= second(30));
    // One, then two, then four …: never more at the same time than have worked before, and one more.
    for (number, now) in came.iter().enumerate() {
        let worked = came.iter().filter(|at| at.after(Millis::seconds(1)) <= *now).count();
        if worked < ENOUGH {
            assert!(most[number] <= worked + 1, "{} at the same time after {worked} have worked", most[number]);
        }
    }
    let within = |seconds: u64| came.iter().filter(|at| at.since(begun) < Millis::seconds(seconds)).count();
    assert!(within(3) <= 8 && within(5) <= 32, "{} in 3 s, {} in 5 s", within(3), within(5));
    let last = came[WAITING - 1].since(begun);
    assert!(last < Millis::seconds(90), "and all have come within a minute and a half: {last}");
}
