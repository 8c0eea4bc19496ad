//! The table of usage: tokens and cost of users' replies.
//!
//! Key: `user_id`, `day_model` (`2026-11-21#<model>`: the day, UTC, on which replies were asked
//! for, and the model that was asked). Attributes: the number of replies, their tokens, and their
//! cost in whole nano-dollars.

use assistant::domain::{Cost, Usage};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use platform::database::{Database, Expression, StoreError, Write, key2, n, read, s, unavailable};
use platform::{ConfigError, Platform};
use serde::Deserialize;

/// The usage's table.
#[derive(Debug, Clone)]
pub struct UsageLog {
    database: Database,
    table: String,
}

/// Usage by the replies of a user from one model on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyUsage {
    /// The day, UTC.
    pub day: Date,
    /// The model.
    pub model: String,
    /// Replies that it has written, or begun to.
    pub requests: u64,
    /// Their tokens.
    pub tokens: Usage,
    /// Their cost.
    pub cost: Cost,
}

#[derive(Deserialize)]
struct Stored {
    day_model: String,
    requests: u64,
    #[serde(flatten)]
    tokens: Usage,
    cost_nanos: i64,
}

impl UsageLog {
    /// Uses the table that `USAGE_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("USAGE_TABLE")?.to_owned(),
        })
    }

    /// Adds a reply that was asked for at this time, in milliseconds since 1970.
    pub fn add(
        &self,
        user_id: &str,
        asked_at: i64,
        model: &str,
        tokens: &Usage,
        cost: Cost,
    ) -> Write {
        let day = Timestamp::from_millisecond(asked_at)
            .unwrap_or_default()
            .to_zoned_datetime(TimeZone::UTC)
            .date();
        let expression = Expression::default()
            .value("one", n(1))
            .value("input", n(tokens.input_tokens))
            .value("output", n(tokens.output_tokens))
            .value("read", n(tokens.cache_read_tokens))
            .value("write", n(tokens.cache_write_tokens))
            .value("cost", n(cost.nanos()));
        let update = "ADD requests :one, input_tokens :input, output_tokens :output, \
                      cache_read_tokens :read, \
                      cache_write_tokens :write, cost_nanos :cost";
        Write::update(
            &self.table,
            key2(("user_id", user_id), ("day_model", &format!("{day}#{model}"))),
            update,
            None,
            &expression,
        )
    }

    /// Deletes the usage of a user.
    pub async fn forget(&self, user_id: &str) -> Result<(), StoreError> {
        self.database.delete_collection(&self.table, ("user_id", user_id), "day_model").await
    }

    /// Usage of a user from one day to another, both included, by day and model.
    pub async fn of_days(
        &self,
        user_id: &str,
        from: Date,
        to: Date,
    ) -> Result<Vec<DailyUsage>, StoreError> {
        // `$` comes after `#`, so this bound is after each model of the last day.
        let expression = Expression::default()
            .value("user", s(user_id))
            .value("from", s(from.to_string()))
            .value("to", s(format!("{to}$")));
        let mut pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("user_id = :user AND day_model BETWEEN :from AND :to")
            .set_expression_attribute_values(expression.values())
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut days = Vec::new();
        while let Some(found) = pages.next().await {
            days.extend(daily(read(found.map_err(unavailable)?)?));
        }
        Ok(days)
    }
}

fn daily(Stored { day_model, requests, tokens, cost_nanos }: Stored) -> Option<DailyUsage> {
    let (day, model) = day_model.split_once('#')?;
    Some(DailyUsage {
        day: day.parse().ok()?,
        model: model.to_owned(),
        requests,
        tokens,
        cost: Cost::from_nanos(cost_nanos),
    })
}
