//! Denials in the limits' table. Each kind of denial leaves one event in a window.
//!
//! Key: `subject` (`told#`, the kind and a hash of who was denied what). Attributes: `window` is
//! the number of the last window that left an event, and `told` is that event. Where the event of a
//! first denial could not be recorded, `window` is 0 and `told` is that event. `untold` says how
//! many denials are in no event, and `routes` where they were. While there are any, the item is in
//! the index `untold` by `untold_shard` and `untold_at`, the end of the window. From then on the
//! worker `tell-denials` reports them, unless the first denial of a later window has.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::limits::{LimitCounters, number};
use crate::audit::Event;
use crate::database::{
    ATTEMPTS, Expression, StoreError, Write, attempt, item, key, n, query, read, resend, s,
    unavailable,
};
use crate::ids;

/// Items of the index that one query finds, at most.
const PAGE: i32 = 25;

/// Seconds for which an item is kept after its window: `tell-denials` has as long to report it.
const KEPT_SECONDS: i64 = 86_400;

/// A kind of denial, in its window.
#[derive(Debug, Clone, Copy)]
pub struct Denial<'a> {
    /// The cause: `denied`, or a policy.
    pub name: &'a str,
    /// Who was denied what.
    pub subject: &'a str,
    /// Which route it was.
    pub route: &'a str,
    /// Length of a window in seconds.
    pub window_seconds: i64,
}

/// Denials that are in no event yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Untold {
    /// How many.
    pub count: u64,
    /// At which routes.
    pub routes: Vec<String>,
}

/// An item with untold denials, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntoldPlace {
    subject: String,
    untold_shard: String,
    untold_at: i64,
}

impl Denial<'_> {
    fn key(&self) -> String {
        format!("told#{}#{}", self.name, ids::sha256(self.subject))
    }

    /// The number of the window of this time, and its end in seconds since 1970.
    fn window(&self, now: Timestamp) -> (i64, i64) {
        let number = now.as_second().div_euclid(self.window_seconds);
        (number, number.saturating_add(1).saturating_mul(self.window_seconds))
    }
}

/// The attributes of an item that its event needs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    window: i64,
    told: String,
    untold: u64,
    routes: Vec<String>,
}

impl LimitCounters {
    /// Number of shards of the index.
    pub const SHARDS: u8 = 8;

    /// Counts a denial whose window has left an event. If the window has left none, nothing is
    /// counted. Then the denials that are in no event are given, for the event of this one.
    pub async fn count_denial(
        &self,
        denial: Denial<'_>,
        now: Timestamp,
    ) -> Result<Option<Untold>, StoreError> {
        let expression =
            Expression::default().name("window", "window").value("window", n(denial.window(now).0));
        let request = self
            .adding(denial, 1, now, "", expression)
            .condition_expression("#window >= :window")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(found) = attempt(request).await? else { return Ok(None) };
        let Stored { untold, routes, .. } = read(found)?;
        Ok(Some(Untold { count: untold, routes }))
    }

    /// The write for the transaction of a window's first event. It marks the window, and takes the
    /// denials that the event tells besides its own (`untold`). Its condition fails if another
    /// denial was the first, or if the number of the untold ones has changed.
    pub fn first_in_window(
        &self,
        denial: Denial<'_>,
        untold: &Untold,
        event: &Event,
        now: Timestamp,
    ) -> Write {
        let (window, ends_at) = denial.window(now);
        let told = serde_json::to_string(event).unwrap_or_default();
        let expression = Expression::default()
            .name("window", "window")
            .value("window", n(window))
            .value("zero", n(0));
        let expression = expression
            .value("found", n(untold.count))
            .value("told", s(told))
            .value("expires", n(ends_at + KEPT_SECONDS));
        Write::update(
            &self.table,
            key("subject", &denial.key()),
            "SET #window = :window, untold = :zero, told = :told, expires_at = :expires REMOVE \
             routes, untold_shard, untold_at",
            "(attribute_not_exists(#window) OR #window < :window) AND \
             (attribute_not_exists(untold) OR untold = :found)",
            &expression,
        )
    }

