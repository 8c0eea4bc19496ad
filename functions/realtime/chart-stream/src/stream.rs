//! One stream: a frame at every tick of a clock that does not drift.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use platform::Problem;
use platform::clock::Clock;
use platform::domain::Peer;
use platform::runtime::Invocation;
use platform::socket::{ConnectionAccess, SendError, Sender};
use tally_data::store::{Subscription, Subscriptions};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::messages::{Data, Reason};

/// The stream ends itself this long before Lambda ends the worker.
const MARGIN: Duration = Duration::from_secs(5);

/// How long the worker relies on a check that the connection is allowed and the stream is still its
/// own. A stream of four frames a second need not check as often. A stream of one frame a minute
/// has to check in between, so that its worker does not outlive it for long.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// Failures in a row after which a stream ends.
const FAILURES: u32 = 10;

/// How a stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another worker has it, or its subscription is gone.
    NotOurs,
    /// The client has gone.
    Gone,
    /// The client has to be told why.
    Told(Reason),
}

/// A stream that runs.
pub struct Stream<'a> {
    access: &'a ConnectionAccess,
    subscriptions: &'a Subscriptions,
    sender: &'a Sender,
    clock: &'a Clock,
    peer: Peer<'a>,
    /// The subscription as of the last frame that was begun.
    held: Subscription,
    /// Whether that frame still has to be sent, as far as is known.
    unsent: bool,
    admitted_at: Option<Instant>,
}

impl<'a> Stream<'a> {
    /// A stream to a connection that has not been checked yet. A stream that changes its pace
    /// begins with the last frame of its former worker, which may not have sent it. The client may
    /// get that frame twice, with the same bytes, rather than not at all.
    pub fn new(
        access: &'a ConnectionAccess,
        subscriptions: &'a Subscriptions,
        sender: &'a Sender,
        clock: &'a Clock,
        peer: Peer<'a>,
        held: Subscription,
    ) -> Self {
        let unsent = held.sequence > 0;
        Self { access, subscriptions, sender, clock, peer, held, unsent, admitted_at: None }
    }

    /// Sends frames until the stream is over.
    pub async fn run(mut self, invocation: &Invocation) -> End {
        // The first frame goes at once. If a former worker may be sending it too, the next frame
        // waits for a whole period. So the former worker's frame arrives before it.
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
                    tracing::warn!(
                        code = %problem.code,
                        failures,
                        subscription_id = self.held.subscription_id,
                        "failed to send a frame"
                    );
                    if failures == FAILURES {
                        return End::Told(Reason::Unavailable);
                    }
                }
            }
        }
    }

    /// Begins a frame if one is due, or takes the one that could not be sent. It sends the frame if
    /// the stream is still the worker's own. Otherwise the frame would come after those of the next
    /// worker.
    async fn go_on(&mut self, due: bool) -> Result<ControlFlow<End>, Problem> {
        let Self { access, subscriptions, sender, clock, .. } = *self;
        if self.admitted_at.is_none_or(|at| at.elapsed() >= BELIEVED_FOR) {
            if access.admit(self.peer.connection_id, clock.now()).await?.is_none() {
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
                tracing::warn!(
                    %error,
                    subscription_id = self.held.subscription_id,
                    sequence = self.held.sequence,
                    "failed to post a frame to a connection"
                );
                Err(Problem::unavailable())
            }
        }
    }
}
