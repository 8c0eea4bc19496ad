//! The table of rate-limit counters.
//!
//! Key: `subject` (policy and a hash of whose calls they are). Attributes `b<number>`: calls in
//! that sub-window. One update counts a call, forgets sub-windows that are over, and answers with
//! the counters that stand. Attempts to sign in: see `login_attempts.rs`; denials: `denials.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use crate::config::ConfigError;
use crate::database::{
    ATTEMPTS, Database, Expression, Item, StoreError, key, n, resend, unavailable,
};
use crate::ids;
use crate::limits::{Policy, Quota, bucket_of, buckets_to_keep};
use crate::platform::Platform;

/// Sub-windows removed in one update. After a longer silence the others go with the item's time to
/// live.
const FORGOTTEN_AT_ONCE: i64 = 13;

/// The counters' table.
#[derive(Debug, Clone)]
pub struct LimitCounters {
    pub(super) database: Database,
    pub(super) table: String,
}

impl LimitCounters {
    /// Uses the table that `LIMITS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("LIMITS_TABLE")?.to_owned(),
        })
    }

    /// Counts a call and gives the counters by sub-window, this call included.
    pub async fn count(
        &self,
        policy: &Policy,
        quota: Quota,
        subject: &str,
        now: Timestamp,
    ) -> Result<BTreeMap<i64, u64>, StoreError> {
        let kept = 2 * i64::try_from(quota.window_seconds).unwrap_or(86_400) + 60;
        let (update, expression) = counting(quota, now, kept);
        let request = self.database.client().update_item().table_name(&self.table);
        let request = request
            .set_key(Some(counter_key(policy, subject)))
            .update_expression(update)
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew);
        let answer = resend(ATTEMPTS, || request.clone().send()).await.map_err(unavailable)?;
        Ok(counters(answer.attributes.unwrap_or_default()))
    }

    /// Reverts the count of a refused call, so that asking again does not lengthen the wait. It is
    /// tried once: a call that stays counted costs a caller some waiting. A count that is reverted
    /// twice would give them another call. Only a collision is tried again, because it has reverted
    /// nothing.
    pub async fn revert(
        &self,
        policy: &Policy,
        quota: Quota,
        subject: &str,
        counted_at: Timestamp,
    ) -> Result<(), StoreError> {
        let bucket = format!("b{}", bucket_of(quota, counted_at));
        let expression = Expression::default().value("minus", n(-1)).value("one", n(1));
        let request = self
            .database
            .client()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(counter_key(policy, subject)))
            .update_expression(format!("ADD {bucket} :minus"))
            // A counter that has expired is not made anew.
            .condition_expression(format!("{bucket} >= :one"))
            .set_expression_attribute_values(expression.values());
        let once = || Builder::new().retry_config(RetryConfig::disabled());
        let taken_back =
            resend(ATTEMPTS, || request.clone().customize().config_override(once()).send()).await;
        match taken_back {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(unavailable(error))
            }
            _ => Ok(()),
        }
    }
}

/// The update that counts a call, forgets sub-windows that are over, and keeps the item for so many
/// seconds.
pub(super) fn counting(quota: Quota, now: Timestamp, kept: i64) -> (String, Expression) {
    let bucket = bucket_of(quota, now);
    let oldest = buckets_to_keep(bucket);
    let mut update = "SET expires_at = :expires REMOVE ".to_owned();
    for (position, gone) in (oldest - FORGOTTEN_AT_ONCE..oldest).enumerate() {
        let _ = write!(update, "{}b{gone}", if position > 0 { ", " } else { "" });
    }
    let _ = write!(update, " ADD b{bucket} :one");
    (update, Expression::default().value("one", n(1)).value("expires", n(now.as_second() + kept)))
}

/// The counters of an item, by sub-window.
pub(super) fn counters(item: Item) -> BTreeMap<i64, u64> {
    item.into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix('b')?.parse().ok()?, number(&value)?)))
        .collect()
}

/// A number as it is stored.
pub(super) fn number<T: FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse().ok()
}

pub(super) fn counter_key(policy: &Policy, subject: &str) -> Item {
    key("subject", &format!("{}#{}", policy.name, ids::sha256(subject)))
}
