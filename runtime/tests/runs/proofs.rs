//! Cases of docs/reliability.md that look at the whole engine: events that come again, moments at which runs are cancelled,
//! many runs that fail together.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use flow_model::{
    expr::Expr,
    failure::ErrorKind,
    plan::{Backoff, Breaker, NodeKind, Plan, Retry},
    schema::{Limit, Rate},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    engine::{Engine, Limits, Newness, RunState, Submission},
    journal::StepState,
    machine::Outcome,
    sim::{
        disk::Pace,
        oracle::{Evidence, judge},
        outside::{Made, Outside, Reply, answer},
        process::{Ended, Life, live},
        story::{files, kept},
    },
    timer::Clock as _,
};
use futures::future::join_all;

use crate::support::{
    build::*,
    sim::{Fault, process},
};

fn event(key: &str) -> Submission {
    let dedupe = Some((key.to_owned(), Millis::seconds(3600)));
    Submission { dedupe, ..Submission::with_params("test", Value::Null) }
}

async fn begin(engine: &Engine, plan: &Arc<Plan>) {
    engine.deploy(Arc::clone(plan)).await.unwrap();
    engine.resume().await.unwrap();
}

#[test]
fn case_04_a_keyed_call_whose_answers_are_lost_is_made_again_with_the_same_key_and_counts_once() {
    for lost in 1..=3 {
        let outside = Outside::new(move |made| match made.before {
            before if before < lost => Reply::err(ErrorKind::Timeout, Reached::Perhaps).applied(),
            _ => Reply::ok(answer(&made.arg)),
        });
        let plan = Arc::new(plan(&[], vec![step("pay", "keyed", 1), end(get(1))]));
        let data = tempfile::tempdir().unwrap();
        let ended = process(&outside, data.path(), Fault::Never, async |engine| {
            begin(&engine, &plan).await;
            let run = engine.submit(event("e")).await.unwrap().run;
            engine.outcome(&run).await.unwrap()
        });
        let Ended::Well(summary) = ended else { panic!("no crash was asked for") };
        assert_eq!(summary.outcome, Some(Outcome::Completed(answer(&Value::text("pay")))));
        let keys: BTreeSet<_> = outside.made().into_iter().map(|made| made.key).collect();
        assert_eq!((outside.made().len(), keys.len()), (lost + 1, 1), "the same key each time");
    }
}

#[test]
fn case_06_an_event_that_comes_a_hundred_times_at_once_after_a_restart_and_after_its_window() {
    let outside = Outside::kind();
    let data = tempfile::tempdir().unwrap();
    let plan = Arc::new(plan(&[], vec![step("a", "send", 1), end(get(1))]));
    let Ended::Well(first) = process(&outside, data.path(), Fault::Never, async |engine| {
        begin(&engine, &plan).await;
        let accepted = join_all((0..100).map(|_| engine.submit(event("e")))).await;
        let accepted: Vec<_> = accepted.into_iter().map(Result::unwrap).collect();
        let runs: BTreeSet<_> = accepted.iter().map(|accepted| accepted.run.clone()).collect();
        assert_eq!(runs.len(), 1, "one event, one run");
        assert_eq!(accepted.iter().filter(|accepted| accepted.is_new == Newness::New).count(), 1);
        engine.outcome(&accepted[0].run).await.unwrap();
        accepted[0].run.clone()
    }) else {
        panic!("no crash was asked for")
    };
    process(&outside, data.path(), Fault::Never, async |engine| {
        begin(&engine, &plan).await;
        let again = engine.submit(event("e")).await.unwrap();
        assert_eq!((again.run, again.is_new), (first.clone(), Newness::Duplicate), "after a restart");
        outside.clock.shift(3_600_001);
        let late = engine.submit(event("e")).await.unwrap();
        assert_eq!(late.is_new, Newness::New, "the window is over: whoever is called still knows the key of its own");
        engine.outcome(&late.run).await.unwrap();
    });
    assert_eq!(outside.made().len(), 2);
}

