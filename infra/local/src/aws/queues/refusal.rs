//! Refusals of SQS, in AWS's words where they matter.
//!
//! An error has two names: one in the body, and the one that SQS had before it spoke JSON, in the
//! header `x-amzn-query-error`. SDKs know most errors by the older name, and so do the entries of a
//! batch that fail.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::super::answer::{Answer, error};

const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    /// `code;Sender`, or `code;Receiver` if the sender is not at fault.
    query_error: &'static str,
    pub(super) message: String,
}

impl Refusal {
    fn new(kind: &'static str, query_error: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, query_error, message: message.into() }
    }

    /// There is no queue with this URL or name.
    pub(super) fn no_queue() -> Self {
        Self::new(
            "com.amazonaws.sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue;Sender",
            "The specified queue does not exist.",
        )
    }

    /// The URL is not that of a queue.
    pub(super) fn address(url: &str) -> Self {
        let message = format!("The address {url} is not valid for this endpoint.");
        let refusal =
            Self::new("com.amazonaws.sqs#InvalidAddress", "InvalidAddress;Sender", message);
        Self { status: StatusCode::NOT_FOUND, ..refusal }
    }

    /// This queue has never given out the receipt handle.
    pub(super) fn receipt(handle: &str) -> Self {
        let refusal = Self::new(
            "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid;Sender",
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
        );
        Self { status: StatusCode::NOT_FOUND, ..refusal }
    }

    /// The message is visible already.
    pub(super) fn not_in_flight() -> Self {
        Self::new(
            "com.amazonaws.sqs#MessageNotInflight",
            "AWS.SimpleQueueService.MessageNotInflight;Sender",
            "The message referred to is not in flight.",
        )
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::new(
            "com.amazon.coral.service#MissingRequiredParameterException",
            "MissingParameter;Sender",
            format!("The request must contain the parameter {parameter}."),
        )
    }

    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self::new(
            "com.amazon.coral.service#InvalidParameterValueException",
            "InvalidParameterValue;Sender",
            message,
        )
    }

    pub(super) fn attribute(name: &str) -> Self {
        Self::new(
            "com.amazonaws.sqs#InvalidAttributeName",
            "InvalidAttributeName;Sender",
            format!("Unknown Attribute {name}."),
        )
    }

    pub(super) fn contents() -> Self {
        Self::new(
            "com.amazonaws.sqs#InvalidMessageContents",
            "InvalidMessageContents;Sender",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
             #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.",
        )
    }

    pub(super) fn empty_batch() -> Self {
        Self::new(
            "com.amazonaws.sqs#EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest;Sender",
            "There should be at least one entry in the request.",
        )
    }

    pub(super) fn long_batch(entries: usize) -> Self {
        Self::new(
            "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender",
            format!("Maximum number of entries per request are 10. You have sent {entries}."),
        )
    }

    pub(super) fn large_batch(bytes: usize) -> Self {
        Self::new(
            "com.amazonaws.sqs#BatchRequestTooLong",
            "AWS.SimpleQueueService.BatchRequestTooLong;Sender",
            format!(
                "Batch requests cannot be longer than 1048576 bytes. You have sent {bytes} bytes."
            ),
        )
    }

    pub(super) fn entry_id() -> Self {
        Self::new(
            "com.amazonaws.sqs#InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId;Sender",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
             It can be at most 80 letters long.",
        )
    }

    pub(super) fn repeated_entry(id: &str) -> Self {
        Self::new(
            "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct;Sender",
            format!("Id {id} repeated."),
        )
    }

    pub(super) fn operation(name: &str) -> Self {
        Self::unsupported(format!("the local SQS does not know the operation {name}"))
    }

    /// The local SQS lacks something that AWS may have.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(
            "com.amazonaws.sqs#UnsupportedOperation",
            "AWS.SimpleQueueService.UnsupportedOperation;Sender",
            message,
        )
    }

    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        let refusal = Self::new(
            "com.amazon.coral.service#InternalFailure",
            "InternalFailure;Receiver",
            error.to_string(),
        );
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..refusal }
    }

    pub(super) fn answer(&self) -> Answer {
        let mut answer = error(self.status, self.kind, &self.message);
        answer.headers_mut().insert(QUERY_ERROR, HeaderValue::from_static(self.query_error));
        answer
    }

    /// The entry of a batch that this refuses.
    pub(super) fn entry(&self, id: &str) -> Value {
        let (code, fault) = self.query_error.split_once(';').unwrap_or_default();
        json!({"Id": id, "SenderFault": fault == "Sender", "Code": code, "Message": self.message})
    }
}
