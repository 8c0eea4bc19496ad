//! The table of purge jobs: deleted conversations and accounts whose remaining data goes step by
//! step.
//!
//! Key: `dataset` (the kind of what was deleted) and `id`. The transaction that deletes leaves a
//! purge job. From then on no caller reaches the data that is left. That data goes in batches
//! ([`super::Purge`]), and the job goes last. A job that is cut short, or that two workers do at
//! once, is simply done again.

use jiff::Timestamp;
use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, query, read, s,
};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

/// Jobs that one query finds, at most.
const PAGE: i32 = 25;

/// The table of purge jobs.
#[derive(Debug, Clone)]
pub struct PurgeJobs {
    database: Database,
    table: String,
}

/// The kind of what was deleted. Each kind is an item collection: purge jobs are done soon after
/// they are left, so there are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deleted {
    /// A conversation, whose messages are left.
    Conversations,
    /// An account, whose conversations are left.
    Users,
}

/// A deleted conversation or account with data that is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeJob {
    /// Its kind.
    #[serde(rename = "dataset")]
    pub deleted: Deleted,
    /// Its id.
    pub id: String,
    /// Id of its user. Jobs from before this attribute have none.
    #[serde(default)]
    pub user_id: String,
    /// Milliseconds since 1970.
    pub deleted_at: i64,
}

impl PurgeJob {
    /// A job of this moment.
    pub(super) fn new(deleted: Deleted, id: &str, user_id: &str, now: Timestamp) -> Self {
        let (id, user_id) = (id.to_owned(), user_id.to_owned());
        Self { deleted, id, user_id, deleted_at: now.as_millisecond() }
    }
}

impl Deleted {
    fn as_str(self) -> &'static str {
        match self {
            Self::Conversations => "conversations",
            Self::Users => "users",
        }
    }
}

impl PurgeJobs {
    /// Uses the table that `SWEEPS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("SWEEPS_TABLE")?.to_owned(),
        })
    }

    /// The purge job of a conversation or account that the same transaction deletes.
    pub fn leave(
        &self,
        deleted: Deleted,
        id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let job = PurgeJob::new(deleted, id, user_id, now);
        Ok(Write::put(&self.table, item(job)?, "attribute_not_exists(id)", &Expression::default()))
    }

    /// The purge job of the conversation or account with this id, if it has not been done.
    pub async fn find(&self, deleted: Deleted, id: &str) -> Result<Option<PurgeJob>, StoreError> {
        self.database.get(&self.table, key(deleted, id), true).await
    }

    /// Some of the purge jobs that have not been done, after the one with the id `after`; none
    /// where there are no more.
    pub async fn outstanding(
        &self,
        deleted: Deleted,
        after: Option<&str>,
    ) -> Result<Vec<PurgeJob>, StoreError> {
        let expression =
            Expression::default().name("dataset", "dataset").value("dataset", s(deleted.as_str()));
        let request = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("#dataset = :dataset");
        let page = query(
            request
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(|id| key(deleted, id)))
                .consistent_read(true)
                .limit(PAGE),
        )
        .await?;
        page.items.unwrap_or_default().into_iter().map(read).collect()
    }

    /// Whether something of a user has still to be purged: their account, or a conversation.
    pub async fn has_any(&self, user_id: &str) -> Result<bool, StoreError> {
        for deleted in [Deleted::Users, Deleted::Conversations] {
            let mut after = None;
            loop {
                let outstanding = self.outstanding(deleted, after.as_deref()).await?;
                if outstanding.iter().any(|job| job.user_id == user_id) {
                    return Ok(true);
                }
                let Some(last) = outstanding.into_iter().next_back() else { break };
                after = Some(last.id);
            }
        }
        Ok(false)
    }

    /// Deletes a purge job that is done. Another worker may have deleted it already.
    pub async fn done(&self, job: &PurgeJob) -> Result<(), StoreError> {
        self.database.delete_all(&self.table, vec![key(job.deleted, &job.id)]).await
    }
}

fn key(deleted: Deleted, id: &str) -> Item {
    key2(("dataset", deleted.as_str()), ("id", id))
}
