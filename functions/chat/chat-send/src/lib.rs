//! `chat.send`: asks for a reply, answers `chat.started`, and starts the worker that streams the reply to the connection.

use futures_util::FutureExt as _;
use platform::chat::{ChatFailed, ChatRequest, ChatStarted, Replies};
use platform::config::ConfigError;
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, Sender};
use platform::store::{Listener, Origin};

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
        let peer = message.connection.peer();
        let listener = Listener { connection_id: peer.connection_id.to_owned(), connected_at: peer.connected_at };
        let origin = Origin { caller: message.caller.clone().into(), context: message.context.clone(), connection: Some(listener.clone()) };
        let (reply, plan) = self.replies.ask(message.body, origin, message.now, |reply| {
            Reply::new(Some(ChatStarted { message_id: reply.id.clone(), conversation_id: reply.conversation_id.clone() }))
        })?;

        let (replies, sender, id) = (self.replies.clone(), self.sender.clone(), message.id.map(str::to_owned));
        let start = async move {
            if let Err(problem) = replies.start(&reply).await {
                let failed = ChatFailed::new(&reply.id, &problem);
                if let Err(error) = sender.post(listener.peer(), id.as_deref(), &failed).await {
                    tracing::warn!(%error, connection_id = listener.connection_id, "not posted");
                }
            }
            Ok(None)
        };
        Ok(plan.then(Box::new(|| start.boxed())))
    }
}
