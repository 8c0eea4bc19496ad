//! JSON Schemas (2020-12) of the arguments and the outputs of tools, made from utoipa's, which are
//! those of the HTTP API. A schema stands alone: it has no reference and no keyword of OpenAPI. An
//! object takes no members beside those that it names.
//!
//! The strict mode of a model's provider takes fewer keywords, no lengths for example, so the crate
//! `assistant` converts the schemas for it. The server checks the arguments of each call anyway,
//! and a model corrects a call by the faults that it is told.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{RefOr, Schema};

/// Path of a type in a document of the API.
const PREFIX: &str = "#/components/schemas/";

/// Keywords that OpenAPI has and JSON Schema has not.
const FOREIGN: [&str; 3] = ["discriminator", "example", "xml"];

/// Formats of JSON Schema that our types have. OpenAPI has more, those of numbers above all.
const FORMATS: [&str; 7] = ["date", "date-time", "email", "ipv4", "ipv6", "uri", "uuid"];

type Members = Map<String, Value>;

/// The schema of a type.
pub fn schema<T: ToSchema>() -> Value {
    let mut named: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut named);
    let named = named.into_iter().map(|(name, schema)| (name, as_json(schema))).collect();
    let schema = plain(as_json(T::schema()), &named);
    // That is `()`.
    if schema == json!({"default": null}) {
        return json!({"type": "object", "properties": {}, "additionalProperties": false});
    }
    schema
}

/// The schema of an object with the members of all these objects.
pub fn together(parts: impl IntoIterator<Item = RefOr<Schema>>) -> RefOr<Schema> {
    parts.into_iter().fold(AllOfBuilder::new(), AllOfBuilder::item).into()
}

