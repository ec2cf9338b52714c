//! What an error of MySQL means to a program.
//!
//! The numbers are those of "Server Error Message Reference" (MySQL) and "MariaDB Error Codes".

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::NativeFailure;
use mysql_async::{DriverError, Error, ServerError};

use crate::once;

/// How far a call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A connection is made.
    Connecting,
    /// Statements are carried out in a transaction, which ends with the connection.
    Within,
    /// The transaction is committed, or a statement does that itself.
    Committing,
}

/// Says whether a connection can't be used any more.
pub(super) fn is_broken(error: &Error) -> bool {
    match error {
        Error::Server(answer) => is_farewell(answer.code),
        _ => true,
    }
}

/// The server goes away, or has closed the connection.
fn is_farewell(code: u16) -> bool {
    matches!(code, 1053 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 4031)
}

/// The failure of a call.
pub(super) fn failure(error: &Error, phase: Phase) -> NativeFailure {
    let lost = |kind, message: String| match phase {
        Phase::Connecting | Phase::Within => NativeFailure::never(Failure::new(kind, message)),
        Phase::Committing => NativeFailure::perhaps(Failure::new(kind, message)),
    };
    match error {
        Error::Server(answer) if is_farewell(answer.code) => {
            lost(ErrorKind::Unavailable, format!("mysql answers {}: {}", answer.code, answer.message))
        }
        Error::Server(answer) => refused(answer, phase),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            lost(ErrorKind::Unavailable, "mysql offers no TLS, which the connection asks for".to_owned())
        }
        Error::Io(cause) => lost(ErrorKind::Unavailable, format!("the connection to mysql was lost: {cause}")),
        other => lost(ErrorKind::Unavailable, format!("the connection to mysql was lost: {other}")),
    }
}

fn refused(answer: &ServerError, phase: Phase) -> NativeFailure {
    let (code, kind) = (answer.code, kind(answer));
    if code == 1146 && answer.message.contains(once::TABLE) {
        return once::no_table(super::ONCE_TABLE).into();
    }
    let mut message = match code {
        // `Duplicate entry 'jenny@example.com' for key 'PRIMARY'` repeats a value.
        1062 | 1586 => {
            let key = answer.message.rsplit_once(" for key ").map_or("", |(_, key)| key);
            format!("mysql answers {code}: duplicate entry for key {key}")
        }
        _ => format!("mysql answers {code}: {}", answer.message),
    };
    if code == 1792 {
        message.push_str(" What writes is `execute`, `ensure` or `change`.");
    }
    let mut failure = Failure::new(kind.clone(), message);
    failure.fields.insert("code".to_owned(), Value::Int(code.into()));
    if kind == ErrorKind::Unavailable || phase == Phase::Connecting {
        return NativeFailure::never(failure);
    }
    failure.into()
}

fn kind(answer: &ServerError) -> ErrorKind {
    match answer.code {
        // Duplicates, foreign keys.
        1062 | 1586 | 1022 | 1216 | 1217 | 1451 | 1452 | 1761 | 1762 => ErrorKind::Conflict,
        1045 | 1698 | 1820 | 1862 | 4151 => ErrorKind::Unauthorized,
        1044 | 1142 | 1143 | 1227 | 1290 | 1370 | 1410 => ErrorKind::Forbidden,
        1049 => ErrorKind::NotFound,
        // Deadlocks and locks that are waited for too long; too many connections; no room.
        1205 | 1213 | 1614 | 1020 | 1040 | 1203 | 1226 | 1021 | 1037 | 1038 | 1041 | 1135 | 1317 => {
            ErrorKind::Unavailable
        }
        1969 | 3024 => ErrorKind::Timeout,
        // `signal sqlstate '45000'`.
        _ if answer.state == "45000" => ErrorKind::Rejected,
        _ => ErrorKind::Invalid,
    }
}
