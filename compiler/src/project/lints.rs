//! Which warnings matter to the project?
//!
//! In: `[lints]`: a warning by its code or name, or `warnings` for all of them, and what becomes of it. Out: the level of
//! each, and its application to what a check found.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit, Severity},
    span::{FileId, Span},
};

use super::{Written, table::Table};
use crate::names::similar;

/// What becomes of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is not reported.
    Allow,
    /// It is reported, and the program runs.
    Warn,
    /// It is an error.
    Deny,
}

const LEVELS: [(&str, Level); 3] = [("allow", Level::Allow), ("warn", Level::Warn), ("deny", Level::Deny)];

/// The key that stands for all warnings.
const ALL: &str = "warnings";

/// `[lints]`
#[derive(Clone, Debug, Default)]
pub struct Lints {
    /// What becomes of those that are not named.
    all: Option<Written<Level>>,
    /// By code.
    rules: BTreeMap<Code, Written<Level>>,
}

impl Lints {
    /// What becomes of a warning, and where that is said.
    fn level(&self, code: Code) -> Option<Written<Level>> {
        self.rules.get(&code).or(self.all.as_ref()).copied()
    }
}

pub(super) fn read(table: &mut Table<'_, '_>) -> Lints {
    let mut lints = Lints::default();
    for (name, setting) in table.all() {
        let Some(level) = setting.value.as_text().and_then(level) else {
            table.wrong(&name.value, setting.span, "a level", "\"allow\"`, `\"warn\"` or `\"deny\"");
            continue;
        };
        let level = Written { value: level, span: Span { end: setting.span.end, ..name.span } };
        if name.value == ALL {
            lints.all = Some(level);
            continue;
        }
        match name.value.parse::<Code>() {
            Ok(code) if code.severity() == Severity::Error => table.report(not_a_warning(code, name.span)),
            Ok(code) => {
                if let Some(first) = lints.rules.insert(code, level) {
                    let problem = Diagnostic::new(Code::E0803, format!("`{code}` is given twice"), name.span, "again");
                    table.report(problem.label(first.span, "first given here").help("leave one out"));
                }
            }
            Err(()) => table.report(unknown(&name.value, name.span)),
        }
    }
    lints
}

fn level(text: &str) -> Option<Level> {
    LEVELS.iter().find(|(name, _)| *name == text).map(|(_, level)| *level)
}

fn not_a_warning(code: Code, span: Span) -> Diagnostic {
    let message = format!("`{code}` is an error, and stays one");
    let problem = Diagnostic::new(Code::E0803, message, span, "not a warning");
    problem.help("only warnings have a level; `flowc explain` lists them")
}

fn unknown(name: &str, span: Span) -> Diagnostic {
    let warnings = Code::ALL.iter().filter(|code| code.severity() == Severity::Warning);
    let known = warnings.flat_map(|code| [code.id(), code.name()]).chain([ALL]);
    let problem = Diagnostic::new(Code::E0802, format!("there is no warning `{name}`"), span, "not known");
    match similar(name, known) {
        Some(near) => problem
            .help(format!("did you mean `{near}`?"))
            .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
        None => problem.help("`flowc explain` lists all codes with their names"),
    }
}

/// Gives each warning its level. What is denied is an error, and shows where it is denied; `toml` is the file.
pub(super) fn apply(lints: &Lints, toml: FileId, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept = Vec::with_capacity(found.len());
    for mut problem in found {
        let level = match problem.severity() {
            Severity::Warning => lints.level(problem.code),
            Severity::Error => None,
        };
        match level {
            Some(Written { value: Level::Allow, .. }) => continue,
            Some(Written { value: Level::Deny, span }) => {
                problem.severity = Severity::Error;
                problem = problem.label(Span { file: toml, ..span }, "denied here");
            }
            Some(Written { value: Level::Warn, .. }) | None => {}
        }
        kept.push(problem);
    }
    kept
}
