//! Errors: what their bodies say in many dialects, and what that means.
//!
//! - OpenAI: <https://platform.openai.com/docs/guides/error-codes>
//! - `OpenRouter`: <https://openrouter.ai/docs/api/reference/errors-and-debugging>
//! - `DeepSeek`: <https://api-docs.deepseek.com/quick_start/error_codes>
//! - llama.cpp: <https://github.com/ggml-org/llama.cpp/pull/15780>
//! - `SGLang`, in a stream: <https://github.com/sgl-project/sglang/pull/20027>

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::refusal;
use crate::error::Fault;
use crate::remote::{Failure, Part, Said};

/// Characters of a word that is logged, at most.
const LONGEST_WORD: usize = 64;

/// What the body of an error has. Its message may quote the request. The code uses it to tell
/// refusals apart, and never logs it.
#[derive(Debug, Default)]
struct Told {
    /// In lower case.
    message: String,
    /// The code, the type and the status that are words, in lower case.
    words: Vec<String>,
    /// The parameter that is refused, in lower case.
    param: String,
    /// The code or the status that is a number.
    number: Option<u16>,
    retry_after: Option<Duration>,
}

/// What an answer with this status and body says.
pub(super) fn said(status: StatusCode, body: &[u8]) -> Said {
    let told = serde_json::from_slice(body).map(|body| Told::of(&body)).unwrap_or_default();
    told.said(Some(status.as_u16()))
}

/// The failure that an answer with status 200 stands for, if it is no stream. A server that knows
/// no streams has written a whole reply, which has to be paid for. One that cannot be read within
/// the limits of a body may be such a reply.
pub(super) fn in_body(body: Result<Vec<u8>, Failure>) -> Failure {
    let is_readable = body.is_ok();
    let body = serde_json::from_slice::<Value>(&body.unwrap_or_default()).unwrap_or_default();
    in_answer(&body, false).unwrap_or_else(|| {
        let mut failure = Failure::lasting(Fault::Broken, "the answer is not an event stream");
        failure.is_paid = !is_readable || body["choices"].get(0).is_some();
        failure
    })
}

/// The failure that a message of an answer stands for, if it is an error. `is_error` is set for an
/// event of that name, which is an error with any data.
pub(super) fn in_answer(value: &Value, is_error: bool) -> Option<Failure> {
    let has_error = |value: &Value| match &value["error"] {
        Value::Object(error) => !error.is_empty(),
        Value::String(error) => !error.is_empty(),
        _ => false,
    };
    // OpenRouter may have it in the choice.
    let choice = &value["choices"][0];
    let told = if has_error(choice) {
        Told::of(choice)
    } else if is_error || has_error(value) || has_error(&value[0]) || value["object"] == "error" {
        Told::of(value)
    } else {
        return None;
    };
    Some(Failure::of_event(&told.said(None), None))
}

/// Whether a text may be logged: it is one word, and so no part of a conversation.
pub(super) fn is_word(text: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST_WORD && text.bytes().all(is_of_word)
}

impl Told {
    /// Reads a body.
    fn of(body: &Value) -> Self {
        // Gemini puts it into a list.
        let body = if body.is_array() { &body[0] } else { body };
        let error = &body["error"];
        // An old vLLM, Cerebras and Mistral have no object around it.
        let object = if error.is_object() { error } else { body };
        let texts = [
            text_of(&object["message"]),
            // Ollama.
            text_of(error),
            // FastAPI.
            text_of(&body["detail"]),
            // OpenRouter: the words of the server behind it.
            text_of(&object["metadata"]["raw"]),
        ];
        let named = [&object["code"], &object["type"], &object["status"]];
        let named = named.into_iter().chain([&object["innererror"]["code"]]);
        let words =
            named.clone().filter_map(Value::as_str).filter(|word| word.parse::<u16>().is_err());
        Self {
            message: texts.join("\n").to_ascii_lowercase(),
            words: words.map(str::to_ascii_lowercase).collect(),
            param: object["param"].as_str().unwrap_or_default().to_ascii_lowercase(),
            number: named.into_iter().find_map(number),
            retry_after: object["details"].as_array().into_iter().flatten().find_map(delay),
        }
    }

