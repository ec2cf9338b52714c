//! Tests, as their author wrote them.

use flow_model::{
    case::{Happened, Order},
    span::Span,
};

use super::{Expr, Fail, Ident, Path};

/// `test "name" for flow { given … stub … expect … }`
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub span: Span,
    /// The content of the text, with the place of the text.
    pub name: Ident,
    pub flow: Ident,
    pub given: Vec<Given>,
    pub stubs: Vec<Stub>,
    pub expectations: Vec<Expectation>,
}

/// `given name = value`
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub span: Span,
    pub name: Ident,
    pub value: Expr,
}

/// `stub payments.charge fails Timeout 2 times then returns { … }`
#[derive(Clone, Debug)]
pub(crate) struct Stub {
    pub span: Span,
    pub target: Target,
    /// At least one.
    pub answers: Vec<Answer>,
}

/// Which calls are meant.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// `*`
    All(Span),
    /// A connection and its operation.
    Operation(Path),
    /// `approve`
    Approve(Span),
    /// `wait order.paid`
    Wait(Path),
}

impl Target {
    /// What is written.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::All(span) | Self::Approve(span) => *span,
            Self::Operation(path) | Self::Wait(path) => path.span(),
        }
    }
}

/// What is answered, and to how many calls.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub span: Span,
    pub what: AnswerWhat,
    pub often: Option<HowOften>,
}

#[derive(Clone, Debug)]
pub(crate) enum AnswerWhat {
    /// `returns value`, `returns value after 2d`
    Returns(Expr, Option<Expr>),
    /// `fails Kind`, `fails Kind(field: value)`
    Fails(Fail),
    /// `using schema`
    Schema,
}

/// How many calls are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HowOften {
    pub span: Span,
    /// None is `always`.
    pub times: Option<u32>,
}

/// `expect …`
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub span: Span,
    pub what: ExpectedWhat,
}

#[derive(Clone, Debug)]
pub(crate) enum ExpectedWhat {
    /// `run completed`, `run failed Kind(field: value)`
    Run { state: Ident, failure: Option<Fail> },
    /// `result value`
    Result(Expr),
    /// `mail.send called once with { … }`
    Called { target: Target, often: Option<HowOften>, with: Option<Expr> },
    /// `emitted order.shipped once with { … }`
    Emitted { event: Path, often: Option<HowOften>, with: Option<Expr> },
    /// `dead_letter queue contains { … }`
    DeadLetter { queue: Ident, contains: Option<Expr> },
    /// `responded 200 { … }`
    Responded { status: Expr, body: Option<Expr> },
    /// `never { mail.send called after crm.delete }`
    Never { what: Happening, order: Option<Box<(Order, Happening)>> },
}

/// `payments.charge called with { … } where .amount > 5`
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub target: Target,
    pub happened: Happened,
    pub with: Option<Expr>,
    pub filter: Option<Expr>,
}
