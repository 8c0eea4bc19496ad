//! The table of API keys.
//!
//! Key: `id`. The index `by_owner` lists a user's keys in the order in which they were made; it may
//! lag.
//!
//! The account has a list of its keys too. So the write that adds a key can have their number as
//! its condition, and a password reset can end them all. A key is valid as long as it is on that
//! list.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::users::account_key;
use super::{SsoLink, User, Users};
use crate::api_key::ApiKeyText;
use crate::config::ConfigError;
use crate::database::{Database, Expression, StoreError, Write, get, item, key, n, query, read, s};
use crate::identity::{Identity, Scope};
use crate::ids;
use crate::platform::Platform;

/// Keys that a user may have at a time.
pub const API_KEYS_PER_USER: usize = 25;

/// Shortest time between two notes of a key's use, in milliseconds.
const NOTED_EVERY: i64 = 3_600_000;

/// Seconds for which a key that has expired is still listed.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// Attributes of an account that tell whether a key of it is valid. A function that checks only
/// this may read no others, see `dynamodb:Attributes` in template.yaml.
pub const KEY_CHECK_ATTRIBUTES: [&str; 3] = ["is_active", "api_keys", "sso"];

/// Attributes of a key that tell its scopes. A function that checks only this may read no others.
pub const KEY_SCOPES_ATTRIBUTES: [&str; 3] = ["user_id", "scopes", "expires_at"];

/// The keys' table.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    database: Database,
    table: String,
}

/// One key, by its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// UUIDv7.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// Name that its owner gave it.
    pub name: String,
    /// Scopes of the key.
    pub scopes: Vec<Scope>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 when it expires: from then on it is refused.
    pub expires_at: i64,
    /// Milliseconds since 1970 of the last use that was noted, at most an hour before the last use
    /// of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<i64>,
    /// SHA-256 of the text that its holder has.
    pub key_hash: String,
    /// Seconds since 1970 when it is forgotten: time to live.
    pub forgotten_at: i64,
}

crate::opaque!(ApiKey);

impl ApiKey {
    /// A key with this text.
    pub fn new(
        text: &ApiKeyText,
        user_id: &str,
        name: String,
        scopes: Vec<Scope>,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Self {
        Self {
            id: text.id(),
            user_id: user_id.to_owned(),
            name,
            scopes,
            created_at: now.as_millisecond(),
            expires_at: expires_at.as_millisecond(),
            last_used_at: None,
            key_hash: text.hash(),
            forgotten_at: expires_at.as_second() + KEPT_SECONDS,
        }
    }

    /// Whether a text is this key, and the key has not expired.
    pub fn is_good(&self, text: &ApiKeyText, now: Timestamp) -> bool {
        ids::same(&self.key_hash, &text.hash()) && !self.has_expired(now)
    }

    /// Whether it has expired.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now.as_millisecond()
    }
}

/// The part of an account that tells whether a key of it is valid.
#[derive(Deserialize)]
struct KeyOwner {
    is_active: bool,
    api_keys: BTreeMap<String, i64>,
    sso: Option<SsoLink>,
}

/// The part of a key that tells its scopes.
#[derive(Deserialize)]
struct KeyScopes {
    user_id: String,
    scopes: Vec<Scope>,
    expires_at: i64,
}

impl User {
    /// Keys on the account's list that have expired.
    pub fn expired_keys(&self, now: Timestamp) -> Vec<String> {
        self.api_keys
            .iter()
            .filter(|(_, expires_at)| **expires_at <= now.as_millisecond())
            .map(|(id, _)| id.clone())
            .collect()
    }
}

impl Users {
    /// Puts a key on its owner's list, if they are still signed in and the list has a place. Takes
    /// expired keys off. See [`Users::read`].
    pub fn admit_key(&self, owner: &Identity, api_key: &ApiKey, expired: &[String]) -> Write {
        let mut expression = Expression::default()
            .name("keys", "api_keys")
            .name("new", &api_key.id)
            .name("sessions", "sessions")
            .name("session", &owner.session_id)
            .value("expires", n(api_key.expires_at))
            .value("places", n(API_KEYS_PER_USER + expired.len()));
        let mut update = "SET #keys.#new = :expires".to_owned();
        let mut condition =
            "attribute_exists(#sessions.#session) AND size(#keys) < :places".to_owned();
        for (position, id) in expired.iter().enumerate() {
            let _ = write!(
                update,
                "{} #keys.#old{position}",
                if position == 0 { " REMOVE" } else { "," }
            );
            let _ = write!(condition, " AND attribute_exists(#keys.#old{position})");
            expression = expression.name(&format!("old{position}"), id);
        }
        Write::update(
            &self.table,
            key("key", &account_key(&owner.user_id)),
            &update,
            condition.as_str(),
            &expression,
        )
    }

