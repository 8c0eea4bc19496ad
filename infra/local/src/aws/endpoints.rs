//! The services behind the listener. Each request goes to its service.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::answer::{Answer, error};
use super::calls::CallLog;
use super::connections_api::ConnectionsApi;
use super::dynamodb::DynamoDb;
use super::guard::Guard;
use super::invoke_api::InvokeApi;
use super::kms::Kms;
use super::mail::Outbox;
use super::queues::Queues;
use super::secrets::Secrets;

/// Largest request of any service: DynamoDB's.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The answer to a call of Bedrock. The reason also goes into the log of the local stack, because a
/// function logs no message of a provider.
fn no_models() -> Answer {
    const REASON: &str = "the local stack has no models: set the parameter BedrockUrl to the URL \
                          of a server that speaks Bedrock's API";
    tracing::warn!("{REASON}");
    error(StatusCode::NOT_FOUND, "UnknownOperationException", REASON)
}

/// All services behind the listener.
pub(super) struct Endpoints {
    pub(super) guard: Guard,
    pub(super) calls: CallLog,
    pub(super) dynamodb: Arc<DynamoDb>,
    pub(super) secrets: Secrets,
    pub(super) kms: Kms,
    pub(super) queues: Queues,
    pub(super) outbox: Outbox,
    pub(super) invoke: InvokeApi,
    pub(super) connections: ConnectionsApi,
}

impl Endpoints {
    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (request, body) = request.into_parts();
        if let Some(refusal) = self.guard.refusal(&request.headers) {
            return refusal;
        }
        let body = match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(reason) if reason.is::<LengthLimitError>() => {
                return error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "RequestTooLargeException",
                    "the request is over 16 MB",
                );
            }
            Err(reason) => {
                return error(
                    StatusCode::BAD_REQUEST,
                    "SerializationException",
                    &reason.to_string(),
                );
            }
        };
        let target = request.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        if let Some((service, operation)) = target.and_then(|target| target.split_once('.')) {
            match service {
                "DynamoDB_20120810" | "DynamoDBStreams_20120810" => {
                    return self.dynamodb.answer(operation, body, &self.calls).await;
                }
                "secretsmanager" | "TrentService" | "AmazonSQS" => {
                    return self.answer_object(service, operation, &body).await;
                }
                _ => {}
            }
        }
        // Decode each segment by itself: a connection id or an ARN may contain a slash.
        let segments: Vec<_> = request
            .uri
            .path()
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
            .collect();
        match segments.iter().map(AsRef::as_ref).collect::<Vec<_>>()[..] {
            ["", "2015-03-31", "functions", function, "invocations"] => {
                self.invoke
                    .answer(&request.method, function, &request.headers, body, &self.calls)
                    .await
            }
            ["", "v2", "email", "outbound-emails"] => {
                self.outbox.answer(&request.method, &body, &self.calls)
            }
            ["", stage, "@connections", id] => {
                self.connections.answer(&request.method, Some(stage), id, body, &self.calls).await
            }
            ["", "@connections", id] => {
                self.connections.answer(&request.method, None, id, body, &self.calls).await
            }
            ["", "model", _, _] => no_models(),
            _ => error(
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                "the local stack serves DynamoDB, Secrets Manager, KMS, SQS, Lambda's Invoke, \
                 SES's SendEmail and @connections here, and S3 at AWS_ENDPOINT_URL_S3",
            ),
        }
    }

    /// Answers a request of a service whose requests are JSON objects.
    async fn answer_object(&self, service: &str, operation: &str, body: &Bytes) -> Answer {
        let request: Map<String, Value> = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(reason) => {
                let message = format!("the body is not a JSON object: {reason}");
                return error(StatusCode::BAD_REQUEST, "SerializationException", &message);
            }
        };
        match service {
            "secretsmanager" => self.secrets.answer(operation, &request.into(), &self.calls).await,
            "TrentService" => self.kms.answer(operation, request.into(), &self.calls),
            _ => self.queues.answer(self.guard.host(), operation, request, &self.calls).await,
        }
    }
}
