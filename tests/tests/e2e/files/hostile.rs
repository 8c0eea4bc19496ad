//! Files that are made to harm their readers.

use std::io::{self, Read as _};
use std::slice;

use flate2::write::{DeflateEncoder, ZlibEncoder};
use flate2::{Compression, Crc};
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack};

use super::{Sample, complete, ended, uploaded};

const ZIP: &str = "application/zip";
const PDF: &str = "application/pdf";

/// Uploads a file, and waits until it is ready or rejected.
async fn upload(
    stack: &TestStack,
    caller: &Caller,
    name: &str,
    media_type: &'static str,
    bytes: &[u8],
) -> Value {
    let sample = Sample { name: name.to_owned(), media_type, bytes: bytes.to_vec() };
    let file = uploaded(stack, caller, &sample).await;
    complete(stack, caller, &file).await.expect(202);
    ended(stack, caller, &file).await
}

/// An entry of a zip, as its headers have it.
#[derive(Clone)]
pub struct Entry {
    name: &'static str,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    size: u32,
    mode: u32,
    /// Where the header stands, if the entry has none of its own.
    header: Option<u32>,
}

/// An entry that is not compressed.
pub fn stored(name: &'static str, content: &[u8]) -> Entry {
    let mut crc = Crc::new();
    crc.update(content);
    Entry {
        name,
        data: content.to_vec(),
        method: 0,
        flags: 0,
        crc: crc.sum(),
        size: u32::try_from(content.len()).unwrap(),
        mode: 0o100_644,
        header: None,
    }
}

/// An entry that inflates to so many letters. It says that they are ten.
fn inflating(name: &'static str, size: u64) -> Entry {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut io::repeat(b'x').take(size), &mut encoder).unwrap();
    Entry { data: encoder.finish().unwrap(), method: 8, size: 10, ..stored(name, b"") }
}

/// The fields that both headers of an entry have.
fn common(entry: &Entry) -> Vec<u8> {
    let size = u32::try_from(entry.data.len()).unwrap();
    let name = u16::try_from(entry.name.len()).unwrap();
    [
        entry.flags.to_le_bytes().as_slice(),
        &entry.method.to_le_bytes(),
        &[0; 4],
        &entry.crc.to_le_bytes(),
        &size.to_le_bytes(),
        &entry.size.to_le_bytes(),
        &name.to_le_bytes(),
        &[0; 2],
    ]
    .concat()
}

/// A zip of these entries.
pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::<u8>::new();
    let mut directory = Vec::<u8>::new();
    for entry in entries {
        let place = entry.header.unwrap_or_else(|| u32::try_from(bytes.len()).unwrap());
        if entry.header.is_none() {
            let header = [b"PK\x03\x04\x14\0".to_vec(), common(entry)].concat();
            bytes.extend([header.as_slice(), entry.name.as_bytes(), &entry.data].concat());
        }
        directory.extend([b"PK\x01\x02\x14\x03\x14\0".to_vec(), common(entry)].concat());
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(place.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    let sizes = [directory.len(), bytes.len()].map(|size| u32::try_from(size).unwrap());
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend(sizes.map(u32::to_le_bytes).concat());
    bytes.extend([0; 2]);
    bytes
}

/// A PDF of one page. Its content is this object.
fn pdf(content: &[u8]) -> Vec<u8> {
    let start = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n\
        2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n\
        3 0 obj\n<</Type/Page/Parent 2 0 R/Contents 4 0 R>>\nendobj\n4 0 obj\n";
    let end = b"\nendobj\ntrailer\n<</Size 5/Root 1 0 R>>\nstartxref\n0\n%%EOF";
    [start.as_slice(), content, end.as_slice()].concat()
}

/// A stream that inflates to so many zeros.
fn zeros(size: u64) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut io::repeat(0).take(size), &mut encoder).unwrap();
    let data = encoder.finish().unwrap();
    let head = format!("<</Filter/FlateDecode/Length {}>>\nstream\n", data.len());
    [head.as_bytes(), &data, b"\nendstream"].concat()
}

