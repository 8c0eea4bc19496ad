//! The functions: the emulated Lambda Runtime API, the processes behind it, and their invocation.
//!
//! Each function has a `pool` of processes, which run its real binary. It gets its `message`s one
//! at a time, and knows the `state` of each process. A process asks the `runtime_api` for its next
//! invocation and posts the result there, one at a time, as on Lambda. `process` starts and ends
//! processes, `environment` builds their variables, and `logs` keeps their output.

mod environment;
mod invoke;
pub mod logs;
mod message;
mod pool;
mod process;
mod runtime_api;
mod state;

pub use invoke::Invoke;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::server::Server;
use crate::template::function_arn;
use crate::template::model::Function;
use message::{Job, Message, Reply};
use pool::Pool;
use process::Launcher;

/// The running functions.
#[derive(Clone)]
pub struct Functions(Arc<Inner>);

/// Settings of the functions.
pub struct FunctionsSettings {
    /// The functions.
    pub functions: Vec<Function>,
    /// Directory of their binaries.
    pub binaries: PathBuf,
    /// Variables that every function gets beside its own.
    pub environment: BTreeMap<String, String>,
    /// Directory of their logs, one file per function.
    pub logs: PathBuf,
    /// Bounds on their processes.
    pub limits: ProcessLimits,
}

/// Bounds on the processes of each function.
#[derive(Debug, Clone, Copy)]
pub struct ProcessLimits {
    /// Maximum number of processes of a function at a time. Further invocations wait in line.
    ///
    /// The bound is per function, not for all together. Otherwise a function that waits for another
    /// could take the last process and wait for ever. Lambda's own bound is 1,000 for all. 32 is
    /// far more than a laptop runs at once, and enough for the tests' races.
    pub per_function: usize,
    /// The pool ends a process that has been idle for this long.
    pub idle: Duration,
    /// A process must ask for its first invocation within this time. Lambda gives 10 s. The limit
    /// is longer here, because the machine may be compiling.
    pub start: Duration,
}

impl Default for ProcessLimits {
    fn default() -> ProcessLimits {
        ProcessLimits {
            per_function: 32,
            idle: Duration::from_mins(5),
            start: Duration::from_secs(30),
        }
    }
}

/// Why an invocation has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeError {
    /// No function has this logical id.
    #[error("there is no function `{0}`")]
    Unknown(String),
    /// The payload is larger than Lambda accepts.
    #[error("the payload is larger than 6 MB")]
    TooLarge,
    /// The function's binary could not be started.
    #[error("the function could not be started: {0}")]
    NotStarted(String),
    /// The function ran longer than its `Timeout`, and the stack killed it.
    #[error("the function timed out after {0:?}")]
    TimedOut(Duration),
    /// The process ended before it had answered.
    #[error(
        "the function's process ended ({status}) before it had answered; {}",
        last_words.as_deref().unwrap_or("its log says why")
    )]
    Crashed {
        /// Exit status, as `exit status: 1` or `signal: 9 (SIGKILL)`.
        status: String,
        /// The last line that the process wrote to stderr.
        last_words: Option<String>,
    },
    /// The function answered with an error.
    #[error("the function failed: {error_type}: {message}")]
    Unhandled {
        /// Type of the error.
        error_type: String,
        /// Text of the error.
        message: String,
        /// The JSON that Lambda's callers get.
        payload: Bytes,
    },
    /// The stack is ending.
    #[error("the local stack is ending")]
    ShuttingDown,
}

impl InvokeError {
    fn crashed(status: &str) -> Self {
        Self::Crashed { status: status.to_owned(), last_words: None }
    }
}

struct Inner {
    pools: Pools,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    _runtime_api: Server,
}

/// Maps a logical id to the inbox of the function's pool.
type Pools = Arc<BTreeMap<String, mpsc::UnboundedSender<Message>>>;

/// Lambda's bound on payloads and results.
pub(crate) const PAYLOAD_LIMIT_BYTES: usize = 6 * 1024 * 1024;

impl Functions {
    /// Prepares the functions. Their processes start with the first invocation.
    pub async fn start(settings: FunctionsSettings) -> std::io::Result<Functions> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mut pools = BTreeMap::new();
        let mut tasks = Vec::new();
        for function in settings.functions {
            let launcher = Launcher::new(
                &function,
                &settings.binaries,
                &settings.environment,
                address,
                &settings.logs,
            )?;
            let (inbox, messages) = mpsc::unbounded_channel();
            pools.insert(function.id, inbox);
            let per_function = function
                .reserved_concurrency
                .unwrap_or(usize::MAX)
                .min(settings.limits.per_function);
            let limits = ProcessLimits { per_function, ..settings.limits };
            tasks.push(tokio::spawn(Pool::new(launcher, function.timeout, limits).run(messages)));
        }
        let pools = Arc::new(pools);
        let runtime_api = runtime_api::start(listener, Arc::clone(&pools));
        Ok(Functions(Arc::new(Inner {
            pools,
            tasks: Mutex::new(tasks),
            _runtime_api: runtime_api,
        })))
    }

    /// Invokes a function by logical id and waits for its response payload.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        let (reply, answer) = oneshot::channel();
        self.queue(function, payload, Some(reply))?;
        answer.await.unwrap_or(Err(InvokeError::ShuttingDown))
    }

    /// Queues an asynchronous invocation, in order, and returns at once.
    pub fn invoke_async(&self, function: &str, payload: Bytes) -> Result<(), InvokeError> {
        self.queue(function, payload, None)
    }

    /// Starts a process of a function, waits until it asks for an invocation, and ends it. The
    /// error says why it could not start.
    pub async fn try_start(&self, function: &str) -> Result<(), InvokeError> {
        let pool =
            self.0.pools.get(function).ok_or_else(|| InvokeError::Unknown(function.to_owned()))?;
        let (trial, outcome) = oneshot::channel();
        pool.send(Message::Try(trial)).map_err(|_| InvokeError::ShuttingDown)?;
        outcome.await.unwrap_or(Err(InvokeError::ShuttingDown))
    }

    /// Kills the processes of a function, busy or idle. The next invocation starts another.
    pub fn kill(&self, function: &str) -> Result<(), InvokeError> {
        let pool =
            self.0.pools.get(function).ok_or_else(|| InvokeError::Unknown(function.to_owned()))?;
        pool.send(Message::Kill).map_err(|_| InvokeError::ShuttingDown)
    }

    /// Kills every process and waits until they are gone. Invocations that wait, and later ones,
    /// get [`InvokeError::ShuttingDown`].
    pub async fn shutdown(&self) {
        for pool in self.0.pools.values() {
            let _ = pool.send(Message::Shutdown);
        }
        let tasks =
            std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
    }

    fn queue(
        &self,
        function: &str,
        payload: Bytes,
        reply: Option<Reply>,
    ) -> Result<(), InvokeError> {
        let pool =
            self.0.pools.get(function).ok_or_else(|| InvokeError::Unknown(function.to_owned()))?;
        if payload.len() > PAYLOAD_LIMIT_BYTES {
            return Err(InvokeError::TooLarge);
        }
        let job = Job {
            request_id: uuid::Uuid::new_v4().to_string(),
            arn: function_arn(function),
            payload,
            reply,
        };
        pool.send(Message::Invoke(job)).map_err(|_| InvokeError::ShuttingDown)
    }
}
