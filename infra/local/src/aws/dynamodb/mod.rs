//! DynamoDB: an embedded database behind the wire protocol of the real one.

mod faults;
mod operations;
mod repair;
mod served;
mod tables;
mod touched;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use hyper::StatusCode;
use tokio::task::spawn_blocking;

use super::answer::{Answer, answer};
use super::calls::{CallLog, Service};
use super::error::AwsError;
use super::faults::Faults;
use crate::template::model::Table;

use self::touched::Touched;

/// How often expired items are deleted. AWS takes up to days. So code must compare the expiry
/// itself, here and on AWS.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The database and its protocol.
pub(super) struct DynamoDb {
    database: Database,
    faults: Arc<Faults>,
}

impl DynamoDb {
    /// Opens the database of `file`, or one in memory, and brings its tables in line with the
    /// template's. Blocks.
    pub(super) fn open(
        file: Option<&Path>,
        tables: &[Table],
        faults: Arc<Faults>,
    ) -> Result<Self, AwsError> {
        if let Some(file) = file {
            repair::drop_undescribed_indexes(file, tables)?;
        }
        let database = match file.map(Path::to_str) {
            None => Database::memory(),
            Some(Some(path)) => Database::new(path),
            Some(None) => return Err(AwsError::Database("its path is not UTF-8".to_owned())),
        };
        let database = database.map_err(|error| AwsError::Database(error.to_string()))?;
        for table in tables {
            repair::delete_half_made(&database, table)?;
            tables::ensure(&database, table)?;
        }
        Ok(Self { database, faults })
    }

    /// Answers one request. A client that awaits each answer before its next request gets its
    /// requests carried out in order.
    pub(super) async fn answer(&self, operation: &str, body: Bytes, calls: &CallLog) -> Answer {
        let touched = Touched::by(&body);
        calls.record(Service::DynamoDb, operation, touched.tables());
        let struck = self.faults.strike(Service::DynamoDb, operation, |table| {
            touched.tables().iter().any(|touched| touched == table)
        });
        if let Some(fault) = struck.as_ref().filter(|fault| !fault.failure.has_effect()) {
            return self
                .faults
                .end(fault.failure, || faults::answer_of(fault, operation, &touched))
                .await;
        }
        let database = self.database.clone();
        let name = operation.to_owned();
        // The database blocks its caller: for a commit, until the data is on disk.
        let result = spawn_blocking(move || operations::run(&database, &name, &body)).await;
        if let Some(fault) = &struck {
            return self
                .faults
                .end(fault.failure, || faults::answer_of(fault, operation, &touched))
                .await;
        }
        match result
            .unwrap_or_else(|panic| Err(DynoxideError::InternalServerError(panic.to_string())))
        {
            Ok(json) => answer(StatusCode::OK, json),
            Err(error) => operations::failed(&error),
        }
    }

    /// Deletes expired items at every interval, for ever.
    pub(super) async fn sweep(self: Arc<Self>) {
        let mut timer = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            timer.tick().await;
            let database = self.database.clone();
            match spawn_blocking(move || database.sweep_ttl()).await {
                Ok(Ok(0)) => {}
                Ok(Ok(deleted)) => tracing::debug!(deleted, "expired items deleted"),
                Ok(Err(error)) => tracing::warn!(%error, "failed to delete expired items"),
                Err(error) => tracing::warn!(%error, "failed to delete expired items"),
            }
        }
    }
}
