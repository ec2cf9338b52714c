//! Flow text in, diagnostics and plans out.
//!
//! In: the text of a program, a [`Catalog`] of connectors and functions, and a [`Loader`] for the files that the program
//! uses. Out: [`Checked`], which has all mistakes and, if there is none, the plans. Left out on purpose: files, clock and
//! network; the caller brings what the compiler needs to know.

mod allow;
#[expect(dead_code, reason = "the tree has all that is written: places and docs too that no check reads")]
mod ast;
mod case;
pub mod draw;
pub mod facts;
mod fix;
mod follow;
mod format;
mod graph;
pub mod import;
mod names;
pub mod project;
pub mod query;
mod read;
pub mod reference;
pub mod render;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{BTreeMap, BTreeSet};

pub use fix::{Mended, mend};
pub use format::format;
pub use project::Project;

use flow_model::{
    case::Case,
    diagnostic::{Code, Diagnostic, Severity},
    function::StandardFunction,
    plan::{NodeKind, Plan, SourceMap},
    span::{Files, SourceFile},
};

/// What programs can refer to without declaring it.
pub struct Catalog {
    /// Connectors by name: the `.flow` file that declares each.
    pub connectors: BTreeMap<String, SourceFile>,
    /// The standard functions.
    pub functions: &'static [StandardFunction],
}

/// Gets the files that a program uses.
pub trait Loader {
    /// The text of the file for `use "./file.flow"`. The path is that of the file that uses it, with the last part
    /// replaced by the path written and `.` and `..` resolved: from `flows/main.flow`, `use "../shared.flow"` asks for
    /// `shared.flow`.
    ///
    /// # Errors
    /// Says why the file can't be read.
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError>;
}

/// Why a file can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There is none at that path.
    NotFound,
    /// It can't be read, for the reason given: lower case, no full stop.
    Unreadable(String),
}

/// What a check found out.
pub struct Checked {
    /// All files that were read; the spans of diagnostics and source maps refer to them. The program's own file is the
    /// first.
    pub files: Files,
    /// The mistakes, by their places.
    pub diagnostics: Vec<Diagnostic>,
    /// The program, unless there is an error.
    pub program: Option<Program>,
    /// The flows that its own file declares. A file without any is there for others: it declares what they use, or tests
    /// them.
    pub flows: Vec<String>,
    /// The names of its connections, with those that connectors in use have by themselves.
    pub connections: Vec<String>,
}

/// A program without errors.
#[derive(Clone, Debug)]
pub struct Program {
    /// The plan of each flow of the program, by name.
    pub plans: BTreeMap<String, Plan>,
    /// Where the nodes of each plan stand in the source.
    pub sources: BTreeMap<String, SourceMap>,
    /// The path of the file that declares each flow: the program's own file, or one that it uses.
    pub declared: BTreeMap<String, String>,
    /// For each connection that is declared or used a plan that no flow runs: what it takes to connect it, and to show that its credential works.
    pub accounts: BTreeMap<String, Plan>,
    /// For each of those whose connector can set its webhooks up, a plan with what that takes.
    pub hooks: BTreeMap<String, Plan>,
    /// The tests of the program's own file, in their order. Their flows are among the plans.
    pub cases: Vec<Case>,
}

impl Program {
    /// The plans of the flows that a flow calls, with those that they call in turn, each once.
    pub fn called_by(&self, flow: &str) -> Vec<&Plan> {
        let mut called: Vec<&Plan> = Vec::new();
        let mut open: Vec<&str> = vec![flow];
        while let Some(plan) = open.pop().and_then(|flow| self.plans.get(flow)) {
            for node in plan.graph.node_weights() {
                let NodeKind::Run { flow, .. } = &node.kind else { continue };
                if let Some(plan) = self.plans.get(flow)
                    && !called.iter().any(|known| known.flow == *flow)
                {
                    called.push(plan);
                    open.push(flow);
                }
            }
        }
        called
    }
}

