//! `first`, `race` and `repeat`: several ways to one value.
//!
//! In: a control expression, and the slot that takes its value if one is wanted. Out: one node with its regions.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, Slot},
    failure::ErrorKind,
    plan::NodeKind,
    span::Span,
    ty::Type,
    value::Value,
};

use super::{
    builder::Chain,
    lower::{Ends, Goal, Lowering, Region, has_effect},
};
use crate::{
    ast::{self, Block, Ident, Statement, StatementKind},
    types::{Kind, Want},
};

impl Lowering<'_> {
    /// `first p in candidates { … }`
    #[expect(clippy::too_many_arguments, reason = "the parts of one expression and where its value goes")]
    pub(super) fn first_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        item: &Ident,
        items: &ast::Expr,
        body: &Block,
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or(&item.text), span);
        let list = self.el.check(items, Want::default());
        let list = self.el.non_null(list, items, "`first` needs a list");
        let ty = self.item_type("first", &list, items.span);
        self.el.scope.push();
        let item = self.el.bind_new(item, ty, Kind::Item);
        self.builder.enter(node);
        self.firsts += 1;
        let region = self.block(body, goal);
        self.firsts -= 1;
        self.builder.leave();
        self.el.close();
        self.builder.region(node, 0, region.chain);
        self.builder.set(node, NodeKind::First { slot, item, items: list.expr });
        (region.ty, region.ends)
    }

    /// `race { … }`: each statement is a branch, with the value that it binds or has.
    pub(super) fn race_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        body: &Block,
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or("race"), span);
        let last = body.value.as_deref().and_then(|value| self.last_runner(value));
        let branches: Vec<&Statement> = body.statements.iter().chain(&last).collect();
        let bound: BTreeMap<String, Span> = branches
            .iter()
            .flat_map(|branch| super::control::bound_names(branch))
            .map(|name| (name.text.clone(), name.span))
            .collect();
        if branches.len() < 2 && !self.el.has_gaps {
            let keyword = Span { end: span.start + "race".len() as u32, ..span };
            self.el.problems.push(
                Diagnostic::new(Code::E0315, "a race has at least two branches", keyword, "nobody to race against")
                    .help("each statement in the block is a branch: add another one, or leave `race` out"),
            );
        }
        let mut regions = Vec::new();
        self.races.push(Span { end: span.start + "race".len() as u32, ..span });
        for branch in &branches {
            let own = super::control::bound_name(branch);
            let names = super::control::bound_names(branch);
            self.el.scope.push();
            let siblings = bound.iter().filter(|(name, _)| names.iter().all(|own| own.text != **name));
            let frame = self.el.scope.innermost();
            frame.siblings = siblings.map(|(name, span)| (name.clone(), *span)).collect();
            frame.block = "race";
            regions.push(self.runner(branch, own, goal));
            // What a branch binds is known to the race alone, which may have used it as its value.
            if let (Goal::Yield(_), Some(own)) = (goal, own) {
                self.el.scope.find(&own.text);
            }
            self.el.close();
        }
        self.races.pop();
        for (index, region) in regions.iter().enumerate() {
            self.builder.region(node, index, region.chain);
        }
        let count = u32::try_from(branches.len()).expect("a block has fewer than 2^32 statements");
        let result = match regions.is_empty() {
            true => (Type::Unknown, Ends::Falls),
            false => self.join(&regions, goal, "the branches of `race`"),
        };
        self.builder.set(node, NodeKind::Race { slot, regions: count });
        result
    }

    /// A branch of a race.
    fn runner(&mut self, branch: &Statement, own: Option<&Ident>, goal: Goal<'_>) -> Region {
        let mut chain = Chain::default();
        let span = branch.span;
        if let Some(block) = super::control::several(branch) {
            return self.block(block, goal);
        }
        if let StatementKind::Control(value) = &branch.kind {
            let (ty, yields, ends) = self.value(&mut chain, value, goal);
            let ty = if ends == Ends::Leaves { Type::Never } else { ty };
            return Region { chain, ty, span, yields, ends };
        }
        let ends = self.statements(&mut chain, std::slice::from_ref(branch), None);
        let mut region = Region { chain, ty: Type::Null, span, yields: None, ends };
        if ends == Ends::Leaves {
            region.ty = Type::Never;
        } else if let Goal::Yield(want) = goal {
            let value = match own {
                Some(own) => {
                    let name = ast::Expr { span: own.span, kind: ast::ExprKind::Name(own.text.clone()) };
                    self.el.check(&name, want)
                }
                None => self.el.absent(
                    want,
                    span,
                    "this branch has no value",
                    "bind one with `step name = …`, or end the branch with `fail`",
                ),
            };
            region.ty = value.ty;
            region.yields = Some(self.builder.add(&mut region.chain, "yield", NodeKind::Yield(value.expr), span));
        }
        region
    }

    /// A control expression or a block at the end of a `race` is its last branch; another value has won before it began.
    fn last_runner(&mut self, value: &ast::Expr) -> Option<Statement> {
        if has_effect(value) || matches!(value.kind, ast::ExprKind::Block(_)) {
            return Some(Statement { span: value.span, kind: StatementKind::Control(value.clone()) });
        }
        self.el.has_gaps = true;
        if self.forgotten_step(value).is_none() {
            self.el.problems.push(
                Diagnostic::new(Code::E0413, "each statement in a `race` is a branch", value.span, "goes nowhere")
                    .help("leave it out: the value of the race is that of the branch which wins"),
            );
        }
        None
    }

    /// `repeat every 10s up to 30 times until done { … }`: the condition sees what the block binds.
    pub(super) fn repeat_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        repeat: &ast::Repeat,
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or("repeat"), span);
        let every = self.duration(&repeat.every, "`every` needs a time");
        let times = self.el.check(&repeat.times, Want::of(&Type::Int));
        if let Expr::Literal(Value::Int(number)) = times.expr
            && number < 1
        {
            self.el.problems.push(
                Diagnostic::new(Code::E0301, "`repeat` runs at least once", repeat.times.span, "nothing would run")
                    .help("write how many times at most"),
            );
        }
        self.builder.enter(node);
        self.el.scope.push();
        let region = self.block_in_frame(&repeat.body, goal);
        let until = self.el.condition(&repeat.until);
        self.el.close();
        self.builder.leave();
        self.builder.region(node, 0, region.chain);
        self.raise(ErrorKind::Timeout, Span { end: span.start + "repeat".len() as u32, ..span });
        self.builder.set(node, NodeKind::Repeat { slot, every, times: times.expr, until });
        (region.ty, region.ends)
    }
}
