//! Asks for a reply. One transaction stores the conversation, the user's message, the pending reply
//! and the event `chat.requested`. Then a worker is started with their ids.

use std::collections::BTreeSet;

use assistant::domain::{MessageRole, PromptName};
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::domain::Peer;
use platform::plan::Reply;
use platform::{ConfigError, Plan, Platform, Problem, ids};

use super::context_cells::{CheckedContext, ContextCells};
use super::excerpts::SentRange;
use super::holds::Holds;
use super::reply_start::Starter;
use super::request::ChatRequest;
use super::title::title;
use super::turn::{Turn, message};
use crate::domain::{ChatContext, MessageStatus};
use crate::store::{
    Conversation, Conversations, Drafts, Head, Message, Messages, Origin, Subscriber,
};

/// Seconds in which a worker has to begin a reply. Lambda tries for sixty seconds to start it.
const START_SECONDS: i64 = 90;

/// Starts replies.
#[derive(Clone)]
pub struct Replies {
    conversations: Conversations,
    messages: Messages,
    drafts: Drafts,
    cells: ContextCells,
    holds: Holds,
    starter: Starter,
}

impl Replies {
    /// Uses the tables and the worker that `CONVERSATIONS_TABLE`, `MESSAGES_TABLE`, `DRAFTS_TABLE`
    /// and `CHAT_STREAM_ARN` name, and the tables of [`ContextCells`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            conversations: Conversations::new(platform)?,
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            cells: ContextCells::new(platform)?,
            holds: Holds::new(platform)?,
            starter: Starter::new(platform)?,
        })
    }

    /// Returns the pending reply and the plan that asks for it. If there is a `connection`, the
    /// reply is sent to it while it is written. The plan answers with `answer`. If the caller does
    /// not have the conversation, that is a 404. If a budget does not cover the reply, that is a
    /// 402. If no cell of a range of the context may be sent, the problem of
    ///      [`ContextCells::check`] comes before any reservation.
    pub async fn ask<O>(
        &self,
        request: ChatRequest,
        origin: Origin,
        connection: Option<Peer<'_>>,
        now: Timestamp,
        answer: impl FnOnce(&Message) -> Reply<O>,
    ) -> Result<(Message, Plan<O>), Problem> {
        let user_id = &origin.caller.user_id;
        let text = request.message.as_str();
        let goes_on = request.conversation_id.is_some();
        let conversation_id =
            request.conversation_id.map_or_else(|| ids::new_id(now), String::from);
        let mut said = message(conversation_id, user_id, MessageRole::User, text, now);
        let context = self.checked(request.context.as_ref(), user_id, now).await?;
        said.context = request.context;
        said.sources = context.as_ref().map(|context| context.sources.clone()).unwrap_or_default();
        let converse = if goes_on {
            self.conversations.go_on(user_id, &said.conversation_id, now)
        } else {
            self.conversations.create(&Conversation {
                user_id: user_id.clone(),
                id: said.conversation_id.clone(),
                title: title(text),
                created_at: said.created_at,
                updated_at: said.created_at,
                sources: said.sources.clone(),
            })?
        };
        let writes = vec![converse, self.messages.add(&said)?];
        let turn = Turn { writes, said, is_new: true, goes_on, context };
        self.begin(turn, request.prompt, origin, connection, now, answer).await
    }

    /// The same for a message whose reply has failed. The message is not stored again: another
    /// reply answers it.
    pub async fn ask_again<O>(
        &self,
        failed: &Message,
        prompt: Option<PromptName>,
        origin: Origin,
        connection: Option<Peer<'_>>,
        now: Timestamp,
        answer: impl FnOnce(&Message) -> Reply<O>,
    ) -> Result<(Message, Plan<O>), Problem> {
        let answers = failed.answers.as_deref().ok_or_else(Problem::not_found)?;
        let said = self
            .messages
            .get(&failed.conversation_id, answers)
            .await?
            .ok_or_else(Problem::not_found)?;
        let user_id = &origin.caller.user_id;
        let context = self.checked(said.context.as_ref(), user_id, now).await?;
        let converse = self.conversations.go_on(user_id, &failed.conversation_id, now);
        let turn = Turn { writes: vec![converse], said, is_new: false, goes_on: true, context };
        self.begin(turn, prompt, origin, connection, now, answer).await
    }

    async fn checked(
        &self,
        context: Option<&ChatContext>,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<CheckedContext>, Problem> {
        let Some(context) = context else { return Ok(None) };
        self.cells.check(context, user_id, self.holds.are_needed(), now).await.map(Some)
    }

    async fn begin<O>(
        &self,
        turn: Turn,
        prompt: Option<PromptName>,
        origin: Origin,
        connection: Option<Peer<'_>>,
        now: Timestamp,
        answer: impl FnOnce(&Message) -> Reply<O>,
    ) -> Result<(Message, Plan<O>), Problem> {
        let said = &turn.said;
        // A millisecond later, so that its id sorts after the id of the message that it answers.
        let later = Timestamp::from_millisecond(now.as_millisecond() + 1).unwrap_or(now);
        let mut reply = message(
            said.conversation_id.clone(),
            &origin.caller.user_id,
            MessageRole::Assistant,
            "",
            later,
        );
        reply.status = MessageStatus::Pending;
        reply.answers = Some(said.id.clone());
        // The worker adds the sources of the earlier messages that the model is shown.
        reply.sources = said.sources.clone();
        let reserved = self.holds.reserve(&turn, prompt.unwrap_or_default(), later).await?;
        reply.hold = reserved.as_ref().map(|reserved| reserved.hold.clone());

        let subscriber =
            |peer: Peer<'_>| (peer.connection_id.to_owned(), Subscriber { after: 0, joined: 0 });
        let head = Head {
            message_id: reply.id.clone(),
            user_id: reply.user_id.clone(),
            conversation_id: reply.conversation_id.clone(),
            subscribers: connection.map(subscriber).into_iter().collect(),
            revision: 1,
            sweep_at: Some(now.as_second() + START_SECONDS),
            spent: None,
            cancelled_at: None,
            ended_at: None,
            missed: BTreeSet::new(),
            expires_at: None,
        };
        let draft = self.drafts.begin(&head)?;

        let details = AuditDetails::default()
            .resource("message", &reply.id)
            .detail("conversation_id", reply.conversation_id.as_str());
        let details = reply
            .hold
            .iter()
            .fold(details, |details, hold| details.detail("hold_usd", hold.cost.to_string()));
        let details = turn.context.iter().fold(details, |details, context| {
            let all = |of: fn(&SentRange) -> String| context.ranges.iter().map(of);
            details
                .detail("range_ids", all(|range| range.range_id.clone()).collect::<Vec<_>>())
                .detail("addresses", all(|range| range.address.clone()).collect::<Vec<_>>())
                .detail("columns", context.columns)
        });
        reply.origin = Some(origin);
        let mut writes = turn.writes.into_iter();
        let plan = Plan::reply(answer(&reply)).details(details);
        let plan = writes
            .next()
            .into_iter()
            .fold(plan, |plan, converse| plan.write_or(converse, Problem::not_found()));
        let plan = writes.fold(plan, Plan::write).write(self.messages.add(&reply)?).write(draft);
        let plan = match reserved {
            Some(reserved) => reserved.add_to(plan),
            None => plan,
        };
        Ok((reply, plan))
    }

    /// Starts the worker that writes a reply. If that fails, the reply ends as failed.
    pub async fn start(&self, reply: &Message) -> Result<(), Problem> {
        self.starter.start(reply).await
    }
}

/// Whether a reply has failed for a temporary reason. Then its message can be asked again under the
/// same key.
pub fn may_be_asked_again(reply: &Message) -> bool {
    reply.status == MessageStatus::Failed
        && Problem::of_reply(reply.failure).status.is_server_error()
}
