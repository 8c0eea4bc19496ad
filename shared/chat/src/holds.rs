//! Holds for replies: reads the messages that the model is shown, and reserves what the reply to
//! them can cost.

use assistant::pricing::tokens_of_bytes;
use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};
use tally_prompts::domain::Rendered;

use super::memory::{REMEMBERED, remembered};
use super::notes::NOTES_BYTES;
use super::turn::Turn;
use crate::spending::{Limits, Reserve, Reserved, Worst};
use crate::store::Messages;

/// Reserves the cost of replies to messages.
#[derive(Clone)]
pub struct Holds {
    messages: Messages,
    /// Reserves the cost of replies. Absent where they cost nothing.
    reserve: Option<Reserve>,
}

impl Holds {
    /// Uses the tables that `MESSAGES_TABLE` and `BUDGETS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { messages: Messages::new(platform)?, reserve: Reserve::new(platform)? })
    }

    /// Whether replies can cost anything.
    pub fn are_needed(&self) -> bool {
        self.reserve.is_some()
    }

    /// The amounts that a user, and all users together, may spend in a month. `None` if replies
    /// cost nothing.
    pub async fn limits(&self, user_id: &str) -> Result<Option<Limits>, Problem> {
        match &self.reserve {
            Some(reserve) => reserve.limits(user_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reserves the worst-case cost of the reply to a message, within these limits. It is reserved
    /// before the model is asked, and the model is shown only the messages that the reservation
    /// covers. The reply of an agent reserves what the agent may spend. `None` if replies cost
    /// nothing. The caller has found the conversation under its owner.
    pub async fn reserve(
        &self,
        turn: &Turn,
        limits: Option<Limits>,
        rendered: &Rendered,
        now: Timestamp,
    ) -> Result<Option<Reserved>, Problem> {
        let (Some(reserve), Some(limits)) = (&self.reserve, limits) else { return Ok(None) };
        let Turn { said, .. } = turn;
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
        let mut messages: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
        // The model is sent the message in the template of the prompt.
        if let Some(last) =
            messages.last_mut().filter(|_| shown.last().is_some_and(|last| last.id == said.id))
        {
            *last = &rendered.user;
        }
        let cells = turn.context.as_ref().map_or(0, |context| tokens_of_bytes(context.bytes));
        let model = turn.writer.model();
        let worst = Worst { prompt: &rendered.system, messages: &messages, cells, notes: 0, model };
        let Some(agent) = &turn.writer.agent else {
            return Ok(Some(reserve.hold(&said.user_id, limits, worst, now)));
        };
        let worst = Worst { notes: tokens_of_bytes(NOTES_BYTES), ..worst };
        reserve.hold_for_agent(&said.user_id, limits, worst, agent, now).await.map(Some)
    }
}
