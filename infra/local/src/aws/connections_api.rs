//! API Gateway's `@connections`: posts messages to WebSocket connections, closes connections and
//! returns their state.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::json;

use super::answer::{Answer, answer, error};
use super::calls::{CallLog, Service};
use crate::websocket_api::{ConnectionStatus, Connections, Gone};

/// Largest message in bytes.
const MESSAGE_LIMIT: usize = 128 * 1024;

/// The API for the connections of the stack's WebSocket API, if the stack has one.
pub(super) struct ConnectionsApi {
    connections: Option<Connections>,
}

impl ConnectionsApi {
    pub(super) fn new(connections: Option<Connections>) -> Self {
        Self { connections }
    }

    /// Answers `/{stage}/@connections/{id}`. The stage may be missing, as under a custom domain.
    pub(super) async fn answer(
        &self,
        method: &Method,
        stage: Option<&str>,
        id: &str,
        data: Bytes,
        calls: &CallLog,
    ) -> Answer {
        let operation = match *method {
            Method::POST => "PostToConnection",
            Method::DELETE => "DeleteConnection",
            Method::GET => "GetConnection",
            _ => {
                return error(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "MethodNotAllowedException",
                    "Method Not Allowed",
                );
            }
        };
        calls.record(Service::Connections, operation, vec![id.to_owned()]);
        let served =
            |connections: &&Connections| stage.is_none_or(|stage| stage == connections.stage());
        let Some(connections) = self.connections.as_ref().filter(served) else {
            return error(
                StatusCode::FORBIDDEN,
                "ForbiddenException",
                "no WebSocket API has this stage",
            );
        };
        if data.len() > MESSAGE_LIMIT {
            return error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "PayloadTooLargeException",
                "Message too long",
            );
        }
        let result = match *method {
            Method::POST => {
                connections.post(id, data).await.map(|()| answer(StatusCode::OK, Bytes::new()))
            }
            Method::DELETE => {
                connections.close(id).await.map(|()| answer(StatusCode::NO_CONTENT, Bytes::new()))
            }
            _ => connections.status(id).map(|status| answer(StatusCode::OK, describe(&status))),
        };
        result.unwrap_or_else(|Gone| error(StatusCode::GONE, "GoneException", "Gone"))
    }
}

fn describe(status: &ConnectionStatus) -> String {
    json!({
        "connectedAt": status.connected_at.to_string(),
        "lastActiveAt": status.last_active_at.to_string(),
        "identity": { "sourceIp": status.source_ip, "userAgent": status.user_agent },
    })
    .to_string()
}
