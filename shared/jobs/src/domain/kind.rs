//! The kinds of jobs, and the statuses of jobs and of their items.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kind of a job. `analysis`: reads files and texts. `evaluation`: compares versions of a
/// prompt. `batch`: reads the rows of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// It reads files and texts.
    Analysis,
    /// It compares versions of a prompt.
    Evaluation,
    /// It reads the rows of a range.
    Batch,
}

/// The state of a job. `queued`: no worker has begun it. `running`: a worker makes its calls, or it
/// waits for the provider. `succeeded`: all items have ended, and at least one has succeeded.
/// `failed`: no item has succeeded, or its user may no longer give the data to a model. `cancelled`:
/// its user has stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// No worker has begun it.
    Queued,
    /// A worker makes its calls, or it waits for the provider.
    Running,
    /// All items have ended, and at least one has succeeded.
    Succeeded,
    /// No item has succeeded, or its user may no longer give the data to a model.
    Failed,
    /// Its user has stopped it.
    Cancelled,
}

/// The state of an item. `pending`: its call has not begun. `running`: its call is under way.
/// `succeeded`: it has a result. `failed`: `error` says why it has none. `cancelled`: its job was
/// stopped before it had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemStatus {
    /// Its call has not begun.
    Pending,
    /// Its call is under way.
    Running,
    /// It has a result.
    Succeeded,
    /// `error` says why it has none.
    Failed,
    /// Its job was stopped before it had a result.
    Cancelled,
}

impl JobKind {
    const ALL: [Self; 3] = [Self::Analysis, Self::Evaluation, Self::Batch];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analysis => "analysis",
            Self::Evaluation => "evaluation",
            Self::Batch => "batch",
        }
    }
}

impl JobStatus {
    const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether its worker makes no further call, unless the user retries it.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl ItemStatus {
    const ALL: [Self; 5] =
        [Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether this round makes no further call for it.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl FromField for JobKind {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| "must be analysis, evaluation or batch".into())
    }
}

impl FromField for JobStatus {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| "must be queued, running, succeeded, failed or cancelled".into())
    }
}

impl FromField for ItemStatus {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| "must be pending, running, succeeded, failed or cancelled".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_is_stored_sent_and_read_alike() {
        for kind in JobKind::ALL {
            assert_eq!(json!(kind), kind.as_str());
            assert_eq!(JobKind::read(&RawValue::Text(kind.as_str())), Ok(kind));
        }
        for status in JobStatus::ALL {
            assert_eq!(json!(status), status.as_str());
            assert_eq!(JobStatus::read(&RawValue::Text(status.as_str())), Ok(status));
        }
        for status in ItemStatus::ALL {
            assert_eq!(json!(status), status.as_str());
            assert_eq!(ItemStatus::read(&RawValue::Text(status.as_str())), Ok(status));
        }
        assert!(JobKind::read(&RawValue::Text("Batch")).is_err());
        assert!(JobStatus::read(&RawValue::Text("")).is_err());
        assert!(ItemStatus::read(&RawValue::Text("done")).is_err());
    }
}
