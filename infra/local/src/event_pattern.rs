//! Event patterns: the filters of Lambda's event source mappings, in the language of `EventBridge`.
//!
//! A pattern has the shape of an event. Each leaf is a list of tests, and one of them must hold.
//! All fields of an object must match, and one entry of its `$or`.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Fields);

/// Why a text is not a pattern. The message begins with the place in the pattern.
#[derive(Debug, thiserror::Error)]
pub struct PatternError {
    // Innermost first: each caller adds its part of the place on the way up.
    place: Vec<String>,
    message: String,
}

impl PatternError {
    fn within(mut self, name: &str) -> Self {
        self.place.push(name.to_owned());
        self
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place: Vec<&str> = self.place.iter().rev().map(String::as_str).collect();
        if !place.is_empty() {
            write!(formatter, "{}: ", place.join("."))?;
        }
        formatter.write_str(&self.message)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Fields {
    fields: Vec<(String, Rule)>,
    /// The entries of `$or`.
    alternatives: Vec<Fields>,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Inner(Fields),
    AnyOf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equals(Value),
    EqualsIgnoreCase(String),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Value>),
    Exists(bool),
    /// One comparison, or both bounds of a range.
    Numeric(Vec<(Comparison, f64)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Pattern {
    /// Reads a pattern for events whose fields have the names in `known`.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, PatternError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| malformed(format!("the pattern is not JSON: {error}")))?;
        match value {
            Value::Object(map) => Fields::parse(&map, Some(known)).map(Self),
            _ => Err(malformed("a pattern is a JSON object")),
        }
    }

    /// Whether an event matches.
    pub fn matches(&self, event: &Value) -> bool {
        self.0.matches(event)
    }
}

impl Fields {
    fn parse(map: &Map<String, Value>, known: Option<&[&str]>) -> Result<Self, PatternError> {
        if map.is_empty() {
            return Err(malformed("an object of a pattern needs a field"));
        }
        let mut parsed = Self { fields: Vec::new(), alternatives: Vec::new() };
        for (name, value) in map {
            let field = match value {
                _ if name == "$or" => {
                    alternatives(value, known).map(|all| parsed.alternatives = all)
                }
                _ if known.is_some_and(|known| !known.contains(&name.as_str())) => Err(malformed(
                    format!("an event has the fields {}", known.unwrap_or_default().join(", ")),
                )),
                Value::Object(inner) => Self::parse(inner, None)
                    .map(|inner| parsed.fields.push((name.clone(), Rule::Inner(inner)))),
                Value::Array(tests) => Test::parse_all(tests)
                    .map(|tests| parsed.fields.push((name.clone(), Rule::AnyOf(tests)))),
                _ => Err(malformed("a pattern has an object or a list here")),
            };
            field.map_err(|error| error.within(name))?;
        }
        Ok(parsed)
    }

    /// A list in the event matches if one of its entries does.
    fn matches(&self, value: &Value) -> bool {
        if let Value::Array(items) = value {
            return items.iter().any(|item| self.matches(item));
        }
        self.fields.iter().all(|(name, rule)| rule.matches(value.get(name)))
            && (self.alternatives.is_empty()
                || self.alternatives.iter().any(|fields| fields.matches(value)))
    }
}

fn alternatives(value: &Value, known: Option<&[&str]>) -> Result<Vec<Fields>, PatternError> {
    let entries = value.as_array().filter(|entries| entries.len() > 1);
    let entries = entries.ok_or_else(|| malformed("$or is a list of two or more objects"))?;
    let entry = |entry: &Value| match entry {
        Value::Object(map) => Fields::parse(map, known),
        _ => Err(malformed("$or is a list of two or more objects")),
    };
    entries.iter().map(entry).collect()
}

impl Rule {
    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            // A missing object has no fields. So `exists: false` holds for each of them.
            Rule::Inner(fields) => fields.matches(value.unwrap_or(&Value::Null)),
            Rule::AnyOf(tests) => {
                let mut leaves = Vec::new();
                collect_leaves(value, &mut leaves);
                tests.iter().any(|test| test.matches(&leaves))
            }
        }
    }
}

/// Collects a value, or the entries of a list. An object is not a leaf, so no test sees it.
fn collect_leaves<'v>(value: Option<&'v Value>, leaves: &mut Vec<&'v Value>) {
    match value {
        None | Some(Value::Object(_)) => {}
        Some(Value::Array(items)) => {
            for item in items {
                collect_leaves(Some(item), leaves);
            }
        }
        Some(leaf) => leaves.push(leaf),
    }
}

impl Test {
    fn parse_all(tests: &[Value]) -> Result<Vec<Self>, PatternError> {
        if tests.is_empty() {
            return Err(malformed("a list of a pattern needs a value"));
        }
        tests.iter().map(Self::parse).collect()
    }

