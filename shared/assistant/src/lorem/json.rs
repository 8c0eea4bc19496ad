//! JSON in the form of a schema, filled with lorem ipsum.
//!
//! - An `enum` gives its n-th value to the n-th item of an array, and its first one elsewhere. So do
//!   the `examples` of an integer. So a schema can list what each item is about.
//! - An array has as few items as it may have, but one at least. An object has all its members.
//! - Of `anyOf` and `oneOf` the first variant is taken, and of several types the first.
//! - `pattern`, `not`, `if`, `contains` and `uniqueItems` are not looked at.

use serde_json::{Map, Number, Value, json};

use super::words::{SplitMix, phrase, word};

/// The most values of an answer, and the longest text in it. Without a bound, a schema could ask for
/// more than there is memory.
const MOST_VALUES: usize = 5_000;
const LONGEST_TEXT: usize = 10_000;

/// The levels within which optional members and items are written. A schema may refer to itself.
const OPTIONAL_LEVELS: usize = 8;

/// The levels of an answer at most.
const LEVELS: usize = 64;

/// The schemas that make up one schema, at most.
const MOST_PARTS: usize = 64;

/// An answer in the form of a schema. The same seed gives the same answer.
pub(super) fn answer(schema: &Value, seed: u64) -> Value {
    let mut writer = Writer { root: schema, draw: SplitMix::new(seed), left: MOST_VALUES };
    writer.value(schema, Place { item: 0, level: 0 })
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    /// The index of the item of the innermost array that it belongs to.
    item: usize,
    /// The arrays and objects around it.
    level: usize,
}

impl Place {
    fn within(self) -> Self {
        Self { level: self.level + 1, ..self }
    }

    fn has_room(self) -> bool {
        self.level < OPTIONAL_LEVELS
    }
}

struct Writer<'a> {
    /// The whole schema, for its references.
    root: &'a Value,
    draw: SplitMix,
    /// Values that may still be written.
    left: usize,
}

impl Writer<'_> {
    fn value(&mut self, schema: &Value, place: Place) -> Value {
        if self.left == 0 || place.level > LEVELS {
            return Value::Null;
        }
        self.left -= 1;
        let mut parts = MOST_PARTS;
        let schema = resolved(self.root, schema, &mut parts);
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        let values = list(&schema, "enum");
        if !values.is_empty() {
            return values[place.item % values.len()].clone();
        }
        let kind = kind(&schema);
        let examples = list(&schema, "examples");
        if kind == "integer" && !examples.is_empty() {
            return examples[place.item % examples.len()].clone();
        }
        match kind {
            "object" => self.object(&schema, place),
            "array" => self.array(&schema, place),
            "integer" => self.number(&schema, true),
            "number" => self.number(&schema, false),
            "boolean" => Value::Bool(self.draw.below(2) == 1),
            "null" => Value::Null,
            _ => Value::String(self.text(&schema)),
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, place: Place) -> Value {
        let required: Vec<_> = list(schema, "required").iter().filter_map(Value::as_str).collect();
        let mut members = Map::new();
        for (name, property) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let is_written = required.contains(&name.as_str()) || place.has_room();
            if is_written && *property != Value::Bool(false) {
                members.insert(name.clone(), self.value(property, place.within()));
            }
        }
        let more = schema.get("additionalProperties").unwrap_or(&Value::Null);
        for name in required {
            if !members.contains_key(name) {
                members.insert(name.to_owned(), self.value(more, place.within()));
            }
        }
        Value::Object(members)
    }

    fn array(&mut self, schema: &Map<String, Value>, place: Place) -> Value {
        let prefix = list(schema, "prefixItems");
        let items = schema.get("items");
        let mut most = size(schema, "maxItems").unwrap_or(usize::MAX);
        if items == Some(&Value::Bool(false)) {
            most = most.min(prefix.len());
        }
        let usual = usize::from(place.has_room());
        let least = size(schema, "minItems").unwrap_or(0);
        let count = least.max(usual).min(most).min(self.left);
        let written = (0..count).map(|item| {
            let schema = prefix.get(item).or(items).unwrap_or(&Value::Null);
            self.value(schema, Place { item, ..place.within() })
        });
        Value::Array(written.collect())
    }

    /// A number in the bounds of its schema, and a multiple of its step.
    fn number(&mut self, schema: &Map<String, Value>, is_whole: bool) -> Value {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let usual = if is_whole { 1.0 } else { 0.25 };
        let own = bound("multipleOf").filter(|step| *step > 0.0);
        let step = own.filter(|step| !is_whole || step.fract() == 0.0).unwrap_or(usual);
        let (from, above) = (bound("minimum"), bound("exclusiveMinimum"));
        let (most, below) = (bound("maximum"), bound("exclusiveMaximum"));
        // In steps, so that a bound that is excluded is moved by one.
        let first = larger(
            from.map(|from| (from / step).ceil()),
            above.map(|above| (above / step).floor() + 1.0),
        );
        let last = smaller(
            most.map(|most| (most / step).floor()),
            below.map(|below| (below / step).ceil() - 1.0),
        );
        let drawn = f64::from(u8::try_from(self.draw.below(100)).unwrap_or_default());
        let steps = match (first, last) {
            (None, None) => 1.0 + drawn,
            (Some(first), None) => first + drawn,
            (None, Some(last)) => last - drawn,
            (Some(first), Some(last)) if first <= last => first + drawn % (last - first + 1.0),
            // No multiple lies between the bounds.
            (Some(_), Some(_)) => {
                let ends = larger(from, above).zip(smaller(most, below));
                return plain(ends.map_or(0.0, |(least, most)| f64::midpoint(least, most)));
            }
        };
        plain(steps * step)
    }

    fn text(&mut self, schema: &Map<String, Value>) -> String {
        if let Some(text) = schema.get("format").and_then(Value::as_str).and_then(of_format) {
            return text.to_owned();
        }
        let least = size(schema, "minLength").unwrap_or(0).min(LONGEST_TEXT);
        let most = size(schema, "maxLength").unwrap_or(usize::MAX);
        let mut text = phrase(&mut self.draw);
        while text.len() < least {
            text.push(' ');
            text.push_str(word(&mut self.draw));
        }
        text.push('.');
        // All words are ASCII, so a character is a byte.
        text.truncate(most);
        if text.ends_with(' ') {
            text.pop();
            text.push('.');
        }
        text
    }
}

