//! Data that is left of deleted conversations and accounts, and its removal. The caller has found
//! the purge job ([`super::PurgeJobs`]), so no user reaches any of this data.

use std::collections::HashMap;

use assistant::domain::MessageRole;
use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;
use platform::database::{CommitError, Database, Expression, StoreError, query, read, s};
use platform::{ConfigError, Platform};
use serde::Deserialize;

use super::history::message_key;
use super::{Conversations, Deleted, Drafts, History, PurgeJob, PurgeJobs, States, Steps};
use crate::domain::MessageStatus;

/// Messages deleted in one call: what one `BatchWriteItem` takes.
const BATCH: i32 = 25;

/// The tables in which data is left.
#[derive(Debug, Clone)]
pub struct Purge {
    database: Database,
    messages: String,
    drafts: Drafts,
    steps: Steps,
    history: History,
    conversations: Conversations,
    states: States,
    jobs: PurgeJobs,
}

/// Result of one batch of messages.
#[derive(Debug)]
pub struct Purged {
    /// The last message that was looked at; `None` after the last one of all.
    pub last: Option<String>,
    /// How many of them are replies that have not ended. They are asked to stop, and are left,
    /// however old they are. Their worker or `expire-replies` ends them, settles what they cost and
    /// records it.
    pub unfinished: usize,
}

/// The part of a message that tells whether it can go.
#[derive(Deserialize)]
struct Outline {
    id: String,
    role: MessageRole,
    status: MessageStatus,
}

impl Purge {
    /// Uses the tables that `CONVERSATIONS_TABLE`, `MESSAGES_TABLE`, `DRAFTS_TABLE`, `STEPS_TABLE`
    /// and `SWEEPS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: platform.config.require("MESSAGES_TABLE")?.to_owned(),
            drafts: Drafts::new(platform)?,
            steps: Steps::new(platform)?,
            history: History::new(platform)?,
            conversations: Conversations::new(platform)?,
            states: States::new(platform)?,
            jobs: PurgeJobs::new(platform)?,
            database: platform.database()?,
        })
    }

    /// Deletes the next messages of a deleted conversation, oldest first, after the one with the id
    /// `after`. The drafts and steps of its replies go too. Replies that have not ended are asked
    /// to stop.
    pub async fn delete_messages(
        &self,
        conversation_id: &str,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Purged, StoreError> {
        let expression = Expression::default()
            .name("status", "status")
            .name("role", "role")
            .value("conversation", s(conversation_id));
        let request = self.database.client().query().table_name(&self.messages);
        let page = query(
            request
                .key_condition_expression("conversation_id = :conversation")
                .projection_expression("id, #role, #status")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(|id| message_key(conversation_id, id)))
                .consistent_read(true)
                .limit(BATCH),
        )
        .await?;
        let looked_at = page
            .items
            .unwrap_or_default()
            .into_iter()
            .map(read)
            .collect::<Result<Vec<Outline>, _>>()?;
        // No condition is needed: a message that has ended does not begin again.
        let (gone, unfinished): (Vec<_>, Vec<_>) =
            looked_at.iter().partition(|message| message.has_ended());
        try_join_all(unfinished.iter().map(|reply| self.drafts.stop(&reply.id, now))).await?;
        // Drafts and steps first: they are found by their messages.
        let replies = gone.iter().filter(|message| message.role == MessageRole::Assistant);
        try_join_all(replies.map(async |reply| {
            try_join(self.drafts.delete(&reply.id), self.steps.delete(&reply.id)).await
        }))
        .await?;
        self.database
            .delete_all(
                &self.messages,
                gone.iter().map(|message| message_key(conversation_id, &message.id)).collect(),
            )
            .await?;
        let cut = page.last_evaluated_key.is_some_and(|key: HashMap<_, _>| !key.is_empty());
        let last = looked_at.last().filter(|_| cut).map(|message| message.id.clone());
        Ok(Purged { last, unfinished: unfinished.len() })
    }

    /// Deletes one conversation of a deleted account with its state, and leaves its purge job;
    /// `None` where there is none left.
    pub async fn delete_conversation(
        &self,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<PurgeJob>, StoreError> {
        let (found, _) = self.history.list(user_id, None, 1).await?;
        let Some(conversation) = found.into_iter().next() else { return Ok(None) };
        let delete = self.conversations.delete(user_id, &conversation.id);
        let deleted = Deleted::Conversations;
        let forget = self.states.delete(user_id, &conversation.id);
        let leave = self.jobs.leave(deleted, &conversation.id, user_id, now)?;
        match self.database.commit(vec![delete, forget, leave]).await {
            // Another worker was faster.
            Ok(()) | Err(CommitError::Condition { .. }) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
        Ok(Some(PurgeJob::new(deleted, &conversation.id, user_id, now)))
    }
}

impl Outline {
    fn has_ended(&self) -> bool {
        self.status.has_ended()
    }
}