    fn parse(test: &Value) -> Result<Self, PatternError> {
        let map = match test {
            Value::Object(map) => map,
            Value::Array(_) => return Err(malformed("a list has no place in another")),
            leaf => return Ok(Self::Equals(leaf.clone())),
        };
        let Some((operator, operand)) = map.iter().next().filter(|_| map.len() == 1) else {
            return Err(malformed("a test is a value, or an object with one operator"));
        };
        let parsed = match (operator.as_str(), operand) {
            ("prefix", Value::String(prefix)) => Some(Self::Prefix(prefix.clone())),
            ("suffix", Value::String(suffix)) => Some(Self::Suffix(suffix.clone())),
            ("equals-ignore-case", Value::String(word)) => {
                Some(Self::EqualsIgnoreCase(word.to_lowercase()))
            }
            ("exists", Value::Bool(wanted)) => Some(Self::Exists(*wanted)),
            ("anything-but", Value::String(_) | Value::Number(_)) => {
                Some(Self::AnythingBut(vec![operand.clone()]))
            }
            ("anything-but", Value::Array(values)) => Some(Self::AnythingBut(values.clone()))
                .filter(|_| {
                    !values.is_empty()
                        && values.iter().all(|value| value.is_string() || value.is_number())
                }),
            ("numeric", Value::Array(parts)) => comparisons(parts).map(Self::Numeric),
            (
                "prefix" | "suffix" | "equals-ignore-case" | "exists" | "anything-but" | "numeric",
                _,
            ) => None,
            _ => {
                return Err(malformed(format!(
                    "the local stack does not know the operator `{operator}`"
                )));
            }
        };
        parsed.ok_or_else(|| malformed(format!("`{operator}` does not take {operand}")))
    }

    fn matches(&self, leaves: &[&Value]) -> bool {
        match self {
            Self::Exists(wanted) => *wanted != leaves.is_empty(),
            _ => leaves.iter().any(|leaf| self.holds(leaf)),
        }
    }

