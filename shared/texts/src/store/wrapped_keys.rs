//! The table of data keys: one key for each user, as KMS has wrapped it.
//!
//! Key: `user_id`. A key that was erased leaves its item with the time as `erased_at`, and without
//! `wrapped_key`. So no function makes another key for that user: a key is put on the condition
//! that there is no item.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use platform::database::{Database, Expression, Item, StoreError, get, key, n, s};
use platform::{ConfigError, Platform};
use serde::Deserialize;

/// The table of data keys.
#[derive(Debug, Clone)]
pub struct WrappedKeys {
    database: Database,
    table: String,
}

/// The data key of a user as it is stored.
#[derive(PartialEq, Eq)]
pub enum StoredKey {
    /// KMS unwraps it.
    Wrapped {
        /// Its id.
        key_id: String,
        /// The text that KMS has made of it.
        wrapped: Vec<u8>,
    },
    /// It was erased.
    Erased,
}

platform::opaque!(StoredKey);

impl WrappedKeys {
    /// Uses the table that `DATA_KEYS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("DATA_KEYS_TABLE")?.to_owned(),
        })
    }

    /// The key of a user as it is now.
    pub async fn get(&self, user_id: &str) -> Result<Option<StoredKey>, StoreError> {
        let request = self.database.client().get_item().table_name(&self.table);
        let request = request.set_key(Some(key("user_id", user_id))).consistent_read(true);
        Ok(get(request).await?.map(stored))
    }

    /// Erases the key of a user, for good. A user who has had none gets none any more. Gives the
    /// time of the first erasure, in milliseconds since 1970. If a backup has brought the key back
    /// since, the key goes again.
    pub async fn erase(&self, user_id: &str, now: Timestamp) -> Result<i64, StoreError> {
        let key = || key("user_id", user_id);
        let expression = Expression::default().value("now", n(now.as_millisecond()));
        let update = "SET erased_at = if_not_exists(erased_at, :now) \
                      REMOVE key_id, wrapped_key, created_at";
        let condition = "attribute_not_exists(erased_at) OR attribute_exists(wrapped_key)";
        let erased: Option<Erased> =
            self.database.update_if(&self.table, key(), update, condition, &expression).await?;
        let erased = match erased {
            Some(erased) => Some(erased),
            None => self.database.get(&self.table, key(), true).await?,
        };
        let gone = || StoreError::Unavailable("the record of an erased key has gone".to_owned());
        erased.map(|erased| erased.erased_at).ok_or_else(gone)
    }

    /// Stores the first key of a user. Gives `false` where the user has one, or had one.
    pub async fn add(
        &self,
        user_id: &str,
        key_id: &str,
        wrapped: Vec<u8>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let item = Item::from([
            ("user_id".to_owned(), s(user_id)),
            ("key_id".to_owned(), s(key_id)),
            ("wrapped_key".to_owned(), AttributeValue::B(Blob::new(wrapped))),
            ("created_at".to_owned(), n(now.as_millisecond())),
        ]);
        let condition = "attribute_not_exists(user_id)";
        self.database.put_if(&self.table, item, condition, &Expression::default()).await
    }
}

/// The record of an erased key.
#[derive(Deserialize)]
struct Erased {
    erased_at: i64,
}

fn stored(mut item: Item) -> StoredKey {
    let is_erased = item.contains_key("erased_at");
    match (item.remove("key_id"), item.remove("wrapped_key")) {
        (Some(AttributeValue::S(key_id)), Some(AttributeValue::B(wrapped))) if !is_erased => {
            StoredKey::Wrapped { key_id, wrapped: wrapped.into_inner() }
        }
        _ => StoredKey::Erased,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_without_a_wrapped_key_is_that_of_an_erased_one() {
        let wrapped = || ("wrapped_key", AttributeValue::B(Blob::new("w")));
        let id = || ("key_id", s("k-1"));
        let erased = || ("erased_at", n(1));
        let whole = StoredKey::Wrapped { key_id: "k-1".into(), wrapped: b"w".to_vec() };
        for (attributes, expected) in [
            (vec![id(), wrapped()], whole),
            (vec![erased()], StoredKey::Erased),
            (vec![id(), erased()], StoredKey::Erased),
            (vec![id(), wrapped(), erased()], StoredKey::Erased),
            (vec![id()], StoredKey::Erased),
            (vec![], StoredKey::Erased),
        ] {
            let item = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
            assert!(stored(item.collect()) == expected);
        }
    }
}
