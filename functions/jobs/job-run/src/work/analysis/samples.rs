//! Items and findings for tests.

use serde_json::Value;
use tally_jobs::domain::{ErrorCode, Finding, ItemStatus, JobError, Severity};
use tally_jobs::store::Item;

use crate::samples;

/// An item that has succeeded with this result.
pub fn item(index: u32, result: &Value) -> Item {
    samples::item(index, ItemStatus::Succeeded, Some(result.to_string()))
}

/// An item that has failed.
pub fn failed(index: u32, code: ErrorCode) -> Item {
    let error = Some(JobError::of(code));
    Item { error, ..samples::item(index, ItemStatus::Failed, None) }
}

/// A finding.
pub fn finding(severity: Severity, rule: &str, line: Option<u32>) -> Finding {
    Finding {
        input: "src.zip".into(),
        rule: rule.into(),
        severity,
        message: format!("About {rule}."),
        suggestion: None,
        quote: format!("quote of {rule}"),
        anchored: line.is_some(),
        file: Some("src/a.rs".into()),
        line,
        end_line: line,
        page: None,
    }
}
