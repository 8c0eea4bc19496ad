//! The bucket of files. Clients upload to it and download from it by URLs that are signed here.
//! Signing takes the credentials of the function, and no call.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, Object, ObjectIdentifier};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join};
use jiff::Timestamp;
use platform::aws::{Service, describe, sdk_config};
use platform::{ConfigError, Platform, Problem};

use crate::domain::{Announced, FileName, MediaType, keys};

/// The longest time to connect to S3.
const CONNECT: Duration = Duration::from_secs(1);

/// The longest attempt at a call. It may carry 32 MB.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The longest call, with its attempts.
const CALL: Duration = Duration::from_secs(25);

/// Headers of an upload that its client does not take from our answer. Every HTTP client sends the
/// first two by itself, and pages may not set them. The SDK adds the last one in Lambda to each
/// request, and does not sign it.
const NOT_FOR_CLIENTS: [&str; 3] = ["content-length", "host", "x-amzn-trace-id"];

/// The bucket of files.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: aws_sdk_s3::Client,
    bucket: String,
}

/// S3 does not answer, or refuses.
#[derive(Debug, thiserror::Error)]
#[error("S3 does not answer, or refuses {object}: {reason}")]
pub struct BucketError {
    object: String,
    reason: String,
}

/// A signed request. Its URL is a secret, because it needs no other credential.
pub(crate) struct Presigned {
    pub(crate) url: String,
    /// The headers that its client has to send.
    pub(crate) headers: BTreeMap<String, String>,
}

platform::opaque!(Presigned);

impl Bucket {
    /// Uses the bucket that `FILES_BUCKET` names. Nothing is sent yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let shared = sdk_config(&platform.config, Service::S3)?;
        let config = Builder::from(&shared).timeout_config(timeouts).build();
        let bucket = platform.config.require("FILES_BUCKET")?.to_owned();
        Ok(Self { client: aws_sdk_s3::Client::from_conf(config), bucket })
    }

    /// The bytes of an object; `None` if there is none.
    pub fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, BucketError>> {
        async move {
            let found = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
                Ok(found) => found,
                Err(error)
                    if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(failed(key, &error)),
            };
            let body = found.body.collect().await.map_err(|error| failed(key, &error))?;
            Ok(Some(body.to_vec()))
        }
        .boxed()
    }

    /// Writes an object, and replaces one that was there.
    pub fn put<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        media_type: &'a str,
    ) -> BoxFuture<'a, Result<(), BucketError>> {
        async move {
            let request = self.client.put_object().bucket(&self.bucket).key(key);
            let request = request.body(ByteStream::from(bytes)).content_type(media_type);
            request.send().await.map_err(|error| failed(key, &error))?;
            Ok(())
        }
        .boxed()
    }

    /// Bytes of an object; `None` if there is none.
    pub fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<u64>, BucketError>> {
        async move {
            match self.client.head_object().bucket(&self.bucket).key(key).send().await {
                Ok(found) => {
                    let size = found.content_length.and_then(|size| u64::try_from(size).ok());
                    Ok(Some(size.unwrap_or_default()))
                }
                Err(error)
                    if error.as_service_error().is_some_and(HeadObjectError::is_not_found) =>
                {
                    Ok(None)
                }
                Err(error) => Err(failed(key, &error)),
            }
        }
        .boxed()
    }

    /// Deletes all objects whose keys begin so.
    pub fn delete_all<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<(), BucketError>> {
        async move {
            loop {
                let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
                let page = request.send().await.map_err(|error| failed(prefix, &error))?;
                let keys: Vec<_> = page.contents().iter().filter_map(Object::key).collect();
                if keys.is_empty() {
                    return Ok(());
                }
                self.delete_each(prefix, &keys).await?;
                if page.is_truncated() != Some(true) {
                    return Ok(());
                }
            }
        }
        .boxed()
    }

    /// Deletes all objects of a file.
    pub(crate) async fn delete_file(&self, id: &str) -> Result<(), BucketError> {
        let (incoming, prefix) = (keys::incoming(id), keys::prefix(id));
        let (first, second) = join(self.delete_all(&incoming), self.delete_all(&prefix)).await;
        first.and(second)
    }

    /// Deletes these objects, at most 1,000.
    async fn delete_each(&self, prefix: &str, keys: &[&str]) -> Result<(), BucketError> {
        let mut objects = Delete::builder().quiet(true);
        for key in keys {
            let object = ObjectIdentifier::builder().key(*key).build();
            objects = objects.objects(object.map_err(|error| failed(prefix, &error))?);
        }
        let objects = objects.build().map_err(|error| failed(prefix, &error))?;
        let request = self.client.delete_objects().bucket(&self.bucket).delete(objects);
        let deleted = request.send().await.map_err(|error| failed(prefix, &error))?;
        match deleted.errors() {
            [] => Ok(()),
            [first, ..] => Err(BucketError {
                object: prefix.to_owned(),
                reason: first.code().unwrap_or("an object was not deleted").to_owned(),
            }),
        }
    }

    /// Signs an upload of exactly these bytes, under a key that must be free.
    pub(crate) fn presign_put<'a>(
        &'a self,
        key: &'a str,
        announced: Announced<'a>,
        now: Timestamp,
        lasts: Duration,
    ) -> BoxFuture<'a, Result<Presigned, BucketError>> {
        async move {
            let request = self.client.put_object().bucket(&self.bucket).key(key);
            let signed = request
                .content_length(i64::try_from(announced.size).unwrap_or(i64::MAX))
                .content_type(announced.media_type.as_str())
                .checksum_sha256(announced.sha256.base64())
                .if_none_match("*")
                .presigned(signing(key, now, lasts)?)
                .await
                .map_err(|error| failed(key, &error))?;
            let headers = signed.headers().filter(|(name, _)| !NOT_FOR_CLIENTS.contains(name));
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            Ok(Presigned { url: signed.uri().to_owned(), headers: headers.collect() })
        }
        .boxed()
    }

    /// Signs a download as an attachment with this name and media type. Gives its URL.
    pub(crate) fn presign_get<'a>(
        &'a self,
        key: &'a str,
        (name, media_type): (&'a FileName, &'a MediaType),
        now: Timestamp,
        lasts: Duration,
    ) -> BoxFuture<'a, Result<String, BucketError>> {
        async move {
            let request = self.client.get_object().bucket(&self.bucket).key(key);
            let signed = request
                .response_content_disposition(name.disposition())
                .response_content_type(media_type.as_str())
                .presigned(signing(key, now, lasts)?)
                .await
                .map_err(|error| failed(key, &error))?;
            Ok(signed.uri().to_owned())
        }
        .boxed()
    }
}

