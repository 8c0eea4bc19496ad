//! The rows of a batch's item, as its result has them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tally_access::sources::Sources;
use utoipa::ToSchema;

use super::error::ErrorCode;
use super::kind::ItemStatus;

/// The result of a batch's item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredRows {
    /// The rows, in order. It lacks those of a call that failed as a whole.
    pub rows: Vec<StoredRow>,
    /// The columns that the outputs came from.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
}

/// A row of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRow {
    /// Its number in the sheet.
    pub row: u32,
    /// Its state. It is never `running`.
    pub status: ItemStatus,
    /// The output. A row that has succeeded may have none: it was empty, or has no such value.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// The fields of the output with numbers that the row does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ungrounded: Vec<String>,
    /// Why it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<RowErrorCode>,
    /// How often a model was asked about it. While it is pending, the attempts of the current round
    /// do not count.
    pub attempts: u32,
}

/// Why a row has no output. `invalid_output`: the output does not have the form that was asked for.
/// `missing_output`: the model left the row out. `provider_error`: the provider did not answer, or
/// refused the request. `refused`: the model, or its provider, refused the content. `too_long`: the
/// output, or the whole answer, is longer than it may be. `too_large`: the rows of the call have
/// more text than the model takes, or more than was held for it. The others say why the job ended
/// before: the range is gone (`input_gone`), you may no longer give its cells to a model
/// (`access_revoked`), the hold did not leave enough (`budget_exceeded`), the round ran for 24 hours
/// (`expired`), or its worker died or a store failed three times (`interrupted`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BatchRowErrorCode)]
pub enum RowErrorCode {
    /// The output does not have the form that was asked for.
    InvalidOutput,
    /// The model left the row out.
    MissingOutput,
    /// The provider did not answer, or refused the request.
    ProviderError,
    /// The model, or its provider, refused the content.
    Refused,
    /// The output, or the whole answer, is longer than it may be.
    TooLong,
    /// The rows of the call have too much text.
    TooLarge,
    /// The range is gone.
    InputGone,
    /// Its user may no longer give the cells to a model.
    AccessRevoked,
    /// The job's hold did not leave enough.
    BudgetExceeded,
    /// The round ran for 24 hours.
    Expired,
    /// Three times, the job's worker died or a store failed.
    Interrupted,
}

impl RowErrorCode {
    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidOutput => "invalid_output",
            Self::MissingOutput => "missing_output",
            Self::ProviderError => "provider_error",
            Self::Refused => "refused",
            Self::TooLong => "too_long",
            Self::TooLarge => "too_large",
            Self::InputGone => "input_gone",
            Self::AccessRevoked => "access_revoked",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
        }
    }

    /// The reason, for people.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::InvalidOutput => "The model's output does not have the form that was asked for.",
            Self::MissingOutput => "The model's answer does not have the row.",
            Self::ProviderError => "The provider does not answer, or refuses the request.",
            Self::Refused => "The model, or its provider, refuses the content.",
            Self::TooLong => "The model's output is longer than it may be.",
            Self::TooLarge => "The rows of the call have too much text.",
            Self::InputGone => "The range is gone.",
            Self::AccessRevoked => "You may no longer give these cells to a model.",
            Self::BudgetExceeded => "The hold of the job does not leave enough for the call.",
            Self::Expired => "The round of the job has run for 24 hours.",
            Self::Interrupted => "Three times, the worker of the job died, or a store failed.",
        }
    }
}

/// The error of a row whose call has failed as a whole.
impl From<ErrorCode> for RowErrorCode {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::ProviderRateLimited
            | ErrorCode::ProviderUnavailable
            | ErrorCode::ProviderRejected => Self::ProviderError,
            ErrorCode::Refused => Self::Refused,
            ErrorCode::InvalidOutput => Self::InvalidOutput,
            ErrorCode::OutputTooLong => Self::TooLong,
            ErrorCode::TooLarge => Self::TooLarge,
            ErrorCode::InputGone => Self::InputGone,
            ErrorCode::BudgetExceeded => Self::BudgetExceeded,
            ErrorCode::Interrupted => Self::Interrupted,
            ErrorCode::Expired => Self::Expired,
            ErrorCode::AccessRevoked => Self::AccessRevoked,
        }
    }
}

impl StoredRows {
    /// Whether a row has a result.
    pub fn has(&self, row: u32) -> bool {
        self.rows.iter().any(|known| known.row == row && known.status == ItemStatus::Succeeded)
    }
}

impl StoredRow {
    /// A row without output in this state.
    pub fn new(row: u32, status: ItemStatus, attempts: u32) -> Self {
        let (output, ungrounded) = (Value::Null, Vec::new());
        Self { row, status, output, ungrounded, code: None, attempts }
    }

    /// The same with an output.
    #[must_use]
    pub fn with(self, output: Value, ungrounded: Vec<String>) -> Self {
        Self { status: ItemStatus::Succeeded, output, ungrounded, code: None, ..self }
    }

    /// The same with an error.
    #[must_use]
    pub fn failed(self, code: RowErrorCode) -> Self {
        let (output, ungrounded) = (Value::Null, Vec::new());
        Self { status: ItemStatus::Failed, output, ungrounded, code: Some(code), ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_stored_in_few_bytes() {
        let row = StoredRow::new(7, ItemStatus::Pending, 1);
        for (row, expected) in [
            (row.clone(), json!({"row": 7, "status": "pending", "attempts": 1})),
            (
                row.clone().with(json!({"n": 5}), vec!["n".into()]),
                json!({
                    "row": 7, "status": "succeeded", "output": {"n": 5}, "ungrounded": ["n"],
                    "attempts": 1,
                }),
            ),
            (
                row.clone().with(Value::Null, Vec::new()),
                json!({"row": 7, "status": "succeeded", "attempts": 1}),
            ),
            (
                row.with(json!("x"), Vec::new()).failed(RowErrorCode::TooLong),
                json!({"row": 7, "status": "failed", "code": "too_long", "attempts": 1}),
            ),
        ] {
            assert_eq!(json!(row), expected);
            let all = StoredRows { rows: vec![row], ..StoredRows::default() };
            let stored = serde_json::to_string(&all).unwrap();
            assert!(!stored.contains("sources"));
            assert_eq!(serde_json::from_str::<StoredRows>(&stored).unwrap(), all);
        }
    }

    #[test]
    fn a_word_is_stored_and_sent_alike() {
        for code in [
            RowErrorCode::InvalidOutput,
            RowErrorCode::MissingOutput,
            RowErrorCode::ProviderError,
            RowErrorCode::Refused,
            RowErrorCode::TooLong,
            RowErrorCode::TooLarge,
            RowErrorCode::InputGone,
            RowErrorCode::AccessRevoked,
            RowErrorCode::BudgetExceeded,
            RowErrorCode::Expired,
            RowErrorCode::Interrupted,
        ] {
            assert_eq!(json!(code), code.as_str());
        }
    }
}
