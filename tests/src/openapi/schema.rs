//! Adapts schemas to the document, and refers to them.

use serde_json::{Map, Value, json};

/// A reference to a schema.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Replaces `example` by `examples`, because OpenAPI 3.1 deprecates the former. It also makes an
/// enum with a default a single schema.
pub fn normal(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members: Map<_, _> =
                members.into_iter().map(|(name, value)| (name, normal(value))).collect();
            let is_schema = ["type", "$ref", "allOf", "oneOf", "anyOf"]
                .iter()
                .any(|word| members.contains_key(*word));
            if is_schema && let Some(example) = members.remove("example") {
                members.insert("examples".into(), json!([example]));
            }
            // utoipa writes an enum with a default as `allOf` the enum and an object with that
            // default.
            let parts = members.get("allOf").and_then(Value::as_array);
            if let Some([Value::Object(choice), Value::Object(default)]) = parts.map(Vec::as_slice)
                && choice.contains_key("enum")
                && let Some(default) = default.get("default")
            {
                let merged =
                    choice.clone().into_iter().chain([("default".to_owned(), default.clone())]);
                return Value::Object(merged.collect());
            }
            Value::Object(members)
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        other => other,
    }
}

/// The schema of data that a client sends. Its strings have no null character, which the server
/// refuses in any field.
pub fn sent(schema: Value) -> Value {
    let mut schema = schema;
    let is_text = schema["type"] == "string"
        || schema["type"].as_array().is_some_and(|types| types.contains(&"string".into()));
    let free = ["enum", "pattern"].iter().all(|word| schema.get(word).is_none());
    let plain = schema.get("format").is_none_or(|format| format == "password");
    if is_text && free && plain {
        schema["pattern"] = r"^[^\u0000]*$".into();
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| *property = sent(property.take()));
    }
    schema
}

/// A query parameter, which may be absent but is never null.
pub fn parameter(parameter: Value) -> Value {
    let mut parameter = parameter;
    let mut schema = normal(parameter["schema"].take());
    if let Some(types) = schema["type"].as_array() {
        let types: Vec<_> = types.iter().filter(|name| *name != "null").cloned().collect();
        schema["type"] = types.into_iter().next().unwrap();
    }
    let other = schema["oneOf"]
        .as_array()
        .and_then(|parts| parts.iter().find(|part| part["type"] != "null").cloned());
    if let Some(Value::Object(other)) = other {
        let members = schema.as_object_mut().unwrap();
        members.remove("oneOf");
        members.extend(other);
    }
    parameter["schema"] = sent(schema);
    parameter
}

/// If the schema is an object, adds the schema of its other members: `false` for none.
pub fn with_others(mut schema: Value, others: Value) -> Value {
    if schema["type"] == "object" {
        schema["additionalProperties"] = others;
    }
    schema
}
