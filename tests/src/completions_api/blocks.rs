//! Thoughts in blocks: the pieces in which gateways send them, and what has to come back.

use serde_json::{Value, json};

use super::call::signature;
use super::dialect::Dialect;
use super::errors::Wrong;
use super::rules::{ensure, list};

/// Adds a piece of a thought to its delta.
pub(super) fn add_thought(delta: &mut Value, text: &str, dialect: Dialect) {
    add(delta, dialect, &json!(text), &Value::Null);
}

/// The delta that ends the thought with this text; none where thoughts have no signature.
pub(super) fn end_of_thought(text: &str, dialect: Dialect) -> Option<Value> {
    let is_claude = matches!(dialect, Dialect::LitellmClaude | Dialect::OpenrouterClaude);
    is_claude.then(|| {
        let mut delta = json!({});
        add(&mut delta, dialect, &json!(""), &json!(signature(text)));
        delta
    })
}

/// Adds the signature of the call with this id to the delta that begins the call.
pub(super) fn add_signature(delta: &mut Value, id: &str, dialect: Dialect) {
    if dialect == Dialect::OpenrouterGemini {
        delta["reasoning_details"] = json!([encrypted(id)]);
    }
}

fn add(delta: &mut Value, dialect: Dialect, text: &Value, signature: &Value) {
    let Some(member) = dialect.blocks() else { return };
    delta[member] = json!([block(dialect, text, signature)]);
}

fn block(dialect: Dialect, text: &Value, signature: &Value) -> Value {
    let of_openrouter = |format| {
        let mut block = json!({"type": "reasoning.text", "format": format, "index": 0});
        for (name, value) in [("text", text), ("signature", signature)] {
            if !value.is_null() && value != "" {
                block[name] = value.clone();
            }
        }
        block
    };
    match dialect {
        Dialect::OpenrouterClaude => of_openrouter("anthropic-claude-v1"),
        Dialect::OpenrouterGemini => of_openrouter("google-gemini-v1"),
        _ => json!({"type": "thinking", "thinking": text, "signature": signature}),
    }
}

/// The block that belongs to the call with this id.
fn encrypted(id: &str) -> Value {
    json!({
        "type": "reasoning.encrypted", "data": signature(id), "id": id,
        "format": "google-gemini-v1", "index": 0,
    })
}

/// Whether the blocks of a step of the current reply are as the model made them. Claude wants its
/// own where the step has calls and it thinks.
pub(super) fn check(message: &Value, dialect: Dialect, thinks: bool) -> Result<(), Wrong> {
    let Some(member) = dialect.blocks() else { return Ok(()) };
    let (blocks, calls) = (list(&message[member]), list(&message["tool_calls"]));
    if dialect == Dialect::OpenrouterGemini {
        return calls.iter().try_for_each(|call| {
            let id = call["id"].as_str().unwrap_or_default();
            ensure(blocks.contains(&encrypted(id)), || {
                Wrong::new(
                    "Gemini models require OpenRouter reasoning details to be preserved in each \
                     request. Upstream error: Function call is missing a thought_signature in \
                     functionCall parts.",
                )
            })
        });
    }
    let text = if dialect == Dialect::LitellmClaude { "thinking" } else { "text" };
    for sent in blocks {
        let written = sent[text].as_str().unwrap_or_default();
        ensure(*sent == block(dialect, &json!(written), &json!(signature(written))), || {
            Wrong::new("messages.1.content.0: Invalid `signature` in `thinking` block")
        })?;
    }
    ensure(!thinks || calls.is_empty() || !blocks.is_empty(), || {
        Wrong::new(
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found \
             `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a \
             thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). \
             To avoid this requirement, disable `thinking`.",
        )
    })
}
