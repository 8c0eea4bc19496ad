//! The Lambda Runtime API, at `http://<address>/<function>/<process>/2018-06-01/runtime/…`.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::message::{Invocation, Message};
use super::{InvokeError, PAYLOAD_LIMIT_BYTES, Pools};
use crate::server::Server;

type Answer = Response<Full<Bytes>>;

/// Serves the processes of all functions.
pub(super) fn start(listener: TcpListener, pools: Pools) -> Server {
    Server::start(listener, move |request, _| {
        let pools = Arc::clone(&pools);
        async move { answer(request, &pools).await }
    })
}

async fn answer(request: Request<Incoming>, pools: &Pools) -> Answer {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let [function, process, "2018-06-01", "runtime", call @ ..] = segments.as_slice() else {
        return error(StatusCode::NOT_FOUND, "UnknownPath", "there is no such path");
    };
    let Some(pool) = pools.get(*function) else {
        return error(StatusCode::NOT_FOUND, "UnknownFunction", "there is no such function");
    };
    match (request.method(), call) {
        (&Method::GET, ["invocation", "next"]) => next(pool, process).await,
        (&Method::POST, ["invocation", request_id, "response"]) => {
            let outcome = match body(request).await {
                Ok(payload) => Ok(payload),
                Err(BodyError::TooLarge) => {
                    let failure = json!({
                        "errorType": "Function.ResponseSizeTooLarge",
                        "errorMessage": "Response payload size exceeded maximum allowed payload \
                            size (6291556 bytes).",
                    });
                    submit(pool, process, request_id, Err(unhandled(failure.to_string().into())))
                        .await;
                    return error(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "RequestEntityTooLarge",
                        "the response is larger than 6 MB",
                    );
                }
                Err(BodyError::Broken) => {
                    return error(StatusCode::BAD_REQUEST, "BadRequest", "the body broke off");
                }
            };
            submit(pool, process, request_id, outcome).await
        }
        (&Method::POST, ["invocation", request_id, "error"]) => {
            let failure = body(request).await.unwrap_or_default();
            submit(pool, process, request_id, Err(unhandled(failure))).await
        }
        (&Method::POST, ["init", "error"]) => {
            let failure = body(request).await.unwrap_or_default();
            let _ = pool.send(Message::InitError {
                process: (*process).to_owned(),
                error: unhandled(failure),
            });
            accepted()
        }
        _ => error(StatusCode::NOT_FOUND, "UnknownPath", "there is no such path"),
    }
}

/// Waits, without a limit, until there is an invocation for the process.
async fn next(pool: &mpsc::UnboundedSender<Message>, process: &str) -> Answer {
    let (reply, invocation) = oneshot::channel();
    let _ = pool.send(Message::Next { process: process.to_owned(), reply });
    match invocation.await {
        Ok(invocation) => invocation_answer(invocation),
        // The process is being killed. An answer would only make it log an error just before it
        // ends.
        Err(_) => std::future::pending().await,
    }
}

fn invocation_answer(invocation: Invocation) -> Answer {
    let deadline_ms =
        invocation.deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // The first digits of the root id are the time on AWS. No code here reads them.
    let random = uuid::Uuid::new_v4().simple().to_string();
    let trace_id = format!("Root=1-{}-{};Sampled=0", &random[..8], &random[8..]);
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", invocation.request_id)
        .header("lambda-runtime-deadline-ms", deadline_ms.to_string())
        .header("lambda-runtime-invoked-function-arn", invocation.arn)
        .header("lambda-runtime-trace-id", trace_id)
        .body(Full::new(invocation.payload))
        .unwrap_or_else(|problem| {
            error(StatusCode::INTERNAL_SERVER_ERROR, "Internal", &problem.to_string())
        })
}

async fn submit(
    pool: &mpsc::UnboundedSender<Message>,
    process: &str,
    request_id: &str,
    outcome: Result<Bytes, InvokeError>,
) -> Answer {
    let (accepted_by_pool, verdict) = oneshot::channel();
    let _ = pool.send(Message::Answer {
        process: process.to_owned(),
        request_id: request_id.to_owned(),
        outcome,
        accepted: accepted_by_pool,
    });
    match verdict.await {
        Ok(true) => accepted(),
        _ => error(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "this process has no such invocation",
        ),
    }
}

enum BodyError {
    TooLarge,
    Broken,
}

async fn body(request: Request<Incoming>) -> Result<Bytes, BodyError> {
    match Limited::new(request.into_body(), PAYLOAD_LIMIT_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

/// The error object that a runtime posts: `{"errorType", "errorMessage", "stackTrace"?}`.
fn unhandled(payload: Bytes) -> InvokeError {
    let json: Value = serde_json::from_slice(&payload).unwrap_or_default();
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    InvokeError::Unhandled { error_type: text("errorType"), message: text("errorMessage"), payload }
}

fn accepted() -> Answer {
    respond(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Answer {
    respond(status, &json!({"errorType": error_type, "errorMessage": message}))
}

fn respond(status: StatusCode, body: &Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
