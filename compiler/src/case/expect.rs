//! `expect`: what must hold at the end, and can it?

use flow_model::{
    case::{Count, Expectation, Expected, Happening, RunState, Target},
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Ambient, Expr, RecordPart},
    plan::NodeKind,
    schema::Call,
    span::Span,
    ty::{Field, Type},
    value::Value,
};

use super::{Checker, Meant};
use crate::{
    ast::{self, ExpectedWhat, ExprKind, Ident, RecordEntry},
    graph,
    names::similar,
    types::{Because, Records, Want, listed},
};

/// How a run can be expected to be.
const STATES: [&str; 3] = ["completed", "failed", "needs_decision"];

impl Checker<'_> {
    pub(super) fn expectation(&mut self, written: &ast::Expectation) -> Option<Expectation> {
        let what = match &written.what {
            ExpectedWhat::Run { state, failure } => {
                let state = self.run_state(state, failure.as_ref().map(|failure| &failure.error))?;
                let fields = match (&state, failure) {
                    (RunState::Failed(Some(kind)), Some(failure)) => self.fields(failure, kind)?,
                    _ => Vec::new(),
                };
                Expected::Run { state, fields }
            }
            ExpectedWhat::Result(value) => {
                let ty = self.plan.result.clone();
                Expected::Result(self.pattern(value, Some(&ty)))
            }
            ExpectedWhat::Called { target, often, with } => self.calls(target, *often, with.as_ref())?,
            ExpectedWhat::Emitted { event, often, with } => self.emitted(event, *often, with.as_ref())?,
            ExpectedWhat::DeadLetter { queue, contains } => {
                let pattern = contains.as_ref().map(|value| self.pattern(value, None));
                self.queue(queue)?;
                if let Some(written) = contains {
                    let what = format!("what goes into `{}`", queue.text);
                    self.kept(written, &what, |kind| match kind {
                        NodeKind::DeadLetter { queue: one, value } if *one == queue.text => Some(value),
                        _ => None,
                    });
                }
                Expected::DeadLetter { queue: queue.text.clone(), contains: pattern }
            }
            ExpectedWhat::Responded { status, body } => {
                let pattern = body.as_ref().map(|value| self.pattern(value, None));
                let status = self.status(status)?;
                if let Some(written) = body {
                    self.kept(written, &format!("an answer with {status}"), |kind| match kind {
                        NodeKind::Respond { status: Expr::Literal(Value::Int(one)), body: Some(body) } => {
                            (*one == i64::from(status)).then_some(body)
                        }
                        NodeKind::Respond { body: Some(body), .. } => Some(body),
                        _ => None,
                    });
                }
                Expected::Responded { status, body: pattern }
            }
            ExpectedWhat::Never { what, order } => {
                let what = self.happening(what);
                let order = match order.as_deref() {
                    Some((order, other)) => Some(Box::new((*order, self.happening(other)?))),
                    None => None,
                };
                Expected::Never { what: what?, order }
            }
        };
        Some(Expectation { what, span: written.span })
    }

    fn cannot(&mut self, message: String, span: Span, label: &str, help: String) {
        self.el.problems.push(Diagnostic::new(Code::E0424, message, span, label).help(help));
    }

    /// A value of which only what is written counts.
    fn pattern(&mut self, value: &ast::Expr, ty: Option<&Type>) -> Expr {
        self.el.records = Records::Pattern;
        let typed = self.el.check(value, Want { ty, because: None });
        self.el.records = Records::Whole;
        typed.expr
    }

    fn run_state(&mut self, state: &Ident, kind: Option<&ast::Path>) -> Option<RunState> {
        let found = match state.text.as_str() {
            "completed" => RunState::Completed,
            "needs_decision" => RunState::NeedsDecision,
            "failed" => match kind {
                None => RunState::Failed(None),
                Some(path) => {
                    let what = format!("`{}`", self.plan.flow);
                    RunState::Failed(Some(self.kind(path, &self.plan.errors, &what)?))
                }
            },
            other => {
                let problem = Diagnostic::new(
                    Code::E0424,
                    format!("a run is never `{other}` at its end"),
                    state.span,
                    "no such state",
                );
                self.el.problems.push(match similar(other, STATES) {
                    Some(near) => problem
                        .help(format!("did you mean `{near}`?"))
                        .fix(format!("write `{near}`"), vec![Edit { span: state.span, text: near.to_owned() }]),
                    None => problem.help("write `completed`, `failed`, `failed Kind` or `needs_decision`"),
                });
                return None;
            }
        };
        if let (Some(path), false) = (kind, matches!(found, RunState::Failed(_))) {
            let help = format!("write `expect run failed {}`, or leave it out", path.text());
            self.cannot(format!("a run that is `{}` has no error", state.text), path.span(), "an error", help);
            return None;
        }
        Some(found)
    }

    fn calls(
        &mut self,
        target: &ast::Target,
        often: Option<ast::HowOften>,
        with: Option<&ast::Expr>,
    ) -> Option<Expected> {
        let count = self.count(often, "calls", "`called`, `called once`, `called 3 times` or `called never`")?;
        if let ast::Target::Wait(event) = target {
            let help = "expect what comes after it: a result, a call, how the run ends".to_owned();
            self.cannot("a `wait` is not called".to_owned(), event.span(), "an event", help);
            return None;
        }
        let target = match self.target(target)? {
            Meant::Called(target) => target,
            Meant::NotCalled(target) if count == Count::Exactly(0) => {
                return Some(Expected::Called { target, count, with: None });
            }
            Meant::NotCalled(_) => {
                self.not_called(target);
                return None;
            }
        };
        let with = self.with(&target, with)?;
        Some(Expected::Called { target, count, with })
    }

    /// How often something happens.
    fn count(&mut self, often: Option<ast::HowOften>, what: &str, forms: &str) -> Option<Count> {
        match often {
            None => Some(Count::AtLeastOnce),
            Some(ast::HowOften { times: Some(times), .. }) => Some(Count::Exactly(times)),
            Some(ast::HowOften { times: None, span }) => {
                self.cannot(format!("`always` is no number of {what}"), span, "how often?", format!("write {forms}"));
                None
            }
        }
    }

    /// `emitted order.shipped once with { … }`
    fn emitted(
        &mut self,
        event: &ast::Path,
        often: Option<ast::HowOften>,
        with: Option<&ast::Expr>,
    ) -> Option<Expected> {
        let name = event.text();
        let count = self.count(often, "events", "`once`, `3 times`, `never`, or nothing for at least once")?;
        let known = self.written(|kind| match kind {
            NodeKind::Emit { event, .. } => Some(event.clone()),
            _ => None,
        });
        let is_never = self.el.names.events.contains_key(&name) && count == Count::Exactly(0);
        if !is_never && !known.contains(&name) {
            let message = format!("`{}` never emits `{name}`", self.plan.flow);
            let problem = Diagnostic::new(Code::E0424, message, event.span(), "never emitted");
            let words = ("the flow has no `emit`", "it emits");
            self.el.problems.push(super::offering(problem, &name, &known, words));
            return None;
        }
        let pattern = with.map(|with| self.pattern(with, Some(&Type::Named(name.clone()))));
        Some(Expected::Emitted { event: name, count, with: pattern })
    }

    /// What the nodes of the flow, and of those that it calls, name of a kind, each once.
    pub(super) fn written(&self, name: impl Fn(&NodeKind) -> Option<String>) -> Vec<String> {
        let nodes = self.plans.iter().flat_map(|plan| plan.graph.node_weights());
        let mut known: Vec<String> = nodes.filter_map(|node| name(&node.kind)).collect();
        known.sort();
        known.dedup();
        known
    }

    fn not_called(&mut self, target: &ast::Target) {
        let span = target.span();
        if let ast::Target::Approve(_) = target {
            let help = "the flow has no `approve`: leave this out".to_owned();
            return self.cannot(format!("`{}` asks nobody", self.plan.flow), span, "never asked", help);
        }
        let known: Vec<String> = self.called.iter().map(|(connection, name)| format!("{connection}.{name}")).collect();
        let help = match known.as_slice() {
            [] => "the flow has no steps: leave this out".to_owned(),
            known => format!("it calls {}", listed(known)),
        };
        self.cannot(format!("`{}` never makes this call", self.plan.flow), span, "never called", help);
    }

    /// The arguments after `with`, if there are any; nothing when they can't be understood.
    fn with(&mut self, target: &Target, with: Option<&ast::Expr>) -> Option<Option<Expr>> {
        match (with, target) {
            (None, _) => Some(None),
            (Some(with), Target::All) => {
                self.whose(with.span);
                None
            }
            (Some(with), Target::Operation { connection, operation }) => {
                Some(Some(self.arguments(with, connection, operation)?))
            }
            (Some(with), Target::Approve | Target::Wait(_)) => {
                let by = Field::of(Type::String.optional());
                let asked = [("question".to_owned(), Field::of(Type::String)), ("by".to_owned(), by)];
                Some(Some(self.pattern(with, Some(&Type::Record(asked.into_iter().collect())))))
            }
        }
    }

    fn whose(&mut self, span: Span) {
        let help = "name the operation in place of `*`".to_owned();
        self.cannot("each operation has its own arguments".to_owned(), span, "whose arguments?", help);
    }

    /// A call that an invariant is about.
    fn happening(&mut self, written: &ast::Happening) -> Option<Happening> {
        let Meant::Called(target) = self.target(&written.target)? else {
            self.not_called(&written.target);
            return None;
        };
        if matches!(target, Target::Approve | Target::Wait(_)) {
            let help = "name an operation: `connection.operation`, or `*`".to_owned();
            self.cannot("a rule is about calls of operations".to_owned(), written.target.span(), "no call", help);
            return None;
        }
        let with = self.with(&target, written.with.as_ref())?;
        let filter = match (&written.filter, &target) {
            (None, _) => None,
            (Some(filter), Target::All | Target::Approve | Target::Wait(_)) => {
                let before = self.el.problems.len();
                self.el.alone(filter);
                self.el.problems.truncate(before);
                self.whose(filter.span);
                return None;
            }
            (Some(filter), Target::Operation { connection, operation }) => {
                let sent = self.sent(connection, operation)?;
                self.el.ambient(Ambient::Item, sent);
                let typed = self.el.check(filter, Want::of(&Type::Bool));
                self.el.forget(Ambient::Item);
                Some(typed.expr)
            }
        };
        Some(Happening { target, happened: written.happened, with, filter })
    }

    /// The arguments of an operation as calls have them. What is sent in another form than its type's is any JSON.
    fn sent(&self, connection: &str, operation: &str) -> Option<Type> {
        let declared = self.operation(connection, operation)?.1;
        let types = &self.el.names.types;
        let field = |(name, field): (&String, &Field)| {
            let value = Expr::Ambient(Ambient::Item);
            let is_plain = match declared.call {
                Call::Http(_) => graph::wire(types, name, field, value.clone()) == value,
                Call::Native | Call::Body => true,
            };
            (name.clone(), Field::of(if is_plain { field.ty.clone() } else { Type::Json }))
        };
        Some(Type::Record(declared.params.iter().map(field).collect()))
    }

    /// `with { to: "…" }`: some of the arguments, in the form in which the call has them.
    fn arguments(&mut self, with: &ast::Expr, connection: &str, operation: &str) -> Option<Expr> {
        let declared = self.operation(connection, operation)?.1;
        let ExprKind::Record(entries) = &with.kind else {
            let help = "write `with { name: value }`: the arguments that matter".to_owned();
            self.cannot("arguments are named".to_owned(), with.span, "no record", help);
            return None;
        };
        let names = self.el.names;
        let spans = names
            .connections
            .get(connection)
            .and_then(|connection| names.connectors.get(&connection.connector))
            .and_then(|connector| connector.operations.get(operation));
        let mut parts = Vec::new();
        for entry in entries {
            let (name, value) = match entry {
                RecordEntry::Field { name, value } => (name, value),
                RecordEntry::Spread(rest) => {
                    let help = "name the arguments that matter".to_owned();
                    self.cannot("nothing is spread here".to_owned(), rest.span, "not possible", help);
                    continue;
                }
            };
            let Some(field) = declared.params.get(&name.text) else {
                self.el.alone(value);
                let message = format!("`{connection}.{operation}` has no parameter `{}`", name.text);
                let mut problem = Diagnostic::new(Code::E0306, message, name.span, "no such parameter");
                if let Some(spans) = spans {
                    problem = problem.label(spans.name, "declared here");
                }
                let params = listed(declared.params.keys());
                self.el.problems.push(match similar(&name.text, declared.params.keys().map(String::as_str)) {
                    Some(near) => problem
                        .help(format!("did you mean `{near}`? The parameters are {params}"))
                        .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
                    None => problem.help(format!("the parameters are {params}")),
                });
                continue;
            };
            let because = spans
                .and_then(|spans| spans.params.get(&name.text))
                .map(|span| Because { span: *span, text: format!("`{}` is declared `{}`", name.text, field.ty) });
            self.el.records = Records::Pattern;
            let typed = self.el.check(value, Want { ty: Some(&field.ty), because: because.as_ref() });
            self.el.records = Records::Whole;
            let value = match declared.call {
                Call::Http(_) => graph::wire(&names.types, &name.text, field, typed.expr),
                Call::Native | Call::Body => typed.expr,
            };
            parts.push(RecordPart::Field(name.text.clone(), value));
        }
        Some(Expr::Record(parts))
    }

    fn queue(&mut self, queue: &Ident) -> Option<()> {
        let known = self.written(|kind| match kind {
            NodeKind::DeadLetter { queue, .. } => Some(queue.clone()),
            _ => None,
        });
        if known.contains(&queue.text) {
            return Some(());
        }
        let message = format!("`{}` has no `dead_letter {}`", self.plan.flow, queue.text);
        let problem = Diagnostic::new(Code::E0424, message, queue.span, "never written");
        let words = ("the flow has no `dead_letter`", "its dead letters go to");
        self.el.problems.push(super::offering(problem, &queue.text, &known, words));
        None
    }

    /// Reports fields that nothing has which the flow puts there; what is not written out as a record may have any.
    fn kept(&mut self, written: &ast::Expr, what: &str, put: impl Fn(&NodeKind) -> Option<&Expr>) {
        let ExprKind::Record(entries) = &written.kind else { return };
        let mut known: Vec<String> = Vec::new();
        for value in self.plans.iter().flat_map(|plan| plan.graph.node_weights()).filter_map(|node| put(&node.kind)) {
            let Expr::Record(parts) = value else { return };
            for part in parts {
                let RecordPart::Field(name, _) = part else { return };
                known.push(name.clone());
            }
        }
        known.sort();
        known.dedup();
        for entry in entries {
            let RecordEntry::Field { name, .. } = entry else { continue };
            if known.is_empty() || known.contains(&name.text) || name.text.is_empty() {
                continue;
            }
            let problem = Diagnostic::new(
                Code::E0306,
                format!("{what} has no field `{}`", name.text),
                name.span,
                "no such field",
            );
            self.el.problems.push(match similar(&name.text, known.iter().map(String::as_str)) {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
                None => problem.help(format!("its fields are {}", listed(&known))),
            });
        }
    }

    fn status(&mut self, status: &ast::Expr) -> Option<u16> {
        if !self.plan.graph.node_weights().any(|node| matches!(node.kind, NodeKind::Respond { .. })) {
            let help = "look at what it returns: `expect result …`".to_owned();
            self.cannot(format!("`{}` has no `respond`", self.plan.flow), status.span, "never answered", help);
            return None;
        }
        match status.kind {
            ExprKind::Literal(Value::Int(number @ 100..=599)) => u16::try_from(number).ok(),
            _ => {
                let help = "write a number from 100 to 599".to_owned();
                self.cannot("there is no such status of HTTP".to_owned(), status.span, "no status", help);
                None
            }
        }
    }
}
