//! The messages to a pool, and the invocations that they carry.

use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::InvokeError;

/// A message to a pool.
pub(super) enum Message {
    /// A caller invokes the function.
    Invoke(Job),
    /// A process is ready for an invocation.
    Next { process: String, reply: oneshot::Sender<Invocation> },
    /// A process has answered an invocation. `accepted` learns whether that invocation was assigned
    /// to it.
    Answer {
        process: String,
        request_id: String,
        outcome: Result<Bytes, InvokeError>,
        accepted: oneshot::Sender<bool>,
    },
    /// Start a process to test whether it gets as far as asking for an invocation.
    Try(Trial),
    /// A process failed to initialise.
    InitError { process: String, error: InvokeError },
    /// Kill all processes without waiting for their invocations.
    Kill,
    /// End all processes, and the pool.
    Shutdown,
}

/// An invocation that waits or runs.
pub(super) struct Job {
    pub request_id: String,
    /// The ARN that the caller used.
    pub arn: String,
    pub payload: Bytes,
    /// `None` for an asynchronous invocation.
    pub reply: Option<Reply>,
}

/// Receives the outcome of a trial start.
pub(super) type Trial = oneshot::Sender<Result<(), InvokeError>>;

pub(super) type Reply = oneshot::Sender<Result<Bytes, InvokeError>>;

/// An invocation as a process receives it.
#[derive(Debug)]
pub(super) struct Invocation {
    pub request_id: String,
    pub arn: String,
    pub payload: Bytes,
    pub deadline: SystemTime,
}
