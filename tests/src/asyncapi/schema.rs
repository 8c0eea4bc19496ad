//! Schemas of the types as AsyncAPI has them: JSON Schema draft 7, where those of OpenAPI 3.1 are of 2020-12.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// The schema of a type, and those of the types that it names, which are added to `others`.
pub fn schema<T: ToSchema>(others: &mut Map<String, Value>) -> Value {
    let mut named: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut named);
    others.extend(named.into_iter().map(|(name, schema)| (name, draft7(serde_json::to_value(schema).unwrap()))));
    draft7(serde_json::to_value(T::schema()).unwrap())
}

/// The schema of an object as a message: with the member that says which it is, and the client's id where there is one.
pub fn enveloped(mut schema: Value, (member, name): (&str, &str), id: Option<Value>) -> Value {
    let own = schema["properties"].as_object().cloned().unwrap_or_default();
    let id = id.map(|id| ("id".to_owned(), id));
    let envelope = std::iter::once((member.to_owned(), json!({"type": "string", "const": name}))).chain(id);
    schema["properties"] = envelope.chain(own).collect();
    let own = schema["required"].as_array().cloned().unwrap_or_default();
    schema["required"] = std::iter::once(json!(member)).chain(own).collect();
    schema
}

/// The same in the words of draft 7: it has `examples` alone, and whatever stands beside a `$ref` is nothing to it.
fn draft7(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members: Map<_, _> = members.into_iter().map(|(name, value)| (name, draft7(value))).collect();
            // A property may have that name, whose schema is an object.
            if let Some(example) = members.get("example").filter(|example| !example.is_object()).cloned() {
                members.remove("example");
                members.insert("examples".into(), json!([example]));
            }
            if members.contains_key("$ref") {
                members.retain(|name, _| name == "$ref");
            }
            Value::Object(members)
        }
        Value::Array(items) => items.into_iter().map(draft7).collect(),
        other => other,
    }
}
