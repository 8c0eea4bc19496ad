//! Documents in a user's turn: PDFs in base64.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/pdf-support>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The members of a block.
const MEMBERS: [&str; 6] = ["type", "source", "title", "context", "citations", "cache_control"];

/// Characters of a title at most.
const LONGEST_TITLE: usize = 500;

/// Bytes of a PDF in which its header begins.
const HEADER_WITHIN: usize = 1_024;

/// Whether the API takes a block of the type `document`. If not, the error is a part of its
/// message, without the data.
pub(super) fn check(block: &Value) -> Result<(), String> {
    let mut members = block.as_object().into_iter().flat_map(Map::keys);
    if let Some(member) = members.find(|member| !MEMBERS.contains(&member.as_str())) {
        return Err(format!(".document.{member}: Extra inputs are not permitted"));
    }
    let title = &block["title"];
    let length = title.as_str().map(|title| title.chars().count());
    if !title.is_null() && length.is_none_or(|length| length == 0 || length > LONGEST_TITLE) {
        return Err(".document.title: String should have 1 to 500 characters".to_owned());
    }
    let source = &block["source"];
    if source["type"] != "base64" || source["media_type"] != "application/pdf" {
        return Err(".document.source: Input should be 'base64' and 'application/pdf'".to_owned());
    }
    let data = source["data"].as_str().and_then(|data| STANDARD.decode(data).ok());
    let data = data.ok_or(".document.source.base64.data: Invalid base64 data")?;
    let head = &data[..data.len().min(HEADER_WITHIN)];
    if !head.windows(5).any(|bytes| bytes == b"%PDF-") {
        return Err(".document.source.base64.data: The PDF specified was not valid.".to_owned());
    }
    Ok(())
}
