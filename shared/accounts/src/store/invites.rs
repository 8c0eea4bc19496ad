//! The table of invitations.
//!
//! Key: `dataset` (always `invites`) and `id` (UUIDv7), so that a query gives them in the order in
//! which they were made. They are few: administrators make them one by one, and none is kept for
//! longer than a week. The token is `<id>.<secret>`, of which the table keeps only the SHA-256. The
//! transaction that makes the account deletes the item, and so uses the token up.

use jiff::Timestamp;
use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s,
};
use platform::domain::{Email, ResourceId, Role};
use platform::{ConfigError, Platform, ids};
use serde::{Deserialize, Serialize};

/// The one item collection.
const DATASET: &str = "invites";

/// Seconds for which an invitation is valid: seven days.
const GOOD_FOR_SECONDS: i64 = 7 * 86_400;

/// The invitations' table.
#[derive(Debug, Clone)]
pub struct Invites {
    database: Database,
    table: String,
}

/// One invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// UUIDv7.
    pub id: String,
    /// The only address that may register with it, if the invitation names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Roles of the new account.
    pub roles: Vec<Role>,
    /// Id of the administrator on whose word it is valid. Without one it is for the first
    /// administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970 when it expires; also its time to live.
    pub expires_at: i64,
    /// SHA-256 of the token.
    pub token_hash: String,
}

platform::opaque!(Invite);

#[derive(Serialize, Deserialize)]
struct Stored {
    dataset: String,
    #[serde(flatten)]
    invite: Invite,
}

impl Invite {
    /// A new invitation and its token, which is not kept.
    pub fn new(
        email: Option<&Email>,
        roles: Vec<Role>,
        invited_by: Option<&str>,
        now: Timestamp,
    ) -> (Self, String) {
        let id = ids::new_id(now);
        // 192 bits.
        let token = format!("{id}.{}", ids::new_secret::<24>());
        let invite = Self {
            email: email.map(Email::to_string),
            roles,
            invited_by: invited_by.map(str::to_owned),
            created_at: now.as_millisecond(),
            expires_at: now.as_second() + GOOD_FOR_SECONDS,
            token_hash: ids::sha256(&token),
            id,
        };
        (invite, token)
    }

    /// The id in a token, whether or not there is such an invitation.
    pub fn id_in(token: &str) -> Option<ResourceId> {
        token.split_once('.')?.0.parse().ok()
    }

    /// Whether it has not expired.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires_at
    }

    /// Whether this address may register with it.
    pub fn is_for(&self, email: &Email) -> bool {
        self.email.as_ref().is_none_or(|invited| {
            invited.parse::<Email>().is_ok_and(|invited| invited.folded() == email.folded())
        })
    }
}

impl Invites {
    /// Uses the table that `INVITES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("INVITES_TABLE")?.to_owned(),
        })
    }

    /// A new invitation.
    pub fn create(&self, invite: &Invite) -> Result<Write, StoreError> {
        let stored = Stored { dataset: DATASET.to_owned(), invite: invite.clone() };
        Ok(Write::put(
            &self.table,
            item(stored)?,
            "attribute_not_exists(id)",
            &Expression::default(),
        ))
    }

    /// The invitation of a token, if it is valid. Only [`Invites::spend`] tells whether it still
    /// is.
    pub async fn find(&self, token: &str, now: Timestamp) -> Result<Option<Invite>, StoreError> {
        let Some(id) = Invite::id_in(token) else { return Ok(None) };
        let stored: Option<Stored> = self.database.get(&self.table, invite_key(&id), true).await?;
        let is_good = |invite: &Invite| {
            ids::same(&invite.token_hash, &ids::sha256(token)) && invite.is_good(now)
        };
        Ok(stored.map(|stored| stored.invite).filter(is_good))
    }

    /// Uses an invitation up, if it is there and has not expired.
    pub fn spend(&self, invite: &Invite, now: Timestamp) -> Write {
        let expression = Expression::default().value("now", n(now.as_second()));
        // The comparison fails as well where there is no item.
        Write::delete_if(&self.table, invite_key(&invite.id), "expires_at > :now", &expression)
    }

    /// Revokes an invitation; the condition fails where it is not there.
    pub fn revoke(&self, id: &str) -> Write {
        Write::delete_if(
            &self.table,
            invite_key(id),
            "attribute_exists(id)",
            &Expression::default(),
        )
    }

    /// At most `limit` valid invitations, newest first, after the one with the id `after`; whether
    /// there are more.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Invite>, bool), StoreError> {
        let expression =
            Expression::default().name("dataset", "dataset").value("dataset", s(DATASET));
        let answer = query(
            self.database
                .client()
                .query()
                .table_name(&self.table)
                .key_condition_expression("#dataset = :dataset")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(invite_key))
                .consistent_read(true)
                .scan_index_forward(false)
                // One more than the limit tells whether this is the last page.
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX)),
        )
        .await?;
        let items = answer.items.unwrap_or_default().into_iter();
        let mut invites = items
            .map(|item| Ok(read::<Stored>(item)?.invite))
            .collect::<Result<Vec<_>, StoreError>>()?;
        // All are valid for the same time, so after one that has expired there are only expired
        // ones.
        invites.truncate(invites.iter().take_while(|invite| invite.is_good(now)).count());
        let more = invites.len() > limit;
        invites.truncate(limit);
        Ok((invites, more))
    }
}

fn invite_key(id: &str) -> Item {
    key2(("dataset", DATASET), ("id", id))
}
