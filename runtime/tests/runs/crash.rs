//! The process ends before or after each write of a run, once or again and again. Whatever is on disk is enough to go on:
//! no recorded effect is repeated, no unsafe call is made twice, and the run ends as it would have without a crash.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use flow_model::{
    plan::{ForOnError, ParallelOnError, Plan},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    engine::{Engine, Filter, Limits, RunState, RunSummary, Submission},
    journal::StepState,
    machine::{Decision, Outcome, Repeat},
    store,
};

use crate::support::{
    build::*,
    random::{Flavour, Reference, Rng, answer_of, body},
    sim::{Ended, Fault, World, paced},
};

/// The pace of the stores: which writes share a commit is the same each time.
const SEED: u64 = 1;

/// What has to hold in the end.
struct Case {
    plan: Arc<Plan>,
    expected: Value,
    reference: Reference,
    /// How many entries a journal grows by before a checkpoint.
    checkpoint: usize,
}

impl Case {
    fn new(body: Vec<Stmt>) -> Self {
        let (expected, reference) = Reference::of(&body);
        Self { plan: Arc::new(plan(&[], body)), expected, reference, checkpoint: 0 }
    }

    /// What a client and a person do with each process: the client sends its event until it is accepted; the person looks
    /// up what an interrupted call has done.
    async fn tell(&self, engine: Arc<Engine>) -> RunSummary {
        engine.deploy(Arc::clone(&self.plan)).await.unwrap();
        engine.resume().await.unwrap();
        let dedupe = Some(("evt_1".to_owned(), Millis::seconds(72 * 3600)));
        let event = Submission { dedupe, ..Submission::with_params("test", Value::Null) };
        let run = engine.submit(event).await.unwrap().run;
        loop {
            let summary = engine.outcome(&run).await.unwrap();
            if summary.state != RunState::NeedsDecision {
                return summary;
            }
            for step in engine.run(&run).await.unwrap().unwrap().history.steps {
                if step.state == StepState::NeedsDecision {
                    let result = answer_of(&self.reference.calls[&step.place]);
                    engine.resolve(&run, step.place, Decision::Result(result)).await.unwrap();
                }
            }
        }
    }

    /// Runs processes with these faults one after the other, then one without. Says whether the last fault was met.
    fn survive(&self, faults: &[Fault], what: &str) -> bool {
        let world = World::kind_with(Limits { reserve: 0, checkpoint: self.checkpoint, ..Limits::default() });
        let data = tempfile::tempdir().unwrap();
        let mut recorded = BTreeMap::new();
        let mut met = false;
        for fault in faults {
            met = paced(&world, data.path(), *fault, SEED, |engine| self.tell(engine)) == Ended::Crashed;
            let counts = world.counts();
            for key in recorded_keys(data.path()) {
                recorded.entry(key.clone()).or_insert(counts.get(&key).copied().unwrap_or_default());
            }
            // Some time passes until the next start.
            world.clock.shift(1500);
        }
        let Ended::Well(summary) = paced(&world, data.path(), Fault::Never, SEED, |engine| self.tell(engine)) else {
            panic!("{what}: no crash was asked for")
        };
        assert_eq!(summary.outcome, Some(Outcome::Completed(self.expected.clone())), "{what}");
        let reader = store::read(data.path()).unwrap();
        let runs = reader.list(&Filter::default()).unwrap();
        assert_eq!(runs.len(), 1, "{what}: one event, one run");
        let run = &runs[0].id;
        let counts = world.counts();
        let keys: BTreeSet<_> = self.reference.calls.keys().map(|place| place.key(run.as_str())).collect();
        for key in counts.keys() {
            assert!(keys.contains(key), "{what}: keys are the same in each process");
        }
        for (key, count) in &recorded {
            assert_eq!(
                counts.get(key).copied().unwrap_or_default(),
                *count,
                "{what}: what is recorded is not repeated"
            );
        }
        for made in world.made() {
            assert!(made.operation != "send" || counts[&made.key] == 1, "{what}: an unsafe call was repeated");
        }
        let detail = reader.run(run).unwrap().unwrap();
        assert_eq!(detail.dead_letters.len(), self.reference.dead_letters, "{what}");
        assert_eq!(detail.history.steps.iter().filter(|step| step.call.is_some()).count(), keys.len(), "{what}");
        met
    }

