//! `POST /chat`: asks for a reply, starts the worker that writes it, and waits for it as long as an
//! HTTP request can.

mod answer;

use std::time::Duration;

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::clock::{Clock, Timestamp};
use platform::identity::{Principal, Scope};
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Message, Messages, Origin};
use tally_chat::{ChatRequest, Reading, Replies, may_be_asked_again};
use tokio::time::{Instant, sleep, timeout_at};

pub use answer::{AcceptedReply, ChatAnswer, WrittenReply};
use answer::{accepted, written};

/// The endpoints of this function.
pub type Endpoints = (SendMessage,);

/// Seconds that a caller waits if `CHAT_WAIT_SECONDS` is not set. API Gateway gives up after 30.
const WAIT_SECONDS: u64 = 25;

/// First pause before the function looks at the reply. Each pause is half as long again as the one
/// before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The endpoint.
pub struct SendMessage {
    replies: Replies,
    messages: Messages,
    reading: Reading,
    wait: Duration,
    clock: Clock,
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
            messages: Messages::new(platform)?,
            reading: Reading::new(platform)?,
            wait: platform.config.seconds("CHAT_WAIT_SECONDS", WAIT_SECONDS)?,
            clock: platform.clock.clone(),
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
                    request.body.prompt,
                    origin,
                    None,
                    request.now,
                    |reply| accepted(reply, patient),
                );
                let (reply, plan) = asked.await?;
                let plan = plan.creates(format!("{}/{}", reply.conversation_id, reply.id));
                Ok(self.start_and_watch(plan, reply, patient, request.now))
            }
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
        // API Gateway counts from the request's arrival; so does the wait.
        let passed = self.clock.now().duration_since(arrived).try_into().unwrap_or_default();
        let until = Instant::now() + self.wait.saturating_sub(passed);
        let replies = self.replies.clone();
        let (messages, reading, clock) =
            (self.messages.clone(), self.reading.clone(), self.clock.clone());
        let follow = async move {
            if reply.status == MessageStatus::Pending {
                replies.start(&reply).await?;
            }
            if !patient {
                return Ok(None);
            }
            let reply = watch(&messages, reply, until).await;
            match reply.status {
                MessageStatus::Pending | MessageStatus::Streaming => {
                    Ok(Some(accepted(&reply, true)))
                }
                MessageStatus::Completed | MessageStatus::Cancelled => {
                    let user_id = reply.user_id.clone();
                    Ok(Some(written(reading.show(&user_id, reply, clock.now()).await?)))
                }
                MessageStatus::Failed => Err(Problem::of_reply(reply.failure)),
            }
        };
        plan.after_commit(Box::new(|| follow.boxed()))
    }
}

/// Looks at a reply until it has ended or time is up. Gives it as it is then.
async fn watch(messages: &Messages, mut reply: Message, until: Instant) -> Message {
    let mut pause = FIRST_PAUSE;
    while Instant::now() + pause < until {
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        match timeout_at(until, messages.get(&reply.conversation_id, &reply.id)).await {
            Ok(Ok(Some(found))) => reply = found,
            // The worker writes the reply all the same. The caller learns where it will be.
            Ok(Err(error)) => {
                tracing::warn!(%error, message_id = reply.id, "failed to poll a reply");
            }
            Ok(Ok(None)) | Err(_) => {}
        }
        if !matches!(reply.status, MessageStatus::Pending | MessageStatus::Streaming) {
            break;
        }
    }
    reply
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
