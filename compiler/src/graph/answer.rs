//! Is a caller answered twice?
//!
//! In: the body of a flow as written. Out: each `respond` that comes after another one in the same run. Two that stand in
//! different branches are no mistake, since what chooses one may rule out the other; one that stands after a branch which
//! answers and does not end the run is.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::Span,
};

use crate::ast::{Block, Expr, ExprKind, Statement, StatementKind};

/// Reports the answers that reach nobody.
pub(super) fn answered_twice(body: &Block, problems: &mut Vec<Diagnostic>) {
    Answers { problems }.block(body, State::Open);
}

/// What is known of the caller where a statement begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nobody has answered.
    Open,
    /// Some branch before has answered here.
    Perhaps(Span),
    /// Each run that comes here has answered there.
    Answered(Span),
    /// No run comes here.
    Left,
}

impl State {
    /// What is known within a branch.
    fn within(self) -> Self {
        match self {
            Self::Perhaps(_) => Self::Open,
            other => other,
        }
    }

    /// What is known where two branches meet.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Left, known) | (known, Self::Left) => known,
            (Self::Answered(first), Self::Answered(_)) => Self::Answered(first),
            (Self::Open, Self::Open) => Self::Open,
            (Self::Open, Self::Perhaps(at) | Self::Answered(at)) | (Self::Perhaps(at) | Self::Answered(at), _) => {
                Self::Perhaps(at)
            }
        }
    }
}

struct Answers<'p> {
    problems: &'p mut Vec<Diagnostic>,
}

impl Answers<'_> {
    fn block(&mut self, block: &Block, before: State) -> State {
        let after = block.statements.iter().fold(before, |state, statement| self.statement(statement, state));
        block.value.as_deref().map_or(after, |value| self.expr(value, after))
    }

    fn statement(&mut self, statement: &Statement, before: State) -> State {
        match &statement.kind {
            StatementKind::Respond { .. } => self.respond(statement.span, before),
            StatementKind::Return(_) | StatementKind::Fail(_) => State::Left,
            StatementKind::Let { value, .. } | StatementKind::Control(value) => self.expr(value, before),
            StatementKind::Step(step) => {
                let arms = step.catch.iter().flatten();
                arms.fold(before, |after, arm| after.or(self.expr(&arm.value, before.within())))
            }
            StatementKind::Log(_)
            | StatementKind::DeadLetter { .. }
            | StatementKind::Sleep(_)
            | StatementKind::Emit { .. } => before,
        }
    }

    fn respond(&mut self, span: Span, before: State) -> State {
        let keyword = Span { end: span.start + "respond".len() as u32, ..span };
        let (first, help) = match before {
            State::Open => return State::Answered(keyword),
            State::Left => return before,
            State::Answered(first) => {
                (first, "a request has one answer: leave one of them out, or put each in a branch of an `if`")
            }
            State::Perhaps(first) => (
                first,
                "a request has one answer: the run goes on after the first, so end it there with `return`, or write `else`",
            ),
        };
        self.problems.push(
            Diagnostic::new(Code::E0412, "the caller has its answer already", keyword, "reaches nobody")
                .label(first, "is answered here")
                .help(help),
        );
        State::Answered(first)
    }

    fn expr(&mut self, expr: &Expr, before: State) -> State {
        match &expr.kind {
            ExprKind::If { arms, otherwise } => {
                let first = match otherwise {
                    Some(otherwise) => self.block(otherwise, before.within()),
                    None => before,
                };
                arms.iter().fold(first, |after, (_, arm)| after.or(self.block(arm, before.within())))
            }
            ExprKind::Match { arms, .. } => {
                arms.iter().fold(State::Left, |after, arm| after.or(self.expr(&arm.value, before.within())))
            }
            ExprKind::For(each) => self.repeated(&each.body, before, "is answered for each item"),
            ExprKind::Repeat(repeat) => self.repeated(&repeat.body, before, "is answered each time"),
            ExprKind::First { body, .. } => before.or(self.block(body, before.within())),
            ExprKind::Parallel { body, .. } | ExprKind::Race(body) => {
                let branches = body.statements.iter().map(|branch| self.statement(branch, before.within()));
                let after: Vec<State> = branches.collect();
                // All of them run, whichever has answered.
                let answered = after.iter().find(|state| matches!(state, State::Answered(_))).copied();
                answered.unwrap_or_else(|| after.into_iter().fold(before, State::or))
            }
            ExprKind::Try { body, catch } => {
                // What fails has not come to the answer at the end.
                let after = self.block(body, before);
                catch.iter().fold(after, |after, arm| after.or(self.expr(&arm.value, before.within())))
            }
            ExprKind::Saga(body) | ExprKind::Block(body) => self.block(body, before),
            _ => before,
        }
    }

    /// A body that runs several times.
    fn repeated(&mut self, body: &Block, before: State, label: &str) -> State {
        let after = self.block(body, before.within());
        if let (State::Answered(at), false) = (after, matches!(before, State::Answered(_))) {
            self.problems.push(
                Diagnostic::new(Code::E0412, "a request has one answer", at, label)
                    .help("answer after the loop, or end the run with `return` after the answer"),
            );
        }
        match after {
            State::Left => before,
            after => before.or(after),
        }
    }
}
