//! The frames of a stream, as the API sends them.
//!
//! <https://platform.openai.com/docs/api-reference/chat-streaming>

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::step::Step;

/// Tokens that a reply has read. Some of them came from the cache.
const PROMPT: usize = 32;
const CACHED: usize = 7;

/// The frame with this data.
pub fn frame(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The frame of a chunk with this delta.
pub fn chunk(delta: &Value) -> String {
    frame(&envelope(&json!([choice(delta, None)])))
}

/// The frame of a chunk that says why the reply stops.
pub fn finish(finish_reason: &str) -> String {
    frame(&envelope(&json!([choice(&json!({}), Some(finish_reason))])))
}

/// The frame of a chunk that says the usage of a reply. It has no choice. The tokens from the cache
/// are a part of the prompt.
pub fn usage(prompt_tokens: usize, cached_tokens: usize, completion_tokens: usize) -> String {
    usage_frame(&json!({
        "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens, "audio_tokens": 0},
    }))
}

/// The frame that ends a stream.
pub fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}

/// The frames of a reply with this text, one frame for each part. 1 frame comes before the text and
/// 3 after it.
pub fn reply(parts: &[&str]) -> Vec<String> {
    reply_of(parts, "stop")
}

/// The frames of a reply with this finish reason. It has read 25 tokens. A further 7 came from the
/// cache. It has written one token for each part and one more.
pub fn reply_of(parts: &[&str], finish_reason: &str) -> Vec<String> {
    Step::new().writes(parts).stops(finish_reason).frames()
}

/// The frames of a reply that calls tools: id, name and arguments of each. The arguments come in
/// two parts. [`Step`] makes replies with texts and thoughts too.
pub fn calls(calls: &[(&str, &str, Value)]) -> Vec<String> {
    let step =
        calls.iter().fold(Step::new(), |step, (id, name, input)| step.calls(id, name, input));
    step.frames()
}

/// A choice with this delta.
pub(super) fn choice(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason})
}

/// A chunk with these choices.
pub(super) fn envelope(choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_735_689_600,
        "model": "stand-in", "service_tier": "default", "system_fingerprint": "fp_1",
        "choices": choices, "usage": null,
    })
}

/// The frame of a chunk that has nothing but the usage.
pub(super) fn usage_frame(usage: &Value) -> String {
    let mut chunk = envelope(&json!([]));
    chunk["usage"] = usage.clone();
    frame(&chunk)
}

/// Whether a piece of an answer is such a frame.
pub(super) fn is_usage_frame(piece: &[u8]) -> bool {
    let data = std::str::from_utf8(piece).ok().and_then(|piece| piece.strip_prefix("data: "));
    let chunk = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
    chunk.is_some_and(|chunk| chunk["choices"] == json!([]) && chunk["usage"].is_object())
}

/// The usage of a reply with so many tokens. Some of them were thoughts.
pub(super) fn usage_of(dialect: Dialect, tokens: usize, thoughts: usize) -> Value {
    // Gemini counts the thoughts in the total alone. There is always one.
    let written = if dialect.is_gemini() { tokens.saturating_sub(thoughts + 1) } else { tokens };
    let details = json!({"cached_tokens": CACHED, "audio_tokens": 0});
    json!({
        "prompt_tokens": PROMPT, "completion_tokens": written, "total_tokens": PROMPT + tokens,
        "prompt_tokens_details": dialect.tells_cached().then_some(details),
        "completion_tokens_details": {
            "reasoning_tokens": thoughts, "audio_tokens": 0, "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
