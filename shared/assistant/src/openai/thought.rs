//! Thoughts, as a reply gives them, and as the next step sends them back.
//!
//! - The model's reasoning. Some servers refuse the next step of a reply without it:
//!   <https://api-docs.deepseek.com/guides/thinking_mode>
//! - Its reasoning in blocks, which are signed or encrypted: `blocks.rs`.
//! - What a server keeps at a use of a tool, such as the signatures of Gemini:
//!   <https://ai.google.dev/gemini-api/docs/thought-signatures>

use serde_json::{Map, Value, json};

/// The type of all thoughts of this provider.
const TYPE: &str = "openai";

/// The member of a message with the model's reasoning. It goes back under the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// That of `DeepSeek` and `LiteLLM`.
    ReasoningContent,
    /// That of vLLM, `OpenRouter` and Ollama.
    Reasoning,
}

impl Member {
    /// All of them. If a server sends both, they say the same.
    pub const ALL: [Self; 2] = [Self::ReasoningContent, Self::Reasoning];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning_content",
            Self::Reasoning => "reasoning",
        }
    }
}

/// The member of a message with reasoning in blocks. It goes back under the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// That of `OpenRouter`.
    ReasoningDetails,
    /// That of `LiteLLM` in front of Claude.
    ThinkingBlocks,
}

impl List {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ReasoningDetails, Self::ThinkingBlocks];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReasoningDetails => "reasoning_details",
            Self::ThinkingBlocks => "thinking_blocks",
        }
    }
}

/// A thought of this provider.
#[derive(Debug, PartialEq)]
pub(super) enum Thought<'a> {
    /// The model's reasoning.
    Reasoning { member: Member, text: &'a str },
    /// The model's reasoning in blocks.
    Blocks { list: List, blocks: &'a [Value] },
    /// What the server keeps at the use with this id of ours.
    OfUse {
        tool_call_id: &'a str,
        /// The server's own id of the use, where ours is another.
        id: Option<&'a str>,
        extra_content: Option<&'a Value>,
    },
}

impl<'a> Thought<'a> {
    /// Reads a thought; `None` for one of another provider.
    pub fn read(thought: &'a Value) -> Option<Self> {
        if thought["type"] != TYPE {
            return None;
        }
        if let Some(tool_call_id) = thought["tool_call_id"].as_str() {
            let id = thought["id"].as_str();
            return Some(Self::OfUse {
                tool_call_id,
                id,
                extra_content: thought.get("extra_content"),
            });
        }
        let reasoning = |member: Member| {
            let text = thought[member.name()].as_str()?;
            Some(Self::Reasoning { member, text })
        };
        let blocks = |list: List| {
            let blocks = thought[list.name()].as_array()?;
            Some(Self::Blocks { list, blocks })
        };
        let text = Member::ALL.into_iter().find_map(reasoning);
        text.or_else(|| List::ALL.into_iter().find_map(blocks))
    }

    /// The thought as it is stored.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Reasoning { member, text } => json!({"type": TYPE, member.name(): text}),
            Self::Blocks { list, blocks } => json!({"type": TYPE, list.name(): blocks}),
            Self::OfUse { tool_call_id, id, extra_content } => {
                let kept = [
                    ("type", Some(TYPE.into())),
                    ("tool_call_id", Some((*tool_call_id).into())),
                    ("id", id.map(Value::from)),
                    ("extra_content", extra_content.cloned()),
                ];
                let members =
                    kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_is_stored_and_read_again() {
        let signed = json!({"google": {"thought_signature": "c2ln"}});
        let blocks = [json!({"type": "reasoning.text", "text": "Hm."})];
        let of_use = |id, extra_content| Thought::OfUse { tool_call_id: "a", id, extra_content };
        for (thought, expected) in [
            (
                Thought::Reasoning { member: Member::ReasoningContent, text: "Hm. €" },
                json!({"type": "openai", "reasoning_content": "Hm. €"}),
            ),
            (
                Thought::Reasoning { member: Member::Reasoning, text: "Hm." },
                json!({"type": "openai", "reasoning": "Hm."}),
            ),
            (
                Thought::Blocks { list: List::ReasoningDetails, blocks: &blocks },
                json!({"type": "openai", "reasoning_details": blocks}),
            ),
            (
                Thought::Blocks { list: List::ThinkingBlocks, blocks: &[] },
                json!({"type": "openai", "thinking_blocks": []}),
            ),
            (
                of_use(None, Some(&signed)),
                json!({"type": "openai", "tool_call_id": "a", "extra_content": signed}),
            ),
            (of_use(Some("b"), None), json!({"type": "openai", "tool_call_id": "a", "id": "b"})),
        ] {
            assert_eq!(thought.to_value(), expected);
            assert_eq!(Thought::read(&expected), Some(thought));
        }
    }

    #[test]
    fn what_another_provider_thought_is_none_of_ours() {
        for thought in [
            json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}),
            json!({"type": "redacted_thinking", "data": "eA=="}),
            json!({"reasoning": "Hm."}),
            json!({"type": "openai"}),
            json!({"type": "openai", "reasoning": ["Hm."]}),
            json!({"type": "openai", "reasoning_details": "Hm."}),
            json!("openai"),
            json!(null),
        ] {
            assert_eq!(Thought::read(&thought), None, "{thought}");
        }
    }
}
