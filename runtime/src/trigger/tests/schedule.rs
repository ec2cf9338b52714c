//! Schedules on a clock that the test sets.

use flow_model::{
    plan::{CatchUp, NodeKind, TriggerKind},
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

pub(super) fn quarters() -> Vec<Arc<Plan>> {
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
            break happened.run.clone();
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

/// A flow at nine and at half past two in Berlin.
fn cron(catch_up: CatchUp) -> Vec<Arc<Plan>> {
    let kind = TriggerKind::Cron { line: "30 2,9 * * *".to_owned(), zone: "Europe/Berlin".to_owned(), catch_up };
    let at = NodeKind::Return(member(EVENT, "scheduled_at"));
    vec![Arc::new(plan("tidy", vec![trigger(kind, Type::Json)], vec![at]))]
}

fn at(text: &str) -> Instant {
    Instant(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// The times that have had a run.
async fn times(served: &Served) -> Vec<String> {
    let mut times = Vec::new();
    for run in served.runs().await {
        match served.engine.outcome(&run.id).await.unwrap().outcome {
            Some(Outcome::Completed(at)) => times.push(at.to_string()),
            other => panic!("{other:?}"),
        }
    }
    times.sort();
    times
}

/// Serves at a time until the schedule sleeps until another one, and gives the times that have had a run by then.
async fn served_at(folder: &std::path::Path, now: &str, next: &str, plans: Vec<Arc<Plan>>) -> Vec<String> {
    let clock = Hands::at(at(now));
    let served = start(folder, &clock, plans, Limits::default()).await;
    clock.slept_until(at(next)).await;
    let times = times(&served).await;
    served.stop().await.unwrap();
    times
}

#[tokio::test]
async fn case_05_a_time_that_the_clock_on_the_wall_skips_or_shows_twice_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(at("2026-03-28T12:00:00Z"));
    let served = start(folder.path(), &clock, cron(CatchUp::Last), Limits::default()).await;
    for (time, next) in [
        // 02:30 is skipped: it comes at 03:00, when 02:00 would have been.
        ("2026-03-29T01:00:00Z", "2026-03-29T07:30:00Z"),
        ("2026-03-29T07:30:00Z", "2026-03-30T00:30:00Z"),
    ] {
        clock.slept_until(at(time)).await;
        assert_eq!(run_at(&served, &clock, at(time)).await, time);
        clock.slept_until(at(next)).await;
    }
    served.stop().await.unwrap();

    let clock = Hands::at(at("2026-10-25T00:00:00Z"));
    let served = start(folder.path(), &clock, cron(CatchUp::None), Limits::default()).await;
    // 02:30 comes twice: the first one counts.
    clock.slept_until(at("2026-10-25T00:30:00Z")).await;
    assert_eq!(run_at(&served, &clock, at("2026-10-25T00:30:00Z")).await, "2026-10-25T00:30:00Z");
    clock.slept_until(at("2026-10-25T08:30:00Z")).await;
    assert_eq!(run_at(&served, &clock, at("2026-10-25T08:30:00Z")).await, "2026-10-25T08:30:00Z");
    assert_eq!(served.runs().await.len(), 4);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn case_05_what_was_missed_follows_catch_up_over_restarts() {
    for (catch_up, made_up_for) in [
        (CatchUp::None, [].as_slice()),
        (CatchUp::Last, &["2026-05-04T07:30:00Z"]),
        (CatchUp::AtMost(2), &["2026-05-04T00:30:00Z", "2026-05-04T07:30:00Z"]),
        (
            CatchUp::All,
            &[
                "2026-05-02T07:30:00Z",
                "2026-05-03T00:30:00Z",
                "2026-05-03T07:30:00Z",
                "2026-05-04T00:30:00Z",
                "2026-05-04T07:30:00Z",
            ],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let first = served_at(data, "2026-05-02T06:00:00Z", "2026-05-02T07:30:00Z", cron(catch_up)).await;
        assert_eq!(first, [""; 0], "what was written yesterday has missed nothing");
        let (now, next) = ("2026-05-04T12:00:00Z", "2026-05-05T00:30:00Z");
        assert_eq!(served_at(data, now, next, cron(catch_up)).await, made_up_for, "{catch_up:?}");
        assert_eq!(served_at(data, now, next, cron(catch_up)).await, made_up_for, "{catch_up:?}: and once");
    }
}

#[tokio::test]
async fn a_process_that_is_started_again_within_a_minute_has_missed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    served_at(folder.path(), "2026-05-02T07:29:50Z", "2026-05-02T07:30:00Z", cron(CatchUp::None)).await;
    let times = served_at(folder.path(), "2026-05-02T07:30:40Z", "2026-05-03T00:30:00Z", cron(CatchUp::None)).await;
    assert_eq!(times, ["2026-05-02T07:30:00Z"]);
}

#[tokio::test]
async fn case_05_a_clock_that_is_set_back_runs_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    served_at(data, "2026-05-02T07:00:00Z", "2026-05-02T07:30:00Z", cron(CatchUp::All)).await;
    let once = ["2026-05-02T07:30:00Z"];
    assert_eq!(served_at(data, "2026-05-02T07:31:00Z", "2026-05-03T00:30:00Z", cron(CatchUp::All)).await, once);
    // Back by hours: the time that comes again has had its run.
    assert_eq!(served_at(data, "2026-05-02T01:00:00Z", "2026-05-03T00:30:00Z", cron(CatchUp::All)).await, once);
    // Ahead by a year, and set right: what runs from now on are times that have had no run.
    let ahead = served_at(data, "2027-05-02T06:00:00Z", "2027-05-02T07:30:00Z", cron(CatchUp::Last)).await;
    assert_eq!(ahead, ["2026-05-02T07:30:00Z", "2027-05-02T00:30:00Z"]);
    let clock = Hands::at(at("2026-05-02T07:29:00Z"));
    let served = start(data, &clock, cron(CatchUp::Last), Limits::default()).await;
    clock.slept_until(at("2026-05-02T07:30:00Z")).await;
    clock.set(at("2026-05-02T07:30:00Z"));
    clock.slept_until(at("2026-05-03T00:30:00Z")).await;
    assert_eq!(served.runs().await.len(), 2, "half past nine has had its run");
    assert_eq!(run_at(&served, &clock, at("2026-05-03T00:30:00Z")).await, "2026-05-03T00:30:00Z");
    served.stop().await.unwrap();
}
