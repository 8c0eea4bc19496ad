//! One version of an object, as it is stored and as its headers tell it.

use std::collections::BTreeMap;

use form_urlencoded::parse;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use s3s::dto::{ETag, Timestamp, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::lock::{Lock, hold_text, mode_text};

/// Version id in a bucket without versioning.
pub(super) const NULL: &str = "null";

/// Headers that GET and HEAD return as the PUT gave them.
const KEPT: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];
/// Start of the headers of user metadata. GET and HEAD return them as well.
const METADATA: &str = "x-amz-meta-";
/// Most bytes of user metadata, names and values together.
const METADATA_LIMIT: usize = 2048;

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) modified: Timestamp,
    /// A delete marker has no content.
    pub(super) is_delete_marker: bool,
    pub(super) content: Content,
    /// Number of its file. Later versions have higher numbers.
    #[serde(skip)]
    pub(super) number: u64,
}

/// Everything about the content of a version but its bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) size: u64,
    /// MD5 in hexadecimal, without quotes.
    pub(super) e_tag: String,
    pub(super) checksum: Checksum,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) lock: Lock,
}

/// The checksum of a content, in the algorithm that the PUT chose.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Checksum {
    /// As in its header's name: `crc32`.
    pub(super) algorithm: String,
    /// In base64.
    pub(super) value: String,
}

impl Version {
    pub(super) fn e_tag(&self) -> ETag {
        ETag::Strong(self.content.e_tag.clone())
    }

    /// The id, unless the version was written without versioning.
    pub(super) fn told_id(&self) -> Option<String> {
        (self.id != NULL).then(|| self.id.clone())
    }

    /// The headers with which GET and HEAD describe the version.
    pub(super) fn headers(&self) -> S3Result<HeaderMap> {
        let mut pairs: Vec<(&str, String)> = vec![
            ("accept-ranges", "bytes".to_owned()),
            ("etag", format!("\"{}\"", self.content.e_tag)),
            ("last-modified", time_text(&self.modified, TimestampFormat::HttpDate)?),
        ];
        pairs.extend(self.told_id().map(|id| ("x-amz-version-id", id)));
        let Lock { retention, legal_hold } = &self.content.lock;
        if let Some(retention) = retention {
            let until = time_text(&retention.until, TimestampFormat::DateTime)?;
            pairs.push(("x-amz-object-lock-retain-until-date", until));
            pairs.push(("x-amz-object-lock-mode", mode_text(retention.mode).to_owned()));
        }
        pairs.extend(
            legal_hold.map(|is_on| ("x-amz-object-lock-legal-hold", hold_text(is_on).to_owned())),
        );
        let kept = self.content.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
        header_map(kept.chain(pairs))
    }
}

impl Checksum {
    /// The headers that tell a client this checksum.
    pub(super) fn headers(&self) -> S3Result<HeaderMap> {
        let name = format!("x-amz-checksum-{}", self.algorithm);
        header_map([
            (name.as_str(), self.value.clone()),
            ("x-amz-checksum-type", "FULL_OBJECT".to_owned()),
        ])
    }
}

/// The headers of a PUT that GET and HEAD will return.
pub(super) fn kept_headers(request: &HeaderMap) -> S3Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    let mut metadata_size = 0;
    for (name, value) in request {
        let name = name.as_str();
        let is_metadata = name.starts_with(METADATA);
        if !is_metadata && !KEPT.contains(&name) {
            continue;
        }
        let value = value
            .to_str()
            .map_err(|_| s3_error!(InvalidArgument, "the header {name} is not in ASCII"))?;
        if is_metadata {
            metadata_size += name.len() - METADATA.len() + value.len();
        }
        let value = if name == "content-encoding" { stored_encoding(value) } else { value.into() };
        if !value.is_empty() {
            kept.insert(name.to_owned(), value);
        }
    }
    if metadata_size > METADATA_LIMIT {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    kept.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
    Ok(kept)
}

