//! The table of rate-limit counters.
//!
//! Key: `subject` (policy and a hash of whose calls they are). Attributes `b<number>`: calls in that sub-window.
//! One update counts a call, forgets sub-windows that have left, and answers with what stands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;

use super::Database;
use super::database::{Expression, Item, StoreError, key, n, unavailable};
use crate::config::{Config, ConfigError};
use crate::ids;
use crate::limits::{Policy, Quota, bucket_of, buckets_to_keep};

/// Sub-windows removed in one update. Those of a longer silence go with the item's time to live.
const FORGOTTEN_AT_ONCE: i64 = 13;

/// The counters' table.
#[derive(Debug, Clone)]
pub struct LimitCounters {
    database: Database,
    table: String,
}

impl LimitCounters {
    /// Uses the table that `LIMITS_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("LIMITS_TABLE")?.to_owned() })
    }

    /// Counts a call and gives the counters by sub-window, this call included.
    pub async fn count(&self, policy: &Policy, quota: Quota, subject: &str, now: Timestamp) -> Result<BTreeMap<i64, u64>, StoreError> {
        let bucket = bucket_of(quota, now);
        let oldest = buckets_to_keep(bucket);
        let mut update = "SET expires_at = :expires REMOVE ".to_owned();
        for (position, gone) in (oldest - FORGOTTEN_AT_ONCE..oldest).enumerate() {
            let _ = write!(update, "{}b{gone}", if position > 0 { ", " } else { "" });
        }
        let _ = write!(update, " ADD b{bucket} :one");
        let expires = now.as_second() + 2 * i64::try_from(quota.window_seconds).unwrap_or(86_400) + 60;
        self.update(policy, subject, &update, Expression::default().value("one", n(1)).value("expires", n(expires))).await
    }

    /// Takes a refused call back, so that asking again does not lengthen the wait. It is tried once: a call that stays
    /// counted costs a caller some waiting, one that is taken back twice would give them another.
    pub async fn take_back(&self, policy: &Policy, quota: Quota, subject: &str, counted_at: Timestamp) -> Result<(), StoreError> {
        let bucket = format!("b{}", bucket_of(quota, counted_at));
        let expression = Expression::default().value("minus", n(-1)).value("one", n(1));
        let taken_back = self
            .database
            .client()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(counter_key(policy, subject)))
            .update_expression(format!("ADD {bucket} :minus"))
            // A counter that has expired is not made anew.
            .condition_expression(format!("{bucket} >= :one"))
            .set_expression_attribute_values(expression.values())
            .customize()
            .config_override(Builder::new().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        match taken_back {
            Err(error) if !error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
                Err(unavailable(error))
            }
            _ => Ok(()),
        }
    }

    /// Notes that `subject` was refused in the window numbered `window`. The first time in a window this gives how often
    /// it happened since it was last told, this time included; further ones are only counted. Where the answer to the first
    /// is lost, the request that is sent again finds the window told: that window's event is missing, and its count is in the
    /// next one's.
    pub async fn first_in_window(&self, name: &str, subject: &str, window: i64, expires: i64) -> Result<Option<u64>, StoreError> {
        let subject = format!("told#{name}#{}", ids::sha256(subject));
        let request = self.database.client().update_item().table_name(&self.table).set_key(Some(key("subject", &subject)));
        let expression =
            Expression::default().value("window", n(window)).value("zero", n(0)).value("expires", n(expires)).name("window", "window");
        let first = request
            .update_expression("SET #window = :window, untold = :zero, expires_at = :expires")
            .condition_expression("attribute_not_exists(#window) OR #window < :window")
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match first {
            Ok(answer) => {
                let untold = answer.attributes.as_ref().and_then(|item| item.get("untold")?.as_n().ok()?.parse::<u64>().ok());
                Ok(Some(untold.unwrap_or(0) + 1))
            }
            Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
                let request = self.database.client().update_item().table_name(&self.table).set_key(Some(key("subject", &subject)));
                request.update_expression("ADD untold :one").expression_attribute_values(":one", n(1)).send().await.map_err(unavailable)?;
                Ok(None)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn update(&self, policy: &Policy, subject: &str, update: &str, expression: Expression) -> Result<BTreeMap<i64, u64>, StoreError> {
        let answer = self
            .database
            .client()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(counter_key(policy, subject)))
            .update_expression(update)
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(unavailable)?;
        let attributes = answer.attributes.unwrap_or_default();
        let counter = |(name, value): (String, aws_sdk_dynamodb::types::AttributeValue)| {
            Some((name.strip_prefix('b')?.parse().ok()?, value.as_n().ok()?.parse().ok()?))
        };
        Ok(attributes.into_iter().filter_map(counter).collect())
    }
}

fn counter_key(policy: &Policy, subject: &str) -> Item {
    key("subject", &format!("{}#{}", policy.name, ids::sha256(subject)))
}
