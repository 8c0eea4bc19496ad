//! Texts from cells on their way to a model.

use cells::names::clean;
use cells::prompt::{CLOSE, OPEN};
use serde::Serialize;
use serde_json::Value as Json;

/// The member of an output that is its list.
const LIST: &str = "items";

/// An output as a model reads it: lines of JSON in a fence. The first line has the members of the
/// output without its list `items`, and each other line an item. A `<` in a text is escaped, and so
/// is a character that a model may take for it. So no text closes the fence.
pub fn fence(output: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut head = serde_json::to_value(output)?;
    let list = head.as_object_mut().and_then(|members| members.remove(LIST));
    let items = match list {
        Some(Json::Array(items)) => items,
        _ => Vec::new(),
    };
    let mut text = String::from(OPEN);
    for line in [head].into_iter().chain(items) {
        text.push_str(&escaped(&line));
        text.push('\n');
    }
    text.push_str(CLOSE);
    Ok(text)
}

/// Bytes of a value in a fence.
pub fn weigh(value: &impl Serialize) -> Result<usize, serde_json::Error> {
    Ok(escaped(&serde_json::to_value(value)?).len() + 1)
}

fn escaped(line: &Json) -> String {
    let line = line.to_string().replace('<', "\\u003c");
    line.replace('\u{fe64}', "\\ufe64").replace('\u{ff1c}', "\\uff1c")
}

/// A text of a cell, without what a reader does not see. If it has more bytes, it is cut.
pub fn shown(text: &str, bytes: usize) -> String {
    let text = clean(text).replace(['\u{2028}', '\u{2029}'], " ");
    let kept = &text[..text.floor_char_boundary(bytes)];
    if kept.len() == text.len() { text } else { format!("{kept}…") }
}