#[tokio::test]
async fn a_hostile_file_is_rejected_and_harms_no_other() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let text = stored("a.txt", b"text");
    let inner = zip(slice::from_ref(&text));
    let named = |name: &'static str| zip(&[text.clone(), stored(name, b"text")]);
    let with = |entry: Entry| zip(&[text.clone(), entry]);
    let cases = [
        ("parent", ZIP, named("../../etc/passwd"), "unsafe_archive"),
        ("drive", ZIP, named("C:\\Windows\\a.txt"), "unsafe_archive"),
        ("link", ZIP, with(Entry { mode: 0o120_777, ..stored("b", b"/etc") }), "unsafe_archive"),
        ("duplicate", ZIP, named("a.txt"), "unsafe_archive"),
        ("overlap", ZIP, with(Entry { header: Some(0), ..stored("b", b"text") }), "unsafe_archive"),
        ("password", ZIP, with(Entry { flags: 1, ..stored("b", b"text") }), "encrypted"),
        ("a size that lies", ZIP, with(inflating("b", 100_000_000)), "unreadable"),
        (
            "letters without end",
            ZIP,
            with(Entry { size: 100_000_000, ..inflating("b", 100_000_000) }),
            "too_large",
        ),
        ("archives alone", ZIP, zip(&[stored("1.zip", &inner), stored("2.zip", &inner)]), "empty"),
        ("half an archive", ZIP, inner[..inner.len() / 2].to_vec(), "unreadable"),
        ("zeros without end", PDF, pdf(&zeros(300_000_000)), "too_large"),
        // The process that parses it gets no memory and dies.
        #[cfg(target_os = "linux")]
        (
            "objects without end",
            PDF,
            pdf(&[b"[".to_vec(), b"0 ".repeat(12_000_000), b"]".to_vec()].concat()),
            "unreadable",
        ),
        ("an archive as PDF", PDF, inner.clone(), "type_mismatch"),
        ("a PDF as text", "text/plain", pdf(b"null"), "type_mismatch"),
        ("bytes as text", "text/plain", b"a\0b".to_vec(), "not_text"),
        ("an open quotation", "text/csv", b"a,b\n\"1,2\n".to_vec(), "unreadable"),
        ("blanks", "application/json", b" \n".to_vec(), "empty"),
    ];
    for (case, media_type, bytes, reason) in cases {
        let file = upload(&stack, &caller, "file", media_type, &bytes).await;
        assert_eq!(file["status"], "rejected", "{case}: {file}");
        assert_eq!(file["reason"], reason, "{case}: {file}");
        assert_eq!(file["parts"], Value::Null, "{case}: {file}");
    }
    let file = upload(&stack, &caller, "a.zip", ZIP, &inner).await;
    assert_eq!((&file["status"], &file["parts"]), (&json!("ready"), &json!(1)), "{file}");
}

#[tokio::test]
async fn what_an_archive_has_beside_texts_is_listed() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let text = stored("src/main.rs", b"fn main() {}\n");
    let entries = [
        text.clone(),
        stored("docs/inner.zip", &zip(slice::from_ref(&text))),
        stored("docs/picture.png", b"\x89PNG\r\n\x1A\n\0"),
        stored("target/debug/app", b"\x7FELF"),
        stored("node_modules/a/index.js", b"a"),
        stored("node_modules/b/index.js", b"b"),
    ];
    let file = upload(&stack, &caller, "source.zip", ZIP, &zip(&entries)).await;
    assert_eq!((&file["status"], &file["parts"]), (&json!("ready"), &json!(1)), "{file}");
    let expected = json!([
        {"path": "docs/inner.zip", "reason": "nested_archive"},
        {"path": "docs/picture.png", "reason": "binary"},
        {"path": "target", "reason": "folder"},
        {"path": "node_modules", "reason": "folder"},
    ]);
    assert_eq!(file["skipped"], expected);
}

#[tokio::test]
async fn a_file_has_as_many_parts_as_its_form_needs() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let row = format!("1,\"{}\n\"\n", "x".repeat(500));
    let cases = [
        ("text/plain", "line\n".repeat(20_000).into_bytes(), 4, Value::Null),
        ("text/csv", format!("a,b\n{}", row.repeat(200)).into_bytes(), 2, Value::Null),
        ("application/json", b"{\"a\": 1}".to_vec(), 1, Value::Null),
        (PDF, pdf(b"<</Length 0>>\nstream\n\nendstream"), 1, json!(1)),
    ];
    for (media_type, bytes, parts, pages) in cases {
        let file = upload(&stack, &caller, "file", media_type, &bytes).await;
        assert_eq!(file["status"], "ready", "{file}");
        assert_eq!((&file["parts"], &file["pages"]), (&json!(parts), &pages), "{file}");
    }
}
