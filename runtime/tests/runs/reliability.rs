//! The cases of docs/reliability.md that the engine alone decides, by their numbers.

use std::sync::Arc;

use flow_model::{failure::ErrorKind, plan::Plan, units::Millis, value::Value};
use flow_runtime::{
    connector::{Attempt, Parked, Reached},
    engine::{Engine, RunSummary, Submission},
    machine::Outcome,
};

use crate::support::{
    build::*,
    sim::{Ended, Fault, Reply, World, process},
};

async fn carry_out(engine: &Engine, plan: &Arc<Plan>, trigger: Option<usize>) -> RunSummary {
    engine.deploy(Arc::clone(plan)).await.unwrap();
    engine.resume().await.unwrap();
    let submission = Submission { trigger, ..Submission::with_params("test", Value::Null) };
    let run = engine.submit(submission).await.unwrap().run;
    engine.outcome(&run).await.unwrap()
}

/// A clock may be set back at any moment between a timer's time and the turn that it leads to: nothing fires early, and
/// nothing is forgotten.
#[test]
fn case_05_a_clock_that_is_set_back_when_a_timer_is_due_neither_loses_nor_hastens_it() {
    for looks in 0..12 {
        let world = World::kind();
        let data = tempfile::tempdir().unwrap();
        let begin = flow_runtime::timer::Clock::now(&*world.clock);
        let plan = Arc::new(plan(&[], vec![sleep("nap", seconds(40)), step("a", "read", 1), end(int(1))]));
        world.clock.set_back_after(begin.after(Millis::seconds(40)), looks, Millis::seconds(3600));
        let ended = process(&world, data.path(), Fault::Never, async |engine| carry_out(&engine, &plan, None).await);
        let Ended::Well(summary) = ended else { panic!("no crash was asked for") };
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(1))), "after {looks} looks");
        assert!(summary.ended_at.is_some_and(|at| at >= begin.after(Millis::seconds(40))), "after {looks} looks");
        assert_eq!(world.made().len(), 1, "after {looks} looks");
    }
}

/// The same for the deadline of a run.
#[test]
fn case_05_a_clock_that_is_set_back_at_the_deadline_of_a_run_does_not_make_it_endless() {
    for looks in 0..12 {
        let world = World::kind();
        let data = tempfile::tempdir().unwrap();
        let begin = flow_runtime::timer::Clock::now(&*world.clock);
        let body = vec![wait("w", 1, "never", None, None), end(int(1))];
        let plan = Plan { triggers: vec![every(Some(Millis::seconds(40)))], ..plan(&[], body) };
        world.clock.set_back_after(begin.after(Millis::seconds(40)), looks, Millis::seconds(3600));
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            carry_out(&engine, &Arc::new(plan), Some(0)).await
        });
        let Ended::Well(summary) = ended else { panic!("no crash was asked for") };
        assert!(matches!(summary.outcome, Some(Outcome::Failed { .. })), "after {looks} looks: {summary:?}");
        assert!(summary.ended_at.is_some_and(|at| at >= begin.after(Millis::seconds(40))), "after {looks} looks");
    }
}

/// A connection whose grant has ended: the step waits with the reason, also one that is not safe to repeat, and goes on when
/// someone has connected again.
#[test]
fn case_21_a_step_that_is_parked_waits_and_goes_on_when_it_may() {
    for operation in ["read", "send"] {
        let world = World::new(|made| match made.before {
            0..3 => {
                let refused = Reply::err(ErrorKind::Unauthorized, Reached::Never);
                let because = "the connection `crm` has to be connected again: run `flowc connect crm`".to_owned();
                let parked = Some(Parked { because, again: Millis::seconds(30) });
                Reply { attempt: Attempt { parked, ..refused.attempt }, ..refused }
            }
            _ => Reply::ok(Value::Int(7)),
        });
        let data = tempfile::tempdir().unwrap();
        let plan = Arc::new(plan(&[], vec![step("a", operation, 1), end(get(1))]));
        let ended = process(&world, data.path(), Fault::Never, async |engine| {
            engine.deploy(Arc::clone(&plan)).await.unwrap();
            engine.resume().await.unwrap();
            let run = engine.submit(Submission::with_params("test", Value::Null)).await.unwrap().run;
            let summary = engine.outcome(&run).await.unwrap();
            let detail = engine.run(&run).await.unwrap().unwrap();
            (summary, format!("{:?}", detail.history))
        });
        let Ended::Well((summary, history)) = ended else { panic!("no crash was asked for") };
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(7))), "{operation}");
        let made = world.made();
        assert_eq!(made.len(), 4, "{operation}");
        let waits: Vec<_> = made.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
        assert!(waits.iter().all(|wait| *wait >= Millis::seconds(30)), "{operation}: {waits:?}");
        assert!(!history.contains("Unauthorized"), "{operation}: no attempt has failed: {history}");
    }
}
