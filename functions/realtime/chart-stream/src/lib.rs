//! The worker behind a chart subscription: sends its frames, evenly spaced, until somebody or something ends it.

mod figures;
mod messages;
mod stream;

use platform::charts::{StreamStart, Subscribed};
use platform::clock::Clock;
use platform::config::ConfigError;
use platform::gate::Gate;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::socket::{Presence, SendError, Sender};
use platform::store::{Connection, Subscription, Subscriptions};
use platform::worker::{Invocation, Worker};

use crate::stream::{End, Stream};

pub use figures::{Figures, Point, Slice};
pub use messages::{Data, Ended, Reason};

/// The worker.
pub struct ChartStream {
    gate: Gate,
    presence: Presence,
    subscriptions: Subscriptions,
    sender: Sender,
    clock: Clock,
}

impl Worker for ChartStream {
    type Payload = StreamStart;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            gate: Gate::for_session(platform, &[])?,
            presence: Presence::new(platform)?,
            subscriptions: Subscriptions::new(platform.database()?, &platform.config)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, start: StreamStart, invocation: Invocation) -> Result<(), Problem> {
        let Some(held) = self.subscriptions.claim(&start).await? else { return Ok(()) };
        let connection = match self.admit(&start.connection_id).await {
            Ok(Some(connection)) => connection,
            Ok(None) => return self.give_up(&held).await.map(drop),
            Err(problem) => {
                self.give_up(&held).await?;
                return Err(problem);
            }
        };
        if start.announce
            && let Err(error) = self.sender.post(connection.peer(), None, &Subscribed::from(&held)).await
        {
            tracing::warn!(%error, subscription_id = held.subscription_id, "a stream was not announced");
            if matches!(error, SendError::Gone) {
                return self.give_up(&held).await.map(drop);
            }
        }
        let end = Stream::new(self, &connection, held.clone()).run(&invocation).await;
        self.end(&connection, &held, end).await
    }
}

impl ChartStream {
    /// The connection, while it may be used.
    async fn admit(&self, connection_id: &str) -> Result<Option<Connection>, Problem> {
        match self.presence.admit(&self.gate, connection_id, self.clock.now()).await {
            Err(problem) if problem.code == "invalid_token" => Ok(None),
            admitted => admitted.map(Some),
        }
    }

    /// Ends the subscription, unless another worker has it by now; whether it did.
    async fn give_up(&self, held: &Subscription) -> Result<bool, Problem> {
        Ok(self.subscriptions.give_up(held).await?)
    }

    /// Leaves nothing behind, and tells a client that is still there.
    async fn end(&self, connection: &Connection, held: &Subscription, end: End) -> Result<(), Problem> {
        tracing::info!(subscription_id = held.subscription_id, ?end, "a stream has ended");
        if end == End::NotOurs || !self.give_up(held).await? {
            return Ok(());
        }
        let End::Told(reason) = end else { return Ok(()) };
        let told = Ended { subscription_id: held.subscription_id.clone(), reason };
        let told = self.sender.post(connection.peer(), None, &told).await;
        let closed = if reason == Reason::SessionEnded { self.sender.close(&connection.connection_id).await } else { Ok(()) };
        if let Err(error) = told.and(closed) {
            tracing::info!(%error, subscription_id = held.subscription_id, "nobody was told");
        }
        Ok(())
    }
}