/// The encodings of the content. `aws-chunked` is an encoding of the request alone.
fn stored_encoding(value: &str) -> String {
    if !value.contains("aws-chunked") {
        return value.to_owned();
    }
    let encodings = value.split(',').map(str::trim).filter(|encoding| *encoding != "aws-chunked");
    encodings.collect::<Vec<_>>().join(",")
}

/// The headers that the parameters `response-…` of a GET ask for.
pub(super) fn asked_headers(uri: &Uri) -> S3Result<HeaderMap> {
    let parameters = parse(uri.query().unwrap_or_default().as_bytes());
    let asked: Vec<_> = parameters
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("response-")?;
            Some((KEPT.into_iter().find(|kept| *kept == name)?, value.into_owned()))
        })
        .collect();
    header_map(asked)
}

fn header_map<'h>(pairs: impl IntoIterator<Item = (&'h str, String)>) -> S3Result<HeaderMap> {
    let header = |name: &str, value: String| {
        Ok::<_, http::Error>((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
    };
    let headers = pairs.into_iter().map(|(name, value)| {
        header(name, value).map_err(|error| s3_error!(InvalidArgument, "{name}: {error}"))
    });
    headers.collect()
}

fn time_text(time: &Timestamp, format: TimestampFormat) -> S3Result<String> {
    let mut text = Vec::new();
    time.format(format, &mut text).map_err(S3Error::internal_error)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> HeaderMap {
        let pairs = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        header_map(pairs).unwrap()
    }

    #[test]
    fn headers_of_the_content_are_kept_and_those_of_the_request_are_not() {
        for (given, kept) in [
            (vec![], vec![("content-type", "binary/octet-stream")]),
            (
                vec![
                    ("content-type", "text/plain; charset=utf-8"),
                    ("content-encoding", "gzip"),
                    ("cache-control", "immutable"),
                    ("x-amz-meta-size", "7"),
                    ("expires", "not a date"),
                    ("host", "127.0.0.1"),
                    ("x-amz-date", "20260101T000000Z"),
                ],
                vec![
                    ("cache-control", "immutable"),
                    ("content-encoding", "gzip"),
                    ("content-type", "text/plain; charset=utf-8"),
                    ("expires", "not a date"),
                    ("x-amz-meta-size", "7"),
                ],
            ),
            (
                vec![("content-encoding", "aws-chunked")],
                vec![("content-type", "binary/octet-stream")],
            ),
            (
                vec![("content-encoding", "gzip, aws-chunked")],
                vec![("content-encoding", "gzip"), ("content-type", "binary/octet-stream")],
            ),
        ] {
            let stored = kept_headers(&request(&given)).unwrap();
            let stored: Vec<_> =
                stored.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(stored, kept, "{given:?}");
        }
    }

    #[test]
    fn a_header_that_a_url_asks_for_can_not_hold_a_line_break_and_is_named() {
        let uri = |value: &str| format!("/bucket/key?response-content-type={value}");
        let headers = asked_headers(&uri("text/csv").parse().unwrap()).unwrap();
        assert_eq!(headers["content-type"], "text/csv");
        let refusal = asked_headers(&uri("a%0D%0Aset-cookie:b").parse().unwrap()).unwrap_err();
        assert!(refusal.message().unwrap().starts_with("content-type: "), "{refusal:?}");
    }

    #[test]
    fn metadata_is_bounded_and_in_ascii() {
        let largest = "x".repeat(METADATA_LIMIT - 1);
        kept_headers(&request(&[("x-amz-meta-a", &largest)])).unwrap();
        let refusal = |headers| kept_headers(&headers).unwrap_err().code().as_str().to_owned();
        assert_eq!(refusal(request(&[("x-amz-meta-ab", &largest)])), "MetadataTooLarge");
        assert_eq!(refusal(request(&[("x-amz-meta-a", "é")])), "InvalidArgument");
    }
}
