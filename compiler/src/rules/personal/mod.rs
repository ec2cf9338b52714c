//! Where does personal data go?
//!
//! In: the plan of a flow, and what the flows that it calls return. Out: a warning for each step, event or call of a flow
//! to which data marked `@pii` goes without being marked for it; what `log` and `approve` show is masked in the plan, and
//! what other nodes keep or give out is noted there. The mark follows values, not types: a field that was marked where
//! the data came in is still personal in a text that was made of it.

mod shape;
mod value;

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, Slot, TextPart},
    failure::ErrorKind,
    plan::{ForOnError, NodeKind, Plan, SourceMap, Stage, Step},
    span::Span,
    ty::{Field, Type},
};
use petgraph::graph::NodeIndex;

use self::{
    shape::{Shape, Source, leak, of_field, of_type},
    value::{Judge, Slots, bind},
};
use crate::{names::Names, types::Definitions};

/// The places of the arguments of steps and calls, by node and position.
pub(crate) type ArgumentSpans = BTreeMap<(NodeIndex, usize), Span>;

/// Follows personal data through flows, each after those that it calls.
pub(crate) struct Personal<'a> {
    judge: Judge<'a>,
    /// What is personal in the results of flows.
    results: BTreeMap<String, Shape>,
    /// What is personal in the errors that they end with.
    errors: BTreeMap<String, Errors>,
}

/// What is personal in the fields of errors, by kind.
type Errors = BTreeMap<ErrorKind, Shape>;

impl<'a> Personal<'a> {
    /// Knows no flow yet.
    pub(crate) fn new(names: &'a Names<'a>, definitions: &'a Definitions) -> Self {
        Self { judge: Judge::new(names, definitions), results: BTreeMap::new(), errors: BTreeMap::new() }
    }

    /// Follows the data of one flow.
    pub(crate) fn flow(&mut self, plan: &mut Plan, sources: &SourceMap, arguments: &ArgumentSpans) -> Vec<Diagnostic> {
        let mut walk = Walk {
            judge: &self.judge,
            results: &self.results,
            errors: &self.errors,
            sources,
            arguments,
            slots: Slots::new(),
            result: Shape::default(),
            raised: Errors::new(),
            shown: Vec::new(),
            kept: BTreeMap::new(),
            problems: Vec::new(),
        };
        for (index, (name, field)) in plan.params.iter().enumerate() {
            let slot = Slot(u32::try_from(index).expect("a flow has fewer than 2^32 parameters"));
            walk.slots.insert(slot, of_field(walk.judge.names, "", name, field));
        }
        for trigger in &plan.triggers {
            let payload = of_type(walk.judge.names, &trigger.bound());
            if let Some(slot) = trigger.bind {
                let known = walk.slots.remove(&slot).unwrap_or_default();
                walk.slots.insert(slot, known.join(payload));
            }
        }
        walk.region(plan, plan.entry);
        let Walk { result, raised, shown, kept, problems, .. } = walk;
        for (node, value) in shown {
            if let Some(node) = plan.graph.node_weight_mut(node)
                && let NodeKind::Log(shown) | NodeKind::Approve { question: shown, .. } = &mut node.kind
            {
                *shown = value;
            }
        }
        plan.personal = kept;
        self.results.insert(plan.flow.clone(), result);
        self.errors.insert(plan.flow.clone(), raised);
        problems
    }
}

struct Walk<'w, 'a> {
    judge: &'w Judge<'a>,
    results: &'w BTreeMap<String, Shape>,
    errors: &'w BTreeMap<String, Errors>,
    sources: &'w SourceMap,
    arguments: &'w ArgumentSpans,
    slots: Slots,
    result: Shape,
    /// The errors that the region ends with which is followed, as far as is known.
    raised: Errors,
    /// What people see, masked.
    shown: Vec<(NodeIndex, Expr)>,
    /// What nodes keep or give out.
    kept: BTreeMap<String, flow_model::mask::Mask>,
    problems: Vec<Diagnostic>,
}

impl Walk<'_, '_> {
    fn value(&mut self, expr: &Expr) -> Shape {
        self.judge.value(expr, &mut self.slots)
    }