    /// A crash at each write, before and after it.
    fn survive_everywhere(&self, what: &str) -> usize {
        let mut crashes = 0;
        for fault in [Fault::Before as fn(usize) -> Fault, Fault::After, Fault::Torn] {
            for at in 0.. {
                if !self.survive(&[fault(at)], &format!("{what}, {:?}", fault(at))) {
                    break;
                }
                crashes += 1;
            }
        }
        crashes
    }
}

/// Keys of the steps whose result is recorded.
fn recorded_keys(data: &Path) -> Vec<String> {
    let reader = store::read(data).unwrap();
    let runs = reader.list(&Filter::default()).unwrap();
    let steps = runs.iter().flat_map(|run| {
        let steps = reader.run(&run.id).unwrap().unwrap().history.steps.into_iter();
        steps.map(|step| (step, run.id.clone())).collect::<Vec<_>>()
    });
    let done = steps.filter(|(step, _)| step.call.is_some() && step.state == StepState::Completed);
    done.map(|(step, run)| step.place.key(run.as_str())).collect()
}

#[test]
fn case_01_a_crash_at_any_write_of_a_chain_repeats_nothing() {
    let body = vec![
        step("charge", "send", 1),
        step("store", "keyed", 2),
        dead_letter("kept", get(1)),
        sleep("nap", seconds(120)),
        step("tell", "send", 3),
        end(list([get(1), get(2), get(3)])),
    ];
    let crashes = Case::new(body).survive_everywhere("chain");
    assert!(crashes >= 10, "{crashes} crashes");
}

/// Branches and a loop, with calls that may be repeated and others.
fn branches() -> Vec<Stmt> {
    let items = list((1..=4).map(int));
    let inner = vec![step_of("charge", "send", 3, get(2)), step_of("note", "read", 4, get(3)), give(get(4))];
    let branches = vec![
        vec![each("each", 1, 2, items, 2, ForOnError::Stop, inner)],
        vec![step("left", "keyed", 5), dead_letter("kept", get(5))],
        vec![sleep("nap", seconds(1)), step("right", "send", 6)],
    ];
    vec![parallel("p", ParallelOnError::Wait, branches), end(list([get(1), get(5), get(6)]))]
}

#[test]
fn a_crash_at_any_write_of_branches_and_loops_repeats_nothing() {
    let crashes = Case::new(branches()).survive_everywhere("branches");
    assert!(crashes >= 20, "{crashes} crashes");
}

#[test]
fn a_crash_at_any_write_around_checkpoints_repeats_nothing() {
    // Now and then, and never: a checkpoint after each write is what the other tests here have.
    for checkpoint in [5, usize::MAX] {
        let case = Case { checkpoint, ..Case::new(branches()) };
        let crashes = case.survive_everywhere(&format!("a checkpoint each {checkpoint} entries"));
        assert!(crashes >= 20, "{crashes} crashes");
    }
}

#[test]
fn a_crash_at_any_write_of_random_plans_repeats_nothing() {
    let mut crashes = 0;
    for seed in 0..20 {
        crashes += Case::new(body(&mut Rng(seed), Flavour::Calm)).survive_everywhere(&format!("seed {seed}"));
    }
    assert!(crashes > 100, "{crashes} crashes");
}

#[test]
fn a_process_that_crashes_again_and_again_ends_as_one_that_does_not() {
    for seed in 0..60 {
        let rng = &mut Rng(seed);
        let case = Case::new(body(rng, Flavour::Calm));
        let faults: Vec<_> = (0..8)
            .map(|_| {
                let at = rng.below(4) as usize;
                if rng.one_in(2) { Fault::Before(at) } else { Fault::After(at) }
            })
            .collect();
        case.survive(&faults, &format!("seed {seed}, {faults:?}"));
    }
}

#[test]
fn unsafe_calls_are_marked_as_such_in_the_journal() {
    let case = Case::new(vec![step("a", "send", 1), step("b", "keyed", 2), end(get(1))]);
    let mut play = crate::support::play::Play::start((*case.plan).clone(), Value::Null);
    assert_eq!(play.asked[0].repeat, Repeat::Unsafe);
    play.ok("a", 1);
    assert_eq!(play.asked[1].repeat, Repeat::Safe);
}
