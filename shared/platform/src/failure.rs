//! How a function's failures are told: the end of a process in its log, a failed invocation to Lambda.

use std::fmt;

use lambda_runtime::Diagnostic;

use crate::config::ConfigError;
use crate::problem::Problem;

/// What ends a function: a setting that cannot be used, or the runtime.
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

/// A sentence: `main` prints its error by `Debug`, and that line is all that operators see of a function that does not start.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An error of an invocation. Lambda's `errorType` is `error_type`, by which alarms and dead letters tell failures apart.
pub(crate) fn failure(error_type: &str, message: impl fmt::Display) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: message.to_string() }
}

/// The error of an invocation that a problem ends: its type is the problem's code.
pub(crate) fn failure_of(problem: &Problem) -> Diagnostic {
    failure(problem.code.as_str(), &problem.detail)
}
