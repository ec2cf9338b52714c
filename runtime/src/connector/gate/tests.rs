//! Limits on a virtual clock: when does each call leave, and is no limit ever exceeded?

use std::collections::BTreeMap;

use proptest::prelude::*;

use flow_model::{
    failure::{ErrorKind, Failure},
    schema::Rate,
    value::Value,
};

use super::*;
use crate::{
    connector::{Attempt, Reached},
    sim::clock::VirtualClock,
    timer::hands::Hands,
};

const SECOND: u64 = 1000;

fn rate(count: u32, seconds: u64) -> Rate {
    Rate { count, period: Millis::seconds(seconds) }
}

/// Asks with the ticket until the call leaves, at the times that are named; gives the second.
fn leaves(gates: &Gates, ticket: &str, limits: &[Limit], cost: u32, terms: Terms, from: u64) -> f64 {
    let mut now = Instant((from * SECOND) as i64);
    for _ in 0..100 {
        let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits, cost, terms };
        match gates.ask("crm", leaving, now) {
            Admission::Now(_) => return now.0 as f64 / 1000.0,
            Admission::At { at, .. } => {
                assert!(at > now, "a wait leads on");
                now = at;
            }
            Admission::Later(_) => panic!("there is room"),
        }
    }
    panic!("it never leaves");
}

/// Says how a call ended.
fn ended(gates: &Gates, ticket: &str, outcome: Result<(), ErrorKind>, now: Instant) {
    let outcome = outcome.map(|()| Value::Null).map_err(|kind| Failure::new(kind, "the test says so"));
    let attempt = Attempt { outcome, retry_after: None, reached: Reached::Answered, parked: None };
    gates.ended("crm", ticket, Sign::of(&attempt), now);
}

/// Asks once; gives the second at which the call has its place.
fn place(gates: &Gates, ticket: &str, limits: &[Limit], cost: u32, from: u64) -> f64 {
    let now = Instant((from * SECOND) as i64);
    let terms = Terms::default();
    match gates.ask("crm", Leaving { connection: "crm", ticket, attempt: 1, limits, cost, terms }, now) {
        Admission::Now(_) => from as f64,
        Admission::At { at, .. } => at.0 as f64 / 1000.0,
        Admission::Later(_) => panic!("there is room"),
    }
}

fn times(limits: &[Limit], count: usize) -> Vec<f64> {
    let gates = Gates::default();
    (0..count).map(|at| place(&gates, &at.to_string(), limits, 1, 1_000_000) - 1_000_000.0).collect()
}

#[test]
fn no_stretch_of_the_period_sees_more_than_the_count() {
    let expected = [0.0, 0.0, 0.0, 10.0, 10.0, 10.0, 20.0, 20.0, 20.0, 30.0];
    assert_eq!(times(&[Limit::Moving(rate(3, 10))], 10), expected);
}

#[test]
fn fixed_periods_begin_with_those_of_the_clock() {
    // 1 000 000 s is 16:40 minutes into a period of 1 h: 2 400 s are left of it.
    assert_eq!(times(&[Limit::Fixed(rate(2, 3600))], 5), [0.0, 0.0, 800.0, 800.0, 4400.0]);
}

#[test]
fn a_bucket_is_emptied_and_then_drips() {
    let bucket = Limit::Bucket { size: 3, refill: rate(2, 1) };
    assert_eq!(times(&[bucket], 7), [0.0, 0.0, 0.0, 0.5, 1.0, 1.5, 2.0]);
}

#[test]
fn several_limits_hold_together() {
    let limits = [Limit::Moving(rate(2, 1)), Limit::Moving(rate(5, 60))];
    assert_eq!(times(&limits, 7), [0.0, 0.0, 1.0, 1.0, 2.0, 60.0, 60.0]);
}

#[test]
fn a_call_takes_what_it_costs() {
    let (gates, limits) = (Gates::default(), [Limit::Moving(rate(10, 10))]);
    let at = |ticket: &str, cost| place(&gates, ticket, &limits, cost, 100);
    assert_eq!([at("a", 6), at("b", 4), at("c", 5), at("d", 99)], [100.0, 100.0, 110.0, 120.0]);
}

