//! The table of erasures: users whose data is to be destroyed, and how far that has come.
//!
//! Key: `user_id`. Index `unfinished`: `open`, `user_id`. It has the erasures that run. An item
//! stays for good, because it says that the user was erased. It has ids and times, and while the
//! erasure runs also the administrator who has confirmed it.

use jiff::Timestamp;
use platform::context::Context;
use platform::database::{
    Database, Expression, StoreError, Write, item, key, n, query, read, s, value,
};
use platform::identity::Principal;
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

/// Milliseconds within which a second administrator has to confirm.
const CONFIRM_WITHIN: i64 = 24 * 3_600_000;

/// Erasures that one query finds, at most.
const PAGE: i32 = 25;

/// Value of `open` in the items of erasures that run.
const OPEN: &str = "open";

/// The table of erasures.
#[derive(Debug, Clone)]
pub struct Erasures {
    database: Database,
    table: String,
}

/// The erasure of a user. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Id of the user.
    pub user_id: String,
    /// Id of the administrator who has asked for it.
    pub requested_by: String,
    /// From then on it cannot be confirmed any more.
    pub expires_at: i64,
    /// When a second administrator confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<i64>,
    /// The confirmation, while the erasure runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The texts of events up to this time are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_deleted_to: Option<i64>,
    /// When the last data of the user was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<i64>,
    /// The erasure before this one, which is complete. It counts if this one lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<Erasure>>,
}

/// The second administrator's confirmation. The events of the erasure name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The administrator.
    pub by: Principal,
    /// The circumstances of their request.
    pub context: Context,
}

/// The key of an item in the index.
#[derive(Deserialize)]
struct Running {
    user_id: String,
}

impl Erasure {
    /// A request of this moment.
    pub fn new(user_id: &str, requested_by: &str, now: Timestamp) -> Self {
        Self {
            user_id: user_id.to_owned(),
            requested_by: requested_by.to_owned(),
            expires_at: now.as_millisecond() + CONFIRM_WITHIN,
            confirmed_at: None,
            confirmation: None,
            texts_deleted_to: None,
            completed_at: None,
            earlier: None,
        }
    }

    /// The erasure that counts. A request that has lapsed is as if it had not been made, so the
    /// erasure before it counts, if there was one.
    fn standing(self, now: Timestamp) -> Option<Self> {
        if self.has_lapsed(now) { self.earlier.map(|earlier| *earlier) } else { Some(self) }
    }

    /// Whether no administrator has confirmed it in time.
    fn has_lapsed(&self, now: Timestamp) -> bool {
        self.confirmed_at.is_none() && self.expires_at <= now.as_millisecond()
    }
}

impl Erasures {
    /// Uses the table that `ERASURES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("ERASURES_TABLE")?.to_owned(),
        })
    }

    /// The erasure of a user, as it is now.
    pub async fn get(&self, user_id: &str) -> Result<Option<Erasure>, StoreError> {
        self.database.get(&self.table, key("user_id", user_id), true).await
    }

    /// The erasure of a user that counts now.
    pub async fn standing(
        &self,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<Erasure>, StoreError> {
        Ok(self.get(user_id).await?.and_then(|erasure| erasure.standing(now)))
    }

    /// A new request. The condition fails where an erasure of the user awaits its confirmation or
    /// runs.
    pub fn request(&self, erasure: &Erasure, now: Timestamp) -> Result<Write, StoreError> {
        let expression = Expression::default().value("now", n(now.as_millisecond()));
        let condition = "attribute_not_exists(user_id) OR attribute_exists(completed_at) OR \
                         (attribute_not_exists(confirmed_at) AND expires_at <= :now)";
        Ok(Write::put(&self.table, item(erasure)?, condition, &expression))
    }

    /// Confirms an erasure. The condition fails where it has lapsed or been confirmed, and where
    /// the same administrator has asked for it.
    pub fn confirm(
        &self,
        user_id: &str,
        confirmation: &Confirmation,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let expression = Expression::default()
            .name("open", "open")
            .value("open", s(OPEN))
            .value("confirmation", value(confirmation)?)
            .value("by", s(&confirmation.by.user_id))
            .value("now", n(now.as_millisecond()));
        let condition = "attribute_not_exists(confirmed_at) AND expires_at > :now \
                         AND requested_by <> :by";
        Ok(Write::update(
            &self.table,
            key("user_id", user_id),
            "SET confirmed_at = :now, confirmation = :confirmation, #open = :open",
            condition,
            &expression,
        ))
    }

    /// The users of some of the erasures that run, after the one with the id `after`; none where
    /// there are no more. The index may lag.
    pub async fn running(&self, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let expression = Expression::default()
            .name("open", "open")
            .value("open", s(OPEN))
            .value("after", s(after.unwrap_or("0")));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .index_name("unfinished")
                .key_condition_expression("#open = :open AND user_id > :after")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .limit(PAGE),
        )
        .await?;
        let found = page.items.unwrap_or_default().into_iter().map(read::<Running>);
        found.map(|running| Ok(running?.user_id)).collect()
    }

    /// Notes that the texts of events up to this time are deleted, while the erasure runs.
    pub async fn note_texts(&self, user_id: &str, deleted_to: i64) -> Result<(), StoreError> {
        let expression = Expression::default().name("open", "open").value("to", n(deleted_to));
        let key = key("user_id", user_id);
        let update = "SET texts_deleted_to = :to";
        let condition = "attribute_exists(#open)";
        self.database
            .update_if::<Erasure>(&self.table, key, update, condition, &expression)
            .await?;
        Ok(())
    }

    /// The end of an erasure. The condition fails where it does not run.
    pub fn complete(&self, user_id: &str, now: Timestamp) -> Write {
        let expression =
            Expression::default().name("open", "open").value("now", n(now.as_millisecond()));
        Write::update(
            &self.table,
            key("user_id", user_id),
            "SET completed_at = :now REMOVE #open, confirmation, texts_deleted_to, earlier",
            "attribute_exists(#open)",
            &expression,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_lapses_after_a_day_unless_it_was_confirmed() {
        let at = |milliseconds: i64| {
            Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
        };
        let asked = Erasure::new("u-1", "a-1", at(0));
        let confirmed = Erasure { confirmed_at: Some(1), ..asked.clone() };
        for (milliseconds, lapsed) in [(0, false), (86_399_999, false), (86_400_000, true)] {
            assert_eq!(asked.has_lapsed(at(milliseconds)), lapsed, "{milliseconds}");
            assert!(!confirmed.has_lapsed(at(milliseconds)));
            let standing = asked.clone().standing(at(milliseconds));
            assert_eq!(standing, (!lapsed).then(|| asked.clone()), "{milliseconds}");
            let again = Erasure { earlier: Some(Box::new(confirmed.clone())), ..asked.clone() };
            let expected = if lapsed { confirmed.clone() } else { again.clone() };
            assert_eq!(again.standing(at(milliseconds)), Some(expected), "{milliseconds}");
        }
    }
}
