//! A process as its pool sees it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::message::{Invocation, Job, Trial};

pub(super) struct Process {
    pub state: State,
    /// Dropping it kills the process.
    pub alive: oneshot::Sender<()>,
}

pub(super) enum State {
    Starting {
        until: Instant,
        /// The trial that waits for this start. `None` if the start is for an invocation.
        trial: Option<Trial>,
    },
    Idle {
        next: oneshot::Sender<Invocation>,
        since: Instant,
    },
    /// The process stays busy after it has answered the job, until it asks for the next one. The
    /// time limit applies till then.
    Busy {
        job: Option<Job>,
        until: Instant,
    },
}

impl State {
    /// Whether the process is about to ask for an invocation. Then the pool need not start another.
    pub(super) fn will_ask_soon(&self) -> bool {
        matches!(self, State::Starting { trial: None, .. } | State::Busy { job: None, .. })
    }

    pub(super) fn deadline(&self, idle: Duration) -> Instant {
        match self {
            State::Starting { until, .. } | State::Busy { until, .. } => *until,
            State::Idle { since, .. } => *since + idle,
        }
    }
}
