//! The messages to a pool, and the invocations that they carry.

use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::InvokeError;
use crate::template::function_arn;

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
    /// When an asynchronous invocation is too old to start. `None` for a synchronous one.
    pub expires: Option<Instant>,
    pub reply: Reply,
}

impl Job {
    /// An invocation of a function by its logical id, and the receiver of its outcome.
    pub(super) fn new(
        function: &str,
        request_id: String,
        payload: Bytes,
        expires: Option<Instant>,
    ) -> (Job, Answer) {
        let (reply, answer) = oneshot::channel();
        (Job { request_id, arn: function_arn(function), payload, expires, reply }, answer)
    }
}

/// Receives the outcome of a trial start.
pub(super) type Trial = oneshot::Sender<Result<(), InvokeError>>;

type Reply = oneshot::Sender<Result<Bytes, InvokeError>>;

/// Waits for a [`Reply`].
pub(super) type Answer = oneshot::Receiver<Result<Bytes, InvokeError>>;

/// An invocation as a process receives it.
#[derive(Debug)]
pub(super) struct Invocation {
    pub request_id: String,
    pub arn: String,
    pub payload: Bytes,
    pub deadline: SystemTime,
}