/// Calls of a system that is down, in runs that begin together; each is tried as often as its retries and `budget` allow.
fn herd(runs: usize, times: u32, budget: Option<Rate>) -> Vec<Made> {
    let limits = Limits { reserve: 0, ..Limits::default() };
    let outside = Outside::with_limits(limits, |_| Reply::err(ErrorKind::Unavailable, Reached::Answered));
    let backoff = Backoff::Fixed(Millis::seconds(100));
    let patient = Retry { on: vec![ErrorKind::Unavailable], times, backoff, budget: None };
    let mut call = step("a", "keyed", 1).retrying(patient);
    if let NodeKind::Step(step) = &mut call.kind {
        step.policy.budget = budget;
        // It would keep most of them away.
        step.policy.breaker = Some(Breaker::none());
    }
    let plan = Arc::new(plan(&[], vec![call, end(get(1))]));
    let data = tempfile::tempdir().unwrap();
    process(&outside, data.path(), Fault::Never, async |engine| {
        begin(&engine, &plan).await;
        let runs = join_all((0..runs).map(|number| engine.submit(event(&number.to_string())))).await;
        for run in runs {
            let summary = engine.outcome(&run.unwrap().run).await.unwrap();
            assert_eq!(summary.state, RunState::Failed);
        }
    });
    outside.made()
}

#[test]
fn case_19_runs_that_fail_together_come_again_spread_over_the_wait_and_give_up() {
    // More of them: `FLOW_TEST_HERD=10000`.
    let runs = std::env::var("FLOW_TEST_HERD").map_or(1000, |text| text.parse().unwrap());
    let made = herd(runs, 1, None);
    assert_eq!(made.len(), runs * 2, "two attempts each, and no more");
    let begin = made[0].at;
    let second = made.iter().filter(|made| made.before == 1).map(|made| made.at.since(begin).0 / 1000);
    let mut tenths = [0_usize; 11];
    second.for_each(|second| tenths[usize::try_from(second / 10).unwrap().min(10)] += 1);
    // Drawn evenly from 100 s: a tenth of them in each tenth, give or take 0.3 times the root of their number; what is six
    // times as far off does not happen.
    let (even, off) = (runs / 10, 2 * runs.isqrt());
    assert!(tenths[..10].iter().all(|count| count.abs_diff(even) <= off), "{tenths:?}");
}

/// Says that no window of the period has seen more calls than the count, and when the last one came after the first.
fn within<'a>(calls: impl Iterator<Item = &'a Made>, rate: Rate) -> Millis {
    let at: Vec<_> = calls.map(|made| made.at).collect();
    let most = rate.count as usize;
    for window in at.windows(most + 1) {
        let took = window[most].since(window[0]);
        assert!(took >= rate.period, "{} calls came within {took} from {}", most + 1, window[0]);
    }
    at.last().map_or(Millis(0), |last| last.since(at[0]))
}

#[test]
fn case_19_runs_that_fail_together_share_the_budget_of_their_account() {
    const RUNS: usize = 400;
    let budget = Rate { count: 100, period: Millis::seconds(60) };
    let made = herd(RUNS, 2, Some(budget));
    assert_eq!(made.len(), RUNS * 3, "three attempts each: the budget makes them wait, and fails none");
    within(made.iter().filter(|made| made.before > 0), budget);
}

#[test]
fn case_25_a_limit_holds_for_what_a_system_sees_also_where_calls_wait_for_something_else_before_they_leave() {
    const RUNS: usize = 100;
    const STALL: Millis = Millis::seconds(25);
    let limit = Rate { count: 10, period: Millis::seconds(10) };
    for operation in ["keyed", "send"] {
        let limits = Limits { calls_of_one: 8, reserve: 0, ..Limits::default() };
        let came = AtomicUsize::new(0);
        let outside = Outside::with_limits(limits, move |made| {
            // The first ones take up all room, while others are let through by the limit and wait for it.
            let takes = if came.fetch_add(1, Ordering::SeqCst) < 8 { STALL } else { Millis(10) };
            Reply::ok(answer(&made.arg)).after(takes.0)
        });
        let mut plan = plan(&[], vec![step("a", operation, 1), end(get(1))]);
        limited(&mut plan, vec![Limit::Moving(limit)]);
        let (plan, data) = (Arc::new(plan), tempfile::tempdir().unwrap());
        process(&outside, data.path(), Fault::Never, async |engine| {
            begin(&engine, &plan).await;
            let runs = join_all((0..RUNS).map(|number| engine.submit(event(&number.to_string())))).await;
            for run in runs {
                let summary = engine.outcome(&run.unwrap().run).await.unwrap();
                assert_eq!(summary.state, RunState::Completed, "{:?}", summary.reason);
            }
        });
        let made = outside.made();
        assert_eq!(made.len(), RUNS, "each call left once");
        let took = within(made.iter(), limit);
        // Ten in each ten seconds, but for those in which there was no room.
        assert!(took.0 <= 9 * limit.period.0 + STALL.0 + limit.period.0, "{operation}: {took}");
    }
}

