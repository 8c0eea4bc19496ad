//! The provider's item in the table of outages, which the assistant's models share. `GET /ready`
//! reads it.
//!
//! Key: `part`, which is `sso`. `keys_failed_at` is the last time at which the metadata or the keys
//! did not arrive. `credential_refused_at` is the last time at which the provider refused our
//! credential. Both are milliseconds since 1970, and go when the opposite happens. The item holds
//! no personal data.
//!
//! A note decides nothing about a sign-in. So no sign-in fails or waits long because of one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use platform::database::{Database, Expression, Item, StoreError, key, n};
use platform::{ConfigError, Platform};
use serde::Deserialize;
use tokio::time::timeout;

const PART: &str = "sso";

/// Milliseconds for which a failure counts, where none follows it.
const REMEMBERED_MS: i64 = 300_000;

/// Milliseconds in which a process notes one failure of a kind at most.
const NOTED_EVERY_MS: i64 = 60_000;

/// The longest time to wait for the table.
const PATIENCE: Duration = Duration::from_secs(2);

/// The outages' table.
#[derive(Debug, Clone)]
pub struct Outages {
    database: Database,
    table: String,
    keys: Arc<Failures>,
    credential: Arc<Failures>,
}

/// An outage of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Whether its metadata or its keys do not arrive.
    pub keys: bool,
    /// Whether it refuses our credential.
    pub credential: bool,
}

/// A kind of failure, as this process knows it.
#[derive(Debug)]
struct Failures {
    /// The attribute with the time of the last one.
    attribute: &'static str,
    noted: Mutex<Noted>,
}

/// The failures of a kind that this process has noted.
#[derive(Debug, Default)]
struct Noted {
    /// Milliseconds since 1970 of the last one.
    at: Option<i64>,
    /// Whether nothing has ended it.
    stands: bool,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    keys_failed_at: Option<i64>,
    #[serde(default)]
    credential_refused_at: Option<i64>,
}

impl Outages {
    /// Uses the table that `OUTAGES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("OUTAGES_TABLE")?.to_owned(),
            keys: Failures::new("keys_failed_at"),
            credential: Failures::new("credential_refused_at"),
        })
    }

    /// The metadata or the keys did not arrive.
    pub(crate) async fn keys_failed(&self, now: Timestamp) {
        self.begin(&self.keys, now).await;
    }

    /// The keys have arrived. Only a process that has noted a failure writes that.
    pub(crate) async fn keys_arrived(&self, now: Timestamp) {
        self.end(&self.keys, now).await;
    }

    /// The provider has refused our credential.
    pub(crate) async fn credential_refused(&self, now: Timestamp) {
        self.begin(&self.credential, now).await;
    }

    /// The provider has taken our credential. Only a process that has noted a refusal writes that.
    pub(crate) async fn credential_accepted(&self, now: Timestamp) {
        self.end(&self.credential, now).await;
    }

    /// The outage, if there is one.
    pub async fn current(&self, now: Timestamp) -> Result<Option<Outage>, StoreError> {
        let stored: Option<Stored> = self.database.get(&self.table, id(), true).await?;
        Ok(stored.and_then(|stored| stored.outage(now.as_millisecond())))
    }

    async fn begin(&self, kind: &Failures, now: Timestamp) {
        let now = now.as_millisecond();
        if !kind.begins(now) {
            return;
        }
        let expression = Expression::default()
            .name("at", kind.attribute)
            .value("now", n(now))
            .value("expires", n((now + REMEMBERED_MS) / 1_000 + 1));
        let update = "SET #at = :now, expires_at = :expires";
        self.write(update, "attribute_not_exists(#at) OR #at < :now", &expression).await;
    }

    async fn end(&self, kind: &Failures, now: Timestamp) {
        if kind.ends() {
            let now = n(now.as_millisecond());
            let expression = Expression::default().name("at", kind.attribute).value("now", now);
            // Another process may have met a failure since.
            self.write("REMOVE #at", "#at <= :now", &expression).await;
        }
    }

    async fn write(&self, update: &str, condition: &str, expression: &Expression) {
        let written =
            self.database.update_if::<Stored>(&self.table, id(), update, condition, expression);
        match timeout(PATIENCE, written).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "failed to note the state of the identity provider");
            }
            Err(_) => tracing::warn!("failed to note the state of the identity provider in time"),
        }
    }
}

