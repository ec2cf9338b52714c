//! What do the tests of a program say, and can they hold?
//!
//! In: the `test` items of the program, and the plans of the flows that they are for. Out: a [`Case`] for each test of
//! the program's own file, ready to run, and the problems of all: values that do not fit, calls that the flow never
//! makes, expectations that it can't meet. A test of a flow with errors is passed over: what is wrong is said there.
//! Left out on purpose: running.

mod contradiction;
mod expect;
mod given;
mod stub;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    case::{AnswerKind, Case, Expected, Given, Target},
    diagnostic::{Code, Diagnostic, Edit, Severity},
    expr::Expr,
    failure::ErrorKind,
    plan::{NodeKind, Plan, SourceMap},
    schema::{Connector, Operation},
    span::Span,
    ty::Types,
};

use crate::{
    ast::{self, Ident, Item},
    graph,
    names::{Names, Origin, Unit, duplicate, similar, unknown},
    types::{Definitions, Elaborator, Fixtures, listed},
};

/// Checks all tests of the program; returns those of its own file.
pub(crate) fn cases<'a>(
    names: &'a Names<'a>,
    definitions: &'a Definitions,
    units: &'a [Unit],
    plans: &'a BTreeMap<String, (Plan, SourceMap)>,
    fixtures: Fixtures<'a>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Case> {
    let has_gaps = problems.iter().any(|problem| problem.code.id().starts_with("E01"));
    let mut found = Vec::new();
    let mut cases = Vec::new();
    for (index, unit) in units.iter().enumerate().filter(|(_, unit)| unit.origin == Origin::Program) {
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for item in &unit.ast.items {
            let Item::Test(test) = item else { continue };
            match seen.get(test.name.text.as_str()) {
                Some(first) => found.push(duplicate("test", &test.name, *first)),
                None => drop(seen.insert(&test.name.text, test.name.span)),
            }
            let Some(plan) = flow(names, &test.flow, plans, &mut found) else { continue };
            let mut el = Elaborator::new(names, definitions);
            el.fixtures = Some(fixtures);
            el.unbound =
                Some("a test sees constants and what it gives, not what the flow binds: write the value itself");
            let plans = with_called(plan, plans);
            let called = plans.iter().flat_map(|plan| called(plan)).collect();
            let mut checker = Checker { el, plan, plans, called };
            let case = checker.case(test);
            found.append(&mut checker.el.finish());
            if index == 0 {
                cases.push(case);
            }
        }
    }
    if has_gaps {
        found.retain(|problem| problem.severity() == Severity::Error);
    }
    problems.append(&mut found);
    cases
}

/// The plan of the flow that a test is for.
fn flow<'p>(
    names: &Names<'_>,
    written: &Ident,
    plans: &'p BTreeMap<String, (Plan, SourceMap)>,
    problems: &mut Vec<Diagnostic>,
) -> Option<&'p Plan> {
    if written.text.is_empty() || names.broken.contains(&written.text) {
        return None;
    }
    let is_seen = names.sees(written.span.file, &written.text);
    match names.items.get(&written.text).filter(|_| is_seen) {
        Some(_) if names.flows.contains_key(&written.text) => plans.get(&written.text).map(|(plan, _)| plan),
        Some((kind, declared)) => {
            let message = format!("`{}` is {}, and a test is for a flow", written.text, kind.spoken());
            let problem = Diagnostic::new(Code::E0206, message, written.span, "no flow");
            problems.push(problem.label(*declared, "declared here").help("name the flow that the test runs"));
            None
        }
        None => {
            let seen = names.flows.keys().filter(|name| names.sees(written.span.file, name)).map(String::as_str);
            let problem = unknown(Code::E0201, "flow", written, seen);
            problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help(format!(
                    "take it from the file that declares it: `use \"./main.flow\" {{ {} }}`",
                    written.text
                )),
            });
            None
        }
    }
}

