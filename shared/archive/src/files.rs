//! The files of the log in the bucket.
//!
//! ```text
//! tile/<level>/<N>        hashes
//! tile/entries/<N>        entries, gzip as Content-Encoding
//! checkpoint              the newest checkpoint
//! checkpoints/<size>-<time>   every checkpoint that was published, as 4096-20261129T090000Z
//! ```
//!
//! Only `checkpoint` gets another content. The last bundle may be written again as it is.

use std::collections::BTreeMap;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ObjectLockMode;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use jiff::Timestamp;
use platform::aws::{Service, describe, sdk_config};
use platform::backoff;
use platform::config::invalid;
use platform::store::Retention;
use platform::{ConfigError, Platform};
use transparency::{File, Kind, Tile};

use crate::error::ArchiveError;
use crate::gzip::{compress, decompress};

/// Path of the newest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// Attempts at a write that collides with another one of the same key.
const ATTEMPTS: u32 = 5;

/// `Cache-Control` of files that never change.
const FOR_EVER: &str = "max-age=31536000, immutable";

/// The bucket of the log.
#[derive(Debug, Clone)]
pub struct Files {
    client: aws_sdk_s3::Client,
    bucket: String,
}

/// How long S3 keeps a checkpoint from being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    mode: ObjectLockMode,
    retention: Retention,
}

/// An object that was read.
#[derive(Debug)]
pub struct Object {
    pub bytes: Vec<u8>,
    pub tag: String,
}

/// A write of an object.
struct Put<'a> {
    path: &'a str,
    bytes: &'a [u8],
    media_type: &'static str,
    encoding: Option<&'static str>,
    cache_control: &'static str,
    retention: Option<(ObjectLockMode, DateTime)>,
    /// The tag of the object that it replaces; `None` if there must be none.
    replaces: Option<String>,
}

impl Lock {
    /// Reads `AUDIT_LOCK` and `AUDIT_RETENTION_DAYS`.
    pub fn of(platform: &Platform) -> Result<Option<Self>, ConfigError> {
        let config = &platform.config;
        let mode = match config.get("AUDIT_LOCK") {
            None | Some("off") => return Ok(None),
            Some("governance") => ObjectLockMode::Governance,
            Some("compliance") => ObjectLockMode::Compliance,
            Some(other) => {
                let expected = "it must be `off`, `governance` or `compliance`";
                return Err(invalid("AUDIT_LOCK", other, expected));
            }
        };
        Ok(Some(Self { mode, retention: Retention::new(config)? }))
    }
}