fn as_json(schema: RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// A schema with the types that it refers to in their places.
fn plain(schema: Value, named: &Members) -> Value {
    // `true` and `false` are schemas too.
    let Value::Object(mut members) = schema else { return schema };
    let mut whole = match (members.remove("$ref"), members.remove("allOf")) {
        (Some(Value::String(path)), _) => found(&path, named),
        (_, Some(Value::Array(parts))) => joined(parts.into_iter().map(|part| plain(part, named))),
        _ => Members::new(),
    };
    // A description beside a reference says more than that of the type.
    let own = members.into_iter().filter(|(keyword, value)| is_ours(keyword, value));
    whole.extend(own.map(|(keyword, value)| {
        let value = plain_value(&keyword, value, named);
        (keyword, value)
    }));
    if whole.contains_key("properties") {
        whole.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    Value::Object(whole)
}

/// The type at a path of the API's document. A path that leads nowhere stays a reference.
fn found(path: &str, named: &Members) -> Members {
    let schema = path.strip_prefix(PREFIX).and_then(|name| named.get(name)).cloned();
    match schema.map(|schema| plain(schema, named)) {
        Some(Value::Object(members)) => members,
        _ => Members::from_iter([("$ref".to_owned(), path.into())]),
    }
}

/// Whether a keyword is one of JSON Schema.
fn is_ours(keyword: &str, value: &Value) -> bool {
    let is_format = |value: &Value| value.as_str().is_some_and(|name| FORMATS.contains(&name));
    !FOREIGN.contains(&keyword) && (keyword != "format" || is_format(value))
}

fn plain_value(keyword: &str, value: Value, named: &Members) -> Value {
    match (keyword, value) {
        ("properties", Value::Object(properties)) => {
            let properties = properties.into_iter();
            properties.map(|(name, schema)| (name, plain(schema, named))).collect()
        }
        ("items" | "additionalProperties" | "propertyNames", schema) => plain(schema, named),
        ("oneOf" | "anyOf" | "prefixItems", Value::Array(parts)) => {
            parts.into_iter().map(|part| plain(part, named)).collect()
        }
        // A comment has line ends where its line in the code is full.
        ("description", Value::String(text)) => text.replace('\n', " ").into(),
        (_, value) => value,
    }
}

/// One schema of the parts of an `allOf`. utoipa has them for a flattened field, and for a type
/// with annotations of its own.
fn joined(parts: impl Iterator<Item = Value>) -> Members {
    let mut whole = Members::new();
    for part in parts {
        let Value::Object(mut part) = part else { continue };
        // utoipa calls a part that has only annotations an object.
        if !whole.is_empty() && !part.contains_key("properties") {
            part.remove("type");
        }
        for (keyword, value) in part {
            let value = match (keyword.as_str(), whole.remove(&keyword), value) {
                ("properties", Some(Value::Object(known)), Value::Object(more)) => {
                    Value::Object(known.into_iter().chain(more).collect())
                }
                ("required", Some(Value::Array(known)), Value::Array(more)) => {
                    Value::Array(known.into_iter().chain(more).collect())
                }
                // A part that takes members of any name leaves the whole open.
                ("additionalProperties", Some(open), Value::Bool(false)) => open,
                (_, _, value) => value,
            };
            whole.insert(keyword, value);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    /// A colour.
    #[allow(dead_code, reason = "it is here for its schema")]
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    /// A part.
    #[allow(dead_code, reason = "it is here for its schema")]
    #[derive(Serialize, ToSchema)]
    struct Part {
        /// How
        /// heavy it is.
        #[schema(minimum = 1)]
        weight: u64,
    }

    /// A thing.
    #[allow(dead_code, reason = "it is here for its schema")]
    #[derive(Serialize, ToSchema)]
    struct Thing {
        #[serde(flatten)]
        part: Part,
        /// Its colour.
        #[schema(default = "red")]
        colour: Colour,
        /// Its second colour.
        other: Option<Colour>,
        /// Its name.
        #[schema(example = "a", min_length = 1)]
        name: Option<String>,
        /// An example of it.
        #[schema(required)]
        example: Option<Vec<Part>>,
        /// When it was made.
        #[schema(format = DateTime)]
        description: String,
        notes: BTreeMap<String, bool>,
    }

    #[test]
    fn a_schema_stands_alone_and_is_closed() {
        let part = json!({
            "type": "object",
            "description": "A part.",
            "properties": {
                "weight": {"type": "integer", "minimum": 1, "description": "How heavy it is."},
            },
            "required": ["weight"],
            "additionalProperties": false,
        });
        assert_eq!(schema::<Part>(), part);
        let thing = schema::<Thing>();
        let property = |name: &str| thing["properties"][name].clone();
        assert_eq!(thing["description"], "A thing.");
        assert_eq!(thing["type"], "object");
        assert_eq!(thing["additionalProperties"], false);
        assert_eq!(property("weight"), part["properties"]["weight"]);
        assert_eq!(
            thing["required"],
            json!(["weight", "colour", "example", "description", "notes"])
        );
        let colour = |text: &str| {
            json!({
                "type": "string", "enum": ["red", "green"], "description": text,
            })
        };
        let mut with_default = colour("Its colour.");
        with_default["default"] = "red".into();
        assert_eq!(property("colour"), with_default);
        let either = json!({"oneOf": [colour("Its second colour."), {"type": "null"}]});
        assert_eq!(property("other"), either);
        let name = json!({"type": ["string", "null"], "minLength": 1, "description": "Its name."});
        assert_eq!(property("name"), name);
        // Properties may be called like keywords.
        assert_eq!(property("example")["items"], part);
        let time = json!({
            "type": "string", "format": "date-time", "description": "When it was made.",
        });
        assert_eq!(property("description"), time);
        assert_eq!(property("notes")["additionalProperties"], json!({"type": "boolean"}));
        assert!(jsonschema::draft202012::meta::is_valid(&thing), "{thing}");
    }

    #[test]
    fn a_tool_without_arguments_takes_an_empty_object() {
        let empty = schema::<()>();
        let validator = jsonschema::draft202012::new(&empty).unwrap();
        assert!(validator.is_valid(&json!({})));
        assert!(!validator.is_valid(&json!({"a": 1})));
        assert!(!validator.is_valid(&json!(null)));
    }

    #[test]
    fn parts_are_joined_and_an_unknown_path_is_kept() {
        let named = Members::from_iter([(
            "A".to_owned(),
            json!({"type": "string", "enum": ["a"], "description": "A."}),
        )]);
        for (schema, expected) in [
            (json!(true), json!(true)),
            (
                json!({"allOf": [
                    {"$ref": "#/components/schemas/A"},
                    {"type": "object", "default": "a", "description": "B."},
                ]}),
                json!({"type": "string", "enum": ["a"], "default": "a", "description": "B."}),
            ),
            (
                json!({"allOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/A"}}},
                ], "description": "C."}),
                json!({
                    "type": "object", "description": "C.", "required": ["a"],
                    "properties": {
                        "a": {"type": "string"},
                        "b": {"type": "string", "enum": ["a"], "description": "A."},
                    },
                    "additionalProperties": false,
                }),
            ),
            (json!({"$ref": "#/no/such"}), json!({"$ref": "#/no/such"})),
            (
                json!({"type": "integer", "format": "int64", "example": 1}),
                json!({"type": "integer"}),
            ),
        ] {
            assert_eq!(plain(schema, &named), expected);
        }
    }
}
