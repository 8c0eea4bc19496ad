//! A file as its user sees it.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::prepared::{Reason, Skipped};

/// A file of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct File {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Its name, for people.
    #[schema(example = "Contract.pdf")]
    pub name: String,
    /// Number of its bytes.
    #[schema(example = 48_213)]
    pub size: u64,
    /// SHA-256 of the bytes, 64 hexadecimal digits in lower case.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: String,
    /// Media type, as its owner announced it.
    #[schema(example = "application/pdf")]
    pub media_type: String,
    /// State of the file.
    pub status: FileStatus,
    /// Why it is rejected. Absent unless it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<Reason>,
    /// Number of pages. Absent unless it is a PDF that is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12)]
    pub pages: Option<u32>,
    /// Number of parts. A model gets one part at a time. Absent unless the file is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1)]
    pub parts: Option<u32>,
    /// Entries of an archive that have no part, at most 200. `file.updated` leaves the list out if
    /// it has no room for it. Every answer over HTTP has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub skipped: Option<Vec<Skipped>>,
    /// Time of its announcement, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Time from which on it is gone, RFC 3339 in UTC: a day after the announcement. A completed
    /// upload moves it on by as many days as the deployment keeps files.
    #[schema(format = DateTime, example = "2026-02-01T09:30:00.000Z")]
    pub expires_at: String,
}

/// The state of a file. `pending`: it waits for its upload to be completed. `processing`: the
/// server checks it and divides it into parts. `ready`: it can be used. `rejected`: it cannot be
/// used, and `reason` says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// It waits for its upload to be completed.
    Pending,
    /// The server checks it and divides it into parts.
    Processing,
    /// It can be used.
    Ready,
    /// It cannot be used. `reason` says why.
    Rejected,
}

impl FileStatus {
    const ALL: [Self; 4] = [Self::Pending, Self::Processing, Self::Ready, Self::Rejected];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Rejected => "rejected",
        }
    }
}

impl FromField for FileStatus {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| "must be pending, processing, ready or rejected".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_stored_sent_and_read_by_the_same_word() {
        for status in FileStatus::ALL {
            assert_eq!(json!(status), status.as_str());
            assert_eq!(FileStatus::read(&RawValue::Text(status.as_str())), Ok(status));
        }
        assert!(FileStatus::read(&RawValue::Text("Ready")).is_err());
    }
}
