//! Strict schemas: the server lets the model write no answer, and no input of a tool, that breaks
//! its schema. They have to be as those for Claude, see [`claude::grammar`]. In addition, every
//! property is required, and every schema says its type.
//!
//! <https://developers.openai.com/api/docs/guides/structured-outputs>

use serde_json::Value;

use crate::claude;

/// Formats of texts that Claude's grammar knows, and this API does not.
const UNKNOWN_FORMATS: [&str; 1] = ["uri"];

/// A schema as a strict one; `None` if it cannot be one.
pub(super) fn strict(schema: &Value) -> Option<Value> {
    let mut schema = claude::grammar(schema)?;
    suits(&mut schema).then_some(schema)
}

/// Adds the types that are missing. Returns whether the API takes the schema.
fn suits(schema: &mut Value) -> bool {
    let Some(members) = schema.as_object_mut() else { return false };
    if members.contains_key("allOf") {
        return false;
    }
    let format = members.get("format").and_then(Value::as_str).unwrap_or_default();
    if UNKNOWN_FORMATS.contains(&format) {
        return false;
    }
    if let Some(Value::Array(values)) = members.get("enum") {
        let types = types_of(values);
        members.insert("type".to_owned(), types);
    }
    let required = members.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        let is_required = |name: &String| required.iter().any(|known| known == name.as_str());
        if !properties.keys().all(is_required) || !properties.values_mut().all(suits) {
            return false;
        }
    }
    if let Some(Value::Array(variants)) = members.get_mut("anyOf")
        && !variants.iter_mut().all(suits)
    {
        return false;
    }
    members.get_mut("items").is_none_or(suits)
}

/// The type of these values, or a list of their types.
fn types_of(values: &[Value]) -> Value {
    let mut types: Vec<Value> = Vec::new();
    for value in values {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.iter().any(|known| known == kind) {
            types.push(kind.into());
        }
    }
    match <[Value; 1]>::try_from(types) {
        Ok([kind]) => kind,
        Err(types) => Value::Array(types),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(property: &Value, required: &[&str]) -> Value {
        json!({
            "type": "object", "properties": {"x": property}, "required": required,
            "additionalProperties": false,
        })
    }

    #[test]
    fn a_schema_is_strict_where_all_its_properties_are_required() {
        let text = || json!({"type": "string"});
        for (property, expected) in [
            (text(), Some(text())),
            (json!({"type": ["string", "null"]}), Some(json!({"type": ["string", "null"]}))),
            (
                json!({"type": "string", "maxLength": 9}),
                Some(json!({"type": "string", "description": "{maxLength: 9}"})),
            ),
            (
                json!({"type": "array", "items": object(&text(), &["x"])}),
                Some(json!({"type": "array", "items": object(&text(), &["x"])})),
            ),
            // "schema must have a 'type' key"
            (json!({"enum": ["a", "b"]}), Some(json!({"enum": ["a", "b"], "type": "string"}))),
            (json!({"const": 7}), Some(json!({"enum": [7], "type": "integer"}))),
            (
                json!({"type": ["string", "null"], "enum": ["a", 0.5, null]}),
                Some(json!({"enum": ["a", 0.5, null], "type": ["string", "number", "null"]})),
            ),
            (
                json!({"oneOf": [{"type": "null"}, {"enum": [true]}]}),
                Some(json!({"anyOf": [{"type": "null"}, {"enum": [true], "type": "boolean"}]})),
            ),
            // A property of these is optional.
            (object(&text(), &[]), None),
            (json!({"type": "array", "items": object(&text(), &[])}), None),
            (json!({"anyOf": [{"type": "null"}, object(&text(), &[])]}), None),
            // "'uri' is not a valid format"
            (json!({"type": "string", "format": "uri"}), None),
            (json!({"allOf": [text()]}), None),
            (json!({}), None),
        ] {
            let found = strict(&object(&property, &["x"]));
            let expected = expected.map(|expected| object(&expected, &["x"]));
            assert_eq!(found, expected, "{property}");
            assert_eq!(strict(&object(&property, &[])), None, "{property}");
        }
        let nothing = json!({"type": "object"});
        let empty = json!({
            "type": "object", "properties": {}, "required": [], "additionalProperties": false,
        });
        assert_eq!(strict(&nothing), Some(empty));
        assert_eq!(strict(&json!({"type": "string"})), None);
    }
}
