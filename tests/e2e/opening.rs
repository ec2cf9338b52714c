//! A program that uses most of the language: an order is fulfilled over eight systems. Those that Flow does not bring are
//! declared in the project.

use std::path::Path;

use super::process::{flowc, output};

#[test]
fn an_order_is_fulfilled_over_eight_systems() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fulfil_order");
    let flowc = |args: &[&str]| output(flowc().current_dir(&project).args(args));
    let checked = flowc(&["check", "."]);
    assert!(checked.stdout.starts_with("no problems") && checked.code == Some(0), "{checked:#?}");
    let tested = flowc(&["test", "."]);
    assert!(tested.stdout.contains("1 test passed") && tested.code == Some(0), "{tested:#?}");
    flowc(&["fmt", "--check", "."]).says(0, &[]);
}