    /// Adds a denial whose event could not be recorded to those that are in no event. The next
    /// event of its subject counts it. If no denial follows, `tell-denials` reports it by `event`.
    pub async fn add_unrecorded(
        &self,
        denial: Denial<'_>,
        event: &Event,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let told = serde_json::to_string(event).unwrap_or_default();
        let expression = Expression::default()
            .name("window", "window")
            .value("never", n(0))
            .value("told", s(told));
        let keep = "#window = if_not_exists(#window, :never), told = if_not_exists(told, :told), ";
        let request = self.adding(denial, 1, now, keep, expression);
        resend(ATTEMPTS, || request.clone().send()).await.map_err(unavailable)?;
        Ok(())
    }

    /// Adds denials to those that are in no event, and gives how many there are then.
    pub async fn add_untold(
        &self,
        denial: Denial<'_>,
        count: u64,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let request = self
            .adding(denial, count, now, "", Expression::default())
            .return_values(ReturnValue::UpdatedNew);
        let answer = resend(ATTEMPTS, || request.clone().send()).await.map_err(unavailable)?;
        Ok(answer.attributes.and_then(|item| number(item.get("untold")?)).unwrap_or(count))
    }

    /// The update that adds denials to those that are in no event. `set` are further assignments.
    fn adding(
        &self,
        denial: Denial<'_>,
        count: u64,
        now: Timestamp,
        set: &str,
        expression: Expression,
    ) -> UpdateItemFluentBuilder {
        let subject = denial.key();
        let ends_at = denial.window(now).1;
        let expression = expression
            .value("count", n(count))
            .value("route", AttributeValue::Ss(vec![denial.route.to_owned()]))
            .value("shard", s(shard_of(&subject)))
            .value("at", n(ends_at))
            .value("expires", n(ends_at + KEPT_SECONDS));
        let request = self.database.client().update_item().table_name(&self.table);
        request
            .set_key(Some(key("subject", &subject)))
            .update_expression(format!(
                "SET {set}untold_shard = :shard, untold_at = :at, expires_at = :expires ADD \
                 untold :count, routes :route"
            ))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
    }

    /// Some of the items of a shard whose window ended before `now` with untold denials, after one
    /// of them; none where there are no more. Some that have been told may be there.
    pub async fn untold(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&UntoldPlace>,
    ) -> Result<Vec<UntoldPlace>, StoreError> {
        let expression = Expression::default()
            .value("shard", s(shard_name(shard)))
            .value("now", n(now.as_second()));
        let request = self.database.client().query().table_name(&self.table).index_name("untold");
        let found = query(
            request
                .key_condition_expression("untold_shard = :shard AND untold_at <= :now")
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(item).transpose()?)
                .limit(PAGE),
        )
        .await?;
        found.items.unwrap_or_default().into_iter().map(read).collect()
    }

    /// The write that takes the count of an item, if it stays as it is, and the event that tells
    /// it. `None` where it has been told.
    pub async fn take_untold(
        &self,
        place: &UntoldPlace,
        now: Timestamp,
    ) -> Result<Option<(Write, Event)>, StoreError> {
        let found: Option<Stored> =
            self.database.get(&self.table, key("subject", &place.subject), true).await?;
        let Some(Stored { window, told, untold, routes }) = found.filter(|found| found.untold > 0)
        else {
            return Ok(None);
        };
        let Ok(told) = serde_json::from_str::<Event>(&told) else { return Ok(None) };
        let expression = Expression::default()
            .name("window", "window")
            .value("window", n(window))
            .value("zero", n(0));
        let expression = expression.value("found", n(untold));
        let update = "SET untold = :zero REMOVE routes, untold_shard, untold_at";
        let condition = "untold = :found AND #window = :window";
        let take = Write::update(
            &self.table,
            key("subject", &place.subject),
            update,
            condition,
            &expression,
        );
        Ok(Some((take, told.again(untold, routes, now))))
    }
}

/// The shard of an item, by the last character of its hash.
fn shard_of(subject: &str) -> String {
    shard_name(subject.bytes().next_back().unwrap_or_default() % LimitCounters::SHARDS)
}

fn shard_name(shard: u8) -> String {
    format!("untold#{shard}")
}
