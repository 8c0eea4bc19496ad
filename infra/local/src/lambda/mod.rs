//! The functions: the emulated Lambda Runtime API, the processes behind it, and their invocation.
//!
//! Each function has a `pool` of processes, which run its real binary. It gets its `message`s one
//! at a time, and knows the `state` of each process. A process asks the `runtime_api` for its next
//! invocation and posts the result there, one at a time, as on Lambda. `process` starts and ends
//! processes, `memory` bounds them, `environment` builds their variables, and `logs` keeps their
//! output. `event` follows an asynchronous invocation through its attempts.

mod environment;
mod error;
mod event;
mod invoke;
pub mod logs;
mod memory;
mod message;
mod pool;
mod process;
mod runtime_api;
mod state;

pub use error::InvokeError;
pub(crate) use invoke::SendRecord;
pub use invoke::{Invoke, NoFunctions};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use crate::server::Server;
use crate::template::model::{EventInvoke, Function};
use event::Event;
use message::{Job, Message};
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

/// Bounds on the processes of each function, and on its asynchronous invocations.
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
    /// How long an asynchronous invocation waits before its second and before its third attempt.
    pub retry_delays: [Duration; 2],
    /// Upper bound on the age of an event, beside the function's `MaximumEventAgeInSeconds`.
    pub event_age: Duration,
}

impl Default for ProcessLimits {
    fn default() -> ProcessLimits {
        ProcessLimits {
            per_function: 32,
            idle: Duration::from_mins(5),
            start: Duration::from_secs(30),
            retry_delays: [Duration::from_mins(1), Duration::from_mins(2)],
            event_age: Duration::from_hours(6),
        }
    }
}

struct Inner {
    pools: Pools,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Maps a logical id to the handling of the function's asynchronous invocations.
    handling: BTreeMap<String, EventInvoke>,
    limits: ProcessLimits,
    /// The asynchronous invocations under way. Dropping it ends them.
    events: Mutex<JoinSet<()>>,
    destinations: OnceLock<Arc<dyn SendRecord>>,
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
        let mut handling = BTreeMap::new();
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
            handling.insert(function.id.clone(), function.event_invoke);
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
            handling,
            limits: settings.limits,
            events: Mutex::default(),
            destinations: OnceLock::new(),
            _runtime_api: runtime_api,
        })))
    }

    /// Invokes a function by logical id and waits for its response payload.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        let pool = self.pool_for(function, &payload)?;
        let (job, answer) = Job::new(function, new_request_id(), payload, None);
        pool.send(Message::Invoke(job)).map_err(|_| InvokeError::ShuttingDown)?;
        answer.await.unwrap_or(Err(InvokeError::ShuttingDown))
    }

    /// Queues an asynchronous invocation, in order, and returns at once. If the function fails, it
    /// gets the event again, and at last its destination gets a record, as its `EventInvokeConfig`
    /// says. An event that waits for another attempt is lost when the stack ends. AWS keeps it.
    pub fn invoke_async(&self, function: &str, payload: Bytes) -> Result<(), InvokeError> {
        let pool = self.pool_for(function, &payload)?.clone();
        let handling = self.0.handling.get(function).cloned().unwrap_or_default();
        let maximum_age = handling.maximum_age.min(self.0.limits.event_age);
        let event = Event {
            function: function.to_owned(),
            request_id: new_request_id(),
            payload,
            handling,
            retry_delays: self.0.limits.retry_delays,
            expires: Instant::now() + maximum_age,
            pool,
        };
        let answer = event.attempt()?;
        let destinations = self.0.destinations.get().cloned();
        let mut events = self.events();
        while events.try_join_next().is_some() {}
        events.spawn(async move {
            let record = event.follow(answer).await;
            if let (Some((destination, record)), Some(destinations)) = (record, destinations) {
                destinations.send(&destination, record).await;
            }
        });
        Ok(())
    }

    /// Sends the records of asynchronous invocations to `destinations` from now on.
    pub(crate) fn send_records_to(&self, destinations: Arc<dyn SendRecord>) {
        // A stack does this once, at its start.
        let _ = self.0.destinations.set(destinations);
    }

    /// The same functions, for a part that must not keep them running.
    pub(crate) fn downgrade(&self) -> WeakFunctions {
        WeakFunctions(Arc::downgrade(&self.0))
    }

    /// Starts a process of a function, waits until it asks for an invocation, and ends it. The
    /// error says why it could not start.
    pub async fn try_start(&self, function: &str) -> Result<(), InvokeError> {
        let pool = self.pool(function)?;
        let (trial, outcome) = oneshot::channel();
        pool.send(Message::Try(trial)).map_err(|_| InvokeError::ShuttingDown)?;
        outcome.await.unwrap_or(Err(InvokeError::ShuttingDown))
    }

    /// Kills the processes of a function, busy or idle. The next invocation starts another.
    pub fn kill(&self, function: &str) -> Result<(), InvokeError> {
        self.pool(function)?.send(Message::Kill).map_err(|_| InvokeError::ShuttingDown)
    }

    /// Kills every process and waits until they are gone. Invocations that wait, and later ones,
    /// get [`InvokeError::ShuttingDown`]. No event is attempted again or leaves a record.
    pub async fn shutdown(&self) {
        for pool in self.0.pools.values() {
            let _ = pool.send(Message::Shutdown);
        }
        let tasks =
            std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
        // Without their pools, events end at once, except those whose record is on its way.
        let mut events = std::mem::take(&mut *self.events());
        while events.join_next().await.is_some() {}
    }

    fn pool(&self, function: &str) -> Result<&mpsc::UnboundedSender<Message>, InvokeError> {
        self.0.pools.get(function).ok_or_else(|| InvokeError::Unknown(function.to_owned()))
    }

    fn pool_for(
        &self,
        function: &str,
        payload: &Bytes,
    ) -> Result<&mpsc::UnboundedSender<Message>, InvokeError> {
        let pool = self.pool(function)?;
        if payload.len() > PAYLOAD_LIMIT_BYTES { Err(InvokeError::TooLarge) } else { Ok(pool) }
    }

    fn events(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The functions, as long as another part of the stack keeps them running.
#[derive(Clone, Default)]
pub(crate) struct WeakFunctions(Weak<Inner>);

impl WeakFunctions {
    pub(crate) fn upgrade(&self) -> Option<Functions> {
        self.0.upgrade().map(Functions)
    }
}

fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}
