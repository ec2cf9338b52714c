//! The story of a test in which something goes wrong: what happened, where that stands, which expectation breaks, and how it
//! is seen again.

use flow_compiler::render;
use flow_runtime::sim::{
    Line, Report, What,
    faults::{Fault, Faulted},
};
use serde_json::{Value as Json, json};

use super::{
    Suite, Test,
    human::{self, INDENT},
    json,
};
use crate::ui::{
    self, CARE, HINT, QUIET, STRONG, WRONG, plain, styled,
    table::{cut, width},
    time::length,
};

/// How many lines of a story are shown: those around the fault.
const MOST_LINES: usize = 30;

/// How much of a line that says something is shown where the terminal is narrower.
const LONGEST: usize = 160;

/// The shortest story for people; nothing when there is none.
pub(super) fn told(suite: &Suite, test: &Test, faulted: &Faulted, style: render::Style) -> String {
    let Some((fault, report)) = &faulted.shortest else { return String::new() };
    let mut text = String::new();
    if faulted.possible > 1 {
        let failing = styled(WRONG, format!("{} of {}", faulted.failing, ui::count(faulted.tried, "fault")));
        text.push_str(&format!("{INDENT}it passes, but not under {failing}; the shortest story:\n"));
    }
    let rows = rows(suite, report);
    let widest = |column: fn(&Row) -> &String| rows.iter().map(|row| width(column(row))).max().unwrap_or(0);
    let (after, place) = (widest(|row| &row.after), widest(|row| &row.place));
    let room = style.width.saturating_sub(INDENT.len() + 2 + after + 2 + place + 2);
    let skipped = skipped(&rows);
    for (index, row) in rows.iter().enumerate() {
        if index == skipped.start && !skipped.is_empty() {
            text.push_str(&format!("{INDENT}  {}\n", styled(QUIET, format!("… {} more lines", skipped.len()))));
        }
        if skipped.contains(&index) {
            continue;
        }
        let what = match &row.what {
            What::Call(index) => report.calls.get(*index).map(|made| human::call(made, room)).unwrap_or_default(),
            What::Said(said) => cut(&plain(said), room.max(LONGEST)),
            What::Fault(fault) => styled(CARE, plain(fault)),
        };
        let mark = if matches!(row.what, What::Fault(_)) { styled(CARE, "!") } else { " ".to_owned() };
        let (gap_after, gap_place) = (after - width(&row.after), place - width(&row.place));
        text.push_str(&format!(
            "{INDENT}{mark} {}{}  {}{}  {what}\n",
            " ".repeat(gap_after),
            styled(QUIET, &row.after),
            styled(STRONG, &row.place),
            " ".repeat(gap_place),
        ));
    }
    text.push_str(&human::broken(suite, &test.case, report, style));
    if let Some(help) = help(fault, report) {
        text.push_str(&format!("{INDENT}{} {help}\n", styled(HINT, "help:")));
    }
    if faulted.possible > 1 {
        text.push_str(&format!("{INDENT}{} {}\n", styled(HINT, "to see it again:"), again(suite, test, fault)));
    }
    text
}

/// The story for programs.
pub(super) fn json(suite: &Suite, test: &Test, faulted: &Faulted) -> Json {
    let shortest = faulted.shortest.as_ref().map(|(fault, report)| {
        json!({
            "fault": fault.to_string(),
            "again": again(suite, test, fault),
            "story": lines(suite, report),
            "unmet": json::unmet(suite, report),
            "broken": report.broken,
        })
    });
    json!({
        "possible": faulted.possible,
        "tried": faulted.tried,
        "failing": faulted.failing,
        "shortest": shortest,
    })
}

/// The story as plain lines.
pub(super) fn lines(suite: &Suite, report: &Report) -> Vec<String> {
    let line = |row: Row| {
        let what = match &row.what {
            What::Call(index) => match report.calls.get(*index) {
                Some(made) => {
                    let outcome = made.outcome.as_ref().map_or_else(|failure| failure.kind.name(), |_| "ok");
                    format!("{}: {}.{} → {outcome}", made.place, made.connection, made.operation)
                }
                None => String::new(),
            },
            What::Said(text) | What::Fault(text) => text.clone(),
        };
        format!("{} {} {what}", row.after, row.place).replace("  ", " ")
    };
    rows(suite, report).into_iter().map(line).collect()
}

/// What is typed to see a story again.
pub(super) fn again(suite: &Suite, test: &Test, fault: &Fault) -> String {
    format!("flowc test {} --filter {} --faults={fault}", suite.path, ui::quoted(&test.case.name))
}

/// A line of a story.
struct Row {
    after: String,
    /// File and line.
    place: String,
    what: What,
}

fn rows(suite: &Suite, report: &Report) -> Vec<Row> {
    let row = |line: &Line| {
        let span = line.place.as_ref().and_then(|(flow, path)| suite.span(flow, path));
        let place = span.and_then(|span| {
            let file = suite.checked.files.get(span.file)?;
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            Some(format!("{name}:{}", suite.position(span).0))
        });
        let place = place.unwrap_or_default();
        Row { after: length(line.after), place, what: line.what.clone() }
    };
    report.trace.iter().map(row).collect()
}

/// Which lines are left out where there are too many: those that are farthest before the fault.
fn skipped(rows: &[Row]) -> std::ops::Range<usize> {
    let many = rows.len().saturating_sub(MOST_LINES);
    let fault = rows.iter().position(|row| matches!(row.what, What::Fault(_))).unwrap_or(rows.len());
    let end = fault.saturating_sub(MOST_LINES / 3).max(1);
    1..(1 + many).min(end)
}

/// What can be done about it.
fn help(fault: &Fault, report: &Report) -> Option<&'static str> {
    let waits = report
        .trace
        .iter()
        .any(|line| matches!(&line.what, What::Said(said) if said.contains("nothing catches `Interrupted`")));
    match fault {
        _ if report.has_passed() => None,
        Fault::Twice => Some("say by which key the event is known when it comes again: `dedupe: event.id for 72h`"),
        _ if waits => Some(
            "catch `Interrupted` at the step, give the call a `key` that makes it safe to repeat, or say `expect run \
             needs_decision`",
        ),
        _ => None,
    }
}
