//! The worker that seals the audit log. The table's stream invokes it with new events and with
//! changes of old ones. A schedule invokes it each minute: it publishes a checkpoint though nothing
//! is new, and looks for events that the stream has lost.
//!
//! Several may run at once: the log does not depend on which of them is faster.

mod reconcile;
mod record;

use std::time::Duration;

use archive::{ArchiveError, Entry, Sealer, chunks};
use jiff::Timestamp;
use platform::clock::Clock;
use platform::database::{CommitError, Database};
use platform::metrics::{Metrics, Signal};
use platform::runtime::Invocation;
use platform::store::AuditLog;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem};
use serde::{Deserialize, Serialize};

pub use record::{Meaning, Record};

/// A checkpoint without a new event is published after this time. The schedule comes each minute,
/// so one invocation may fail, and the newest checkpoint is still no older than five minutes.
const RENEWED_AFTER: Duration = Duration::from_mins(3);

/// The worker.
pub struct AuditSeal {
    sealer: Sealer,
    database: Database,
    log: AuditLog,
    metrics: Metrics,
    clock: Clock,
}

/// Records of the stream, or none where the schedule invokes the worker.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Payload {
    #[serde(rename = "Records")]
    records: Vec<Record>,
    /// Looks for lost events at once, up to the present moment. Operators send it.
    reconcile: bool,
}

/// The records from the first of these on are delivered again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Worker for AuditSeal {
    type Payload = Payload;
    type Output = Failures;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            sealer: Sealer::new(platform)?,
            database: platform.database()?,
            log: AuditLog::new(platform)?,
            metrics: Metrics::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, payload: Payload, invocation: Invocation) -> Result<Failures, Problem> {
        let Payload { records, reconcile } = payload;
        if let Some(first_left) = self.place(&records).await? {
            let left = Failure { item_identifier: first_left };
            return Ok(Failures { batch_item_failures: vec![left] });
        }
        self.seal(records.iter().filter_map(Record::made_at).min()).await?;
        // If reconciliation fails, the log has its checkpoint all the same.
        if records.is_empty() {
            let oldest = self.reconcile(reconcile, &invocation).await?;
            // Another sealer may have given places meanwhile, which it has not published yet.
            if reconcile || oldest.is_some() {
                self.seal(oldest).await?;
            }
        }
        Ok(Failures::default())
    }
}

impl AuditSeal {
    /// Writes the files and a checkpoint of all that has a place, and emits how long the oldest new
    /// event has waited for that. Without new events it emits 0, because a sealer that has died
    /// emits nothing.
    async fn seal(&self, oldest: Option<Timestamp>) -> Result<(), Problem> {
        self.sealer.integrate().await?;
        self.sealer.publish(RENEWED_AFTER).await?;
        let now = self.clock.now().as_millisecond();
        let lag = oldest.map_or(0, |oldest| now.saturating_sub(oldest.as_millisecond()).max(0));
        self.metrics.emit(Signal::SealingLag, lag);
        Ok(())
    }

    /// Gives the new events of records their places, and records tampering. If that fails after
    /// some of them, gives the sequence number of the first that is left.
    async fn place(&self, records: &[Record]) -> Result<Option<String>, Problem> {
        let mut entries = Vec::new();
        for record in records {
            match record.meaning(self.log.retention()) {
                Meaning::New(entry) => entries.push(entry),
                Meaning::Tampered(event) => {
                    tracing::error!(
                        resource = event.resource,
                        detail = %serde_json::Value::from_iter(event.detail.clone()),
                        "an item of the audit log was changed, or is no event"
                    );
                    // Each delivery emits it, as an earlier one may have died before that.
                    if let Some((signal, value)) = Signal::of(&event) {
                        self.metrics.emit(signal, value);
                    }
                    match self.database.commit(vec![self.log.append(*event)?]).await {
                        // An earlier delivery of the record has left the same event.
                        Ok(()) | Err(CommitError::Condition { .. }) => {}
                        Err(CommitError::Store(error)) => return Err(error.into()),
                    }
                }
                Meaning::Nothing => {}
            }
        }
        let mut is_first = true;
        for chunk in chunks(entries) {
            if let Err(error) = self.sealer.append(&chunk).await {
                let left = first_of(&chunk, records).filter(|_| !is_first);
                return Self::stopped(error, left);
            }
            is_first = false;
        }
        Ok(None)
    }

    /// The invocation fails if no record was done. Then all records are delivered again.
    fn stopped(error: ArchiveError, left: Option<String>) -> Result<Option<String>, Problem> {
        if left.is_some() {
            tracing::warn!(%error, left, "failed to place the rest of a batch");
            return Ok(left);
        }
        Err(error.into())
    }
}

/// The sequence number of the record of the first entry of a chunk.
fn first_of(chunk: &[Entry], records: &[Record]) -> Option<String> {
    let first = chunk.first()?;
    let record = records.iter().find(|record| record.event_id() == Some(first.id.as_str()))?;
    Some(record.sequence_number().to_owned())
}