    /// Whether a user has a key that has neither ended nor expired. Nothing else of the account is
    /// read.
    pub async fn has_key(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let request = self
            .database
            .client()
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key("key", &account_key(user_id))));
        let found = get(request
            .projection_expression(KEY_CHECK_ATTRIBUTES.join(", "))
            .consistent_read(true))
        .await?;
        let owner: Option<KeyOwner> = found.map(read).transpose()?;
        let admits = |owner: &KeyOwner| {
            owner.is_active && owner.sso.as_ref().is_none_or(|sso| sso.admits_keys(now))
        };
        let expires_at = owner.filter(admits).and_then(|owner| owner.api_keys.get(id).copied());
        Ok(expires_at.is_some_and(|expires_at| now.as_millisecond() < expires_at))
    }

    /// Takes a key off its owner's list, if it is there.
    pub fn dismiss_key(&self, user_id: &str, id: &str) -> Write {
        let expression = Expression::default().name("keys", "api_keys").name("id", id);
        Write::update(
            &self.table,
            key("key", &account_key(user_id)),
            "REMOVE #keys.#id",
            "attribute_exists(#keys)",
            &expression,
        )
    }
}

impl ApiKeys {
    /// Uses the table that `API_KEYS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("API_KEYS_TABLE")?.to_owned(),
        })
    }

    /// The key with this id, as it is now.
    pub async fn get(&self, id: &str) -> Result<Option<ApiKey>, StoreError> {
        self.database.get(&self.table, key("id", id), true).await
    }

    /// The scopes of a user's key; `None` if the user has no such key, or if it has expired. The
    /// account says whether the key has ended, see [`Users::has_key`]. Nothing else of the key is
    /// read.
    pub async fn scopes(
        &self,
        id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<Scope>>, StoreError> {
        let request =
            self.database.client().get_item().table_name(&self.table).set_key(Some(key("id", id)));
        let found = get(request
            .projection_expression(KEY_SCOPES_ATTRIBUTES.join(", "))
            .consistent_read(true))
        .await?;
        let found: Option<KeyScopes> = found.map(read).transpose()?;
        let is_good =
            |key: &KeyScopes| key.user_id == user_id && now.as_millisecond() < key.expires_at;
        Ok(found.filter(is_good).map(|key| key.scopes))
    }

    /// A new key.
    pub fn create(&self, api_key: &ApiKey) -> Result<Write, StoreError> {
        Ok(Write::put(
            &self.table,
            item(api_key)?,
            "attribute_not_exists(id)",
            &Expression::default(),
        ))
    }

    /// Deletes a key, if it is this user's.
    pub fn delete(&self, id: &str, user_id: &str) -> Write {
        Write::delete_if(
            &self.table,
            key("id", id),
            "user_id = :user",
            &Expression::default().value("user", s(user_id)),
        )
    }

    /// Keys of a user, oldest first, after the one with the id `after`; whether there are more.
    pub async fn of_user(
        &self,
        user_id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<ApiKey>, bool), StoreError> {
        let start = after.map(|id| {
            HashMap::from([("id".to_owned(), s(id)), ("user_id".to_owned(), s(user_id))])
        });
        let request = self.database.client().query().table_name(&self.table).index_name("by_owner");
        let expression = Expression::default().value("user", s(user_id));
        let page = query(
            request
                .key_condition_expression("user_id = :user")
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(start)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX)),
        )
        .await?;
        let keys =
            page.items.unwrap_or_default().into_iter().map(read).collect::<Result<_, _>>()?;
        Ok((
            keys,
            page.last_evaluated_key
                .is_some_and(|key: HashMap<String, AttributeValue>| !key.is_empty()),
        ))
    }

    /// Deletes all keys of a user. A key that the index does not have yet stays.
    pub async fn delete_all(&self, user_id: &str) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let (found, more) = self.of_user(user_id, after.as_deref(), API_KEYS_PER_USER).await?;
            let keys = found.iter().map(|found| key("id", &found.id)).collect();
            self.database.delete_all(&self.table, keys).await?;
            after = found.into_iter().next_back().map(|last| last.id);
            if !more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Notes that a key was used, at most once an hour.
    pub async fn record_use(&self, api_key: &ApiKey, now: Timestamp) -> Result<(), StoreError> {
        let now = now.as_millisecond();
        if api_key.last_used_at.is_some_and(|last| now - last < NOTED_EVERY) {
            return Ok(());
        }
        let expression = Expression::default().value("now", n(now));
        // A key that has been deleted meanwhile must not come back.
        let update = "SET last_used_at = :now";
        self.database
            .update_if::<ApiKey>(
                &self.table,
                key("id", &api_key.id),
                update,
                "attribute_exists(id)",
                &expression,
            )
            .await?;
        Ok(())
    }
}
