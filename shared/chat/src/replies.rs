//! Asks for a reply. One transaction stores the conversation, the user's message, the pending reply
//! and the event `chat.requested`. Then a worker is started with their ids.

use std::collections::BTreeSet;

use assistant::domain::{MessageRole, PromptName};
use assistant::system_prompt;
use futures_util::future::try_join;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::database::Write;
use platform::domain::Peer;
use platform::plan::Reply;
use platform::worker::Invoker;
use platform::{ConfigError, Plan, Platform, Problem, ids};
use serde::{Deserialize, Serialize};

use super::ending::{Ending, Endings};
use super::memory::{REMEMBERED, remembered};
use super::request::ChatRequest;
use super::title::title;
use crate::domain::MessageStatus;
use crate::spending::{Reserve, Reserved};
use crate::store::{
    Conversation, Conversations, Drafts, Head, History, Message, Messages, Origin, Subscriber,
    SubscribersAtEnd,
};

/// Seconds in which a worker has to begin a reply. Lambda tries for sixty seconds to start it.
const START_SECONDS: i64 = 90;

/// Starts replies.
#[derive(Clone)]
pub struct Replies {
    conversations: Conversations,
    messages: Messages,
    drafts: Drafts,
    history: History,
    /// Reserves the cost of replies. Absent where they cost nothing.
    reserve: Option<Reserve>,
    worker: Invoker,
    endings: Endings,
}

/// The payload that starts the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyStart {
    /// Conversation.
    pub conversation_id: String,
    /// The reply to write.
    pub message_id: String,
}

/// A user's message to be answered, with the writes that store it. The write of the conversation
/// comes first.
struct Turn {
    said: Message,
    writes: Vec<Write>,
    /// Whether it is not stored yet.
    is_new: bool,
    /// Whether its conversation has begun before.
    goes_on: bool,
}

impl Replies {
    /// Uses the tables and the worker that `CONVERSATIONS_TABLE`, `MESSAGES_TABLE`, `DRAFTS_TABLE`
    /// and `CHAT_STREAM_ARN` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            conversations: Conversations::new(platform)?,
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            history: History::new(platform)?,
            reserve: Reserve::new(platform)?,
            worker: Invoker::new(&platform.config, "CHAT_STREAM_ARN")?,
            endings: Endings::new(platform)?,
        })
    }

    /// Returns the pending reply and the plan that asks for it. If there is a `connection`, the
    /// reply is sent to it while it is written. The plan answers with `answer`. If the caller does
    /// not have the conversation, that is a 404. If a budget does not cover the reply, that is a
    /// 402.
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
        let (conversation_id, converse) = if let Some(id) = request.conversation_id {
            (id.as_str().to_owned(), self.conversations.go_on(user_id, id.as_str(), now))
        } else {
            let id = ids::new_id(now);
            let at = now.as_millisecond();
            let conversation = Conversation {
                user_id: user_id.clone(),
                id: id.clone(),
                title: title(text),
                created_at: at,
                updated_at: at,
            };
            (id, self.conversations.create(&conversation)?)
        };
        let said = message(conversation_id, user_id, MessageRole::User, text, now);
        let turn =
            Turn { writes: vec![converse, self.messages.add(&said)?], said, is_new: true, goes_on };
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
        let converse =
            self.conversations.go_on(&origin.caller.user_id, &failed.conversation_id, now);
        let turn = Turn { writes: vec![converse], said, is_new: false, goes_on: true };
        self.begin(turn, prompt, origin, connection, now, answer).await
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
        let reserved = match &self.reserve {
            Some(reserve) => {
                Some(self.reserve(reserve, &turn, prompt.unwrap_or_default(), later).await?)
            }
            None => None,
        };
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

    /// Reserves the worst-case cost of the reply to a message. It is reserved before the model is
    /// asked, and the model is shown only the messages that the reservation covers.
    async fn reserve(
        &self,
        reserve: &Reserve,
        turn: &Turn,
        prompt: PromptName,
        now: Timestamp,
    ) -> Result<Reserved, Problem> {
        let Turn { said, .. } = turn;
        let owned = async {
            // First check that the conversation is the caller's: another user's messages are not
            // read.
            if turn.goes_on {
                self.history
                    .conversation(&said.user_id, &said.conversation_id)
                    .await?
                    .ok_or_else(Problem::not_found)?;
            }
            Ok(())
        };
        let ((), limits) = try_join(owned, reserve.limits(&said.user_id)).await?;
        let mut shown = if turn.goes_on {
            remembered(
                &self.messages,
                &said.conversation_id,
                &said.id,
                REMEMBERED - u16::from(turn.is_new),
            )
            .await?
        } else {
            Vec::new()
        };
        if turn.is_new {
            shown.push(said.clone());
        }
        let texts: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
        Ok(reserve.hold(&said.user_id, limits, system_prompt(prompt), &texts, now))
    }

    /// Starts the worker that writes a reply. If that fails, the reply ends as failed.
    pub async fn start(&self, reply: &Message) -> Result<(), Problem> {
        let start = ReplyStart {
            conversation_id: reply.conversation_id.clone(),
            message_id: reply.id.clone(),
        };
        let Err(error) = self.worker.start(&start).await else { return Ok(()) };
        let problem = Problem::from(error);
        let failed =
            Message { status: MessageStatus::Failed, failure: Some(problem.code), ..reply.clone() };
        // There are no subscribers to tell, because this function itself answers the caller. If the
        // reply is no longer pending, only the answer of Lambda was lost: a worker is writing the
        // reply.
        let ending = Ending {
            reply: &failed,
            from: MessageStatus::Pending,
            model: None,
            revision: 1,
            overdue: None,
            subscribers: SubscribersAtEnd::default(),
            frames: None,
        };
        if self.endings.end_anyway(ending).await? { Err(problem) } else { Ok(()) }
    }
}

/// Whether a reply has failed for a temporary reason. Then its message can be asked again under the
/// same key.
pub fn may_be_asked_again(reply: &Message) -> bool {
    reply.status == MessageStatus::Failed
        && Problem::of_reply(reply.failure).status.is_server_error()
}

/// A completed message.
fn message(
    conversation_id: String,
    user_id: &str,
    role: MessageRole,
    text: &str,
    at: Timestamp,
) -> Message {
    Message {
        conversation_id,
        id: ids::new_id(at),
        user_id: user_id.to_owned(),
        role,
        text: text.to_owned(),
        status: MessageStatus::Completed,
        created_at: at.as_millisecond(),
        answers: None,
        stop_reason: None,
        usage: None,
        cost_usd: None,
        failure: None,
        hold: None,
        origin: None,
    }
}
