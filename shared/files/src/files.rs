//! The actions of users on their files. Each change is a plan under the condition that the file has
//! not changed meanwhile. If another request has changed it first, the plan is made anew from the
//! file as it is then.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::clock::rfc3339_ms;
use platform::plan::{AfterCommit, Retry};
use platform::worker::Invoker;
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bucket::Bucket;
use crate::domain::{Announced, Download, File, FilePlace, FileStatus, NewFile, Upload, keys};
use crate::store::{FilesTable, Held, Origin, Record, Terms};

/// Files of a user, at most.
const MOST_FILES: u64 = 200;

/// Bytes of the files of a user, at most: a gibibyte.
const MOST_BYTES: u64 = 1 << 30;

/// Bytes of a mebibyte, in which `MAX_FILE_MB` counts.
const MEBIBYTE: u64 = 1 << 20;

const DAY_SECONDS: u64 = 86_400;

/// Announcements of a user that may come before one while it is made. Each of them makes it fail once
/// at most, because it reads the revision anew. The limit `files` admits no more at once.
const AT_ONCE: u32 = 64;

/// Time within which an upload has to begin.
const UPLOAD: Duration = Duration::from_mins(15);

/// Time within which a download has to begin.
const DOWNLOAD: Duration = Duration::from_mins(5);

/// The files of users.
#[derive(Debug, Clone)]
pub struct Files {
    table: FilesTable,
    bucket: Bucket,
    /// Starts `file-prepare`.
    prepare: Invoker,
    terms: Terms,
}

/// A file that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AnnouncedFile {
    /// The file.
    pub file: File,
    /// The request that uploads its bytes. Absent from the answer to a repeated announcement, once
    /// the upload is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub upload: Option<Upload>,
}

