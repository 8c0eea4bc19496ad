//! PDFs: parts of 20 pages, each a PDF of its own, with the text of its pages.

mod bombs;
#[cfg(test)]
mod samples;
mod subset;
mod words;

use std::collections::HashSet;

use lopdf::{DecompressError, Document, Error, LoadOptions, Object, ObjectId};
use tally_files::domain::{Reason, Span};

use crate::form::may_be_pdf;
use crate::piece::{Ended, Piece};

use words::Words;

/// Pages, at most.
const MOST_PAGES: usize = 1_000;

/// Pages of a part.
const PAGES: usize = 20;

/// Bytes to which a stream of objects may inflate. Objects in memory are many times as large.
const MOST_OF_OBJECTS: usize = 32 << 20;

/// Bytes of all parts, at most. Each part has its own copy of what all pages share.
const MOST_OF_PARTS: usize = 256 << 20;

/// Gives the parts of a PDF to `sink`, one after the other.
pub fn split(
    bytes: &[u8],
    sink: &mut dyn FnMut(Piece) -> Result<(), Reason>,
) -> Result<Ended, Reason> {
    if !may_be_pdf(bytes) {
        return Err(Reason::TypeMismatch);
    }
    let document = load(bytes)?;
    let pages: Vec<ObjectId> = document.page_iter().take(MOST_PAGES + 1).collect();
    if pages.len() > MOST_PAGES {
        return Err(Reason::TooLarge);
    }
    if pages.is_empty() {
        return Err(if has_page_tree(&document) { Reason::Empty } else { Reason::Unreadable });
    }
    bombs::refuse(&document)?;
    let known: HashSet<_> = pages.iter().copied().collect();
    let mut words = Words::new(&document);
    let mut total = 0;
    let mut last = 0;
    for pages in pages.chunks(PAGES) {
        let bytes = subset::write(&document, pages, &known)?;
        total += bytes.len();
        if total > MOST_OF_PARTS {
            return Err(Reason::TooLarge);
        }
        let first = last + 1;
        last += number(pages)?;
        let texts = pages.iter().map(|page| words.of(*page)).collect();
        sink(Piece { path: None, span: Span::Pages(first, last), bytes, texts: Some(texts) })?;
    }
    Ok(Ended { pages: Some(last), ..Ended::default() })
}

fn number(pages: &[ObjectId]) -> Result<u32, Reason> {
    u32::try_from(pages.len()).map_err(|_| Reason::TooLarge)
}

/// Reads a PDF. One that an empty password opens is encrypted too: its author restricts its use.
fn load(bytes: &[u8]) -> Result<Document, Reason> {
    let options = LoadOptions::with_max_decompressed_size(MOST_OF_OBJECTS);
    let document =
        Document::load_mem_with_options(bytes, options).map_err(|error| match error {
            Error::Decompress(DecompressError::MemoryLimitExceeded { .. }) => Reason::TooLarge,
            Error::Decryption(_)
            | Error::InvalidPassword
            | Error::UnsupportedSecurityHandler(_) => Reason::Encrypted,
            _ => Reason::Unreadable,
        })?;
    let is_encrypted = document.was_encrypted() || document.trailer.has(b"Encrypt");
    if is_encrypted { Err(Reason::Encrypted) } else { Ok(document) }
}

fn has_page_tree(document: &Document) -> bool {
    let tree = document.catalog().and_then(|catalog| catalog.get_deref(b"Pages", document));
    let kids = tree.and_then(Object::as_dict).and_then(|tree| tree.get_deref(b"Kids", document));
    kids.and_then(Object::as_array).is_ok()
}

#[cfg(test)]
mod tests;
