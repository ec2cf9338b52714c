//! `flowc test`: do the programs do what their tests say?
//!
//! In: files with `test` items. Out: the result of each test for people ([`human`]), as JSON ([`json`]) or as JUnit writes
//! it ([`junit`]), and which steps and branches no test has reached. With `--faults`, what happens to each test when something goes wrong
//! ([`story`]).

mod human;
mod json;
mod junit;
mod story;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use flow_compiler::Checked;
use flow_model::{
    case::Case,
    diagnostic::Severity,
    plan::{NodeKind, Plan, SourceMap},
    span::Span,
};
use flow_runtime::{
    eval::Library,
    sim::{
        self, Report,
        faults::{self, Faulted},
    },
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
    /// The plans of the flows, and where their nodes stand.
    plans: BTreeMap<String, Arc<Plan>>,
    sources: BTreeMap<String, SourceMap>,
}

/// A test that was run.
struct Test {
    case: Case,
    report: Report,
    /// What faults showed, where they were asked for and the test passes without.
    faulted: Option<Faulted>,
}

impl Test {
    fn has_passed(&self) -> bool {
        self.report.has_passed() && self.faulted.as_ref().is_none_or(|faulted| faulted.failing == 0)
    }
}

/// Which steps of a flow tests have reached, and which of its branches they have taken.
#[derive(Default)]
struct Coverage {
    steps: BTreeSet<String>,
    reached: BTreeSet<String>,
    branches: BTreeSet<(String, u32)>,
    taken: BTreeSet<(String, u32)>,
}

impl Coverage {
    fn missed(&self) -> impl Iterator<Item = &String> {
        self.steps.difference(&self.reached)
    }

    fn not_taken(&self) -> impl Iterator<Item = &(String, u32)> {
        self.branches.difference(&self.taken)
    }
}

impl Results {
    fn of(files: &[PathBuf], args: &args::Test) -> Result<Self, Trouble> {
        let mut places = program::Places::new(&args.environment);
        let library = Library::new(flow_stdlib::functions());
        let mut results = Self { suites: Vec::new(), unread: Vec::new(), left_out: 0 };
        for path in files {
            match places.of(path)?.check(path) {
                Ok(checked) => {
                    let path = path.display().to_string();
                    let suite = Suite::of(path, checked, &library, args, &mut results.left_out);
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
        self.all().filter(|test| !test.has_passed()).count()
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
    fn of(path: String, mut checked: Checked, library: &Library, args: &args::Test, left_out: &mut usize) -> Self {
        // Warnings are for `flowc check`.
        checked.diagnostics.retain(|diagnostic| diagnostic.severity() == Severity::Error);
        let (plans, sources) = (BTreeMap::new(), BTreeMap::new());
        let mut suite = Self { path, checked, tests: Vec::new(), coverage: BTreeMap::new(), plans, sources };
        let Some(program) = suite.checked.program.take() else { return suite };
        suite.plans = program.plans.iter().map(|(name, plan)| (name.clone(), Arc::new(plan.clone()))).collect();
        for case in &program.cases {
            let filter = args.filter.as_deref();
            if !filter.is_none_or(|filter| is_meant(case, filter)) {
                *left_out += 1;
                continue;
            }
            let Some(plan) = suite.plans.get(&case.flow) else { continue };
            let called: Vec<_> = program.called_by(&case.flow).into_iter().cloned().map(Arc::new).collect();
            let report = sim::run_with(case, plan, &called, library);
            let faulted = match &args.faults {
                Some(asked) if report.has_passed() => Some(under(asked, case, plan, &called, library)),
                _ => None,
            };
            let coverage = suite.coverage.entry(case.flow.clone()).or_default();
            coverage.steps.extend(report.steps.iter().cloned());
            coverage.reached.extend(report.reached.iter().cloned());
            coverage.branches.extend(report.branches.iter().cloned());
            coverage.taken.extend(report.taken.iter().cloned());
            suite.tests.push(Test { case: case.clone(), report, faulted });
        }
        suite.sources = program.sources;
        suite
    }

    fn has_errors(&self) -> bool {
        !self.checked.diagnostics.is_empty()
    }

    /// Where a node of a flow stands.
    fn span(&self, flow: &str, path: &str) -> Option<Span> {
        let graph = &self.plans.get(flow)?.graph;
        let node = graph.node_indices().find(|node| graph.node_weight(*node).is_some_and(|node| node.path == path))?;
        self.sources.get(flow)?.nodes.get(node.index()).copied()
    }

    /// The line of the `if`, `match` or `try` that a branch is of, and what the branch is called.
    fn branch(&self, flow: &str, (path, region): &(String, u32)) -> (u32, String) {
        let span = self.span(flow, path);
        let line = span.map_or(0, |span| self.position(span).0);
        // What holds in the place of null is a branch as well: `step order = … else fail NotFound()`.
        let is_written_if = span.is_some_and(|span| self.checked.files.text(span).starts_with("if"));
        let graph = self.plans.get(flow).map(|plan| &plan.graph);
        let kind = graph.and_then(|graph| graph.node_weights().find(|node| node.path == *path)).map(|node| &node.kind);
        let words = match kind {
            Some(NodeKind::If { .. }) if !is_written_if && *region == 0 => "`else`".to_owned(),
            Some(NodeKind::If { .. }) if !is_written_if => "the value before `else`".to_owned(),
            Some(NodeKind::If { conditions, .. }) if *region as usize == conditions.len() => "`else`".to_owned(),
            Some(NodeKind::If { .. }) if *region == 0 => "`if`".to_owned(),
            Some(NodeKind::If { .. }) => format!("`else if` {region}"),
            Some(NodeKind::Try { .. }) => format!("arm {region} of `catch`"),
            _ => format!("arm {} of `match`", region + 1),
        };
        (line, words)
    }

    /// The line on which something stands, from 1, and the column.
    fn position(&self, span: Span) -> (u32, u32) {
        self.checked.files.line_column(span.file, span.start)
    }
}

/// Runs a test under each fault, or under one; the story of one is kept however it ends.
fn under(asked: &args::Faults, case: &Case, plan: &Arc<Plan>, called: &[Arc<Plan>], library: &Library) -> Faulted {
    match asked {
        args::Faults::All => faults::explore(case, plan, called, library),
        args::Faults::One(fault) => {
            let report = sim::run_under(case, plan, called, library, Some(fault));
            let failing = usize::from(!report.has_passed());
            Faulted { tried: 1, possible: 1, failing, shortest: Some((fault.clone(), report)) }
        }
    }
}

fn is_meant(case: &Case, filter: &str) -> bool {
    let filter = filter.to_lowercase();
    [&case.name, &case.flow].iter().any(|name| name.to_lowercase().contains(&filter))
}
