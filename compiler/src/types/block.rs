//! Pure blocks, `if` and `match`: statements without effects that end in a value.
//!
//! In: what is written in a `fn`, a lambda or an operand. Out: one expression. Steps and everything else that has an
//! effect, and leaving early, belong to flows: they are reported with what to do.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{self, Expr, Slot},
    span::Span,
    ty::Type,
    value::Value,
};

use super::{Because, Binding, Elaborator, Home, Kind, Typed, Want, narrow, pattern::Arms};
use crate::{
    ast::{self, Block, Ident, Otherwise, Statement, StatementKind, TypeExpr},
    query::watch::{self, Meaning},
};

impl Elaborator<'_> {
    /// Brings a name into scope in a new slot, in the innermost frame.
    pub(crate) fn bind_new(&mut self, name: &Ident, ty: Type, kind: Kind) -> Slot {
        let slot = self.scope.fresh();
        self.bind_at(name, slot, ty, kind);
        slot
    }

    /// Brings a name into scope in a slot that exists.
    pub(crate) fn bind_at(&mut self, name: &Ident, slot: Slot, ty: Type, kind: Kind) {
        if name.text == "_" {
            return;
        }
        watch::see(name.span, || Meaning::Binding {
            kind: kind.spoken(),
            name: name.text.clone(),
            ty: ty.clone(),
            declared: name.span,
        });
        let binding = Binding { slot, ty, span: name.span, kind, used: false };
        if let Some(first) = self.scope.bind(&name.text, binding) {
            self.problems.push(
                Diagnostic::new(Code::E0202, format!("`{}` is bound twice", name.text), name.span, "again")
                    .label(first, "first here")
                    .help("give one of them another name: bindings never change"),
            );
        }
    }

    /// Closes the innermost frame and reports what it bound for nothing.
    pub(crate) fn close(&mut self) {
        let frame = self.scope.pop();
        for (name, binding) in frame.bindings {
            self.unused(&name, &binding);
        }
    }

    /// Reports a binding that nothing reads. The name of a step is part of its history, so it may stand unused.
    pub(crate) fn unused(&mut self, name: &str, binding: &Binding) {
        let silent = binding.used
            || self.has_gaps
            || self.has_strangers
            || binding.kind == Kind::Step
            || name.starts_with('_')
            || matches!(binding.ty, Type::Unknown);
        if silent {
            return;
        }
        let what = binding.kind.spoken();
        let help = match binding.kind {
            Kind::Payload | Kind::Failure => format!("leave `as {name}` out"),
            Kind::Let => "leave it out, or use it".to_owned(),
            Kind::Parameter => format!("leave it out, or begin its name with `_`: `_{name}`"),
            Kind::Item | Kind::Lambda | Kind::Pattern | Kind::Step => format!("write `_` or `_{name}`"),
        };
        self.problems.push(
            Diagnostic::new(
                Code::W0401,
                format!("the {what} `{name}` is used nowhere"),
                binding.span,
                "bound for nothing",
            )
            .help(help),
        );
    }

    /// The type after `:`, with the place for messages.
    pub(crate) fn annotation(&mut self, written: Option<&TypeExpr>) -> Option<(Type, Because)> {
        let written = written?;
        let ty = self.written_type(written);
        let because = Because { span: written.span, text: format!("declared `{ty}`") };
        Some((ty, because))
    }

    /// `{ let a = …  value }`
    pub(super) fn pure_block(&mut self, block: &Block, want: Want<'_>) -> Typed {
        self.scope.push();
        let mut lets = Vec::new();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Let { name, ty, value, otherwise } => {
                    lets.extend(self.pure_let(name, ty.as_deref(), value, otherwise.as_deref()));
                }
                StatementKind::Control(value) => self.idle(value),
                StatementKind::Return(Some(value)) if is_last(block, statement) => self.returned(statement, value),
                _ => self.effect(statement),
            }
        }
        let result = match &block.value {
            Some(value) => self.infer(value, want),
            // That it can't be left was reported, with what to write.
            None if leaves(block) => Typed::unknown(),
            None => self.absent(want, value_span(block), NO_VALUE, ADD_VALUE),
        };
        self.close();
        let expr = lets.into_iter().rev().fold(result.expr, |then, (slot, value)| Expr::Let {
            slot,
            value: Box::new(value),
            then: Box::new(then),
        });
        Typed { expr, ..result }
    }

    fn pure_let(
        &mut self,
        name: &Ident,
        ty: Option<&TypeExpr>,
        value: &ast::Expr,
        otherwise: Option<&Otherwise>,
    ) -> Option<(Slot, Expr)> {
        let annotation = self.annotation(ty);
        let (wanted, because) = match &annotation {
            Some((ty, because)) => (Some(ty), Some(because)),
            None => (None, None),
        };
        let want = Want { ty: wanted, because };
        let typed = match otherwise {
            None => self.check(value, want),
            Some(Otherwise::Value(other)) => {
                let optional = wanted.map(|ty| ty.clone().optional());
                let typed = self.check(value, Want { ty: optional.as_ref(), because });
                let typed = self.or_else(typed, value.span, other, want);
                self.fit(typed, want, other.span)
            }
            Some(Otherwise::Fail(fail)) => {
                self.leaving(fail.span, "fail");
                Typed::unknown()
            }
            Some(Otherwise::Return(span, _)) => {
                self.leaving(*span, "return");
                Typed::unknown()
            }
        };
        let ty = wanted.cloned().unwrap_or(typed.ty);
        let slot = self.bind_new(name, ty, Kind::Let);
        Some((slot, typed.expr))
    }

    /// A control expression as a statement of a pure block: it can do nothing.
    fn idle(&mut self, value: &ast::Expr) {
        let before = self.problems.len();
        self.infer(value, Want::default());
        // What returns there would go on from there: the rest belongs into the other branch.
        for problem in self.problems.iter_mut().skip(before).filter(|problem| problem.code == Code::E0402) {
            if problem.fixes.is_empty() {
                continue;
            }
            problem.fixes.clear();
            problem.help = Some(
                "write both ways as one value: `if … { a } else { b }`, with what follows in the other branch"
                    .to_owned(),
            );
        }
        if self.problems.len() == before {
            self.problems.push(
                Diagnostic::new(Code::E0413, "the value goes nowhere", value.span, "computed for nothing")
                    .help("bind it with `let`, or make it the last expression of the block"),
            );
        }
    }

    /// Reports a statement with an effect within an expression.
    fn effect(&mut self, statement: &Statement) {
        let (word, span) = match &statement.kind {
            StatementKind::Step(_) => ("step", statement.span),
            StatementKind::Return(_) => return self.leaving(statement.span, "return"),
            StatementKind::Fail(_) => return self.leaving(statement.span, "fail"),
            StatementKind::Respond { .. } => ("respond", statement.span),
            StatementKind::Emit { .. } => ("emit", statement.span),
            StatementKind::Log(_) => ("log", statement.span),
            StatementKind::DeadLetter { .. } => ("dead_letter", statement.span),
            StatementKind::Sleep(_) => ("sleep", statement.span),
            StatementKind::Let { .. } | StatementKind::Control(_) => return,
        };
        self.has_gaps = true;
        if let StatementKind::Step(step) = &statement.kind
            && let Some(name) = &step.name
        {
            // Its name stays known, so that what follows is not reported for it.
            self.bind_new(name, Type::Unknown, Kind::Step);
        }
        let keyword = Span { end: span.start + word.len() as u32, ..span };
        self.problems.push(
            Diagnostic::new(
                Code::E0402,
                format!("`{word}` can't stand within an expression"),
                keyword,
                "has an effect, and expressions have none",
            )
            .help(match self.home {
                Home::Function => "a `fn` only computes: do this in the flow, and give the function what it needs",
                Home::Elsewhere => "a lambda and an operand only compute: bind the value of the whole `if` or `match` with `let` first, then use it here",
            }),
        );
    }

    /// Reports `return` before the last value of a block, where leaving it out is all there is to do.
    fn returned(&mut self, statement: &Statement, value: &ast::Expr) {
        self.leaving(statement.span, "return");
        let word = Span { end: value.span.start, ..statement.span };
        if let Some(problem) = self.problems.pop() {
            let edits = vec![Edit { span: word, text: String::new() }];
            self.problems.push(problem.fix("leave `return` out", edits));
        }
    }

    fn leaving(&mut self, span: Span, word: &str) {
        let keyword = Span { end: (span.start + word.len() as u32).min(span.end), ..span };
        self.has_gaps = true;
        self.problems.push(
            Diagnostic::new(
                Code::E0402,
                format!("`{word}` can't leave an expression"),
                keyword,
                "ends a flow, and this is an expression",
            )
            .help(match (word, self.home) {
                ("return", Home::Function) => "the value of a `fn` is its last expression: leave `return` out",
                ("return", Home::Elsewhere) => "the value of a block is its last expression: leave `return` out",
                _ => "make the value null here, and decide in the flow: `let x = … else fail E()`",
            }),
        );
    }

    /// `if c { … } else { … }` without effects.
    pub(super) fn pure_if(
        &mut self,
        span: Span,
        arms: &[(ast::Expr, Block)],
        otherwise: Option<&Block>,
        want: Want<'_>,
    ) -> Typed {
        let mut values: Vec<(Option<Expr>, Typed, Span)> = Vec::new();
        self.scope.push();
        for (condition, block) in arms {
            let condition = self.condition(condition);
            self.scope.push();
            self.scope.learn(narrow::present(&condition, true));
            let value = self.arm_block(block, want);
            self.close();
            self.scope.learn(narrow::present(&condition, false));
            values.push((Some(condition), value, value_span(block)));
        }
        match otherwise {
            Some(block) => {
                let value = self.arm_block(block, want);
                values.push((None, value, value_span(block)));
            }
            None => {
                let end = Span { start: span.end.saturating_sub(1), ..span };
                let null = self.absent(want, end, NO_ELSE, ADD_ELSE);
                values.push((None, null, end));
            }
        }
        self.scope.pop();
        let ty = self.join_arms(values.iter().map(|(_, value, span)| (&value.ty, *span)), "the branches of `if`");
        let mut expr = Expr::Literal(Value::Null);
        for (condition, value, _) in values.into_iter().rev() {
            let value = self.lift(value.expr, &value.ty, &ty);
            expr = match condition {
                Some(condition) => Expr::If(Box::new(condition), Box::new(value), Box::new(expr)),
                None => value,
            };
        }
        Typed::new(expr, ty)
    }

    fn arm_block(&mut self, block: &Block, want: Want<'_>) -> Typed {
        let typed = self.pure_block(block, want);
        self.fit(typed, want, value_span(block))
    }

    /// The type that all arms have in common.
    pub(crate) fn join_arms<'t>(&mut self, arms: impl Iterator<Item = (&'t Type, Span)>, what: &str) -> Type {
        let arms: Vec<_> = arms.collect();
        let mut ty = Type::Never;
        let mut first = None;
        for (arm, span) in arms {
            ty = self.common(&ty, first, arm, span, what);
            if !matches!(arm, Type::Never) {
                first.get_or_insert(span);
            }
            if matches!(ty, Type::Unknown) {
                return ty;
            }
        }
        ty
    }

    /// `match x { … }` without effects.
    pub(super) fn pure_match(
        &mut self,
        span: Span,
        subject: &ast::Expr,
        arms: &[ast::MatchArm],
        want: Want<'_>,
    ) -> Typed {
        let value = self.infer(subject, Want::default());
        let mut state = Arms::new(&value);
        let mut values = Vec::new();
        for arm in arms {
            let (pattern, guard) = self.open_arm(&mut state, arm);
            let typed = self.check(&arm.value, want);
            self.close();
            values.push((pattern, guard, typed, arm.value.span));
        }
        self.finish_match(span, subject.span, state);
        let ty = self.join_arms(values.iter().map(|(_, _, value, span)| (&value.ty, *span)), "the arms of `match`");
        let arms = values
            .into_iter()
            .map(|(pattern, guard, value, _)| expr::MatchArm {
                pattern,
                guard,
                value: self.lift(value.expr, &value.ty, &ty),
            })
            .collect();
        Typed::new(Expr::Match { subject: Box::new(value.expr), arms }, ty)
    }
}

/// Whether a statement is all that a block ends in.
fn is_last(block: &Block, statement: &Statement) -> bool {
    block.value.is_none() && block.statements.last().is_some_and(|last| std::ptr::eq(last, statement))
}

/// Says whether a block ends in `return` or `fail`.
fn leaves(block: &Block) -> bool {
    block.statements.last().is_some_and(|last| matches!(last.kind, StatementKind::Return(_) | StatementKind::Fail(_)))
}

/// What is said of an `if` that has to have a value and may have none.
pub(crate) const NO_ELSE: &str = "an `if` without `else` is null when nothing holds";
/// What to do about it.
pub(crate) const ADD_ELSE: &str = "add `else { … }`";
/// What is said of a block that has to have a value and has none.
pub(crate) const NO_VALUE: &str = "this block has no value";
/// What to do about it.
pub(crate) const ADD_VALUE: &str = "end it in the expression that is its value";

/// The place of a block's value: its last expression, or its closing brace.
pub(crate) fn value_span(block: &Block) -> Span {
    match &block.value {
        Some(value) => value.span,
        None => Span { start: block.span.end.saturating_sub(1), ..block.span },
    }
}
