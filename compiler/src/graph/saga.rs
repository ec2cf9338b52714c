//! `saga` and `undo`: what is taken back when something later fails.
//!
//! In: a block, and the `undo` of a step. Out: the node of the saga, and a region of the step with the call that takes it
//! back. What a saga binds is known after it, as with `parallel`: it is only left when all of it succeeded.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Descend, Expr, Slot},
    plan::NodeKind,
    schema::Effect,
    span::Span,
    ty::Type,
};
use petgraph::graph::NodeIndex;

use super::{
    builder::{Builder, Chain},
    failure::Raised,
    lower::{Ends, Goal, Lowering},
    step::Target,
};
use crate::{
    ast::{self, Block, ExprKind, Ident},
    types::Kind,
};

impl Lowering<'_> {
    /// `saga { … }`
    pub(super) fn saga_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        body: &Block,
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or("saga"), span);
        self.sagas.push(Span { end: span.start + "saga".len() as u32, ..span });
        self.el.scope.push();
        let region = self.block_in_frame(body, goal);
        self.sagas.pop();
        let frame = self.el.scope.pop();
        for (name, binding) in frame.bindings {
            let ident = Ident { text: name.clone(), span: binding.span };
            if let Some(first) = self.el.scope.bind(&name, binding) {
                self.el.problems.push(crate::names::duplicate("binding", &ident, first));
            }
        }
        self.el.scope.learn(frame.present);
        self.builder.region(node, 0, region.chain);
        self.builder.set(node, NodeKind::Saga { slot });
        (region.ty, region.ends)
    }

    /// The `undo` of a step: a region of its node, which sees the step's result in `slot`.
    pub(super) fn undo(&mut self, node: NodeIndex, step: &ast::Step, slot: Slot, result: &Type, name: &str) {
        let Some((span, call)) = &step.undo else { return };
        self.el.scope.push();
        // Where null is no success, nothing was made that could be taken back.
        let null_fails = matches!(step.otherwise, Some(ast::Otherwise::Fail(_) | ast::Otherwise::Return(..)));
        let is_guarded = null_fails && matches!(result, Type::Optional(_));
        if let Some(name) = &step.name {
            let ty = if is_guarded { result.non_null() } else { result };
            self.el.bind_at(name, slot, ty.clone(), Kind::Step);
        }
        // What an undo can end with has nothing to do with what the flow can end with.
        self.raised.push(Raised::default());
        // It runs when the run has ended, whatever the deadline was.
        let deadline = self.deadline.take();
        let mut chain = Chain::default();
        let undo = ast::Step {
            span: *span,
            name: None,
            call: call.clone(),
            wait: None,
            within: None,
            with: Vec::new(),
            otherwise: None,
            catch: None,
            optional: None,
            undo: None,
        };
        match &call.kind {
            ExprKind::Call { callee, args, types } => {
                if let Some(mut target) = self.target(callee, &undo) {
                    self.instantiate(&mut target, types);
                    self.takes_back(&target, call);
                    self.call(&mut chain, &undo, &target, args, &format!("{name}.undo"));
                }
            }
            ExprKind::Missing => self.el.has_gaps = true,
            ExprKind::Name(word) if word == "default" => {
                self.default_undo(&mut chain, *span, call.span, node, slot, name)
            }
            _ => self
                .el
                .problems
                .push(Diagnostic::new(Code::E0606, "`undo` calls an operation", call.span, "not a call").help(
                    "write the call that takes the step back: `undo connection.operation(…)`, or `undo default`",
                )),
        }
        self.raised.pop();
        self.deadline = deadline;
        self.el.scope.pop();
        if is_guarded {
            let mut whole = Chain::default();
            let guard = self.builder.reserve(&mut whole, &format!("{name}.undo.if"), *span);
            self.builder.region(guard, 1, chain);
            self.builder.set(guard, NodeKind::If { slot: None, conditions: vec![Builder::is_null(slot)] });
            chain = whole;
        }
        self.builder.region(node, 0, chain);
    }

    /// `undo default`: the call that the connector declares to take the step back.
    fn default_undo(&mut self, chain: &mut Chain, span: Span, word: Span, node: NodeIndex, slot: Slot, name: &str) {
        let Some(NodeKind::Step(step)) = self.builder.kind(node) else { return };
        let step = step.clone();
        let names = self.el.names;
        let Some(connection) = names.connections.get(&step.connection) else { return };
        let Some(info) = names.connectors.get(&connection.connector) else { return };
        let declared = info.schema.operations.get(&step.operation).and_then(|operation| operation.undo.as_ref());
        let Some(undo) = declared else {
            let message = format!("nothing takes `{}.{}` back by default", step.connection, step.operation);
            let mut problem = Diagnostic::new(Code::E0606, message, word, "declares no `undo`");
            if let Some(spans) = info.operations.get(&step.operation) {
                problem = problem.label(spans.name, "declared here");
            }
            self.el.problems.push(problem.help("write the call: `undo connection.operation(…)`"));
            return;
        };
        let Some(target) = info.schema.operations.get(&undo.operation) else { return };
        let args = undo.args.iter().map(|arg| substitute(arg, &step.args, slot)).collect();
        let (policy, _) = super::policy::of(self, &[], &step.connection, target);
        self.used.entry(step.connection.clone()).or_default().insert(undo.operation.clone());
        let call = flow_model::plan::Step {
            slot: Some(self.el.scope.fresh()),
            connection: step.connection.clone(),
            operation: undo.operation.clone(),
            result: None,
            args,
            key: None,
            policy,
        };
        self.builder.add(chain, &format!("{name}.undo"), NodeKind::Step(Box::new(call)), span);
    }

    /// Reports an undo that only reads.
    fn takes_back(&mut self, target: &Target<'_>, call: &ast::Expr) {
        if target.operation.effect != Effect::Read {
            return;
        }
        let mut problem = Diagnostic::new(
            Code::E0606,
            format!("`{}.{}` takes nothing back", target.connection, target.name),
            call.span,
            "only reads",
        );
        if let Some(effect) = target.info.operations.get(&target.name).and_then(|spans| spans.effect) {
            problem = problem.label(effect, "declared here");
        }
        self.el.problems.push(problem.help("call an operation that removes or resets what the step has made"));
    }

    /// Reports an `undo` where nothing was done that could be taken back.
    pub(super) fn no_undo(&mut self, step: &ast::Step, why: &str, help: &str) {
        let Some((span, call)) = &step.undo else { return };
        let keyword = Span { end: span.start + "undo".len() as u32, ..*span };
        // Its names are used, if for nothing.
        self.el.problems.push(Diagnostic::new(Code::E0606, why, keyword, "takes nothing back").help(help));
        if let ExprKind::Call { .. } = call.kind {
            self.el.has_gaps = true;
        }
    }

    /// Warns of what a saga makes and would leave behind, and of what the loser of a race does.
    pub(super) fn left_behind(&mut self, step: &ast::Step, target: &Target<'_>) {
        let Some(saga) = self.sagas.last() else { return self.left_by_loser(step, target) };
        if step.undo.is_some() || target.operation.effect != Effect::Create {
            return;
        }
        let mut problem = Diagnostic::new(
            Code::W0603,
            format!("what `{}.{}` creates is left behind when the saga fails", target.connection, target.name),
            step.call.span,
            "creates something, and has no `undo`",
        )
        .label(*saga, "takes back what it has done");
        if let Some(effect) = target.info.operations.get(&target.name).and_then(|spans| spans.effect) {
            problem = problem.label(effect, "declared here");
        }
        self.el.problems.push(
            problem
                .help("add `undo connection.operation(…)` to the step, or put the step after the saga if it may stay"),
        );
    }

    /// Warns of what a branch of a race does that nothing takes back when another one wins.
    fn left_by_loser(&mut self, step: &ast::Step, target: &Target<'_>) {
        let Some(race) = self.races.last() else { return };
        let label = match target.operation.effect {
            Effect::Create => "creates something, and has no `undo`",
            Effect::Destroy => "takes something away, and has no `undo`",
            Effect::Read | Effect::Idempotent => return,
        };
        if step.undo.is_some() {
            return;
        }
        let message =
            format!("what `{}.{}` does stays when another branch of the race wins", target.connection, target.name);
        let mut problem = Diagnostic::new(Code::W0608, message, step.call.span, label)
            .label(*race, "cancels the others when one has succeeded");
        if let Some(effect) = target.info.operations.get(&target.name).and_then(|spans| spans.effect) {
            problem = problem.label(effect, "declared here");
        }
        self.el.problems.push(problem.help(
            "add `undo connection.operation(…)` to the step, or try one after the other: `first x in xs { … }` stops where something may have happened",
        ));
    }
}

/// An expression of a declaration in the place of a step: parameters are the step's arguments, `.member` is its result.
fn substitute(expr: &Expr, args: &[Expr], result: Slot) -> Expr {
    let mut made = expr.clone();
    made.each_mut(&mut |part| match part {
        Expr::Slot(Slot(index)) => {
            if let Some(arg) = args.get(*index as usize) {
                *part = arg.clone();
            }
            Descend::No
        }
        Expr::Ambient(Ambient::Item) => {
            *part = Expr::Slot(result);
            Descend::No
        }
        _ => Descend::Yes,
    });
    made
}
