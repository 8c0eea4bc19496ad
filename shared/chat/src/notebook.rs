//! Reads and changes the working state of conversations.

use jiff::Timestamp;
use platform::database::{Item, StoreError, Write};
use platform::{ConfigError, Platform};
use tally_access::domain::Action;
use tally_access::sources::{Readers, Sources};

use crate::domain::{ConversationStatus, IdleAfter, StateValues};
use crate::notes::Notes;
use crate::store::{Conversation, Conversations, History, State, States};

/// Reads and changes working states.
#[derive(Debug, Clone)]
pub struct Notebook {
    history: History,
    conversations: Conversations,
    states: States,
    readers: Readers,
    idle: IdleAfter,
}

/// A conversation with its state as it is stored.
#[derive(Debug, Clone)]
pub struct Opened {
    conversation: Conversation,
    stored: State,
    idle: IdleAfter,
}

impl Notebook {
    /// Uses the tables of [`History`] and [`Readers`], and the setting of [`IdleAfter`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            history: History::new(platform)?,
            conversations: Conversations::new(platform)?,
            states: States::new(platform)?,
            readers: Readers::new(platform)?,
            idle: IdleAfter::from_config(&platform.config)?,
        })
    }

    /// A user's conversation with its state, as they are now.
    pub async fn open(
        &self,
        user_id: &str,
        conversation_id: &str,
    ) -> Result<Option<Opened>, StoreError> {
        let Some(conversation) = self.history.conversation(user_id, conversation_id).await? else {
            return Ok(None);
        };
        let stored = self.states.get(&conversation).await?;
        Ok(Some(Opened { conversation, stored, idle: self.idle }))
    }

    /// The same with the state of an item that has failed a condition.
    pub fn again(&self, opened: Opened, found: Option<Item>) -> Result<Opened, StoreError> {
        Ok(Opened { stored: self.states.read(found)?, ..opened })
    }

    /// The notes that a model may see now on behalf of the user of a conversation. There are none
    /// if the user may no longer give one of their sources to a model.
    pub async fn notes(
        &self,
        user_id: &str,
        conversation_id: &str,
        now: Timestamp,
    ) -> Result<Notes, StoreError> {
        let Some(opened) = self.open(user_id, conversation_id).await? else {
            return Ok(Notes::default());
        };
        let state = opened.state(now);
        let rights = self.readers.rights(user_id, &[&state.sources], now).await?;
        let may = rights.may(&state.sources, Action::Ai);
        Ok(if may { Notes::of(&state) } else { Notes::default() })
    }

    /// The writes that give a conversation these values, with the columns that they came from, and
    /// the state that they make. The condition of the first write fails where the conversation has
    /// gone. That of the second fails where the state was changed meanwhile.
    pub fn set(
        &self,
        opened: &Opened,
        values: StateValues,
        sources: Sources,
        now: Timestamp,
    ) -> Result<(State, [Write; 2]), StoreError> {
        let Opened { conversation, stored, .. } = opened;
        let (version, set_at) = (stored.version + 1, now.as_millisecond());
        let state = State { values, version, set_at, sources };
        let exists = self.conversations.must_exist(&conversation.user_id, &conversation.id);
        let put = self.states.put(conversation, &state, stored.version)?;
        Ok((state, [exists, put]))
    }
}

impl Opened {
    /// The state as it counts now.
    pub fn state(&self, now: Timestamp) -> State {
        self.stored.clone().at(&self.conversation, self.idle, now)
    }

    /// Whether values are stored, also such as no longer count.
    pub fn has_values(&self) -> bool {
        !self.stored.values.is_empty()
    }

    /// Whether the conversation is idle now, and so has no state.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.conversation.status(self.idle, now) == ConversationStatus::Idle
    }
}
