//! Asking for a reply: the conversation, what the user says and the reply to be written are stored together, with the
//! event `chat.requested`; then a worker is started with their ids.

use std::collections::BTreeSet;

use futures_util::future::try_join;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ending::{Ending, Endings};
use super::memory::{REMEMBERED, system_prompt};
use super::request::ChatRequest;
use crate::audit::Note;
use crate::config::ConfigError;
use crate::domain::{MessageRole, MessageStatus, PromptName};
use crate::ids;
use crate::plan::{Plan, Reply};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::socket::Peer;
use crate::spending::{Reserve, Reserved};
use crate::store::{Conversation, Conversations, Drafts, Head, Hearers, Listener, Message, Messages, Origin};
use crate::worker::Invoker;

/// Characters of a title.
const LONGEST_TITLE: usize = 60;

/// Seconds that a worker has for taking a reply up: Lambda tries for sixty to start it.
const START_SECONDS: i64 = 90;

/// Starts replies.
#[derive(Clone)]
pub struct Replies {
    conversations: Conversations,
    messages: Messages,
    drafts: Drafts,
    /// What replies can cost, where they do.
    reserve: Option<Reserve>,
    worker: Invoker,
    endings: Endings,
}

/// What the worker is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyStart {
    /// Conversation.
    pub conversation_id: String,
    /// The reply to write.
    pub message_id: String,
}

impl Replies {
    /// Uses the tables and the worker that `CONVERSATIONS_TABLE`, `MESSAGES_TABLE`, `DRAFTS_TABLE` and `CHAT_STREAM_ARN` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            conversations: Conversations::new(&platform.config)?,
            messages: Messages::new(platform.database()?, &platform.config)?,
            drafts: Drafts::new(platform.database()?, &platform.config)?,
            reserve: Reserve::new(platform)?,
            worker: Invoker::new(&platform.config, "CHAT_STREAM_ARN")?,
            endings: Endings::new(platform)?,
        })
    }

    /// The reply, pending, and the plan that asks for it; it is sent to `connection` while it is written, if there is one.
    /// `answer` is what the plan answers with. A conversation that the caller does not have is a 404, and a reply that a budget
    /// does not cover a 402.
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
            let (id, at) = (ids::new_id(now), now.as_millisecond());
            let conversation =
                Conversation { user_id: user_id.clone(), id: id.clone(), title: title(text), created_at: at, updated_at: at };
            (id, self.conversations.create(&conversation)?)
        };
        let message = |role, text: &str, status, at: Timestamp| Message {
            conversation_id: conversation_id.clone(),
            id: ids::new_id(at),
            user_id: user_id.clone(),
            role,
            text: text.to_owned(),
            status,
            created_at: at.as_millisecond(),
            answers: None,
            stop_reason: None,
            usage: None,
            cost_usd: None,
            hold: None,
            origin: None,
        };
        let said = message(MessageRole::User, text, MessageStatus::Completed, now);
        // A millisecond later, so that its id comes after that of what it answers.
        let later = Timestamp::from_millisecond(now.as_millisecond() + 1).unwrap_or(now);
        let mut reply = message(MessageRole::Assistant, "", MessageStatus::Pending, later);
        reply.answers = Some(said.id.clone());
        let reserved = match &self.reserve {
            Some(reserve) => Some(self.reserve(reserve, &said, goes_on, request.prompt.unwrap_or_default(), later).await?),
            None => None,
        };
        reply.hold = reserved.as_ref().map(|reserved| reserved.hold.clone());

        let listener = |peer: Peer<'_>| (peer.connection_id.to_owned(), Listener { after: 0, joined: 0 });
        let head = Head {
            message_id: reply.id.clone(),
            user_id: reply.user_id.clone(),
            conversation_id: reply.conversation_id.clone(),
            listeners: connection.map(listener).into_iter().collect(),
            wishes: 1,
            sweep_at: Some(now.as_second() + START_SECONDS),
            spent: None,
            cancelled_at: None,
            ended_at: None,
            missed: BTreeSet::new(),
            expires_at: None,
        };
        let draft = self.drafts.begin(&head)?;

        let note = Note::default().resource("message", &reply.id).detail("conversation_id", reply.conversation_id.as_str());
        let note = reply.hold.iter().fold(note, |note, hold| note.detail("hold_usd", hold.cost.to_string()));
        reply.origin = Some(origin);
        let plan = Plan::reply(answer(&reply)).note(note).write_or(converse, Problem::not_found());
        let plan = plan.write(self.messages.add(&said)?).write(self.messages.add(&reply)?).write(draft);
        let plan = match reserved {
            Some(reserved) => reserved.add_to(plan),
            None => plan,
        };
        Ok((reply, plan))
    }

    /// What the reply to a message can cost: it is paid before it is asked for, and the model is shown what was paid.
    async fn reserve(
        &self,
        reserve: &Reserve,
        said: &Message,
        goes_on: bool,
        prompt: PromptName,
        now: Timestamp,
    ) -> Result<Reserved, Problem> {
        let before = async {
            if !goes_on {
                return Ok(Vec::new());
            }
            Ok(self.messages.said_until(&said.conversation_id, &said.id, REMEMBERED - 1).await?)
        };
        let (before, limits) = try_join(before, reserve.limits(&said.user_id)).await?;
        // A conversation of someone else's is about to be a 404, and has no say before.
        let messages = before.iter().filter(|message| message.user_id == said.user_id).chain([said]);
        let texts: Vec<_> = messages.map(|message| message.text.as_str()).collect();
        Ok(reserve.hold(&said.user_id, limits, system_prompt(prompt), &texts, now))
    }

    /// Starts the worker that writes a reply. Where that fails, the reply ends as failed.
    pub async fn start(&self, reply: &Message) -> Result<(), Problem> {
        let start = ReplyStart { conversation_id: reply.conversation_id.clone(), message_id: reply.id.clone() };
        let Err(error) = self.worker.start(&start).await else { return Ok(()) };
        let problem = Problem::from(error);
        let failed = Message { status: MessageStatus::Failed, ..reply.clone() };
        // Whoever asked is told by the one that asks here. Where it is no longer pending, only Lambda's answer was lost: a worker is at it.
        let ending = Ending {
            reply: &failed,
            from: MessageStatus::Pending,
            model: None,
            wishes: 1,
            overdue: None,
            hearers: Hearers::default(),
            frames: None,
        };
        if self.endings.end_anyway(ending).await? { Err(problem) } else { Ok(()) }
    }
}

/// The first words of a text, on one line.
fn title(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((cut, _)) = line.char_indices().nth(LONGEST_TITLE) else { return line };
    let kept = &line[..cut];
    // Whole words, unless the first one is longer than a title.
    let whole = if line[cut..].starts_with(' ') { kept } else { kept.rsplit_once(' ').map_or(kept, |(words, _)| words) };
    format!("{whole}…")
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_title_is_the_first_words_on_one_line() {
        let (sixty, long) = ("x".repeat(60), "€".repeat(61));
        for (text, expected) in [
            ("  Hello\n\tthere  ", "Hello there".to_owned()),
            (sixty.as_str(), sixty.clone()),
            (long.as_str(), format!("{}…", "€".repeat(60))),
            (&format!("{} more words", "y".repeat(50)), format!("{} more…", "y".repeat(50))),
            (&format!("{} z", "y".repeat(60)), format!("{}…", "y".repeat(60))),
        ] {
            assert_eq!(title(text), expected, "{text}");
        }
    }
}
