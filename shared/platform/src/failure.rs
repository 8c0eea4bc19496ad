//! Reports a function's failures: the end of a process to its log, a failed invocation to Lambda.

use std::fmt;

use lambda_runtime::Diagnostic;

use crate::config::ConfigError;
use crate::problem::Problem;

/// An error that ends a function: a setting that cannot be used, or an error of the runtime.
pub struct Error(String);

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

impl From<lambda_runtime::Error> for Error {
    fn from(error: lambda_runtime::Error) -> Self {
        Self(error.to_string())
    }
}

/// Prints a sentence, because `main` prints its error by `Debug`. Operators see only that line of a
/// function that does not start.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An error of an invocation. Alarms and dead letters tell failures apart by `error_type`, which is
/// Lambda's `errorType`.
pub(crate) fn failure(error_type: &str, message: impl fmt::Display) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: message.to_string() }
}

/// The error of an invocation that a problem ends: its type is the problem's code.
pub(crate) fn failure_of(problem: &Problem) -> Diagnostic {
    failure(problem.code.as_str(), &problem.detail)
}
