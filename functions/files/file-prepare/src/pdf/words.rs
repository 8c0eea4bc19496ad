//! The text of a page, in which quotes are looked up later.

use std::collections::HashMap;
use std::ptr;

use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Encoding, Object, ObjectId};

/// Bytes to which the operations of a page may inflate. A page with more is a drawing.
const MOST_OF_PAGE: usize = 4 << 20;

/// Bytes to which the table of a font may inflate.
const MOST_OF_FONT: usize = 1 << 20;

/// Encodings that are kept for the next page, at most. One may have 10 MB.
const MOST_ENCODINGS: usize = 16;

/// Bytes of a page's text, at most.
const MOST_OF_TEXT: usize = 200_000;

/// From this shift on, in thousandths of the size of the font, two strings are two words.
const GAP: f32 = -100.0;

/// Reads the texts of pages.
pub struct Words<'a> {
    document: &'a Document,
    /// By the place of the font's dictionary. Pages share fonts.
    encodings: HashMap<*const Dictionary, Option<Encoding<'a>>>,
}

impl<'a> Words<'a> {
    /// Reads pages of this document.
    pub fn new(document: &'a Document) -> Self {
        Self { document, encodings: HashMap::new() }
    }

    /// The text of a page. It is empty if the page cannot be read, or has pictures alone.
    pub fn of(&mut self, page: ObjectId) -> String {
        self.read(page).unwrap_or_default()
    }

    fn read(&mut self, page: ObjectId) -> lopdf::Result<String> {
        let document = self.document;
        let fonts = document.get_page_fonts(page)?;
        let content = document.get_page_content_with_limit(page, MOST_OF_PAGE)?;
        let mut text = String::new();
        let mut font = None;
        for operation in Content::decode_iter(&content) {
            let Ok(Operation { operator, operands }) = operation else { break };
            match operator.as_str() {
                "Tf" => {
                    let name = operands.first().and_then(|name| name.as_name().ok());
                    font = name.and_then(|name| fonts.get(name).copied());
                }
                "Td" | "TD" => space(&mut text, if is_level(&operands) { ' ' } else { '\n' }),
                "Tm" | "T*" | "ET" => space(&mut text, '\n'),
                "Tj" | "TJ" | "'" | "\"" => {
                    if matches!(operator.as_str(), "'" | "\"") {
                        space(&mut text, '\n');
                    }
                    if let Some(font) = font
                        && let Some(encoding) = self.encoding(font)
                    {
                        show(&mut text, encoding, &operands);
                    }
                }
                _ => {}
            }
            if text.len() > MOST_OF_TEXT {
                text.truncate(text.floor_char_boundary(MOST_OF_TEXT));
                break;
            }
        }
        Ok(text)
    }

    /// The encoding of a font.
    fn encoding(&mut self, font: &'a Dictionary) -> Option<&Encoding<'a>> {
        let place = ptr::from_ref(font);
        if self.encodings.len() == MOST_ENCODINGS && !self.encodings.contains_key(&place) {
            self.encodings.clear();
        }
        let encoding = self.encodings.entry(place);
        let read = || font.get_font_encoding_with_limit(self.document, MOST_OF_FONT).ok();
        encoding.or_insert_with(read).as_ref()
    }
}

/// Whether a move stays on its line.
fn is_level(operands: &[Object]) -> bool {
    let down = operands.get(1).and_then(|down| down.as_float().ok());
    down.is_some_and(|down| down.abs() < f32::EPSILON)
}

/// Ends a word or line.
fn space(text: &mut String, with: char) {
    if !text.is_empty() && !text.ends_with(char::is_whitespace) {
        text.push(with);
    }
}

/// Adds strings. A string that the encoding cannot read is left out.
fn show(text: &mut String, encoding: &Encoding<'_>, operands: &[Object]) {
    for operand in operands {
        match operand {
            Object::String(bytes, _) => {
                let _ = encoding.write_to_string(bytes, text);
            }
            Object::Array(items) => {
                for item in items {
                    if item.as_float().is_ok_and(|shift| shift < GAP) {
                        space(text, ' ');
                    }
                    if let Object::String(bytes, _) = item {
                        let _ = encoding.write_to_string(bytes, text);
                    }
                }
            }
            _ => {}
        }
    }
}
