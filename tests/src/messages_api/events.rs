//! The events of a stream, as the API sends them.

use serde_json::{Value, json};

use crate::model_server::halves;

/// The frame of an event, named by its `type`.
pub fn event(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
}

/// The frames of a reply with this text, one frame for each part. 3 frames come before the text and
/// 3 after it.
pub fn reply(parts: &[&str]) -> Vec<String> {
    reply_of(parts, "end_turn")
}

/// The frames of a reply with this stop reason. It has read 25 tokens. A further 7 came from the
/// cache, and 5 went into it. It has written one token for each part and one more.
pub fn reply_of(parts: &[&str], stop_reason: &str) -> Vec<String> {
    let block = json!({
        "type": "content_block_start", "index": 0,
        "content_block": {"type": "text", "text": "", "citations": null},
    });
    let deltas = parts.iter().map(|part| json!({
        "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part},
    }));
    let stop = json!({"type": "content_block_stop", "index": 0});
    let events = [start(), block, json!({"type": "ping"})]
        .into_iter()
        .chain(deltas)
        .chain([stop])
        .chain(end(stop_reason, parts.len() + 1));
    events.map(|each| event(&each)).collect()
}

/// The frames of a reply that asks for the use of a tool. The tool's input comes in two parts.
/// [`super::Step`] makes replies of several blocks.
pub fn tool(name: &str, input: &Value) -> Vec<String> {
    let text = input.to_string();
    let [first, second] = halves(&text);
    let block = json!({
        "type": "tool_use", "id": "toolu_1", "name": name, "input": {},
        "caller": {"type": "direct"},
    });
    let piece = |json: &str| {
        json!({
            "type": "content_block_delta", "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": json},
        })
    };
    let events = [
        start(),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        piece(""),
        piece(first),
        piece(second),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    events.into_iter().chain(end("tool_use", 9)).map(|each| event(&each)).collect()
}

pub(super) fn start() -> Value {
    json!({"type": "message_start", "message": {
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-stand-in",
        "content": [], "stop_reason": null,
        "stop_sequence": null, "stop_details": null, "container": null, "usage": {
            "input_tokens": 25, "output_tokens": 1, "cache_creation_input_tokens": 5,
            "cache_read_input_tokens": 7,
            "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
            "inference_geo": "global", "server_tool_use": null
        }
    }})
}

pub(super) fn end(stop_reason: &str, output_tokens: usize) -> [Value; 2] {
    let usage = json!({
        "input_tokens": 25, "output_tokens": output_tokens, "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 7,
    });
    let delta = json!({
        "stop_reason": stop_reason, "stop_sequence": null, "stop_details": null, "container": null,
    });
    [
        json!({"type": "message_delta", "delta": delta, "usage": usage}),
        json!({"type": "message_stop"}),
    ]
}