impl Failures {
    fn new(attribute: &'static str) -> Arc<Self> {
        Arc::new(Self { attribute, noted: Mutex::default() })
    }

    /// Whether to note a failure. If so, it counts as noted.
    fn begins(&self, now: i64) -> bool {
        let mut noted = self.noted();
        let is_due = noted.at.is_none_or(|at| (now - at).abs() >= NOTED_EVERY_MS);
        if is_due {
            *noted = Noted { at: Some(now), stands: true };
        }
        is_due
    }

    /// Whether there is a noted failure to end. If so, it counts as ended.
    fn ends(&self) -> bool {
        std::mem::take(&mut self.noted().stands)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn outage(&self, now: i64) -> Option<Outage> {
        let counts = |at: Option<i64>| at.is_some_and(|at| now < at + REMEMBERED_MS);
        let outage = Outage {
            keys: counts(self.keys_failed_at),
            credential: counts(self.credential_refused_at),
        };
        (outage.keys || outage.credential).then_some(outage)
    }
}

fn id() -> Item {
    key("part", PART)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples::{TestProvider, at};

    #[test]
    fn a_failure_counts_for_five_minutes() {
        let outage = |keys_failed_at, credential_refused_at, now| {
            let stored = Stored { keys_failed_at, credential_refused_at };
            stored.outage(now).map(|outage| (outage.keys, outage.credential))
        };
        assert_eq!(outage(None, None, 0), None);
        assert_eq!(outage(Some(0), None, REMEMBERED_MS - 1), Some((true, false)));
        assert_eq!(outage(Some(0), None, REMEMBERED_MS), None);
        assert_eq!(outage(Some(0), Some(1), REMEMBERED_MS), Some((false, true)));
        assert_eq!(outage(Some(1), Some(1), REMEMBERED_MS), Some((true, true)));
    }

    #[tokio::test]
    async fn a_process_notes_a_failure_once_a_minute_and_its_end_once() {
        let provider = TestProvider::start().await;
        let outages = Outages::new(&provider.platform()).unwrap();
        let attribute = |write: &serde_json::Value| {
            let update = write["UpdateExpression"].as_str().unwrap().to_owned();
            assert_eq!(write["Key"], json!({"part": {"S": "sso"}}));
            (update, write["ExpressionAttributeNames"]["#at"].as_str().unwrap().to_owned())
        };
        let (set, remove) = ("SET #at = :now, expires_at = :expires", "REMOVE #at");
        let (keys, credential) = ("keys_failed_at", "credential_refused_at");
        let mut expected = Vec::new();
        outages.keys_arrived(at(0)).await;
        outages.credential_accepted(at(0)).await;
        for (second, is_written) in [(0, true), (1, false), (59, false), (60, true)] {
            outages.keys_failed(at(second)).await;
            expected.extend(is_written.then_some((set, keys)));
        }
        outages.credential_refused(at(60)).await;
        expected.push((set, credential));
        outages.keys_arrived(at(61)).await;
        outages.keys_arrived(at(62)).await;
        expected.push((remove, keys));
        // A failure that follows at once waits for the next minute.
        outages.clone().keys_failed(at(63)).await;
        outages.clone().keys_arrived(at(64)).await;
        outages.keys_failed(at(120)).await;
        expected.push((set, keys));
        outages.clone().credential_accepted(at(120)).await;
        expected.push((remove, credential));
        let written: Vec<_> = provider.writes().iter().map(attribute).collect();
        let expected: Vec<_> =
            expected.into_iter().map(|(set, at)| (set.to_owned(), at.to_owned())).collect();
        assert_eq!(written, expected);
    }

    #[tokio::test]
    async fn no_call_fails_because_of_the_table() {
        let provider = TestProvider::start().await;
        provider.answer("/", "400 Bad Request", r#"{"__type": "ValidationException"}"#);
        let outages = Outages::new(&provider.platform()).unwrap();
        outages.keys_failed(at(0)).await;
        outages.keys_arrived(at(0)).await;
        assert!(outages.current(at(0)).await.is_err());
        let failed_at = at(0).as_millisecond().to_string();
        let item = json!({"part": {"S": "sso"}, "keys_failed_at": {"N": failed_at}});
        provider.answer("/", "200 OK", &json!({"Item": item}).to_string());
        let outage = outages.current(at(299)).await.unwrap();
        assert_eq!(outage, Some(Outage { keys: true, credential: false }));
        assert_eq!(outages.current(at(300)).await.unwrap(), None);
    }
}
