//! Tools that a model may use.

use serde::Serialize;
use serde_json::Value;

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Name, 1 to 64 of `[A-Za-z0-9_-]`.
    pub name: String,
    /// What it does and when it is of use.
    pub description: String,
    /// JSON Schema of its input, an object.
    pub input_schema: Value,
}

/// One use of a tool, as the model wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolUse {
    /// Id that its result names.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its input. The model wrote it: it may not be what the schema says.
    pub input: Value,
}

/// What came of a use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolResult {
    /// Id of the use.
    pub tool_use_id: String,
    /// What the model reads.
    pub content: String,
    /// Whether it failed.
    pub is_error: bool,
}
