//! Texts in parts, as models write them.

use serde_json::Value;

/// Characters of JSON in a part.
const PART: usize = 40;

/// These parts as strings.
pub(crate) fn owned(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// A text in two parts.
pub(crate) fn halves(text: &str) -> [&str; 2] {
    text.split_at(text.floor_char_boundary(text.len() / 2)).into()
}

/// This JSON as a text in several parts.
pub(crate) fn parts_of(value: &Value) -> Vec<String> {
    let signs: Vec<_> = value.to_string().chars().collect();
    signs.chunks(PART).map(|part| part.iter().collect()).collect()
}