/// The caller gets `unavailable`. The log has the cause.
impl From<BucketError> for Problem {
    fn from(error: BucketError) -> Self {
        tracing::error!(%error, "failed to use the bucket of files");
        Problem::unavailable()
    }
}

/// A signature from this moment on.
fn signing(key: &str, now: Timestamp, lasts: Duration) -> Result<PresigningConfig, BucketError> {
    let since = Duration::from_millis(u64::try_from(now.as_millisecond()).unwrap_or_default());
    let config = PresigningConfig::builder().start_time(SystemTime::UNIX_EPOCH + since);
    config.expires_in(lasts).build().map_err(|error| failed(key, &error))
}

fn failed(object: &str, error: &(dyn Error + 'static)) -> BucketError {
    BucketError { object: object.to_owned(), reason: describe(error) }
}

#[cfg(test)]
mod tests {
    use platform::clock::Clock;
    use platform::config::Config;
    use platform::input::{FromField, RawValue};

    use super::*;

    /// A bucket at an address at which nothing listens.
    fn bucket() -> Bucket {
        let config = Config::from_iter([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_SESSION_TOKEN", "session"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
            ("FILES_BUCKET", "files"),
        ]);
        Bucket::new(&Platform::new(config, Clock::default())).unwrap()
    }

    fn read<T: FromField>(text: &str) -> T {
        T::read(&RawValue::Text(text)).unwrap()
    }

    /// The value of a parameter of a URL.
    fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
        let (_, query) = url.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    #[tokio::test]
    async fn an_upload_is_signed_with_all_that_was_announced() {
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let (sha256, media_type) = (read(sha256), read("text/csv"));
        let announced = Announced { size: 12, sha256: &sha256, media_type: &media_type };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let lasts = Duration::from_mins(15);
        let signed = bucket().presign_put("incoming/7", announced, now, lasts).await.unwrap();
        assert!(signed.url.starts_with("http://127.0.0.1:1/files/incoming/7?"), "{}", signed.url);
        for (name, expected) in [
            ("X-Amz-Date", "20270115T080000Z"),
            ("X-Amz-Expires", "900"),
            ("X-Amz-Security-Token", "session"),
            (
                "X-Amz-SignedHeaders",
                "content-length%3Bcontent-type%3Bhost%3Bif-none-match%3Bx-amz-checksum-sha256",
            ),
        ] {
            assert_eq!(parameter(&signed.url, name), Some(expected), "{}", signed.url);
        }
        let headers = [
            ("content-type", "text/csv"),
            ("if-none-match", "*"),
            ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(signed.headers, BTreeMap::from(headers));
        assert_eq!(format!("{signed:?}"), "Presigned");
    }

    #[tokio::test]
    async fn a_download_is_an_attachment() {
        let (name, media_type) = (read("a b.html"), read("text/html"));
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let lasts = Duration::from_mins(5);
        let (bucket, named) = (bucket(), (&name, &media_type));
        let url = bucket.presign_get("files/7/original", named, now, lasts).await.unwrap();
        let disposition = "attachment%3B%20filename%2A%3DUTF-8%27%27a%2520b.html";
        for (name, expected) in [
            ("X-Amz-Expires", "300"),
            ("X-Amz-SignedHeaders", "host"),
            ("response-content-disposition", disposition),
            ("response-content-type", "text%2Fhtml"),
        ] {
            assert_eq!(parameter(&url, name), Some(expected), "{url}");
        }
    }
}
