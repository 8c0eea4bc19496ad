//! Holds for replies: reads the messages that the model is shown, and reserves what the reply to
//! them can cost.

use assistant::domain::PromptName;
use assistant::pricing::tokens_of_bytes;
use assistant::system_prompt;
use futures_util::future::try_join;
use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};

use super::memory::{REMEMBERED, remembered};
use super::turn::Turn;
use crate::spending::{Reserve, Reserved};
use crate::store::{History, Messages};

/// Reserves the cost of replies to messages.
#[derive(Clone)]
pub struct Holds {
    messages: Messages,
    history: History,
    /// Reserves the cost of replies. Absent where they cost nothing.
    reserve: Option<Reserve>,
}

impl Holds {
    /// Uses the tables that `CONVERSATIONS_TABLE`, `MESSAGES_TABLE` and `BUDGETS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            history: History::new(platform)?,
            reserve: Reserve::new(platform)?,
        })
    }

    /// Whether replies can cost anything.
    pub fn are_needed(&self) -> bool {
        self.reserve.is_some()
    }

    /// Reserves the worst-case cost of the reply to a message. It is reserved before the model is
    /// asked, and the model is shown only the messages that the reservation covers. `None` if
    /// replies cost nothing.
    pub async fn reserve(
        &self,
        turn: &Turn,
        prompt: PromptName,
        now: Timestamp,
    ) -> Result<Option<Reserved>, Problem> {
        let Some(reserve) = &self.reserve else { return Ok(None) };
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
        let cells = turn.context.as_ref().map_or(0, |context| tokens_of_bytes(context.bytes));
        Ok(Some(reserve.hold(&said.user_id, limits, system_prompt(prompt), &texts, cells, now)))
    }
}
