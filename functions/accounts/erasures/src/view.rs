//! How an erasure is shown.

use platform::clock::rfc3339_ms;
use serde::Serialize;
use tally_accounts::store::Erasure;
use utoipa::ToSchema;

/// Milliseconds after which the last backup of a table is gone: `DynamoDB` keeps points in time for
/// 35 days.
const BACKUPS_MS: i64 = 35 * 86_400_000;

/// How far an erasure has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureStatus {
    /// A second administrator has to confirm it.
    AwaitingConfirmation,
    /// The data is being destroyed. The texts of the user's events are unreadable at once.
    Running,
    /// The data is destroyed, apart from backups.
    Complete,
}

/// The erasure of a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Erasure)]
pub struct ErasureView {
    /// How far it has come.
    pub status: ErasureStatus,
    /// Id of the administrator who has asked for it.
    #[schema(format = "uuid")]
    pub requested_by: String,
    /// Until then a second administrator can confirm it. RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-02-01T09:30:00.000Z")]
    pub expires_at: String,
    /// From then on no backup has data of the user either: 35 days after the last deletion. Left
    /// out until the erasure is complete. RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false, example = "2026-03-08T09:45:00.000Z")]
    pub complete_after: Option<String>,
}

impl From<&Erasure> for ErasureView {
    fn from(erasure: &Erasure) -> Self {
        let status = match (erasure.confirmed_at, erasure.completed_at) {
            (_, Some(_)) => ErasureStatus::Complete,
            (Some(_), None) => ErasureStatus::Running,
            (None, None) => ErasureStatus::AwaitingConfirmation,
        };
        Self {
            status,
            requested_by: erasure.requested_by.clone(),
            expires_at: rfc3339_ms(erasure.expires_at),
            complete_after: erasure.completed_at.map(|time| rfc3339_ms(time + BACKUPS_MS)),
        }
    }
}
