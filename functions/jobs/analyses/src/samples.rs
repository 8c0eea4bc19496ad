//! A version of a prompt for tests.

use serde_json::Value;
use tally_prompts::domain::{Content, Kind, PromptName, Version};

/// A version of the kind `task`, whose answers have this schema.
pub fn version(output_schema: Option<Value>) -> Version {
    let content = Content {
        kind: Kind::Task,
        system: "Be brief.".into(),
        user: None,
        variables: Vec::new(),
        model: None,
        max_tokens: None,
        effort: None,
        output_schema,
    };
    Version {
        name: PromptName::default(),
        version: 1,
        sha256: content.sha256(),
        content,
        note: None,
        created_at: None,
        created_by: None,
    }
}