    fn holds(&self, leaf: &Value) -> bool {
        let text = leaf.as_str();
        match self {
            Self::Equals(value) => same(value, leaf),
            Self::EqualsIgnoreCase(lower) => text.is_some_and(|text| text.to_lowercase() == *lower),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::AnythingBut(values) => !values.iter().any(|value| same(value, leaf)),
            // The numbers of DynamoDB's items are texts in its events. No comparison holds for
            // them, here and on AWS.
            Self::Numeric(comparisons) => leaf.as_f64().is_some_and(|number| {
                comparisons.iter().all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
            Self::Exists(_) => false,
        }
    }
}

/// `[">", 0, "<=", 5]`
fn comparisons(parts: &[Value]) -> Option<Vec<(Comparison, f64)>> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    let pair = |pair: &[Value]| {
        let comparison = match pair.first()?.as_str()? {
            "=" => Equal,
            "<" => Less,
            "<=" => LessOrEqual,
            ">" => Greater,
            ">=" => GreaterOrEqual,
            _ => return None,
        };
        Some((comparison, pair.get(1)?.as_f64()?))
    };
    let pairs: Vec<_> = parts.chunks(2).map(pair).collect::<Option<_>>()?;
    match pairs.as_slice() {
        [_] | [(Greater | GreaterOrEqual, _), (Less | LessOrEqual, _)] => Some(pairs),
        _ => None,
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        let order = number.partial_cmp(&bound);
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => Comparison::Equal.holds(one, other),
        _ => one == other,
    }
}

fn malformed(message: impl Into<String>) -> PatternError {
    PatternError { place: Vec::new(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KNOWN: &[&str] = &["eventName", "dynamodb", "size", "list"];

    fn check(pattern: &Value, event: &Value, matches: bool) {
        let parsed = Pattern::parse(&pattern.to_string(), KNOWN).unwrap();
        assert_eq!(parsed.matches(event), matches, "{pattern} on {event}");
    }

    fn record() -> Value {
        json!({
            "eventName": "MODIFY",
            "size": 42,
            "list": [{"a": "x", "b": "y"}, {"a": "z"}],
            "dynamodb": {
                "NewImage": {
                    "id": {"S": "event#1"}, "n": {"N": "101"}, "ok": {"BOOL": true},
                    "gone": {"NULL": true}, "empty": {"S": ""}, "tags": {"SS": ["a", "b"]},
                },
            },
        })
    }

    #[test]
    fn a_value_is_tested_by_each_operator() {
        for (at, test, matches) in [
            ("id", json!({"S": ["event#1"]}), true),
            ("id", json!({"S": ["EVENT#1"]}), false),
            ("id", json!({"S": ["other", "event#1"]}), true),
            ("id", json!({"S": [{"equals-ignore-case": "EVENT#1"}]}), true),
            ("id", json!({"S": [{"prefix": "event#"}]}), true),
            ("id", json!({"S": [{"prefix": "vent#"}]}), false),
            ("id", json!({"S": [{"suffix": "#1"}]}), true),
            ("id", json!({"S": [{"suffix": "#2"}]}), false),
            ("id", json!({"S": [{"anything-but": "event#1"}]}), false),
            ("id", json!({"S": [{"anything-but": ["a", "b"]}]}), true),
            ("id", json!({"S": [{"exists": true}]}), true),
            ("id", json!({"S": [{"exists": false}]}), false),
            ("id", json!({"N": [{"exists": false}]}), true),
            // An object is not a leaf.
            ("id", json!([{"exists": true}]), false),
            ("id", json!([{"exists": false}]), true),
            ("id", json!(["event#1"]), false),
            // An absent value is unequal to nothing.
            ("other", json!({"S": [{"anything-but": "x"}]}), false),
            ("other", json!({"S": [{"exists": false}]}), true),
            ("empty", json!({"S": [""]}), true),
            ("ok", json!({"BOOL": [true]}), true),
            ("ok", json!({"BOOL": [false, null]}), false),
            ("n", json!({"N": ["101"]}), true),
            ("n", json!({"N": [101]}), false),
            ("n", json!({"N": [{"numeric": [">", 100]}]}), false),
            ("tags", json!({"SS": ["b"]}), true),
            ("tags", json!({"SS": ["c"]}), false),
        ] {
            check(&json!({"dynamodb": {"NewImage": {at: test}}}), &record(), matches);
        }
    }

    #[test]
    fn numbers_are_compared() {
        for (test, matches) in [
            (json!({"numeric": ["=", 42]}), true),
            (json!({"numeric": ["=", 42.0]}), true),
            (json!({"numeric": [">", 42]}), false),
            (json!({"numeric": [">=", 42]}), true),
            (json!({"numeric": ["<", 42.5]}), true),
            (json!({"numeric": [">", 0, "<=", 42]}), true),
            (json!({"numeric": [">", 0, "<", 42]}), false),
            (json!({"anything-but": 42}), false),
            (json!(42.0), true),
        ] {
            check(&json!({"size": [test]}), &record(), matches);
        }
    }

    #[test]
    fn fields_are_combined() {
        let insert = json!({"eventName": ["INSERT"]});
        let large = json!({"size": [{"numeric": [">", 40]}]});
        check(&json!({"eventName": ["MODIFY"], "size": [42]}), &record(), true);
        check(&json!({"eventName": ["MODIFY"], "size": [41]}), &record(), false);
        check(&json!({"$or": [insert, large]}), &record(), true);
        check(&json!({"$or": [insert, {"size": [1]}]}), &record(), false);
        check(&json!({"eventName": ["INSERT"], "$or": [insert, large]}), &record(), false);
        let nested = json!({"$or": [{"a": ["z"]}, {"b": ["q"]}]});
        check(&json!({"list": nested}), &record(), true);
        check(&json!({"list": {"a": ["x"], "b": ["y"]}}), &record(), true);
        // Both fields must be those of one entry.
        check(&json!({"list": {"a": ["z"], "b": ["y"]}}), &record(), false);
        let no_old = json!({"dynamodb": {"OldImage": {"id": {"S": [{"exists": false}]}}}});
        check(&no_old, &record(), true);
    }

    #[test]
    fn another_pattern_is_refused_with_its_place() {
        for (pattern, expected) in [
            ("nothing", "the pattern is not JSON: "),
            ("[1]", "a pattern is a JSON object"),
            ("{}", "an object of a pattern needs a field"),
            (r#"{"dynamodb": {}}"#, "dynamodb: an object of a pattern needs a field"),
            (r#"{"eventName": []}"#, "eventName: a list of a pattern needs a value"),
            (r#"{"eventName": "INSERT"}"#, "eventName: a pattern has an object or a list here"),
            (r#"{"eventName": [["INSERT"]]}"#, "eventName: a list has no place in another"),
            (r#"{"evnetName": ["INSERT"]}"#, "evnetName: an event has the fields eventName, "),
            (r#"{"$or": [{"size": [1]}]}"#, "$or: $or is a list of two or more objects"),
            (r#"{"$or": [{"sise": [1]}, {"size": [1]}]}"#, "$or.sise: an event has the fields "),
            (
                r#"{"dynamodb": {"Keys": {"id": {"S": [{"wildcard": "a*"}]}}}}"#,
                "dynamodb.Keys.id.S: the local stack does not know the operator `wildcard`",
            ),
            (r#"{"size": [{"numeric": [">"]}]}"#, "size: `numeric` does not take [\">\"]"),
            (r#"{"size": [{"numeric": ["=", 1, "<", 2]}]}"#, "size: `numeric` does not take"),
            (r#"{"size": [{"prefix": {"x": 1}}]}"#, "size: `prefix` does not take {\"x\":1}"),
            (r#"{"size": [{"anything-but": [true]}]}"#, "size: `anything-but` does not take"),
            (r#"{"size": [{"prefix": "a", "suffix": "b"}]}"#, "size: a test is a value, or"),
        ] {
            let error = Pattern::parse(pattern, KNOWN).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{pattern}: {error}");
        }
    }
}
