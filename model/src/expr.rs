//! Pure expressions, as plans and connector declarations hold them.
//!
//! An expression has no effect and always ends. What can be seen of the outside (a step's outcome, the time) was put
//! into a slot before.

use serde::{Deserialize, Serialize};

use crate::{
    mask::Mask,
    ty::{Language, Type},
    value::Value,
};

/// A place for one value: a binding, a parameter or the item of a loop. Unique within its plan, function or template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u32);

/// A pure expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// What a slot holds.
    Slot(Slot),
    /// What the place of evaluation provides.
    Ambient(Ambient),
    /// `env("NAME")`, `env("NAME", default)`: read once, when the program starts.
    Env(String, Option<Box<Expr>>),
    /// Text with insertions; those of a language are bound or escaped for it.
    Text {
        /// Fixed text and insertions, in order.
        parts: Vec<TextPart>,
        /// The language, where the text has one.
        language: Option<Language>,
    },
    /// `{ a: 1, ...rest }`
    Record(Vec<RecordPart>),
    /// `[1, 2, ...rest]`
    List(Vec<ListPart>),
    /// `a.b`, and with `null_safe` `a?.b`: null when `a` is null. Properties such as `email.domain` are calls.
    Member {
        /// What has the member.
        of: Box<Expr>,
        /// The member's name in Flow.
        name: String,
        /// `?.`
        null_safe: bool,
    },
    /// `a[i]` on a list, map or `Json`: null when there is none.
    Index(Box<Expr>, Box<Expr>),
    /// `not a`, `-a`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`, `a and b`, `a ?? b`, …; `and`, `or` and `??` evaluate the right side only when it is needed.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c { a } else { b }`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `match x { … }`: arms in order.
    Match {
        /// What is matched.
        subject: Box<Expr>,
        /// Tried in order; exhaustive by the checks.
        arms: Vec<MatchArm>,
    },
    /// `let x = a` within a pure block, then the rest of the block.
    Let {
        /// Where the value goes.
        slot: Slot,
        /// The value.
        value: Box<Expr>,
        /// The rest.
        then: Box<Expr>,
    },
    /// A call of a `fn` of the program (a key of the plan's functions) or of a standard function (`text.upper`).
    /// A method call `x.f(a)` is the standard function of `x`'s type with `x` first.
    Call(String, Vec<Expr>),
    /// `x -> x.id`, the argument of `list.map` and the like.
    Lambda(Vec<Slot>, Box<Expr>),
    /// `x as T`: the value converted, or null where it does not fit.
    Convert(Box<Expr>, Type),
    /// The JSON form of a value of that type, with its JSON names and formats; the compiler puts it where a value
    /// leaves for a connector.
    Wire(Box<Expr>, Type),
    /// The same, whole: what a field may be that is absent, null, stands there. The compiler puts it where a parameter is
    /// declared `@whole`.
    Whole(Box<Expr>, Type),
    /// A value without its personal parts; the compiler puts it where people see the value.
    Masked(Box<Expr>, Mask),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TextPart {
    /// Fixed text.
    Fixed(String),
    /// `{…}`
    Insert(Expr),
}

/// A part of a record literal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecordPart {
    /// `name: value`
    Field(String, Expr),
    /// `...rest`
    Spread(Expr),
}

/// A part of a list literal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ListPart {
    /// An item.
    Item(Expr),
    /// `...rest`
    Spread(Expr),
}

/// What the place of evaluation provides to an expression of a connector declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ambient {
    /// `config`: the connection's configuration.
    Config,
    /// `body`: the JSON body of the answer or the webhook.
    Body,
    /// `status`: the status of the answer, an `Int`.
    Status,
    /// `headers`: those of the answer or the webhook, a map with lower-case names.
    Headers,
    /// `query`: the query parameters of the webhook's URL, a map.
    Query,
    /// The value before `.member` in `dedupe: .id`: one event.
    Item,
    /// `signature`: the text that a handshake asks to be signed, signed.
    Signature,
    /// `now()`: the time of the event that the run goes on with.
    Now,
    /// `uuid()`: a new UUID each time.
    Uuid,
    /// `random()`: a new decimal from 0 to below 1 each time.
    Random,
}

/// An operator with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnaryOp {
    /// `not`
    Not,
    /// `-`
    Negate,
}

