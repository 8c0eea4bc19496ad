//! The keys of a file's objects in the bucket. They are ids alone, and no name of a user's.

/// Bytes that a client uploads. They expire within a day.
pub fn incoming(file_id: &str) -> String {
    format!("incoming/{file_id}")
}

/// All objects of a file that has been prepared.
pub fn prefix(file_id: &str) -> String {
    format!("files/{file_id}/")
}

/// The bytes as they were uploaded.
pub fn original(file_id: &str) -> String {
    format!("files/{file_id}/original")
}

/// The list of the parts: [`super::Manifest`] as JSON.
pub fn manifest(file_id: &str) -> String {
    format!("files/{file_id}/manifest.json")
}

/// A part, by its index from 0.
pub fn part(file_id: &str, index: u32) -> String {
    format!("files/{file_id}/parts/{index}")
}

/// The text of the pages of a part that is a PDF: a list of strings as JSON, one a page. Quotes are
/// looked up in it.
pub fn page_texts(file_id: &str, index: u32) -> String {
    format!("files/{file_id}/parts/{index}.texts.json")
}
