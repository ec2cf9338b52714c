//! Triggers that go by the time, while the clock is set: in a simulated world.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    plan::Plan,
    schema::First,
    units::{Instant, Millis},
    value::Value,
};

use super::{poll, schedule};
use crate::{
    engine::{Engine, Filter},
    eval::Library,
    sim::{
        START,
        disk::{Fault, Pace},
        outside::{Outside, Reply},
        process::{Ended, Life, live},
    },
    timer::Clock,
    trigger,
};

const YEAR: i64 = 365 * 24 * 3_600_000;
const MINUTE: i64 = 60_000;

/// Lives so many minutes with triggers, and sets the clock after one of them.
fn lives(plans: &[Arc<Plan>], by: i64, minutes: u64) -> (Arc<Outside>, Vec<Instant>) {
    let (world, data) = (Outside::new(|_| Reply::ok(Value::List(Vec::new()))), tempfile::tempdir().unwrap());
    let story = async |engine: Arc<Engine>| {
        for plan in plans {
            engine.deploy(Arc::clone(plan)).await.unwrap();
        }
        engine.resume().await.unwrap();
        let clock: Arc<dyn Clock> = world.clock.clone();
        for schedule in trigger::schedules(plans).unwrap() {
            tokio::spawn(trigger::schedule::run(schedule, Arc::clone(&engine), Arc::clone(&clock)));
        }
        for polled in trigger::polled(plans) {
            let env = Arc::new(BTreeMap::<String, String>::new());
            let seen = (Library::default(), env as _);
            tokio::spawn(trigger::poll::run(polled, Arc::clone(&engine), seen, Arc::clone(&clock), Arc::default()));
        }
        clock.sleep(Millis::seconds(61)).await;
        world.clock.set(by);
        clock.sleep(Millis::seconds(60 * minutes)).await;
        let runs = engine.runs(Filter { limit: 2000, ..Filter::default() }).await.unwrap();
        runs.into_iter().rev().map(|run| run.started_at).collect::<Vec<_>>()
    };
    let life = Life { fault: Fault::Never, pace: Pace::Drawn(1), lasts: None };
    let Ok(Ended::Well(runs)) = live(&world, data.path(), &life, story) else { panic!("no crash was asked for") };
    (world, runs)
}

#[test]
fn case_05_a_system_is_asked_as_often_as_is_declared_however_the_clock_is_set() {
    for by in [0, YEAR, -YEAR, 5000, -5000] {
        let (world, _) = lives(&poll::plans(First::Start), by, 4);
        let asked = world.made().into_iter().map(|made| made.at.0 - START.0);
        let even: Vec<_> = asked.enumerate().map(|(count, at)| if count > 3 { at - by } else { at }).collect();
        // Each 20 seconds from the beginning on.
        let each: Vec<_> = (0..).map(|count| count * 20_000).take_while(|at| *at <= 301_000).collect();
        assert_eq!(even.len(), each.len(), "{by}: {even:?}");
        for (asked, expected) in even.iter().zip(&each) {
            assert!((0..1000).contains(&(asked - expected)), "{by}: {even:?}");
        }
    }
}

#[test]
fn case_05_a_schedule_goes_by_the_wall_at_once_when_the_clock_is_set() {
    // Forward, what has passed is made up for once; back by more than a day, it goes on from there; back by less, the same
    // times are not there again.
    for (by, runs) in [(0, 3), (YEAR, 4), (-YEAR, 3), (-20 * MINUTE, 1)] {
        let (_, started) = lives(&schedule::quarters(), by, 46);
        assert_eq!(started.len(), runs, "{by}: {started:?}");
    }
}
