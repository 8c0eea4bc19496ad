//! `POST /chat`: asks for a reply, starts the worker that writes it, and waits for it as long as an
//! HTTP request can. `POST /conversations/{id}/messages/{message_id}/confirmations`: decides about
//! calls of tools that a reply waits for, and waits for its rest.

mod answer;
mod confirm;
mod watch;

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::identity::{Principal, Scope};
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Message, Origin};
use tally_chat::{ChatRequest, Reading, Replies, may_be_asked_again};

pub use answer::{AcceptedReply, ChatAnswer, WrittenReply};
use answer::{accepted, written};
pub use confirm::{ConfirmCalls, ConfirmationBody};
use watch::Watch;

/// The endpoints of this function.
pub type Endpoints = (SendMessage, ConfirmCalls);

/// The endpoint.
pub struct SendMessage {
    replies: Replies,
    reading: Reading,
    watch: Watch,
}

impl Endpoint for SendMessage {
    const ROUTE: Route = routes::CHAT;
    const PROBLEMS: &'static [Code] = &[
        Code::BudgetExceeded,
        Code::NotFound,
        Code::NotReady,
        Code::ContextTooLong,
        Code::ContentRefused,
        Code::ProviderRejected,
    ];
    type Caller = Principal;
    type Body = ChatRequest;
    type Query = ();
    type Output = ChatAnswer;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            replies: Replies::new(platform)?,
            reading: Reading::new(platform)?,
            watch: Watch::new(platform)?,
        })
    }

    /// A key that names ranges reads their cells.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        let scope = request.body.context.is_some().then_some(Scope::RangesRead);
        Route { scope: scope.or(Self::ROUTE.scope), ..Self::ROUTE }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ChatAnswer>, Problem> {
        let patient = !prefers_async(request.call);
        let origin = Origin { caller: request.caller, context: request.context.clone() };
        let (reply, plan) = self
            .replies
            .ask(request.body, origin, None, request.now, |reply| accepted(reply, patient))
            .await?;
        let plan = plan.creates(format!("{}/{}", reply.conversation_id, reply.id));
        Ok(self.start_and_watch(plan, reply, patient, request.now))
    }

    /// Answers with the reply as it is by now, or 404 if its conversation has been deleted. If a
    /// function died before it had started the worker, the reply is still pending, and this one
    /// starts a worker. A second worker for the same reply finds that out by itself. A reply that
    /// failed for a passing reason has freed its key: the function asks for another one under the
    /// same key.
    async fn repeat(
        &self,
        request: Request<'_, Self>,
        created: &str,
    ) -> Result<Plan<ChatAnswer>, Problem> {
        let (conversation_id, id) = created.split_once('/').ok_or_else(Problem::not_found)?;
        let reply = self
            .reading
            .message(&request.caller.user_id, conversation_id, id, request.now)
            .await?
            .ok_or_else(Problem::not_found)?;
        let patient = !prefers_async(request.call);
        let details = AuditDetails::default()
            .resource("message", id)
            .detail("conversation_id", conversation_id)
            .detail("repeated", true);
        let plan = |answer| Plan::reply(answer).details(details);
        let status = reply.status;
        match status {
            MessageStatus::Completed | MessageStatus::Cancelled => Ok(plan(written(reply))),
            MessageStatus::Failed if !may_be_asked_again(&reply) => {
                Err(Problem::of_reply(reply.failure))
            }
            MessageStatus::Failed => {
                let origin = Origin { caller: request.caller, context: request.context.clone() };
                let asked = self.replies.ask_again(
                    &reply,
                    request.body.named(),
                    origin,
                    None,
                    request.now,
                    |reply| accepted(reply, patient),
                );
                let (reply, plan) = asked.await?;
                let plan = plan.creates(format!("{}/{}", reply.conversation_id, reply.id));
                Ok(self.start_and_watch(plan, reply, patient, request.now))
            }
            MessageStatus::AwaitingConfirmation => Ok(plan(accepted(&reply, patient))),
            MessageStatus::Pending | MessageStatus::Streaming => {
                let plan = plan(accepted(&reply, patient));
                Ok(self.start_and_watch(plan, reply.into_inner(), patient, request.now))
            }
        }
    }
}

impl SendMessage {
    /// Starts the worker of a reply that has none, after the commit. Waits for the reply if the
    /// caller does.
    fn start_and_watch(
        &self,
        plan: Plan<ChatAnswer>,
        reply: Message,
        patient: bool,
        arrived: Timestamp,
    ) -> Plan<ChatAnswer> {
        let watch = self.watch.step(reply.clone(), patient, arrived);
        let replies = self.replies.clone();
        let follow = async move {
            if reply.status == MessageStatus::Pending {
                replies.start(&reply).await?;
            }
            watch().await
        };
        plan.after_commit(Box::new(|| follow.boxed()))
    }
}

/// Whether the header `Prefer` asks not to wait (RFC 7240). API Gateway joins repeated headers with
/// a comma.
fn prefers_async(call: &HttpCall) -> bool {
    call.header("prefer").is_some_and(asks_for_async)
}

fn asks_for_async(preferences: &str) -> bool {
    preferences.split(',').any(|preference| {
        let name = preference.split([';', '=']).next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}

#[cfg(test)]
mod tests {
    use super::asks_for_async;

    #[test]
    fn a_preference_is_found_among_others() {
        for (header, expected) in [
            ("respond-async", true),
            ("Respond-Async", true),
            ("wait=10, respond-async", true),
            ("respond-async; x=1, wait=10", true),
            ("", false),
            ("wait=10", false),
            ("respond-async-not", false),
            ("handling=respond-async", false),
        ] {
            assert_eq!(asks_for_async(header), expected, "{header}");
        }
    }
}
