//! `flowc test`: do the programs do what their tests say?
//!
//! In: files with `test` items. Out: the result of each test for people ([`human`]), as JSON ([`json`]) or as JUnit writes
//! it ([`junit`]), and which steps no test has reached.

mod human;
mod json;
mod junit;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use flow_compiler::Checked;
use flow_model::{case::Case, diagnostic::Severity, span::Span};
use flow_runtime::{
    eval::Library,
    sim::{self, Report},
};

use crate::{args, exit::Exit, program, trouble::Trouble, ui};

/// Runs the tests of the files and shows the results.
///
/// # Errors
/// A path does not exist or can't be read, or no test has the name that was asked for.
pub(crate) fn test(args: &args::Test) -> Result<Exit, Trouble> {
    let files = program::find(&args.paths)?;
    let results = Results::of(&files, args)?;
    if let Some(filter) = args.filter.as_deref()
        && results.tests() == 0
        && results.errors() == 0
    {
        let trouble = Trouble::new(Exit::Usage, format!("no test has `{filter}` in its name"));
        return Err(match results.left_out {
            0 => trouble.help("there are no tests in these files"),
            many => trouble.help(format!("`flowc test` without `--filter` runs {}", ui::count(many, "test"))),
        });
    }
    match args.format {
        args::Results::Human => human::show(&results)?,
        args::Results::Json => ui::print(&format!("{:#}\n", json::json(&results)))?,
        args::Results::Junit => ui::print(&junit::xml(&results))?,
    }
    Ok(results.exit())
}

/// What the tests of all files showed.
struct Results {
    suites: Vec<Suite>,
    /// Paths that could not be read.
    unread: Vec<Trouble>,
    /// Tests that were not asked for.
    left_out: usize,
}

/// A file with tests, or with errors.
struct Suite {
    path: String,
    checked: Checked,
    tests: Vec<Test>,
    /// The steps of each flow that has tests.
    coverage: BTreeMap<String, Coverage>,
}

/// A test that was run.
struct Test {
    case: Case,
    report: Report,
}

/// Which steps of a flow tests have reached.
#[derive(Default)]
struct Coverage {
    steps: BTreeSet<String>,
    reached: BTreeSet<String>,
}

impl Coverage {
    fn missed(&self) -> impl Iterator<Item = &String> {
        self.steps.difference(&self.reached)
    }
}

impl Results {
    fn of(files: &[PathBuf], args: &args::Test) -> Result<Self, Trouble> {
        let mut places = program::Places::new(&args.environment);
        let filter = args.filter.as_deref();
        let library = Library::new(flow_stdlib::functions());
        let mut results = Self { suites: Vec::new(), unread: Vec::new(), left_out: 0 };
        for path in files {
            match places.of(path)?.check(path) {
                Ok(checked) => {
                    let suite = Suite::of(path.display().to_string(), checked, &library, filter, &mut results.left_out);
                    if !suite.tests.is_empty() || suite.has_errors() {
                        results.suites.push(suite);
                    }
                }
                Err(trouble) => results.unread.push(trouble),
            }
        }
        Ok(results)
    }

    fn all(&self) -> impl Iterator<Item = &Test> {
        self.suites.iter().flat_map(|suite| &suite.tests)
    }

    fn tests(&self) -> usize {
        self.all().count()
    }

    fn failed(&self) -> usize {
        self.all().filter(|test| !test.report.has_passed()).count()
    }

    /// Files that have errors or can't be read.
    fn errors(&self) -> usize {
        self.suites.iter().filter(|suite| suite.has_errors()).count() + self.unread.len()
    }

    fn exit(&self) -> Exit {
        let unread = self.unread.iter().map(Trouble::exit).find(|exit| *exit != Exit::Program);
        match unread {
            Some(exit) => exit,
            None if self.errors() > 0 => Exit::Program,
            None if self.failed() > 0 => Exit::Failed,
            None => Exit::Done,
        }
    }
}

impl Suite {
    fn of(path: String, mut checked: Checked, library: &Library, filter: Option<&str>, left_out: &mut usize) -> Self {
        // Warnings are for `flowc check`.
        checked.diagnostics.retain(|diagnostic| diagnostic.severity() == Severity::Error);
        let mut suite = Self { path, checked, tests: Vec::new(), coverage: BTreeMap::new() };
        let Some(program) = suite.checked.program.take() else { return suite };
        let plans: BTreeMap<&String, Arc<_>> =
            program.plans.iter().map(|(name, plan)| (name, Arc::new(plan.clone()))).collect();
        for case in program.cases {
            if !filter.is_none_or(|filter| is_meant(&case, filter)) {
                *left_out += 1;
                continue;
            }
            let Some(plan) = plans.get(&case.flow) else { continue };
            let report = sim::run(&case, plan, library);
            let coverage = suite.coverage.entry(case.flow.clone()).or_default();
            coverage.steps.extend(report.steps.iter().cloned());
            coverage.reached.extend(report.reached.iter().cloned());
            suite.tests.push(Test { case, report });
        }
        suite
    }

    fn has_errors(&self) -> bool {
        !self.checked.diagnostics.is_empty()
    }

    /// The line on which something stands, from 1, and the column.
    fn position(&self, span: Span) -> (u32, u32) {
        self.checked.files.line_column(span.file, span.start)
    }
}

fn is_meant(case: &Case, filter: &str) -> bool {
    let filter = filter.to_lowercase();
    [&case.name, &case.flow].iter().any(|name| name.to_lowercase().contains(&filter))
}
