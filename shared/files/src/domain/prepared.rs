//! The payload of `file-prepare`, and its answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Entries of an archive that a file lists as skipped, at most.
pub const MOST_SKIPPED: usize = 200;

/// Bytes of the paths of these entries, at most. An item has room for 400 KB, and lists of files
/// and announcements read the items of a user.
pub const MOST_SKIPPED_BYTES: usize = 20_000;

/// The payload of `file-prepare`. It has all that the function knows, because it reads no table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// Id of the user.
    pub user_id: String,
    /// Id of the file.
    pub file_id: String,
    /// Bytes, as the user announced them.
    pub size: u64,
    /// SHA-256 of them, 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// Media type, as the user announced it.
    pub media_type: String,
}

/// The answer of `file-prepare`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Prepared {
    /// The parts are in the bucket.
    Ready {
        /// Number of parts.
        parts: u32,
        /// Number of pages of a PDF.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<u32>,
        /// Entries of an archive that have no part, at most [`MOST_SKIPPED`].
        #[serde(default)]
        skipped: Vec<Skipped>,
    },
    /// The file cannot be used.
    Rejected {
        /// The reason.
        reason: Reason,
    },
}

/// Why a file is rejected. `type_mismatch`: the bytes are not of the media type. `not_text`: a text
/// is not UTF-8. `encrypted`: a PDF or an archive is encrypted. `unsafe_archive`: a path of an
/// archive is absolute, or has `..` or a backslash; or an entry is a link, a duplicate, or overlaps
/// another. `too_large`: there are too many entries, bytes, pages or parts. `empty`: there is no
/// content. `unreadable`: the server cannot read the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FileReason)]
pub enum Reason {
    /// The bytes are not of the media type.
    TypeMismatch,
    /// A text is not UTF-8.
    NotText,
    /// A PDF or archive is encrypted.
    Encrypted,
    /// An archive has a path that is absolute, or has `..` or a backslash. Or an entry is a link, a
    /// duplicate, or overlaps another.
    UnsafeArchive,
    /// It has more entries, bytes, pages or parts than a file may have.
    TooLarge,
    /// It has no content.
    Empty,
    /// It cannot be read.
    Unreadable,
}

/// An entry of an archive that has no part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SkippedEntry)]
pub struct Skipped {
    /// Path within the archive.
    #[schema(example = "target/debug/app")]
    pub path: String,
    /// The reason.
    pub reason: SkippedBecause,
}

/// Why an entry has no part. `nested_archive`: it is an archive itself. `binary`: it is not text.
/// `folder`: it is in a folder `node_modules`, `target` or `.git`, and `path` is that of the
/// folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SkippedReason)]
pub enum SkippedBecause {
    /// It is an archive itself.
    NestedArchive,
    /// It is not text.
    Binary,
    /// It is in `node_modules`, `target` or `.git`. The path is that of the folder.
    Folder,
}
