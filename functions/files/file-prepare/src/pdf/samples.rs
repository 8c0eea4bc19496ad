//! PDFs for the tests.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lopdf::{Dictionary, Document, Object, Stream, dictionary};

/// A document whose pages have these content streams. What pages may inherit, they do.
pub fn document(contents: impl IntoIterator<Item = Stream>) -> Document {
    let mut document = Document::with_version("1.7");
    let tree = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier",
        "Encoding" => "WinAnsiEncoding"
    });
    let contents: Vec<_> =
        contents.into_iter().map(|content| document.add_object(content)).collect();
    let pages = contents.into_iter().map(|content| {
        document.add_object(dictionary! {
            "Type" => "Page", "Parent" => tree, "Contents" => content
        })
    });
    let pages: Vec<_> = pages.map(Object::Reference).collect();
    let count = i64::try_from(pages.len()).unwrap();
    let node = dictionary! {
        "Type" => "Pages", "Kids" => pages, "Count" => count,
        "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()]
    };
    document.objects.insert(tree, Object::Dictionary(node));
    let root = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", root);
    document
}

/// A content stream with these operations.
pub fn content(operations: &str) -> Stream {
    Stream::new(Dictionary::new(), operations.as_bytes().to_vec())
}

/// A document of so many pages, each with its number.
pub fn numbered(pages: usize) -> Document {
    document((1..=pages).map(|number| {
        content(&format!("BT /F1 12 Tf 72 720 Td (Page {number}) Tj 0 -14 Td (second) Tj ET"))
    }))
}

/// The bytes of a document.
pub fn bytes(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// So many bytes, deflated as a PDF has them.
pub fn deflated(byte: u8, size: u64) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut io::repeat(byte).take(size), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

/// Bytes, deflated once more.
pub fn deflated_again(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A stream with these filters.
pub fn filtered(filters: &[&str], content: Vec<u8>) -> Stream {
    let filters: Vec<_> = filters.iter().map(|&name| Object::from(name)).collect();
    Stream::new(dictionary! { "Filter" => filters }, content)
}

/// A PDF of objects that are written by hand. The first one is the catalog.
pub fn raw(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut places = String::new();
    for (number, object) in (1..).zip(objects) {
        // A line of the table has twenty bytes.
        writeln!(places, "{:010} 00000 n ", bytes.len()).unwrap();
        bytes.extend(format!("{number} 0 obj\n").as_bytes());
        bytes.extend(object);
        bytes.extend(b"\nendobj\n");
    }
    let (start, size) = (bytes.len(), objects.len() + 1);
    let table = format!("xref\n0 {size}\n0000000000 65535 f \n{places}");
    let end = format!("trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF");
    bytes.extend(table.as_bytes());
    bytes.extend(end.as_bytes());
    bytes
}
