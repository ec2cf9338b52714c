//! Events and people: `emit`, `wait` and `approve`.
//!
//! In: the statements as written. Out: their nodes. An event's content is checked against its declaration; what waits for
//! a limited time gives null when nothing came.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Ambient, Expr},
    plan::NodeKind,
    span::Span,
    ty::Type,
};
use indexmap::IndexMap;

use super::{
    builder::Chain,
    lower::{Lowering, has_effect},
};
use crate::{
    ast::{self, Arg, Ident},
    names::{unknown, walk},
    types::{Because, Callee, Parameter, Typed, Want, decision},
};

impl Lowering<'_> {
    /// `emit customer.created { … }`
    pub(super) fn emit(&mut self, chain: &mut Chain, span: Span, event: &ast::Path, value: &ast::Expr) {
        let name = self.event(event);
        let ty = name.clone().map(Type::Named);
        let because = name
            .as_ref()
            .and_then(|name| self.el.names.events.get(name))
            .map(|span| Because { span: *span, text: "the event is declared here".to_owned() });
        let typed = self.el.check(value, Want { ty: ty.as_ref(), because: because.as_ref() });
        if let Some(event) = name {
            self.builder.add(chain, &format!("emit {event}"), NodeKind::Emit { event, value: typed.expr }, span);
        }
    }

    /// The name of an event, if there is one.
    pub(super) fn event(&mut self, path: &ast::Path) -> Option<String> {
        let name = path.text();
        let events = &self.el.names.events;
        if events.contains_key(&name) {
            return Some(name);
        }
        let ident = Ident { text: name, span: path.span() };
        let problem = unknown(Code::E0201, "event", &ident, events.keys().map(String::as_str));
        self.el.problems.push(match problem.help {
            Some(_) => problem,
            None => problem.help(format!("declare it: `event {} {{ … }}`", ident.text)),
        });
        None
    }

    /// `wait order.shipped where .order == order.id for 7d`
    pub(super) fn wait(&mut self, chain: &mut Chain, step: &ast::Step, wait: &ast::Wait, node_name: &str) -> Typed {
        let event = self.event(&wait.event);
        let ty = event.clone().map_or(Type::Unknown, Type::Named);
        let filter = wait.filter.as_ref().map(|filter| {
            self.el.ambient(Ambient::Item, ty.clone());
            // It is computed anew for each event, and nothing of it is recorded.
            self.el.observes = false;
            let before = self.el.problems.len();
            let condition = self.el.condition(filter);
            if let (Some(event), true) = (&event, self.el.problems.len() == before) {
                self.looks_at_the_event(filter, event);
            }
            self.el.observes = true;
            self.el.forget(Ambient::Item);
            condition
        });
        let within = self.within(step);
        let slot = self.el.scope.fresh();
        let ty = if within.is_some() { ty.optional() } else { ty };
        if let Some(event) = event {
            let kind = NodeKind::Wait { slot: Some(slot), event, filter, within };
            self.builder.add(chain, node_name, kind, step.span);
        }
        Typed::new(Expr::Slot(slot), ty)
    }

    /// Reports a condition that holds for all events or for none, since it reads nothing of them: `where id == id`.
    fn looks_at_the_event(&mut self, filter: &ast::Expr, event: &str) {
        if matches!(filter.kind, ast::ExprKind::Missing) || reads_item(filter) {
            return;
        }
        let label = format!("reads nothing of `{event}`");
        let problem = Diagnostic::new(Code::E0418, "this does not say which event is meant", filter.span, label);
        let ty = Type::Named(event.to_owned());
        let fields = self.el.names.types.fields(&ty);
        let has = |name: &str| fields.as_ref().is_some_and(|fields| fields.contains_key(name));
        let left = match &filter.kind {
            ast::ExprKind::Binary { left, .. } => Some(left.as_ref()),
            _ => None,
        };
        let own = left.and_then(|left| match &left.kind {
            ast::ExprKind::Name(name) if has(name) => Some((left.span, name)),
            _ => None,
        });
        self.el.problems.push(match own {
            Some((span, name)) => problem
                .help(format!("a field of the event is named with a dot before it: `.{name}`"))
                .fix(format!("write `.{name}`"), vec![Edit { span, text: format!(".{name}") }]),
            None => {
                let field = fields.and_then(|fields| fields.keys().next().cloned()).unwrap_or_else(|| "id".to_owned());
                problem.help(format!("name a field of the event, with a dot before it: `where .{field} == …`"))
            }
        });
    }

    /// Says whether a callee is `approve`, and not a function or binding of that name.
    pub(super) fn is_approve(&self, callee: &ast::Expr) -> bool {
        let names = self.el.names;
        matches!(&callee.kind, ast::ExprKind::Name(name)
            if name == "approve" && !self.el.scope.has(name) && !names.functions.contains_key(name) && !names.flows.contains_key(name))
    }

    /// `approve("Refund {total}?", by: "finance") for 2d`
    pub(super) fn approve(
        &mut self,
        chain: &mut Chain,
        step: &ast::Step,
        callee: Span,
        args: &[Arg],
        node_name: &str,
    ) -> Typed {
        let params = IndexMap::from([
            ("question".to_owned(), Parameter::new(Type::String, true)),
            ("by".to_owned(), Parameter::new(Type::String.optional(), false)),
        ]);
        let called = Callee { name: "`approve`".to_owned(), span: callee, declared: None };
        let mut values = Vec::new();
        if let Some(given) = self.el.bind_arguments(&called, step.call.span, args, &params) {
            for ((name, param), arg) in params.iter().zip(given) {
                values.push(arg.map(|arg| self.el.argument(name, param, arg)));
            }
        }
        let within = self.within(step);
        let slot = self.el.scope.fresh();
        let mut values = values.into_iter();
        if let Some(Some(question)) = values.next() {
            let kind =
                NodeKind::Approve { slot: Some(slot), question, by: values.next().flatten(), within: within.clone() };
            self.builder.add(chain, node_name, kind, step.span);
        }
        let decision = decision();
        Typed::new(Expr::Slot(slot), if within.is_some() { decision.optional() } else { decision })
    }

    /// `for 7d`
    fn within(&mut self, step: &ast::Step) -> Option<Expr> {
        let (_, written) = step.within.as_ref()?;
        Some(self.duration(written, "`for` needs a time"))
    }

    /// A duration above zero.
    pub(super) fn duration(&mut self, written: &ast::Expr, what: &str) -> Expr {
        if has_effect(written) {
            return self.el.check(written, Want::default()).expr;
        }
        let typed = self.el.check(written, Want::default());
        let typed = self.el.non_null(typed, written, what);
        let help = match typed.ty {
            Type::Duration => match typed.expr {
                Expr::Literal(flow_model::value::Value::Duration(time)) if time.0 == 0 => "no time at all",
                _ => return typed.expr,
            },
            Type::Unknown | Type::Never => return typed.expr,
            _ => "not a duration",
        };
        self.el.problems.push(
            Diagnostic::new(Code::E0301, "a duration is expected", written.span, help)
                .help("write how long, such as `10s`, `15m` or `7d`"),
        );
        typed.expr
    }

    /// Reports clauses of a step that only calls of operations have.
    pub(super) fn only_operations(&mut self, step: &ast::Step, what: &str, policy: &str, undo: &str) {
        if let Some(with) = step.with.first() {
            self.el.problems.push(
                Diagnostic::new(Code::E0315, format!("{what} has no policy"), with.span, "has no meaning here")
                    .help(policy),
            );
        }
        self.no_undo(step, &format!("{what} has nothing to undo"), undo);
    }

    /// Reports `for` after what does not wait.
    pub(super) fn no_waiting(&mut self, step: &ast::Step) {
        let Some((span, _)) = &step.within else { return };
        self.el.problems.push(
            Diagnostic::new(Code::E0315, "only `wait` and `approve` take `for`", *span, "nothing waits here")
                .help("to limit how long a call takes, write `with { timeout: 10s }`"),
        );
    }
}

/// Says whether an expression reads a member of what its place implies: `.id`.
fn reads_item(written: &ast::Expr) -> bool {
    struct Reads(bool);
    impl<'a> walk::Visitor<'a> for Reads {
        fn expr(&mut self, expr: &'a ast::Expr) {
            self.0 |= matches!(expr.kind, ast::ExprKind::ImpliedMember(_));
        }
    }
    let mut reads = Reads(false);
    walk::expr(written, &mut reads);
    reads.0
}