/// A schema with what it refers to: the schema of its reference, all of `allOf`, and the first
/// variant of `anyOf` and of `oneOf`, as far as there are parts left. Its own members go before
/// those.
fn resolved(root: &Value, schema: &Value, left: &mut usize) -> Map<String, Value> {
    let mut merged = schema.as_object().cloned().unwrap_or_default();
    let mut parts = Vec::new();
    if let Some(Value::String(reference)) = merged.remove("$ref") {
        parts.extend(reference.strip_prefix('#').and_then(|at| root.pointer(at)).cloned());
    }
    if let Some(Value::Array(all)) = merged.remove("allOf") {
        parts.extend(all);
    }
    for name in ["anyOf", "oneOf"] {
        if let Some(Value::Array(variants)) = merged.remove(name) {
            parts.extend(variants.into_iter().next());
        }
    }
    for part in parts {
        if *left == 0 {
            break;
        }
        *left -= 1;
        merge(&mut merged, resolved(root, &part, left));
    }
    merged
}

/// Adds the members of a schema to another one, which has to hold too.
fn merge(merged: &mut Map<String, Value>, part: Map<String, Value>) {
    for (name, value) in part {
        let Some(own) = merged.get_mut(&name) else {
            merged.insert(name, value);
            continue;
        };
        match (own, value) {
            (Value::Object(properties), Value::Object(more)) if name == "properties" => {
                for (name, property) in more {
                    let both = match properties.remove(&name) {
                        Some(own) => json!({"allOf": [own, property]}),
                        None => property,
                    };
                    properties.insert(name, both);
                }
            }
            (Value::Array(required), Value::Array(more)) if name == "required" => {
                required.extend(more);
            }
            _ => {}
        }
    }
}

/// The type of a schema. Without one its keywords tell it.
fn kind(schema: &Map<String, Value>) -> &str {
    let has = |names: &[&str]| names.iter().any(|name| schema.contains_key(*name));
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("string"),
        _ if has(&["properties", "required"]) => "object",
        _ if has(&["items", "prefixItems", "minItems"]) => "array",
        _ if has(&["minimum", "maximum", "multipleOf"]) => "number",
        _ => "string",
    }
}

fn list<'a>(schema: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    schema.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn size(schema: &Map<String, Value>, name: &str) -> Option<usize> {
    usize::try_from(schema.get(name)?.as_u64()?).ok()
}

/// A text of this format.
fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T12:00:00Z",
        "time" => "12:00:00Z",
        "duration" => "P1D",
        "email" => "lorem@example.com",
        "hostname" => "example.com",
        "uri" => "https://example.com/lorem",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uuid" => "0199d5a0-7c00-7000-8000-000000000000",
        _ => return None,
    })
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

fn smaller(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::min)
}

