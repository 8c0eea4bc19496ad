//! The end of a preparation. It is stored once, with the event of a rejection.

use futures_util::FutureExt as _;
use futures_util::future::ready;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::domain::ResourceId;
use platform::plan::Retry;
use platform::{ConfigError, Plan, Platform, Problem};
use serde_json::json;

use crate::bucket::Bucket;
use crate::domain::{File, FileStatus, Prepare, Prepared};
use crate::store::{FilesTable, Origin, Record};

/// Stores ends.
#[derive(Debug, Clone)]
pub struct Endings {
    table: FilesTable,
    bucket: Bucket,
}

/// A file that is being prepared.
#[derive(Debug)]
pub struct Preparing {
    record: Record,
    origin: Origin,
}

impl Preparing {
    /// Who completed the upload, and from where.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Endings {
    /// Uses the table and the bucket that `FILES_TABLE` and `FILES_BUCKET` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: FilesTable::new(platform)?, bucket: Bucket::new(platform)? })
    }

    /// The file whose preparation was started so; `None` if no end is awaited. If the file has been
    /// deleted, the preparation has written objects after their deletion, and this deletes them.
    ///
    /// The function that prepares files may start the one that ends preparations, and it reads
    /// hostile bytes. So an id that is none leads to no object: it could be the beginning of the
    /// keys of all files.
    pub async fn find(
        &self,
        started: &Prepare,
        now: Timestamp,
    ) -> Result<Option<Preparing>, Problem> {
        let (user_id, id) = (&started.user_id, &started.file_id);
        if id.parse::<ResourceId>().is_err() {
            tracing::error!(file_id = id, "failed to end a preparation: its file has no id");
            return Ok(None);
        }
        let Some(record) = self.table.get(user_id, id, now).await? else {
            self.bucket.delete_file(id).await?;
            return Ok(None);
        };
        let origin = record.origin.clone().filter(|_| record.status == FileStatus::Processing);
        Ok(origin.map(|origin| Preparing { record, origin }))
    }

    /// The end of a preparation. Gives the file, or `None` if another function has ended it first.
    pub fn end(
        &self,
        preparing: Preparing,
        prepared: Prepared,
        now: Timestamp,
    ) -> Result<Plan<Option<File>>, Problem> {
        self.ended(Some(preparing.record), prepared, now)
    }

    fn ended(
        &self,
        found: Option<Record>,
        prepared: Prepared,
        now: Timestamp,
    ) -> Result<Plan<Option<File>>, Problem> {
        let Some(before) = found.filter(|record| record.status == FileStatus::Processing) else {
            return Ok(Plan::reply(None::<File>));
        };
        let after = before.ended(prepared.clone(), now);
        let replace = self.table.replace(&before, &after)?;
        let endings = self.clone();
        let again: Retry<Option<File>> = Box::new(move |item| {
            let found = item.map(Record::read).transpose().map_err(Problem::from);
            ready(found.and_then(|found| endings.ended(found, prepared, now))).boxed()
        });
        let plan = Plan::reply(Some(after.shown(now))).write_or_retry(replace, again);
        let Some(reason) = after.reason else { return Ok(plan) };
        let details = AuditDetails::action("file.rejected").resource("file", &after.id);
        Ok(plan.details(details.detail("reason", json!(reason))))
    }
}
