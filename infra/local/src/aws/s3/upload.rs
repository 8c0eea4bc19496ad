//! The body of a PUT: written to a file that is not yet an object, and checked against the length
//! and the checksums that the request gives.

use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, StdError, TrailingHeaders, s3_error};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::bucket::{Bucket, internal};
use super::version::Checksum;

/// The largest object of one PUT. S3 takes 5 GiB. No function writes as much as this, so a larger
/// body on this machine is a mistake.
const SIZE_LIMIT: u64 = 64 * 1024 * 1024;
/// Chunks of a body that wait for the file.
const WAITING_CHUNKS: usize = 8;

/// The checksum algorithms, as in the names of their headers.
const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];
/// The algorithm that S3 uses if the request names none.
const DEFAULT_ALGORITHM: &str = "crc64nvme";

/// What the headers of a PUT say about its body.
#[derive(Debug)]
pub(super) struct Announced {
    length: u64,
    md5: Option<String>,
    /// The algorithm of the checksum, if there is one. Its value may come after the body.
    algorithm: Option<&'static str>,
    checksum: Option<String>,
}

/// A body that has arrived whole.
pub(super) struct Upload {
    pub(super) draft: NamedTempFile,
    pub(super) size: u64,
    pub(super) e_tag: String,
    pub(super) checksum: Checksum,
}

impl Announced {
    pub(super) fn new(headers: &HeaderMap, content_length: Option<i64>) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // A chunked request has no length but that of its decoded body.
        let length = content_length
            .and_then(|length| u64::try_from(length).ok())
            .or_else(|| text("x-amz-decoded-content-length")?.parse().ok())
            .ok_or_else(|| {
                s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header.")
            })?;
        if length > SIZE_LIMIT {
            return Err(s3_error!(
                EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size: the local S3 takes 64 MiB, \
                 and {length} bytes are proposed"
            ));
        }
        let mut given = ALGORITHMS.into_iter().filter(|algorithm| {
            let header = header_of(algorithm);
            headers.contains_key(&header) || text("x-amz-trailer") == Some(header.as_str())
        });
        let algorithm = given.next();
        if given.next().is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not \
                 allowed."
            ));
        }
        if algorithm.is_none() && headers.contains_key("x-amz-sdk-checksum-algorithm") {
            return Err(s3_error!(
                InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                 x-amz-trailer headers were found."
            ));
        }
        let checksum = algorithm.and_then(|algorithm| text(&header_of(algorithm)));
        Ok(Self {
            length,
            md5: text("content-md5").map(str::to_owned),
            algorithm,
            checksum: checksum.map(str::to_owned),
        })
    }

    /// Whether the headers guard the body against damage. S3 wants that of a locked object.
    pub(super) fn is_guarded(&self) -> bool {
        self.md5.is_some() || self.algorithm.is_some()
    }

    /// Receives a body into a file of `bucket`. The error says what is wrong with the body.
    pub(super) async fn receive(
        mut self,
        bucket: Arc<Bucket>,
        mut body: StreamingBlob,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Upload> {
        let algorithm = self.algorithm.unwrap_or(DEFAULT_ALGORITHM);
        let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
        let writer = spawn_blocking(move || write(&bucket, chunks, algorithm));
        let mut left = self.length;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| damaged(&error))?;
            // A chunked body may go on past the length that it has announced.
            left = left.checked_sub(chunk.len() as u64).ok_or_else(incomplete)?;
            if sender.send(chunk).await.is_err() {
                // The writer has failed. Its result tells why.
                break;
            }
        }
        drop(sender);
        let (upload, md5) = writer.await.map_err(S3Error::internal_error)??;
        if self.algorithm.is_some() && self.checksum.is_none() {
            let trailers = trailers.and_then(|trailers| trailers.take()).unwrap_or_default();
            let value = trailers.get(header_of(algorithm)).and_then(|value| value.to_str().ok());
            self.checksum = Some(value.unwrap_or_default().to_owned());
        }
        self.check(&upload, md5)?;
        Ok(upload)
    }

    fn check(&self, upload: &Upload, md5: [u8; 16]) -> S3Result {
        if upload.size != self.length {
            return Err(incomplete());
        }
        if let Some(announced) = &self.md5 {
            let announced = STANDARD.decode(announced).unwrap_or_default();
            if announced.len() != md5.len() {
                return Err(s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."));
            }
            if announced != md5 {
                return Err(s3_error!(
                    BadDigest,
                    "The Content-MD5 you specified did not match what we received."
                ));
            }
        }
        match &self.checksum {
            Some(announced) if *announced != upload.checksum.value => Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                upload.checksum.algorithm.to_uppercase()
            )),
            _ => Ok(()),
        }
    }
}

