//! Schemas of the types in AsyncAPI's dialect: JSON Schema draft 7. The schemas of OpenAPI 3.1 use
//! the dialect 2020-12.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// The schema of a type. The schemas of the types that it refers to are added to `others`.
pub fn schema<T: ToSchema>(others: &mut Map<String, Value>) -> Value {
    let mut named: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut named);
    others.extend(
        named
            .into_iter()
            .map(|(name, schema)| (name, draft7(serde_json::to_value(schema).unwrap()))),
    );
    draft7(serde_json::to_value(T::schema()).unwrap())
}

/// The schema of an object as a message. It adds the member that names the message's type, and the
/// client's id where there is one.
pub fn enveloped(mut schema: Value, (member, name): (&str, &str), id: Option<Value>) -> Value {
    let own = schema["properties"].as_object().cloned().unwrap_or_default();
    let id = id.map(|id| ("id".to_owned(), id));
    let envelope =
        std::iter::once((member.to_owned(), json!({"type": "string", "const": name}))).chain(id);
    schema["properties"] = envelope.chain(own).collect();
    let own = schema["required"].as_array().cloned().unwrap_or_default();
    schema["required"] = std::iter::once(json!(member)).chain(own).collect();
    schema
}

/// The name of a message's schema: `ChatToolCallMessage` of `chat.tool_call`.
pub fn schema_name(message: &str) -> String {
    let capitalised = |part: &str| part[..1].to_uppercase() + &part[1..];
    message.split(['.', '_']).map(capitalised).chain(["Message".to_owned()]).collect()
}

/// A message's schema.
pub fn reference(message: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", schema_name(message))})
}

/// The schema of a client's message. It allows no unknown members, because the server refuses them.
pub fn closed(body: Value, action: &str) -> Value {
    let id = json!({
        "type": ["string", "null"], "maxLength": 128,
        "description": "Your own id for the message. Its answer echoes it.",
    });
    let mut payload = enveloped(body, ("action", action), Some(id));
    payload["additionalProperties"] = false.into();
    payload
}

/// Translates a schema to draft 7. That dialect has only `examples`, and ignores every member
/// beside a `$ref`.
fn draft7(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members: Map<_, _> =
                members.into_iter().map(|(name, value)| (name, draft7(value))).collect();
            // A property may be called `example` too. Its schema is an object.
            if let Some(example) =
                members.get("example").filter(|example| !example.is_object()).cloned()
            {
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
