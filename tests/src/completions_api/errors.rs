//! Errors, as OpenAI and the other servers send them.
//!
//! <https://platform.openai.com/docs/guides/error-codes>

use std::time::Duration;

use serde_json::{Value, json};

use super::Answer;
use super::chunks::{choice, done, envelope, frame};
use super::dialect::Dialect;
use crate::model_server::Refusal;

/// Milliseconds after which a request that failed may be sent again.
const AT_ONCE: &str = "1";

/// An error with this code.
pub fn error(status: u16, code: &str) -> Answer {
    error_saying(status, code, &format!("This is {code}."))
}

/// An error with this code and this message.
pub fn error_saying(status: u16, code: &str, message: &str) -> Answer {
    Wrong::of(status, message).code(code).answer(Dialect::Openai)
}

/// An error.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    status: u16,
    pub message: String,
    param: Option<String>,
    code: Option<String>,
}

impl Wrong {
    /// A request that the API does not take, with its message.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(400, message)
    }

    /// An error with this status.
    pub fn of(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }

    /// The member of the request that is wrong.
    pub fn at(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The API's word for it.
    pub fn code(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }

    /// The answer of a server with this dialect.
    pub fn answer(&self, dialect: Dialect) -> Answer {
        let is_pydantic = dialect == Dialect::Fastapi && self.is_unknown();
        let status = if is_pydantic { 422 } else { self.status };
        Answer::body(status, "application/json", &self.body(dialect).to_string())
    }

    fn body(&self, dialect: Dialect) -> Value {
        let Self { status, message, param, code } = self;
        match dialect {
            Dialect::Gemini | Dialect::GeminiInPieces => json!([self.of_google()]),
            Dialect::Vllm => json!({"error": {
                "message": message, "type": self.class(), "param": param, "code": status,
            }}),
            Dialect::OldVllm => json!({
                "object": "error", "message": message, "type": self.class(), "param": param,
                "code": status,
            }),
            Dialect::Ollama => json!({"error": message}),
            Dialect::Litellm | Dialect::LitellmClaude => json!({"error": {
                "message": format!("litellm.{}: {message}", self.class_of_litellm()),
                "type": null, "param": null, "code": status.to_string(),
            }}),
            _ if dialect.is_openrouter() => json!({
                "error": {
                    "message": message, "code": status, "metadata": {"provider_name": "Stand-in"},
                },
                "user_id": "user_1",
            }),
            Dialect::Fastapi => self.of_fastapi(),
            _ => json!({"error": {
                "message": message, "type": self.kind(), "param": param, "code": code,
            }}),
        }
    }

    /// An error of Google's APIs.
    fn of_google(&self) -> Value {
        let word = match self.status {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            500 => "INTERNAL",
            503 => "UNAVAILABLE",
            _ => "INVALID_ARGUMENT",
        };
        json!({"error": {"code": self.status, "message": self.message, "status": word}})
    }

    /// An error of `FastAPI`. Pydantic finds what is unknown.
    fn of_fastapi(&self) -> Value {
        if !self.is_unknown() {
            return json!({"detail": self.message});
        }
        json!({"detail": [{
            "type": "extra_forbidden", "loc": ["body", self.param],
            "msg": "Extra inputs are not permitted", "input": null,
        }]})
    }

    /// Whether the server does not know a member of the request.
    fn is_unknown(&self) -> bool {
        matches!(self.code.as_deref(), Some("unknown_parameter" | "unsupported_parameter"))
    }

    /// OpenAI's type of it.
    fn kind(&self) -> &str {
        match (self.status, self.code.as_deref()) {
            (429, Some(code @ "insufficient_quota")) => code,
            (429, _) => "requests",
            (500.., _) => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The exception that a server in Python raises for it.
    fn class(&self) -> &'static str {
        match self.status {
            401 => "AuthenticationError",
            404 => "NotFoundError",
            429 => "RateLimitError",
            503 => "ServiceUnavailableError",
            500.. => "InternalServerError",
            _ => "BadRequestError",
        }
    }

    /// The exception that `LiteLLM` raises for it.
    fn class_of_litellm(&self) -> &'static str {
        match self.code.as_deref() {
            Some("context_length_exceeded") => "ContextWindowExceededError",
            Some("content_filter") => "ContentPolicyViolationError",
            _ => self.class(),
        }
    }
}