    /// What it means, with the status of the answer. In a stream, the number in the body stands for
    /// the status.
    fn said(&self, status: Option<u16>) -> Said {
        let (fault, refused) = self.meaning(status.or(self.number));
        let words = self.words.iter().map(String::as_str).chain([self.param.as_str()]);
        let words: Vec<_> = words.filter(|word| is_word(word)).collect();
        Said { fault, refused, retry_after: self.retry_after, word: words.join("/") }
    }

    fn meaning(&self, status: Option<u16>) -> (Option<Fault>, Option<Part>) {
        let told = self.words.iter().find_map(|word| fault_of_code(word));
        if told.is_some() {
            return (told, None);
        }
        // Servers refuse such a request with many statuses, but none with that of a refused key.
        if !matches!(status, Some(401 | 402 | 404)) {
            let told = refusal::of_content(&self.message);
            if told.is_some() {
                return (told, None);
            }
        }
        let kind = self.words.iter().find_map(|word| fault_of_type(word));
        let fault = match status {
            Some(status) => fault_of_status(status, &self.message),
            None => kind,
        };
        if fault != Some(Fault::RequestRefused) || matches!(status, Some(404)) {
            return (fault, None);
        }
        let (fault, part) = refusal::of_request(&self.message, &self.param);
        (Some(fault), part)
    }
}

/// The text of a message, and of a list of faults as `FastAPI` has them. Such a fault has the input
/// too, which is not read.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(faults) => faults.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Object(fault) => {
            let path = fault.get("loc").and_then(Value::as_array).into_iter().flatten();
            let path: Vec<_> = path.filter_map(Value::as_str).collect();
            let said = ["msg", "message", "detail"].into_iter().filter_map(|name| fault.get(name));
            let said = said.map(text_of).collect::<Vec<_>>().join("\n");
            format!("{}: {said}", path.join("."))
        }
        _ => String::new(),
    }
}

/// A code that is the status of a failure. `LiteLLM` has it in a text, and Mistral has numbers of
/// its own.
fn number(code: &Value) -> Option<u16> {
    let number: u16 = match code {
        Value::String(text) => text.parse().ok()?,
        code => code.as_u64()?.try_into().ok()?,
    };
    (400..600).contains(&number).then_some(number)
}

/// The pause that Gemini asks for, such as `"34.07s"` in a `google.rpc.RetryInfo`. It sends no
/// header.
fn delay(detail: &Value) -> Option<Duration> {
    let seconds: f64 = detail["retryDelay"].as_str()?.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|pause| !pause.is_zero())
}

/// The fault by a word that says more than the status.
fn fault_of_code(word: &str) -> Option<Fault> {
    Some(match word {
        "context_length_exceeded"
        | "exceed_context_size_error"
        | "tokens_limit_reached"
        | "request_too_large" => Fault::ContextTooLong,
        "content_filter"
        | "content_policy_violation"
        | "responsibleaipolicyviolation"
        | "data_inspection_failed"
        | "invalid_prompt" => Fault::ContentRefused,
        // A quota that is used up has the status of a rate limit.
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "insufficient_balance"
        | "budget_exceeded"
        | "account_deactivated"
        | "invalid_api_key"
        | "invalid_authentication_error"
        | "auth_error"
        | "unauthenticated" => Fault::KeyRefused,
        "model_not_found" | "deploymentnotfound" => Fault::UnknownModel,
        "overloaded_error"
        | "server_is_overloaded"
        | "engine_overloaded_error"
        | "slow_down"
        | "unavailable"
        | "unavailable_error" => Fault::Overloaded,
        _ => return None,
    })
}

