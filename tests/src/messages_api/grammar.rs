//! The schemas that the API compiles into a grammar: that of the answer, and those of strict tools.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>

use serde_json::{Map, Value, json};

/// The keywords that a grammar knows.
const KEYWORDS: [&str; 13] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "format",
    "title",
    "description",
];

/// The most strict tools of a request, and the most parameters of all schemas that are optional, or
/// of several types.
const STRICT_TOOLS: usize = 20;
const OPTIONAL: usize = 24;
const UNIONS: usize = 16;

/// What the schemas of a request take.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    tools: usize,
    optional: usize,
    unions: usize,
}

impl Grammar {
    /// Adds the schema of a tool. The error is a part of the API's message.
    pub fn add_tool(&mut self, schema: &Value) -> Result<(), String> {
        self.tools += 1;
        self.add(schema)
    }

    /// Adds a schema. The error is a part of the API's message.
    pub fn add(&mut self, schema: &Value) -> Result<(), String> {
        let members = schema.as_object().ok_or("a schema must be an object")?;
        let kind = &schema["type"];
        if let Some(keyword) = members.keys().find(|name| !KEYWORDS.contains(&name.as_str())) {
            return Err(format!("For {kind} type, property '{keyword}' is not supported"));
        }
        let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
        if !has(&["type", "enum", "const", "anyOf", "allOf"]) {
            return Err(format!("Invalid schema: Schema type is missing for schema: {schema}"));
        }
        self.unions += usize::from(kind.is_array()) + usize::from(members.contains_key("anyOf"));
        let is = |name: &str| *kind == name || list(kind).contains(&json!(name));
        if is("object") && schema["additionalProperties"] != false {
            let why = "'additionalProperties' must be explicitly set to false";
            return Err(format!("For 'object' type, {why}"));
        }
        if members.get("minItems").is_some_and(|least| *least != 0 && *least != 1) {
            let why = "'minItems' values other than 0 or 1 are not supported";
            return Err(format!("For 'array' type, {why}"));
        }
        let is_complex = |value: &Value| value.is_array() || value.is_object();
        let mut literals = list(&schema["enum"]).iter().chain(members.get("const"));
        if literals.any(is_complex) {
            return Err("Enum values must be strings, numbers, booleans or null".to_owned());
        }
        let properties: Vec<_> =
            schema["properties"].as_object().into_iter().flat_map(Map::values).collect();
        self.optional += properties.len().saturating_sub(list(&schema["required"]).len());
        let others = list(&schema["anyOf"]).iter().chain(list(&schema["allOf"]));
        let items = members.get("items");
        properties.into_iter().chain(others).chain(items).try_for_each(|inner| self.add(inner))
    }

    /// Whether the API compiles it. If not, the error is its message.
    pub fn check(&self) -> Result<(), String> {
        let fits = self.tools <= STRICT_TOOLS && self.optional <= OPTIONAL && self.unions <= UNIONS;
        if fits {
            Ok(())
        } else {
            Err(format!("Schemas are too complex for compilation: {self:?}"))
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