/// A run with a saga, a loop and a call that can't be repeated, cancelled at each moment of its life, twice, beside a crash.
#[test]
fn case_23_a_run_is_cancelled_at_each_moment_and_undoes_once_what_it_has_done() {
    let items = list((1..=3).map(int));
    let body = vec![
        saga(
            "s",
            9,
            vec![
                undoable("a", "keyed", 1),
                each(
                    "each",
                    2,
                    3,
                    items,
                    2,
                    flow_model::plan::ForOnError::Stop,
                    vec![
                        step_of("i", "keyed", 4, get(3)).undone_by(vec![step_of("i/undo", "keyed", 5, get(4))]),
                        give(get(4)),
                    ],
                ),
                sleep("nap", Expr::Literal(Value::Duration(Millis(30)))),
                undoable("b", "keyed", 6),
            ],
        ),
        end(int(7)),
    ];
    let plan = Arc::new(plan(&[], body));
    let (mut cancelled, mut completed) = (0, 0);
    for moment in 0..90 {
        for fault in [Fault::Never, Fault::After(moment as usize % 7)] {
            let outside = Outside::new(|made| Reply::ok(answer(&made.arg)));
            let data = tempfile::tempdir().unwrap();
            let mut accepted = Vec::new();
            for fault in [fault, Fault::Never] {
                let life = Life { fault, pace: Pace::Drawn(moment), lasts: None };
                let ended = live(&outside, data.path(), &life, async |engine| {
                    begin(&engine, &plan).await;
                    let run = engine.submit(event("e")).await.unwrap().run;
                    let at = outside.clock.now().after(Millis(moment));
                    outside.clock.sleep_until(at).await;
                    // Too late for one of them, or for both.
                    let cancel = |why: &'static str| engine.cancel(&run, why);
                    let both = join_all([cancel("first"), cancel("second")]).await;
                    assert!(both.iter().filter(|asked| asked.is_ok()).count() <= 1, "one wins: {both:?}");
                    engine.outcome(&run).await.unwrap();
                    run
                });
                if let Ended::Well(run) = ended.unwrap() {
                    accepted.push(("e".to_owned(), run));
                }
                outside.clock.shift(5);
            }
            let runs = kept(data.path()).unwrap();
            let steps = flow_runtime::journal::History::of(
                &flow_runtime::journal::read(&runs[0].summary.id, &runs[0].rows).unwrap().0,
            )
            .steps;
            let done = |undo: bool| {
                let steps = steps.iter().filter(|step| step.state == StepState::Completed && step.call.is_some());
                steps
                    .filter(move |step| step.place.path.ends_with("/undo") == undo)
                    .map(|step| step.place.to_string().replace("/undo", ""))
            };
            let (forward, back): (BTreeSet<_>, Vec<_>) = (done(false).collect(), done(true).collect());
            let what = format!("cancelled after {moment}ms, {fault:?}");
            match runs[0].summary.state {
                RunState::Cancelled => {
                    cancelled += 1;
                    assert_eq!(back.iter().cloned().collect::<BTreeSet<_>>(), forward, "{what}: all is undone");
                    assert_eq!(back.len(), forward.len(), "{what}: once");
                    if forward.contains("b") {
                        assert_eq!(back.first().map(String::as_str), Some("b"), "{what}: newest first");
                    }
                    assert!(back.is_empty() || back.last().map(String::as_str) == Some("a"), "{what}: oldest last");
                }
                RunState::Completed => {
                    completed += 1;
                    assert_eq!(back, [""; 0], "{what}: nothing is undone");
                }
                state => panic!("{what}: {state}"),
            }
            let (made, files) = (outside.made(), files(data.path()).unwrap());
            let mut evidence = Evidence { accepted, runs, earlier: vec![], made, secrets: vec![], files };
            // A run may be cancelled before it has done anything.
            evidence.made.iter_mut().for_each(|made| made.applied = true);
            let broken: Vec<_> = judge(&evidence)
                .into_iter()
                .filter(|broken| broken.promise != flow_runtime::sim::oracle::Promise::Progress)
                .collect();
            assert_eq!(broken, [], "{what}");
        }
    }
    assert!(cancelled > 60 && completed > 10, "{cancelled} cancelled, {completed} completed");
}

