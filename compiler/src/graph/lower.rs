//! From statements to nodes.
//!
//! In: blocks of a flow as written. Out: regions of the graph, the type of their values, and whether they can be left at
//! their end. What has an effect becomes a node; what has none becomes part of an expression.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Expr, Slot},
    failure::ErrorKind,
    plan::NodeKind,
    span::Span,
    ty::{Type, TypeDef},
    value::Value,
};
use indexmap::IndexMap;
use petgraph::graph::NodeIndex;

use super::{
    body::Within,
    builder::{Builder, Chain},
    call::Signatures,
    deadline::Deadline,
    failure::Raised,
};
use crate::{
    ast::{self, Block, ExprKind, Fail, Statement, StatementKind},
    names::{Names, chain},
    rules::Sent,
    types::{
        ADD_VALUE, Because, Callee, Definitions, Elaborator, NO_VALUE, Parameter, Typed, Want, argument_left_out,
        holds_secret, value_span,
    },
};

/// Whether the end of a part can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// It can.
    Falls,
    /// Every way through it returns or fails before.
    Leaves,
}

/// What is done with the value of a part.
#[derive(Clone, Copy)]
pub(super) enum Goal<'t> {
    /// Nothing.
    Drop,
    /// It is yielded.
    Yield(Want<'t>),
}

impl<'t> Goal<'t> {
    /// What is wanted of the value.
    pub(super) fn want(self) -> Want<'t> {
        match self {
            Self::Drop => Want::default(),
            Self::Yield(want) => want,
        }
    }
}

/// A region and its value.
pub(super) struct Region {
    /// Its nodes.
    pub chain: Chain,
    /// The type of its value.
    pub ty: Type,
    /// The place of its value.
    pub span: Span,
    /// The node that yields the value.
    pub yields: Option<NodeIndex>,
    /// Whether its end can be reached.
    pub ends: Ends,
}

/// What `flow` promises of its result.
pub(super) struct Promise {
    /// The type after `->`.
    pub ty: Option<Type>,
    /// Where it is written.
    pub because: Option<Because>,
}

/// A flow while it is lowered.
pub(super) struct Lowering<'a> {
    /// Elaborates its expressions; holds the scope and the problems.
    pub el: Elaborator<'a>,
    /// Its graph.
    pub builder: Builder,
    /// The result that is declared.
    pub promise: Promise,
    /// Types of what is returned, with the places.
    pub returns: Vec<(Type, Span)>,
    /// What can be raised, a set for each enclosing part that may catch.
    pub raised: Vec<Raised>,
    /// Whether somebody may wait for what `respond` says.
    pub caller: Caller,
    /// Operations by connection.
    pub used: BTreeMap<String, BTreeSet<String>>,
    /// Secrets that are sent as arguments.
    pub sent: Vec<Sent>,
    /// The flows that can be called.
    pub signatures: &'a Signatures,
    /// The `saga`s around, innermost last.
    pub sagas: Vec<Span>,
    /// The keywords of the races around, the innermost last.
    pub races: Vec<Span>,
    /// The items of the `for`s around, innermost last.
    pub items: Vec<(Slot, String)>,
    /// How many `first`s are around.
    pub firsts: u32,
    /// What fetching the pages of a stream can end with, by the stream's slot.
    pub streams: BTreeMap<Slot, Vec<ErrorKind>>,
    /// When a run must have ended.
    pub deadline: Option<Deadline>,
    /// The operation whose body is lowered.
    pub within: Option<Within<'a>>,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody may.
    Waits,
    /// Nobody does, since what starts the flow here is no request: why not.
    Nobody(Span, &'static str),
}

impl<'a> Lowering<'a> {
    /// An empty graph.
    pub(super) fn new(
        names: &'a Names<'a>,
        definitions: &'a Definitions,
        signatures: &'a Signatures,
        promise: Promise,
        caller: Caller,
    ) -> Self {
        Self {
            el: Elaborator::new(names, definitions),
            builder: Builder::default(),
            promise,
            returns: Vec::new(),
            raised: vec![Raised::default()],
            caller,
            used: BTreeMap::new(),
            sent: Vec::new(),
            signatures,
            sagas: Vec::new(),
            races: Vec::new(),
            items: Vec::new(),
            firsts: 0,
            streams: BTreeMap::new(),
            deadline: None,
            within: None,
        }
    }

