//! The operations of S3 on the template's buckets. Every other operation is refused by its name.
//!
//! `reads` and `writes` have those on the content of objects.

use async_trait::async_trait;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, dto, s3_error};
use tokio::task::spawn_blocking;

use super::lock::{Retention, hold_text, is_on, mode_text, without_lock};
use super::{Buckets, answers, clock, reads, writes};
use crate::template::REGION;

/// What an operation gives.
pub(super) type Answer<T> = S3Result<S3Response<T>>;

/// The operations on these buckets.
pub(super) struct Operations {
    pub(super) buckets: Buckets,
}

#[async_trait]
impl S3 for Operations {
    async fn put_object(
        &self,
        request: S3Request<dto::PutObjectInput>,
    ) -> Answer<dto::PutObjectOutput> {
        writes::put(self.buckets.get(&request.input.bucket)?, request).await
    }

    async fn post_object(
        &self,
        _: S3Request<dto::PostObjectInput>,
    ) -> Answer<dto::PostObjectOutput> {
        // The default would store the form's headers as the object's.
        Err(s3_error!(NotImplemented, "PostObject is not implemented yet"))
    }

    async fn copy_object(
        &self,
        request: S3Request<dto::CopyObjectInput>,
    ) -> Answer<dto::CopyObjectOutput> {
        let dto::CopySource::Bucket { bucket, .. } = &request.input.copy_source else {
            return Err(s3_error!(NotImplemented, "CopyObject takes a source by bucket and key"));
        };
        let source = self.buckets.get(bucket)?;
        writes::copy(source, self.buckets.get(&request.input.bucket)?, request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<dto::DeleteObjectInput>,
    ) -> Answer<dto::DeleteObjectOutput> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        blocking(move || writes::delete(&bucket, request.input)).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<dto::DeleteObjectsInput>,
    ) -> Answer<dto::DeleteObjectsOutput> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        blocking(move || writes::delete_several(&bucket, request.input)).await
    }

    async fn get_object(
        &self,
        request: S3Request<dto::GetObjectInput>,
    ) -> Answer<dto::GetObjectOutput> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        blocking(move || reads::get(&bucket, request.input, &request.uri)).await
    }

    async fn head_object(
        &self,
        request: S3Request<dto::HeadObjectInput>,
    ) -> Answer<dto::HeadObjectOutput> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        blocking(move || reads::head(&bucket, request.input, &request.uri)).await
    }

    async fn list_objects(
        &self,
        request: S3Request<dto::ListObjectsInput>,
    ) -> Answer<dto::ListObjectsOutput> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        answered(move || answers::objects_by_marker(&bucket, request.input)).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<dto::ListObjectsV2Input>,
    ) -> Answer<dto::ListObjectsV2Output> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        answered(move || answers::objects(&bucket, request.input)).await
    }

    async fn list_object_versions(
        &self,
        request: S3Request<dto::ListObjectVersionsInput>,
    ) -> Answer<dto::ListObjectVersionsOutput> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        answered(move || answers::versions(&bucket, request.input)).await
    }

    async fn get_object_retention(
        &self,
        request: S3Request<dto::GetObjectRetentionInput>,
    ) -> Answer<dto::GetObjectRetentionOutput> {
        let input = request.input;
        let bucket = self.buckets.get(&input.bucket)?;
        bucket.object_lock.as_ref().ok_or_else(without_lock)?;
        answered(move || {
            let version = bucket.find(&input.key, input.version_id.as_deref())?;
            let retention = version.content.lock.retention.ok_or_else(unlocked)?;
            let mode = dto::ObjectLockRetentionMode::from_static(mode_text(retention.mode));
            let retention = dto::ObjectLockRetention {
                mode: Some(mode),
                retain_until_date: Some(retention.until),
            };
            Ok(dto::GetObjectRetentionOutput { retention: Some(retention) })
        })
        .await
    }

    async fn put_object_retention(
        &self,
        request: S3Request<dto::PutObjectRetentionInput>,
    ) -> Answer<dto::PutObjectRetentionOutput> {
        let input = request.input;
        let bucket = self.buckets.get(&input.bucket)?;
        let bypasses = input.bypass_governance_retention == Some(true);
        let dto::ObjectLockRetention { mode, retain_until_date } =
            input.retention.unwrap_or_default();
        answered(move || {
            let now = clock::now();
            let mode = mode.as_ref().map(dto::ObjectLockRetentionMode::as_str);
            let retention = Retention::requested(mode, retain_until_date, &now)?;
            bucket.change_lock(&input.key, input.version_id.as_deref(), |lock| {
                lock.retain(retention, bypasses, &now)
            })?;
            Ok(dto::PutObjectRetentionOutput::default())
        })
        .await
    }

    async fn get_object_legal_hold(
        &self,
        request: S3Request<dto::GetObjectLegalHoldInput>,
    ) -> Answer<dto::GetObjectLegalHoldOutput> {
        let input = request.input;
        let bucket = self.buckets.get(&input.bucket)?;
        bucket.object_lock.as_ref().ok_or_else(without_lock)?;
        answered(move || {
            let version = bucket.find(&input.key, input.version_id.as_deref())?;
            let is_on = version.content.lock.legal_hold.ok_or_else(unlocked)?;
            let status = dto::ObjectLockLegalHoldStatus::from_static(hold_text(is_on));
            let legal_hold = dto::ObjectLockLegalHold { status: Some(status) };
            Ok(dto::GetObjectLegalHoldOutput { legal_hold: Some(legal_hold) })
        })
        .await
    }

    async fn put_object_legal_hold(
        &self,
        request: S3Request<dto::PutObjectLegalHoldInput>,
    ) -> Answer<dto::PutObjectLegalHoldOutput> {
        let input = request.input;
        let bucket = self.buckets.get(&input.bucket)?;
        let status = input.legal_hold.and_then(|legal_hold| legal_hold.status);
        answered(move || {
            let is_on = is_on(status.as_ref().map_or("", dto::ObjectLockLegalHoldStatus::as_str))?;
            bucket.change_lock(&input.key, input.version_id.as_deref(), |lock| {
                lock.legal_hold = Some(is_on);
                Ok(())
            })?;
            Ok(dto::PutObjectLegalHoldOutput::default())
        })
        .await
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<dto::GetObjectLockConfigurationInput>,
    ) -> Answer<dto::GetObjectLockConfigurationOutput> {
        let bucket = self.buckets.get(&request.input.bucket)?;
        let object_lock = bucket.object_lock.as_ref().ok_or_else(|| {
            s3_error!(
                ObjectLockConfigurationNotFoundError,
                "Object Lock configuration does not exist for this bucket"
            )
        })?;
        let rule = object_lock.default_retention.as_ref().map(|default| dto::ObjectLockRule {
            default_retention: Some(dto::DefaultRetention {
                days: i32::try_from(default.days).ok(),
                mode: Some(dto::ObjectLockRetentionMode::from_static(mode_text(default.mode))),
                years: None,
            }),
        });
        let enabled = dto::ObjectLockEnabled::from_static(dto::ObjectLockEnabled::ENABLED);
        let configuration =
            dto::ObjectLockConfiguration { object_lock_enabled: Some(enabled), rule };
        Ok(S3Response::new(dto::GetObjectLockConfigurationOutput {
            object_lock_configuration: Some(configuration),
        }))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<dto::GetBucketVersioningInput>,
    ) -> Answer<dto::GetBucketVersioningOutput> {
        let is_versioned = self.buckets.get(&request.input.bucket)?.is_versioned;
        let enabled = dto::BucketVersioningStatus::ENABLED;
        Ok(S3Response::new(dto::GetBucketVersioningOutput {
            status: is_versioned.then(|| dto::BucketVersioningStatus::from_static(enabled)),
            ..dto::GetBucketVersioningOutput::default()
        }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<dto::GetBucketLocationInput>,
    ) -> Answer<dto::GetBucketLocationOutput> {
        self.buckets.get(&request.input.bucket)?;
        // S3 gives no name to the location of its oldest region, which is this one.
        Ok(S3Response::new(dto::GetBucketLocationOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<dto::HeadBucketInput>,
    ) -> Answer<dto::HeadBucketOutput> {
        self.buckets.get(&request.input.bucket)?;
        Ok(S3Response::new(dto::HeadBucketOutput {
            bucket_region: Some(REGION.to_owned()),
            ..dto::HeadBucketOutput::default()
        }))
    }

    async fn list_buckets(
        &self,
        request: S3Request<dto::ListBucketsInput>,
    ) -> Answer<dto::ListBucketsOutput> {
        let dto::ListBucketsInput { bucket_region, continuation_token, max_buckets, prefix } =
            request.input;
        refuse(bucket_region.map(|_| "bucket-region"))?;
        refuse(continuation_token.map(|_| "continuation-token"))?;
        refuse(max_buckets.map(|_| "max-buckets"))?;
        refuse(prefix.map(|_| "prefix in ListBuckets"))?;
        let buckets = self.buckets.all().map(|bucket| dto::Bucket {
            name: Some(bucket.name.clone()),
            creation_date: Some(bucket.created.clone()),
            bucket_region: Some(REGION.to_owned()),
        });
        Ok(S3Response::new(dto::ListBucketsOutput {
            buckets: Some(buckets.collect()),
            owner: Some(answers::owner()),
            ..dto::ListBucketsOutput::default()
        }))
    }
}

/// Runs work that blocks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    spawn_blocking(work).await.map_err(S3Error::internal_error)?
}

async fn answered<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> Answer<T> {
    blocking(work).await.map(S3Response::new)
}

/// Refuses a request that has a parameter with no effect here.
pub(super) fn refuse(parameter: Option<&str>) -> S3Result {
    match parameter {
        None => Ok(()),
        Some(parameter) => Err(s3_error!(NotImplemented, "the local S3 does not know {parameter}")),
    }
}

fn unlocked() -> S3Error {
    s3_error!(
        NoSuchObjectLockConfiguration,
        "The specified object does not have a ObjectLock configuration"
    )
}
