//! Answers of the endpoints: JSON, and errors in the shapes that AWS's SDKs read.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use uuid::Uuid;

pub(super) type Answer = Response<Full<Bytes>>;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Answers with `body` and a request id, as every AWS answer has one.
pub(super) fn answer(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// An error. SDKs read its kind from the body's `__type` (DynamoDB, Secrets Manager, KMS, SQS) or
/// from the header (Lambda, `@connections`).
pub(super) fn error(status: StatusCode, kind: &'static str, message: &str) -> Answer {
    let mut answer = answer(status, json!({ "__type": kind, "message": message }).to_string());
    answer.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(kind));
    answer
}
