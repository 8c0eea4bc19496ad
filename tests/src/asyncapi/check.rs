//! Checks messages against the document.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::document;

/// The validator of each message of the document, by its `type` or `action`.
static MESSAGES: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let document = document();
    let components = &document["components"];
    let messages = components["messages"].as_object().unwrap().keys();
    let schema = |name: &String| {
        let reference = json!({"$ref": format!("#/components/messages/{name}/payload")});
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#", "allOf": [reference],
            "components": components,
        })
    };
    messages.map(|name| (name.clone(), jsonschema::validator_for(&schema(name)).unwrap())).collect()
});

/// The validator of messages with this `type` or `action`.
pub fn validator(name: &str) -> &'static Validator {
    MESSAGES.get(name).unwrap_or_else(|| panic!("docs/api/asyncapi.json has no {name}"))
}

/// Fails unless a message of the server matches the document. API Gateway's own messages have no
/// `type`.
#[track_caller]
pub fn verify(message: &Value) {
    let Some(kind) = message.get("type") else { return };
    if let Err(error) = validator(kind.as_str().unwrap()).validate(message) {
        panic!("not as docs/api/asyncapi.json has it: {error}: {message}");
    }
}
