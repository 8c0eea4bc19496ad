//! The answers of the operations that list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass, Owner,
};
use s3s::{S3Result, s3_error};

use super::bucket::Bucket;
use super::listing::{Query, limit, objects_after, page, spelling, versions_after};
use super::version::Version;
use crate::template::ACCOUNT;

/// Answers `ListObjectsV2`.
pub(super) fn objects(bucket: &Bucket, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let spell = spelling(input.encoding_type.as_ref())?;
    let max_keys = limit(input.max_keys)?;
    let token = input.continuation_token.as_deref().map(read_token).transpose()?;
    let after = token.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().unwrap_or_default(),
        after,
        limit: max_keys.into(),
    };
    let owner = (input.fetch_owner == Some(true)).then(owner);
    let output = bucket.with_keys(|keys| {
        let page = page(objects_after(keys, after), &query);
        let contents = page.entries.iter().map(|(key, version)| Object {
            key: Some(spell(key)),
            e_tag: Some(version.e_tag()),
            last_modified: Some(version.modified.clone()),
            size: size(version),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            owner: owner.clone(),
            ..Object::default()
        });
        ListObjectsV2Output {
            key_count: i32::try_from(page.entries.len() + page.prefixes.len()).ok(),
            contents: Some(contents.collect()),
            common_prefixes: Some(common_prefixes(&page.prefixes, &spell)),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| URL_SAFE_NO_PAD.encode(next)),
            ..ListObjectsV2Output::default()
        }
    });
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(spell(query.prefix)),
        delimiter: input.delimiter.as_deref().map(&spell),
        start_after: input.start_after.as_deref().map(&spell),
        max_keys: Some(max_keys.into()),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        ..output
    })
}

/// Answers `ListObjects`, the older form.
pub(super) fn objects_by_marker(
    bucket: &Bucket,
    input: ListObjectsInput,
) -> S3Result<ListObjectsOutput> {
    let spell = spelling(input.encoding_type.as_ref())?;
    let output = objects(bucket, ListObjectsV2Input { fetch_owner: Some(true), ..input.into() })?;
    // Without a delimiter, clients go on after the last key.
    let token = output.next_continuation_token.filter(|_| output.delimiter.is_some());
    let next = token.as_deref().map(read_token).transpose()?;
    Ok(ListObjectsOutput {
        name: output.name,
        prefix: output.prefix,
        marker: Some(output.start_after.unwrap_or_default()),
        max_keys: output.max_keys,
        is_truncated: output.is_truncated,
        contents: output.contents,
        common_prefixes: output.common_prefixes,
        delimiter: output.delimiter,
        next_marker: next.as_deref().map(spell),
        encoding_type: output.encoding_type,
        ..ListObjectsOutput::default()
    })
}

/// Answers `ListObjectVersions`.
pub(super) fn versions(
    bucket: &Bucket,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    let spell = spelling(input.encoding_type.as_ref())?;
    let max_keys = limit(input.max_keys)?;
    let after = input.key_marker.as_deref().unwrap_or_default();
    let after_version = input.version_id_marker.as_deref().filter(|id| !id.is_empty());
    if after_version.is_some() && after.is_empty() {
        return Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker."
        ));
    }
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().unwrap_or_default(),
        after,
        limit: max_keys.into(),
    };
    let output = bucket.with_keys(|keys| {
        let page = page(versions_after(keys, after, after_version), &query);
        let last = page.entries.last().filter(|(key, _)| Some(*key) == page.next);
        let (markers, versions): (Vec<_>, Vec<_>) =
            page.entries.iter().partition(|(_, (version, _))| version.is_delete_marker);
        let versions = versions.iter().map(|(key, (version, is_latest))| ObjectVersion {
            key: Some(spell(key)),
            version_id: Some(version.id.clone()),
            is_latest: Some(*is_latest),
            e_tag: Some(version.e_tag()),
            last_modified: Some(version.modified.clone()),
            size: size(version),
            storage_class: Some(ObjectVersionStorageClass::from_static(
                ObjectVersionStorageClass::STANDARD,
            )),
            owner: Some(owner()),
            ..ObjectVersion::default()
        });
        let markers = markers.iter().map(|(key, (marker, is_latest))| DeleteMarkerEntry {
            key: Some(spell(key)),
            version_id: Some(marker.id.clone()),
            is_latest: Some(*is_latest),
            last_modified: Some(marker.modified.clone()),
            owner: Some(owner()),
        });
        ListObjectVersionsOutput {
            versions: Some(versions.collect()),
            delete_markers: Some(markers.collect()),
            common_prefixes: Some(common_prefixes(&page.prefixes, &spell)),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next.map(&spell),
            next_version_id_marker: last.map(|(_, (version, _))| version.id.clone()),
            ..ListObjectVersionsOutput::default()
        }
    });
    Ok(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(spell(query.prefix)),
        delimiter: input.delimiter.as_deref().map(&spell),
        key_marker: Some(spell(after)),
        version_id_marker: Some(after_version.unwrap_or_default().to_owned()),
        max_keys: Some(max_keys.into()),
        encoding_type: input.encoding_type,
        ..output
    })
}

/// The account, as the owner of everything.
pub(super) fn owner() -> Owner {
    Owner { id: Some(ACCOUNT.to_owned()), ..Owner::default() }
}

fn size(version: &Version) -> Option<i64> {
    i64::try_from(version.content.size).ok()
}

fn common_prefixes(prefixes: &[&str], spell: impl Fn(&str) -> String) -> Vec<CommonPrefix> {
    prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(spell(prefix)) }).collect()
}

/// The key or prefix in a token that a page has given.
fn read_token(token: &str) -> S3Result<String> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}