/// Checks a program that belongs to no project. `path` is what messages call its own file, and what the paths in its
/// `use` items are relative to.
///
/// All mistakes of all its files are found in one go. Nothing stops the check: a file that can't be read, or is not
/// UTF-8, is a mistake like others.
pub fn check(path: &str, text: &[u8], catalog: &Catalog, loader: &dyn Loader) -> Checked {
    check_in(&Project::default(), None, path, text, catalog, loader)
}

/// Checks a program of a project, as it would run in one of the project's environments. The connectors of the project are
/// in the catalog; what is wrong with `flow.toml` itself is in [`Project::diagnostics`] and not repeated.
pub fn check_in(
    project: &Project,
    environment: Option<&str>,
    path: &str,
    text: &[u8],
    catalog: &Catalog,
    loader: &dyn Loader,
) -> Checked {
    examine((project, environment), path, text, catalog, loader, |_, _| {}).0
}

/// Checks a program, and lets `then` look at what its names mean.
fn examine<T>(
    (project, environment): (&Project, Option<&str>),
    path: &str,
    text: &[u8],
    catalog: &Catalog,
    loader: &dyn Loader,
    then: impl FnOnce(&names::Names<'_>, &[names::Unit]) -> T,
) -> (Checked, T) {
    names::begin_suggesting();
    let mut problems = Vec::new();
    let (mut files, units) = names::load(path, text, catalog, loader, &mut problems);
    let sources = files.clone();
    let in_force = project.in_force(environment, &mut files);
    let definitions = types::Definitions::new(catalog.functions);
    let names = names::names(&units, &definitions, &in_force, &mut problems);
    let made = graph::plans(&names, &definitions, &mut problems);
    let fixtures = types::Fixtures { files: &sources, loader };
    let cases = case::cases(&names, &definitions, &units, &made, fixtures, &mut problems);
    names::elsewhere(&names, &units, &sources, &mut problems);
    names::unused(&names, &units, &mut problems);
    problems.extend(rules::sunset(&names, project.today));
    follow::causes(&sources, &mut problems);
    let diagnostics = in_order(in_force.lint(allow::apply(&sources, problems)));
    let is_sound = diagnostics.iter().all(|problem| problem.severity() == Severity::Warning);
    let program = is_sound.then(|| {
        let accounts = graph::accounts(&names, &definitions, &units, &made);
        let hooks = graph::hooks(&names, &definitions, &accounts);
        let (plans, sources, declared) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut program = Program { plans, sources, declared, accounts, hooks, cases };
        for (flow, (plan, source)) in made {
            let file = names.items.get(&flow).and_then(|(_, span)| files.get(span.file));
            program.declared.extend(file.map(|file| (flow.clone(), file.path.clone())));
            program.plans.insert(flow.clone(), plan);
            program.sources.insert(flow, source);
        }
        program
    });
    let own = units.first().map(|unit| unit.file);
    let flows = names.flows.iter().filter(|(_, info)| Some(info.ast.name.span.file) == own);
    let flows = flows.map(|(name, _)| name.clone()).collect();
    let connections = names.connections.keys().cloned().collect();
    let looked = then(&names, &units);
    (Checked { files, diagnostics, program, flows, connections }, looked)
}

/// Mistakes by file, place and code, each once. A sign of another language for which more than another spelling is
/// needed (`a || b` for `a ?? b`) is told by what is needed.
fn in_order(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let gives_default = |problem: &&Diagnostic| {
        problem.code == Code::E0301 && problem.fixes.iter().any(|fix| fix.title == types::WRITE_DEFAULT)
    };
    let defaults: BTreeSet<_> = problems.iter().filter(gives_default).map(Diagnostic::span).collect();
    problems.retain(|problem| problem.code != Code::E0102 || !defaults.contains(&problem.span()));
    problems.sort_by_key(|problem| (problem.span(), problem.code));
    problems.dedup_by(|second, first| {
        (second.code, second.span(), &second.message) == (first.code, first.span(), &first.message)
    });
    problems
}