    /// Lowers a block in a frame of its own.
    pub(super) fn block(&mut self, block: &Block, goal: Goal<'_>) -> Region {
        self.el.scope.push();
        let region = self.block_in_frame(block, goal);
        self.el.close();
        region
    }

    /// Lowers a block in the frame at hand.
    pub(super) fn block_in_frame(&mut self, block: &Block, goal: Goal<'_>) -> Region {
        let mut chain = Chain::default();
        let mut ends = self.statements(&mut chain, &block.statements, block.value.as_deref());
        let span = value_span(block);
        let mut region = Region { chain, ty: Type::Null, span, yields: None, ends };
        match &block.value {
            Some(value) => {
                let valued = self.value(&mut region.chain, value, goal);
                region.ty = valued.0;
                region.yields = valued.1;
                ends = if ends == Ends::Leaves { ends } else { valued.2 };
            }
            None if ends == Ends::Falls && matches!(goal, Goal::Yield(_)) => {
                region.ty = self.el.absent(goal.want(), span, NO_VALUE, ADD_VALUE).ty;
            }
            None => {}
        }
        region.ends = ends;
        if ends == Ends::Leaves {
            region.ty = Type::Never;
        }
        region
    }

    /// Lowers the value of an arm: a block, a control expression or a pure one.
    pub(super) fn arm(&mut self, value: &ast::Expr, goal: Goal<'_>) -> Region {
        if let ExprKind::Block(block) = &value.kind {
            return self.block(block, goal);
        }
        self.el.scope.push();
        let mut chain = Chain::default();
        let (ty, yields, ends) = self.value(&mut chain, value, goal);
        self.el.close();
        let ty = if ends == Ends::Leaves { Type::Never } else { ty };
        Region { chain, ty, span: value.span, yields, ends }
    }

    /// Lowers the value at the end of a region.
    pub(super) fn value(
        &mut self,
        chain: &mut Chain,
        value: &ast::Expr,
        goal: Goal<'_>,
    ) -> (Type, Option<NodeIndex>, Ends) {
        let wants = matches!(goal, Goal::Yield(_));
        if has_effect(value) {
            let slot = wants.then(|| self.el.scope.fresh());
            let (ty, ends) = self.control(chain, value, goal, slot, None);
            let yields = match (slot, ends) {
                (Some(slot), Ends::Falls) => {
                    Some(self.builder.add(chain, "yield", NodeKind::Yield(Expr::Slot(slot)), value.span))
                }
                _ => None,
            };
            return (ty, yields, ends);
        }
        if let Some(typed) = self.forgotten_step(value) {
            return (typed.ty, None, Ends::Falls);
        }
        let typed = self.el.check(value, goal.want());
        let yields = wants.then(|| self.builder.add(chain, "yield", NodeKind::Yield(typed.expr), value.span));
        (typed.ty, yields, Ends::Falls)
    }

    /// Lowers statements in the frame at hand. `value` is what follows them.
    pub(super) fn statements(
        &mut self,
        chain: &mut Chain,
        statements: &[Statement],
        value: Option<&ast::Expr>,
    ) -> Ends {
        let mut left: Option<Span> = None;
        let mut reported = false;
        let ends_at = statements.iter().map(|statement| (statement.span, Some(statement)));
        for (span, statement) in ends_at.chain(value.map(|value| (value.span, None))) {
            if let (Some(leaving), false) = (left, reported) {
                reported = true;
                self.el.has_gaps = true;
                self.unreachable(span, leaving);
            }
            if let Some(statement) = statement
                && self.statement(chain, statement) == Ends::Leaves
            {
                left.get_or_insert(statement.span);
            }
        }
        if left.is_some() { Ends::Leaves } else { Ends::Falls }
    }

