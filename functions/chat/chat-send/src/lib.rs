//! `chat.send`: asks for a reply, answers `chat.started`, and starts the worker that streams the
//! reply to the connection.

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::idempotency::IdempotencyKey;
use platform::plan::Reply;
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, Sender};
use platform::store::Connection;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_chat::domain::MessageStatus;
use tally_chat::store::{self, History, Origin};
use tally_chat::{
    ChatFailed, ChatSendRequest, ChatStarted, Replies, Subscribing, may_be_asked_again,
};

/// The action.
pub struct ChatSend {
    replies: Replies,
    history: History,
    subscribing: Subscribing,
    sender: Sender,
}

impl Action for ChatSend {
    const ROUTE: ActionRoute = routes::CHAT_SEND;
    type Body = ChatSendRequest;
    type Output = ChatStarted;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            replies: Replies::new(platform)?,
            history: History::new(platform)?,
            subscribing: Subscribing::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
        })
    }

    async fn handle(
        &self,
        message: Message<'_, Self>,
    ) -> Result<Plan<Option<ChatStarted>>, Problem> {
        let origin = origin(&message);
        let peer = Some(message.connection.peer());
        let (reply, plan) =
            self.replies.ask(message.body.into(), origin, peer, message.now, started).await?;
        Ok(self.start(plan, reply, message.connection, message.id))
    }

    fn repetition(body: &ChatSendRequest) -> Option<(&IdempotencyKey, String)> {
        Some((body.idempotency_key.as_ref()?, body.says()))
    }

    /// Answers `chat.started` of the first message, and sends its reply from the first delta on. If
    /// the reply failed for a passing reason, the function asks for it again under the same key.
    async fn repeat(
        &self,
        message: Message<'_, Self>,
        created: &str,
    ) -> Result<Plan<Option<ChatStarted>>, Problem> {
        let (conversation_id, id) = created.split_once('/').ok_or_else(Problem::not_found)?;
        let user_id = message.caller.user_id.clone();
        let reply = self
            .history
            .message(&user_id, conversation_id, id)
            .await?
            .ok_or_else(Problem::not_found)?;
        if may_be_asked_again(&reply) {
            let origin = origin(&message);
            let peer = Some(message.connection.peer());
            let (reply, plan) = self
                .replies
                .ask_again(&reply, message.body.named(), origin, peer, message.now, started)
                .await?;
            return Ok(self.start(plan, reply, message.connection, message.id));
        }
        let details = AuditDetails::default()
            .resource("message", id)
            .detail("conversation_id", conversation_id)
            .detail("repeated", true);
        let plan = Plan::reply(started(&reply)).details(details);
        let replies = self.replies.clone();
        let subscribing = self.subscribing.clone();
        let connection = message.connection.clone();
        let now = message.now;
        let follow = async move {
            // A function that died left the reply pending. If no worker can be started, the reply
            // ends, and the client is told.
            if reply.status == MessageStatus::Pending
                && let Err(problem) = replies.start(&reply).await
            {
                tracing::warn!(
                    message_id = reply.id,
                    code = %problem.code,
                    "failed to start a worker for a repeated request"
                );
            }
            if let Some(replay) =
                subscribing.subscribe(&user_id, &reply.id, &connection, 0, now).await?
            {
                replay.send().await;
            }
            Ok(None)
        };
        Ok(plan.after_commit(Box::new(|| follow.boxed())))
    }
}

impl ChatSend {
    /// Starts the worker of a reply after the commit.
    fn start(
        &self,
        plan: Plan<Option<ChatStarted>>,
        reply: store::Message,
        connection: &Connection,
        id: Option<&str>,
    ) -> Plan<Option<ChatStarted>> {
        let plan = plan.creates(format!("{}/{}", reply.conversation_id, reply.id));
        let replies = self.replies.clone();
        let sender = self.sender.clone();
        let id = id.map(str::to_owned);
        let connection = connection.clone();
        let start = async move {
            if let Err(problem) = replies.start(&reply).await {
                let failed = ChatFailed::new(&reply.id, &problem);
                if let Err(error) = sender.post(connection.peer(), id.as_deref(), &failed).await {
                    tracing::warn!(
                        %error,
                        message_id = reply.id,
                        connection_id = connection.connection_id,
                        "failed to post chat.failed"
                    );
                }
            }
            Ok(None)
        };
        plan.after_commit(Box::new(|| start.boxed()))
    }
}

fn origin(message: &Message<'_, ChatSend>) -> Origin {
    Origin { caller: message.caller.clone().into(), context: message.context.clone() }
}

fn started(reply: &store::Message) -> Reply<Option<ChatStarted>> {
    Reply::new(Some(ChatStarted {
        message_id: reply.id.clone(),
        conversation_id: reply.conversation_id.clone(),
        prompt: reply.prompt.clone(),
    }))
}
