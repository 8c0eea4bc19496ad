//! Lambda's Invoke API: one function calls another and waits, or starts it and goes on.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::de::IgnoredAny;

use super::answer::{Answer, answer, error};
use super::calls::{CallLog, Service};
use crate::lambda::{Invoke, InvokeError};

/// Largest payload of a synchronous invocation in bytes.
const SYNCHRONOUS_LIMIT: usize = 6 * 1024 * 1024;
/// Largest payload of an asynchronous invocation in bytes.
const EVENT_LIMIT: usize = 1024 * 1024;

/// The API.
pub(super) struct InvokeApi {
    functions: Arc<dyn Invoke>,
}

impl InvokeApi {
    pub(super) fn new(functions: Arc<dyn Invoke>) -> Self {
        Self { functions }
    }

    /// Answers `/2015-03-31/functions/{target}/invocations`, `target` being a name or ARN.
    pub(super) async fn answer(
        &self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        payload: Bytes,
        calls: &CallLog,
    ) -> Answer {
        let function = function_id(target);
        calls.record(Service::Lambda, "Invoke", vec![function.to_owned()]);
        if method != Method::POST {
            return error(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowedException",
                "Invoke is a POST",
            );
        }
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        if let Err(reason) = serde_json::from_slice::<IgnoredAny>(&payload) {
            let message = format!("Could not parse request body into json: {reason}");
            return error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message);
        }
        let kind = headers
            .get("x-amz-invocation-type")
            .map_or("RequestResponse", |kind| kind.to_str().unwrap_or(""));
        match kind {
            "RequestResponse" if payload.len() <= SYNCHRONOUS_LIMIT => {
                invoked(self.functions.invoke(function, payload).await)
            }
            "Event" if payload.len() <= EVENT_LIMIT => {
                match self.functions.invoke_async(function, payload) {
                    Ok(()) => answer(StatusCode::ACCEPTED, Bytes::new()),
                    Err(error) => refused(&error),
                }
            }
            "RequestResponse" | "Event" => error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                "Request must be smaller than 6291456 bytes, or 1048576 bytes for an Event",
            ),
            _ => error(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                "X-Amz-Invocation-Type must be RequestResponse or Event",
            ),
        }
    }
}

/// The logical id in a function's name or ARN: `Worker`, `000000000000:function:Worker`,
/// `arn:aws:lambda:us-east-1:000000000000:function:Worker`. A version or an alias remains part of
/// the id, so it matches no function here.
pub(super) fn function_id(target: &str) -> &str {
    let name = target.rsplit_once("function:").map_or(target, |(_, name)| name);
    name.strip_suffix(":$LATEST").unwrap_or(name)
}

fn invoked(result: Result<Bytes, InvokeError>) -> Answer {
    let error = match result {
        Ok(payload) => return answer(StatusCode::OK, payload),
        Err(error) => error,
    };
    let Some(payload) = error.payload() else { return refused(&error) };
    let mut answer = answer(StatusCode::OK, payload);
    answer.headers_mut().insert(
        HeaderName::from_static("x-amz-function-error"),
        HeaderValue::from_static("Unhandled"),
    );
    answer
}

/// The answer to an invocation that never reached a function.
fn refused(reason: &InvokeError) -> Answer {
    match reason {
        InvokeError::Unknown(_) => {
            error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &reason.to_string())
        }
        _ => error(StatusCode::SERVICE_UNAVAILABLE, "ServiceException", &reason.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_every_form_of_its_name() {
        for (target, id) in [
            ("Worker", "Worker"),
            ("Worker:$LATEST", "Worker"),
            ("Worker:live", "Worker:live"),
            ("000000000000:function:Worker", "Worker"),
            ("arn:aws:lambda:us-east-1:000000000000:function:Worker", "Worker"),
            ("arn:aws:lambda:us-east-1:000000000000:function:Worker:$LATEST", "Worker"),
            ("arn:aws:lambda:us-east-1:000000000000:function:Worker:7", "Worker:7"),
        ] {
            assert_eq!(function_id(target), id, "{target}");
        }
    }
}
