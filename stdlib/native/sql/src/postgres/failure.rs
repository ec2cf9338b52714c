//! What an error of PostgreSQL means to a program.
//!
//! The codes are those of "PostgreSQL Error Codes" (appendix A of its documentation), most of them SQL's own. What the
//! server says in detail (`Key (email)=(…) already exists.`) is left out: it repeats values.

use std::error::Error as _;

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::NativeFailure;
use tokio_postgres::{Error, error::DbError};

use crate::once;

/// How far a call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A connection is made.
    Connecting,
    /// Statements are carried out in a transaction, which ends with the connection.
    Within,
    /// The transaction is committed.
    Committing,
}

/// The failure of a call.
pub(super) fn failure(error: &Error, phase: Phase) -> NativeFailure {
    if let Some(answer) = error.as_db_error() {
        return refused(answer, phase);
    }
    let source = error.source().map(ToString::to_string);
    let message = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    // Values are written and columns are read outside of the exchange with the server.
    let unwritten = message.starts_with("error serializing parameter") || message.starts_with("expected ");
    if unwritten {
        return NativeFailure::never(Failure::new(ErrorKind::Invalid, unbound(&message)));
    }
    let kind = if message.contains("authentication") { ErrorKind::Unauthorized } else { ErrorKind::Unavailable };
    lost(Failure::new(kind, format!("the connection to postgres was lost: {message}")), phase)
}

/// Nothing is known of what the server did.
fn lost(failure: Failure, phase: Phase) -> NativeFailure {
    match phase {
        Phase::Connecting | Phase::Within => NativeFailure::never(failure),
        Phase::Committing => NativeFailure::perhaps(failure),
    }
}

/// `error serializing parameter 0: the statement takes …`
fn unbound(message: &str) -> String {
    let place = message.strip_prefix("error serializing parameter ").and_then(|rest| rest.split_once(": "));
    match place.and_then(|(index, why)| Some((index.parse::<usize>().ok()?, why))) {
        Some((index, why)) => format!("the insertion {} of the statement can't be bound: {why}", index + 1),
        None => format!("the insertions do not fit the statement: {message}"),
    }
}

fn refused(answer: &DbError, phase: Phase) -> NativeFailure {
    let code = answer.code().code();
    if code == "42P01" && answer.message().contains(once::TABLE) {
        return once::no_table(super::ONCE_TABLE).into();
    }
    let mut failure = Failure::new(kind(code), format!("postgres answers {code}: {}", answer.message()));
    if code == "25006" {
        failure.message.push_str(": what writes is `execute`, `ensure` or `change`");
    }
    failure.fields.insert("code".to_owned(), Value::text(code));
    for (name, value) in [("constraint", answer.constraint()), ("table", answer.table()), ("column", answer.column())] {
        if let Some(value) = value {
            failure.fields.insert(name.to_owned(), Value::text(value));
        }
    }
    match code.get(..2) {
        // The server goes away, or does not know itself what has become of a commit.
        Some("08" | "57" | "58" | "XX") if failure.kind == ErrorKind::Unavailable => lost(failure, phase),
        _ if code == "40003" => NativeFailure::perhaps(failure),
        // The transaction was rolled back for the sake of another one, and may be tried again.
        Some("40" | "53") => NativeFailure::never(failure),
        _ if phase == Phase::Connecting => NativeFailure::never(failure),
        _ => failure.into(),
    }
}

fn kind(code: &str) -> ErrorKind {
    match code {
        // Unique and exclusion constraints, foreign keys, and what can't be changed in its state.
        "23505" | "23P01" | "23503" | "23001" => ErrorKind::Conflict,
        "42501" => ErrorKind::Forbidden,
        "3D000" | "P0002" => ErrorKind::NotFound,
        "P0001" => ErrorKind::Rejected,
        "57014" => ErrorKind::Timeout,
        "55P03" => ErrorKind::Unavailable,
        _ => match code.get(..2) {
            Some("28") => ErrorKind::Unauthorized,
            Some("55" | "27") => ErrorKind::Conflict,
            Some("08" | "40" | "53" | "57" | "58" | "XX") => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_kinds() {
        for (code, expected) in [
            ("23505", ErrorKind::Conflict),
            ("23502", ErrorKind::Invalid),
            ("28P01", ErrorKind::Unauthorized),
            ("40001", ErrorKind::Unavailable),
            ("40P01", ErrorKind::Unavailable),
            ("42601", ErrorKind::Invalid),
            ("42501", ErrorKind::Forbidden),
            ("53300", ErrorKind::Unavailable),
            ("57014", ErrorKind::Timeout),
            ("57P01", ErrorKind::Unavailable),
            ("P0001", ErrorKind::Rejected),
            ("22012", ErrorKind::Invalid),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
