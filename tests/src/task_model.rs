//! A model that answers the tasks of jobs: with JSON by the schema of the request, and with quotes
//! from its input. It answers the same request alike.

use serde_json::{Map, Value, json};

use crate::messages_api::{Answer, Asked, reply};

/// Items of an array that is not one of rows.
const ITEMS: usize = 2;

/// The schema that the answer to a request must have. Null if the answer is any text.
pub fn schema(asked: &Asked) -> &Value {
    &asked.body["output_config"]["format"]["schema"]
}

/// The texts of the last turn of a request.
pub fn said(asked: &Asked) -> String {
    let last = asked.body["messages"].as_array().and_then(|messages| messages.last());
    let blocks = last.and_then(|last| last["content"].as_array()).into_iter().flatten();
    let texts = blocks.filter_map(|block| block["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// Whether a request asks for the findings in a piece.
pub fn asks_for_findings(asked: &Asked) -> bool {
    schema(asked)["properties"]["findings"].is_object()
}

/// The numbers of the rows that a request asks for, in their order.
pub fn rows(asked: &Asked) -> Vec<u64> {
    if !schema(asked)["properties"]["rows"].is_object() {
        return Vec::new();
    }
    let said = said(asked);
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["row"].as_u64()).collect()
}

/// An answer with this text. It has written some characters of it at a time.
pub fn text(text: &str) -> Answer {
    let letters: Vec<char> = text.chars().collect();
    let parts: Vec<String> = letters.chunks(2_000).map(|part| part.iter().collect()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Answer::stream(reply(&parts))
}

/// An answer with this value as JSON.
pub fn value(value: &Value) -> Answer {
    text(&value.to_string())
}

/// The answer to any task.
pub fn answer(asked: &Asked) -> Answer {
    let schema = schema(asked);
    if schema.is_null() {
        return text("There is nothing to add.");
    }
    let said = said(asked);
    value(&Made { quotes: quotes(&said), rows: rows(asked) }.of(schema, "", 0))
}

/// The lines of the input that have a number, without it.
fn quotes(said: &str) -> Vec<&str> {
    let numbered = said.lines().filter_map(|line| line.split_once('\t'));
    let numbered = numbered.filter(|(number, text)| {
        number.bytes().all(|byte| byte.is_ascii_digit()) && !text.trim().is_empty()
    });
    numbered.map(|(_, text)| text).collect()
}

/// Values by schemas.
struct Made<'a> {
    quotes: Vec<&'a str>,
    rows: Vec<u64>,
}

impl Made<'_> {
    /// The value of a member with this name, which is part of the n-th item of an array.
    fn of(&self, schema: &Value, name: &str, number: usize) -> Value {
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            return values[number % values.len()].clone();
        }
        if let Some(first) = schema["anyOf"].as_array().and_then(|schemas| schemas.first()) {
            return self.of(first, name, number);
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match kind.unwrap_or_default() {
            "object" => self.object(schema, number),
            "array" => {
                let items = &schema["items"];
                let is_of_rows = name == "rows" && !self.rows.is_empty();
                let count = if is_of_rows { self.rows.len() } else { ITEMS };
                (0..count).map(|at| self.of(items, name, at)).collect()
            }
            "integer" if name == "row" => json!(self.rows.get(number)),
            "integer" | "number" => json!(number),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => self.string(schema, name, number),
        }
    }

    fn object(&self, schema: &Value, number: usize) -> Value {
        let members = schema["properties"].as_object();
        let made = members.into_iter().flatten();
        let made = made.map(|(name, schema)| (name.clone(), self.of(schema, name, number)));
        Value::Object(made.collect::<Map<_, _>>())
    }

    fn string(&self, schema: &Value, name: &str, number: usize) -> Value {
        if schema["format"] == "date" {
            return json!("2026-01-31");
        }
        match name {
            // No line of the input has a number if it is a table or a PDF.
            "quote" if self.quotes.is_empty() => json!("nothing"),
            "quote" => json!(self.quotes[number % self.quotes.len()]),
            "rule" => json!(format!("rule-{number}")),
            _ => json!(format!("The {name} of number {number}.")),
        }
    }
}