    fn unreachable(&mut self, span: Span, leaving: Span) {
        self.el.problems.push(
            Diagnostic::new(Code::E0403, "this is never reached", span, "nothing comes here")
                .label(leaving, "every run has ended here")
                .help("leave it out, or put it before"),
        );
    }

    fn statement(&mut self, chain: &mut Chain, statement: &Statement) -> Ends {
        let span = statement.span;
        if let Some(ends) = self.not_in_a_body(statement) {
            return ends;
        }
        match &statement.kind {
            StatementKind::Let { name, ty, value, otherwise } => {
                self.let_statement(chain, span, name, ty.as_deref(), value, otherwise.as_deref())
            }
            StatementKind::Step(step) => self.step(chain, step),
            StatementKind::Return(value) => {
                self.return_statement(chain, span, value.as_ref());
                Ends::Leaves
            }
            StatementKind::Fail(fail) => {
                self.fail_statement(chain, fail);
                Ends::Leaves
            }
            StatementKind::Respond { status, body } => {
                self.respond(chain, span, status, body.as_ref());
                Ends::Falls
            }
            StatementKind::Log(value) => {
                let value = self.visible(value, "a secret can't be logged");
                self.builder.add(chain, "log", NodeKind::Log(value), span);
                Ends::Falls
            }
            StatementKind::DeadLetter { queue, value } => {
                let value = self.visible(value, "a secret can't go into a dead letter");
                let kind = NodeKind::DeadLetter { queue: queue.text.clone(), value };
                self.builder.add(chain, &format!("dead_letter {}", queue.text), kind, span);
                Ends::Falls
            }
            StatementKind::Sleep(value) => {
                self.sleep(chain, span, value);
                Ends::Falls
            }
            StatementKind::Emit { event, value } => {
                self.emit(chain, span, event, value);
                Ends::Falls
            }
            StatementKind::Control(value) => {
                let before = self.el.problems.len();
                let ends = self.control(chain, value, Goal::Drop, None, None).1;
                if self.el.problems.len() == before && !has_effect(value) && !self.el.has_gaps {
                    self.el.problems.push(
                        Diagnostic::new(Code::E0413, "this does nothing", span, "no step, and no value that is used")
                            .help("bind its value with `let`, or leave it out"),
                    );
                }
                ends
            }
        }
    }

    /// `return value`
    pub(super) fn return_statement(&mut self, chain: &mut Chain, span: Span, value: Option<&ast::Expr>) {
        let (ty, because) = (self.promise.ty.clone(), self.promise.because.clone());
        let want = Want { ty: ty.as_ref(), because: because.as_ref() };
        let typed = match value {
            None => {
                let null = Typed::new(Expr::Literal(Value::Null), Type::Null);
                self.el.fit(null, want, span)
            }
            Some(value) if has_effect(value) => {
                let slot = self.el.scope.fresh();
                let (ty, _) = self.control(chain, value, Goal::Yield(want), Some(slot), None);
                Typed::new(Expr::Slot(slot), ty)
            }
            Some(value) => self.el.check(value, want),
        };
        let place = value.map_or(span, |value| value.span);
        if holds_secret(&self.el.names.types, &typed.ty) {
            self.secret(place, "a secret can't be the result of a flow");
        }
        self.returns.push((typed.ty, place));
        self.builder.add(chain, "return", NodeKind::Return(typed.expr), span);
    }

