//! Schemas as the document has them.

use serde_json::{Map, Value, json};

/// A schema with `examples` in place of `example`, which OpenAPI 3.1 deprecates, and without an `allOf` of one.
pub fn normal(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members: Map<_, _> = members.into_iter().map(|(name, value)| (name, normal(value))).collect();
            let is_schema = ["type", "$ref", "allOf", "oneOf", "anyOf"].iter().any(|word| members.contains_key(*word));
            if is_schema && let Some(example) = members.remove("example") {
                members.insert("examples".into(), json!([example]));
            }
            let single = members.get("allOf").and_then(Value::as_array).filter(|parts| parts.len() == 1 && parts[0].get("$ref").is_none());
            if let Some(Value::Object(part)) = single.map(|parts| parts[0].clone()) {
                members.remove("allOf");
                members.extend(part);
            }
            Value::Object(members)
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        other => other,
    }
}

/// A query parameter: it is there or it is not, and never null.
pub fn parameter(parameter: Value) -> Value {
    let mut parameter = parameter;
    let mut schema = normal(parameter["schema"].take());
    if let Some(types) = schema["type"].as_array() {
        let types: Vec<_> = types.iter().filter(|name| *name != "null").cloned().collect();
        schema["type"] = types.into_iter().next().unwrap();
    }
    let other = schema["oneOf"].as_array().and_then(|parts| parts.iter().find(|part| part["type"] != "null").cloned());
    if let Some(Value::Object(other)) = other {
        let members = schema.as_object_mut().unwrap();
        members.remove("oneOf");
        members.extend(other);
    }
    parameter["schema"] = schema;
    parameter
}

/// An object that has no members but these.
pub fn closed(mut schema: Value) -> Value {
    assert_eq!(schema["type"], "object", "a body is one object: {schema}");
    schema["additionalProperties"] = false.into();
    schema
}