#[test]
fn a_call_keeps_its_place_and_asking_twice_takes_one() {
    let (gates, limits, terms) = (Gates::default(), [Limit::Moving(rate(1, 10))], Terms::default());
    let ask = |ticket, now: i64| {
        let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits: &limits, cost: 1, terms };
        match gates.ask("crm", leaving, Instant(now)) {
            Admission::Now(_) => now,
            Admission::At { at, .. } => at.0,
            Admission::Later(_) => -1,
        }
    };
    assert_eq!([ask("a", 0), ask("b", 0), ask("b", 1), ask("c", 2)], [0, 10_000, 10_000, 20_000]);
    assert_eq!([ask("c", 15_000), ask("b", 15_000)], [20_000, 15_000]);
}

#[test]
fn what_the_server_asks_for_holds_for_all_calls_of_the_account() {
    let (gates, terms) = (Gates::default(), Terms::default());
    gates.pause("crm", Millis::seconds(7), Instant(100_000));
    assert_eq!(leaves(&gates, "a", &[], 1, terms, 101), 107.0);
    gates.pause("crm", Millis::seconds(1), Instant(101_000));
    assert_eq!(leaves(&gates, "b", &[Limit::Moving(rate(5, 1))], 1, terms, 102), 107.0);
}

#[test]
fn what_waited_for_its_place_when_a_breaker_opened_does_not_leave_all_at_once_afterwards() {
    let breaker = Breaker { opens_at: rate(1, 60), half_open_after: Millis::seconds(600) };
    let terms = Terms { breaker: Some(breaker), ..Terms::default() };
    let fixed = Limit::Fixed(rate(2, 10));
    for limit in [Limit::Moving(rate(2, 10)), fixed, Limit::Bucket { size: 2, refill: rate(2, 10) }] {
        let (gates, limits) = (Gates::default(), [limit]);
        let ask = |ticket: &str, now: Instant| {
            let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits: &limits, cost: 1, terms };
            gates.ask("crm", leaving, now)
        };
        let mut queue: BTreeMap<(Instant, String), ()> = BTreeMap::new();
        for number in 0..40 {
            match ask(&number.to_string(), Instant(0)) {
                Admission::At { at, .. } => drop(queue.insert((at, number.to_string()), ())),
                _ => assert!(number < 2),
            }
        }
        ended(&gates, "0", Err(ErrorKind::Unavailable), Instant(1000));
        let mut left = Vec::new();
        while let Some(((now, ticket), ())) = queue.pop_first() {
            match ask(&ticket, now) {
                Admission::At { at, .. } => drop(queue.insert((at, ticket), ())),
                pass => {
                    left.push(now);
                    ended(&gates, &ticket, Ok(()), now);
                    drop(pass);
                }
            }
        }
        assert_eq!(left.len(), 38);
        assert!(left[0] >= Instant(601_000));
        for window in left.windows(5) {
            // Within two periods of any of these limits are four at most, two more where the periods are the clock's.
            let least = if limit == fixed { 1 } else { 10_000 };
            assert!(window[4].since(window[0]) >= Millis(least), "{limit:?}: {left:?}");
        }
    }
}

#[test]
fn retries_of_all_runs_share_a_budget_and_first_attempts_do_not_need_it() {
    let (gates, terms) = (Gates::default(), Terms { budget: Some(rate(2, 60)), ..Terms::default() });
    let ask = |ticket: &str, attempt| {
        let leaving = Leaving { connection: "crm", ticket, attempt, limits: &[], cost: 1, terms };
        match gates.ask("crm", leaving, Instant(0)) {
            Admission::Now(_) => 0,
            Admission::At { at, .. } => at.0 / 1000,
            Admission::Later(_) => -1,
        }
    };
    assert_eq!([ask("a", 2), ask("b", 2), ask("c", 2), ask("d", 3), ask("e", 2)], [0, 0, 60, 60, 120]);
    assert_eq!(ask("f", 1), 0);
}

#[test]
fn so_many_at_the_same_time_and_the_next_when_one_has_ended() {
    use futures::FutureExt as _;
    let (gates, limits, terms) = (Gates::default(), [Limit::Concurrent(1)], Terms::default());
    let ask = |ticket| {
        let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits: &limits, cost: 1, terms };
        gates.ask("crm", leaving, Instant(0))
    };
    let Admission::Now(first) = ask("a") else { panic!("there is room") };
    let Admission::Later(mut second) = ask("b") else { panic!("there is no room") };
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert!(second.now_or_never().is_some());
}

