//! A bucket: its objects and their versions, in the order in which they were written.
//!
//! The index is in memory, and the files hold everything in it. One lock per bucket makes a
//! condition and the write that it guards one step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue};
use s3s::dto::Timestamp;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::super::error::AwsError;
use super::clock;
use super::conditions::WriteCondition;
use super::files::Files;
use super::lock::{Lock, without_lock};
use super::version::{Content, NULL, Version};
use crate::template::model::{self, CorsRule, Expiration, ObjectLock};

/// One bucket of the template. Its methods block.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) is_versioned: bool,
    pub(super) object_lock: Option<ObjectLock>,
    pub(super) cors: Vec<CorsRule>,
    pub(super) created: Timestamp,
    expirations: Vec<Expiration>,
    files: Files,
    index: Mutex<Index>,
}

/// The versions of each key, oldest first.
pub(super) type Keys = BTreeMap<String, Vec<Version>>;

#[derive(Debug, Default)]
struct Index {
    keys: Keys,
    /// Number of the next file.
    next: u64,
}

/// What a deletion did.
#[derive(Debug, Default)]
pub(super) struct Deleted {
    /// The version that is gone, or the delete marker that is new.
    pub(super) version_id: Option<String>,
    pub(super) is_delete_marker: bool,
}

impl Bucket {
    /// Opens the bucket in `directory`, which is created if missing.
    pub(super) fn open(
        bucket: model::Bucket,
        directory: PathBuf,
        are_durable: bool,
    ) -> Result<Self, AwsError> {
        let (files, versions) = Files::open(directory, are_durable)?;
        let metadata = files.directory().metadata();
        let created = metadata.and_then(|metadata| metadata.created().or(metadata.modified()));
        let mut index = Index::default();
        for version in versions {
            index.next = version.number + 1;
            // A crash came between the new version and the removal of the one that it replaces.
            if let Some(replaced) = index.insert(version) {
                discard(&files, &replaced);
            }
        }
        Ok(Self {
            name: bucket.name,
            is_versioned: bucket.versioned,
            object_lock: bucket.object_lock,
            cors: bucket.cors,
            expirations: bucket.expirations,
            created: created.map_or_else(|_| clock::now(), Timestamp::from),
            files,
            index: Mutex::new(index),
        })
    }

    /// A file for the content of a new version.
    pub(super) fn draft(&self) -> io::Result<NamedTempFile> {
        self.files.draft()
    }

    /// Stores a version whose content is in `draft`.
    pub(super) fn put(
        &self,
        mut draft: NamedTempFile,
        key: String,
        content: Content,
        condition: &WriteCondition,
    ) -> S3Result<Version> {
        let version = Version {
            key,
            id: self.new_id(),
            modified: clock::now(),
            is_delete_marker: false,
            content,
            number: 0,
        };
        self.files.complete(&mut draft, &version).map_err(internal)?;
        let mut index = self.index();
        condition.check(index.object(&version.key))?;
        self.publish(&mut index, draft, version)
    }

    /// The object, or one version of it.
    pub(super) fn find(&self, key: &str, version_id: Option<&str>) -> S3Result<Version> {
        self.index().find(key, version_id).cloned()
    }

    /// The object, or one version of it, and its file at the start of the content.
    pub(super) fn read(&self, key: &str, version_id: Option<&str>) -> S3Result<(Version, File)> {
        let index = self.index();
        let version = index.find(key, version_id)?.clone();
        // The file is opened under the lock, because a writer may remove it.
        let file = self.files.read(version.number).map_err(internal)?;
        Ok((version, file))
    }

