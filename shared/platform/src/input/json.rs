//! Reads a client's JSON once, into the members of its object.
//!
//! A member name that comes twice in one object is refused, because RFC 8259 section 4 leaves its
//! meaning to the reader. A proxy or a log that takes the other value would see another request.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use crate::problem::Problem;

/// Characters of a member's name that an answer repeats.
const NAME_CHARACTERS: usize = 100;

/// The members of the JSON object in `text`. `what` names the text in a problem, for example
/// `body`.
pub(crate) fn object(what: &str, text: &str) -> Result<Map<String, Value>, Problem> {
    match json_value(text.as_bytes()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Problem::malformed_json(format!("The {what} must be a JSON object."))),
        // `Strict` has only one fault of this kind: a name that comes twice.
        Err(error) if error.classify() == Category::Data => {
            Err(Problem::malformed_json(format!("In the {what} {error}.")))
        }
        Err(error) => Err(Problem::malformed_json(format!(
            "The {what} is not JSON (line {}, column {}).",
            error.line(),
            error.column()
        ))),
    }
}

/// Any value, for a body that is not one of our forms. A name may come only once in an object.
pub fn json_value(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads any value. A name may come only once in an object.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if read.contains_key(&name) {
                let shown: String = name.chars().take(NAME_CHARACTERS).collect();
                return Err(A::Error::custom(format!(
                    "the member {shown:?} comes twice in one object"
                )));
            }
            read.insert(name, members.next_value_seed(Strict)?);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_read_as_the_crate_reads_it() {
        for text in [
            "{}",
            r#" {"a": null, "b": [true, 1, -1, 1.5, 18446744073709551615, "é😀\n", {"a": {}}, []], "c": {"a": 1, "b": {"a": 1}}} "#,
            r#"{"a": 1e400000}"#,
            r#"{"\ud83d\ude00": "\u0000"}"#,
        ] {
            let expected = serde_json::from_str::<Value>(text).ok();
            assert_eq!(object("body", text).ok().map(Value::Object), expected, "{text}");
        }
    }

    #[test]
    fn what_is_refused_is_refused_with_its_reason() {
        let long = "x".repeat(101);
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for (text, expected) in [
            ("", "The body is not JSON (line 1, column 0)."),
            ("[]", "The body must be a JSON object."),
            ("{} {}", "The body is not JSON (line 1, column 4)."),
            ("{\"a\":1,}", "The body is not JSON (line 1, column 8)."),
            (r#"{"a":"\ud800"}"#, "The body is not JSON (line 1, column 13)."),
            (deep.as_str(), "The body is not JSON (line 1, column 132)."),
            (
                r#"{"a":1,"a":1}"#,
                r#"In the body the member "a" comes twice in one object at line 1 column 10."#,
            ),
            (
                r#"{"a":1,"\u0061":2}"#,
                r#"In the body the member "a" comes twice in one object at line 1 column 15."#,
            ),
            (
                r#"{"b":[{"c":{"a":null,"a":{}}}]}"#,
                r#"In the body the member "a" comes twice in one object at line 1 column 24."#,
            ),
            // A syntax error after it is not reached.
            (
                r#"{"a":1,"a":}"#,
                r#"In the body the member "a" comes twice in one object at line 1 column 10."#,
            ),
            (
                &format!("{{\"{long}\":1,\"{long}\":1}}"),
                &format!(
                    r#"In the body the member "{}" comes twice in one object at line 1 column 210."#,
                    &long[1..]
                ),
            ),
        ] {
            let problem = object("body", text).unwrap_err();
            assert_eq!(
                (problem.code.as_str(), problem.detail.as_str()),
                ("malformed_json", expected),
                "{text}"
            );
        }
    }
}
