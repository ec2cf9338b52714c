//! The results of tests for programs.

use flow_compiler::render;
use flow_runtime::sim::{Made, Report, Unmet};
use serde_json::{Value as Json, json};

use super::{Results, Suite, Test, story};

/// The results; the shape is a promise: fields may be added, none changes its meaning.
pub(super) fn json(results: &Results) -> Json {
    let tests: Vec<Json> =
        results.suites.iter().flat_map(|suite| suite.tests.iter().map(|test| one(suite, test))).collect();
    let coverage: Vec<Json> = results
        .suites
        .iter()
        .flat_map(|suite| {
            suite.coverage.iter().map(|(flow, coverage)| {
                json!({
                    "file": suite.path,
                    "flow": flow,
                    "steps": coverage.steps.len(),
                    "reached": coverage.reached.intersection(&coverage.steps).collect::<Vec<_>>(),
                    "missed": coverage.missed().collect::<Vec<_>>(),
                })
            })
        })
        .collect();
    let diagnostics: Vec<Json> = results
        .suites
        .iter()
        .filter_map(|suite| {
            let mut report = render::json(&suite.checked.files, &suite.checked.diagnostics);
            match report.get_mut("diagnostics").map(Json::take) {
                Some(Json::Array(diagnostics)) => Some(diagnostics),
                _ => None,
            }
        })
        .flatten()
        .collect();
    let unread: Vec<Json> = results
        .unread
        .iter()
        .map(|trouble| json!({ "message": trouble.message(), "help": trouble.helps().first() }))
        .collect();
    json!({
        "version": 1,
        "passed": results.tests() - results.failed(),
        "failed": results.failed(),
        "left_out": results.left_out,
        "tests": tests,
        "coverage": coverage,
        "diagnostics": diagnostics,
        "unread": unread,
    })
}

fn one(suite: &Suite, test: &Test) -> Json {
    let Test { case, report, faulted } = test;
    let dead_letters: Vec<Json> =
        report.dead_letters.iter().map(|(queue, value)| json!({ "queue": queue, "value": value.to_json() })).collect();
    json!({
        "file": suite.path,
        "line": suite.position(case.span).0,
        "name": case.name,
        "flow": case.flow,
        "passed": test.has_passed(),
        "elapsed_ms": report.elapsed.0,
        "unmet": unmet(suite, report),
        "broken": report.broken,
        "calls": report.calls.iter().map(call).collect::<Vec<_>>(),
        "dead_letters": dead_letters,
        "log": report.log,
        "faults": faulted.as_ref().map(|faulted| story::json(suite, test, faulted)),
    })
}

/// What does not hold.
pub(super) fn unmet(suite: &Suite, report: &Report) -> Vec<Json> {
    let one = |unmet: &Unmet| {
        let (line, column) = suite.position(unmet.span);
        json!({ "line": line, "column": column, "expected": unmet.expected, "actual": unmet.actual })
    };
    report.unmet.iter().map(one).collect()
}

fn call(made: &Made) -> Json {
    let (result, error) = match &made.outcome {
        Ok(value) => (Some(value.to_json()), None),
        Err(failure) => (None, Some(json!({ "kind": failure.kind.name(), "message": failure.message }))),
    };
    json!({
        "step": made.place.to_string(),
        "attempt": made.attempt,
        "connection": made.connection,
        "operation": made.operation,
        "args": made.args.to_json(),
        "result": result,
        "error": error,
    })
}