impl Files {
    /// Uses the table and the bucket that `FILES_TABLE` and `FILES_BUCKET` name, the worker that
    /// `FILE_PREPARE_ARN` names, and the settings `MAX_FILE_MB` and `FILE_RETENTION_DAYS`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let kept = config.count("FILE_RETENTION_DAYS", 30)?.saturating_mul(DAY_SECONDS);
        let terms = Terms {
            most_bytes: config.count("MAX_FILE_MB", 32)?.saturating_mul(MEBIBYTE),
            kept_seconds: i64::try_from(kept).unwrap_or(i64::MAX),
        };
        Ok(Self {
            table: FilesTable::new(platform)?,
            bucket: Bucket::new(platform)?,
            prepare: Invoker::new(config, "FILE_PREPARE_ARN")?,
            terms,
        })
    }

    /// A new file, with the request that uploads it. A file that would exceed the user's quota is a
    /// 409 `quota_exceeded`.
    pub async fn create(
        &self,
        user_id: &str,
        new: NewFile,
        now: Timestamp,
    ) -> Result<Plan<AnnouncedFile>, Problem> {
        let most = self.terms.most_bytes;
        if new.size > most {
            return Err(Problem::invalid_field("size", format!("must be at most {most}")));
        }
        let record = Record::new(user_id, new, now);
        let upload = self.upload(&record, now).await?;
        self.clone().announce(record, upload, now).await
    }

    /// The answer to a repeated announcement: the file as it is now, and a new upload while it is
    /// pending. If it has gone, that is a 404.
    pub async fn created(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<AnnouncedFile>, Problem> {
        let record = wanted(self.table.get(user_id, id, now).await?)?;
        let is_pending = record.status == FileStatus::Pending;
        let upload = if is_pending { Some(self.upload(&record, now).await?) } else { None };
        let reply = AnnouncedFile { file: record.shown(now), upload };
        Ok(Plan::reply(reply).details(details(id).detail("repeated", true)))
    }

    /// A file of a user as it is now.
    pub async fn get(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<File>, Problem> {
        Ok(self.table.get(user_id, id, now).await?.map(|record| record.shown(now)))
    }

    /// The next files of a list after a place, at most `limit`, the newest first. Gives also where
    /// the list goes on, if it does. A page may be short, even empty, and go on.
    pub async fn list(
        &self,
        user_id: &str,
        status: Option<FileStatus>,
        after: Option<FilePlace>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<File>, Option<FilePlace>), Problem> {
        Ok(self.table.list(user_id, status, after, limit, now).await?)
    }

    /// The completion of an upload, after which the preparation starts. If nothing was uploaded,
    /// the answer is 409 `upload_missing`. A repeated completion of a file that is being prepared
    /// starts the preparation once more, because its start may have been lost. That of a file that
    /// is ready or rejected changes nothing.
    pub async fn complete(
        &self,
        origin: Origin,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<File>, Problem> {
        let found = self.table.get(&origin.caller.user_id, id, now).await?;
        let is_pending = found.as_ref().is_some_and(|file| file.status == FileStatus::Pending);
        if is_pending && self.bucket.head(&keys::incoming(id)).await?.is_none() {
            return Ok(Plan::refuse(Problem::upload_missing()).details(details(id)));
        }
        Ok(about(id, self.completed(found, origin, now)))
    }

    /// The URL of the bytes of a file that is ready, as they were uploaded.
    pub async fn content(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<Download>, Problem> {
        let record = wanted(self.table.get(user_id, id, now).await?)?;
        if record.status_at(now) != FileStatus::Ready {
            return Ok(Plan::refuse(Problem::file_not_ready()).details(details(id)));
        }
        let named = (&record.name, &record.media_type);
        let url = self.bucket.presign_get(&keys::original(id), named, now, DOWNLOAD).await?;
        let reply = Download { url, expires_at: later(now, DOWNLOAD) };
        Ok(Plan::reply(reply).details(details(id)))
    }

    /// The end of a file, and of its bytes after the commit.
    pub async fn delete(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<()>, Problem> {
        let found = self.table.get(user_id, id, now).await?;
        Ok(about(id, self.deleted(found, now)))
    }

    /// Commits a new file under the revision of its user's quota. Boxed, because it calls itself
    /// again if another announcement commits first.
    fn announce(
        self,
        record: Record,
        upload: Upload,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<AnnouncedFile>, Problem>> {
        async move {
            let held = self.table.held(&record.user_id, now).await?;
            if let Some(problem) = refusal(held, record.size) {
                return Ok(Plan::refuse(problem));
            }
            let raise = self.table.raise(&record.user_id, held.revision);
            let create = self.table.create(&record)?;
            let details = details(&record.id)
                .detail("size", record.size)
                .detail("media_type", record.media_type.as_str());
            let reply = AnnouncedFile { file: record.shown(now), upload: Some(upload.clone()) };
            let plan = Plan::reply(reply).details(details).creates(record.id.clone());
            let plan = plan.retries(AT_ONCE);
            let again: Retry<AnnouncedFile> = Box::new(move |_| self.announce(record, upload, now));
            Ok(plan.write_or_retry(raise, again).write(create))
        }
        .boxed()
    }

    /// The request that uploads a file.
    async fn upload(&self, record: &Record, now: Timestamp) -> Result<Upload, Problem> {
        let announced =
            Announced { size: record.size, sha256: &record.sha256, media_type: &record.media_type };
        let key = keys::incoming(&record.id);
        let signed = self.bucket.presign_put(&key, announced, now, UPLOAD).await?;
        Ok(Upload {
            method: "PUT",
            url: signed.url,
            headers: signed.headers,
            expires_at: later(now, UPLOAD),
        })
    }

    fn completed(
        &self,
        found: Option<Record>,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Plan<File>, Problem> {
        let before = wanted(found)?;
        let status = before.status_at(now);
        let details = match status {
            FileStatus::Pending => details(&before.id),
            _ => details(&before.id).detail("repeated", true),
        };
        if matches!(status, FileStatus::Ready | FileStatus::Rejected) {
            return Ok(Plan::reply(before.shown(now)).details(details));
        }
        let after = before.processing(origin.clone(), self.terms, now);
        let replace = self.table.replace(&before, &after)?;
        let start = self.start(&after);
        let again =
            self.again(&after.id, move |files, found| files.completed(found, origin, now), now);
        let plan = Plan::reply(after.shown(now)).details(details);
        Ok(plan.write_or_retry(replace, again).after_commit(start))
    }

    /// The step that starts the preparation. If that fails, the caller repeats the completion.
    fn start(&self, record: &Record) -> AfterCommit<File> {
        let (prepare, payload) = (self.prepare.clone(), record.prepare());
        Box::new(move || {
            async move {
                prepare.start(&payload).await?;
                Ok(None)
            }
            .boxed()
        })
    }

    fn deleted(&self, found: Option<Record>, now: Timestamp) -> Result<Plan<()>, Problem> {
        let record = wanted(found)?;
        let again = self.again(&record.id, move |files, found| files.deleted(found, now), now);
        let plan = Plan::reply(()).details(details(&record.id));
        let plan = plan.write_or_retry(self.table.delete(&record), again);
        Ok(plan.after_commit(self.remove(record.id)))
    }

    /// The step that deletes the objects of a file. Those that it misses expire.
    fn remove(&self, id: String) -> AfterCommit<()> {
        let bucket = self.bucket.clone();
        Box::new(move || {
            async move {
                if let Err(error) = bucket.delete_file(&id).await {
                    tracing::warn!(
                        %error,
                        file_id = id,
                        "failed to delete the objects of a file; they expire"
                    );
                }
                Ok(None)
            }
            .boxed()
        })
    }

    /// Makes the plan anew, from the file as it is now.
    fn again<O: Send + 'static>(
        &self,
        id: &str,
        decide: impl FnOnce(&Self, Option<Record>) -> Result<Plan<O>, Problem> + Send + 'static,
        now: Timestamp,
    ) -> Retry<O> {
        let (files, id) = (self.clone(), id.to_owned());
        Box::new(move |item| {
            let found = item.map(Record::read).transpose().map_err(Problem::from);
            let found = found.map(|found| found.filter(|record| record.is_kept(now)));
            let plan = about(&id, found.and_then(|found| decide(&files, found)));
            ready(Ok::<_, Problem>(plan)).boxed()
        })
    }
}

/// The plan for a file. If there is a problem, the plan refuses, and its event names the file.
fn about<O>(id: &str, plan: Result<Plan<O>, Problem>) -> Plan<O> {
    plan.unwrap_or_else(|problem| Plan::refuse(problem).details(details(id)))
}

fn wanted(found: Option<Record>) -> Result<Record, Problem> {
    found.ok_or_else(Problem::not_found)
}

/// The refusal of a further file of this size, if it would exceed the quota.
fn refusal(held: Held, size: u64) -> Option<Problem> {
    if held.files >= MOST_FILES {
        let detail = format!("You have {MOST_FILES} files, and may have no more.");
        return Some(Problem::quota_exceeded(detail));
    }
    if held.bytes.saturating_add(size) > MOST_BYTES {
        let bytes = held.bytes;
        let detail = format!("Your files take {bytes} bytes, and may take {MOST_BYTES} at most.");
        return Some(Problem::quota_exceeded(detail));
    }
    None
}

/// The end of a period that begins now, as the API writes a time.
fn later(now: Timestamp, lasts: Duration) -> String {
    let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
    rfc3339_ms(now.as_millisecond().saturating_add(lasts))
}

/// The details of an event about a file: its id, and no name.
fn details(id: &str) -> AuditDetails {
    AuditDetails::default().resource("file", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_200_files_of_a_gibibyte_at_most() {
        for (files, bytes, size, is_refused) in [
            (0, 0, 1, false),
            (0, 0, MOST_BYTES, false),
            (0, 0, MOST_BYTES + 1, true),
            (0, 0, u64::MAX, true),
            (199, 0, 1, false),
            (200, 0, 1, true),
            (1, MOST_BYTES - 1, 1, false),
            (1, MOST_BYTES, 1, true),
        ] {
            let held = Held { files, bytes, revision: None };
            assert_eq!(refusal(held, size).is_some(), is_refused, "{files} {bytes} {size}");
        }
    }
}
