//! A `test` of a program, checked and ready to run.
//!
//! Expressions see what `given` binds: the payload of the trigger in slot 0, or the flow's parameters in slots `0..`.

use std::{collections::BTreeMap, sync::Arc};

use crate::{expr::Expr, failure::ErrorKind, plan::Function, span::Span, ty::Types, value::Value};

/// A test.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it says of the flow.
    pub name: String,
    /// The flow.
    pub flow: String,
    /// Where the test stands: its name.
    pub span: Span,
    /// Which of the flow's triggers starts the run; none starts it with parameters.
    pub trigger: Option<usize>,
    /// The payload of the trigger, or the record of parameters.
    pub given: Given,
    /// What operations answer; the first that fits a call decides.
    pub stubs: Vec<Stub>,
    /// What must hold at the end, in order.
    pub expectations: Vec<Expectation>,
    /// Functions of the program that the expressions of the test use, by name.
    pub functions: BTreeMap<String, Arc<Function>>,
    /// Named types that they use.
    pub types: Types,
}

/// With what a run of a test begins.
#[derive(Clone, Debug)]
pub enum Given {
    /// The payload of the trigger.
    Payload(Expr),
    /// The parameters by name; those left out have their defaults.
    Params(Vec<(String, Expr)>),
    /// Nothing was given: a payload is made from its type, parameters have their defaults.
    Nothing,
}

/// What an operation answers in a test, or what comes to a run that waits.
#[derive(Clone, Debug)]
pub struct Stub {
    /// Which calls, or which waits.
    pub target: Target,
    /// The answers in order; the last one serves all further calls unless it is limited.
    pub answers: Vec<Answer>,
    /// Where it stands.
    pub span: Span,
}

/// Which calls a stub or an expectation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `*`
    All,
    /// An operation of a connection.
    Operation {
        /// The connection.
        connection: String,
        /// The operation.
        operation: String,
    },
    /// `approve`: a person who is asked.
    Approve,
    /// `wait order.paid`: an event that is waited for.
    Wait(String),
}

/// One answer of a stub.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it is.
    pub kind: AnswerKind,
    /// For how many calls; none is for all.
    pub times: Option<u32>,
    /// How much later it comes: for what is waited for alone.
    pub after: Option<Expr>,
}

/// What a stub answers.
#[derive(Clone, Debug)]
pub enum AnswerKind {
    /// `returns value`
    Returns(Expr),
    /// `fails Kind`, `fails Kind(field: value)`
    Fails {
        /// With what.
        kind: ErrorKind,
        /// The fields of a declared error that are given; others are made from their types.
        fields: Vec<(String, Expr)>,
    },
    /// `using schema`: a value made from the operation's result type.
    Schema,
}

/// What must hold at the end of a run.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What.
    pub what: Expected,
    /// Where it stands.
    pub span: Span,
}

/// What is expected.
#[derive(Clone, Debug)]
pub enum Expected {
    /// `expect run completed`, `expect run failed Refused(why: "…")`
    Run {
        /// How it ends.
        state: RunState,
        /// Fields that its failure has.
        fields: Vec<(String, Expr)>,
    },
    /// `expect result { … }`: the result has these fields with these values; a value that is no record is equal.
    Result(Expr),
    /// `expect mail.send called once with { … }`
    Called {
        /// The connection and the operation.
        target: Target,
        /// How often. Each attempt counts.
        count: Count,
        /// Arguments that each call that counts has.
        with: Option<Expr>,
    },
    /// `expect emitted order.shipped once with { … }`
    Emitted {
        /// The event.
        event: String,
        /// How often.
        count: Count,
        /// Fields that each event that counts has.
        with: Option<Expr>,
    },
    /// `expect dead_letter queue contains { … }`
    DeadLetter {
        /// The queue.
        queue: String,
        /// Fields that an entry has; none means that there is an entry.
        contains: Option<Expr>,
    },
    /// `expect responded 200 { … }`
    Responded {
        /// The status.
        status: u16,
        /// Fields that the body has.
        body: Option<Expr>,
    },
    /// `expect never { payments.refund called after mail.send }`
    Never {
        /// What never happens; with an order, what never happens then.
        what: Happening,
        /// Before or after something else.
        order: Option<Box<(Order, Happening)>>,
    },
}

/// A call of a kind that an invariant is about.
#[derive(Clone, Debug)]
pub struct Happening {
    /// The connection and the operation.
    pub target: Target,
    /// What becomes of it.
    pub happened: Happened,
    /// Arguments that it has.
    pub with: Option<Expr>,
    /// What holds of its arguments, which are the ambient item.
    pub filter: Option<Expr>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It is made. Each attempt counts.
    Called,
    /// It is answered with a result.
    Succeeded,
    /// It fails. Each attempt counts.
    Failed,
}

/// How two calls follow each other, with others between them or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first comes later than the second.
    After,
    /// The first comes earlier than the second.
    Before,
}

/// How a run ends or what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// With a result.
    Completed,
    /// With a failure, of that kind where one is named.
    Failed(Option<ErrorKind>),
    /// A step's outcome is not known and nobody has decided.
    NeedsDecision,
}

/// How often an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// At least once: `called`.
    AtLeastOnce,
    /// Exactly so often: `called never`, `called once`, `called 9 times`.
    Exactly(u32),
}

/// Says whether `value` has all that `pattern` has: records field by field, other values by equality. A field that is
/// not there is null.
pub fn contains(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Record(fields), Value::Record(expected)) => {
            expected.iter().all(|(name, expected)| contains(fields.get(name).unwrap_or(&Value::Null), expected))
        }
        (Value::List(items), Value::List(expected)) => {
            items.len() == expected.len() && items.iter().zip(expected).all(|(item, expected)| contains(item, expected))
        }
        (value, pattern) => value.equals(pattern),
    }
}
