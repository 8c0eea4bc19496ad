//! Attempts to sign in, in the limits' table.
//!
//! One item for an identifier from an address holds the sub-windows of `login`. Beside them it
//! holds `failures`, the number of attempts since the last success. `last_at` is the time of the
//! last attempt and `signed_in_at` that of the last success, all in seconds since 1970. So one
//! conditional write judges and counts an attempt, however many come at once. Another item counts
//! the attempts for an identifier from anywhere. Its `last_at` is the time of the last one that was
//! let through although there were too many.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;

use super::limits::{LimitCounters, counter_key, counters, counting, number};
use crate::database::{Expression, Item, StoreError, Write, attempt, n};
use crate::limits::{Policy, Quota, bucket_of};

/// Seconds for which a network is remembered from which an identifier has signed in, and with it
/// all else that its item holds.
const KNOWN_SECONDS: i64 = 30 * 86_400;

/// Seconds for which attempts are remembered from a network that is not known. Anyone can make such
/// items, of any text. The longest wait is an hour by default, and a day at most.
const FAILED_SECONDS: i64 = 2 * 86_400;

/// The state before an attempt, for an identifier from an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginAttempts {
    /// Attempts by sub-window of `login`.
    pub windows: BTreeMap<i64, u64>,
    /// Attempts since the last success.
    pub failures: u64,
    /// When the last one was; 0 if there was none.
    pub last_at: i64,
    signed_in_at: i64,
}

impl LoginAttempts {
    /// Whether the identifier has signed in from there within 30 days.
    pub fn known(&self, now: Timestamp) -> bool {
        self.signed_in_at > now.as_second() - KNOWN_SECONDS
    }

    fn read(item: Item) -> Self {
        let seconds = |name: &str| item.get(name).and_then(number).unwrap_or(0);
        Self {
            failures: item.get("failures").and_then(number).unwrap_or(0),
            last_at: seconds("last_at"),
            signed_in_at: seconds("signed_in_at"),
            windows: counters(item),
        }
    }
}

impl LimitCounters {
    /// Counts an attempt, if the wait that the failures before it ask for is over. Otherwise
    /// nothing changes. Gives whether it was counted, and the state before.
    pub async fn count_attempt(
        &self,
        login: Quota,
        lock: Quota,
        subject: &str,
        now: Timestamp,
    ) -> Result<(bool, LoginAttempts), StoreError> {
        let (update, expression) = counting(login, now, FAILED_SECONDS - KNOWN_SECONDS);
        let expires = "expires_at = if_not_exists(signed_in_at, :expires) + :known";
        let update =
            update.replacen("expires_at = :expires", &format!("last_at = :now, {expires}"), 1);
        let update = format!("{update}, failures :one");
        // A network that is known keeps the expiry that its last success gave it.
        let expression = expression.value("known", n(KNOWN_SECONDS));
        let (condition, expression) =
            waited(lock, expression.value("now", n(now.as_second())), now);
        let request = self.request(&Policy::LOGIN, subject, &update, &condition, &expression);
        let request = request.return_values(ReturnValue::AllOld);
        Ok(match attempt(request).await? {
            Ok(counted) => (true, LoginAttempts::read(counted.attributes.unwrap_or_default())),
            Err(found) => (false, LoginAttempts::read(found)),
        })
    }

    /// Reverts an attempt that was counted at `now` and then refused for another reason, so that it
    /// lengthens no wait.
    pub async fn revert_attempt(
        &self,
        login: Quota,
        subject: &str,
        before: &LoginAttempts,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let bucket = format!("b{}", bucket_of(login, now));
        let expression = Expression::default()
            .value("minus", n(-1))
            .value("one", n(1))
            .value("last", n(before.last_at));
        let update = format!("SET last_at = :last ADD {bucket} :minus, failures :minus");
        // Where another attempt has succeeded meanwhile, nothing is left to revert.
        let condition = format!("{bucket} >= :one AND failures >= :one");
        attempt(self.request(&Policy::LOGIN, subject, &update, &condition, &expression))
            .await?
            .ok();
        Ok(())
    }

    /// Lets one of too many attempts for an identifier through, if the last one that was let
    /// through is at least `wait` seconds ago. Otherwise gives the time of that one.
    pub async fn pass(
        &self,
        identifier: &str,
        wait: i64,
        now: Timestamp,
    ) -> Result<Result<(), i64>, StoreError> {
        let expression = Expression::default()
            .value("now", n(now.as_second()))
            .value("since", n(now.as_second() - wait));
        let condition = "attribute_not_exists(last_at) OR last_at <= :since";
        let passed = attempt(self.request(
            &Policy::LOGIN_LOCK,
            identifier,
            "SET last_at = :now",
            condition,
            &expression,
        ))
        .await?;
        Ok(passed.map(|_| ()).map_err(|found| found.get("last_at").and_then(number).unwrap_or(0)))
    }

    /// Notes a success: the failures are forgotten, and the network is known.
    pub fn forgive(&self, subject: &str, now: Timestamp) -> Write {
        let expression = Expression::default()
            .value("now", n(now.as_second()))
            .value("expires", n(now.as_second() + KNOWN_SECONDS));
        let update = "SET signed_in_at = :now, expires_at = :expires REMOVE failures";
        Write::update(&self.table, counter_key(&Policy::LOGIN, subject), update, None, &expression)
    }

    fn request(
        &self,
        policy: &Policy,
        subject: &str,
        update: &str,
        condition: &str,
        expression: &Expression,
    ) -> UpdateItemFluentBuilder {
        let request = self.database.client().update_item().table_name(&self.table);
        request
            .set_key(Some(counter_key(policy, subject)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// The condition that the wait is over. Either there were too few failures for a wait, or the last
/// one is as long ago as their number asks for.
fn waited(lock: Quota, expression: Expression, now: Timestamp) -> (String, Expression) {
    let mut condition = "attribute_not_exists(failures) OR failures < :free".to_owned();
    let mut expression = expression.value("free", n(lock.limit));
    // The longest wait applies to its number of failures and to all higher ones. Each other wait
    // applies to its number alone.
    for (step, (failures, wait)) in lock.waits().enumerate() {
        let since = format!("since{step}");
        expression = expression.value(&since, n(now.as_second() - wait));
        let _ = write!(condition, " OR (last_at <= :{since} AND failures ");
        let _ = if lock.wait_after(failures + 1) == wait {
            expression = expression.value("many", n(failures));
            write!(condition, ">= :many)")
        } else {
            expression = expression.value(&format!("failures{step}"), n(failures));
            write!(condition, "= :failures{step})")
        };
    }
    (condition, expression)
}