    /// Deletes a version. Without `version_id`, it hides the object behind a delete marker where
    /// the bucket keeps versions.
    pub(super) fn delete(
        &self,
        key: &str,
        version_id: Option<&str>,
        bypasses_governance: bool,
        condition: &WriteCondition,
    ) -> S3Result<Deleted> {
        let mut index = self.index();
        condition.check(index.object(key))?;
        let versions = index.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        let keeps_versions = self.is_versioned || versions.iter().any(|version| version.id != NULL);
        if version_id.is_none() && keeps_versions {
            let marker = Version {
                key: key.to_owned(),
                id: self.new_id(),
                modified: clock::now(),
                is_delete_marker: true,
                content: Content::default(),
                number: 0,
            };
            let mut draft = self.files.draft().map_err(internal)?;
            self.files.complete(&mut draft, &marker).map_err(internal)?;
            let marker = self.publish(&mut index, draft, marker)?;
            return Ok(Deleted { version_id: Some(marker.id), is_delete_marker: true });
        }
        let id = version_id.unwrap_or(NULL);
        let Some(version) = versions.iter().find(|version| version.id == id) else {
            // S3 says the same of a version that has never been.
            return Ok(Deleted { version_id: version_id.map(str::to_owned), ..Deleted::default() });
        };
        let number = version.number;
        let is_delete_marker = version.is_delete_marker;
        version.content.lock.check_deletion(bypasses_governance, &clock::now())?;
        self.files.remove(number).map_err(internal)?;
        index.remove(key, number);
        Ok(Deleted { version_id: version_id.map(str::to_owned), is_delete_marker })
    }

