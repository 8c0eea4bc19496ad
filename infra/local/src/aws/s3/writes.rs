//! The operations that store and delete objects.

use std::io::{self, Read};
use std::sync::Arc;

use s3s::{S3Request, S3Response, S3Result, dto, s3_error};

use super::bucket::{Bucket, Deleted, internal};
use super::conditions::{ReadCondition, WriteCondition, failed_condition};
use super::lock::{Lock, LockRequest};
use super::operations::{Answer, blocking, refuse};
use super::upload::{Announced, Upload};
use super::version::{Content, kept_headers};

/// Most keys of one `DeleteObjects`.
const DELETE_LIMIT: usize = 1000;

/// Stores the body of a request.
pub(super) async fn put(
    bucket: Arc<Bucket>,
    request: S3Request<dto::PutObjectInput>,
) -> Answer<dto::PutObjectOutput> {
    let S3Request { input, headers, trailing_headers, .. } = request;
    let condition = WriteCondition::new(input.if_match, input.if_none_match)?;
    let announced = Announced::new(&headers, input.content_length)?;
    let lock = LockRequest {
        mode: input.object_lock_mode,
        until: input.object_lock_retain_until_date,
        legal_hold: input.object_lock_legal_hold_status,
    };
    let lock = lock.resolve(bucket.object_lock.as_ref())?;
    if lock != Lock::default() && !announced.is_guarded() {
        return Err(s3_error!(
            InvalidRequest,
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with \
             Object Lock parameters"
        ));
    }
    let kept = kept_headers(&headers)?;
    let body = input.body.unwrap_or_else(|| s3s::Body::empty().into());
    let upload = announced.receive(Arc::clone(&bucket), body, trailing_headers).await?;
    let Upload { draft, size, e_tag, checksum } = upload;
    let content = Content { size, e_tag, checksum, headers: kept, lock };
    let version = blocking(move || bucket.put(draft, input.key, content, &condition)).await?;
    let output = dto::PutObjectOutput {
        e_tag: Some(version.e_tag()),
        version_id: version.told_id(),
        ..dto::PutObjectOutput::default()
    };
    Ok(S3Response::with_headers(output, version.content.checksum.headers()?))
}

/// Stores the content of an object under another key.
pub(super) async fn copy(
    source: Arc<Bucket>,
    target: Arc<Bucket>,
    request: S3Request<dto::CopyObjectInput>,
) -> Answer<dto::CopyObjectOutput> {
    let S3Request { input, headers, .. } = request;
    let dto::CopySource::Bucket { key: source_key, version_id: source_id, .. } = input.copy_source
    else {
        return Err(s3_error!(InvalidArgument, "the source has no bucket"));
    };
    refuse(input.checksum_algorithm.map(|_| "x-amz-checksum-algorithm in CopyObject"))?;
    for condition in ["if-match", "if-none-match"] {
        refuse(headers.get(condition).map(|_| "If-Match and If-None-Match in CopyObject"))?;
    }
    let directive = input.metadata_directive.as_ref().map(dto::MetadataDirective::as_str);
    let kept = match directive {
        None | Some(dto::MetadataDirective::COPY) => None,
        Some(dto::MetadataDirective::REPLACE) => Some(kept_headers(&headers)?),
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    let is_itself = source.name == target.name && *source_key == *input.key && source_id.is_none();
    if is_itself && kept.is_none() {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or \
             encryption attributes."
        ));
    }
    let lock = LockRequest {
        mode: input.object_lock_mode,
        until: input.object_lock_retain_until_date,
        legal_hold: input.object_lock_legal_hold_status,
    };
    let lock = lock.resolve(target.object_lock.as_ref())?;
    let condition = ReadCondition {
        matches: input.copy_source_if_match,
        none_match: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    blocking(move || {
        let (version, file) = source.read(&source_key, source_id.as_deref())?;
        condition.check(&version).map_err(|_| failed_condition())?;
        let mut draft = target.draft().map_err(internal)?;
        io::copy(&mut file.take(version.content.size), &mut draft).map_err(internal)?;
        let copy_source_version_id = version.told_id();
        let headers = kept.unwrap_or(version.content.headers);
        let content = Content { headers, lock, ..version.content };
        let copy = target.put(draft, input.key, content, &WriteCondition::default())?;
        let result = dto::CopyObjectResult {
            e_tag: Some(copy.e_tag()),
            last_modified: Some(copy.modified.clone()),
            ..dto::CopyObjectResult::default()
        };
        Ok(S3Response::new(dto::CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id,
            version_id: copy.told_id(),
            ..dto::CopyObjectOutput::default()
        }))
    })
    .await
}

/// Deletes an object, or one version of it. Blocks.
pub(super) fn delete(
    bucket: &Bucket,
    input: dto::DeleteObjectInput,
) -> Answer<dto::DeleteObjectOutput> {
    let condition = WriteCondition::new(input.if_match, None)?;
    let bypasses = input.bypass_governance_retention == Some(true);
    let deleted = bucket.delete(&input.key, input.version_id.as_deref(), bypasses, &condition)?;
    Ok(S3Response::new(dto::DeleteObjectOutput {
        delete_marker: deleted.is_delete_marker.then_some(true),
        version_id: deleted.version_id,
        ..dto::DeleteObjectOutput::default()
    }))
}

/// Deletes objects, or versions of them, each by itself. Blocks.
pub(super) fn delete_several(
    bucket: &Bucket,
    input: dto::DeleteObjectsInput,
) -> Answer<dto::DeleteObjectsOutput> {
    let bypasses = input.bypass_governance_retention == Some(true);
    let is_quiet = input.delete.quiet == Some(true);
    if input.delete.objects.is_empty() || input.delete.objects.len() > DELETE_LIMIT {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published \
             schema"
        ));
    }
    let mut gone = Vec::new();
    let mut errors = Vec::new();
    for object in input.delete.objects {
        match delete_one(bucket, &object, bypasses) {
            Ok(_) if is_quiet => {}
            Ok(deleted) => gone.push(dto::DeletedObject {
                delete_marker: deleted.is_delete_marker.then_some(true),
                delete_marker_version_id: deleted.version_id.filter(|_| deleted.is_delete_marker),
                key: Some(object.key),
                version_id: object.version_id,
            }),
            Err(error) => errors.push(dto::Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
                key: Some(object.key),
                version_id: object.version_id,
            }),
        }
    }
    Ok(S3Response::new(dto::DeleteObjectsOutput {
        deleted: Some(gone),
        errors: Some(errors),
        ..dto::DeleteObjectsOutput::default()
    }))
}

fn delete_one(
    bucket: &Bucket,
    object: &dto::ObjectIdentifier,
    bypasses_governance: bool,
) -> S3Result<Deleted> {
    refuse(object.size.map(|_| "Size in DeleteObjects"))?;
    refuse(object.last_modified_time.as_ref().map(|_| "LastModifiedTime in DeleteObjects"))?;
    let if_match = object.e_tag.clone().map(dto::ETagCondition::ETag);
    let condition = WriteCondition::new(if_match, None)?;
    bucket.delete(&object.key, object.version_id.as_deref(), bypasses_governance, &condition)
}
