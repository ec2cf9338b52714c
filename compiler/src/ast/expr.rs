//! Types, statements, expressions and patterns as written.

use flow_model::{
    expr::{BinaryOp, UnaryOp},
    span::Span,
    value::Value,
};

use super::{Ident, Path, PolicyUse};

/// A type as written.
#[derive(Clone, Debug)]
pub(crate) struct TypeExpr {
    pub span: Span,
    pub kind: TypeExprKind,
}

#[derive(Clone, Debug)]
pub(crate) enum TypeExprKind {
    /// `Order`, `stripe.PaymentIntent`, `List<T>`
    Name(Path, Vec<TypeExpr>),
    /// `{ a: Int }`
    Record(Vec<super::Field>),
    /// `"a" | "b"`
    OneOf(Vec<Ident>),
    /// `T?`
    Optional(Box<TypeExpr>),
    /// A type that the caller of the operation gives.
    Variable(String),
    /// Could not be read.
    Missing,
}

/// Statements in braces, and the value at the end.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub span: Span,
    pub statements: Vec<Statement>,
    /// The expression that the block ends in.
    pub value: Option<Box<Expr>>,
}

/// A statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub span: Span,
    pub kind: StatementKind,
}

#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    /// `let name: T = value else …`
    Let { name: Ident, ty: Option<Box<TypeExpr>>, value: Expr, otherwise: Option<Box<Otherwise>> },
    /// `step name = call …`
    Step(Box<Step>),
    /// `return value`
    Return(Option<Expr>),
    /// `fail E(…)`
    Fail(Fail),
    /// `respond 200 { … }`
    Respond { status: Expr, body: Option<Expr> },
    /// `log "…"`
    Log(Expr),
    /// `dead_letter name { … }`
    DeadLetter { queue: Ident, value: Expr },
    /// `sleep 3d`, `sleep until t`
    Sleep(Expr),
    /// `emit customer.created { … }`
    Emit { event: Path, value: Expr },
    /// `match`, `if`, `for`, `parallel`, `try`, `saga`, `first`, `race`, `repeat` standing alone, or the
    /// braces of a branch.
    Control(Expr),
}

/// `step name = call with … else … catch { … }`
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub span: Span,
    pub name: Option<Ident>,
    /// A call as a rule; anything else is reported by the checks. Nothing to look at when there is a `wait`.
    pub call: Expr,
    /// `wait event where …`
    pub wait: Option<Wait>,
    /// `for 7d`: the place of the clause, and how long.
    pub within: Option<(Span, Expr)>,
    pub with: Vec<PolicyUse>,
    pub otherwise: Option<Otherwise>,
    pub catch: Option<Vec<CatchArm>>,
    /// The place of the keyword `optional`.
    pub optional: Option<Span>,
    /// `undo call(…)`: the place of the clause, and the call.
    pub undo: Option<(Span, Expr)>,
}

/// `wait order.shipped where .order_id == order.id`
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    pub span: Span,
    pub event: Path,
    pub filter: Option<Expr>,
}

/// `else value`, `else fail E(…)`, `else return …`
#[derive(Clone, Debug)]
pub(crate) enum Otherwise {
    Value(Expr),
    Fail(Fail),
    Return(Span, Option<Expr>),
}

/// `fail E(field: value)`
#[derive(Clone, Debug)]
pub(crate) struct Fail {
    pub span: Span,
    pub error: Path,
    pub args: Vec<Arg>,
}