    /// Deletes the objects that have expired when the day `today` begins, and returns their number.
    /// A bucket that keeps versions keeps all of them here.
    pub(super) fn expire(&self, today: u64) -> io::Result<usize> {
        if self.is_versioned {
            return Ok(0);
        }
        let mut deleted = 0;
        for Expiration { prefix, days } in &self.expirations {
            let mut index = self.index();
            let mut expired = Vec::new();
            let keys = index.keys.range(prefix.clone()..);
            for (key, versions) in keys.take_while(|(key, _)| key.starts_with(prefix)) {
                let old = versions.iter().filter(|old| has_expired(&old.modified, *days, today));
                expired.extend(old.map(|version| (key.clone(), version.number)));
            }
            for (key, number) in expired {
                self.files.remove(number)?;
                index.remove(&key, number);
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Changes the lock of a version.
    pub(super) fn change_lock(
        &self,
        key: &str,
        version_id: Option<&str>,
        change: impl FnOnce(&mut Lock) -> S3Result,
    ) -> S3Result {
        if self.object_lock.is_none() {
            return Err(without_lock());
        }
        let mut index = self.index();
        let mut version = index.find(key, version_id)?.clone();
        change(&mut version.content.lock)?;
        self.replace(&version).map_err(internal)?;
        index.replace(&version);
        Ok(())
    }

    /// Shows the keys to `look`. No write comes between.
    pub(super) fn with_keys<T>(&self, look: impl FnOnce(&Keys) -> T) -> T {
        look(&self.index().keys)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self) -> String {
        if self.is_versioned { Uuid::new_v4().simple().to_string() } else { NULL.to_owned() }
    }

    fn publish(
        &self,
        index: &mut Index,
        draft: NamedTempFile,
        mut version: Version,
    ) -> S3Result<Version> {
        version.number = index.next;
        index.next += 1;
        self.files.publish(draft, version.number).map_err(internal)?;
        if let Some(replaced) = index.insert(version.clone()) {
            discard(&self.files, &replaced);
        }
        Ok(version)
    }

    /// Writes the file of a version anew.
    fn replace(&self, version: &Version) -> io::Result<()> {
        let mut draft = self.files.draft()?;
        let content = self.files.read(version.number)?;
        io::copy(&mut content.take(version.content.size), &mut draft)?;
        self.files.complete(&mut draft, version)?;
        self.files.publish(draft, version.number)
    }
}

impl Index {
    /// The current object of a key.
    fn object(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last().filter(|version| !version.is_delete_marker)
    }

    fn find(&self, key: &str, version_id: Option<&str>) -> S3Result<&Version> {
        let versions = self.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        let (found, code, message) = match version_id {
            None => (versions.last(), S3ErrorCode::NoSuchKey, "The specified key does not exist."),
            Some(id) => (
                versions.iter().find(|version| version.id == id),
                S3ErrorCode::NoSuchVersion,
                "The specified version does not exist.",
            ),
        };
        match found {
            Some(version) if !version.is_delete_marker => Ok(version),
            Some(marker) => Err(hidden(marker, version_id.is_some())),
            None => Err(S3Error::with_message(code, message)),
        }
    }

    /// Adds the newest version of its key. Returns the version that it replaces: the one with the
    /// same id, which only a bucket without versioning has.
    fn insert(&mut self, version: Version) -> Option<Version> {
        let versions = self.keys.entry(version.key.clone()).or_default();
        let same = versions.iter().position(|other| other.id == version.id);
        let replaced = same.map(|position| versions.remove(position));
        versions.push(version);
        replaced
    }

    fn replace(&mut self, version: &Version) {
        let versions = self.keys.get_mut(&version.key).into_iter().flatten();
        for stored in versions.filter(|stored| stored.number == version.number) {
            stored.clone_from(version);
        }
    }

    fn remove(&mut self, key: &str, number: u64) {
        if let Some(versions) = self.keys.get_mut(key) {
            versions.retain(|version| version.number != number);
            if versions.is_empty() {
                self.keys.remove(key);
            }
        }
    }
}

/// Whether an object has expired when a day begins. S3 counts the days from the write, and then
/// waits for midnight by UTC.
fn has_expired(modified: &Timestamp, days: u32, today: u64) -> bool {
    today.checked_sub(days.into()).is_some_and(|day| *modified <= clock::start_of(day))
}

/// The error for a read of a delete marker. Its headers say that it is one.
fn hidden(marker: &Version, is_asked_by_id: bool) -> S3Error {
    let mut error = if is_asked_by_id {
        s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.")
    } else {
        s3_error!(NoSuchKey, "The specified key does not exist.")
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(&marker.id) {
        headers.insert("x-amz-version-id", id);
    }
    error.set_headers(headers);
    error
}

/// Removes the file of a version that has been replaced. If that fails, the next start removes it.
fn discard(files: &Files, replaced: &Version) {
    if let Err(error) = files.remove(replaced.number) {
        tracing::warn!(%error, key = replaced.key, "failed to remove a replaced object");
    }
}

/// The error for a file that can't be read or written.
pub(super) fn internal(error: io::Error) -> S3Error {
    tracing::error!(%error, "failed to use the file of a bucket");
    S3Error::internal_error(error)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn put(bucket: &Bucket, key: &str) {
        let draft = bucket.draft().unwrap();
        let condition = WriteCondition::default();
        bucket.put(draft, key.into(), Content::default(), &condition).unwrap();
    }

    #[test]
    fn an_object_expires_at_the_midnight_after_its_days() {
        const DAY: u64 = 86_400;
        for (modified, days, today, expected) in [
            (10 * DAY, 1, 10, false),
            (10 * DAY, 1, 11, true),
            (10 * DAY + 1, 1, 11, false),
            (10 * DAY + 1, 1, 12, true),
            (11 * DAY - 1, 1, 12, true),
            (10 * DAY + 1, 30, 40, false),
            (10 * DAY + 1, 30, 41, true),
            (10 * DAY, 30, 10, false),
        ] {
            let time = (UNIX_EPOCH + Duration::from_secs(modified)).into();
            assert_eq!(has_expired(&time, days, today), expected, "{modified} {days} {today}");
        }
    }

    #[test]
    fn rules_delete_the_old_objects_of_their_prefixes_for_good() {
        let parent = tempfile::tempdir().unwrap();
        let rule = |prefix: &str, days| Expiration { prefix: prefix.into(), days };
        for versioned in [false, true] {
            let open = || {
                let described = model::Bucket {
                    versioned,
                    expirations: vec![rule("incoming/", 3), rule("files/", 30)],
                    ..model::Bucket::default()
                };
                let directory = parent.path().join(format!("versioned-{versioned}"));
                Bucket::open(described, directory, true).unwrap()
            };
            let keys = |bucket: &Bucket| -> Vec<String> {
                bucket.with_keys(|keys| keys.keys().cloned().collect())
            };
            let bucket = open();
            for key in ["files/a", "incoming", "incoming/a", "incoming/b"] {
                put(&bucket, key);
            }
            let all = keys(&bucket);
            let today = clock::today();
            assert_eq!(bucket.expire(today + 1).unwrap(), 0);
            assert_eq!(keys(&bucket), all);
            let kept = ["files/a", "incoming"].map(str::to_owned);
            let expected = if versioned { all } else { kept.into() };
            assert_eq!(bucket.expire(today + 5).unwrap(), 4 - expected.len());
            assert_eq!(keys(&bucket), expected);
            drop(bucket);
            assert_eq!(keys(&open()), expected);
        }
    }
}
