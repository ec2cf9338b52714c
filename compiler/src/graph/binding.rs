//! `let`, and what `else` does with a null.
//!
//! In: `let name: T = value else …` as written. Out: nodes that compute the value, and the binding. After `else fail` or
//! `else return` the binding is not null.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Expr, Slot},
    plan::NodeKind,
    span::Span,
    ty::Type,
};

use super::{
    builder::{Builder, Chain},
    lower::{Ends, Goal, Lowering, has_effect},
};
use crate::{
    ast::{self, Ident, Otherwise, TypeExpr},
    types::{Elaborator, Kind, Origin, Place, Typed, Want},
};

impl Lowering<'_> {
    /// `let name: T = value else …`
    pub(super) fn let_statement(
        &mut self,
        chain: &mut Chain,
        span: Span,
        name: &Ident,
        ty: Option<&TypeExpr>,
        value: &ast::Expr,
        otherwise: Option<&Otherwise>,
    ) -> Ends {
        let annotation = self.el.annotation(ty);
        let (wanted, because) = match &annotation {
            Some((ty, because)) => (Some(ty), Some(because)),
            None => (None, None),
        };
        let nullable = wanted.map(|ty| ty.clone().optional());
        let wants = match otherwise {
            None => Want { ty: wanted, because },
            Some(_) => Want { ty: nullable.as_ref(), because },
        };
        if let Some((callee, args)) = self.connection_call(value) {
            self.let_for_step(span, &callee, args, value.span);
            self.el.bind_new(name, wanted.cloned().unwrap_or(Type::Unknown), Kind::Let);
            return Ends::Falls;
        }
        let mut ends = Ends::Falls;
        let typed = if has_effect(value) {
            let slot = self.el.scope.fresh();
            let (ty, control_ends) = self.control(chain, value, Goal::Yield(wants), Some(slot), Some(&name.text));
            ends = control_ends;
            Typed::new(Expr::Slot(slot), ty)
        } else {
            self.el.check(value, wants)
        };
        let place = Place::of(&typed.expr);
        let want = Want { ty: wanted, because };
        let (slot, found) = self.settle(chain, span, &name.text, typed, value.span, otherwise, want);
        if matches!(otherwise, Some(Otherwise::Fail(_) | Otherwise::Return(..)))
            && let Some(place) = place
        {
            self.el.scope.learn(vec![place]);
        }
        let ty = match wanted {
            Some(wanted) if !matches!(found, Type::Unknown) => wanted.clone(),
            _ => found,
        };
        self.el.bind_at(name, slot, ty, Kind::Let);
        ends
    }

    /// Puts a value into a slot, with what is to be done where it is null.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one statement, none of which belong together elsewhere"
    )]
    pub(super) fn settle(
        &mut self,
        chain: &mut Chain,
        span: Span,
        name: &str,
        typed: Typed,
        value_span: Span,
        otherwise: Option<&Otherwise>,
        want: Want<'_>,
    ) -> (Slot, Type) {
        let Some(otherwise) = otherwise else { return self.store(chain, span, name, typed) };
        match otherwise {
            Otherwise::Value(other) if has_effect(other) => {
                self.never_null(&typed, value_span, other.span);
                let inner = typed.ty.non_null().clone();
                let (source, _) = self.store(chain, span, name, typed);
                let slot = self.el.scope.fresh();
                let node = self.builder.reserve(chain, &branch_name(name), other.span);
                let region = self.arm(other, Goal::Yield(want));
                let mut kept = Chain::default();
                let yields = self.builder.add(&mut kept, "yield", NodeKind::Yield(Expr::Slot(source)), value_span);
                self.builder.region(node, 0, region.chain);
                self.builder.region(node, 1, kept);
                let kept = super::lower::Region {
                    chain: kept,
                    ty: inner,
                    span: value_span,
                    yields: Some(yields),
                    ends: Ends::Falls,
                };
                let ty = self.unify(&[region, kept], "the value and its alternative");
                self.builder.set(node, NodeKind::If { slot: Some(slot), conditions: vec![Builder::is_null(source)] });
                (slot, ty)
            }
            Otherwise::Value(other) => {
                let typed = self.el.or_else(typed, value_span, other, want);
                let typed = self.el.fit(typed, want, other.span);
                self.store(chain, span, name, typed)
            }
            Otherwise::Fail(fail) => {
                self.never_null(&typed, value_span, fail.span);
                let (slot, ty) = self.store(chain, span, name, typed);
                self.leave_if_null(chain, slot, name, fail.span, |this, chain| this.fail_statement(chain, fail));
                (slot, ty.non_null().clone())
            }
            Otherwise::Return(place, value) => {
                self.never_null(&typed, value_span, *place);
                let (slot, ty) = self.store(chain, span, name, typed);
                self.leave_if_null(chain, slot, name, *place, |this, chain| {
                    this.return_statement(chain, *place, value.as_ref());
                });
                (slot, ty.non_null().clone())
            }
        }
    }

    fn leave_if_null(
        &mut self,
        chain: &mut Chain,
        slot: Slot,
        name: &str,
        span: Span,
        leave: impl FnOnce(&mut Self, &mut Chain),
    ) {
        let node = self.builder.reserve(chain, &branch_name(name), span);
        let mut region = Chain::default();
        leave(self, &mut region);
        self.builder.region(node, 0, region);
        self.builder.set(node, NodeKind::If { slot: None, conditions: vec![Builder::is_null(slot)] });
    }

    /// Reports an `else` on what is never null.
    fn never_null(&mut self, typed: &Typed, span: Span, otherwise: Span) {
        if Elaborator::can_be_null(&typed.ty) {
            return;
        }
        let problem = Diagnostic::new(Code::W0301, "this is never null", span, format!("of type `{}`", typed.ty))
            .label(otherwise, "never happens");
        let problem = match typed.origin {
            Some(Origin { span: declared, .. }) if declared != span => {
                problem.label(declared, format!("declared `{}`", typed.ty))
            }
            _ => problem,
        };
        self.el.problems.push(problem.help("leave `else …` out"));
    }

    /// Puts a value into a slot; one that is in a slot of its own already stays there.
    fn store(&mut self, chain: &mut Chain, span: Span, name: &str, typed: Typed) -> (Slot, Type) {
        if let Expr::Slot(slot) = typed.expr
            && !self.el.scope.slots.contains_key(&slot)
        {
            return (slot, typed.ty);
        }
        let slot = self.el.scope.fresh();
        self.builder.add(chain, name, NodeKind::Let { slot, value: typed.expr }, span);
        (slot, typed.ty)
    }

    /// Reports `let x = connection.operation(…)`.
    fn let_for_step(&mut self, statement: Span, callee: &str, args: &[ast::Arg], call: Span) {
        for arg in args {
            self.el.check(&arg.value, Want::default());
        }
        let keyword = Span { end: statement.start + "let".len() as u32, ..statement };
        self.el.problems.push(
            Diagnostic::new(Code::E0401, format!("`{callee}` is called outside a step"), call, "has an effect")
                .label(keyword, "`let` only computes")
                .help("every effect is a step: write `step` in place of `let`")
                .fix("write `step` in place of `let`", vec![Edit { span: keyword, text: "step".to_owned() }]),
        );
        self.raise_unknown();
    }
}

/// The name of the node that does what `else` says.
fn branch_name(name: &str) -> String {
    if name.ends_with(".else") { name.to_owned() } else { format!("{name}.else") }
}