#[test]
fn of_several_limits_of_what_is_under_way_each_holds() {
    let limits = [Limit::Concurrent(3), Limit::Moving(rate(100, 1)), Limit::Concurrent(1), Limit::Concurrent(2)];
    let (gates, terms) = (Gates::default(), Terms::default());
    let ask = |ticket| {
        let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits: &limits, cost: 1, terms };
        gates.ask("crm", leaving, Instant(0))
    };
    let Admission::Now(_first) = ask("a") else { panic!("there is room") };
    assert!(matches!(ask("b"), Admission::Later(_)));
}

#[test]
fn a_place_that_is_given_back_is_the_next_ones_and_holds_up_nobody() {
    let (gates, limits) = (Gates::default(), [Limit::Moving(rate(2, 10))]);
    let at = |ticket: &str, cost, now| place(&gates, ticket, &limits, cost, now);
    assert_eq!([at("a", 2, 100), at("b", 2, 100), at("c", 1, 100), at("d", 2, 100)], [100.0, 110.0, 120.0, 130.0]);
    gates.withdraw("crm", "c");
    gates.withdraw("crm", "nobody");
    gates.withdraw("other", "b");
    assert_eq!(at("e", 2, 101), 140.0, "it needs more than was given back");
    assert_eq!([at("f", 1, 101), at("g", 1, 101)], [120.0, 150.0]);
    assert_eq!([at("b", 2, 110), at("d", 2, 130)], [110.0, 130.0], "the others have what they were promised");
    gates.withdraw_anywhere("e");
    assert_eq!(at("h", 2, 141), 160.0, "what is over is nobody's");
}

#[test]
fn places_that_nobody_comes_for_are_not_held_for_ever() {
    let (gates, limits) = (Gates::default(), [Limit::Moving(rate(1, 1))]);
    for number in 0..5000 {
        place(&gates, &number.to_string(), &limits, 1, 1000);
    }
    place(&gates, "last", &limits, 1, 1000 + 5000 + 601);
    assert_eq!(gates.lock()["crm"].places.by_ticket.len(), 0);
    assert_eq!(gates.lock()["crm"].places.by_time.len(), 0);
}

