//! The whole engine under faults that follow from a seed, and the oracle that judges it.

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{
    failure::ErrorKind,
    plan::{NodeKind, Plan},
    value::Value,
};
use flow_runtime::{
    engine::RunState,
    machine::Outcome,
    sim::{
        oracle::{Evidence, Promise, forms, judge},
        outside::Outside,
        process::Ended,
        story::{Told, files, kept, simulate},
    },
};

use crate::support::{
    build::*,
    random::{Flavour, Reference, Rng, body},
    sim::{Fault, process},
};

/// How many seeds are tried.
const SEEDS: u64 = 60;

/// All steps are tried again after what does no harm.
fn patient(body: Vec<Stmt>) -> Vec<Stmt> {
    let on = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::RateLimited];
    let patient_too = |stmt: Stmt| {
        let regions = stmt.regions.into_iter().map(patient).collect();
        let stmt = Stmt { regions, ..stmt };
        if matches!(stmt.kind, NodeKind::Step(_)) { stmt.retrying(retry(5, &on, 700)) } else { stmt }
    };
    body.into_iter().map(patient_too).collect()
}

/// A random plan and the value that each of its runs ends with.
fn drawn(seed: u64) -> (Arc<Plan>, Value) {
    let mut body = patient(body(&mut Rng(seed), Flavour::Calm));
    // Every plan calls something, so that there is something to go wrong.
    body.insert(0, patient(vec![step("first", if seed.is_multiple_of(2) { "send" } else { "keyed" }, 900)]).remove(0));
    let (value, _) = Reference::of(&body);
    (Arc::new(plan(&["event"], body)), value)
}

fn told(seed: u64) -> (Told, Value) {
    let (plan, value) = drawn(seed);
    let data = tempfile::tempdir().unwrap();
    (simulate(seed, &plan, data.path()).unwrap(), value)
}

/// The seeds to try: those that the environment names, `17` to see a failure again or `0..1000` to look for more.
fn seeds() -> Vec<u64> {
    let Ok(named) = std::env::var("FLOW_SEED") else { return (0..SEEDS).collect() };
    let number = |text: &str| text.parse().expect("FLOW_SEED is a number or a range");
    match named.split_once("..") {
        Some((first, end)) => (number(first)..number(end)).collect(),
        None => vec![number(&named)],
    }
}

#[test]
fn every_promise_is_kept_under_drawn_faults() {
    let mut crashes = 0;
    for seed in seeds() {
        let (told, value) = told(seed);
        crashes += told.crashes;
        let again = format!("FLOW_SEED={seed} cargo test -p flow-runtime --test runs simulated");
        assert!(told.broken.is_empty(), "{}\n{:#?}\nto see it again: {again}", told.schedule, told.broken);
        for outcome in &told.outcomes {
            let expected = Some(Outcome::Completed(value.clone()));
            assert_eq!(*outcome, expected, "{}\nto see it again: {again}", told.schedule);
        }
    }
    assert!(crashes > 40 || seeds().len() < 60, "{crashes} crashes");
}

#[test]
fn a_seed_replays_exactly() {
    let mut traces = BTreeSet::new();
    for seed in 0..20 {
        let (first, second) = (told(seed).0, told(seed).0);
        assert_eq!(first.trace, second.trace, "{}", first.schedule);
        traces.insert(first.trace);
    }
    assert_eq!(traces.len(), 20, "other seeds go other ways");
}

/// What a run of two calls leaves, one of which can't be repeated.
fn evidence() -> Evidence {
    let outside = Outside::kind();
    let data = tempfile::tempdir().unwrap();
    let plan = Arc::new(plan(&[], vec![step("a", "send", 1), step("b", "keyed", 2), end(get(1))]));
    let ended = process(&outside, data.path(), Fault::Never, async |engine| {
        engine.deploy(Arc::clone(&plan)).await.unwrap();
        engine.resume().await.unwrap();
        let submission = flow_runtime::engine::Submission::with_params("test", Value::Null);
        let run = engine.submit(submission).await.unwrap().run;
        engine.outcome(&run).await.unwrap();
        run
    });
    let Ended::Well(run) = ended else { panic!("no crash was asked for") };
    let runs = kept(data.path()).unwrap();
    let earlier = vec![[(run.clone(), runs[0].rows.clone())].into()];
    let accepted = vec![("evt".to_owned(), run)];
    let files = files(data.path()).unwrap();
    Evidence { accepted, runs, earlier, made: outside.made(), secrets: vec![], files }
}

fn found(evidence: &Evidence) -> BTreeSet<Promise> {
    judge(evidence).into_iter().map(|broken| broken.promise).collect()
}

#[test]
fn the_oracle_finds_nothing_where_nothing_is_wrong() {
    assert_eq!(judge(&evidence()), []);
}

#[test]
fn the_oracle_finds_each_kind_of_wrong() {
    let good = evidence();
    let changed = |change: &dyn Fn(&mut Evidence)| {
        let mut changed = good.clone();
        change(&mut changed);
        found(&changed)
    };
    let other = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<flow_runtime::engine::RunId>().unwrap();
    assert_eq!(changed(&|e| e.runs[0].summary.state = RunState::Running), [Promise::Ends].into());
    assert_eq!(
        changed(&|e| {
            e.runs[0].summary.state = RunState::Waiting;
            e.runs[0].rows.pop();
            e.earlier.clear();
        }),
        [Promise::Ends, Promise::Stays].into(),
        "it waits and does not say for what; and it ends in another way when it is replayed"
    );
    assert_eq!(changed(&|e| e.accepted.push(("evt".to_owned(), other.clone()))), [Promise::Ends].into());
    assert_eq!(changed(&|e| e.accepted.push(("lost".to_owned(), other.clone()))), [Promise::Ends].into());
    let again = |e: &mut Evidence| {
        let mut again = e.made[0].clone();
        again.at = again.ended.unwrap();
        e.made.push(again);
    };
    assert_eq!(changed(&again), [Promise::Once].into());
    assert_eq!(changed(&|e| e.made.push(e.made[0].clone())), [Promise::Once].into());
    assert_eq!(changed(&|e| e.made.push(e.made[1].clone())), [].into(), "a keyed call may be made again");
    assert_eq!(changed(&|e| e.runs[0].rows[1].body.push(' ')), [Promise::Stays].into());
    assert_eq!(changed(&|e| e.runs[0].rows.truncate(3)), [Promise::Ends, Promise::Stays].into());
    assert_eq!(changed(&|e| e.runs.clear()), [Promise::Ends, Promise::Stays].into());
    assert_eq!(changed(&|e| e.made.clear()), [Promise::Progress].into());
}

#[test]
fn the_oracle_finds_a_secret_in_each_form() {
    let good = evidence();
    let secret = "s3cr3t/\"canary\"+é";
    let base64 = |text: String| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode(text)
    };
    let written = [
        format!("x{secret}x"),
        serde_json::json!({ "token": secret }).to_string(),
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
        hex::encode(format!("ab{secret}cd")),
        base64(format!("{secret}-")),
        base64(format!("a{secret}bc")),
        base64(format!("ab{secret}c")),
    ];
    for text in written {
        let files = vec![("log".to_owned(), text.clone().into_bytes())];
        let evidence = Evidence { files, secrets: vec![secret.to_owned()], ..good.clone() };
        assert_eq!(found(&evidence), [Promise::Secret].into(), "{text}: {:?}", forms(secret));
    }
    let clean = Evidence { secrets: vec![secret.to_owned()], ..good };
    assert_eq!(found(&clean), [].into());
}
