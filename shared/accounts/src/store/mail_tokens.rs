//! The table of mailed tokens.
//!
//! Key: `key`, `<purpose>#<user id>`: a user has one of a kind, so that a newer one replaces it.
//! The token itself is `<user id>.<secret>`, of which the table keeps only the SHA-256. The
//! transaction that the token is for deletes it, and so uses it up.

use jiff::Timestamp;
use platform::database::{Database, Expression, StoreError, Write, item, key, n, s};
use platform::domain::ResourceId;
use platform::{ConfigError, Platform, ids};
use serde::{Deserialize, Serialize};

use crate::domain::Purpose;

/// The mailed tokens' table.
#[derive(Debug, Clone)]
pub struct MailTokens {
    database: Database,
    table: String,
}

/// One mailed token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailToken {
    /// Whose it is.
    pub user_id: String,
    /// The address that it was mailed to: the token proves that this address is theirs.
    pub email: String,
    /// SHA-256 of the token.
    pub token_hash: String,
    /// Seconds since 1970 when it expires; also its time to live.
    pub expires_at: i64,
}

platform::opaque!(MailToken);

#[derive(Serialize, Deserialize)]
struct Stored {
    key: String,
    #[serde(flatten)]
    token: MailToken,
}

impl MailTokens {
    /// Uses the table that `MAIL_TOKENS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("MAIL_TOKENS_TABLE")?.to_owned(),
        })
    }

    /// A new token in place of an older one; the condition fails where a newer request has been
    /// answered already.
    pub fn issue(&self, purpose: Purpose, token: MailToken) -> Result<Write, StoreError> {
        let expression = Expression::default().value("expires", n(token.expires_at));
        let stored = item(Stored { key: purpose_key(purpose, &token.user_id), token })?;
        Ok(Write::put(
            &self.table,
            stored,
            "attribute_not_exists(expires_at) OR expires_at <= :expires",
            &expression,
        ))
    }

    /// The record of a token, if it is valid. Only [`MailTokens::spend`] tells whether it still is.
    pub async fn find(
        &self,
        purpose: Purpose,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<MailToken>, StoreError> {
        let Some(Ok(user_id)) =
            token.split_once('.').map(|(user_id, _)| user_id.parse::<ResourceId>())
        else {
            return Ok(None);
        };
        let stored: Option<Stored> = self
            .database
            .get(&self.table, key("key", &purpose_key(purpose, &user_id)), true)
            .await?;
        let is_good = |found: &MailToken| {
            ids::same(&found.token_hash, &ids::sha256(token)) && now.as_second() < found.expires_at
        };
        Ok(stored.map(|stored| stored.token).filter(is_good))
    }

    /// Uses a token up, if it is there and has not expired.
    pub fn spend(&self, purpose: Purpose, token: &MailToken, now: Timestamp) -> Write {
        let expression = Expression::default()
            .value("hash", s(&token.token_hash))
            .value("now", n(now.as_second()));
        let condition = "token_hash = :hash AND expires_at > :now";
        Write::delete_if(
            &self.table,
            key("key", &purpose_key(purpose, &token.user_id)),
            condition,
            &expression,
        )
    }

    /// Revokes a user's token, if there is one.
    pub fn forget(&self, purpose: Purpose, user_id: &str) -> Write {
        Write::delete(&self.table, key("key", &purpose_key(purpose, user_id)))
    }

    /// Revokes every token of a user.
    pub fn forget_all(&self, user_id: &str) -> [Write; 2] {
        Purpose::ALL.map(|purpose| self.forget(purpose, user_id))
    }
}

fn purpose_key(purpose: Purpose, user_id: &str) -> String {
    format!("{}#{user_id}", purpose.name())
}
