//! The table of usage: tokens and cost of users' replies.
//!
//! Key: `user_id`, `day_model` (`2026-11-21#<model>#<prompt>@<version>`: the day, UTC, on which
//! replies were asked for, the model that was asked, and the version of the prompt). Attributes:
//! the name of the prompt, the number of replies and of those that failed, their tokens, and their
//! cost in whole nano-dollars. A row from before prompts had versions has no prompt, and its key
//! ends with the model.
//!
//! The index `by_prompt` (`prompt`, `day_model`) has the rows of all users. So a version has no
//! counter that every reply with it writes.

use std::collections::BTreeMap;

use assistant::domain::{Cost, Usage};
use jiff::civil::Date;
use platform::database::{Database, Expression, StoreError, Write, key2, n, read, s, unavailable};
use platform::{ConfigError, Platform};
use serde::Deserialize;
use tally_prompts::domain::{Pinned, PromptName};

const BY_PROMPT: &str = "by_prompt";

/// The usage's table.
#[derive(Debug, Clone)]
pub struct UsageLog {
    database: Database,
    table: String,
}

/// Usage by the replies of a user with one prompt from one model on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyUsage {
    /// The day, UTC.
    pub day: Date,
    /// The model.
    pub model: String,
    /// The version of the prompt. Older rows have none.
    pub prompt: Option<Pinned>,
    /// Replies that it has written, or begun to, and calls of jobs.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Their tokens.
    pub tokens: Usage,
    /// Their cost.
    pub cost: Cost,
}

/// Usage by all replies with one version of a prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionTotals {
    /// Replies that a model has written, or begun to.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Their tokens.
    pub tokens: Usage,
    /// Their cost.
    pub cost: Cost,
}

#[derive(Deserialize)]
struct Stored {
    day_model: String,
    #[serde(default)]
    prompt: Option<PromptName>,
    requests: u64,
    #[serde(default)]
    failed: u64,
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

    /// Adds usage of a user.
    pub fn add(&self, user_id: &str, used: &DailyUsage) -> Write {
        let DailyUsage { day, model, prompt, requests, failed, tokens, cost } = used;
        let Pinned { name, version } = prompt.clone().unwrap_or_default();
        let row = format!("{day}#{model}#{name}@{version}");
        let expression = Expression::default()
            .value("prompt", s(name.as_str()))
            .value("requests", n(requests))
            .value("failed", n(failed))
            .value("input", n(tokens.input_tokens))
            .value("output", n(tokens.output_tokens))
            .value("read", n(tokens.cache_read_tokens))
            .value("write", n(tokens.cache_write_tokens))
            .value("cost", n(cost.nanos()));
        let update = "SET prompt = :prompt ADD requests :requests, failed :failed, \
                      input_tokens :input, output_tokens :output, cache_read_tokens :read, \
                      cache_write_tokens :write, cost_nanos :cost";
        Write::update(
            &self.table,
            key2(("user_id", user_id), ("day_model", &row)),
            update,
            None,
            &expression,
        )
    }

    /// Deletes the usage of a user.
    pub async fn forget(&self, user_id: &str) -> Result<(), StoreError> {
        self.database.delete_collection(&self.table, ("user_id", user_id), "day_model").await
    }

    /// Usage of a user from one day to another, both included, by day, model and version.
    pub async fn of_days(
        &self,
        user_id: &str,
        from: Date,
        to: Date,
    ) -> Result<Vec<DailyUsage>, StoreError> {
        let expression = Expression::default()
            .value("user", s(user_id))
            .value("from", s(from.to_string()))
            .value("to", s(end_of(to)));
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

    /// Usage of a prompt by all users from one day to another, both included, by version. The index
    /// may be a second behind.
    pub async fn of_prompt(
        &self,
        name: &PromptName,
        from: Date,
        to: Date,
    ) -> Result<BTreeMap<u32, VersionTotals>, StoreError> {
        let expression = Expression::default()
            .value("prompt", s(name.as_str()))
            .value("from", s(from.to_string()))
            .value("to", s(end_of(to)));
        let mut pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .index_name(BY_PROMPT)
            .key_condition_expression("prompt = :prompt AND day_model BETWEEN :from AND :to")
            .set_expression_attribute_values(expression.values())
            .into_paginator()
            .items()
            .send();
        // There may be a row for each user and day, so they are added up as they come.
        let mut versions = BTreeMap::<_, VersionTotals>::new();
        while let Some(found) = pages.next().await {
            let Some(row) = daily(read(found.map_err(unavailable)?)?) else { continue };
            let Some(Pinned { version, .. }) = row.prompt else { continue };
            let totals = versions.entry(version).or_default();
            totals.requests += row.requests;
            totals.failed += row.failed;
            totals.tokens += row.tokens;
            totals.cost += row.cost;
        }
        Ok(versions)
    }
}

/// The last sort key of a day. `$` comes after `#`, so it is after each model.
fn end_of(day: Date) -> String {
    format!("{day}$")
}

fn daily(stored: Stored) -> Option<DailyUsage> {
    let Stored { day_model, prompt, requests, failed, tokens, cost_nanos } = stored;
    let (day, rest) = day_model.split_once('#')?;
    let (model, prompt) = match prompt {
        Some(name) => {
            let (model, pinned) = rest.rsplit_once('#')?;
            let (_, version) = pinned.rsplit_once('@')?;
            (model, Some(Pinned { name, version: version.parse().ok()? }))
        }
        None => (rest, None),
    };
    Some(DailyUsage {
        day: day.parse().ok()?,
        model: model.to_owned(),
        prompt,
        requests,
        failed,
        tokens,
        cost: Cost::from_nanos(cost_nanos),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_its_day_its_model_and_its_version() {
        let prompt = |name: &str, version| Pinned { name: name.parse().unwrap(), version };
        for (day_model, name, expected) in [
            ("2026-01-31#lorem", None, Some(("lorem", None))),
            (
                "2026-01-31#lorem#default@0",
                Some("default"),
                Some(("lorem", Some(prompt("default", 0)))),
            ),
            (
                "2026-01-31#a/b:c@1#excel.formula@12",
                Some("excel.formula"),
                Some(("a/b:c@1", Some(prompt("excel.formula", 12)))),
            ),
            ("2026-01-31", None, None),
            ("today#lorem", None, None),
            ("2026-01-31#lorem", Some("default"), None),
            ("2026-01-31#lorem#default@x", Some("default"), None),
        ] {
            let stored = Stored {
                day_model: day_model.to_owned(),
                prompt: name.map(|name| name.parse().unwrap()),
                requests: 3,
                failed: 1,
                tokens: Usage::default(),
                cost_nanos: 7,
            };
            let expected = expected.map(|(model, prompt)| DailyUsage {
                day: jiff::civil::date(2026, 1, 31),
                model: model.to_owned(),
                prompt,
                requests: 3,
                failed: 1,
                tokens: Usage::default(),
                cost: Cost::from_nanos(7),
            });
            assert_eq!(daily(stored), expected, "{day_model}");
        }
    }
}
