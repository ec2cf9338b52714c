//! What an error of SQLite means to a program (SQLite documentation, "Result and Error Codes").

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::NativeFailure;
use rusqlite::{Error, ErrorCode, ffi};

use crate::once;

/// How far a call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is committed.
    Before,
    /// The transaction is committed.
    Committing,
}

pub(super) fn failure(error: &Error, phase: Phase) -> NativeFailure {
    let (code, message) = match error {
        Error::SqliteFailure(code, message) => (code, message.clone().unwrap_or_else(|| code.to_string())),
        Error::SqlInputError { error, msg, .. } => (error, msg.clone()),
        Error::MultipleStatement => {
            let message = "there is more than one statement: `transaction` takes several";
            return NativeFailure::never(Failure::new(ErrorKind::Invalid, message));
        }
        other => return NativeFailure::never(Failure::new(ErrorKind::Invalid, format!("sqlite: {other}"))),
    };
    if message.contains(&format!("no such table: {}", once::TABLE)) {
        return once::no_table(super::ONCE_TABLE).into();
    }
    let kind = kind(code);
    let mut failure = Failure::new(kind.clone(), format!("sqlite answers {}: {message}", code.extended_code));
    failure.fields.insert("code".to_owned(), Value::Int(code.extended_code.into()));
    match (code.code, kind) {
        // The disk may have taken it.
        (ErrorCode::SystemIoFailure, _) if phase == Phase::Committing => NativeFailure::perhaps(failure),
        (_, ErrorKind::Unavailable) => NativeFailure::never(failure),
        _ => failure.into(),
    }
}

fn kind(error: &ffi::Error) -> ErrorKind {
    const CONFLICTS: [i32; 4] = [
        ffi::SQLITE_CONSTRAINT_UNIQUE,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
        ffi::SQLITE_CONSTRAINT_ROWID,
    ];
    match error.code {
        ErrorCode::ConstraintViolation if CONFLICTS.contains(&error.extended_code) => ErrorKind::Conflict,
        // `raise` in a trigger.
        ErrorCode::ConstraintViolation if error.extended_code == ffi::SQLITE_CONSTRAINT_TRIGGER => ErrorKind::Rejected,
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::OutOfMemory
        | ErrorCode::SchemaChanged
        | ErrorCode::FileLockingProtocolFailed => ErrorKind::Unavailable,
        ErrorCode::CannotOpen => ErrorKind::NotFound,
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied => {
            ErrorKind::Forbidden
        }
        ErrorCode::OperationInterrupted => ErrorKind::Timeout,
        _ => ErrorKind::Invalid,
    }
}