    /// `fail E(field: value)`
    pub(super) fn fail_statement(&mut self, chain: &mut Chain, fail: &Fail) {
        let names = self.el.names;
        let kind =
            names.error_kind(&fail.error, self.el.connector().map(str::to_owned).as_deref(), &mut self.el.problems);
        let fields = match &kind {
            Some(ErrorKind::Declared(name)) => match names.types.get(name) {
                Some(TypeDef::Error(fields)) => Some((name.clone(), fields)),
                _ => None,
            },
            Some(built_in) => {
                self.el.problems.push(
                    Diagnostic::new(
                        Code::E0315,
                        format!("`{built_in}` comes from connectors and can't be raised"),
                        fail.error.span(),
                        "a built-in error",
                    )
                    .help("declare an error of your own, which says what it means here: `error NotPaid { order: String }`"),
                );
                None
            }
            None => None,
        };
        let (Some(kind), Some((name, declared))) = (kind, fields) else {
            for arg in &fail.args {
                self.el.check(&arg.value, Want::default());
            }
            self.raise_unknown();
            return;
        };
        let params: IndexMap<String, Parameter> = declared
            .iter()
            .map(|(field, what)| {
                let span = names.field_spans.get(&(name.clone(), field.clone())).copied();
                (field.clone(), Parameter::of(what, span))
            })
            .collect();
        let callee = Callee {
            name: format!("`{name}`"),
            span: fail.error.span(),
            declared: names.type_spans.get(&name).copied(),
        };
        let mut fields = Vec::new();
        if let Some(given) = self.el.bind_arguments(&callee, fail.span, &fail.args, &params) {
            for (((field, param), what), arg) in params.iter().zip(declared.values()).zip(given) {
                let value = match arg {
                    Some(arg) if holds_secret(&names.types, &what.ty) => {
                        self.secret(arg.span, "a secret can't be part of an error");
                        continue;
                    }
                    Some(arg) => self.el.argument(field, param, arg),
                    None => argument_left_out(what),
                };
                fields.push((field.clone(), value));
            }
        }
        self.raise(kind.clone(), fail.span);
        self.builder.add(chain, "fail", NodeKind::Fail { error: kind, fields }, fail.span);
    }

    fn respond(&mut self, chain: &mut Chain, span: Span, status: &ast::Expr, body: Option<&ast::Expr>) {
        if let Caller::Nobody(trigger, why) = self.caller {
            let keyword = Span { end: span.start + "respond".len() as u32, ..span };
            self.el.problems.push(
                Diagnostic::new(
                    Code::E0412,
                    "nobody waits for this answer",
                    keyword,
                    "answers the caller of a webhook",
                )
                .label(trigger, why)
                .help("leave it out, or `return` a result: it is kept in the run's history"),
            );
        }
        if body.is_none() && matches!(status.kind, ast::ExprKind::Record(_) | ast::ExprKind::Text(_)) {
            let problem = Diagnostic::new(
                Code::E0301,
                "an answer begins with its status",
                status.span,
                "what is answered, without a status",
            );
            self.el.problems.push(problem.help("write `respond 200 { … }`: the status, then what is answered as JSON"));
            self.el.alone(status);
            return;
        }
        let value = self.el.check(status, Want::of(&Type::Int));
        if let Expr::Literal(Value::Int(number)) = value.expr
            && !(200..=599).contains(&number)
        {
            self.el.problems.push(
                Diagnostic::new(
                    Code::E0301,
                    format!("{number} is no status of an answer"),
                    status.span,
                    "not a status",
                )
                .help("a status is from 200 to 599: `200` for success, `400` for a wrong request"),
            );
        }
        let body = body.map(|body| self.visible(body, "a secret can't be part of an answer"));
        self.builder.add(chain, "respond", NodeKind::Respond { status: value.expr, body }, span);
    }

    fn sleep(&mut self, chain: &mut Chain, span: Span, value: &ast::Expr) {
        let typed = self.el.check(value, Want::default());
        let typed = self.el.non_null(typed, value, "`sleep` needs a time");
        if !matches!(typed.ty, Type::Duration | Type::Timestamp | Type::Unknown | Type::Never) {
            self.el.problems.push(
                Diagnostic::new(
                    Code::E0301,
                    "`sleep` takes a duration or a timestamp",
                    value.span,
                    format!("of type `{}`", typed.ty),
                )
                .help(match typed.ty {
                    Type::Date => "a day begins at another time in each zone: `sleep until day.at(\"09:00\", \"Europe/Berlin\").timestamp`",
                    Type::Int | Type::Decimal => "write the unit: `sleep 30s`, `sleep 5m`, `sleep 2h`; a number of seconds is `sleep Duration.from_seconds(n)`",
                    Type::Zoned => "the point in time of it is `.timestamp`",
                    Type::String => "write a duration without quotes, `sleep 3d`; a text that holds a time is read with `text as Timestamp`, which may be null",
                    _ => "write `sleep 3d` or `sleep until timestamp`",
                }),
            );
        }
        self.builder.add(chain, "sleep", NodeKind::Sleep(typed.expr), span);
    }