/// The answer of a server that refuses a request before anything is written.
pub(super) fn refusal(dialect: Dialect, refusal: Refusal) -> Answer {
    let answer = reason(dialect, refusal).answer(dialect);
    match refusal {
        Refusal::Overloaded | Refusal::Failing => answer.header("retry-after-ms", AT_ONCE),
        Refusal::RateLimited(pause) => answer.header("retry-after-ms", &milliseconds(pause)),
        _ => answer,
    }
}

fn milliseconds(pause: Duration) -> String {
    pause.as_millis().to_string()
}

/// The error of a server that refuses a request before anything is written.
pub(super) fn reason(dialect: Dialect, refusal: Refusal) -> Wrong {
    if dialect.is_gemini()
        && let Some(wrong) = reason_of_gemini(refusal)
    {
        return wrong;
    }
    match refusal {
        Refusal::Overloaded => Wrong::of(
            503,
            "The server is currently overloaded with other requests. Sorry about that! You can \
             retry your request.",
        ),
        Refusal::RateLimited(_) => Wrong::of(
            429,
            "Rate limit reached for stand-in in organization org-1 on requests per min (RPM): \
             Limit 3, Used 3, Requested 1. Please try again in 20s.",
        )
        .code("rate_limit_exceeded"),
        Refusal::Failing => Wrong::of(
            500,
            "The server had an error while processing your request. Sorry about that!",
        ),
        Refusal::Key => Wrong::of(
            401,
            "Incorrect API key provided: sk-stand-in. You can find your API key at \
             https://platform.openai.com/account/api-keys.",
        )
        .code("invalid_api_key"),
        Refusal::UnknownModel => {
            Wrong::of(404, "The model `stand-in` does not exist or you do not have access to it.")
                .code("model_not_found")
        }
        Refusal::TooLong => Wrong::new(
            "This model's maximum context length is 128000 tokens. However, your messages \
             resulted in 143000 tokens. Please reduce the length of the messages.",
        )
        .at("messages")
        .code("context_length_exceeded"),
        // It is that of Azure. OpenAI has `content_policy_violation` for images alone.
        Refusal::Filtered => Wrong::new(
            "The response was filtered due to the prompt triggering Azure OpenAI's content \
             management policy. Please modify your prompt and retry.",
        )
        .at("prompt")
        .code("content_filter"),
        Refusal::Wrong => Wrong::new("Invalid value for 'content': expected a string, got null.")
            .at("messages.[1].content"),
    }
}

/// What Gemini says in other words. Its limit of a minute speaks of a quota and of bills, as OpenAI
/// does when an account has no money left. A wrong key has the status 400.
///
/// <https://github.com/agent0ai/agent-zero/issues/403>
/// <https://github.com/continuedev/continue/issues/10290>
fn reason_of_gemini(refusal: Refusal) -> Option<Wrong> {
    Some(match refusal {
        Refusal::Overloaded => Wrong::of(503, "The model is overloaded. Please try again later."),
        Refusal::RateLimited(_) => Wrong::of(
            429,
            "You exceeded your current quota, please check your plan and billing details. For \
             more information on this error, head to: \
             https://ai.google.dev/gemini-api/docs/rate-limits.",
        ),
        Refusal::Key => Wrong::new("API key not valid. Please pass a valid API key."),
        Refusal::UnknownModel => Wrong::of(
            404,
            "models/stand-in is not found for API version v1main, or is not supported for \
             generateContent.",
        ),
        Refusal::TooLong => Wrong::new(
            "The input token count (1200000) exceeds the maximum number of tokens allowed \
             (1048576).",
        ),
        _ => return None,
    })
}

/// The frames of a server that is overloaded in the middle of a stream. Its status was 200.
pub(super) fn broken(dialect: Dialect) -> Vec<String> {
    let message = "The engine is currently overloaded, please try again later";
    let wrong = Wrong::of(503, message);
    let usual = json!({"error": {
        "message": message, "type": "server_error", "param": null, "code": 503,
    }});
    match dialect {
        Dialect::Gemini | Dialect::GeminiInPieces => vec![frame(&wrong.of_google())],
        Dialect::Litellm | Dialect::LitellmClaude => vec![frame(&wrong.body(dialect))],
        _ if dialect.is_openrouter() => {
            let ends = choice(&json!({"role": "assistant", "content": ""}), Some("error"));
            let mut chunk = envelope(&json!([ends]));
            chunk["error"] = json!({"code": 503, "message": message});
            vec![frame(&chunk)]
        }
        Dialect::Vllm | Dialect::OldVllm | Dialect::Ollama => {
            vec![frame(&wrong.body(dialect)), done()]
        }
        _ => vec![frame(&usual), done()],
    }
}