/// Writes the chunks to a file. A sender that goes before the end of the body drops the result, and
/// with it the file.
fn write(
    bucket: &Bucket,
    mut chunks: mpsc::Receiver<Bytes>,
    algorithm: &str,
) -> S3Result<(Upload, [u8; 16])> {
    let mut draft = bucket.draft().map_err(internal)?;
    let mut size = 0;
    let mut md5 = Md5::new();
    let mut checksum = hasher(algorithm);
    while let Some(chunk) = chunks.blocking_recv() {
        draft.write_all(&chunk).map_err(internal)?;
        size += chunk.len() as u64;
        md5.update(&chunk);
        checksum.update(&chunk);
    }
    let md5 = md5.finalize();
    let e_tag = format!("{:032x}", u128::from_be_bytes(md5));
    let sums = checksum.finalize();
    let value = sums
        .checksum_crc32
        .or(sums.checksum_crc32c)
        .or(sums.checksum_crc64nvme)
        .or(sums.checksum_sha1)
        .or(sums.checksum_sha256);
    let value = value.unwrap_or_default();
    let checksum = Checksum { algorithm: algorithm.to_owned(), value };
    Ok((Upload { draft, size, e_tag, checksum }, md5))
}

fn hasher(algorithm: &str) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    match algorithm {
        "crc32" => hasher.crc32 = Some(Crc32::default()),
        "crc32c" => hasher.crc32c = Some(Crc32c::default()),
        "sha1" => hasher.sha1 = Some(Sha1::default()),
        "sha256" => hasher.sha256 = Some(Sha256::default()),
        _ => hasher.crc64nvme = Some(Crc64Nvme::default()),
    }
    hasher
}

fn header_of(algorithm: &str) -> String {
    format!("x-amz-checksum-{algorithm}")
}

/// The error for a body that s3s could not read. Its types are private, so the text decides.
fn damaged(error: &StdError) -> S3Error {
    match error.to_string().as_str() {
        "UploadStreamError: Sha256Mismatch" => {
            let Ok(code) = "XAmzContentSHA256Mismatch".parse::<S3ErrorCode>();
            let mut mismatch = S3Error::with_message(
                code,
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            );
            mismatch.set_status_code(StatusCode::BAD_REQUEST);
            mismatch
        }
        "AwsChunkedStreamError: SignatureMismatch" => s3_error!(
            SignatureDoesNotMatch,
            "The signature of a chunk does not match the signature you provided."
        ),
        _ => incomplete(),
    }
}

fn incomplete() -> S3Error {
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;
    use crate::template::model;

    #[tokio::test]
    async fn a_body_has_the_length_that_it_has_announced() {
        let parent = tempfile::tempdir().unwrap();
        let described = model::Bucket { name: "bucket".into(), ..model::Bucket::default() };
        let bucket = Bucket::open(described, parent.path().join("bucket"), false).unwrap();
        let bucket = Arc::new(bucket);
        for (length, expected) in
            [(4, Some("IncompleteBody")), (5, None), (6, Some("IncompleteBody"))]
        {
            let pieces = ["he", "llo"].map(|piece| Ok::<_, io::Error>(Bytes::from(piece)));
            let body = StreamingBlob::wrap(stream::iter(pieces));
            let announced = Announced::new(&HeaderMap::new(), Some(length)).unwrap();
            let refusal = announced.receive(Arc::clone(&bucket), body, None).await.err();
            assert_eq!(refusal.as_ref().map(|error| error.code().as_str()), expected, "{length}");
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused_before_it_is_read() {
        let headers = HeaderMap::new();
        let limit = i64::try_from(SIZE_LIMIT).unwrap();
        assert!(Announced::new(&headers, Some(limit)).is_ok());
        let refusal = Announced::new(&headers, Some(limit + 1)).unwrap_err();
        assert_eq!(refusal.code().as_str(), "EntityTooLarge");
        assert!(refusal.message().unwrap().contains("64 MiB, and 67108865 bytes"), "{refusal}");
        let refusal = Announced::new(&headers, None).unwrap_err();
        assert_eq!(refusal.code().as_str(), "MissingContentLength");
    }
}
