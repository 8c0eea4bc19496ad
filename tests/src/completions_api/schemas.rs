//! The schemas of strict tools and of strict answers.
//!
//! <https://platform.openai.com/docs/guides/structured-outputs>

use serde_json::{Map, Value};

/// The keywords that a strict schema may have.
const KEYWORDS: [&str; 23] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "enum",
    "const",
    "anyOf",
    "$ref",
    "$defs",
    "title",
    "description",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];

/// The formats of texts.
const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Levels of objects within objects.
const DEEPEST: usize = 10;

/// Whether the API takes a schema as a strict one. If not, the error is a part of its message.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    if schema["type"] != "object" {
        return Err("schema must be a JSON Schema of 'type: \"object\"'.".to_owned());
    }
    check_at(schema, &mut Vec::new(), 1)
}

fn check_at(schema: &Value, path: &mut Vec<String>, depth: usize) -> Result<(), String> {
    let context = format!("In context=({})", path.join(", "));
    let members = schema.as_object();
    let members = members.ok_or_else(|| format!("{context}, schema must be an object."))?;
    if let Some(keyword) = members.keys().find(|name| !KEYWORDS.contains(&name.as_str())) {
        return Err(format!("{context}, '{keyword}' is not permitted."));
    }
    let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
    if !has(&["type", "enum", "const", "anyOf", "$ref"]) {
        return Err(format!("{context}, schema must have a 'type' key."));
    }
    if let Some(format) = schema["format"].as_str().filter(|name| !FORMATS.contains(name)) {
        return Err(format!("{context}, '{format}' is not a valid format."));
    }
    if depth > DEEPEST {
        return Err(format!("{context}, the schema exceeds {DEEPEST} levels of nesting."));
    }
    if is(schema, "object") {
        check_object(schema, &context)?;
    }
    if is(schema, "array") && !schema["items"].is_object() {
        return Err(format!("{context}, array schema missing items."));
    }
    for keyword in ["properties", "$defs"] {
        for (name, inner) in schema[keyword].as_object().into_iter().flatten() {
            check_in(inner, path, &[keyword, name], depth + 1)?;
        }
    }
    if let Some(items) = members.get("items") {
        check_in(items, path, &["items"], depth)?;
    }
    let variants = schema["anyOf"].as_array().into_iter().flatten();
    for (number, inner) in variants.enumerate() {
        check_in(inner, path, &["anyOf", &number.to_string()], depth)?;
    }
    Ok(())
}

/// Checks a schema within another one.
fn check_in(
    schema: &Value,
    path: &mut Vec<String>,
    more: &[&str],
    depth: usize,
) -> Result<(), String> {
    path.extend(more.iter().map(|name| format!("'{name}'")));
    check_at(schema, path, depth)?;
    path.truncate(path.len() - more.len());
    Ok(())
}

/// Each property is required, and there are no others.
fn check_object(schema: &Value, context: &str) -> Result<(), String> {
    if schema["additionalProperties"] != false {
        let why = "'additionalProperties' is required to be supplied and to be false.";
        return Err(format!("{context}, {why}"));
    }
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    let missing = names.find(|name| !required.iter().any(|known| known == *name));
    if let Some(name) = missing {
        let why = "'required' is required to be supplied and to be an array including every key in \
                   properties.";
        return Err(format!("{context}, {why} Missing '{name}'."));
    }
    let extra = required.iter().find(|name| {
        let name = name.as_str().unwrap_or_default();
        schema["properties"].get(name).is_none()
    });
    extra.map_or(Ok(()), |name| {
        let why = "'required' must be an array that includes every key in `properties`.";
        Err(format!("{context}, {why} Extra required key {name} supplied."))
    })
}

fn is(schema: &Value, kind: &str) -> bool {
    let kinds = &schema["type"];
    kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
}
