//! The parser as a process: what it answers, and how it dies.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

use std::path::Path;

use file_prepare::parser::{Answer, Died, End, Parser, Part};
use tally_files::domain::{Reason, Span};

/// The whole answer for a file.
async fn answer(media_type: &str, bytes: &[u8]) -> Result<(Vec<Part>, End), Died> {
    let program = Path::new(env!("CARGO_BIN_EXE_file-prepare"));
    let mut parser = Parser::start(program, media_type, bytes).await?;
    let mut parts = Vec::new();
    loop {
        match parser.next().await? {
            Answer::Part(part) => parts.push(part),
            Answer::End(end) => return Ok((parts, end)),
        }
    }
}

async fn rejected(media_type: &str, bytes: &[u8]) -> Reason {
    match answer(media_type, bytes).await {
        Ok((_, End::Rejected(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

/// A PDF with this object beside its catalog and page.
fn pdf(object: &[u8]) -> Vec<u8> {
    let start = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n\
        2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n\
        3 0 obj\n<</Type/Page/Parent 2 0 R>>\nendobj\n4 0 obj\n";
    let end = b"\nendobj\ntrailer\n<</Size 5/Root 1 0 R>>\nstartxref\n0\n%%EOF";
    [start.as_slice(), object, end.as_slice()].concat()
}

#[tokio::test]
async fn a_text_comes_back_as_parts() {
    let text = format!("one\n{}\nthree", "x".repeat(70_000));
    let (parts, end) = answer("text/plain", text.as_bytes()).await.unwrap();
    assert_eq!(end, End::Ready { pages: None, skipped: Vec::new() });
    let spans: Vec<_> = parts.iter().map(|part| (part.index, part.span)).collect();
    let expected = [(0, Span::Lines(1, 1)), (1, Span::Lines(2, 2)), (2, Span::Lines(2, 3))];
    assert_eq!(spans, expected);
    assert_eq!(parts[0].bytes, b"1\tone\n");
    assert!(parts.iter().all(|part| part.path.is_none() && part.texts.is_none()));
}

#[tokio::test]
async fn a_pdf_comes_back_with_the_text_of_its_pages() {
    let (parts, end) = answer("application/pdf", &pdf(b"null")).await.unwrap();
    assert_eq!(end, End::Ready { pages: Some(1), skipped: Vec::new() });
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].span, Span::Pages(1, 1));
    assert!(parts[0].bytes.starts_with(b"%PDF-"));
    assert_eq!(parts[0].texts.as_deref(), Some(b"[\"\"]".as_slice()));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_has_a_reason() {
    let cases: [(&str, &[u8], Reason); 5] = [
        ("text/plain", b"a\0b", Reason::NotText),
        ("text/csv", b"a,b\n", Reason::Empty),
        ("application/zip", b"PK\x05\x06", Reason::Unreadable),
        ("application/pdf", b"text", Reason::TypeMismatch),
        ("text/plain", b"", Reason::Empty),
    ];
    for (media_type, bytes, expected) in cases {
        assert_eq!(rejected(media_type, bytes).await, expected, "{media_type}");
    }
}

/// Each zero of an array is an object of 120 bytes in memory. Other systems know no such limit.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_parser_that_wants_too_much_memory_dies() {
    let zeros = [b"[".to_vec(), b"0 ".repeat(12_000_000), b"]".to_vec()].concat();
    let died = answer("application/pdf", &pdf(&zeros)).await.unwrap_err();
    // The signal by which a program ends that gets no memory.
    let is_abort = matches!(&died, Died::Early(status) if status.contains("signal"));
    assert!(is_abort, "{died}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_no_parser() {
    let started = Parser::start(Path::new("/no/such/program"), "text/plain", b"a").await;
    assert!(matches!(started, Err(Died::Failed(_))));
}
