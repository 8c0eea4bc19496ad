//! The operations that read objects. Their functions block.

use http::{HeaderMap, Uri};
use s3s::{S3Response, S3Result, dto};

use super::bucket::{Bucket, internal};
use super::conditions::ReadCondition;
use super::download;
use super::operations::{Answer, refuse};
use super::version::{Version, asked_headers};

/// Gives an object, or a range of it.
pub(super) fn get(
    bucket: &Bucket,
    input: dto::GetObjectInput,
    uri: &Uri,
) -> Answer<dto::GetObjectOutput> {
    refuse(input.part_number.map(|_| "partNumber"))?;
    let condition = ReadCondition {
        matches: input.if_match,
        none_match: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let (version, file) = bucket.read(&input.key, input.version_id.as_deref())?;
    condition.check(&version)?;
    let size = version.content.size;
    let range = download::asked_range(input.range, size)?;
    let content_range =
        input.range.map(|_| format!("bytes {}-{}/{size}", range.start, range.end - 1));
    let output = dto::GetObjectOutput {
        content_length: i64::try_from(range.end - range.start).ok(),
        content_range,
        body: Some(download::body(file, &range).map_err(internal)?),
        ..dto::GetObjectOutput::default()
    };
    // S3 tells the checksum of a whole object alone.
    let shows_checksum = input.checksum_mode.is_some() && range == (0..size);
    Ok(S3Response::with_headers(output, described(&version, shows_checksum, uri)?))
}

/// Gives the headers of an object.
pub(super) fn head(
    bucket: &Bucket,
    input: dto::HeadObjectInput,
    uri: &Uri,
) -> Answer<dto::HeadObjectOutput> {
    refuse(input.part_number.map(|_| "partNumber"))?;
    refuse(input.range.map(|_| "Range in HeadObject"))?;
    let condition = ReadCondition {
        matches: input.if_match,
        none_match: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let version = bucket.find(&input.key, input.version_id.as_deref())?;
    condition.check(&version)?;
    let output = dto::HeadObjectOutput {
        content_length: i64::try_from(version.content.size).ok(),
        ..dto::HeadObjectOutput::default()
    };
    let headers = described(&version, input.checksum_mode.is_some(), uri)?;
    Ok(S3Response::with_headers(output, headers))
}

fn described(version: &Version, shows_checksum: bool, uri: &Uri) -> S3Result<HeaderMap> {
    let mut headers = version.headers()?;
    if shows_checksum {
        headers.extend(version.content.checksum.headers()?);
    }
    headers.extend(asked_headers(uri)?);
    Ok(headers)
}