/// The plan of a flow with those of the flows that it calls, directly or not: the test runs them as well.
fn with_called<'p>(plan: &'p Plan, plans: &'p BTreeMap<String, (Plan, SourceMap)>) -> Vec<&'p Plan> {
    let mut all = vec![plan];
    let mut next = 0;
    while let Some(plan) = all.get(next).copied() {
        for node in plan.graph.node_weights() {
            if let NodeKind::Run { flow, .. } = &node.kind
                && let Some((called, _)) = plans.get(flow)
                && !all.iter().any(|known| known.flow == called.flow)
            {
                all.push(called);
            }
        }
        next += 1;
    }
    all
}

/// The operations that a flow calls: connection and operation.
fn called(plan: &Plan) -> BTreeSet<(String, String)> {
    plan.graph
        .node_weights()
        .filter_map(|node| match &node.kind {
            NodeKind::Step(step) => Some((step.connection.clone(), step.operation.clone())),
            _ => None,
        })
        .collect()
}

/// A test while it is checked.
struct Checker<'a> {
    el: Elaborator<'a>,
    plan: &'a Plan,
    /// That plan and those of the flows that it calls.
    plans: Vec<&'a Plan>,
    /// What they call.
    called: BTreeSet<(String, String)>,
}

/// What a stub or an expectation is about.
enum Meant {
    /// All operations, or one that the flow calls.
    Called(Target),
    /// An operation that there is and that the flow never calls.
    NotCalled(Target),
}

impl<'a> Checker<'a> {
    fn case(&mut self, test: &ast::Test) -> Case {
        let (trigger, given) = self.given(test);
        let stubs = self.stubs(&test.stubs);
        let expectations: Vec<_> = test.expectations.iter().filter_map(|one| self.expectation(one)).collect();
        contradiction::contradictions(&expectations, &mut self.el.problems);
        if test.expectations.is_empty() && !self.el.has_gaps {
            self.el.problems.push(
                Diagnostic::new(Code::W0404, "this test expects nothing", test.name.span, "has no `expect`")
                    .help("say what must hold: `expect run completed`"),
            );
        }
        let mut case = Case {
            name: test.name.text.clone(),
            flow: test.flow.text.clone(),
            span: test.name.span,
            trigger,
            given,
            stubs,
            expectations,
            functions: BTreeMap::new(),
            types: Types::default(),
        };
        (case.functions, case.types) = graph::referred(self.el.names, self.el.definitions, expressions(&case));
        case
    }

    /// The operation that a stub or an expectation names.
    fn target(&mut self, written: &ast::Target) -> Option<Meant> {
        let path = match written {
            ast::Target::All(_) => return Some(Meant::Called(Target::All)),
            ast::Target::Operation(path) => path,
            ast::Target::Approve(_) => {
                let asks = self.plans.iter().flat_map(|plan| plan.graph.node_weights());
                let asks = asks.filter(|node| matches!(node.kind, NodeKind::Approve { .. })).count() > 0;
                return Some(if asks { Meant::Called(Target::Approve) } else { Meant::NotCalled(Target::Approve) });
            }
            ast::Target::Wait(event) => return self.awaited(event),
        };
        let root = path.parts.first()?;
        let rest: Vec<&str> = path.parts.iter().skip(1).map(|part| part.text.as_str()).collect();
        let (connection, operation) = (root.text.clone(), rest.join("."));
        let is_called = self.called.contains(&(connection.clone(), operation.clone()));
        let target = Target::Operation { connection: connection.clone(), operation: operation.clone() };
        if is_called {
            return Some(Meant::Called(target));
        }
        let names = self.el.names;
        if names.broken.contains(&connection) {
            return None;
        }
        let connector = names.connections.get(&connection).and_then(|known| names.connectors.get(&known.connector));
        if connector.is_some_and(|connector| connector.schema.operations.contains_key(&operation)) {
            return Some(Meant::NotCalled(target));
        }
        let written = path.text();
        let known: Vec<String> = self.called.iter().map(|(connection, name)| format!("{connection}.{name}")).collect();
        let message = format!("`{}` calls no `{written}`", self.plan.flow);
        let problem = Diagnostic::new(Code::E0404, message, path.span(), "no such operation");
        self.el.problems.push(offering(
            problem,
            &written,
            &known,
            ("the flow has no steps: leave this out", "it calls"),
        ));
        None
    }

