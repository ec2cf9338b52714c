//! Which steps wait for each other without need?
//!
//! Steps that follow each other, only read, and use nothing of what the others bind come to the same in any order, so
//! they could run at the same time. Steps that change something are left alone: which of two changes comes first, and
//! whether the second happens when the first fails, is for the author to say. So are steps that decide whether the
//! flow goes on.

use std::collections::BTreeSet;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    schema::Effect,
    span::Span,
};

use crate::{
    ast::{Block, Expr, ExprKind, Flow, Otherwise, Statement, StatementKind, Step},
    names::{
        Names, chain,
        walk::{self, Visitor},
    },
};

/// How many steps of a sequence are shown.
const MOST_SHOWN: usize = 4;

/// Warns of sequences of independent reads.
pub(super) fn sequence(names: &Names<'_>) -> Vec<Diagnostic> {
    let mut search = Search { names, branching: BTreeSet::new(), problems: Vec::new() };
    for flow in names.flows.values() {
        let written: &Flow = flow.ast;
        walk::flow(written, &mut search);
    }
    search.problems
}

struct Search<'a> {
    names: &'a Names<'a>,
    /// Blocks whose statements run at the same time already.
    branching: BTreeSet<Span>,
    problems: Vec<Diagnostic>,
}

/// A step that only reads, and goes on whatever it finds.
struct Read<'a> {
    step: &'a Step,
    /// `orders.find`
    called: String,
}

impl<'a> Visitor<'a> for Search<'_> {
    fn expr(&mut self, expr: &'a Expr) {
        if let ExprKind::Parallel { body, .. } | ExprKind::Race(body) = &expr.kind {
            self.branching.insert(body.span);
        }
    }

    fn block(&mut self, block: &'a Block) {
        if self.branching.contains(&block.span) {
            return;
        }
        let mut group: Vec<Read<'a>> = Vec::new();
        let mut bound: BTreeSet<&str> = BTreeSet::new();
        for statement in &block.statements {
            let read = self.read(statement);
            let is_alone = read.as_ref().is_none_or(|read| uses(read.step, &bound));
            if is_alone {
                self.tell(&std::mem::take(&mut group));
                bound.clear();
            }
            let Some(read) = read else { continue };
            bound.extend(read.step.name.as_ref().map(|name| name.text.as_str()));
            group.push(read);
        }
        self.tell(&group);
    }
}

impl Search<'_> {
    fn read<'a>(&self, statement: &'a Statement) -> Option<Read<'a>> {
        let StatementKind::Step(step) = &statement.kind else { return None };
        if decides(step) {
            return None;
        }
        let ExprKind::Call { callee, .. } = &step.call.kind else { return None };
        let path = chain(callee)?;
        let (root, operation) = path.parts.split_first()?;
        let connection = self.names.connections.get(&root.text)?;
        let operation: Vec<&str> = operation.iter().map(|part| part.text.as_str()).collect();
        let connector = self.names.connectors.get(&connection.connector)?;
        let declared = connector.schema.operations.get(&operation.join("."))?;
        // The pages of a stream are fetched later, where it is gone through.
        let reads = declared.effect == Effect::Read && declared.page.is_none();
        reads.then(|| Read { step, called: path.text() })
    }

    fn tell(&mut self, group: &[Read<'_>]) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
        if group.len() < 2 {
            return;
        }
        let message = match group {
            [one, other] => format!("`{}` waits for `{}` without need", other.called, one.called),
            _ => format!("{} steps wait for each other without need", group.len()),
        };
        let mut problem =
            Diagnostic::new(Code::W0405, message, last.step.call.span, "uses nothing of what is read before");
        for read in group.iter().take(group.len() - 1).take(MOST_SHOWN - 1) {
            problem = problem.label(read.step.call.span, "only reads");
        }
        let start = Span { end: first.step.span.start, ..first.step.span };
        let end = Span { start: last.step.span.end, ..last.step.span };
        self.problems.push(
            problem
                .help("put them into `parallel { … }`: they run at the same time, and what they bind is known after it")
                .fix(
                    "put them into `parallel { … }`",
                    vec![
                        Edit { span: start, text: "parallel {\n".to_owned() },
                        Edit { span: end, text: "\n}".to_owned() },
                    ],
                ),
        );
    }
}

/// Says whether a step mentions one of these names.
fn uses(step: &Step, names: &BTreeSet<&str>) -> bool {
    struct Uses<'n> {
        names: &'n BTreeSet<&'n str>,
        found: bool,
    }
    impl<'a> Visitor<'a> for Uses<'_> {
        fn expr(&mut self, expr: &'a Expr) {
            if let ExprKind::Name(name) = &expr.kind {
                self.found |= self.names.contains(name.as_str());
            }
        }
    }
    let mut search = Uses { names, found: false };
    walk::step(step, &mut search);
    search.found
}

/// Says whether a step can end the flow, or does more than read when it fails.
fn decides(step: &Step) -> bool {
    matches!(step.otherwise, Some(Otherwise::Fail(_) | Otherwise::Return(..)))
        || step
            .catch
            .iter()
            .flatten()
            .any(|arm| matches!(&arm.value.kind, ExprKind::Block(block) if !block.statements.is_empty()))
}
