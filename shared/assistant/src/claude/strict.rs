//! Strict schemas: the provider lets the model write no answer, and no input of a tool, that breaks
//! its schema. It compiles the schemas into a grammar, which knows only a part of JSON Schema, and
//! has limits for a request. The rest of a schema becomes a part of its description, as in the
//! provider's own SDK.
//!
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/strict-tool-use>
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::tool::Tool;

/// The most strict tools of a request, and the most parameters of all strict schemas that are
/// optional, or of several types.
const LARGEST: Size = Size { tools: 20, optional: 24, unions: 16 };

/// The formats of texts that the grammar knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Keywords that shape a value. A schema with one that is left means more than its grammar.
const STRUCTURE: [&str; 10] = [
    "$ref",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "items",
    "anyOf",
    "oneOf",
    "allOf",
];

/// The sizes that have limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    tools: usize,
    optional: usize,
    unions: usize,
}

impl Size {
    fn plus(self, other: Self) -> Self {
        Self {
            tools: self.tools + other.tools,
            optional: self.optional + other.optional,
            unions: self.unions + other.unions,
        }
    }

    fn fits(self) -> bool {
        self.tools <= LARGEST.tools
            && self.optional <= LARGEST.optional
            && self.unions <= LARGEST.unions
    }
}

/// The strict schemas of a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Schemas {
    /// That of the answer. `None` if there is none, or it cannot be strict.
    pub output: Option<Value>,
    /// For each tool its schema; `None` for a tool that is not strict.
    pub tools: Vec<Option<Value>>,
}

/// The schemas of an answer and of the tools as strict ones, as far as they can be. The answer comes
/// first, then the tools with the fewest optional parameters, so that as many as possible are
/// strict. The same schemas give the same result.
pub(super) fn strict_schemas(output: Option<&Value>, tools: &[Tool]) -> Schemas {
    let output = output.and_then(strict_schema).filter(|(_, size)| size.fits());
    let mut total = output.as_ref().map(|(_, size)| *size).unwrap_or_default();
    let of_tool = |tool: &Tool| {
        let (schema, size) = strict_schema(&tool.input_schema)?;
        Some((schema, Size { tools: 1, ..size }))
    };
    let mut schemas: Vec<_> = tools.iter().map(of_tool).collect();
    let mut order: Vec<_> = (0..tools.len()).collect();
    order.sort_by_key(|&index| schemas[index].as_ref().map(|(_, size)| size.optional));
    for index in order {
        let size = schemas[index].as_ref().map(|(_, size)| total.plus(*size));
        match size.filter(|size| size.fits()) {
            Some(size) => total = size,
            None => schemas[index] = None,
        }
    }
    let tools = schemas.into_iter().map(|schema| schema.map(|(schema, _)| schema)).collect();
    Schemas { output: output.map(|(schema, _)| schema), tools }
}

/// A schema as the grammar takes it, without regard to the limits of a request; `None` if it means
/// more than the grammar can say.
pub(crate) fn grammar(schema: &Value) -> Option<Value> {
    strict_schema(schema).map(|(schema, _)| schema)
}

/// The same, with its size.
fn strict_schema(schema: &Value) -> Option<(Value, Size)> {
    let mut size = Size::default();
    let schema = converted(schema, &mut size)?;
    (schema["type"] == "object").then_some((schema, size))
}

fn all_converted(schemas: &Value, size: &mut Size) -> Option<Value> {
    schemas.as_array()?.iter().map(|schema| converted(schema, size)).collect()
}

