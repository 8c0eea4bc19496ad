//! The system prompts, by their names.

use crate::domain::PromptName;

/// The text of a system prompt.
pub fn system_prompt(name: PromptName) -> &'static str {
    match name {
        PromptName::Default => include_str!("prompts/default.md").trim_ascii_end(),
    }
}
