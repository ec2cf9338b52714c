//! Which flows start each other without end?
//!
//! A flow that emits the event which starts it begins a new run at the end of each. So do flows that emit what starts the
//! next one, all the way round. A condition ends that, and so does a `dedupe:` whose key comes again: only what is emitted
//! in every run, and received by triggers without `dedupe:`, goes round for ever.

use std::collections::{BTreeMap, VecDeque};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::Span,
};

use crate::{
    ast::{Block, Expr, ExprKind, Otherwise, Path, Statement, StatementKind, TriggerSource},
    names::{
        FlowInfo, Names, fits,
        walk::{self, Visitor},
    },
};

/// Warns of flows that start each other without end.
pub(super) fn echo(names: &Names<'_>) -> Vec<Diagnostic> {
    let heard: Vec<(&str, &Path)> = names.flows.iter().flat_map(|(name, flow)| hears(name, flow)).collect();
    if heard.is_empty() {
        return Vec::new();
    }
    // What each flow emits in every run, with the flow that this starts.
    let mut next: BTreeMap<&str, Vec<Link<'_>>> = BTreeMap::new();
    for (name, flow) in &names.flows {
        let mut emitted = Vec::new();
        sure(&flow.ast.body, &mut emitted);
        for event in emitted {
            let started = heard.iter().filter(|(_, pattern)| fits(pattern, &event.text()));
            next.entry(name).or_default().extend(started.map(|(to, trigger)| Link { event, to, trigger }));
        }
    }
    let rounds = next.keys().filter_map(|first| round(first, &next));
    rounds.map(|(first, links)| told(first, &links)).collect()
}

/// A flow that an event starts.
#[derive(Clone, Copy)]
struct Link<'a> {
    event: &'a Path,
    to: &'a str,
    trigger: &'a Path,
}

/// The events that start a flow whenever they come.
fn hears<'a>(name: &'a str, flow: &FlowInfo<'a>) -> impl Iterator<Item = (&'a str, &'a Path)> {
    let every =
        flow.ast.triggers.iter().filter(|trigger| trigger.clauses.iter().all(|clause| clause.name.text != "dedupe"));
    every.filter_map(move |trigger| match &trigger.source {
        TriggerSource::Event(pattern) => Some((name, pattern)),
        _ => None,
    })
}

/// Collects what a block emits whenever it is run; says whether what follows it is reached in every run.
fn sure<'a>(block: &'a Block, emitted: &mut Vec<&'a Path>) -> bool {
    block.statements.iter().all(|statement| follows(statement, emitted))
        && block.value.as_deref().is_none_or(|value| runs(value, emitted))
}

fn follows<'a>(statement: &'a Statement, emitted: &mut Vec<&'a Path>) -> bool {
    match &statement.kind {
        StatementKind::Emit { event, .. } => emitted.push(event),
        StatementKind::Control(value) => return runs(value, emitted),
        StatementKind::Let { value, otherwise, .. } => return runs(value, emitted) && !leaves(otherwise.as_deref()),
        StatementKind::Step(step) => {
            // Somebody decides, or something else happens first.
            let waits = step.wait.is_some() || step.within.is_some();
            let is_decided = matches!(&step.call.kind, ExprKind::Call { callee, .. } if matches!(&callee.kind, ExprKind::Name(name) if name == "approve"));
            return !waits && !is_decided && step.catch.is_none() && !leaves(step.otherwise.as_ref());
        }
        StatementKind::Return(_) | StatementKind::Fail(_) => return false,
        StatementKind::Respond { .. }
        | StatementKind::Log(_)
        | StatementKind::DeadLetter { .. }
        | StatementKind::Sleep(_) => {}
    }
    true
}

/// What a control expression emits in every run: nothing where a condition or a list decides.
fn runs<'a>(value: &'a Expr, emitted: &mut Vec<&'a Path>) -> bool {
    match &value.kind {
        ExprKind::Parallel { body, .. } | ExprKind::Saga(body) | ExprKind::Block(body) => sure(body, emitted),
        _ => {
            let mut ends = Ends(false);
            walk::expr(value, &mut ends);
            !ends.0
        }
    }
}

fn leaves(otherwise: Option<&Otherwise>) -> bool {
    matches!(otherwise, Some(Otherwise::Fail(_) | Otherwise::Return(..)))
}

/// Whether the flow may end somewhere in an expression.
struct Ends(bool);

impl<'a> Visitor<'a> for Ends {
    fn block(&mut self, block: &'a Block) {
        self.0 |= block
            .statements
            .iter()
            .any(|statement| matches!(statement.kind, StatementKind::Return(_) | StatementKind::Fail(_)));
    }
}

/// The shortest way from a flow back to it, if the flow is the first of those on the way: each round is told once.
fn round<'a>(first: &'a str, next: &BTreeMap<&'a str, Vec<Link<'a>>>) -> Option<(&'a str, Vec<Link<'a>>)> {
    let mut reached: BTreeMap<&str, (Option<&'a str>, Link<'a>)> = BTreeMap::new();
    let mut waiting = VecDeque::from([first]);
    while let Some(from) = waiting.pop_front() {
        for link in next.get(from).into_iter().flatten().filter(|link| link.to >= first) {
            let before = (from != first).then_some(from);
            if link.to == first {
                let mut links = vec![*link];
                let mut at = before;
                while let Some((before, link)) = at.and_then(|at| reached.get(at)) {
                    links.insert(0, *link);
                    at = *before;
                }
                return Some((first, links));
            }
            if !reached.contains_key(link.to) {
                reached.insert(link.to, (before, *link));
                waiting.push_back(link.to);
            }
        }
    }
    None
}

fn told(first: &str, links: &[Link<'_>]) -> Diagnostic {
    let place = links.first().map_or_else(Span::default, |link| link.event.span());
    let message = match links {
        [_] => format!("`{first}` starts itself without end"),
        [one, _] => format!("`{first}` and `{}` start each other without end", one.to),
        _ => {
            let way: Vec<String> = links.iter().map(|link| format!("`{}`", link.to)).collect();
            format!("flows start each other without end: `{first}` → {}", way.join(" → "))
        }
    };
    let mut problem = Diagnostic::new(Code::W0407, message, place, "emitted in every run");
    for (index, link) in links.iter().enumerate() {
        if index > 0 {
            problem = problem.label(link.event.span(), "emitted in every run");
        }
        problem = problem.label(link.trigger.span(), format!("starts `{}`", link.to));
    }
    problem.help(
        "emit it under a condition, `if … { emit … }`, or give the trigger a `dedupe:` whose key stays the same all the way round",
    )
}