/// An operator with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`: exact decimal division
    Divide,
    /// `%`
    Remainder,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `??`: the right side when the left is null
    Coalesce,
    /// `in`: the left side is an item of the list, or a key of the map
    In,
}

impl BinaryOp {
    /// The operator as programs write it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Coalesce => "??",
            Self::In => "in",
        }
    }
}

/// An arm of a pure `match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchArm {
    /// What must fit.
    pub pattern: Pattern,
    /// `if …`: what must hold besides, with the pattern's bindings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Expr>,
    /// The value.
    pub value: Expr,
}

/// A pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Pattern {
    /// `_`
    Any,
    /// A name: fits everything and binds it.
    Bind(Slot),
    /// A literal, an enum's variant or `null`.
    Literal(Value),
    /// `1..10`, `..10`, `10..`: from inclusive, to exclusive.
    Range {
        /// Least value.
        from: Option<Value>,
        /// One past the greatest value.
        to: Option<Value>,
    },
    /// `starts_with "x"`
    StartsWith(String),
    /// `{ kind: "a", id }`: each field fits; others may be there.
    Record(Vec<(String, Pattern)>),
    /// `[first, ...rest]`: items from the front; with a rest, more may follow.
    List {
        /// Patterns of the first items.
        items: Vec<Pattern>,
        /// `...` with the slot that takes the remaining items, if they are bound.
        rest: Option<Option<Slot>>,
    },
    /// `a | b`: one of them fits; they bind nothing.
    Either(Vec<Pattern>),
    /// `circle as c` in a `match` on a union: the field that tells the cases apart holds this text.
    Case {
        /// The field that tells the cases apart.
        on: String,
        /// Its text.
        tag: String,
        /// Takes the value.
        bind: Option<Slot>,
    },
}

/// Whether the parts of an expression are gone into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descend {
    /// They are.
    Yes,
    /// They are left as they are.
    No,
}

impl Expr {
    /// `null` as an argument that is written, told from one that was left out: the JSON form of null.
    pub fn written_null() -> Self {
        Self::Wire(Box::new(Self::Literal(Value::Null)), Type::Null)
    }

    /// Says whether it is [`Self::written_null`].
    pub fn is_written_null(&self) -> bool {
        matches!(self, Self::Wire(of, Type::Null) if matches!(**of, Self::Literal(Value::Null)))
    }

    /// Goes over an expression and its parts, outermost first, and lets each be changed.
    pub fn each_mut(&mut self, change: &mut dyn FnMut(&mut Self) -> Descend) {
        if change(self) == Descend::No {
            return;
        }
        match self {
            Self::Literal(_) | Self::Slot(_) | Self::Ambient(_) => {}
            Self::Env(_, default) => default.iter_mut().for_each(|default| default.each_mut(change)),
            Self::Text { parts, .. } => {
                for part in parts {
                    if let TextPart::Insert(insert) = part {
                        insert.each_mut(change);
                    }
                }
            }
            Self::Record(parts) => parts.iter_mut().for_each(|part| match part {
                RecordPart::Field(_, value) | RecordPart::Spread(value) => value.each_mut(change),
            }),
            Self::List(parts) => parts.iter_mut().for_each(|part| match part {
                ListPart::Item(value) | ListPart::Spread(value) => value.each_mut(change),
            }),
            Self::Member { of, .. }
            | Self::Unary(_, of)
            | Self::Lambda(_, of)
            | Self::Convert(of, _)
            | Self::Wire(of, _)
            | Self::Whole(of, _)
            | Self::Masked(of, _) => of.each_mut(change),
            Self::Index(left, right) | Self::Binary(_, left, right) | Self::Let { value: left, then: right, .. } => {
                left.each_mut(change);
                right.each_mut(change);
            }
            Self::If(condition, then, otherwise) => {
                [condition, then, otherwise].into_iter().for_each(|part| part.each_mut(change));
            }
            Self::Match { subject, arms } => {
                subject.each_mut(change);
                for arm in arms {
                    arm.guard.iter_mut().for_each(|guard| guard.each_mut(change));
                    arm.value.each_mut(change);
                }
            }
            Self::Call(_, args) => args.iter_mut().for_each(|arg| arg.each_mut(change)),
        }
    }
}
