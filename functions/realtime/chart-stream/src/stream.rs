//! One stream: a frame at every tick of a clock that does not drift.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use platform::domain::Peer;
use platform::problem::Problem;
use platform::socket::SendError;
use platform::store::Subscription;
use platform::worker::Invocation;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::ChartStream;
use crate::messages::{Data, Reason};

/// How long before Lambda ends the worker its stream ends itself.
const MARGIN: Duration = Duration::from_secs(5);

/// How long a connection is believed to be allowed, and a stream to be the worker's own: one of four frames a second need
/// not ask as often, one of a frame a minute has to ask in between, so that a worker does not outlive its stream for long.
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
    /// Whether that frame has yet to be sent, as far as is known.
    unsent: bool,
    admitted_at: Option<Instant>,
}

impl<'a> Stream<'a> {
    /// A stream to a connection, of which nothing has been asked yet. One that goes on at another pace begins with the frame
    /// that its former worker had begun, and may not have sent: it comes twice, the same bytes, rather than not at all.
    pub fn new(worker: &'a ChartStream, peer: Peer<'a>, held: Subscription) -> Self {
        let unsent = held.sequence > 0;
        Self { worker, peer, held, unsent, admitted_at: None }
    }

    /// Sends frames until the stream is over.
    pub async fn run(mut self, invocation: &Invocation) -> End {
        // The first frame goes at once. After one that a former worker may be sending too, the next waits for a whole period,
        // which lets the former worker's arrive before it.
        let mut ticks = interval(Duration::from_millis(self.held.interval_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut deadline = pin!(sleep(invocation.remaining().saturating_sub(MARGIN)));
        let mut failures = 0;
        loop {
            let due = tokio::select! {
                biased;
                () = &mut deadline => return End::Told(Reason::Deadline),
                _ = ticks.tick() => true,
                () = sleep(BELIEVED_FOR) => false,
            };
            match self.go_on(due).await {
                Ok(ControlFlow::Break(end)) => return end,
                Ok(ControlFlow::Continue(())) => failures = 0,
                Err(problem) => {
                    failures += 1;
                    tracing::warn!(code = %problem.code, failures, subscription_id = self.held.subscription_id, "a frame is late");
                    if failures == FAILURES {
                        return End::Told(Reason::Unavailable);
                    }
                }
            }
        }
    }

    /// Begins a frame if one is due, or takes the one that could not be sent, and sends it, if the stream is still the
    /// worker's own: the frame of one who is not would come after those of the next.
    async fn go_on(&mut self, due: bool) -> Result<ControlFlow<End>, Problem> {
        let ChartStream { presence, subscriptions, sender, clock } = self.worker;
        if self.admitted_at.is_none_or(|at| at.elapsed() >= BELIEVED_FOR) {
            if presence.admit(self.peer.connection_id, clock.now()).await?.is_none() {
                return Ok(ControlFlow::Break(End::Told(Reason::SessionEnded)));
            }
            self.admitted_at = Some(Instant::now());
        }
        if due && !self.unsent {
            let Some(held) = subscriptions.advance(&self.held, clock.now()).await? else {
                return Ok(ControlFlow::Break(End::NotOurs));
            };
            (self.held, self.unsent) = (held, true);
        } else if !subscriptions.is_held(&self.held).await? {
            return Ok(ControlFlow::Break(End::NotOurs));
        }
        if !self.unsent {
            return Ok(ControlFlow::Continue(()));
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
