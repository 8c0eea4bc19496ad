//! Failures in terms of the protocol: a JSON-RPC error, and the HTTP status that goes with it. A
//! legacy client reads the error alone, so its status is 200 unless the body is no message.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::era::{Era, SUPPORTED};

/// A failure of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// HTTP status.
    pub status: StatusCode,
    /// The error.
    pub error: RpcError,
}

/// An error of JSON-RPC 2.0.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = McpError)]
pub struct RpcError {
    /// `-32700`: not JSON. `-32600`: no message. `-32601`: no such method. `-32602`: parameters
    /// that are not valid, an unknown tool or resource. `-32002`: an unknown resource, before
    /// 2026-07-28. `-32020`: headers that do not say what the body says. `-32022`: a version that
    /// the server does not speak.
    #[schema(example = -32602)]
    pub code: i32,
    /// One sentence for the person who reads it.
    #[schema(example = "`params.name` must be a string.")]
    pub message: String,
    /// More about it, by code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    pub data: Option<Value>,
}

impl Fault {
    fn new(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self { status, error: RpcError { code, message: message.into(), data: None } }
    }

    fn with(mut self, data: Value) -> Self {
        self.error.data = Some(data);
        self
    }

    /// The body is not JSON.
    pub fn not_json(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32700, message)
    }

    /// The body is JSON, but no message.
    pub fn no_message(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32600, message)
    }

    /// The server has no such method.
    pub fn no_method(era: Era) -> Self {
        let status = match era {
            Era::Modern => StatusCode::NOT_FOUND,
            Era::Legacy => StatusCode::OK,
        };
        Self::new(status, -32601, "The server has no such method.")
    }

    /// The parameters of the method are not valid.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(StatusCode::OK, -32602, message)
    }

    /// A modern request does not say what it must say about itself.
    pub fn incomplete(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32602, message)
    }

    /// A header is missing, or differs from the body.
    pub fn header_mismatch(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32020, message)
    }

    /// The server does not speak this version.
    pub fn unknown_version(requested: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32022, "The server does not speak this version.")
            .with(json!({"supported": SUPPORTED, "requested": requested}))
    }

    /// There is no such resource, or the caller may not know of it.
    pub fn no_resource(era: Era, uri: &str) -> Self {
        let code = match era {
            Era::Modern => -32602,
            Era::Legacy => -32002,
        };
        let detail =
            "`params.uri` names no resource: `resources/list` has those that you may read.";
        Self::new(StatusCode::OK, code, detail).with(json!({"uri": uri}))
    }
}