    fn set(&mut self, slot: Option<Slot>, shape: Shape) {
        if let Some(slot) = slot {
            self.slots.insert(slot, shape);
        }
    }

    /// Follows a region and returns what is personal in its value.
    fn region(&mut self, plan: &Plan, entry: Option<NodeIndex>) -> Shape {
        let mut value = Shape::default();
        let mut next = entry;
        while let Some(node) = next {
            if let Some(content) = plan.graph.node_weight(node) {
                value = value.join(self.node(plan, node, &content.kind, &content.path));
            }
            next = plan.next(node);
        }
        value
    }

    fn regions(&mut self, plan: &Plan, node: NodeIndex, count: u32) -> Shape {
        (0..count).fold(Shape::default(), |all, index| all.join(self.region(plan, plan.region(node, index))))
    }

    /// Follows a node; only what a `yield` gives is returned.
    fn node(&mut self, plan: &Plan, node: NodeIndex, kind: &NodeKind, path: &str) -> Shape {
        match kind {
            NodeKind::Let { slot, value } => {
                let value = self.value(value);
                self.slots.insert(*slot, value);
            }
            NodeKind::Yield(value) => return self.value(value),
            NodeKind::Step(step) => self.step(plan, node, step),
            NodeKind::If { slot, conditions } => {
                let count = u32::try_from(conditions.len()).unwrap_or(u32::MAX).saturating_add(1);
                let value = self.regions(plan, node, count);
                self.set(*slot, value);
            }
            NodeKind::Match { slot, subject, arms } => {
                let subject = self.value(subject);
                arms.iter().for_each(|(pattern, _)| bind(pattern, &subject, &mut self.slots));
                let value = self.regions(plan, node, u32::try_from(arms.len()).unwrap_or(u32::MAX));
                self.set(*slot, value);
            }
            NodeKind::Parallel { regions, .. } => {
                self.regions(plan, node, *regions);
            }
            NodeKind::For { slot, item, items, on_error, stream, .. } => {
                let mut each = self.value(items).item();
                for stage in stream.iter().flatten() {
                    if let Stage::Map(slot, _) | Stage::Filter(slot, _) = stage {
                        self.slots.insert(*slot, each.clone());
                    }
                    match stage {
                        Stage::Map(_, to) => each = self.value(to),
                        Stage::Chunks(_) => each = Shape::list_of(each),
                        Stage::Filter(..) | Stage::Take(_) | Stage::Most(_) => {}
                    }
                }
                self.slots.insert(*item, each.clone());
                let outer = std::mem::take(&mut self.raised);
                let value = Shape::list_of(self.regions(plan, node, 1));
                let raised = std::mem::replace(&mut self.raised, outer);
                let value = match on_error {
                    ForOnError::Collect => {
                        let error = raised.into_values().fold(Shape::default(), Shape::join);
                        let failed = Shape::record([("item".to_owned(), each), ("error".to_owned(), error)]);
                        Shape::record([("ok".to_owned(), value), ("failed".to_owned(), Shape::list_of(failed))])
                    }
                    ForOnError::Stop => {
                        self.raise(raised);
                        value
                    }
                    ForOnError::Skip => value,
                };
                self.set(*slot, value);
            }
            NodeKind::Try { slot, arms, optional } => {
                let outer = std::mem::take(&mut self.raised);
                let mut value = self.regions(plan, node, 1);
                let mut raised = std::mem::replace(&mut self.raised, outer);
                for (index, arm) in (1..).zip(arms) {
                    let is_taken = |kind: &ErrorKind| arm.kinds.is_empty() || arm.kinds.contains(kind);
                    let declared = arm.kinds.iter().filter_map(|kind| match kind {
                        ErrorKind::Declared(name) => Some(Type::Named(name.clone())),
                        _ => None,
                    });
                    let declared = declared.map(|ty| of_type(self.judge.names, &ty));
                    let known = raised.iter().filter(|(kind, _)| is_taken(kind)).map(|(_, shape)| shape.clone());
                    let failure = declared.chain(known).fold(Shape::default(), Shape::join);
                    self.set(arm.bind, failure);
                    value = value.join(self.region(plan, plan.region(node, index)));
                    if arm.guard.is_none() {
                        raised.retain(|kind, _| !is_taken(kind));
                    }
                }
                if !*optional {
                    self.raise(raised);
                }
                self.set(*slot, value);
            }
            NodeKind::Saga { slot } | NodeKind::Repeat { slot, .. } => {
                let value = self.regions(plan, node, 1);
                self.set(*slot, value);
            }
            NodeKind::First { slot, item, items } => {
                let each = self.value(items).item();
                self.slots.insert(*item, each);
                let value = self.regions(plan, node, 1);
                self.set(*slot, value);
            }
            NodeKind::Race { slot, regions } => {
                let value = self.regions(plan, node, *regions);
                self.set(*slot, value);
            }
            NodeKind::Emit { event, value } => self.emit(node, event, value),
            NodeKind::Wait { slot, event, .. } => {
                let value = of_type(self.judge.names, &Type::Named(event.clone()));
                self.set(*slot, value);
            }
            NodeKind::Run { slot, flow, params, .. } => {
                self.run(node, flow, params);
                let errors = self.errors.get(flow).cloned().unwrap_or_default();
                let fields = errors.values().cloned().fold(Shape::default(), Shape::join);
                // What is not there is not known: see `Plan::personal_at`.
                self.kept.insert(path.to_owned(), fields.mask());
                self.raise(errors);
                let value = self.results.get(flow).cloned().unwrap_or_default();
                self.set(*slot, value);
            }
            NodeKind::Return(value) => {
                let shape = self.value(value);
                self.keep(path, &shape);
                self.result = std::mem::take(&mut self.result).join(shape);
            }
            NodeKind::DeadLetter { value, .. } | NodeKind::Respond { body: Some(value), .. } => {
                let shape = self.value(value);
                self.keep(path, &shape);
            }
            NodeKind::Fail { error, fields } => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), self.value(value)));
                let mut shape = Shape::record(fields.collect::<Vec<_>>());
                // What is marked is personal whatever it is made of.
                if let ErrorKind::Declared(name) = error {
                    shape = shape.join(of_type(self.judge.names, &Type::Named(name.clone())));
                }
                self.keep(path, &shape);
                self.raise(Errors::from([(error.clone(), shape)]));
            }
            NodeKind::Log(value) | NodeKind::Approve { question: value, .. } => {
                if self.value(value).any().is_some() {
                    let value = self.masked(value);
                    self.shown.push((node, value));
                }
            }
            NodeKind::Respond { body: None, .. } | NodeKind::Sleep(_) => {}
        }
        Shape::default()
    }

    fn raise(&mut self, errors: Errors) {
        for (kind, shape) in errors {
            let known = self.raised.remove(&kind).unwrap_or_default();
            self.raised.insert(kind, known.join(shape));
        }
    }

    fn keep(&mut self, path: &str, shape: &Shape) {
        if shape.any().is_some() {
            self.kept.insert(path.to_owned(), shape.mask());
        }
    }

    /// The expression with what is personal hidden: in a text each insertion by itself, so that the rest is readable.
    fn masked(&mut self, expr: &Expr) -> Expr {
        let shape = self.value(expr);
        if shape.any().is_none() {
            return expr.clone();
        }
        match expr {
            Expr::Text { parts, language } => {
                let parts = parts.iter().map(|part| match part {
                    TextPart::Fixed(text) => TextPart::Fixed(text.clone()),
                    TextPart::Insert(insert) => TextPart::Insert(self.masked(insert)),
                });
                Expr::Text { parts: parts.collect(), language: *language }
            }
            // Marks are by the names that the program uses, so the value is masked before it takes its names in JSON.
            Expr::Wire(inner, ty) => Expr::Wire(Box::new(self.masked(inner)), ty.clone()),
            Expr::Whole(inner, ty) => Expr::Whole(Box::new(self.masked(inner)), ty.clone()),
            _ => Expr::Masked(Box::new(expr.clone()), shape.mask()),
        }
    }

    fn step(&mut self, plan: &Plan, node: NodeIndex, step: &Step) {
        let names = self.judge.names;
        let connection = names.connections.get(&step.connection);
        let connector = connection.and_then(|connection| names.connectors.get(&connection.connector));
        let Some((connection, info)) = connection.zip(connector) else { return };
        let Some(operation) = info.schema.operations.get(&step.operation) else { return };
        for (index, ((name, field), arg)) in operation.params.iter().zip(&step.args).enumerate() {
            let shape = self.value(arg);
            if connection.personal {
                continue;
            }
            if let Some(source) = leak(names, &shape, field) {
                let callee = format!("{}.{}", step.connection, step.operation);
                let declared = info.operations.get(&step.operation).and_then(|spans| spans.params.get(name)).copied();
                let span = self.place(node, index);
                let problem = Diagnostic::new(
                    Code::W0604,
                    format!("personal data goes to `{callee}`, which is not marked for it"),
                    span,
                    format!("made of `{}`, given to `{name}`", source.name),
                );
                self.report(
                    problem,
                    source,
                    declared.map(|span| (span, format!("`{name}` has no `@pii`"))),
                    format!(
                        "if that system may have it, mark the connection: `connection {} = {} {{ … }} @pii`; \
                     else leave it out, or hide it with `.mask()`",
                        step.connection, connection.connector
                    ),
                );
            }
        }
        let result = of_type(names, step.result.as_ref().unwrap_or(&operation.result));
        self.set(step.slot, result);
        self.region(plan, plan.region(node, 0));
        // Where data goes from within an operation was told of where the operation is called.
        let known = self.problems.len();
        self.region(plan, plan.region(node, 1));
        self.problems.truncate(known);
    }

    /// The mark must not be lost on the bus: who listens knows only what the event declares.
    fn emit(&mut self, node: NodeIndex, event: &str, value: &Expr) {
        let names = self.judge.names;
        let shape = self.value(value);
        let whole = Field::of(Type::Named(event.to_owned()));
        let Some(source) = leak(names, &shape, &whole) else { return };
        let problem = Diagnostic::new(
            Code::W0604,
            format!("personal data goes into the event `{event}`, which is not marked for it"),
            self.place(node, 0),
            format!("made of `{}`", source.name),
        );
        let declared = names.events.get(event).map(|span| (*span, "declared here".to_owned()));
        let help = "mark the field of the event with `@pii`, so that who receives it knows; else leave it out";
        self.report(problem, source, declared, help.to_owned());
    }

    fn run(&mut self, node: NodeIndex, flow: &str, params: &[(String, Expr)]) {
        let names = self.judge.names;
        let Some(info) = names.flows.get(flow) else { return };
        for (index, (name, value)) in params.iter().enumerate() {
            let shape = self.value(value);
            let Some(field) = info.params.get(name) else { continue };
            let Some(source) = leak(names, &shape, field) else { continue };
            let problem = Diagnostic::new(
                Code::W0604,
                format!("personal data goes to the flow `{flow}`, which does not know that it is"),
                self.place(node, index),
                format!("made of `{}`, given to `{name}`", source.name),
            );
            let written = info.ast.params.iter().find(|param| param.name.text == *name);
            let declared = written.map(|param| (param.name.span, format!("`{name}` has no `@pii`")));
            let help = format!("mark the parameter: `{name}: {} @pii`; else leave it out", field.ty);
            self.report(problem, source, declared, help);
        }
    }

    fn place(&self, node: NodeIndex, index: usize) -> Span {
        let of_node = || self.sources.nodes.get(node.index()).copied().unwrap_or_default();
        self.arguments.get(&(node, index)).copied().unwrap_or_else(of_node)
    }

    fn report(&mut self, problem: Diagnostic, source: &Source, declared: Option<(Span, String)>, help: String) {
        let mut problem = problem;
        if let Some(span) = source.span {
            problem = problem.label(span, format!("`{}` is marked `@pii`", source.name));
        }
        if let Some((span, text)) = declared {
            problem = problem.label(span, text);
        }
        self.problems.push(problem.help(help));
    }
}
