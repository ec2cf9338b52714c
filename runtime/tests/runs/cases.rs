//! Tests of programs: what they show of runs that undo, wait, and call others.

use std::sync::Arc;

use flow_model::{
    case::{Answer, AnswerKind, Case, Given, Stub, Target},
    failure::ErrorKind,
    plan::{ParallelOnError, Plan},
    span::{FileId, Span},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    eval::Library,
    machine::Outcome,
    sim::{self, Report},
};

use crate::support::build::*;

fn stub(operation: &str, kind: AnswerKind) -> Stub {
    let target = Target::Operation { connection: "world".into(), operation: operation.into() };
    Stub {
        target,
        answers: vec![Answer { kind, times: None, after: None }],
        span: Span { file: FileId(0), start: 0, end: 0 },
    }
}

fn test(body: Vec<Stmt>, plans: &[Plan]) -> Report {
    let case = Case {
        name: "case".into(),
        flow: "test".into(),
        span: Span { file: FileId(0), start: 0, end: 0 },
        trigger: None,
        given: Given::Nothing,
        stubs: vec![
            stub("read", AnswerKind::Fails { kind: ErrorKind::NotFound, fields: Vec::new() }),
            stub("keyed", AnswerKind::Returns(int(1))),
            stub("send", AnswerKind::Returns(int(2))),
        ],
        expectations: vec![],
        functions: std::collections::BTreeMap::new(),
        types: flow_model::ty::Types::default(),
    };
    let plans: Vec<_> = plans.iter().cloned().map(Arc::new).collect();
    sim::run_with(&case, &Arc::new(plan(&[], body)), &plans, &Library::default())
}

fn called(report: &Report) -> Vec<String> {
    report.calls.iter().map(|call| call.place.to_string()).collect()
}

#[test]
fn what_was_done_is_undone() {
    let report =
        test(vec![saga("s", 9, vec![undoable("a", "send", 1), undoable("b", "keyed", 2), step("c", "read", 3)])], &[]);
    assert_eq!(called(&report), ["a", "b", "c", "b/undo", "a/undo"]);
    assert!(matches!(report.outcome, Some(Outcome::Failed { .. })));
}

#[test]
fn called_flows_run_beside_it_where_their_plans_are_given() {
    let child = Plan {
        flow: "child".into(),
        ..plan(&["n"], vec![sleep("nap", seconds(60)), step_of("work", "keyed", 1, get(0)), end(get(1))])
    };
    let body = vec![call("c", 1, &child, vec![("n", int(5))]), end(get(1))];
    let report = test(body.clone(), std::slice::from_ref(&child));
    assert_eq!((report.outcome, report.elapsed), (Some(Outcome::Completed(Value::Int(1))), Millis::seconds(60)));
    assert_eq!(report.calls[0].args, Value::record([("of", Value::Int(5))]));
    assert_eq!(test(body, &[]).broken.unwrap(), "the flow `child` is called, and its plan is not given");
    let race = race("r", 2, vec![vec![call("c", 1, &child, vec![("n", int(5))])], vec![step("quick", "keyed", 3)]]);
    let report = test(vec![race, sleep("rest", seconds(600))], &[child]);
    assert_eq!(called(&report), ["quick"], "a called flow that lost is cancelled");
}

#[test]
fn events_come_from_the_test_s_own_runs_and_nobody_else() {
    let report = test(vec![wait("w", 1, "shipped", None, Some(seconds(60))), end(get(1))], &[]);
    assert_eq!((report.outcome, report.elapsed), (Some(Outcome::Completed(Value::Null)), Millis::seconds(60)));
    let report = test(vec![emit("e", "shipped", int(1)), wait("w", 1, "shipped", None, None)], &[]);
    assert_eq!((report.outcome, report.emitted), (None, vec![("shipped".to_owned(), Value::Int(1))]));
    let branches = vec![vec![wait("w", 1, "shipped", None, None)], vec![emit("e", "shipped", int(5))]];
    let report = test(vec![parallel("p", ParallelOnError::Stop, branches), end(get(1))], &[]);
    assert_eq!(report.outcome, Some(Outcome::Completed(Value::Int(5))));
}

#[test]
fn nobody_answers_an_approval() {
    let report = test(vec![approve("ok", 1, "may it?", Some(seconds(60))), end(get(1))], &[]);
    assert_eq!((report.outcome, report.elapsed), (Some(Outcome::Completed(Value::Null)), Millis::seconds(60)));
    assert_eq!(test(vec![approve("ok", 1, "may it?", None)], &[]).outcome, None);
}
