//! The results of tests for people.

use flow_compiler::render;
use flow_model::{case::Case, diagnostic::Label, value::Value};
use flow_runtime::sim::{Made, Report};

use super::{Results, Suite, Test, story};
use crate::{
    trouble::Trouble,
    ui::{
        self, CARE, QUIET, STRONG, Stream, WELL, WRONG, plain, styled,
        table::{cut, width},
        time::length,
    },
};

/// How many calls of a test that failed are shown.
const MOST_CALLS: usize = 20;

/// What stands before what belongs to a test.
pub(super) const INDENT: &str = "    ";

/// Writes the results.
pub(super) fn show(results: &Results) -> Result<(), Trouble> {
    let style = ui::drawing(Stream::Out);
    for suite in &results.suites {
        if suite.has_errors() {
            ui::print(&render::human(&suite.checked.files, &suite.checked.diagnostics, style))?;
            continue;
        }
        let mut text = format!("{}\n", styled(STRONG, &suite.path));
        for test in &suite.tests {
            text.push_str(&line(test));
            if !test.report.has_passed() {
                text.push_str(&failure(suite, test, style));
            }
            if let Some(faulted) = &test.faulted {
                text.push_str(&story::told(suite, test, faulted, style));
            }
        }
        text.push_str(&coverage(suite));
        text.push('\n');
        ui::print(&text)?;
    }
    results.unread.iter().for_each(ui::say_trouble);
    ui::print(&summary(results))
}

/// `  ✓ the receipt goes out  3m 05s`
fn line(test: &Test) -> String {
    let mark = if test.has_passed() { styled(WELL, "✓") } else { styled(WRONG, "✗") };
    let mut aside = length(test.report.elapsed);
    if let Some(faulted) = &test.faulted {
        aside.push_str(&match faulted.possible - faulted.tried {
            0 => format!(", {}", ui::count(faulted.tried, "fault")),
            _ => format!(", {} of {}", faulted.tried, ui::count(faulted.possible, "fault")),
        });
    }
    format!("  {mark} {}  {}\n", plain(&test.case.name), styled(QUIET, aside))
}

/// What does not hold, where that is said, and what happened.
fn failure(suite: &Suite, test: &Test, style: render::Style) -> String {
    let Test { case, report, .. } = test;
    let mut text = broken(suite, case, report, style);
    text.push_str(&history(report, style.width.saturating_sub(INDENT.len())));
    text
}

/// What does not hold, and where that is said.
pub(super) fn broken(suite: &Suite, case: &Case, report: &Report, style: render::Style) -> String {
    let mut text = String::new();
    let width = style.width.saturating_sub(INDENT.len());
    let place = |span, label: &str| {
        let labels = [Label { span, text: label.to_owned() }];
        let drawn = render::excerpt(&suite.checked.files, &labels, render::Style { width, ..style });
        drawn.lines().map(|line| format!("{INDENT}{line}\n")).collect::<String>()
    };
    if let Some(why) = &report.broken {
        text.push_str(&format!("{INDENT}{} {}\n", styled(WRONG, "can't be carried out:"), plain(why)));
        text.push_str(&place(case.span, "this test"));
    }
    for unmet in &report.unmet {
        text.push_str(&format!("{INDENT}{} {}\n", styled(WELL, "expected:"), plain(&unmet.expected)));
        text.push_str(&format!("{INDENT}{}   {}\n", styled(WRONG, "actual:"), plain(&unmet.actual)));
        text.push_str(&place(unmet.span, "does not hold"));
    }
    text
}

/// The calls that were made and the lines that were logged.
fn history(report: &Report, width: usize) -> String {
    let mut text = String::new();
    if report.calls.is_empty() {
        text.push_str(&format!("{INDENT}{}\n", styled(QUIET, "no calls were made")));
    } else {
        text.push_str(&format!("{INDENT}{}\n", styled(QUIET, "calls:")));
    }
    for made in report.calls.iter().take(MOST_CALLS) {
        text.push_str(&format!("{INDENT}  {}\n", call(made, width)));
    }
    let more = report.calls.len().saturating_sub(MOST_CALLS);
    if more > 0 {
        text.push_str(&format!("{INDENT}  {}\n", styled(QUIET, format!("and {more} more"))));
    }
    for logged in &report.log {
        text.push_str(&format!("{INDENT}{} {}\n", styled(QUIET, "log:"), plain(logged)));
    }
    text
}

/// `receipt: payments.charge (attempt 2) {"amount":500} → Timeout`, in so many columns as far as names allow.
pub(super) fn call(made: &Made, width: usize) -> String {
    const LEAST: usize = 20;
    let (step, operation) = (made.place.to_string(), format!("{}.{}", made.connection, made.operation));
    let mut head = if step == operation { step } else { format!("{step}: {operation}") };
    if made.attempt > 1 {
        head.push_str(&format!(" (attempt {})", made.attempt));
    }
    let room = width.saturating_sub(self::width(&head) + " ".len() + " → ".chars().count() + 2);
    let outcome = match &made.outcome {
        Ok(value) => cut(&styled(WELL, plain(&value.to_json().to_string())), (room / 2).max(LEAST)),
        Err(failure) => styled(WRONG, failure.kind.name()),
    };
    let args = match &made.args {
        // What is null was mostly not given.
        Value::Record(args) => Value::Record(
            args.iter()
                .filter(|(_, arg)| **arg != Value::Null)
                .map(|(name, arg)| (name.clone(), arg.clone()))
                .collect(),
        ),
        other => other.clone(),
    };
    let args = cut(&plain(&args.to_json().to_string()), room.saturating_sub(self::width(&outcome)).max(LEAST));
    format!("{head} {args} → {outcome}")
}

/// Which steps were not reached, flow by flow.
fn coverage(suite: &Suite) -> String {
    let mut text = String::new();
    for (flow, coverage) in &suite.coverage {
        let (all, reached) = (coverage.steps.len(), coverage.reached.intersection(&coverage.steps).count());
        if all == 0 {
            continue;
        }
        let missed: Vec<&str> = coverage.missed().map(String::as_str).collect();
        let told = format!("{flow}: {reached} of {} reached", ui::count(all, "step"));
        text.push_str(&match missed.as_slice() {
            [] => format!("  {}\n", styled(QUIET, told)),
            missed => format!("  {}\n", styled(CARE, format!("{told}, never {}", ui::listed(missed.iter().copied())))),
        });
    }
    text
}

/// `3 tests passed`, `1 of 3 tests failed`.
fn summary(results: &Results) -> String {
    let (tests, failed, errors) = (results.tests(), results.failed(), results.errors());
    let mut text = match (tests, failed) {
        (0, _) if errors > 0 => String::new(),
        (0, _) => "there are no tests: write `test \"…\" for flow { … }`\n".to_owned(),
        (tests, 0) => format!("{}\n", styled(WELL, format!("{} passed", ui::count(tests, "test")))),
        (tests, failed) => format!("{} of {}\n", styled(WRONG, format!("{failed} failed")), ui::count(tests, "test")),
    };
    if errors > 0 {
        text.push_str(&format!("{}\n", styled(WRONG, format!("{} with errors", ui::count(errors, "file")))));
    }
    text
}
