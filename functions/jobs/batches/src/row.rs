//! A row of a batch as its user sees it.

use cells::address::column_letters;
use platform::input::{FromField, RawValue};
use serde::Serialize;
use serde_json::Value;
use tally_jobs::domain::{BatchWork, ItemStatus, RowErrorCode, StoredRow};
use utoipa::ToSchema;

/// A row of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BatchRow {
    /// Its number in the sheet.
    #[schema(example = 7)]
    pub row: u32,
    /// Its state.
    pub status: RowStatus,
    /// The output. `clean`: text, a number, a day, an amount `{"amount": "12.50", "currency":
    /// "EUR"}`, or null if the cell has no such value. `classify`: a label, or a list of labels with
    /// `multi`. `extract`: an object with the fields, of which those that the row does not have are
    /// null. `explain`, `summarize`: text. Null for a row whose input cells are all empty, and until
    /// the row has succeeded.
    #[schema(example = "paid")]
    pub output: Value,
    /// Why it has none. Absent unless it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<RowError>,
    /// How often a model was asked about it.
    #[schema(example = 1)]
    pub attempts: u32,
    /// The addresses of its input cells.
    #[schema(example = json!(["B7", "C7"]))]
    pub cells: Vec<String>,
    /// The fields of the output with numbers that the row does not have. Check them. Absent if there
    /// are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, example = json!(["net"]))]
    pub ungrounded: Vec<String>,
}

/// Why a row has no output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BatchRowError)]
pub struct RowError {
    /// The reason, for programs.
    pub code: RowErrorCode,
    /// The reason, for people.
    #[schema(example = "The model's answer does not have the row.")]
    pub detail: String,
}

/// The state of a row. `pending`: its call has not ended. `succeeded`: it has an output, or needs
/// none. `failed`: `error` says why it has none. `cancelled`: its job was stopped before it had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BatchRowStatus)]
pub enum RowStatus {
    /// Its call has not ended.
    Pending,
    /// It has an output, or needs none.
    Succeeded,
    /// `error` says why it has none.
    Failed,
    /// Its job was stopped before it had an output.
    Cancelled,
}

impl RowStatus {
    const ALL: [Self; 4] = [Self::Pending, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word that is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<RowErrorCode> for RowError {
    fn from(code: RowErrorCode) -> Self {
        Self { code, detail: code.detail().to_owned() }
    }
}

impl From<ItemStatus> for RowStatus {
    fn from(status: ItemStatus) -> Self {
        match status {
            ItemStatus::Pending | ItemStatus::Running => Self::Pending,
            ItemStatus::Succeeded => Self::Succeeded,
            ItemStatus::Failed => Self::Failed,
            ItemStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl FromField for RowStatus {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| "must be pending, succeeded, failed or cancelled".into())
    }
}

impl BatchRow {
    /// A row of a batch.
    pub fn new(work: &BatchWork, row: StoredRow) -> Self {
        let StoredRow { row, status, output, ungrounded, code, attempts } = row;
        Self {
            row,
            status: status.into(),
            output,
            error: code.map(RowError::from),
            attempts,
            cells: work.columns().map(|at| format!("{}{row}", column_letters(at))).collect(),
            ungrounded,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tally_jobs::domain::Operation;

    use super::*;

    #[test]
    fn a_row_says_what_became_of_it() {
        let work = BatchWork {
            range_id: "r".into(),
            operation: Operation::Explain,
            input_columns: vec!["B".parse().unwrap(), "AA".parse().unwrap()],
            first_row: 7,
            last_row: 9,
            rows_per_call: 20,
            bytes: Vec::new(),
        };
        let row = StoredRow::new(7, ItemStatus::Running, 2);
        let cells = ["B7", "AA7"];
        for (row, expected) in [
            (
                row.clone(),
                json!({
                    "row": 7, "status": "pending", "output": null, "attempts": 2, "cells": cells,
                }),
            ),
            (
                row.clone().with(json!({"net": 5}), vec!["net".into()]),
                json!({
                    "row": 7, "status": "succeeded", "output": {"net": 5}, "attempts": 2,
                    "cells": cells, "ungrounded": ["net"],
                }),
            ),
            (
                row.failed(RowErrorCode::MissingOutput),
                json!({
                    "row": 7, "status": "failed", "output": null, "attempts": 2, "cells": cells,
                    "error": {
                        "code": "missing_output",
                        "detail": "The model's answer does not have the row.",
                    },
                }),
            ),
        ] {
            assert_eq!(json!(BatchRow::new(&work, row)), expected);
        }
    }

    #[test]
    fn a_state_is_sent_and_read_alike() {
        for status in RowStatus::ALL {
            assert_eq!(json!(status), status.as_str());
            assert_eq!(RowStatus::read(&RawValue::Text(status.as_str())), Ok(status));
        }
        assert!(RowStatus::read(&RawValue::Text("running")).is_err());
    }
}
