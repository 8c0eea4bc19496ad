//! Asks for a reply. One transaction stores the conversation, the user's message, the pending reply
//! and the event `chat.requested`. Then a worker is started with their ids.

use std::collections::BTreeSet;

use assistant::domain::MessageRole;
use futures_util::future::try_join;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::database::Write;
use platform::domain::Peer;
use platform::plan::{Otherwise, Reply};
use platform::{ConfigError, Plan, Platform, Problem, ids};

use super::choosing::{Choosing, Named, Writer};
use super::context_cells::{CheckedContext, ContextCells};
use super::excerpts::SentRange;
use super::holds::Holds;
use super::reply_start::Starter;
use super::request::ChatRequest;
use super::title::title;
use super::turn::{Turn, message};
use super::waking::waking;
use crate::domain::{AgentName, CallStatus, ChatContext, IdleAfter, MessageStatus};
use crate::spending::Limits;
use crate::store::{
    AgentTerms, Conversation, Conversations, Drafts, Head, History, Message, MessageAgent,
    Messages, Origin, Subscriber,
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
    choosing: Choosing,
    cells: ContextCells,
    holds: Holds,
    starter: Starter,
    idle: IdleAfter,
}

impl Replies {
    /// Uses the tables and the worker that `CONVERSATIONS_TABLE`, `MESSAGES_TABLE`, `DRAFTS_TABLE`
    /// and `CHAT_STREAM_ARN` name, the tables of `Choosing` and [`ContextCells`], and the setting
    /// of [`IdleAfter`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            conversations: Conversations::new(platform)?,
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            history: History::new(platform)?,
            choosing: Choosing::new(platform)?,
            cells: ContextCells::new(platform)?,
            holds: Holds::new(platform)?,
            starter: Starter::new(platform)?,
            idle: IdleAfter::from_config(&platform.config)?,
        })
    }

    /// Returns the pending reply and the plan that asks for it. If there is a `connection`, the
    /// reply is sent to it while it is written. The plan answers with `answer`. If the caller does
    /// not have the conversation, that is a 404. If a budget does not cover the reply, that is a
    /// 402. An agent or a prompt that the caller may not use is a 422, and so is a value that its
    /// variables do not take. If no cell of a range of the context may be sent, the problem of
    /// [`ContextCells::check`] comes before any reservation.
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
        let named = request.named();
        let goes_on = request.conversation_id.is_some();
        let conversation_id =
            request.conversation_id.map_or_else(|| ids::new_id(now), String::from);
        let mut said = message(conversation_id, user_id, MessageRole::User, text, now);
        let context = self.checked(request.context.as_ref(), user_id, now).await?;
        said.context = request.context;
        said.variables = request.variables;
        said.sources = context.as_ref().map(|context| context.sources.clone()).unwrap_or_default();
        let (author, limits) = self.chosen(&named, &said, goes_on).await?;
        let converse = if goes_on {
            self.go_on(&said, named.agent.as_ref(), now)
        } else {
            self.conversations.create(&Conversation {
                user_id: user_id.clone(),
                id: said.conversation_id.clone(),
                title: title(text),
                created_at: said.created_at,
                updated_at: said.created_at,
                agent: named.agent.as_ref().map(|name| name.as_str().to_owned()),
                idle_at: None,
                sources: said.sources.clone(),
            })?
        };
        let writes = vec![converse, self.messages.add(&said)?];
        let agent = named.agent;
        let turn =
            Turn { writes, said, is_new: true, goes_on, context, writer: author, agent, limits };
        self.begin(turn, origin, connection, now, answer).await
    }

    /// The same for a message whose reply has failed. The message is not stored again: another
    /// reply answers it.
    pub async fn ask_again<O>(
        &self,
        failed: &Message,
        named: Named,
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
        let (author, limits) = self.chosen(&named, &said, true).await?;
        let writes = vec![self.go_on(&said, named.agent.as_ref(), now)];
        let agent = named.agent;
        let turn = Turn {
            writes,
            said,
            is_new: false,
            goes_on: true,
            context,
            writer: author,
            agent,
            limits,
        };
        self.begin(turn, origin, connection, now, answer).await
    }

    /// Who answers a message, and what replies to its user may cost. If the user does not have the
    /// conversation that goes on, that is a 404.
    async fn chosen(
        &self,
        named: &Named,
        said: &Message,
        goes_on: bool,
    ) -> Result<(Writer, Option<Limits>), Problem> {
        let conversation = async {
            if !goes_on {
                return Ok(None);
            }
            let found = self.history.conversation(&said.user_id, &said.conversation_id).await?;
            found.ok_or_else(Problem::not_found).map(Some)
        };
        let (conversation, limits) =
            try_join(conversation, self.holds.limits(&said.user_id)).await?;
        let writer = self.choosing.writer(named, conversation.as_ref(), &said.user_id).await?;
        Ok((writer, limits))
    }

    fn go_on(&self, said: &Message, agent: Option<&AgentName>, now: Timestamp) -> Write {
        let Message { user_id, conversation_id, .. } = said;
        let agent = agent.map(AgentName::as_str);
        self.conversations.go_on(user_id, conversation_id, agent, self.idle, now)
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
        let Writer { prompt, agent } = &turn.writer;
        reply.prompt = prompt.pinned();
        reply.agent = agent.as_ref().map(MessageAgent::from);
        reply.terms = agent.as_ref().map(AgentTerms::from);
        let rendered = prompt.render(&said.variables, &said.text, reply.day())?;
        let reserved = self.holds.reserve(&turn, turn.limits, &rendered, later).await?;
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
            waits_until: None,
            restarted: false,
            ended_at: None,
            missed: BTreeSet::new(),
            expires_at: None,
        };
        let draft = self.drafts.begin(&head)?;

        let details = AuditDetails::default()
            .resource("message", &reply.id)
            .detail("conversation_id", reply.conversation_id.as_str())
            .detail("prompt", reply.prompt.name.as_str())
            .detail("prompt_version", reply.prompt.version);
        let details = reply
            .hold
            .iter()
            .fold(details, |details, hold| details.detail("hold_usd", hold.cost.to_string()));
        let details = reply
            .agent
            .iter()
            .fold(details, |details, agent| details.detail("agent", agent.name.as_str()));
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
        let otherwise = || {
            if turn.goes_on {
                let agent = turn.agent.as_ref().map(AgentName::as_str);
                waking(&self.conversations, &turn.said, agent, self.idle, now)
            } else {
                Otherwise::Refuse(Problem::not_found())
            }
        };
        let plan = writes
            .next()
            .into_iter()
            .fold(plan, |plan, converse| plan.write_otherwise(converse, otherwise()));
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

/// Whether a reply has failed for a temporary reason, before it made any call of a tool. Then its
/// message can be asked again under the same key. Otherwise a new reply could make a call twice.
pub fn may_be_asked_again(reply: &Message) -> bool {
    reply.status == MessageStatus::Failed
        && Problem::of_reply(reply.failure).status.is_server_error()
        && !reply.tool_calls.iter().any(|call| call.status == CallStatus::Completed)
}
