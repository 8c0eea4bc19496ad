//! The single path that every message takes. A handler cannot forget a step, because it calls none.

use std::time::{Duration, Instant};

use futures_util::future::join;

use super::action::{Action, Message};
use super::call::{MessageId, SocketCall};
use super::connection_access::ConnectionAccess;
use super::floods::{Floods, Refusal};
use super::frame::{ErrorMessage, ServerMessage};
use super::sender::Sender;
use crate::clock::{Clock, millis_since};
use crate::config::ConfigError;
use crate::context::Context;
use crate::gate::{Committed, Committer, RateLimiter, RequestInfo, run_steps};
use crate::identity::Principal;
use crate::limits::Policy;
use crate::plan::Reply;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::routes::ActionRoute;
use crate::runtime::Invocation;

/// The policies that every message counts against, independent of its content.
const EVERY_MESSAGE: &[Policy] = &[Policy::WS_MESSAGES];

/// Refused messages after which a connection is closed, as a multiple of the quota of
/// [`Policy::WS_MESSAGES`].
const CLOSED_AT: u64 = 10;

/// Time reserved for posting an error if the work takes too long.
const FRAME: Duration = Duration::from_secs(1);

/// The parts that the messages of an action pass through.
pub(super) struct Dispatch {
    limiter: RateLimiter,
    committer: Committer,
    floods: Floods,
    access: ConnectionAccess,
    sender: Sender,
    clock: Clock,
}

/// The problem that a message failed with, and whether its connection is over. If so, the
/// connection is closed.
struct Failure {
    problem: Problem,
    over: bool,
}

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { problem: error.into(), over: false }
    }
}

impl Dispatch {
    /// Makes the parts for the messages of an action.
    pub(super) fn new(platform: &Platform, route: &ActionRoute) -> Result<Self, ConfigError> {
        Ok(Self {
            limiter: RateLimiter::new(platform, route.action.to_owned())?,
            committer: Committer::for_action(platform, route)?,
            floods: Floods::default(),
            access: ConnectionAccess::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }

    /// Dispatches a message: floods, connection and session, limits of every message, parsing,
    /// limits of the action, the work, the commit, the answer.
    ///
    /// Unlike a mistyped request, a mistyped message counts, because nothing else slows a
    /// connection.
    pub(super) async fn dispatch<A: Action>(
        &self,
        action: &A,
        call: &SocketCall,
        invocation: &Invocation,
    ) {
        let since = Instant::now();
        let message = call.message();
        let id = message.as_ref().ok().and_then(|(id, _)| id.clone());
        let id = id.as_ref().map(|MessageId(id)| id.as_str());
        let result = invocation
            .bound(FRAME, self.process(action, call, id, message.map(|(_, fields)| fields), since))
            .await;
        tracing::info!(
            request_id = call.context.request_id,
            route = A::ROUTE.action,
            connection_id = call.connection_id,
            code = result.as_ref().err().map_or("ok", |failure| failure.problem.code.as_str()),
            latency_ms = millis_since(since),
            "dispatched"
        );
        if let Err(Failure { problem, over }) = result {
            self.post(call, id, &ErrorMessage::new(problem, &call.context.request_id)).await;
            if over && let Err(error) = self.sender.close(&call.connection_id).await {
                tracing::warn!(
                    %error,
                    connection_id = call.connection_id,
                    "failed to close a connection that is over"
                );
            }
        }
    }

    async fn process<A: Action>(
        &self,
        action: &A,
        call: &SocketCall,
        id: Option<&str>,
        fields: Result<crate::input::Fields, Problem>,
        since: Instant,
    ) -> Result<(), Failure> {
        let route = A::ROUTE;
        let now = self.clock.now();
        if let Some(refusal) = self.floods.refuse(
            &call.connection_id,
            now,
            self.limiter.quota(&Policy::WS_MESSAGES).limit,
        ) {
            return Err(self.refuse_again(&call.connection_id, refusal).await);
        }
        let over = || Failure { problem: Problem::invalid_token(), over: true };
        let connection = self.access.find(&call.connection_id, now).await?.ok_or_else(over)?;
        let context = Context { user_agent: connection.user_agent.clone(), ..call.context.clone() };
        let info = RequestInfo { since, ..RequestInfo::new(&context, now, route.audit) };
        let caller = &connection.identity;
        let principal = Principal::from(caller.clone());
        let count = async |limits| {
            self.limiter
                .limit_message(limits, Some(&principal), Some(&call.connection_id), &info)
                .await
        };
        // The two run side by side. A message of an ended session is then counted too, which does
        // no harm.
        let (holds, counted) =
            join(self.access.holds(&connection, now), count(EVERY_MESSAGE)).await;
        if !holds? {
            return Err(over());
        }
        if let Err(refused) = counted {
            self.floods.remember(&call.connection_id, now, refused.wait_seconds);
            return Err(refused.into());
        }
        let body = fields?.read::<A::Body>()?;
        count(route.limits).await?;

        let (fingerprint, earlier) = match A::repetition(&body) {
            Some(repetition) => {
                self.committer.repetition_of(route.action, &principal, repetition, now).await?
            }
            None => (None, None),
        };
        let info = RequestInfo { fingerprint, ..info };
        let message = Message { caller, body, id, connection: &connection, context: &context, now };
        let plan = match earlier {
            Some(earlier) => action.repeat(message, &earlier.resource).await,
            None => action.handle(message).await,
        };
        let plan = match plan {
            Ok(plan) => Ok(plan),
            Err(problem) => Err(self.limiter.deny(problem, Some(&principal), &info).await),
        };
        let Committed { after_commit, reply } =
            self.committer.write(plan, Some(&principal), &info).await?;
        // The answer goes out before the steps that follow, so that a worker's first message comes
        // after it.
        if let Ok(Reply { output: Some(output), .. }) = &reply {
            self.post(call, id, output).await;
        }
        if let Some(Reply { output: Some(output), .. }) = run_steps(after_commit).await? {
            self.post(call, id, &output).await;
        }
        Ok(reply.map(drop)?)
    }

    /// Refuses a message of a connection that has been refused before. After too many refusals the
    /// connection is over.
    async fn refuse_again(
        &self,
        connection_id: &str,
        Refusal { wait_seconds, tell }: Refusal,
    ) -> Failure {
        let refused = match tell {
            Some(count) => {
                self.limiter.add_refusals(&Policy::WS_MESSAGES, connection_id, count).await
            }
            None => None,
        };
        let enough = CLOSED_AT.saturating_mul(self.limiter.quota(&Policy::WS_MESSAGES).limit);
        Failure {
            problem: Problem::rate_limited(wait_seconds),
            over: refused.is_some_and(|refused| refused >= enough),
        }
    }

    /// Posts a message. The client may have gone meanwhile, or be unreachable. The function does
    /// not fail for that.
    async fn post<M: ServerMessage>(&self, call: &SocketCall, id: Option<&str>, message: &M) {
        if let Err(error) = self.sender.post(call.peer(), id, message).await {
            tracing::warn!(
                %error,
                connection_id = call.connection_id,
                kind = M::TYPE,
                "failed to post a message to a connection"
            );
        }
    }
}
