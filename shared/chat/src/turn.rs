//! A turn of a conversation: a user's message that a reply is to answer.

use assistant::domain::MessageRole;
use jiff::Timestamp;
use platform::database::Write;
use platform::ids;
use tally_access::sources::Sources;
use tally_prompts::domain::{Pinned, Values};

use crate::choosing::Writer;
use crate::context_cells::CheckedContext;
use crate::domain::{AgentName, MessageStatus};
use crate::spending::Limits;
use crate::store::Message;

/// A user's message to be answered, with the writes that store it. The write of the conversation
/// comes first.
pub struct Turn {
    /// The message.
    pub said: Message,
    /// The writes that store it.
    pub writes: Vec<Write>,
    /// Whether it is not stored yet.
    pub is_new: bool,
    /// Whether its conversation has begun before.
    pub goes_on: bool,
    /// Its context, if it has one.
    pub context: Option<CheckedContext>,
    /// Who answers it.
    pub writer: Writer,
    /// The agent that the conversation has from now on, if the request names one.
    pub agent: Option<AgentName>,
    /// The amounts that may be spent in a month, if replies cost anything.
    pub limits: Option<Limits>,
}

/// A completed message.
pub fn message(
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
        context: None,
        sources: Sources::default(),
        prompt: Pinned::default(),
        variables: Values::default(),
        agent: None,
        terms: None,
        steps: 0,
        tool_calls: Vec::new(),
        decisions: 0,
        claim: None,
    }
}