/// The fault by a word that stands for a status.
fn fault_of_type(word: &str) -> Option<Fault> {
    Some(match word {
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limit_reached_error"
        | "resource_exhausted"
        | "too_many_requests" => Fault::RateLimited,
        "request_timeout" | "timeout" | "timeout_error" | "deadline_exceeded" => Fault::TimedOut,
        "server_error"
        | "api_error"
        | "internal_server_error"
        | "internalservererror"
        | "internal" => Fault::Failing,
        "authentication_error" | "permission_error" | "permission_denied" => Fault::KeyRefused,
        "not_found_error" | "notfounderror" => Fault::UnknownModel,
        "invalid_request_error" | "badrequesterror" | "invalid_argument" => Fault::RequestRefused,
        _ => return None,
    })
}

/// The fault by the status, where it says more than in other APIs.
fn fault_of_status(status: u16, message: &str) -> Option<Fault> {
    Some(match status {
        403 if refusal::is_moderated(message) => Fault::ContentRefused,
        401..=403 => Fault::KeyRefused,
        404 if refusal::is_of_model(message) => Fault::UnknownModel,
        408 | 504 => Fault::TimedOut,
        413 => Fault::ContextTooLong,
        429 => Fault::RateLimited,
        503 | 529 => Fault::Overloaded,
        409 | 500.. => Fault::Failing,
        400..=499 => Fault::RequestRefused,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    fn failure(status: u16, body: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        let said = said(status, body.as_bytes());
        Failure::of_status(status, &HeaderMap::new(), said, Timestamp::UNIX_EPOCH)
    }

    /// An error as OpenAI has it.
    fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
        let error = json!({"message": message, "type": kind, "param": param, "code": code});
        json!({"error": error}).to_string()
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "it is one table of cases")]
    fn an_answer_is_told_by_its_words_and_else_by_its_status() {
        let wrong = |message: &str| error(message, "invalid_request_error", None, None);
        let typed = |kind: &str, code: &str| error("secret words", kind, None, Some(code));
        for (name, status, body, fault, is_passing) in [
            (
                "OpenAI",
                401,
                typed("invalid_request_error", "invalid_api_key"),
                Fault::KeyRefused,
                false,
            ),
            (
                "OpenAI, whose quota is used up",
                429,
                typed("insufficient_quota", "insufficient_quota"),
                Fault::KeyRefused,
                false,
            ),
            ("OpenAI", 429, typed("requests", "rate_limit_exceeded"), Fault::RateLimited, true),
            (
                "OpenAI, more than a minute may have",
                429,
                error(
                    "Request too large for gpt-5 on tokens per min (TPM): Limit 1, Requested 2.",
                    "tokens",
                    None,
                    Some("rate_limit_exceeded"),
                ),
                Fault::ContextTooLong,
                false,
            ),
            ("OpenAI", 500, typed("server_error", ""), Fault::Failing, true),
            ("OpenAI", 503, typed("server_error", "slow_down"), Fault::Overloaded, true),
            (
                "OpenAI",
                404,
                error(
                    "The model `x` does not exist or you do not have access to it.",
                    "invalid_request_error",
                    None,
                    Some("model_not_found"),
                ),
                Fault::UnknownModel,
                false,
            ),
            (
                "OpenAI, a wrong path",
                404,
                wrong("Invalid URL (POST /chat/completions)"),
                Fault::RequestRefused,
                false,
            ),
            (
                "OpenAI",
                400,
                error(
                    "This model's maximum context length is 8192 tokens.",
                    "invalid_request_error",
                    Some("messages"),
                    Some("context_length_exceeded"),
                ),
                Fault::ContextTooLong,
                false,
            ),
            (
                "OpenAI",
                400,
                typed("invalid_request_error", "content_policy_violation"),
                Fault::ContentRefused,
                false,
            ),
            (
                "Azure",
                400,
                json!({"error": {"message": "The response was filtered due to the prompt \
                    triggering Azure OpenAI's content management policy.", "type": null,
                    "param": "prompt", "code": "content_filter", "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation"}}})
                .to_string(),
                Fault::ContentRefused,
                false,
            ),
            ("Azure", 404, typed("", "DeploymentNotFound"), Fault::UnknownModel, false),
            (
                "Gemini",
                400,
                r#"[{"error": {"code": 400, "status": "INVALID_ARGUMENT",
                    "message": "API key not valid. Please pass a valid API key."}}]"#
                    .into(),
                Fault::KeyRefused,
                false,
            ),
            (
                "Gemini, whose words are those of OpenAI's quota",
                429,
                json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded \
                    your current quota, please check your plan and billing details."}}])
                .to_string(),
                Fault::RateLimited,
                true,
            ),
            (
                "Gemini",
                400,
                json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input \
                    token count (1200000) exceeds the maximum number of tokens allowed."}}])
                .to_string(),
                Fault::ContextTooLong,
                false,
            ),
            (
                "Gemini",
                503,
                r#"[{"error": {"code": 503, "status": "UNAVAILABLE", "message": "Try later."}}]"#
                    .into(),
                Fault::Overloaded,
                true,
            ),
            (
                "Gemini",
                404,
                r#"[{"error": {"code": 404, "status": "NOT_FOUND",
                    "message": "models/x is not found for API version v1main."}}]"#
                    .into(),
                Fault::UnknownModel,
                false,
            ),
            (
                "LiteLLM",
                400,
                json!({"error": {"message": "litellm.BadRequestError: litellm.\
                    ContentPolicyViolationError: AzureException - secret words", "type": null,
                    "param": null, "code": "400"}})
                .to_string(),
                Fault::ContentRefused,
                false,
            ),
            (
                "LiteLLM",
                400,
                error("litellm.ContextWindowExceededError: Context window", "", None, Some("400")),
                Fault::ContextTooLong,
                false,
            ),
            (
                "LiteLLM",
                400,
                wrong("Invalid model name passed in model=x. Call `/v1/models`"),
                Fault::UnknownModel,
                false,
            ),
            ("LiteLLM", 400, typed("budget_exceeded", "400"), Fault::KeyRefused, false),
            ("LiteLLM", 401, typed("auth_error", "401"), Fault::KeyRefused, false),
            ("LiteLLM", 429, typed("throttling_error", "429"), Fault::RateLimited, true),
            (
                "vLLM",
                400,
                wrong(
                    "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's \
                     maximum context length is 4096 tokens.",
                ),
                Fault::ContextTooLong,
                false,
            ),
            (
                "vLLM, an old one",
                404,
                r#"{"object": "error", "message": "The model `x` does not exist.",
                    "type": "NotFoundError", "param": null, "code": 404}"#
                    .into(),
                Fault::UnknownModel,
                false,
            ),
            (
                "vLLM, with templates that want roles to alternate",
                400,
                r#"{"object": "error", "message": "Conversation roles must alternate",
                    "type": "BadRequestError", "param": null, "code": 400}"#
                    .into(),
                Fault::RequestRefused,
                false,
            ),
            ("FastAPI", 404, r#"{"detail": "Not Found"}"#.into(), Fault::RequestRefused, false),
            (
                "FastAPI",
                422,
                r#"{"detail": [{"loc": ["body", "messages"], "msg": "Field required",
                    "type": "missing", "input": "context length"}]}"#
                    .into(),
                Fault::RequestRefused,
                false,
            ),
            (
                "Ollama",
                404,
                r#"{"error": "model \"x\" not found, try pulling it first"}"#.into(),
                Fault::UnknownModel,
                false,
            ),
            (
                "Ollama",
                404,
                error("model \"x\" not found", "api_error", None, None),
                Fault::UnknownModel,
                false,
            ),
            (
                "llama.cpp",
                500,
                r#"{"error": {"code": 500, "type": "exceed_context_size_error", "message": "x"}}"#
                    .into(),
                Fault::ContextTooLong,
                false,
            ),
            (
                "llama.cpp",
                500,
                r#"{"error": {"code": 500, "message": "Context size has been exceeded.",
                    "type": "server_error"}}"#
                    .into(),
                Fault::ContextTooLong,
                false,
            ),
            (
                "llama.cpp",
                503,
                r#"{"error": {"code": 503, "message": "Loading model",
                    "type": "unavailable_error"}}"#
                    .into(),
                Fault::Overloaded,
                true,
            ),
            ("DeepSeek", 400, wrong("Content Exists Risk"), Fault::ContentRefused, false),
            ("DeepSeek", 400, wrong("Model Not Exist"), Fault::UnknownModel, false),
            ("DeepSeek", 402, wrong("Insufficient Balance"), Fault::KeyRefused, false),
            (
                "OpenRouter, which quotes the server behind it",
                400,
                json!({"error": {"message": "Provider returned error", "code": 400,
                    "metadata": {"raw": "{\"error\":{\"message\":\"maximum context length\"}}"}}})
                .to_string(),
                Fault::ContextTooLong,
                false,
            ),
            (
                "OpenRouter",
                403,
                json!({"error": {"code": 403, "message": "x requires moderation and your input was \
                    flagged"}})
                .to_string(),
                Fault::ContentRefused,
                false,
            ),
            ("OpenRouter", 403, wrong("No access"), Fault::KeyRefused, false),
            ("Moonshot", 429, typed("engine_overloaded_error", ""), Fault::Overloaded, true),
            ("a proxy", 413, "<html>".into(), Fault::ContextTooLong, false),
            ("a proxy", 404, "<html>404 page not found</html>".into(), Fault::RequestRefused, false),
            ("a proxy", 502, "<html>Bad gateway</html>".into(), Fault::Failing, true),
            ("a proxy", 503, String::new(), Fault::Overloaded, true),
            ("a proxy", 504, String::new(), Fault::TimedOut, true),
            ("a proxy", 529, String::new(), Fault::Overloaded, true),
            ("a proxy", 307, String::new(), Fault::Broken, false),
        ] {
            let failure = failure(status, &body);
            let found = (failure.error.fault, failure.pause(0).is_some());
            assert_eq!(found, (fault, is_passing), "{name}: {status} {body}");
            assert_eq!(failure.refused, None, "{name}: {body}");
            let logged = failure.error.to_string();
            assert!(!logged.contains("secret") && !logged.contains("flagged"), "{logged}");
        }
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "it is one table of cases")]
    fn a_part_that_can_be_left_out_is_told_by_the_message() {
        let no = |param: &str| format!("Unsupported parameter: '{param}' is not supported.");
        for (name, message, expected) in [
            ("OpenAI", &*no("max_tokens"), Some(Part::Limit)),
            ("an old server", &no("max_completion_tokens"), Some(Part::Limit)),
            (
                "Gemini",
                "Invalid JSON payload received. Unknown name \"max_completion_tokens\"",
                Some(Part::Limit),
            ),
            (
                "OpenAI, a value that is too large",
                "max_tokens is too large: 100000. This model supports at most 16384 completion \
                 tokens.",
                None,
            ),
            (
                "vLLM, an old one",
                "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra \
                 inputs are not permitted', 'input': {}}]",
                Some(Part::Usage),
            ),
            ("OpenAI", &no("reasoning_effort"), Some(Part::Effort)),
            (
                "OpenAI",
                "Function tools with reasoning_effort are not supported for this model in \
                 /v1/chat/completions.",
                Some(Part::Effort),
            ),
            (
                "LiteLLM",
                "litellm.UnsupportedParamsError: openai does not support parameters: \
                 ['reasoning_effort'], for model=x.",
                Some(Part::Effort),
            ),
            ("Ollama", "\"llama3.1:8b\" does not support thinking", Some(Part::Effort)),
            ("Ollama", "think value \"medium\" is not supported", Some(Part::Effort)),
            ("Gemini", "Thinking level is not supported for this model.", Some(Part::Effort)),
            (
                "DeepSeek",
                "The `reasoning_content` in the thinking mode must be passed back to the API.",
                Some(Part::Unreasoned),
            ),
            (
                "Cerebras",
                "messages.2.assistant.reasoning_content: property is unsupported",
                Some(Part::Thoughts),
            ),
            (
                "OpenAI",
                "Additional properties are not allowed ('reasoning' was unexpected)",
                Some(Part::Thoughts),
            ),
            ("a gateway", "Extra inputs, field: 'messages[2].reasoning'", Some(Part::Thoughts)),
            ("Gemini", "Corrupted thought signature.", Some(Part::Thoughts)),
            (
                "LiteLLM, in front of Claude",
                "litellm.BadRequestError: AnthropicException - messages.1.content.0: Invalid \
                 `signature` in `thinking` block",
                Some(Part::Thoughts),
            ),
            ("a gateway", &no("messages[2].reasoning_details"), Some(Part::Thoughts)),
            ("a gateway", &no("thinking_blocks"), Some(Part::Thoughts)),
            (
                "LiteLLM, in front of Claude",
                "litellm.BadRequestError: AnthropicException - messages.1.content.0.type: Expected \
                 `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is \
                 enabled, a final `assistant` message must start with a thinking block.",
                Some(Part::Effort),
            ),
            (
                "OpenAI",
                "Invalid schema for response_format 'answer': In context=('properties', \
                 'reasoning'), schema must have a 'type' key.",
                Some(Part::Format),
            ),
            (
                "OpenAI, an old model",
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported.",
                Some(Part::Format),
            ),
            (
                "Gemini",
                "Function calling with a response mime type: 'application/json' is unsupported",
                Some(Part::Format),
            ),
            (
                "OpenAI",
                "Invalid schema for function 't': In context=('properties', 'max_tokens'), \
                 'uri' is not supported.",
                Some(Part::Schemas),
            ),
            ("a gateway", &no("tools[0].function.strict"), Some(Part::Schemas)),
            ("llama.cpp", "failed to parse grammar", Some(Part::Schemas)),
            ("a gateway", &no("tool_choice"), Some(Part::ToolChoice)),
            ("Ollama", "\"x\" does not support tools", None),
            ("vLLM", "\"auto\" tool choice requires --enable-auto-tool-choice", None),
            ("", "", None),
        ] {
            let body = error(message, "invalid_request_error", None, None);
            assert_eq!(failure(400, &body).refused, expected, "{name}: {message}");
            let value = serde_json::from_str(&body).unwrap();
            let in_stream = in_answer(&value, false).unwrap();
            assert_eq!(in_stream.refused, expected, "{name}: {message}");
            let fault = (in_stream.error.fault, in_stream.pause(0));
            assert_eq!(fault, (Fault::RequestRefused, None), "{name}: {message}");
            // It is the server that has failed.
            assert_eq!(failure(500, &body).refused, None, "{name}: {message}");
        }
        // The parameter may be named beside the message.
        let body = error("Unknown field.", "invalid_request_error", Some("stream_options"), None);
        assert_eq!(failure(400, &body).refused, Some(Part::Usage));
        // Mistral: the message is a list of faults.
        let fault = json!({"type": "extra_forbidden", "msg": "Extra inputs are not permitted",
            "loc": ["body", "messages", 2, "assistant", "reasoning_content"], "input": "secret"});
        let body = json!({"object": "error", "message": {"detail": [fault]}}).to_string();
        assert_eq!(failure(422, &body).refused, Some(Part::Thoughts));
    }

    #[test]
    fn an_error_in_a_stream_or_in_a_200_is_told_by_its_number_and_its_words() {
        for (name, body, fault, is_passing) in [
            (
                "vLLM",
                r#"{"error": {"message": "secret", "type": "InternalServerError", "code": 500}}"#,
                Fault::Failing,
                true,
            ),
            (
                "vLLM, an old one",
                r#"{"object": "error", "message": "secret", "type": "BadRequestError",
                    "param": null, "code": 400}"#,
                Fault::RequestRefused,
                false,
            ),
            (
                "SGLang",
                r#"{"error": {"object": "error", "code": 400,
                    "message": "Requested token count exceeds the model's maximum context length"}}"#,
                Fault::ContextTooLong,
                false,
            ),
            (
                "LiteLLM",
                r#"{"error": {"message": "secret", "type": null, "param": null, "code": "500"}}"#,
                Fault::Failing,
                true,
            ),
            (
                "OpenAI",
                r#"{"error": {"message": "secret", "type": "server_error", "code": null}}"#,
                Fault::Failing,
                true,
            ),
            (
                "OpenRouter",
                r#"{"error": {"code": 429, "message": "secret"}, "choices": []}"#,
                Fault::RateLimited,
                true,
            ),
            ("Ollama", r#"{"error": "secret"}"#, Fault::Failing, true),
            (
                "Mistral",
                r#"{"object": "error", "message": "secret", "type": "invalid_request_error",
                    "param": null, "code": "3230"}"#,
                Fault::RequestRefused,
                false,
            ),
            (
                "Gemini",
                r#"[{"error": {"code": 503, "status": "UNAVAILABLE", "message": "secret"}}]"#,
                Fault::Overloaded,
                true,
            ),
            (
                "a gateway, whose code says more than its type",
                r#"{"error": {"type": "invalid_request_error", "code": "request_timeout"}}"#,
                Fault::TimedOut,
                true,
            ),
            (
                "absurd numbers",
                r#"{"error": {"code": 18446744073709551615, "message": "secret"}}"#,
                Fault::Failing,
                true,
            ),
            (
                "no error",
                r#"{"choices": [{"message": {"content": "secret"}}]}"#,
                Fault::Broken,
                false,
            ),
            ("no JSON", "secret", Fault::Broken, false),
            ("nothing", "", Fault::Broken, false),
        ] {
            let failure = in_body(Ok(body.into()));
            let found = (failure.error.fault, failure.pause(0).is_some());
            assert_eq!(found, (fault, is_passing), "{name}");
            assert!(!failure.error.to_string().contains("secret"), "{}", failure.error);
        }
        // Nothing that a model wrote is tried again.
        let silent = || Failure::passing(Fault::TimedOut, "silence");
        for (body, is_paid) in [
            (Ok(&b"{\"choices\": [{\"message\": {\"content\": \"secret\"}}]}"[..]), true),
            (Ok(b"{\"choices\": []}"), false),
            (Ok(b"<html>"), false),
            (Ok(b""), false),
            (Err(silent()), true),
        ] {
            let failure = in_body(body.map(<[u8]>::to_vec));
            let found = (failure.error.fault, failure.pause(0), failure.is_paid);
            assert_eq!(found, (Fault::Broken, None, is_paid), "{failure:?}");
        }
        for value in [json!({}), json!({"error": null}), json!({"error": {}}), json!([1]), json!(1)]
        {
            assert!(in_answer(&value, false).is_none(), "{value}");
            assert!(in_answer(&value, true).is_some(), "{value}");
        }
    }

    #[test]
    fn a_server_may_ask_for_a_pause_in_the_body() {
        let with = |delay: Value| {
            let info = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": delay});
            let details = json!([{"@type": "type.googleapis.com/google.rpc.Help"}, info]);
            let error = json!({"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details});
            failure(429, &json!([{"error": error}]).to_string())
        };
        for (delay, expected) in [("2s", 2_000), ("1.5s", 1_500), ("34.074824224s", 34_074)] {
            let failure = with(delay.into());
            let asked = failure.error.retry_after.map(|pause| pause.as_millis());
            assert_eq!(asked, Some(expected), "{delay}");
            // A long pause is left to the caller.
            assert_eq!(failure.pause(0).is_some(), expected < 8_000, "{delay}");
        }
        for delay in [json!("0s"), json!("-1s"), json!("2"), json!("NaNs"), json!(2), json!("é")] {
            assert_eq!(with(delay.clone()).error.retry_after, None, "{delay}");
        }
    }

    #[test]
    fn only_words_are_logged() {
        for (kind, code, param, expected) in [
            ("a", Some("b"), Some("messages[0].content"), "b/a/messages[0].content"),
            ("tokens", None, None, "tokens"),
            ("a secret sentence", Some("é"), Some(""), ""),
            (&"x".repeat(65), Some("400"), None, ""),
        ] {
            let body = error("secret", kind, param, code);
            assert_eq!(said(StatusCode::BAD_REQUEST, body.as_bytes()).word, expected);
        }
    }
}