/// A number without a fraction that is zero.
fn plain(number: f64) -> Value {
    let whole = (number.fract() == 0.0).then(|| format!("{number:.0}"));
    let whole = whole.and_then(|digits| digits.parse::<i64>().ok()).map(Number::from);
    whole.or_else(|| Number::from_f64(number)).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(schema: &Value, value: &Value) -> bool {
        let options = jsonschema::options().should_validate_formats(true);
        options.build(schema).unwrap().is_valid(value)
    }

    #[test]
    fn what_a_schema_sets_is_written() {
        let text = json!({"type": "string"});
        let rows = json!({"type": "object", "properties": {
            "row": {"type": "integer", "examples": [4, 5, 9]}, "label": {"enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"enum": ["x", "y"]}},
        }, "required": ["row", "label"]});
        for (schema, expected) in [
            (json!({"const": {"a": 1}}), json!({"a": 1})),
            (json!({"enum": ["low", "high"]}), json!("low")),
            (json!({"type": "null"}), json!(null)),
            (json!({"type": ["null", "string"]}), json!(null)),
            (json!({"anyOf": [{"const": 1}, {"const": 2}]}), json!(1)),
            (json!({"oneOf": [{"type": "null"}, text]}), json!(null)),
            (json!({"type": "string", "format": "date"}), json!("2026-01-31")),
            (json!({"type": "integer", "minimum": 3, "maximum": 3}), json!(3)),
            (json!({"type": "number", "minimum": 2.5, "exclusiveMaximum": 2.75}), json!(2.5)),
            (json!({"type": "string", "maxLength": 0}), json!("")),
            (json!({"type": "array", "items": {"const": 1}}), json!([1])),
            (json!({"type": "array", "items": {"const": 1}, "minItems": 3}), json!([1, 1, 1])),
            (json!({"type": "array", "items": text, "maxItems": 0}), json!([])),
            (json!({"type": "array", "items": false}), json!([])),
            (
                json!({"prefixItems": [{"const": 1}, {"const": 2}], "items": false, "minItems": 2}),
                json!([1, 2]),
            ),
            (json!({"type": "object"}), json!({})),
            (json!({"properties": {"a": {"const": 1}, "b": false}}), json!({"a": 1})),
            // The n-th item has the n-th value, and begins again after the last one. An array in an
            // item counts its own.
            (
                json!({"type": "object", "properties": {
                    "rows": {"type": "array", "items": rows, "minItems": 3},
                    "first": {"enum": [7, 8]},
                }}),
                json!({"first": 7, "rows": [
                    {"row": 4, "label": "a", "tags": ["x"]},
                    {"row": 5, "label": "b", "tags": ["x"]},
                    {"row": 9, "label": "a", "tags": ["x"]},
                ]}),
            ),
        ] {
            for seed in 0..5 {
                assert_eq!(answer(&schema, seed), expected, "{schema}");
            }
            assert!(is_valid(&schema, &expected), "{schema}");
        }
    }

    #[test]
    fn an_answer_is_valid_and_the_same_for_the_same_seed() {
        let text = json!({"type": "string"});
        let finding = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "rule": text, "severity": {"enum": ["info", "low", "medium", "high", "critical"]},
                "message": {"type": "string", "minLength": 1}, "suggestion": text, "quote": text,
            },
            "required": ["rule", "severity", "message", "suggestion", "quote"],
        });
        let mut schemas = vec![
            json!({}),
            json!({"type": "boolean"}),
            json!({"type": "string", "minLength": 200}),
            json!({"type": "string", "minLength": 5, "maxLength": 5}),
            json!({"type": "string", "maxLength": 1}),
            json!({"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": 2}),
            json!({"type": "integer", "minimum": 7, "multipleOf": 5}),
            json!({"type": "integer", "maximum": -1000}),
            json!({"type": "integer", "multipleOf": 0.5}),
            json!({"type": "number", "minimum": 0, "maximum": 1}),
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1}),
            json!({"type": "number", "minimum": 1e300}),
            json!({"type": "array", "minItems": 2}),
            json!({"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}}),
            json!({"type": "object", "required": ["a"]}),
            json!({
                "type": "object",
                "properties": {"findings": {"type": "array", "items": finding}},
                "required": ["findings"], "additionalProperties": false,
            }),
            // A reference, also to itself.
            json!({
                "$ref": "#/$defs/node",
                "$defs": {"node": {
                    "type": "object", "required": ["name"],
                    "properties": {
                        "name": text, "left": {"$ref": "#/$defs/node"},
                        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    },
                }},
            }),
            // Several schemas that all hold.
            json!({
                "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
                "allOf": [
                    {"properties": {"a": {"minimum": 1000}}},
                    {"properties": {"b": {"type": "boolean"}}, "required": ["b"]},
                ],
                "anyOf": [{"required": ["c"]}, {"required": ["d"]}],
            }),
        ];
        let formats = [
            "date",
            "date-time",
            "time",
            "duration",
            "email",
            "hostname",
            "uri",
            "ipv4",
            "ipv6",
            "uuid",
            "unknown",
        ];
        let of_formats = formats.map(|format| json!({"type": "string", "format": format}));
        schemas.extend(of_formats);
        for schema in schemas {
            for seed in 0..50 {
                let written = answer(&schema, seed);
                assert!(is_valid(&schema, &written), "{schema} {written}");
                assert_eq!(answer(&schema, seed), written);
            }
        }
        let drawn = json!({"type": "array", "items": text, "minItems": 9});
        assert_ne!(answer(&drawn, 1), answer(&drawn, 2));
    }

    #[test]
    fn a_schema_that_asks_for_too_much_is_cut_off() {
        let text = json!({"type": "string", "minLength": 1_000_000_000_u64});
        assert!(answer(&text, 1).as_str().unwrap().len() < LONGEST_TEXT + 20);
        for endless in [
            json!({"type": "array", "items": {"const": 1}, "minItems": 1_000_000_000_u64}),
            json!({"type": "array", "items": {"$ref": "#"}, "minItems": 9}),
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        ] {
            let written = answer(&endless, 1).to_string();
            assert!(written.len() < 50 * MOST_VALUES, "{endless} {}", written.len());
        }
    }
}
