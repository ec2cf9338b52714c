//! Streams: what a loop goes through page by page.
//!
//! In: the head of a `for`, `contacts.filter(c -> c.active).take(100)`, or `step all = contacts.collect(max: 500)`. Out: the
//! slot of the step that gives the stream, and what its items go through. A step that gives a stream fetches nothing, so
//! what fetching can end with is raised where the stream is gone through.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, Slot},
    literal::Literal,
    plan::{ForOnError, NodeKind, Stage},
    span::Span,
    ty::Type,
    value::Value,
};

use super::{builder::Chain, lower::Lowering};
use crate::{
    ast::{self, Arg, ExprKind, Ident},
    types::{Callee, Found, Parameter, Typed, Want},
};

/// A stream with what its items go through.
pub(super) struct Flowing {
    /// The slot of the step that gives it.
    pub slot: Slot,
    /// The type of what comes out.
    pub item: Type,
    pub stages: Vec<Stage>,
}

/// A function of a stream, as written.
type Written<'w> = (&'w Ident, Span, &'w [Arg]);

impl Lowering<'_> {
    /// The stream that an expression begins with, and the functions after it, the first one first.
    fn stream_and_functions<'w>(&mut self, expr: &'w ast::Expr) -> Option<(Slot, Type, &'w str, Vec<Written<'w>>)> {
        let mut at = expr;
        let mut functions = Vec::new();
        loop {
            match &at.kind {
                ExprKind::Name(name) => {
                    if !self.el.scope.has(name) {
                        return None;
                    }
                    let Found::Binding(binding) = self.el.scope.find(name) else { return None };
                    let (slot, ty) = (binding.slot, binding.ty.clone());
                    functions.reverse();
                    return match ty {
                        Type::Stream(item) => Some((slot, *item, name, functions)),
                        _ => None,
                    };
                }
                ExprKind::Call { callee, args, .. } => match &callee.kind {
                    ExprKind::Member { of, name, .. } => {
                        functions.push((name, at.span, args.as_slice()));
                        at = of;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    /// The stream that the head of a `for` names, if it does.
    pub(super) fn flowing(&mut self, head: &ast::Expr) -> Option<Flowing> {
        let (slot, item, name, functions) = self.stream_and_functions(head)?;
        let mut flowing = Flowing { slot, item, stages: Vec::new() };
        for function in functions {
            self.stage(&mut flowing, name, function);
        }
        self.raise_pages(slot, head.span);
        Some(flowing)
    }

    /// What fetching pages can end with.
    fn raise_pages(&mut self, slot: Slot, span: Span) {
        for kind in self.streams.get(&slot).cloned().unwrap_or_default() {
            self.raise(kind, span);
        }
    }

    fn stage(&mut self, flowing: &mut Flowing, stream: &str, (function, call, args): Written<'_>) {
        let item = flowing.item.clone();
        let lambda = |result: Type| Type::Function(vec![item.clone()], Box::new(result));
        let param = |name: &str, ty: Type| (name.to_owned(), Parameter::new(ty, true));
        let (name, wanted) = match function.text.as_str() {
            "filter" => param("f", lambda(Type::Bool)),
            "map" => param("f", lambda(Type::Variable("U".to_owned()))),
            "take" => param("count", Type::Int),
            "chunks" => param("size", Type::Int),
            other => {
                let problem = Diagnostic::new(
                    Code::E0417,
                    format!("a stream has no function `{other}`"),
                    function.span,
                    "not for a stream",
                );
                let help = match other {
                    "collect" => format!("make it a step: `step all = {stream}.collect(max: 1_000)`"),
                    _ => format!(
                        "it has `filter`, `map`, `take` and `chunks`; for a list, `step all = {stream}.collect(max: 1_000)`"
                    ),
                };
                self.el.problems.push(problem.help(help));
                flowing.item = Type::Unknown;
                args.iter().for_each(|arg| self.el.alone(&arg.value));
                return;
            }
        };
        let callee = Callee { name: format!("`{}`", function.text), span: function.span, declared: None };
        let params = [(name, wanted.clone())].into_iter().collect();
        let given = self.el.bind_arguments(&callee, call, args, &params);
        let Some([Some(arg)]) = given.as_deref() else { return };
        let ty = wanted.ty;
        if function.text == "map" {
            let typed = self.el.typed(&arg.value, Want::of(&ty));
            if let (Expr::Lambda(slots, body), Type::Function(_, result)) = (typed.expr, typed.ty)
                && let Some(slot) = slots.first()
            {
                flowing.stages.push(Stage::Map(*slot, *body));
                flowing.item = *result;
            } else {
                flowing.item = Type::Unknown;
            }
            return;
        }
        let typed = self.el.check(&arg.value, Want::of(&ty));
        flowing.stages.extend(match typed.expr {
            Expr::Lambda(slots, body) => slots.first().map(|slot| Stage::Filter(*slot, *body)),
            count if function.text == "take" => Some(Stage::Take(count)),
            size if function.text == "chunks" => {
                self.el.check_literal(Literal::Positive, &size, arg.value.span);
                flowing.item = Type::List(Box::new(item));
                Some(Stage::Chunks(size))
            }
            _ => None,
        });
    }

    /// Says whether a step collects a stream: `step all = contacts.take(10).collect(max: 10)`.
    pub(super) fn is_collect(&mut self, call: &ast::Expr) -> bool {
        matches!(self.stream_and_functions(call), Some((.., functions))
            if functions.last().is_some_and(|(name, ..)| name.text == "collect"))
    }

    /// The loop that makes a list of a stream.
    pub(super) fn collect(&mut self, chain: &mut Chain, step: &ast::Step, node_name: &str) -> Typed {
        let slot = self.el.scope.fresh();
        let Some((stream, item, name, mut functions)) = self.stream_and_functions(&step.call) else {
            return Typed::unknown();
        };
        let Some((function, call, args)) = functions.pop() else { return Typed::unknown() };
        let mut flowing = Flowing { slot: stream, item, stages: Vec::new() };
        for function in functions {
            self.stage(&mut flowing, name, function);
        }
        self.raise_pages(stream, step.call.span);
        let callee = Callee { name: "`collect`".to_owned(), span: function.span, declared: None };
        let max = Parameter::new(Type::Int, true);
        let params = [("max".to_owned(), max)].into_iter().collect();
        let given = self.el.bind_arguments(&callee, call, args, &params);
        if let Some([Some(arg)]) = given.as_deref() {
            let most = self.el.check(&arg.value, Want::of(&Type::Int)).expr;
            flowing.stages.push(Stage::Most(most));
        }
        let node = self.builder.reserve(chain, node_name, step.span);
        let item = self.el.scope.fresh();
        self.builder.enter(node);
        let mut body = Chain::default();
        self.builder.add(&mut body, "yield", NodeKind::Yield(Expr::Slot(item)), step.span);
        self.builder.leave();
        self.builder.region(node, 0, body);
        let kind = NodeKind::For {
            slot: Some(slot),
            item,
            items: Expr::Slot(flowing.slot),
            concurrency: Expr::Literal(Value::Int(1)),
            every: None,
            on_error: ForOnError::Stop,
            stream: Some(flowing.stages),
        };
        self.builder.set(node, kind);
        Typed::new(Expr::Slot(slot), Type::List(Box::new(flowing.item)))
    }

    /// Reports the clauses of a step that gives a stream: nothing is fetched there.
    pub(super) fn only_gives(&mut self, step: &ast::Step) {
        let clauses = [
            step.catch.as_ref().map(|_| ("catch", step.call.span)),
            step.optional.map(|span| ("optional", span)),
            step.otherwise.as_ref().map(|_| ("else", step.call.span)),
            step.undo.as_ref().map(|(span, _)| ("undo", *span)),
        ];
        for (word, span) in clauses.into_iter().flatten() {
            self.el.problems.push(
                Diagnostic::new(
                    Code::E0417,
                    format!("a step that gives a stream has no `{word}`"),
                    span,
                    "no page is fetched here",
                )
                .help("pages are fetched where the stream is gone through: put the `for` into a `try`"),
            );
        }
        if step.name.is_none() {
            self.el.problems.push(
                Diagnostic::new(Code::E0417, "nobody goes through this stream", step.call.span, "no page is fetched")
                    .help("give it a name, and go through it: `step all = …`, `for x in all { … }`"),
            );
        }
    }
}