impl Files {
    /// Uses the bucket that `AUDIT_ARCHIVE_BUCKET` names. Nothing is sent yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let client = aws_sdk_s3::Client::new(&sdk_config(&platform.config, Service::S3)?);
        let bucket = platform.config.require("AUDIT_ARCHIVE_BUCKET")?.to_owned();
        Ok(Self { client, bucket })
    }

    /// Writes tiles and bundles. One that is there already must have the same content.
    pub async fn write(&self, files: Vec<File>) -> Result<(), ArchiveError> {
        try_join_all(files.into_iter().map(|file| self.write_one(file))).await?;
        Ok(())
    }

    /// The content of these tiles and bundles.
    pub async fn read(
        &self,
        tiles: impl IntoIterator<Item = Tile>,
    ) -> Result<BTreeMap<Tile, Vec<u8>>, ArchiveError> {
        let read = |tile| async move { Ok::<_, ArchiveError>((tile, self.read_one(tile).await?)) };
        let read: Vec<_> = tiles.into_iter().map(read).collect();
        Ok(try_join_all(read).await?.into_iter().collect())
    }

    /// Writes a tile again as it is, so that its age begins anew.
    pub async fn renew(&self, tile: Tile) -> Result<(), ArchiveError> {
        let path = tile.to_string();
        let found = self.get(path.clone()).await?;
        let Object { bytes, tag } = found.ok_or_else(|| ArchiveError::Missing(path.clone()))?;
        self.put(Put { replaces: Some(tag), ..Put::tile(tile, &path, &bytes) }).await?;
        Ok(())
    }

    /// When a tile was written. S3 says it, and no writer can set it.
    pub fn written_at(&self, tile: Tile) -> BoxFuture<'_, Result<Timestamp, ArchiveError>> {
        async move {
            let path = tile.to_string();
            let request = self.client.head_object().bucket(&self.bucket).key(&path);
            let found = match request.send().await {
                Ok(found) => found,
                Err(error)
                    if error.as_service_error().is_some_and(HeadObjectError::is_not_found) =>
                {
                    return Err(ArchiveError::Missing(path));
                }
                Err(error) => return Err(failed(&path, &error)),
            };
            let seconds = found.last_modified.map(|time| time.secs());
            let written_at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            written_at.ok_or_else(|| ArchiveError::differs(tile))
        }
        .boxed()
    }

    /// The newest checkpoint with its tag; `None` if there is none yet.
    pub async fn checkpoint(&self) -> Result<Option<Object>, ArchiveError> {
        self.get(CHECKPOINT.to_owned()).await
    }

    /// Keeps a checkpoint under a name of its own.
    pub async fn keep_checkpoint(
        &self,
        path: String,
        note: &str,
        lock: Option<&Lock>,
        now: Timestamp,
    ) -> Result<(), ArchiveError> {
        let retention = lock
            .map(|lock| (lock.mode.clone(), DateTime::from_secs(lock.retention.expires_at(now))));
        let put = Put { retention, ..Put::text(&path, note, FOR_EVER) };
        if self.put(put).await? {
            return Ok(());
        }
        // A sealer that died after this write, or another one in the same second, has signed the
        // same text. Ed25519 gives the same signature for it.
        match self.get(path.clone()).await? {
            Some(kept) if kept.bytes == note.as_bytes() => Ok(()),
            _ => Err(ArchiveError::Differs(path)),
        }
    }

    /// Replaces the newest checkpoint, which has this tag. Gives `false` if another sealer has
    /// replaced it meanwhile.
    pub async fn replace_checkpoint(
        &self,
        note: &str,
        tag: Option<String>,
    ) -> Result<bool, ArchiveError> {
        // RFC 9111: a cache asks each time whether there is a newer one.
        self.put(Put { replaces: tag, ..Put::text(CHECKPOINT, note, "no-cache") }).await
    }

    async fn write_one(&self, file: File) -> Result<(), ArchiveError> {
        let path = file.tile.to_string();
        let compressed = (file.tile.kind() == Kind::Entries).then(|| compress(&file.bytes));
        let put = Put::tile(file.tile, &path, compressed.as_deref().unwrap_or(&file.bytes));
        if self.put(put).await? || self.read_one(file.tile).await? == file.bytes {
            return Ok(());
        }
        Err(ArchiveError::differs(file.tile))
    }

    async fn read_one(&self, tile: Tile) -> Result<Vec<u8>, ArchiveError> {
        let path = tile.to_string();
        let found = self.get(path.clone()).await?;
        let Object { bytes, .. } = found.ok_or(ArchiveError::Missing(path))?;
        match tile.kind() {
            Kind::Entries => decompress(&bytes).ok_or_else(|| ArchiveError::differs(tile)),
            Kind::Hashes(_) => Ok(bytes),
        }
    }

    /// An object and its tag; `None` if there is none.
    fn get(&self, path: String) -> BoxFuture<'_, Result<Option<Object>, ArchiveError>> {
        async move {
            let request = self.client.get_object().bucket(&self.bucket).key(&path);
            let found = match request.send().await {
                Ok(found) => found,
                Err(error)
                    if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(failed(&path, &error)),
            };
            let tag = found.e_tag.unwrap_or_default();
            let body = found.body.collect().await.map_err(|error| failed(&path, &error))?;
            Ok(Some(Object { bytes: body.to_vec(), tag }))
        }
        .boxed()
    }

    /// Sends a write. Gives `false` where its condition does not hold.
    fn put<'a>(&'a self, put: Put<'a>) -> BoxFuture<'a, Result<bool, ArchiveError>> {
        async move {
            for attempt in 1..=ATTEMPTS {
                match self.request(&put).send().await {
                    Ok(_) => return Ok(true),
                    Err(error) => match status(&error) {
                        Some(412) => return Ok(false),
                        // Another conditional write of this key goes on.
                        Some(409) if attempt < ATTEMPTS => backoff::pause(attempt).await,
                        _ => return Err(failed(put.path, &error)),
                    },
                }
            }
            Err(ArchiveError::Overtaken)
        }
        .boxed()
    }

    fn request(&self, put: &Put<'_>) -> PutObjectFluentBuilder {
        let (mode, until) = put.retention.clone().unzip();
        let request = self.client.put_object().bucket(&self.bucket).key(put.path);
        let request = request
            .body(ByteStream::from(put.bytes.to_vec()))
            .content_type(put.media_type)
            .cache_control(put.cache_control)
            .set_content_encoding(put.encoding.map(str::to_owned))
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until);
        match &put.replaces {
            Some(tag) => request.if_match(tag),
            None => request.if_none_match("*"),
        }
    }
}

impl<'a> Put<'a> {
    /// A tile, or a compressed bundle, under a key that must be free.
    fn tile(tile: Tile, path: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            path,
            bytes,
            media_type: "application/octet-stream",
            encoding: (tile.kind() == Kind::Entries).then_some("gzip"),
            cache_control: FOR_EVER,
            retention: None,
            replaces: None,
        }
    }

    /// A text under a key that must be free.
    fn text(path: &'a str, text: &'a str, cache_control: &'static str) -> Self {
        Self {
            path,
            bytes: text.as_bytes(),
            media_type: "text/plain; charset=utf-8",
            encoding: None,
            cache_control,
            retention: None,
            replaces: None,
        }
    }
}

fn status(error: &SdkError<PutObjectError>) -> Option<u16> {
    // The object may have been deleted, which the condition on its tag finds too.
    if error.code() == Some("NoSuchKey") {
        return Some(412);
    }
    error.raw_response().map(|response| response.status().as_u16())
}

fn failed(path: &str, error: &(dyn std::error::Error + 'static)) -> ArchiveError {
    ArchiveError::S3 { path: path.to_owned(), reason: describe(error) }
}
