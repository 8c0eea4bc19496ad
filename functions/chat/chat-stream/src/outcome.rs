//! How the worker's work on a reply ends.

use assistant::ProviderError;
use assistant::domain::StopReason;
use platform::Problem;
use platform::database::StoreError;
use tokio::time::error::Elapsed;

use crate::checkpoint::Command;

/// How the worker's work on a reply ends. Functions of the worker return it as an error, so that
/// the reply ends where it happens.
#[derive(Debug)]
pub enum Outcome {
    /// The reply ends, for this reason.
    Ends(StopReason),
    /// The reply breaks off.
    Fails(Problem),
    /// The reply waits for its user to confirm calls, until this time in seconds since 1970.
    Waits(i64),
    /// Another function has ended the reply, or another worker writes it.
    Lost,
}

/// Whether the reply goes on after a command, or after the time for the command is up.
pub fn go_on(command: &Result<Command, Elapsed>) -> Result<(), Outcome> {
    match command {
        Ok(Command::Continue) => Ok(()),
        Ok(Command::Stop) => Err(Outcome::Ends(StopReason::Cancelled)),
        Ok(Command::Abandon) => Err(Outcome::Lost),
        Err(_) => Err(Outcome::Ends(StopReason::Deadline)),
    }
}

impl From<Problem> for Outcome {
    fn from(problem: Problem) -> Self {
        Self::Fails(problem)
    }
}

impl From<StoreError> for Outcome {
    fn from(error: StoreError) -> Self {
        Self::Fails(error.into())
    }
}

impl From<ProviderError> for Outcome {
    fn from(error: ProviderError) -> Self {
        Self::Fails(error.into())
    }
}

impl From<Elapsed> for Outcome {
    fn from(_: Elapsed) -> Self {
        Self::Ends(StopReason::Deadline)
    }
}