/// `Kind | Kind as e if guard => value`
#[derive(Clone, Debug)]
pub(crate) struct CatchArm {
    pub span: Span,
    /// Empty for `_`.
    pub kinds: Vec<Path>,
    pub bind: Option<Ident>,
    pub guard: Option<Expr>,
    pub value: Expr,
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub span: Span,
    pub kind: ExprKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    /// A number, a boolean, `null`, a duration, a size, money.
    Literal(Value),
    /// `"text {expr}"`, in any of its three forms, with escapes resolved and indent removed.
    Text(Vec<TextPart>),
    /// A binding, a parameter, a constant, an enum (`Tier.Pro` is a member of it), a function.
    Name(String),
    /// `.id`: a member of what is implied by the place.
    ImpliedMember(Ident),
    /// `a.b`, `a?.b`
    Member {
        of: Box<Expr>,
        name: Ident,
        null_safe: bool,
    },
    /// `a[i]`
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    /// `f<T>(x, name: y)`
    Call {
        callee: Box<Expr>,
        types: Vec<TypeExpr>,
        args: Vec<Arg>,
    },
    /// `{ a: 1, b, ...rest }`
    Record(Vec<RecordEntry>),
    /// `[1, ...rest]`
    List(Vec<ListEntry>),
    Unary(UnaryOp, Box<Expr>),
    /// The place of the operator is kept for messages.
    Binary {
        op: BinaryOp,
        op_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `x as T`
    Convert(Box<Expr>, Box<TypeExpr>),
    /// `1..10`
    Range(Option<Box<Expr>>, Option<Box<Expr>>),
    /// `x -> expr`, `(a, b) -> expr`
    Lambda {
        params: Vec<Ident>,
        body: Box<Expr>,
    },
    /// `if c { … } else if d { … } else { … }`
    If {
        arms: Vec<(Expr, Block)>,
        otherwise: Option<Box<Block>>,
    },
    /// `match x { … }`
    Match {
        subject: Box<Expr>,
        arms: Vec<MatchArm>,
    },
    /// `for x in xs concurrency 8 on error collect { … }`
    For(Box<For>),
    /// `parallel on error wait { … }`
    Parallel {
        on_error: Option<Ident>,
        body: Box<Block>,
    },
    /// `try { … } catch { … }`
    Try {
        body: Box<Block>,
        catch: Vec<CatchArm>,
    },
    /// `saga { … }`
    Saga(Box<Block>),
    /// `first p in candidates { … }`
    First {
        item: Ident,
        items: Box<Expr>,
        body: Box<Block>,
    },
    /// `race { … }`
    Race(Box<Block>),
    /// `repeat every 10s up to 30 times until done { … }`
    Repeat(Box<Repeat>),
    /// `{ statements value }` as the value of an arm, and as a branch of `parallel` or `race`.
    Block(Box<Block>),
    /// Could not be read; a problem was reported.
    Missing,
}

/// A part of a text literal.
#[derive(Clone, Debug)]
pub(crate) enum TextPart {
    Fixed(String),
    Insert(Expr),
}

/// An argument: by position, by name, or `channel` for `channel: channel` (which reads as a position here; the checks
/// tell by the name).
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub span: Span,
    pub name: Option<Ident>,
    pub value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) enum RecordEntry {
    /// `name: value`, and `name` for `name: name`. The name may be a string.
    Field {
        name: Ident,
        value: Expr,
    },
    Spread(Expr),
}

#[derive(Clone, Debug)]
pub(crate) enum ListEntry {
    Item(Expr),
    Spread(Expr),
}

#[derive(Clone, Debug)]
pub(crate) struct MatchArm {
    pub span: Span,
    pub pattern: Pattern,
    pub guard: Option<Expr>,
    pub value: Expr,
}

/// `for item in items concurrency n on error … { … }`
#[derive(Clone, Debug)]
pub(crate) struct For {
    pub item: Ident,
    pub items: Expr,
    pub concurrency: Option<Expr>,
    /// `every 1s`
    pub every: Option<Expr>,
    /// `stop`, `collect` or `skip`
    pub on_error: Option<Ident>,
    pub body: Block,
}

/// `repeat every 10s up to 30 times until done { … }`
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    pub every: Expr,
    pub times: Expr,
    pub until: Expr,
    pub body: Block,
}

/// A pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub span: Span,
    pub kind: PatternKind,
}

#[derive(Clone, Debug)]
pub(crate) enum PatternKind {
    /// `_`
    Any,
    /// `name`: binds; the checks tell an enum's variant (`Pro`) and a union's case by the type.
    Name(Ident),
    /// `circle as c`
    As(Ident, Ident),
    /// `Tier.Pro`
    Path(Path),
    Literal(Value),
    Range(Option<Value>, Option<Value>),
    StartsWith(String),
    /// `{ kind: "a", id }`
    Record(Vec<(Ident, Option<Pattern>)>),
    /// `[a, b, ...rest]`
    List {
        items: Vec<Pattern>,
        rest: Option<Option<Ident>>,
    },
    Either(Vec<Pattern>),
    Missing,
}
