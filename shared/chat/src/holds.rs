//! Holds for replies: reads the messages that the model is shown, and reserves what the reply to
//! them can cost.

use assistant::domain::PromptName;
use assistant::pricing::tokens_of_bytes;
use assistant::system_prompt;
use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};

use super::memory::{REMEMBERED, remembered};
use super::notes::NOTES_BYTES;
use super::turn::Turn;
use crate::domain::Agent;
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
        (prompt, agent): (PromptName, Option<&Agent>),
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
        let messages: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
        let cells = turn.context.as_ref().map_or(0, |context| tokens_of_bytes(context.bytes));
        let worst = Worst { prompt: system_prompt(prompt), messages: &messages, cells, notes: 0 };
        let Some(agent) = agent else {
            return Ok(Some(reserve.hold(&said.user_id, limits, worst, now)));
        };
        let worst = Worst { notes: tokens_of_bytes(NOTES_BYTES), ..worst };
        reserve.hold_for_agent(&said.user_id, limits, worst, agent, now).await.map(Some)
    }
}
