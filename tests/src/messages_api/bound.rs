//! Thoughts, each bound to all that stood before it when the model had it. The API refuses a
//! thought that stands after something else.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/preserved-thinking>

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The thoughts that the server has sent, each with the request that it answered.
#[derive(Default)]
pub(crate) struct Bound(BTreeMap<String, Value>);

impl Bound {
    /// Notes the thoughts of an answer to this request.
    pub fn bind(&mut self, signs: Vec<String>, body: &Value) {
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        self.0.extend(signs.into_iter().map(|sign| (sign, before(body, &messages))));
    }

    /// Whether each thought of a request is one that was sent, in its place. If not, the error is
    /// the API's message.
    pub fn check(&self, body: &Value) -> Result<(), String> {
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        for (index, message) in messages.iter().enumerate() {
            let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
            for (number, block) in blocks.iter().enumerate() {
                let sign = block["signature"].as_str().or(block["data"].as_str());
                let Some(sign) = sign else { continue };
                if self.0.get(sign) != Some(&before(body, &messages[..index])) {
                    return Err(format!(
                        "messages.{index}.content.{number}: Invalid `signature` in `thinking` \
                         block. The block is bound to a different conversation."
                    ));
                }
            }
        }
        Ok(())
    }
}

/// All that stands before the next message.
fn before(body: &Value, messages: &[Value]) -> Value {
    json!({"system": body["system"], "tools": body["tools"], "messages": messages})
}
