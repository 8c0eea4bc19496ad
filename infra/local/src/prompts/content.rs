//! The content of a version, as the API has it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The members of a content, in the order in which they are named.
const MEMBERS: [&str; 8] =
    ["kind", "model", "max_tokens", "effort", "system", "user", "variables", "output_schema"];

/// The content of a version. The server knows its rules, and checks it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// `chat` or `task`.
    pub kind: String,
    /// The system prompt, a template.
    pub system: String,
    /// A template of the user's turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The variables of both.
    #[serde(default)]
    pub variables: Vec<Variable>,
    /// The model to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens of an answer, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How much the model is to think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// A JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
}

/// A variable of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variable {
    /// The name, as the templates have it.
    pub name: String,
    /// The type of its values.
    pub r#type: String,
    /// Whether a caller has to give a value, if there is no default.
    #[serde(default = "yes")]
    pub required: bool,
    /// The values of an enumeration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// Characters of a value, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// Its meaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The value where a caller gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

fn yes() -> bool {
    true
}

impl Content {
    /// The members that differ from those of another content. They are compared by their RFC 8785
    /// form, as the server does it. There, 4.0 is 4.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let (own, others) = (self.members(), other.members());
        let differs = |name: &&str| canonical(own.get(*name)) != canonical(others.get(*name));
        MEMBERS.into_iter().filter(differs).collect()
    }

    fn members(&self) -> Map<String, Value> {
        // All keys are strings, so this cannot fail.
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }
}

fn canonical(value: Option<&Value>) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(&value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(more: &Value) -> Content {
        let mut body = json!({"kind": "chat", "system": "Be brief."});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn it_is_said_which_members_differ() {
        let x = |more: Value| {
            let mut variable = json!({"name": "x", "type": "number"});
            variable.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "variables": [variable] })
        };
        for (one, other, expected) in [
            (json!({}), json!({}), &[] as &[&str]),
            (json!({}), json!({"variables": [], "user": null}), &[]),
            (json!({}), json!({"system": "Be brief. "}), &["system"]),
            (json!({}), json!({"user": "{{message}}"}), &["user"]),
            (
                json!({"effort": "low", "model": "a", "max_tokens": 1}),
                json!({"model": "b", "max_tokens": 2}),
                &["model", "max_tokens", "effort"],
            ),
            (x(json!({})), x(json!({"required": true})), &[]),
            (x(json!({})), x(json!({"required": false})), &["variables"]),
            (x(json!({"default": 4})), x(json!({"default": 4.0})), &[]),
            (x(json!({"default": 4})), x(json!({"default": "4"})), &["variables"]),
            (x(json!({"default": 4})), x(json!({})), &["variables"]),
            (
                json!({"kind": "task", "output_schema": {"a": 1, "b": {"c": null}}}),
                json!({"kind": "task", "output_schema": {"b": {"c": null}, "a": 1.0}}),
                &[],
            ),
            (
                json!({"kind": "task", "output_schema": {"a": 1}}),
                json!({"output_schema": {"a": [1]}}),
                &["kind", "output_schema"],
            ),
        ] {
            assert_eq!(content(&one).differing(&content(&other)), expected, "{one} {other}");
            assert_eq!(content(&other).differing(&content(&one)), expected, "{other} {one}");
        }
    }
}