#[test]
fn as_many_requests_leave_together_as_all_limits_let_through() {
    let limits = [Limit::Moving(rate(10, 1)), Limit::Bucket { size: 7, refill: rate(1, 1) }, Limit::Concurrent(1)];
    for (costs, limits, expected) in [
        (&[1, 1, 1][..], &limits[..], (3, 3)),
        (&[2; 9], &limits, (3, 6)),
        (&[9, 1], &limits, (1, 9)),
        (&[0, 7, 1], &limits, (2, 7)),
        (&[1; 40], &[], (40, 40)),
        (&[], &limits, (0, 0)),
    ] {
        assert_eq!(together(costs, limits), expected, "{costs:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_holds_nobody_up() {
    let (gates, limits, terms) = (Gates::default(), [Limit::Moving(rate(1, 10))], Terms::default());
    assert_eq!(leaves(&gates, "a", &limits, 1, terms, 1_000_000), 1_000_000.0);
    assert_eq!(leaves(&gates, "b", &limits, 1, terms, 1000), 1000.0);
}

/// Lets a call leave that was let through before; gives the seconds that it has to wait for, and why.
async fn leaves_now(
    gates: &Gates,
    ticket: &str,
    limits: &[Limit],
    terms: Terms,
    clock: &Hands,
) -> Option<(u64, String)> {
    let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits, cost: 1, terms };
    let departed = gates.depart("crm", leaving, clock).await;
    departed.err().map(|Parked { because, again, .. }| (again.0 / 1000, because))
}

fn second(second: i64) -> Instant {
    Instant(second * 1000)
}

#[tokio::test]
async fn calls_that_come_late_are_counted_when_they_leave_and_keep_their_order() {
    let (gates, clock, terms) = (Gates::default(), Hands::at(second(0)), Terms::default());
    let limits = [Limit::Moving(rate(2, 10))];
    let tickets = ["a", "b", "c", "d", "e", "f"];
    let asked = tickets.map(|ticket| place(&gates, ticket, &limits, 1, 0));
    assert_eq!(asked, [0.0, 0.0, 10.0, 10.0, 20.0, 20.0]);
    // Two waited for something else meanwhile.
    clock.set(second(9));
    assert_eq!(leaves_now(&gates, "a", &limits, terms, &clock).await, None);
    assert_eq!(leaves_now(&gates, "b", &limits, terms, &clock).await, None);
    clock.set(second(10));
    let used_up = |wait| Some((wait, "the limit of `crm` is used up".to_owned()));
    for ticket in ["c", "d"] {
        assert_eq!(leaves(&gates, ticket, &limits, 1, terms, 10), 10.0, "as it was promised");
        assert_eq!(leaves_now(&gates, ticket, &limits, terms, &clock).await, used_up(9));
    }
    assert_eq!(place(&gates, "c", &limits, 1, 11), 19.0, "it has its place then");
    clock.set(second(19));
    for ticket in ["c", "d"] {
        assert_eq!(place(&gates, ticket, &limits, 1, 19), 19.0);
        assert_eq!(leaves_now(&gates, ticket, &limits, terms, &clock).await, None);
    }
    clock.set(second(20));
    assert_eq!(leaves_now(&gates, "e", &limits, terms, &clock).await, used_up(9));
    assert_eq!(leaves_now(&gates, "f", &limits, terms, &clock).await, used_up(9));
    assert_eq!(leaves_now(&gates, "g", &limits, terms, &clock).await, used_up(19), "each has a place of its own");
}

#[tokio::test]
async fn calls_that_are_made_again_are_counted_against_the_budget_when_they_leave() {
    let (gates, clock) = (Gates::default(), Hands::at(second(0)));
    let terms = Terms { budget: Some(rate(2, 60)), ..Terms::default() };
    let leaves = async |ticket, attempt| {
        let leaving = Leaving { connection: "crm", ticket, attempt, limits: &[], cost: 1, terms };
        gates.depart("crm", leaving, &*clock).await.map_err(|parked| parked.again.0 / 1000)
    };
    assert_eq!([leaves("a", 1).await, leaves("b", 2).await, leaves("c", 3).await], [Ok(()); 3]);
    clock.set(second(20));
    assert_eq!([leaves("d", 2).await, leaves("e", 1).await], [Err(40), Ok(())]);
    clock.set(second(60));
    assert_eq!(leaves("d", 2).await, Ok(()));
}

#[tokio::test]
async fn a_request_for_a_token_counts_before_the_call_that_needs_it() {
    let (gates, clock, terms) = (Gates::default(), Hands::at(second(0)), Terms::default());
    let limits = [Limit::Moving(rate(2, 10))];
    gates.has_left("crm", &limits, 1, second(0));
    clock.set(second(4));
    assert_eq!(leaves_now(&gates, "a", &limits, terms, &clock).await, None);
    let used_up = |wait| Some((wait, "the limit of `crm` is used up".to_owned()));
    assert_eq!(leaves_now(&gates, "b", &limits, terms, &clock).await, used_up(6));
}

#[tokio::test]
async fn a_call_waits_a_moment_to_leave_and_those_behind_it_leave_after_it() {
    use futures::FutureExt as _;
    let (gates, clock, terms) = (Gates::default(), Hands::at(second(0)), Terms::default());
    let limits = [Limit::Moving(Rate { count: 1, period: Millis(400) })];
    let mut waiting: Vec<_> =
        ["a", "b", "c"].map(|ticket| Box::pin(leaves_now(&gates, ticket, &limits, terms, &clock))).into();
    let mut left = Vec::new();
    for now in [0, 399, 400, 799, 800] {
        clock.set(Instant(now));
        for at in (0..waiting.len()).rev() {
            if let Some(outcome) = (&mut waiting[at]).now_or_never() {
                drop(waiting.remove(at));
                left.push((now, outcome));
            }
        }
    }
    assert_eq!(left, [(0, None), (400, None), (800, None)]);
}

#[tokio::test]
async fn nothing_leaves_once_the_server_has_asked_for_a_pause_or_the_breaker_has_opened() {
    let breaker = Breaker { opens_at: rate(1, 60), half_open_after: Millis::seconds(30) };
    let (clock, terms) = (Hands::at(second(0)), Terms { breaker: Some(breaker), ..Terms::default() });
    let gates = Gates::default();
    assert_eq!(leaves(&gates, "a", &[], 1, terms, 0), 0.0);
    gates.pause("crm", Millis::seconds(7), second(0));
    let paused = Some((7, "`crm` asks to wait".to_owned()));
    assert_eq!(leaves_now(&gates, "a", &[], terms, &clock).await, paused);
    clock.set(second(7));
    assert_eq!(leaves_now(&gates, "a", &[], terms, &clock).await, None);
    ended(&gates, "a", Err(ErrorKind::Unavailable), second(7));
    let open = Some((30, "`crm` gave no answer 1 times in a row within 1m: its breaker is open".to_owned()));
    assert_eq!(leaves_now(&gates, "b", &[], terms, &clock).await, open);
    let without = Terms { breaker: Some(Breaker::none()), ..Terms::default() };
    assert_eq!(leaves_now(&gates, "c", &[], without, &clock).await, None, "it has no breaker");
}

#[tokio::test]
async fn a_clock_that_is_set_lets_no_more_leave_than_the_limit() {
    let year = 365 * 86_400 * 1000;
    for by in [year, -year, 3_600_000, -3_600_000] {
        for limit in [Limit::Moving(rate(3, 10)), Limit::Bucket { size: 3, refill: rate(3, 10) }] {
            let (gates, clock, terms) = (Gates::default(), VirtualClock::at(Instant(year * 50)), Terms::default());
            let limits = [limit];
            let leaves = async |ticket: &str| {
                let leaving = Leaving { connection: "crm", ticket, attempt: 1, limits: &limits, cost: 1, terms };
                gates.depart("crm", leaving, &clock).await.map_err(|parked| parked.again.0 / 1000)
            };
            for ticket in ["a", "b", "c"] {
                assert_eq!(leaves(ticket).await, Ok(()));
            }
            clock.set(by);
            let wait = if matches!(limit, Limit::Moving(_)) { 10 } else { 3 };
            assert_eq!(leaves("d").await, Err(wait), "{limit:?} {by}");
            clock.shift(10_000);
            assert_eq!(leaves("e").await, Ok(()), "and it holds up nobody");
        }
    }
}

proptest! {
    #[test]
    fn no_limit_is_ever_exceeded(calls in prop::collection::vec((0u64..2000, 1u32..4), 1..80), count in 3u32..8, bucket in 3u32..8) {
        let (gates, terms) = (Gates::default(), Terms::default());
        let period = Millis(1500);
        let limits = [
            Limit::Moving(Rate { count, period }),
            Limit::Fixed(Rate { count: 20, period: Millis(4000) }),
            Limit::Bucket { size: bucket, refill: Rate { count: 2, period: Millis(700) } },
        ];
        let (mut now, mut left) = (0i64, Vec::new());
        for (at, (pause, cost)) in calls.into_iter().enumerate() {
            now += pause as i64;
            let (ticket, mut time) = (at.to_string(), Instant(now));
            loop {
                let leaving = Leaving { connection: "crm", ticket: &ticket, attempt: 1, limits: &limits, cost, terms };
                match gates.ask("crm", leaving, time) {
                    Admission::Now(_) => break,
                    Admission::At { at, .. } => time = at,
                    Admission::Later(_) => prop_assert!(false),
                }
            }
            left.extend(std::iter::repeat_n(time.0, cost as usize));
            now = now.max(time.0 - 4000);
        }
        left.sort_unstable();
        for (at, time) in left.iter().enumerate() {
            let within = left.iter().skip(at).filter(|other| **other < time + 1500).count();
            prop_assert!(within <= count as usize);
            let same = left.iter().filter(|other| other.div_euclid(4000) == time.div_euclid(4000)).count();
            prop_assert!(same <= 20);
        }
        for (at, from) in left.iter().enumerate() {
            for (more, to) in left.iter().enumerate().skip(at) {
                let most = f64::from(bucket) + (to - from) as f64 * 2.0 / 700.0;
                prop_assert!((more - at + 1) as f64 <= most + 1e-6);
            }
        }
    }
}
