//! Programs whose own tests pass: what a program computes and does, and how long that takes on the clock of its test.

use std::sync::Arc;

use flow_runtime::{
    eval::Library,
    sim::{self, Report},
};

use crate::{
    programs::{checked, drawn, read},
    tidy::{files, shown},
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

#[test]
fn the_tests_of_programs_pass() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in files(&["flow"]).into_iter().filter(|path| shown(path).starts_with("tests/cases/tested/")) {
        let tests = reports(&shown(&path), &read(&path));
        assert!(!tests.is_empty(), "{} has no test", shown(&path));
        for (name, report) in tests {
            count += 1;
            if !report.has_passed() {
                wrong.push(format!("{}, \"{name}\": {:?} {:?}", shown(&path), report.broken, report.unmet));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 0);
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
