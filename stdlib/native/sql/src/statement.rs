//! Statements as programs give them: a text, and the values that are bound in it.

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure};

/// A statement. Its values stand in the text as `$1`, `$2`, …, each once and in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) text: &'a str,
    pub(crate) params: &'a [Value],
}

/// Statements that are carried out together.
pub(crate) struct Work<'a> {
    pub(crate) statements: Vec<Statement<'a>>,
    pub(crate) isolation: Option<Isolation>,
    /// The key under which the work is done once and never again.
    pub(crate) once: Option<&'a str>,
}

/// How far transactions are kept apart (SQL:2016, part 2, section 4.41.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    /// As SQL writes it.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
}

/// What begins and ends transactions.
const CONTROL: [&str; 8] = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];

impl<'a> Statement<'a> {
    pub(crate) fn of(value: &'a Value) -> Result<Self, Failure> {
        let unfit = || Failure::new(ErrorKind::Invalid, format!("a statement is SQL and not {}", value.kind()));
        let statement = match value {
            Value::String(text) => Self { text, params: &[] },
            value => match (value.get("text"), value.get("params")) {
                (Some(Value::String(text)), Some(Value::List(params))) => Self { text, params },
                _ => return Err(unfit()),
            },
        };
        if statement.text.trim().is_empty() {
            return Err(none());
        }
        let word: String = statement.text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        if CONTROL.iter().any(|control| word.eq_ignore_ascii_case(control)) {
            let message = format!(
                "`{word}` is no statement for a step: each runs in a transaction of its own, and those of `transaction` in one"
            );
            return Err(Failure::new(ErrorKind::Invalid, message));
        }
        Ok(statement)
    }
}

impl<'a> Work<'a> {
    pub(crate) fn one(statement: Statement<'a>) -> Self {
        Self { statements: vec![statement], isolation: None, once: None }
    }

    /// The statements of a call, and how far they are kept apart from others.
    pub(crate) fn many(call: &NativeCall<'a>) -> Result<Self, Failure> {
        let Value::List(statements) = call.arg("statements") else { return Err(none()) };
        if statements.is_empty() {
            return Err(none());
        }
        let isolation = match call.arg("isolation").as_str() {
            None => None,
            Some("read_committed") => Some(Isolation::ReadCommitted),
            Some("repeatable_read") => Some(Isolation::RepeatableRead),
            Some("serializable") => Some(Isolation::Serializable),
            Some(other) => {
                return Err(Failure::new(ErrorKind::Invalid, format!("there is no isolation {other:?}")));
            }
        };
        let statements = statements.iter().map(Statement::of).collect::<Result<_, _>>()?;
        Ok(Self { statements, isolation, once: None })
    }
}

pub(crate) fn none() -> Failure {
    Failure::new(ErrorKind::Invalid, "there is no statement to carry out")
}

/// Of several statements, the message says which one.
pub(crate) fn numbered(failure: NativeFailure, index: usize, count: usize) -> NativeFailure {
    if count < 2 {
        return failure;
    }
    let message = format!("statement {} of {count}: {}", index + 1, failure.failure.message);
    NativeFailure { failure: Failure { message, ..failure.failure }, ..failure }
}
