//! Schedules on a clock that the test sets.

use flow_model::{
    plan::{NodeKind, TriggerKind},
    ty::Type,
    units::Millis,
    value::Value,
};

use super::*;
use crate::{engine::Happening, machine::Outcome};
use plans::{EVENT, member, plan, trigger};

const MINUTE: i64 = 60_000;

/// 2023-11-14T22:15:00Z, the first full quarter after [`NOW`].
const QUARTER: Instant = Instant(1_700_000_100_000);

fn quarters() -> Vec<Arc<Plan>> {
    let every = trigger(TriggerKind::Every(Millis::seconds(900)), Type::Json);
    vec![Arc::new(plan("tidy", vec![every], vec![NodeKind::Return(member(EVENT, "scheduled_at"))]))]
}

fn after(minutes: i64) -> Instant {
    Instant(QUARTER.0 + minutes * MINUTE)
}

/// Sets the clock and waits for the run that this starts.
async fn run_at(served: &Served, clock: &Hands, now: Instant) -> String {
    let mut progress = served.engine.subscribe();
    clock.set(now);
    let run = loop {
        let happened = progress.recv().await.unwrap();
        if happened.what == Happening::RunStarted {
            break happened.run;
        }
    };
    let outcome = served.engine.outcome(&run).await.unwrap().outcome;
    match outcome {
        Some(Outcome::Completed(at)) => at.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn periods_begin_at_full_quarters_and_run_once() {
    let (_folder, clock, served) = fresh(quarters()).await;
    clock.slept_until(QUARTER).await;
    assert_eq!(run_at(&served, &clock, after(0)).await, "2023-11-14T22:15:00Z");
    clock.slept_until(after(15)).await;
    // A late wake does not shift the next one.
    assert_eq!(run_at(&served, &clock, after(22)).await, "2023-11-14T22:30:00Z");
    clock.slept_until(after(30)).await;
    // A machine that was asleep makes up for the latest period.
    assert_eq!(run_at(&served, &clock, after(24 * 60 + 5)).await, "2023-11-15T22:15:00Z");
    clock.slept_until(after(24 * 60 + 15)).await;
    // A clock that is set back runs nothing again.
    clock.set(after(0));
    assert_eq!(run_at(&served, &clock, after(24 * 60 + 15)).await, "2023-11-15T22:30:00Z");
    assert_eq!(served.runs().await.len(), 4);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_schedule_that_never_ran_has_missed_nothing() {
    let (_folder, clock, served) = fresh(quarters()).await;
    clock.slept_until(QUARTER).await;
    assert_eq!(served.runs().await, []);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_missed_while_the_process_was_down_is_made_up_for_once() {
    let (folder, clock, served) = fresh(quarters()).await;
    clock.slept_until(QUARTER).await;
    run_at(&served, &clock, after(0)).await;
    served.stop().await.unwrap();

    // Within the same period: nothing is due.
    clock.set(after(14));
    let served = start(folder.path(), &clock, quarters(), Limits::default()).await;
    clock.slept_until(after(15)).await;
    assert_eq!(served.runs().await.len(), 1);
    served.stop().await.unwrap();

    // Four periods later: the latest is made up for.
    clock.set(after(61));
    let served = start(folder.path(), &clock, quarters(), Limits::default()).await;
    clock.slept_until(after(75)).await;
    let runs = served.runs().await;
    assert_eq!(runs.len(), 2);
    let latest = served.engine.outcome(&runs.first().unwrap().id).await.unwrap();
    let made_up = Value::Timestamp("2023-11-14T23:15:00Z".parse().unwrap());
    assert_eq!(latest.outcome, Some(Outcome::Completed(made_up)));
    served.stop().await.unwrap();

    let served = start(folder.path(), &clock, quarters(), Limits::default()).await;
    clock.slept_until(after(75)).await;
    assert_eq!(served.runs().await.len(), 2);
    served.stop().await.unwrap();
}
