//! Programs with tests of their own: what these come to, as people are told, and how long that takes on the clock of a
//! test.

use std::{fs, sync::Arc};

use flow_runtime::{
    eval::Library,
    sim::{self, Report},
};

use insta::glob;

use crate::{
    cases::snapshot,
    faults::flowc_test,
    programs::{checked, drawn},
    tidy::shown,
};

/// The reports of the tests of a program, which is without mistakes.
fn reports(path: &str, text: &str) -> Vec<(String, Report)> {
    let checked = checked(path, text);
    assert_eq!(drawn(&checked, &checked.diagnostics), "", "{path}");
    let program = checked.program.unwrap();
    let library = Library::new(flow_stdlib::functions());
    let plans: Vec<_> = program.plans.values().cloned().map(Arc::new).collect();
    let cases = program.cases.iter().map(|case| {
        let plan = plans.iter().find(|plan| plan.flow == case.flow).unwrap();
        (case.name.clone(), sim::run_with(case, plan, &plans, &library))
    });
    cases.collect()
}

/// Each test passes, but for those whose names begin with `wrong:`, and people are told so.
#[test]
fn what_tests_come_to_is_told_as_the_snapshots_show() {
    glob!("cases/tested/*.flow", |path| {
        let text = fs::read_to_string(path).unwrap();
        let (code, told) = flowc_test(&[&shown(path)]);
        let tests: Vec<&str> =
            told.lines().map(str::trim).filter(|line| line.starts_with('✓') || line.starts_with('✗')).collect();
        assert_eq!(tests.len(), text.lines().filter(|line| line.starts_with("test \"")).count(), "{told}");
        let wrong = tests.iter().filter(|line| line.starts_with('✗')).count();
        assert_eq!(code, Some(if wrong > 0 { 3 } else { 0 }), "{told}");
        for test in &tests {
            assert_eq!(test.starts_with('✗'), test[4..].starts_with("wrong:"), "{told}");
        }
        snapshot(path, &text, &[("told", &told)]);
    });
}

#[test]
fn a_paced_loop_begins_each_item_in_its_time() {
    let flow = |clauses: &str| {
        format!(
            "flow f() {{ let all = for n in [1, 2, 3, 4, 5].chunks(2) {clauses} {{ sleep 3s\n n.length }} return all }}\n\
             test \"t\" for f {{ expect result [2, 2, 1] }}\n"
        )
    };
    let took = |clauses: &str| {
        let report = reports("f.flow", &flow(clauses)).remove(0).1;
        assert!(report.has_passed(), "{clauses}: {:?} {:?}", report.broken, report.unmet);
        report.elapsed.0
    };
    // Three sleeps of 3s: one after the other, then 10s from one beginning to the next, then beside each other.
    assert_eq!(took(""), 9_000);
    assert_eq!(took("every 1s"), 9_000);
    assert_eq!(took("every 10s"), 23_000);
    assert_eq!(took("concurrency 3 every 1s"), 5_000);
}
