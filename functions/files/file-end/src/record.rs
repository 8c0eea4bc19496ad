//! The record that Lambda sends to a destination after an asynchronous invocation.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>

use serde::Deserialize;
use serde_json::Value;
use tally_files::domain::{Prepare, Prepared, Reason};

/// The record of a preparation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The outcome of the invocation.
    pub request_context: RequestContext,
    /// The payload of the preparation. The function `files` has written it.
    pub request_payload: Prepare,
    /// Its answer or its error. Absent if it did not run.
    #[serde(default)]
    pub response_payload: Value,
}

/// The outcome of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// `Success`, `RetriesExhausted` or `EventAgeExceeded`.
    pub condition: String,
}

impl Record {
    /// The result of the preparation. If it died, took too long, did not run, or answered in
    /// another form, the file is unreadable.
    pub fn prepared(&self) -> Prepared {
        let unreadable = Prepared::Rejected { reason: Reason::Unreadable };
        let (file_id, condition) = (&self.request_payload.file_id, &self.request_context.condition);
        if condition != "Success" {
            tracing::warn!(file_id, condition, "failed to prepare a file; it is rejected");
            return unreadable;
        }
        Prepared::deserialize(&self.response_payload).unwrap_or_else(|error| {
            tracing::error!(%error, file_id, "failed to read the answer of a preparation");
            unreadable
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(condition: &str, response: Option<Value>) -> Record {
        let mut record = json!({
            "version": "1.0",
            "timestamp": "2026-01-31T09:30:00.000Z",
            "requestContext": {
                "requestId": "r-1",
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:x:$LATEST",
                "condition": condition,
                "approximateInvokeCount": 1,
            },
            "requestPayload": {
                "user_id": "u", "file_id": "f", "size": 7, "sha256": "0", "media_type": "text/csv",
            },
        });
        if let Some(response) = response {
            record["responseContext"] = json!({"statusCode": 200, "executedVersion": "$LATEST"});
            record["responsePayload"] = response;
        }
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn what_a_preparation_gave_is_read_from_its_record() {
        let ready = json!({"status": "ready", "parts": 2});
        let rejected = json!({"status": "rejected", "reason": "not_text"});
        let error = json!({"errorType": "Runtime.ExitError", "errorMessage": "it died"});
        let unreadable = Prepared::Rejected { reason: Reason::Unreadable };
        for (condition, response, expected) in [
            (
                "Success",
                Some(ready.clone()),
                Prepared::Ready { parts: 2, pages: None, skipped: Vec::new() },
            ),
            ("Success", Some(rejected), Prepared::Rejected { reason: Reason::NotText }),
            ("Success", Some(json!({"status": "ready"})), unreadable.clone()),
            ("Success", Some(json!("ready")), unreadable.clone()),
            ("Success", None, unreadable.clone()),
            ("RetriesExhausted", Some(error), unreadable.clone()),
            ("RetriesExhausted", Some(ready), unreadable.clone()),
            ("EventAgeExceeded", None, unreadable),
        ] {
            let record = record(condition, response);
            assert_eq!(record.prepared(), expected, "{condition} {}", record.response_payload);
        }
    }
}
