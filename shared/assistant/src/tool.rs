//! Tools that a model may use.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool as it is described to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Name, 1 to 64 of `[A-Za-z0-9_-]`.
    pub name: String,
    /// Its purpose, and when it is useful.
    pub description: String,
    /// JSON Schema of its input, an object.
    pub input_schema: Value,
}

/// One use of a tool that the model requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// Id that its result names.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its input. The model wrote it, so it may not match the schema.
    pub input: Value,
}

/// The result of a use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Id of the use.
    pub tool_use_id: String,
    /// The text that the model reads.
    pub content: String,
    /// Whether the use failed.
    pub is_error: bool,
}