/// An event that comes when its window is over has a run of its own, whose calls have the keys of the first one, also those of
/// the runs that it calls. What a person does again as something new has others.
#[test]
fn case_06_an_event_that_comes_after_its_window_leads_to_calls_with_the_keys_of_the_first() {
    let outside = Outside::new(|made| match made.arg == Value::text("fails") && made.before == 0 {
        true => Reply::err(ErrorKind::Rejected, Reached::Answered),
        false => Reply::ok(answer(&made.arg)),
    });
    let data = tempfile::tempdir().unwrap();
    let below = Plan { flow: "below".into(), ..plan(&[], vec![step("inner", "keyed", 1), end(get(1))]) };
    let body = vec![step("pay", "keyed", 1), call("c", 2, &below, vec![]), step("fails", "keyed", 3), end(get(1))];
    let mut paid = plan(&[], body);
    paid.triggers.push(every(None));
    let paid = Arc::new(paid);
    let sent = |key: &str, body: &str| Submission {
        trigger: Some(0),
        body_digest: Some(body.to_owned()),
        share: flow_runtime::engine::Share::Event,
        ..event(key)
    };
    let ended = process(&outside, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::new(below.clone())).await.unwrap();
        begin(&engine, &paid).await;
        let told = async |submission: Submission| {
            let accepted = engine.submit(submission).await.unwrap();
            assert_eq!(accepted.is_new, Newness::New);
            let summary = engine.outcome(&accepted.run).await.unwrap();
            (accepted.run, summary.state)
        };
        let mut keys = Vec::new();
        let mut since = 0;
        let mut new_keys = || {
            let made = outside.made();
            let keys: Vec<_> = made[since..].iter().map(|made| (made.arg.to_string(), made.key.clone())).collect();
            since = made.len();
            keys
        };
        let (first, state) = told(sent("e", "one")).await;
        assert_eq!(state, RunState::Failed);
        keys.push(new_keys());
        let retried = engine.again(&first, flow_runtime::engine::Redo::Retry).await.unwrap();
        assert_eq!(engine.outcome(&retried).await.unwrap().state, RunState::Completed);
        assert_eq!(new_keys(), keys[0][2..], "the failed step alone, with its key");
        outside.clock.shift(3_600_001);
        let (late, state) = told(sent("e", "one")).await;
        assert!(late != first && state == RunState::Completed, "{state}");
        assert_eq!(new_keys(), keys[0]);
        // Whoever was remembered all the time has others, and so has another body under the same key.
        for other in [sent("f", "one"), sent("g", "one")] {
            told(other).await;
            keys.push(new_keys());
        }
        outside.clock.shift(3_600_001);
        told(sent("e", "two")).await;
        keys.push(new_keys());
        let replayed = engine.again(&first, flow_runtime::engine::Redo::Replay { from: None }).await.unwrap();
        engine.outcome(&replayed).await.unwrap();
        keys.push(new_keys());
        let part = flow_runtime::engine::Redo::Replay { from: Some("c".into()) };
        engine.outcome(&engine.again(&late, part).await.unwrap()).await.unwrap();
        keys.push(new_keys());
        let all: Vec<_> = keys.iter().flatten().map(|(_, key)| key).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{keys:?}");
    });
    assert_eq!(ended, Ended::Well(()));
}