    /// An expression whose value people can see: no secret, in its JSON form.
    fn visible(&mut self, value: &ast::Expr, secret: &str) -> Expr {
        let typed = self.el.check(value, Want::default());
        if holds_secret(&self.el.names.types, &typed.ty) {
            self.secret(value.span, secret);
            return typed.expr;
        }
        let json = Type::Json.optional();
        self.el.fit(typed, Want::of(&json), value.span).expr
    }

    /// Reports a secret that would be seen.
    pub(super) fn secret(&mut self, span: Span, message: &str) {
        self.el.problems.push(crate::types::secret(message, span));
    }

    /// A connector call that stands where a step should: as a value, or after `let`.
    pub(super) fn forgotten_step(&mut self, value: &ast::Expr) -> Option<Typed> {
        let (callee, args) = self.connection_call(value)?;
        for arg in args {
            self.el.check(&arg.value, Want::default());
        }
        let start = Span { end: value.span.start, ..value.span };
        self.el.problems.push(
            Diagnostic::new(Code::E0401, format!("`{callee}` is called outside a step"), value.span, "has an effect")
                .help("every effect is a step: write `step` before it")
                .fix("write `step`", vec![Edit { span: start, text: "step ".to_owned() }]),
        );
        self.raise_unknown();
        Some(Typed::unknown())
    }

    /// The call of an operation of a connection, of a flow or of `approve`, if the expression is one.
    pub(super) fn connection_call<'w>(&self, value: &'w ast::Expr) -> Option<(String, &'w [ast::Arg])> {
        let ExprKind::Call { callee, args, .. } = &value.kind else { return None };
        if self.called_flow(callee).is_some() || self.is_approve(callee) {
            return Some((chain(callee)?.text(), args.as_slice()));
        }
        if !matches!(callee.kind, ExprKind::Member { .. }) {
            return None;
        }
        let path = chain(callee)?;
        let root = path.parts.first()?;
        self.el.is_connection(&root.text, root.span).then(|| (path.text(), args.as_slice()))
    }

    /// Notes the type of a slot's value in a region's yield, once it is known what all regions have in common.
    pub(super) fn unify(&mut self, regions: &[Region], what: &str) -> Type {
        let falling = regions.iter().filter(|region| region.ends == Ends::Falls);
        let ty = self.el.join_arms(falling.map(|region| (&region.ty, region.span)), what);
        for region in regions {
            if let Some(node) = region.yields {
                let el = &self.el;
                self.builder.rewrite(node, |expr| el.lift(expr, &region.ty, &ty));
            }
        }
        ty
    }
}

/// Says whether an expression is a control expression with steps or other effects in it.
pub(super) fn has_effect(expr: &ast::Expr) -> bool {
    let in_block = |block: &Block| {
        block.statements.iter().any(|statement| match &statement.kind {
            StatementKind::Let { value, otherwise, .. } => {
                has_effect(value)
                    || matches!(otherwise.as_deref(), Some(ast::Otherwise::Fail(_) | ast::Otherwise::Return(..)))
                    || matches!(otherwise.as_deref(), Some(ast::Otherwise::Value(value)) if has_effect(value))
            }
            StatementKind::Control(value) => has_effect(value),
            _ => true,
        }) || block.value.as_deref().is_some_and(has_effect)
    };
    match &expr.kind {
        ExprKind::For(_)
        | ExprKind::Parallel { .. }
        | ExprKind::Try { .. }
        | ExprKind::Saga(_)
        | ExprKind::First { .. }
        | ExprKind::Race(_)
        | ExprKind::Repeat(_) => true,
        ExprKind::If { arms, otherwise } => {
            arms.iter().any(|(_, block)| in_block(block)) || otherwise.as_deref().is_some_and(in_block)
        }
        ExprKind::Match { arms, .. } => arms.iter().any(|arm| has_effect(&arm.value)),
        ExprKind::Block(block) => in_block(block),
        _ => false,
    }
}