    /// The event that a stub of a `wait` names.
    fn awaited(&mut self, event: &ast::Path) -> Option<Meant> {
        let name = event.text();
        let known = self.written(|kind| match kind {
            NodeKind::Wait { event, .. } => Some(event.clone()),
            _ => None,
        });
        if known.contains(&name) {
            return Some(Meant::Called(Target::Wait(name)));
        }
        if self.el.names.events.contains_key(&name) {
            return Some(Meant::NotCalled(Target::Wait(name)));
        }
        let message = format!("`{}` waits for no `{name}`", self.plan.flow);
        let problem = Diagnostic::new(Code::E0404, message, event.span(), "no such event");
        self.el.problems.push(offering(
            problem,
            &name,
            &known,
            ("the flow has no `wait`: leave this out", "it waits for"),
        ));
        None
    }

    /// The declaration of an operation that the flow calls.
    fn operation(&self, connection: &str, operation: &str) -> Option<(&'a Connector, &'a Operation)> {
        self.plans.iter().find_map(|plan| {
            let connector = plan.connectors.get(&plan.connections.get(connection)?.connector)?;
            Some((connector.as_ref(), connector.operations.get(operation)?))
        })
    }

    /// A kind of failure, which must be one of those that can occur; `what` names what fails.
    fn kind(&mut self, path: &ast::Path, possible: &[ErrorKind], what: &str) -> Option<ErrorKind> {
        let kind = self.el.names.error_kind(path, None, &mut self.el.problems)?;
        if possible.contains(&kind) || kind == ErrorKind::Invalid {
            return Some(kind);
        }
        let names: Vec<String> = possible.iter().map(ToString::to_string).collect();
        let message = format!("{what} never fails with `{kind}`");
        let problem = Diagnostic::new(Code::E0405, message, path.span(), "can't occur");
        self.el.problems.push(match similar(kind.name(), names.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`? What can occur: {}", listed(&names))),
            None => problem.help(format!("what can occur: {}", listed(&names))),
        });
        None
    }
}

/// The problem with what is meant by a name that is not among those of the flow: one near to it, else what the flow has; the
/// words say that there is none, and what comes before the names.
fn offering(problem: Diagnostic, written: &str, known: &[String], (none, some): (&str, &str)) -> Diagnostic {
    let span = problem.span();
    match similar(written, known.iter().map(String::as_str)) {
        Some(near) => problem
            .help(format!("did you mean `{near}`?"))
            .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
        None if known.is_empty() => problem.help(none),
        None => problem.help(format!("{some} {}", listed(known))),
    }
}

/// All expressions of a test.
fn expressions(case: &Case) -> Vec<&Expr> {
    let mut all: Vec<&Expr> = Vec::new();
    match &case.given {
        Given::Payload(payload) => all.push(payload),
        Given::Params(params) => all.extend(params.iter().map(|(_, value)| value)),
        Given::Nothing => {}
    }
    for answer in case.stubs.iter().flat_map(|stub| &stub.answers) {
        all.extend(&answer.after);
        match &answer.kind {
            AnswerKind::Returns(value) => all.push(value),
            AnswerKind::Fails { fields, .. } => all.extend(fields.iter().map(|(_, value)| value)),
            AnswerKind::Schema => {}
        }
    }
    for expectation in &case.expectations {
        match &expectation.what {
            Expected::Run { fields, .. } => all.extend(fields.iter().map(|(_, value)| value)),
            Expected::Result(value) => all.push(value),
            Expected::Called { with: value, .. }
            | Expected::Emitted { with: value, .. }
            | Expected::DeadLetter { contains: value, .. }
            | Expected::Responded { body: value, .. } => all.extend(value),
            Expected::Never { what, order } => {
                for happening in [what].into_iter().chain(order.as_deref().map(|(_, other)| other)) {
                    all.extend(happening.with.iter().chain(&happening.filter));
                }
            }
        }
    }
    all
}