fn converted(schema: &Value, size: &mut Size) -> Option<Value> {
    let mut rest = schema.as_object()?.clone();
    let mut strict = Map::new();
    // A list of values says the type, too.
    let mut types = Vec::new();
    if let Some(values) = rest.remove("enum").or_else(|| Some(json!([rest.remove("const")?]))) {
        if values.as_array()?.iter().any(|value| value.is_array() || value.is_object()) {
            return None;
        }
        rest.remove("type");
        strict.insert("enum".to_owned(), values);
    } else if let Some(variants) = rest.remove("anyOf").or_else(|| rest.remove("oneOf")) {
        size.unions += 1;
        strict.insert("anyOf".to_owned(), all_converted(&variants, size)?);
    } else if let Some(parts) = rest.remove("allOf") {
        strict.insert("allOf".to_owned(), all_converted(&parts, size)?);
    } else {
        let kind = rest.remove("type")?;
        types = match &kind {
            Value::Array(kinds) => {
                size.unions += 1;
                kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            kind => vec![kind.as_str()?.to_owned()],
        };
        strict.insert("type".to_owned(), kind);
    }
    let is = |kind: &str| types.iter().any(|known| known == kind);
    if is("object") {
        if rest.remove("additionalProperties").is_some_and(|more| more != Value::Bool(false)) {
            return None;
        }
        let properties = rest.remove("properties").unwrap_or_else(|| json!({}));
        let properties = properties.as_object()?;
        let required = rest.remove("required").unwrap_or_else(|| json!([]));
        size.optional += properties.len().saturating_sub(required.as_array()?.len());
        let properties = properties
            .iter()
            .map(|(name, schema)| Some((name.clone(), converted(schema, size)?)))
            .collect::<Option<Map<_, _>>>()?;
        strict.insert("properties".to_owned(), Value::Object(properties));
        strict.insert("required".to_owned(), required);
        strict.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if is("array") {
        strict.insert("items".to_owned(), converted(&rest.remove("items")?, size)?);
        if let Some(least) = rest.get("minItems").and_then(Value::as_u64).filter(|least| *least < 2)
        {
            strict.insert("minItems".to_owned(), least.into());
            rest.remove("minItems");
        }
    }
    let format = rest.get("format").and_then(Value::as_str).unwrap_or_default();
    if is("string") && FORMATS.contains(&format) {
        strict.insert("format".to_owned(), format.into());
        rest.remove("format");
    }
    if STRUCTURE.iter().any(|name| rest.contains_key(*name)) {
        return None;
    }
    describe(&mut strict, rest);
    Some(Value::Object(strict))
}

/// Adds the title and the description. The description says what the grammar does not know. Examples
/// are left out: the provider compiles each schema that it has not seen, and they may be of one request
/// alone.
fn describe(strict: &mut Map<String, Value>, mut rest: Map<String, Value>) {
    if let Some(title) = rest.remove("title") {
        strict.insert("title".to_owned(), title);
    }
    rest.remove("examples");
    let mut text = match rest.remove("description") {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    for (number, (name, value)) in rest.iter().enumerate() {
        let before = match (number, text.is_empty()) {
            (0, true) => "{",
            (0, false) => "\n\n{",
            _ => ", ",
        };
        // Writing to a string does not fail.
        let _ = write!(text, "{before}{name}: {value}");
    }
    if !rest.is_empty() {
        text.push('}');
    }
    if !text.is_empty() {
        strict.insert("description".to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, input_schema: Value) -> Tool {
        Tool { name: name.into(), description: String::new(), input_schema }
    }

    fn object(properties: &Value, required: &[&str]) -> Value {
        json!({
            "type": "object", "properties": properties, "required": required,
            "additionalProperties": false,
        })
    }

    #[test]
    fn what_a_grammar_does_not_know_becomes_a_description() {
        for (given, expected) in [
            (json!({"type": "boolean"}), json!({"type": "boolean"})),
            (
                json!({"type": "string", "minLength": 1, "maxLength": 9, "description": "Title."}),
                json!({"type": "string", "description": "Title.\n\n{maxLength: 9, minLength: 1}"}),
            ),
            (
                json!({"type": "integer", "format": "int64", "minimum": 1}),
                json!({"type": "integer", "description": "{format: \"int64\", minimum: 1}"}),
            ),
            (json!({"type": "integer", "examples": [1, 2]}), json!({"type": "integer"})),
            (
                json!({"type": ["string", "null"], "format": "date", "example": "2026-01-31"}),
                json!({
                    "type": ["string", "null"], "format": "date",
                    "description": "{example: \"2026-01-31\"}",
                }),
            ),
            (
                json!({"type": "string", "format": "decimal"}),
                json!({"type": "string", "description": "{format: \"decimal\"}"}),
            ),
            (
                json!({"type": "string", "enum": ["open", "all"], "default": "open"}),
                json!({"enum": ["open", "all"], "description": "{default: \"open\"}"}),
            ),
            (json!({"const": 7, "title": "Seven"}), json!({"enum": [7], "title": "Seven"})),
            (
                json!({"oneOf": [{"type": "null"}, {"type": "string", "enum": ["a"]}]}),
                json!({"anyOf": [{"type": "null"}, {"enum": ["a"]}]}),
            ),
            (
                json!({"allOf": [{"type": "string"}], "deprecated": true}),
                json!({"allOf": [{"type": "string"}], "description": "{deprecated: true}"}),
            ),
            (
                json!({"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 1,
                    "maxItems": 5}),
                json!({
                    "type": "array", "items": {"type": "string", "description": "{maxLength: 3}"},
                    "minItems": 1, "description": "{maxItems: 5}",
                }),
            ),
            (
                json!({"type": "array", "items": {"type": "null"}, "minItems": 2}),
                json!({"type": "array", "items": {"type": "null"}, "description": "{minItems: 2}"}),
            ),
            (json!({"type": "object"}), object(&json!({}), &[])),
        ] {
            let schema = object(&json!({"x": given}), &["x"]);
            let found = strict_schema(&schema).map(|(schema, _)| schema);
            assert_eq!(found, Some(object(&json!({"x": expected}), &["x"])), "{given}");
        }
    }

    #[test]
    fn what_a_grammar_cannot_say_is_not_strict() {
        for given in [
            json!({}),
            json!(true),
            json!({"$ref": "#/$defs/x"}),
            json!({"type": "object", "additionalProperties": true}),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "array"}),
            json!({"enum": [["a"]]}),
            json!({"type": "object", "oneOf": [{"type": "object"}]}),
            json!({"type": "string", "properties": {}}),
            json!({"anyOf": [{"type": "null"}, {}]}),
        ] {
            let tools = [tool("a", object(&json!({"x": given}), &[]))];
            let schemas = strict_schemas(Some(&tools[0].input_schema), &tools);
            assert_eq!((schemas.output, schemas.tools), (None, vec![None]), "{given}");
        }
        // The input itself has to be an object.
        let text = json!({"type": "string"});
        let schemas = strict_schemas(Some(&text), &[tool("a", text.clone())]);
        assert_eq!(schemas, Schemas { output: None, tools: vec![None] });
    }

    #[test]
    fn as_many_tools_are_strict_as_the_limits_allow() {
        let text = json!({"type": "string"});
        let either = json!({"type": ["string", "null"]});
        // A tool with so many optional parameters, and so many of two types.
        let tool = |optional: usize, unions: usize| {
            let names = (0..optional).map(|number| (format!("o{number}"), text.clone()));
            let unions: Vec<_> = (0..unions).map(|number| format!("u{number}")).collect();
            let both = names.chain(unions.iter().map(|name| (name.clone(), either.clone())));
            let properties = Value::Object(both.collect());
            let required: Vec<_> = unions.iter().map(String::as_str).collect();
            tool("a", object(&properties, &required))
        };
        for (tools, expected) in [
            (vec![], vec![]),
            (vec![tool(24, 16)], vec![true]),
            (vec![tool(25, 0)], vec![false]),
            (vec![tool(0, 17)], vec![false]),
            (vec![tool(12, 0), tool(13, 0), tool(3, 0)], vec![true, false, true]),
            (vec![tool(18, 0), tool(8, 0), tool(8, 0)], vec![false, true, true]),
            (vec![tool(0, 9), tool(0, 8), tool(1, 7)], vec![true, false, true]),
            (vec![tool(0, 0); 21], [vec![true; 20], vec![false]].concat()),
        ] {
            let strict = strict_schemas(None, &tools).tools;
            let found: Vec<_> = strict.iter().map(Option::is_some).collect();
            assert_eq!(found, expected);
        }
        // The schema of the answer counts too, and comes first.
        for (output, tools, expected) in [
            (
                tool(24, 16),
                vec![tool(0, 0), tool(1, 0), tool(0, 1)],
                vec![true, true, false, false],
            ),
            (tool(20, 9), vec![tool(5, 0), tool(4, 7)], vec![true, false, true]),
            (tool(25, 0), vec![tool(24, 16)], vec![false, true]),
            (tool(0, 17), vec![tool(0, 0)], vec![false, true]),
            (tool(0, 0), vec![tool(0, 0); 20], vec![true; 21]),
        ] {
            let strict = strict_schemas(Some(&output.input_schema), &tools);
            let found = [strict.output].into_iter().chain(strict.tools);
            let found: Vec<_> = found.map(|schema| schema.is_some()).collect();
            assert_eq!(found, expected);
        }
        // Nested parameters count too.
        let nested = object(&json!({"x": tool(20, 0).input_schema}), &[]);
        let (_, size) = strict_schema(&nested).unwrap();
        assert_eq!(size, Size { tools: 0, optional: 21, unions: 0 });
    }
}
