//! The program as its author wrote it, typed: what [`crate::read`] makes of the grammar's tree.
//!
//! Nothing is resolved here; each part knows its span. Where the text could not be read, there is a `Missing` or the
//! part is left out, and a problem was reported.

pub(crate) mod connector;
pub(crate) mod expr;
pub(crate) mod test;

use std::collections::BTreeMap;

use flow_model::span::Span;

pub(crate) use connector::*;
pub(crate) use expr::*;
pub(crate) use test::*;

/// A name with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ident {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// Names joined by dots: `chat.post_message`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    /// At least one.
    pub parts: Vec<Ident>,
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub items: Vec<Item>,
    /// The items that other files can't take: the place of `private` by that of the name.
    pub private: BTreeMap<Span, Span>,
}

/// An item.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Use(Use),
    Const(Const),
    Record(Record),
    Enum(Enum),
    Union(Union),
    Error(Record),
    Function(Function),
    Connection(Connection),
    Policy(Policy),
    Connector(Connector),
    Event(Event),
    Flow(Flow),
    Test(Test),
}

/// `use stripe, slack` and `use "./policies.flow" { patient }`
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub span: Span,
    pub what: UseWhat,
}

#[derive(Clone, Debug)]
pub(crate) enum UseWhat {
    /// Connectors by name.
    Connectors(Vec<Ident>),
    /// Items of another file; without a list, all that it has.
    File { path: Ident, names: Option<Vec<Ident>> },
}

/// `const name: T = value`
#[derive(Clone, Debug)]
pub(crate) struct Const {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub ty: Option<TypeExpr>,
    pub value: Expr,
}

/// `record R { … }` and `error E { … }`
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub fields: Vec<Field>,
}

/// A field of a record, a configuration, or a parameter: `name: T from "json" = default @pii`.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub ty: TypeExpr,
    /// `from "jsonName"`
    pub json_name: Option<Ident>,
    pub default: Option<Expr>,
    /// `min 1`, `max 10`, `pattern "…"`
    pub bounds: Vec<(Ident, Expr)>,
    /// `@pii`, `@unix`, `@unix_ms`, `@whole`, by name without the `@`.
    pub attributes: Vec<Ident>,
}

/// `event customer.created { … }`
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub span: Span,
    pub doc: String,
    pub name: Path,
    pub fields: Vec<Field>,
}

/// `enum Tier { Pro, Standard }`
#[derive(Clone, Debug)]
pub(crate) struct Enum {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub variants: Vec<Ident>,
}

/// `union Shape on kind { circle => Circle }`
#[derive(Clone, Debug)]
pub(crate) struct Union {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub on: Ident,
    /// Tag (a name or the content of a string) and type.
    pub cases: Vec<(Ident, TypeExpr)>,
}

/// `fn name(a: T, b: U = default) -> R { … }`
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub params: Vec<Field>,
    pub result: Option<TypeExpr>,
    pub body: Block,
}

/// `connection name = connector { … } @pii with policy`
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub connector: Ident,
    pub config: Vec<(Ident, Expr)>,
    /// `@pii`, by name without the `@`.
    pub attributes: Vec<Ident>,
    pub with: Vec<PolicyUse>,
}

/// `policy name { … }`
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub body: Vec<PolicyEntry>,
}

/// `with patient` or `with { timeout: 10s }`
#[derive(Clone, Debug)]
pub(crate) struct PolicyUse {
    pub span: Span,
    pub what: PolicyUseWhat,
}

#[derive(Clone, Debug)]
pub(crate) enum PolicyUseWhat {
    Named(Ident),
    Inline(Vec<PolicyEntry>),
}

/// An entry of a policy: `timeout: 20s`, `retry: none`, `retry { on: A | B, times: 8, … }`, `breaker { … }`, `breaker: none`.
#[derive(Clone, Debug)]
pub(crate) struct PolicyEntry {
    pub span: Span,
    pub name: Ident,
    pub value: PolicyValue,
}

#[derive(Clone, Debug)]
pub(crate) enum PolicyValue {
    /// `name: value`
    Expr(Expr),
    /// `on: A | B`
    Kinds(Vec<Ident>),
    /// `opens_at: 5 per 1m`
    Rate(Rate),
    /// `name { … }`
    Block(Vec<PolicyEntry>),
}

/// `100 per 10s`
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    pub span: Span,
    pub count: Expr,
    pub period: Expr,
}

/// `flow name(a: T) -> R fails E { on … statements }`
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub params: Vec<Field>,
    pub result: Option<TypeExpr>,
    pub fails: Option<Vec<Path>>,
    pub triggers: Vec<Trigger>,
    pub body: Block,
}

/// `on … as name { … }`
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub span: Span,
    pub source: TriggerSource,
    /// `(folder: "inbox")`, of a connection's trigger.
    pub args: Vec<Arg>,
    pub bind: Option<Ident>,
    pub clauses: Vec<TriggerClause>,
}

#[derive(Clone, Debug)]
pub(crate) enum TriggerSource {
    /// `http POST "/leads"`; the method is upper case as written, the path is the content of the string.
    Http { method: Ident, path: Ident },
    /// `every 15m`
    Every(Expr),
    /// `cron "0 9 * * mon" in "Europe/Berlin"`: the contents of the strings.
    Cron { line: Ident, zone: Option<Ident> },
    /// `file "inbox/*.csv"`: the content of the string.
    File(Ident),
    /// `event customer.created`, `event customer.*`: a part may be `*`.
    Event(Path),
    /// `payments.payment_intent.succeeded`: a connection, then the trigger's name.
    Connection(Path),
    /// What could not be read.
    Missing,
}

/// A clause of a trigger.
#[derive(Clone, Debug)]
pub(crate) struct TriggerClause {
    pub span: Span,
    pub name: Ident,
    pub value: TriggerClauseValue,
}

#[derive(Clone, Debug)]
pub(crate) enum TriggerClauseValue {
    /// `body: Lead`
    Type(TypeExpr),
    /// `verify: stripe.signature(…)`, `within: 1h`, `dedupe: event.id`, `concurrency: 4`
    Expr(Expr),
    /// `verify: none because "…"`
    NoneBecause(Option<Ident>),
    /// `dedupe: event.id for 72h`
    For(Expr, Expr),
    /// `concurrency: 1 per event.id`, `at_most: 100 per 1m`
    Per(Expr, Expr),
}
