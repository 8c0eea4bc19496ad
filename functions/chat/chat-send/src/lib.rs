//! `chat.send`: asks for a reply, answers `chat.started`, and starts the worker that streams the reply to the connection.

use futures_util::FutureExt as _;
use platform::chat::{ChatFailed, ChatRequest, ChatStarted, Replies};
use platform::config::ConfigError;
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, Sender};
use platform::store::Origin;

/// The action.
pub struct ChatSend {
    replies: Replies,
    sender: Sender,
}

impl Action for ChatSend {
    const ROUTE: ActionRoute = routes::CHAT_SEND;
    type Body = ChatRequest;
    type Output = ChatStarted;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { replies: Replies::new(platform)?, sender: Sender::new(&platform.config, platform.clock.clone())? })
    }

    async fn handle(&self, message: Message<'_, Self>) -> Result<Plan<Option<ChatStarted>>, Problem> {
        let origin = Origin { caller: message.caller.clone().into(), context: message.context.clone() };
        let asked = self.replies.ask(message.body, origin, Some(message.connection.peer()), message.now, |reply| {
            Reply::new(Some(ChatStarted { message_id: reply.id.clone(), conversation_id: reply.conversation_id.clone() }))
        });
        let (reply, plan) = asked.await?;

        let (replies, sender, id) = (self.replies.clone(), self.sender.clone(), message.id.map(str::to_owned));
        let connection = message.connection.clone();
        let start = async move {
            if let Err(problem) = replies.start(&reply).await {
                let failed = ChatFailed::new(&reply.id, &problem);
                if let Err(error) = sender.post(connection.peer(), id.as_deref(), &failed).await {
                    tracing::warn!(%error, connection_id = connection.connection_id, "not posted");
                }
            }
            Ok(None)
        };
        Ok(plan.then(Box::new(|| start.boxed())))
    }
}
