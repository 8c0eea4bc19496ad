//! One stream: a frame at every tick of a clock that does not drift.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use platform::problem::Problem;
use platform::socket::{Peer, SendError};
use platform::store::Subscription;
use platform::worker::Invocation;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::ChartStream;
use crate::messages::{Data, Reason};

/// How long before Lambda ends the worker its stream ends itself.
const MARGIN: Duration = Duration::from_secs(5);

/// How long a connection is believed to be allowed: a stream of four frames a second need not ask as often.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// Failures in a row after which a stream ends.
const FAILURES: u32 = 10;

/// How a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another worker has it, or nobody wants it any more.
    NotOurs,
    /// The client has gone.
    Gone,
    /// The client has to be told why.
    Told(Reason),
}

/// A stream that runs.
pub struct Stream<'a> {
    worker: &'a ChartStream,
    peer: Peer<'a>,
    /// As of the last frame that was begun.
    held: Subscription,
    /// Whether that frame has yet to be sent.
    unsent: bool,
    admitted_at: Option<Instant>,
}

impl<'a> Stream<'a> {
    /// A stream to a connection, of which nothing has been asked yet.
    pub fn new(worker: &'a ChartStream, peer: Peer<'a>, held: Subscription) -> Self {
        Self { worker, peer, held, unsent: false, admitted_at: None }
    }

    /// Sends frames until the stream is over.
    pub async fn run(mut self, invocation: &Invocation) -> End {
        let period = Duration::from_millis(self.held.interval_ms);
        // A new stream begins at once. One that goes on at another pace does so after one period of it, which lets the
        // frame that its former worker may be sending arrive first.
        let first = if self.held.sequence == 0 { Instant::now() } else { Instant::now() + period };
        let mut ticks = interval_at(first, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut deadline = pin!(sleep(invocation.remaining().saturating_sub(MARGIN)));
        let mut failures = 0;
        loop {
            tokio::select! {
                biased;
                () = &mut deadline => return End::Told(Reason::Deadline),
                _ = ticks.tick() => {}
            }
            match self.tick().await {
                Ok(ControlFlow::Break(end)) => return end,
                Ok(ControlFlow::Continue(())) => failures = 0,
                Err(problem) => {
                    failures += 1;
                    tracing::warn!(code = problem.code, failures, subscription_id = self.held.subscription_id, "a frame is late");
                    if failures == FAILURES {
                        return End::Told(Reason::Unavailable);
                    }
                }
            }
        }
    }

    /// Begins a frame, or takes the one that could not be sent, and sends it.
    async fn tick(&mut self) -> Result<ControlFlow<End>, Problem> {
        let ChartStream { presence, subscriptions, sender, clock } = self.worker;
        if self.admitted_at.is_none_or(|at| at.elapsed() >= BELIEVED_FOR) {
            if presence.admit(self.peer.connection_id, clock.now()).await?.is_none() {
                return Ok(ControlFlow::Break(End::Told(Reason::SessionEnded)));
            }
            self.admitted_at = Some(Instant::now());
        }
        if !self.unsent {
            let Some(held) = subscriptions.advance(&self.held, clock.now()).await? else {
                return Ok(ControlFlow::Break(End::NotOurs));
            };
            (self.held, self.unsent) = (held, true);
        }
        match sender.post(self.peer, None, &Data::from(&self.held)).await {
            Ok(()) => {
                self.unsent = false;
                Ok(ControlFlow::Continue(()))
            }
            Err(SendError::Gone) => Ok(ControlFlow::Break(End::Gone)),
            Err(error) => {
                tracing::warn!(%error, sequence = self.held.sequence, "a frame was not sent");
                Err(Problem::unavailable())
            }
        }
    }
}
