//! `if`, `match`, `for`, `parallel` and `try` with effects in them.
//!
//! In: a control expression, and the slot that takes its value if one is wanted. Out: one node with its regions, the type
//! of the value, and whether the end can be reached.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, Slot},
    plan::{ForOnError, NodeKind, ParallelOnError, Stage},
    span::Span,
    ty::{Field, Type},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    builder::Chain,
    failure::{Raised, failure_type},
    lower::{Ends, Goal, Lowering, Region, has_effect},
    stream::Flowing,
};
use crate::{
    ast::{self, Block, ExprKind, For, Ident, Statement, StatementKind},
    names::similar,
    types::{ADD_ELSE, Arms, Kind, NO_ELSE, Place, Typed, Want, either, present},
};

impl Lowering<'_> {
    /// Lowers a control expression. `name` is that of the `let` that takes the value.
    pub(super) fn control(
        &mut self,
        chain: &mut Chain,
        expr: &ast::Expr,
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        match &expr.kind {
            ExprKind::If { arms, otherwise } => {
                self.if_node(chain, expr.span, arms, otherwise.as_deref(), goal, slot, name)
            }
            ExprKind::Match { subject, arms } => self.match_node(chain, expr.span, subject, arms, goal, slot, name),
            ExprKind::For(each) => self.for_node(chain, expr.span, each, goal, slot, name),
            ExprKind::Parallel { on_error, body } => {
                self.parallel_node(chain, expr.span, on_error.as_ref(), body, goal, name)
            }
            ExprKind::Try { body, catch } => self.try_node(chain, expr.span, body, catch, goal, slot, name),
            ExprKind::Saga(body) => self.saga_node(chain, expr.span, body, goal, slot, name),
            ExprKind::First { item, items, body } => {
                self.first_node(chain, expr.span, item, items, body, goal, slot, name)
            }
            ExprKind::Race(body) => self.race_node(chain, expr.span, body, goal, slot, name),
            ExprKind::Repeat(repeat) => self.repeat_node(chain, expr.span, repeat, goal, slot, name),
            ExprKind::Block(block) => self.block_node(chain, block, goal, slot),
            _ => {
                let typed = self.el.check(expr, goal.want());
                if let Some(slot) = slot {
                    self.builder.add(
                        chain,
                        name.unwrap_or("value"),
                        NodeKind::Let { slot, value: typed.expr },
                        expr.span,
                    );
                }
                (typed.ty, Ends::Falls)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one expression and where its value goes")]
    fn if_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        arms: &[(ast::Expr, Block)],
        otherwise: Option<&Block>,
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or("if"), span);
        let mut conditions = Vec::new();
        let mut regions = Vec::new();
        // What is known after the `if`: what all ways that reach its end have shown.
        let mut shown: Option<Vec<Place>> = None;
        let mut refused: Vec<Place> = Vec::new();
        let note = |shown: &mut Option<Vec<Place>>, places: Vec<Place>| {
            *shown = Some(match shown.take() {
                None => places,
                Some(known) => either(known, &places),
            });
        };
        self.el.scope.push();
        for (condition, block) in arms {
            let condition = self.el.condition(condition);
            let held = present(&condition, true);
            self.el.scope.push();
            self.el.scope.learn(held.clone());
            let region = self.block(block, goal);
            self.el.close();
            if region.ends == Ends::Falls {
                note(&mut shown, refused.iter().cloned().chain(held).collect());
            }
            let not_held = present(&condition, false);
            self.el.scope.learn(not_held.clone());
            refused.extend(not_held);
            conditions.push(condition);
            regions.push(region);
        }
        match otherwise {
            Some(block) => {
                let region = self.block(block, goal);
                if region.ends == Ends::Falls {
                    note(&mut shown, refused);
                }
                regions.push(region);
            }
            None => {
                note(&mut shown, refused);
                let end = Span { start: span.end.saturating_sub(1), ..span };
                let ty = match goal {
                    Goal::Yield(want) => self.el.absent(want, end, NO_ELSE, ADD_ELSE).ty,
                    Goal::Drop => Type::Null,
                };
                regions.push(Region { chain: Chain::default(), ty, span: end, yields: None, ends: Ends::Falls });
            }
        }
        self.el.scope.pop();
        self.el.scope.learn(shown.unwrap_or_default());
        for (index, region) in regions.iter().enumerate() {
            self.builder.region(node, index, region.chain);
        }
        let result = self.join(&regions, goal, "the branches of `if`");
        self.builder.set(node, NodeKind::If { slot, conditions });
        result
    }

    /// The type of the value, and whether the end can be reached.
    pub(super) fn join(&mut self, regions: &[Region], goal: Goal<'_>, what: &str) -> (Type, Ends) {
        if regions.iter().all(|region| region.ends == Ends::Leaves) {
            return (Type::Never, Ends::Leaves);
        }
        match goal {
            Goal::Drop => (Type::Null, Ends::Falls),
            Goal::Yield(_) => (self.unify(regions, what), Ends::Falls),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one expression and where its value goes")]
    fn match_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        subject: &ast::Expr,
        arms: &[ast::MatchArm],
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or("match"), span);
        let value = self.el.check(subject, Want::default());
        let mut state = Arms::new(&value);
        let mut patterns = Vec::new();
        let mut regions = Vec::new();
        for (index, arm) in arms.iter().enumerate() {
            patterns.push(self.el.open_arm(&mut state, arm));
            let region = self.arm(&arm.value, goal);
            self.el.close();
            self.builder.region(node, index, region.chain);
            regions.push(region);
        }
        self.el.finish_match(span, subject.span, state);
        let result = self.join(&regions, goal, "the arms of `match`");
        self.builder.set(node, NodeKind::Match { slot, subject: value.expr, arms: patterns });
        result
    }

    fn for_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        each: &For,
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or(&each.item.text), span);
        let before = self.el.problems.len();
        let flowing = self.flowing(&each.items);
        if let Some(flowing) = flowing.as_ref().filter(|_| self.el.problems.len() == before) {
            self.unbounded(each, flowing);
        }
        let (items, item_type, stream) = match flowing {
            Some(Flowing { slot, item, stages }) => (Expr::Slot(slot), item, Some(stages)),
            None => {
                let items = self.el.check(&each.items, Want::default());
                let items = self.el.non_null(items, &each.items, "`for` needs a list");
                let item_type = self.item_type("for", &items, each.items.span);
                (items.expr, item_type, None)
            }
        };
        let concurrency = self.concurrency(each.concurrency.as_ref());
        let every = each.every.as_ref().map(|every| self.el.check(every, Want::of(&Type::Duration)).expr);
        let mode = self.for_on_error(each.on_error.as_ref());
        let on_error = mode.unwrap_or(ForOnError::Stop);
        self.el.scope.push();
        let item = self.el.bind_new(&each.item, item_type.clone(), Kind::Item);
        self.builder.enter(node);
        if on_error != ForOnError::Stop {
            self.raised.push(Raised::default());
        }
        let inner = match (goal, on_error) {
            (Goal::Yield(Want { ty: Some(Type::List(wanted)), because }), ForOnError::Stop | ForOnError::Skip) => {
                Goal::Yield(Want { ty: Some(wanted), because })
            }
            (Goal::Yield(_), _) => Goal::Yield(Want::default()),
            (Goal::Drop, _) => Goal::Drop,
        };
        self.items.push((item, each.item.text.clone()));
        let region = self.block(&each.body, inner);
        self.items.pop();
        if on_error != ForOnError::Stop {
            self.raised.pop();
        }
        self.builder.leave();
        self.el.close();
        self.builder.region(node, 0, region.chain);
        self.builder.set(node, NodeKind::For { slot, item, items, concurrency, every, on_error, stream });
        let list = |ty: Type| Type::List(Box::new(ty));
        let ty = match on_error {
            _ if mode.is_none() => Type::Unknown,
            ForOnError::Stop | ForOnError::Skip => list(region.ty),
            ForOnError::Collect => {
                let error = failure_type(self.el.names, &[]);
                let failed =
                    IndexMap::from([("item".to_owned(), Field::of(item_type)), ("error".to_owned(), Field::of(error))]);
                Type::Record(IndexMap::from([
                    ("ok".to_owned(), Field::of(list(region.ty))),
                    ("failed".to_owned(), Field::of(list(Type::Record(failed)))),
                ]))
            }
        };
        match goal {
            Goal::Drop => (Type::Null, Ends::Falls),
            Goal::Yield(want) => {
                // What the items can't show (a list where none is wanted) is said of the whole.
                let whole = Typed::new(Expr::Literal(Value::Null), ty);
                (self.el.fit(whole, want, span).ty, Ends::Falls)
            }
        }
    }

    /// Warns of a loop that calls something for each item of a stream, however many there are.
    fn unbounded(&mut self, each: &For, flowing: &Flowing) {
        let is_bounded = flowing.stages.iter().any(|stage| matches!(stage, Stage::Take(_) | Stage::Most(_)));
        let in_statements = each.body.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Step(step) => Some(step.call.span),
            StatementKind::Let { value, .. } | StatementKind::Control(value) if has_effect(value) => Some(value.span),
            _ => None,
        });
        let in_value = || each.body.value.as_ref().filter(|value| has_effect(value)).map(|value| value.span);
        let Some(call) = in_statements.or_else(in_value).filter(|_| !is_bounded) else { return };
        let has_chunks = flowing.stages.iter().any(|stage| matches!(stage, Stage::Chunks(_)));
        let unit = if has_chunks { "chunk" } else { "item" };
        self.el.problems.push(
            Diagnostic::new(
                Code::W0406,
                format!("this loop makes as many calls as the stream has {unit}s"),
                each.items.span,
                "has no bound",
            )
            .label(call, format!("is called for each {unit}"))
            .help("say how many at most: `.take(1_000)`; where all are meant, `// flow: allow W0406 why`"),
        );
    }

    pub(super) fn item_type(&mut self, word: &str, items: &Typed, span: Span) -> Type {
        match &items.ty {
            Type::List(item) => (**item).clone(),
            Type::Unknown | Type::Never => Type::Unknown,
            other => {
                let help = match other {
                    Type::Map(_) => "go through its `.entries()`",
                    Type::Json => "convert it first: `… as List<T>`",
                    Type::Int => "count with `List.range(0, …)`",
                    Type::String => "a text is no list: `.lines()`, `.split(\",\")` and `.characters()` make one of it",
                    Type::File => {
                        "what is in a file is read by a step: `step rows = csv.read<Row>(file)`, `step text = files.text(content: file)`"
                    }
                    _ => "give a list",
                };
                self.el.problems.push(
                    Diagnostic::new(
                        Code::E0301,
                        format!("`{word}` goes through a list"),
                        span,
                        format!("of type `{other}`"),
                    )
                    .help(help),
                );
                Type::Unknown
            }
        }
    }

    fn concurrency(&mut self, written: Option<&ast::Expr>) -> Expr {
        let Some(written) = written else { return Expr::Literal(Value::Int(1)) };
        let count = self.el.check(written, Want::of(&Type::Int));
        if let Expr::Literal(Value::Int(number)) = count.expr
            && number < 1
        {
            self.el.problems.push(
                Diagnostic::new(Code::E0301, "`concurrency` is at least 1", written.span, "nothing would run")
                    .help("write how many items may be under way at the same time"),
            );
        }
        count.expr
    }

    /// What a failing item does; none when the word means nothing.
    fn for_on_error(&mut self, word: Option<&Ident>) -> Option<ForOnError> {
        match word.map(|word| word.text.as_str()) {
            None | Some("stop") => Some(ForOnError::Stop),
            Some("collect") => Some(ForOnError::Collect),
            Some("skip") => Some(ForOnError::Skip),
            Some(_) => {
                self.unknown_mode(word, &["stop", "collect", "skip"]);
                None
            }
        }
    }

    /// Reports a word after `on error` that means nothing.
    fn unknown_mode(&mut self, word: Option<&Ident>, known: &[&str]) {
        let Some(word) = word else { return };
        let all: Vec<String> = known.iter().map(|one| format!("`{one}`")).collect();
        let help = match similar(&word.text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write {}", all.join(" or ")),
        };
        self.el.problems.push(
            Diagnostic::new(Code::E0315, format!("there is no `on error {}`", word.text), word.span, "not known")
                .help(help),
        );
    }

    fn parallel_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        on_error: Option<&Ident>,
        body: &Block,
        goal: Goal<'_>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let keyword = Span { end: span.start + "parallel".len() as u32, ..span };
        let is_used = matches!(goal, Goal::Yield(_));
        if is_used {
            self.el.problems.push(
                Diagnostic::new(Code::E0413, "`parallel` has no value", keyword, "used as a value")
                    .help("leave `let … =` out: the names that its branches bind are known after it"),
            );
        }
        let on_error = match on_error.map(|word| word.text.as_str()) {
            None | Some("stop") => ParallelOnError::Stop,
            Some("wait") => ParallelOnError::Wait,
            Some(_) => {
                self.unknown_mode(on_error, &["stop", "wait"]);
                ParallelOnError::Stop
            }
        };
        let node = self.builder.reserve(chain, name.unwrap_or("parallel"), span);
        let last = body.value.as_deref().and_then(|value| self.last_branch(value, is_used));
        let branches: Vec<&Statement> = body.statements.iter().chain(&last).collect();
        let bound: BTreeMap<String, Span> = branches
            .iter()
            .filter_map(|branch| bound_name(branch))
            .map(|name| (name.text.clone(), name.span))
            .collect();
        let mut frames = Vec::new();
        let mut ends = Ends::Falls;
        for (index, branch) in branches.iter().enumerate() {
            self.el.scope.push();
            let own = bound_name(branch).map(|name| name.text.as_str());
            let siblings = bound.iter().filter(|(name, _)| Some(name.as_str()) != own);
            self.el.scope.innermost().siblings = siblings.map(|(name, span)| (name.clone(), *span)).collect();
            let mut region = Chain::default();
            if self.statements(&mut region, std::slice::from_ref(branch), None) == Ends::Leaves {
                ends = Ends::Leaves;
            }
            self.builder.region(node, index, region);
            frames.push(self.el.scope.pop());
        }
        for frame in frames {
            for (name, binding) in frame.bindings {
                let ident = Ident { text: name.clone(), span: binding.span };
                if let Some(first) = self.el.scope.bind(&name, binding) {
                    self.el.problems.push(crate::names::duplicate("binding", &ident, first));
                }
            }
            self.el.scope.learn(frame.present);
        }
        let regions = u32::try_from(branches.len()).expect("a block has fewer than 2^32 statements");
        self.builder.set(node, NodeKind::Parallel { on_error, regions });
        (Type::Unknown, ends)
    }

    /// A control expression at the end of a `parallel` is its last branch; another value goes nowhere.
    fn last_branch(&mut self, value: &ast::Expr, is_reported: bool) -> Option<Statement> {
        if has_effect(value) {
            return Some(Statement { span: value.span, kind: StatementKind::Control(value.clone()) });
        }
        if self.forgotten_step(value).is_none() {
            // It may use what the branches bind, which is not known yet.
            self.el.has_gaps = true;
            if !is_reported {
                self.el.problems.push(
                    Diagnostic::new(Code::E0413, "`parallel` has no value", value.span, "goes nowhere")
                        .help("leave it out: the names that the branches bind are known after the block"),
                );
            }
        }
        None
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one expression and where its value goes")]
    fn try_node(
        &mut self,
        chain: &mut Chain,
        span: Span,
        body: &Block,
        catch: &[ast::CatchArm],
        goal: Goal<'_>,
        slot: Option<Slot>,
        name: Option<&str>,
    ) -> (Type, Ends) {
        let node = self.builder.reserve(chain, name.unwrap_or("try"), span);
        self.raised.push(Raised::default());
        let region = self.block(body, goal);
        self.builder.region(node, 0, region.chain);
        let possible = self.raised.pop().unwrap_or_default();
        let keyword = Span { end: span.start + "try".len() as u32, ..span };
        let (arms, mut regions) = self.catch_regions(node, catch, possible, keyword, goal);
        regions.insert(0, region);
        let result = self.join(&regions, goal, "the block and the arms of `catch`");
        self.builder.set(node, NodeKind::Try { slot, arms, optional: false });
        result
    }

    /// The arms of a `catch`, as regions from 1; what they don't catch goes on outwards.
    pub(super) fn catch_regions(
        &mut self,
        node: petgraph::graph::NodeIndex,
        catch: &[ast::CatchArm],
        possible: Raised,
        guarded: Span,
        goal: Goal<'_>,
    ) -> (Vec<flow_model::plan::CatchArm>, Vec<Region>) {
        let mut caught = BTreeMap::new();
        let mut arms = Vec::new();
        let mut regions = Vec::new();
        for (index, arm) in catch.iter().enumerate() {
            let opened = self.open_catch(arm, &possible, &mut caught, guarded);
            let region = self.arm(&arm.value, goal);
            self.el.close();
            self.builder.region(node, index + 1, region.chain);
            arms.push(opened);
            regions.push(region);
        }
        let mut rest = possible;
        if caught.contains_key(&None) {
            rest = Raised::default();
        }
        rest.kinds.retain(|kind, _| !caught.contains_key(&Some(kind.clone())));
        if let Some(outer) = self.raised.last_mut() {
            outer.extend(rest);
        }
        (arms, regions)
    }

    /// A block as a value.
    fn block_node(&mut self, chain: &mut Chain, block: &Block, goal: Goal<'_>, slot: Option<Slot>) -> (Type, Ends) {
        let node = self.builder.reserve(chain, "block", block.span);
        let region = self.block(block, goal);
        self.builder.region(node, 0, region.chain);
        let always = vec![Expr::Literal(Value::Bool(true))];
        self.builder.set(node, NodeKind::If { slot, conditions: always });
        (region.ty, region.ends)
    }
}

/// The name that a statement binds.
pub(super) fn bound_name(statement: &Statement) -> Option<&Ident> {
    match &statement.kind {
        StatementKind::Let { name, .. } => Some(name),
        StatementKind::Step(step) => step.name.as_ref(),
        _ => None,
    }
}
