//! `batch: 100 or 5s`, `debounce: 30s per order.id`: how do several events become one run?
//!
//! In: the clauses of a trigger. Out: what the engine gathers by; what can't be meant is reported.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::BinaryOp,
    plan::{Gather, Keep, MOST_GATHERED},
};

use super::lower::Lowering;
use crate::ast::{Expr, ExprKind, Trigger, TriggerClause, TriggerClauseValue};

const BATCH: &str = "write `batch: 100 or 5s`, or `batch: 100 or 5s per event.customer`";
const DEBOUNCE: &str = "write `debounce: 30s`, `debounce: 30s per event.id`, or `debounce: 30s or 10m per event.id`";

/// Says whether something gathers the events of a trigger.
pub(super) fn gathers(trigger: &Trigger) -> bool {
    trigger.clauses.iter().any(|clause| matches!(clause.name.text.as_str(), "batch" | "debounce"))
}

impl Lowering<'_> {
    /// What gathers the events of a trigger, if something does. The payload is in scope.
    pub(super) fn gather(&mut self, clauses: &BTreeMap<&str, &TriggerClause>) -> Option<Gather> {
        match (clauses.get("batch"), clauses.get("debounce")) {
            (Some(batch), Some(debounce)) => {
                let message = "`batch` and `debounce` can't be together";
                self.el.problems.push(
                    Diagnostic::new(Code::E0411, message, debounce.span, "a run for the latest event")
                        .label(batch.span, "a run for all events")
                        .help("keep the one that the flow needs"),
                );
                None
            }
            (Some(batch), None) => {
                let gather = self.batch(batch);
                self.no_key_of_its_own(clauses, batch);
                gather
            }
            (None, Some(debounce)) => self.debounce(debounce),
            (None, None) => None,
        }
    }

    fn batch(&mut self, clause: &TriggerClause) -> Option<Gather> {
        let (value, per) = parts(clause);
        let per = per.map(|per| self.key_of_runs(per));
        let Some((count, within)) = value.and_then(either) else {
            self.wrong_clause(clause, BATCH);
            return None;
        };
        let (most, within) = (self.count(count), self.fixed_duration(within));
        let most = most?;
        if most > MOST_GATHERED {
            let message = format!("a batch has at most {MOST_GATHERED} events");
            self.el.problems.push(
                Diagnostic::new(Code::E0411, message, count.span, "more than one run may begin with")
                    .help(format!("write {MOST_GATHERED} or less: more events are more batches")),
            );
            return None;
        }
        Some(Gather { keep: Keep::All { most, within: within? }, per })
    }

    fn debounce(&mut self, clause: &TriggerClause) -> Option<Gather> {
        let (value, per) = parts(clause);
        let per = per.map(|per| self.key_of_runs(per));
        let Some(value) = value else {
            self.wrong_clause(clause, DEBOUNCE);
            return None;
        };
        let (quiet, most) = either(value).map_or((value, None), |(quiet, most)| (quiet, Some(most)));
        let quiet = self.fixed_duration(quiet);
        let most = match most {
            Some(most) => Some(self.fixed_duration(most)?),
            None => None,
        };
        Some(Gather { keep: Keep::Latest { quiet: quiet?, most }, per })
    }

    /// The events of a batch may have different keys: the run has none of them.
    fn no_key_of_its_own(&mut self, clauses: &BTreeMap<&str, &TriggerClause>, batch: &TriggerClause) {
        let Some(concurrency) = clauses.get("concurrency") else { return };
        if let TriggerClauseValue::Per(_, per) = &concurrency.value {
            let message = "a batch has no key of its own";
            self.el.problems.push(
                Diagnostic::new(Code::E0411, message, per.span, "each event of the batch may have another")
                    .label(batch.span, "gathered here")
                    .help(
                        "write `concurrency: 1` without `per`; `batch: 100 or 5s per key` gathers each key for itself",
                    ),
            );
        }
    }
}

/// The value of a clause, and what stands after `per`.
fn parts(clause: &TriggerClause) -> (Option<&Expr>, Option<&Expr>) {
    match &clause.value {
        TriggerClauseValue::Expr(value) => (Some(value), None),
        TriggerClauseValue::Per(value, per) => (Some(value), Some(per)),
        _ => (None, None),
    }
}

/// `a or b`
fn either(value: &Expr) -> Option<(&Expr, &Expr)> {
    match &value.kind {
        ExprKind::Binary { op: BinaryOp::Or, left, right, .. } => Some((left, right)),
        _ => None,
    }
}
