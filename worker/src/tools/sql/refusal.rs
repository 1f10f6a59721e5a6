//! What SQLite's errors mean for a caller, decided by their codes.

use rusqlite::ErrorCode;

use super::super::stop::{self, Stop};
use toolwave_tool::ToolError;

/// Past what the operator allows.
pub(super) fn not_allowed() -> ToolError {
    ToolError::new(
        "NOT_ALLOWED",
        "the statement does what is not allowed here: attaching, settings, extensions and transactions never are, and \
         changes only where the operator allows writing",
    )
}

/// What SQLite's refusal means for the caller.
pub(super) fn refusal(error: &rusqlite::Error, stop: &Stop) -> ToolError {
    let message = |code: &str| ToolError::new(code, error.to_string());
    match error {
        rusqlite::Error::MultipleStatement => ToolError::new(
            "MULTIPLE_STATEMENTS",
            "sql holds more than one statement; send one a call",
        ),
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if stop.is_set() => stop::cancelled(),
            // Its transaction is undone, so nothing of it took effect.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => message("DATABASE_BUSY").retryable(),
            Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => not_allowed(),
            Some(ErrorCode::ConstraintViolation) => message("CONSTRAINT_VIOLATED"),
            Some(ErrorCode::TooBig | ErrorCode::OutOfMemory) => message("LIMIT_EXCEEDED"),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::CannotOpen) => {
                message("DATABASE_UNUSABLE")
            }
            Some(ErrorCode::DiskFull) => message("STORAGE_FULL"),
            _ => message("INVALID_SQL"),
        },
    }
}
