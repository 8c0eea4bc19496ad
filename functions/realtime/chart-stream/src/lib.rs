//! The worker behind a chart subscription. It sends frames, evenly spaced, until the client or the
//! service ends the stream.

mod figures;
mod messages;
mod stream;

use platform::clock::Clock;
use platform::domain::Peer;
use platform::runtime::Invocation;
use platform::socket::{ConnectionAccess, Sender};
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem, ids};
use tally_data::charts::Subscribed;
use tally_data::store::{StreamStart, Subscription, Subscriptions};

use crate::stream::{End, Stream};

pub use figures::{Point, Slice};
pub use messages::{Data, Ended, Reason};

/// The worker.
pub struct ChartStream {
    access: ConnectionAccess,
    subscriptions: Subscriptions,
    sender: Sender,
    clock: Clock,
}

impl Worker for ChartStream {
    type Payload = StreamStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            access: ConnectionAccess::new(platform)?,
            subscriptions: Subscriptions::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, start: StreamStart, invocation: Invocation) -> Result<(), Problem> {
        let held = match self.subscriptions.claim(&start, &ids::new_secret::<16>()).await {
            Ok(Some(held)) => held,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.tell(start.peer(), &start.subscription_id, Reason::Unavailable).await;
                return Err(error.into());
            }
        };
        if start.announce
            && let Err(error) = self.sender.post(start.peer(), None, &Subscribed::from(&held)).await
        {
            // If the client has gone, the first frame finds out as well.
            tracing::warn!(
                %error,
                subscription_id = held.subscription_id,
                "failed to announce a stream"
            );
        }
        let stream = Stream::new(
            &self.access,
            &self.subscriptions,
            &self.sender,
            &self.clock,
            start.peer(),
            held.clone(),
        );
        let end = stream.run(&invocation).await;
        self.end(start.peer(), &held, end).await
    }
}

impl ChartStream {
    /// Gives the subscription up, and tells a client that is still there.
    async fn end(&self, peer: Peer<'_>, held: &Subscription, end: End) -> Result<(), Problem> {
        tracing::info!(subscription_id = held.subscription_id, ?end, "a stream has ended");
        if end == End::NotOurs {
            return Ok(());
        }
        let given_up = self.subscriptions.give_up(held).await;
        // If the store does not answer, the client is told all the same, because no worker streams
        // any more.
        if let End::Told(reason) = end
            && !matches!(given_up, Ok(false))
        {
            self.tell(peer, &held.subscription_id, reason).await;
        }
        Ok(given_up.map(drop)?)
    }

    /// Tells a client that its stream is over. Closes the connection if its session has ended.
    async fn tell(&self, peer: Peer<'_>, subscription_id: &str, reason: Reason) {
        let told = self
            .sender
            .post(peer, None, &Ended { subscription_id: subscription_id.to_owned(), reason })
            .await;
        let closed = if reason == Reason::SessionEnded {
            self.sender.close(peer.connection_id).await
        } else {
            Ok(())
        };
        if let Err(error) = told.and(closed) {
            tracing::info!(
                %error,
                subscription_id,
                connection_id = peer.connection_id,
                "failed to tell a client that its stream ended"
            );
        }
    }
}
