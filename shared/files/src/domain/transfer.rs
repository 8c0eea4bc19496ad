//! The requests that upload and download the bytes of a file. A URL is signed: its holder needs no
//! other credential.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::media_type::MediaType;
use super::sha256::Sha256;

/// The announced facts about an upload. The signature covers them.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'a> {
    /// Number of the bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: &'a Sha256,
    /// Media type.
    pub media_type: &'a MediaType,
}

/// The request that uploads the bytes.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FileUpload)]
pub struct Upload {
    /// Method of the request.
    #[schema(example = "PUT")]
    pub method: &'static str,
    /// URL of the request. Send no token and no cookie to it.
    #[schema(format = "uri")]
    pub url: String,
    /// Headers of the request. Send them unchanged. An HTTP client adds `Content-Length`, which
    /// must be `size`. S3 refuses other bytes (400 or 403) and a second upload (412).
    #[schema(example = json!({
        "content-type": "application/pdf", "if-none-match": "*",
        "x-amz-checksum-sha256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
    }))]
    pub headers: BTreeMap<String, String>,
    /// Time until which S3 takes the request, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:45:00.000Z")]
    pub expires_at: String,
}

/// The request that downloads the bytes.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FileDownload)]
pub struct Download {
    /// URL for a `GET`. It gives the bytes as an attachment. Send no token and no cookie to it.
    #[schema(format = "uri")]
    pub url: String,
    /// Time until which S3 takes the request, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:35:00.000Z")]
    pub expires_at: String,
}

platform::opaque!(Upload, Download);
