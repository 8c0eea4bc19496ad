//! DynamoDB: an embedded database behind the wire protocol of the real one.

mod changes;
mod faults;
mod ledger;
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
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::answer::{Answer, answer};
use super::calls::{CallLog, Service};
use super::directory::unusable;
use super::error::AwsError;
use super::faults::{Fault, Faults};
use super::image::Image;
use crate::template::model::Table;

use self::changes::Readers;
use self::ledger::Ledger;
use self::touched::Touched;

pub(crate) use self::changes::ChangeLog;

/// How often expired items are deleted. AWS takes up to days. So code must compare the expiry
/// itself, here and on AWS.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The database and its protocol.
pub(super) struct DynamoDb {
    database: Database,
    /// `None` for a database without a file.
    ledger: Option<Arc<Ledger>>,
    readers: Arc<Readers>,
    faults: Arc<Faults>,
    // The last field: the file is in use until the others are gone.
    _temporary: Option<TempDir>,
}

impl DynamoDb {
    /// Opens the database of `file`, or one in memory, and brings its tables in line with the
    /// template's. Blocks.
    ///
    /// A database in memory has no second connection, which streams need. So it is a temporary file
    /// if a table has one.
    pub(super) fn open(
        file: Option<&Path>,
        tables: &[Table],
        faults: Arc<Faults>,
    ) -> Result<Self, AwsError> {
        let temporary = match file {
            None if tables.iter().any(Table::has_stream) => Some(temporary_directory()?),
            _ => None,
        };
        let temporary_file = temporary.as_ref().map(|directory| directory.path().join("dynamodb"));
        let file = file.or(temporary_file.as_deref());
        let ledger = file.map(Ledger::open).transpose()?.map(Arc::new);
        if let Some(file) = file {
            repair::drop_undescribed_indexes(file, tables)?;
        }
        let database = match file {
            None => Database::memory(),
            Some(file) => Database::new(path(file)?),
        };
        let database = database.map_err(|error| failed(&error))?;
        if temporary.is_some() {
            do_not_wait(&database)?;
        }
        for table in tables {
            repair::delete_half_made(&database, table)?;
            tables::ensure(&database, ledger.as_deref(), table)?;
        }
        Ok(Self { database, ledger, readers: Arc::default(), faults, _temporary: temporary })
    }

    /// Opens a copy of an image, in a temporary file. Blocks.
    pub(super) fn copy(image: &Image, faults: Arc<Faults>) -> Result<Self, AwsError> {
        let temporary = temporary_directory()?;
        let file = temporary.path().join("dynamodb");
        image.write(&file).map_err(unusable(&file))?;
        let ledger = Some(Arc::new(Ledger::open(&file)?));
        let database = Database::new(path(&file)?).map_err(|error| failed(&error))?;
        do_not_wait(&database)?;
        let readers = Arc::default();
        Ok(Self { database, ledger, readers, faults, _temporary: Some(temporary) })
    }

    /// Makes an image of the tables. Blocks.
    pub(super) fn image(&self) -> Result<Image, AwsError> {
        let temporary = temporary_directory()?;
        let file = temporary.path().join("image");
        self.database.vacuum_into(path(&file)?).map_err(|error| failed(&error))?;
        Image::read(&file).map_err(unusable(&file))
    }

    /// The streams of the tables, if the database has a file.
    pub(super) fn changes(&self) -> Option<ChangeLog> {
        let ledger = self.ledger.clone()?;
        Some(ChangeLog::new(self.database.clone(), ledger, Arc::clone(&self.readers)))
    }

    /// Answers one request. A client that awaits each answer before its next request gets its
    /// requests carried out in order.
    pub(super) async fn answer(&self, operation: &str, body: Bytes, calls: &CallLog) -> Answer {
        let touched = Arc::new(Touched::by(&body));
        calls.record(Service::DynamoDb, operation, touched.tables());
        let struck = self.faults.strike(Service::DynamoDb, operation, |table| {
            touched.tables().iter().any(|touched| touched == table)
        });
        let fail = async |fault: &Fault| {
            let answer = || faults::answer_of(fault, operation, &touched);
            self.faults.end(fault.failure, answer).await
        };
        if let Some(fault) = struck.as_ref().filter(|fault| !fault.failure.has_effect()) {
            return fail(fault).await;
        }
        let result = self.run(operation, body, Arc::clone(&touched)).await;
        if let Some(fault) = &struck {
            return fail(fault).await;
        }
        match result {
            Ok(json) => answer(StatusCode::OK, json),
            Err(error) => operations::failed(&error),
        }
    }

    /// Carries a request out, then wakes the readers of the tables that it touches. The database
    /// blocks its caller: for a commit, until the data is on disk. The work goes on even if the
    /// caller is gone.
    async fn run(
        &self,
        operation: &str,
        body: Bytes,
        touched: Arc<Touched>,
    ) -> Result<String, DynoxideError> {
        let (database, ledger) = (self.database.clone(), self.ledger.clone());
        let readers = Arc::clone(&self.readers);
        let operation = operation.to_owned();
        let result = spawn_blocking(move || {
            // Both may enable a stream, which has no records from before.
            if matches!(operation.as_str(), "CreateTable" | "UpdateTable")
                && let Some(ledger) = ledger
            {
                ledger.forget_ended_streams()?;
            }
            let result = operations::run(&database, &operation, &body);
            readers.wake(&operation, &touched);
            result
        });
        result
            .await
            .unwrap_or_else(|panic| Err(DynoxideError::InternalServerError(panic.to_string())))
    }

    /// Deletes expired items at every interval, for ever.
    pub(super) async fn sweep(self: Arc<Self>) {
        let mut timer = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            timer.tick().await;
            self.expire().await;
        }
    }

    /// Deletes expired items.
    pub(super) async fn expire(&self) {
        let database = self.database.clone();
        let readers = Arc::clone(&self.readers);
        let swept = spawn_blocking(move || {
            let swept = database.sweep_ttl();
            // Also if nothing has expired: a reader that a write failed to wake looks every minute.
            readers.wake_all();
            swept
        });
        match swept.await {
            Ok(Ok(0)) => {}
            Ok(Ok(deleted)) => tracing::debug!(deleted, "expired items deleted"),
            Ok(Err(error)) => tracing::warn!(%error, "failed to delete expired items"),
            Err(error) => tracing::warn!(%error, "failed to delete expired items"),
        }
    }
}

/// Makes no commit wait for the disk, because the file does not outlive this process.
fn do_not_wait(database: &Database) -> Result<(), AwsError> {
    database.enable_bulk_loading().map_err(|error| failed(&error))
}

fn path(file: &Path) -> Result<&str, AwsError> {
    file.to_str().ok_or_else(|| AwsError::Database("its path is not UTF-8".to_owned()))
}

fn failed(error: &DynoxideError) -> AwsError {
    AwsError::Database(error.to_string())
}

fn temporary_directory() -> Result<TempDir, AwsError> {
    let directory = tempfile::Builder::new().prefix("tally-tables-").tempdir();
    directory.map_err(unusable(&std::env::temp_dir()))
}
