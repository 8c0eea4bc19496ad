//! The table of outages: the circuits to the models, which all workers share. A worker makes one
//! call at a time, so by itself it would meet too few failures. `GET /ready` reads the same item.
//!
//! Key: `part`, of which there is one, the models. Its item has how many `models` there are. For
//! each model that has failed it has an attribute `model:<name>`, with the failures since the last
//! success and the time of the last failure. `key_refused_at` is the time at which there was no key
//! that the provider took, if no model has answered since. The item holds no personal data:
//! strangers have it read as often as they like.
//!
//! A failure is one write. A success reads, and writes only where there is a failure to be
//! forgotten.

use std::collections::BTreeMap;

use jiff::Timestamp;
use platform::database::{Database, Expression, Item, StoreError, key, n, value};
use platform::{ConfigError, Platform, backoff};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Failures without a success between them that open a circuit.
pub const THRESHOLD: u64 = 5;

/// Milliseconds for which a circuit stays open, and between two trials after that.
pub const OPEN_MS: i64 = 30_000;

/// Milliseconds after which a failure, or a key that was refused, is forgotten, where none follows
/// it.
const REMEMBERED_MS: i64 = 300_000;

/// Attempts at counting a failure, where other workers meet the first one at the same time.
const ATTEMPTS: u32 = 5;

const MODELS: &str = "models";

/// The outages' table.
#[derive(Debug, Clone)]
pub struct Outages {
    database: Database,
    table: String,
}

/// An outage of the models, of some or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Whether no model is left that can answer.
    pub is_total: bool,
}

/// The models' item. The attributes that have a field here are none of a model's.
#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "part")]
    _part: IgnoredAny,
    #[serde(rename = "expires_at")]
    _expires_at: IgnoredAny,
    models: usize,
    /// Milliseconds since 1970.
    #[serde(default)]
    key_refused_at: Option<i64>,
    #[serde(flatten)]
    circuits: BTreeMap<String, Count>,
}

/// The failures of a model.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Count {
    /// Number since it last succeeded.
    failures: u64,
    /// Milliseconds since 1970 of the last failure, or of the trial that came after it.
    failed_at: i64,
}

impl Count {
    /// Whether the model has failed too often lately to be asked without a trial.
    fn has_tripped(&self, now: i64) -> bool {
        self.failures >= THRESHOLD && now < self.failed_at + REMEMBERED_MS
    }

    fn is_open(&self, now: i64) -> bool {
        self.has_tripped(now) && now < self.failed_at + OPEN_MS
    }
}

impl Outages {
    /// Uses the table that `OUTAGES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("OUTAGES_TABLE")?.to_owned(),
        })
    }

    /// The assistant's outage, if there is one.
    pub async fn current(&self, now: Timestamp) -> Result<Option<Outage>, StoreError> {
        let Some(stored) = self.stored(true).await? else { return Ok(None) };
        let now = now.as_millisecond();
        let open = stored.circuits.values().filter(|count| count.is_open(now)).count();
        let without_key =
            stored.key_refused_at.is_some_and(|refused_at| now < refused_at + REMEMBERED_MS);
        Ok((open > 0 || without_key)
            .then_some(Outage { is_total: without_key || open >= stored.models }))
    }

    /// Whether a model may be asked. When the time of an open circuit is over, it lets one caller
    /// in, to try. The next one has to wait as long again, unless the trial succeeds. So a trial
    /// that is given up blocks no caller for ever.
    pub async fn admits(&self, model: &str, now: Timestamp) -> Result<bool, StoreError> {
        let now = now.as_millisecond();
        let Some(count) = self.count(model).await?.filter(|count| count.has_tripped(now)) else {
            return Ok(true);
        };
        if count.is_open(now) {
            return Ok(false);
        }
        let expression = Expression::default()
            .name("model", &attribute(model))
            .value("now", n(now))
            .value("seen", n(count.failed_at));
        let tries = self
            .update("SET #model.failed_at = :now", "#model.failed_at = :seen", &expression)
            .await?;
        Ok(tries.is_some())
    }

    /// Counts a failure of a model, one of so many. Gives how often it has failed without a
    /// success.
    pub async fn failed(
        &self,
        model: &str,
        models: usize,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let name = attribute(model);
        let now = now.as_millisecond();
        let expression = Expression::default()
            .name("model", &name)
            .value("models", n(models))
            .value("expires", n((now + REMEMBERED_MS) / 1_000 + 1))
            .value("since", n(now - REMEMBERED_MS));
        let more = expression.clone().value("one", n(1)).value("now", n(now));
        let first = expression.value("first", value(Count { failures: 1, failed_at: now })?);
        for attempt in 1..=ATTEMPTS {
            let update = "SET #model.failures = #model.failures + :one, #model.failed_at = :now, \
                          models = :models, expires_at = :expires";
            if let Some(stored) = self.update(update, "#model.failed_at > :since", &more).await? {
                return Ok(stored.circuits.get(&name).map_or(0, |count| count.failures));
            }
            let update = "SET #model = :first, models = :models, expires_at = :expires";
            if self
                .update(
                    update,
                    "attribute_not_exists(#model) OR #model.failed_at <= :since",
                    &first,
                )
                .await?
                .is_some()
            {
                return Ok(1);
            }
            backoff::pause(attempt).await;
        }
        Err(StoreError::Unavailable("others count failures all the time".to_owned()))
    }

    /// Notes that there is no key, or that the provider refuses it. Models are asked all the same.
    /// A lasting refusal must not look as if it would pass. And the provider may refuse a request
    /// for its content.
    pub async fn key_refused(&self, models: usize, now: Timestamp) -> Result<(), StoreError> {
        let now = now.as_millisecond();
        let expression = Expression::default()
            .value("now", n(now))
            .value("models", n(models))
            .value("expires", n((now + REMEMBERED_MS) / 1_000 + 1));
        let update = "SET key_refused_at = :now, models = :models, expires_at = :expires";
        self.update(
            update,
            "attribute_not_exists(key_refused_at) OR key_refused_at < :now",
            &expression,
        )
        .await?;
        Ok(())
    }

    /// Notes that a model has answered, and forgets its failures and the refused key. Gives whether
    /// the model was not asked because of them.
    pub async fn succeeded(&self, model: &str, now: Timestamp) -> Result<bool, StoreError> {
        let Some(mut stored) = self.stored(false).await? else { return Ok(false) };
        let count = stored.circuits.remove(&attribute(model));
        if count.is_some() || stored.key_refused_at.is_some() {
            let expression = Expression::default().name("model", &attribute(model));
            self.update(
                "REMOVE #model, key_refused_at",
                "attribute_exists(#model) OR attribute_exists(key_refused_at)",
                &expression,
            )
            .await?;
        }
        Ok(count.is_some_and(|count| count.has_tripped(now.as_millisecond())))
    }

    /// How often a model has failed. A read that is a moment old will do.
    async fn count(&self, model: &str) -> Result<Option<Count>, StoreError> {
        Ok(self
            .stored(false)
            .await?
            .and_then(|mut stored| stored.circuits.remove(&attribute(model))))
    }

    async fn stored(&self, consistent: bool) -> Result<Option<Stored>, StoreError> {
        self.database.get(&self.table, id(), consistent).await
    }

    async fn update(
        &self,
        update: &str,
        condition: &str,
        expression: &Expression,
    ) -> Result<Option<Stored>, StoreError> {
        self.database.update_if(&self.table, id(), update, condition, expression).await
    }
}

fn id() -> Item {
    key("part", MODELS)
}

fn attribute(model: &str) -> String {
    format!("model:{model}")
}
