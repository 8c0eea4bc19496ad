use lopdf::{EncryptionState, EncryptionVersion, Permissions, Stream, dictionary};

use super::samples::{bytes, content, deflated, deflated_again, document, filtered, numbered, raw};
use super::*;

fn parts(bytes: &[u8]) -> Result<(Ended, Vec<Piece>), Reason> {
    let mut parts = Vec::new();
    let ended = split(bytes, &mut |piece| {
        parts.push(piece);
        Ok(())
    })?;
    Ok((ended, parts))
}

fn rejected(bytes: &[u8]) -> Reason {
    parts(bytes).unwrap_err()
}

/// The text of a page with these operations.
fn text(operations: &str) -> String {
    let (_, mut parts) = parts(&bytes(document([content(operations)]))).unwrap();
    parts.remove(0).texts.unwrap().remove(0)
}

#[test]
fn a_part_is_a_pdf_of_twenty_pages() {
    let (ended, parts) = parts(&bytes(numbered(45))).unwrap();
    assert_eq!(ended, Ended { pages: Some(45), skipped: Vec::new() });
    let spans: Vec<_> = parts.iter().map(|part| part.span).collect();
    assert_eq!(spans, [Span::Pages(1, 20), Span::Pages(21, 40), Span::Pages(41, 45)]);
    for part in parts {
        let Span::Pages(first, last) = part.span else { panic!("{:?}", part.span) };
        let document = Document::load_mem(&part.bytes).unwrap();
        let pages = document.get_pages();
        assert_eq!(pages.len(), usize::try_from(last - first + 1).unwrap());
        let numbers: Vec<_> = (first..=last).collect();
        let expected: Vec<_> = numbers.iter().map(|n| format!("Page {n}\nsecond\n")).collect();
        assert_eq!(part.texts.unwrap(), expected);
        for (page, number) in pages.values().zip(numbers) {
            let content = document.get_page_content(*page);
            let content = String::from_utf8(content).unwrap();
            assert!(content.contains(&format!("(Page {number})")), "{content}");
            // What the page has inherited.
            let page = document.get_dictionary(*page).unwrap();
            assert!(page.has(b"MediaBox") && page.has(b"Resources"));
        }
        // The pages, their contents, the font, the tree and the catalog.
        let others = document
            .objects
            .values()
            .filter(|object| !matches!(object.type_name(), Ok(name) if name == b"XRef"));
        assert_eq!(others.count(), 2 * pages.len() + 3);
    }
}

#[test]
fn a_link_brings_no_other_page_into_a_part() {
    let mut linked = numbered(21);
    let pages: Vec<_> = linked.page_iter().collect();
    let link = dictionary! {
        "Type" => "Annot", "Subtype" => "Link",
        "Dest" => vec![Object::Reference(pages[20]), "Fit".into()]
    };
    let link = linked.add_object(link);
    let page = linked.get_dictionary_mut(pages[0]).unwrap();
    page.set("Annots", vec![Object::Reference(link)]);
    let (_, parts) = parts(&bytes(linked)).unwrap();
    let part = Document::load_mem(&parts[0].bytes).unwrap();
    assert_eq!(part.get_page_annotations(pages[0]).unwrap().len(), 1);
    assert!(!part.has_object(pages[20]));
    assert!(!String::from_utf8_lossy(&parts[0].bytes).contains("(Page 21)"));
}

#[test]
fn the_text_of_a_page_has_its_words_and_lines() {
    let cases = [
        ("BT /F1 12 Tf (one) Tj ET", "one\n"),
        ("BT /F1 12 Tf (one) Tj 0 -14 Td (two) Tj ET", "one\ntwo\n"),
        ("BT /F1 12 Tf (one) Tj 40 0 Td (two) Tj ET", "one two\n"),
        ("BT /F1 12 Tf 1 0 0 1 0 0 Tm (one) Tj 1 0 0 1 0 9 Tm (two) Tj ET", "one\ntwo\n"),
        ("BT /F1 12 Tf [(on) -20 (e) -250 (two)] TJ T* (three) Tj ET", "one two\nthree\n"),
        ("BT /F1 12 Tf (one) ' 1 2 (two) \" ET", "one\ntwo\n"),
        ("BT /F1 12 Tf (Gr\\366\\337e) Tj ET", "Größe\n"),
        // A font that the page does not have.
        ("BT /F2 12 Tf (one) Tj ET", ""),
        ("0 0 m 10 10 l S", ""),
        ("", ""),
    ];
    for (operations, expected) in cases {
        assert_eq!(text(operations), expected, "{operations}");
    }
}

#[test]
fn a_page_whose_text_cannot_be_read_has_an_empty_one() {
    let drawing = filtered(&["FlateDecode"], deflated(b' ', 5 << 20));
    let unknown = filtered(&["NoSuchDecode"], b"BT".to_vec());
    let pages = [drawing, unknown, content("BT /F1 12 Tf (one) Tj ET")];
    let (_, mut parts) = parts(&bytes(document(pages))).unwrap();
    assert_eq!(parts.remove(0).texts.unwrap(), ["", "", "one\n"]);
}

#[test]
fn a_long_text_is_cut() {
    let operations = format!("BT /F1 12 Tf {} ET", "(0123456789) Tj ".repeat(25_000));
    assert_eq!(text(&operations).len(), 200_000);
}

#[test]
fn an_encrypted_pdf_is_refused_also_with_an_empty_password() {
    for user_password in ["user", ""] {
        let mut secret = numbered(1);
        let id = Object::string_literal("0123456789abcdef");
        secret.trailer.set("ID", vec![id.clone(), id]);
        let version = EncryptionVersion::V2 {
            document: &secret,
            owner_password: "owner",
            user_password,
            key_length: 128,
            permissions: Permissions::all(),
        };
        let state = EncryptionState::try_from(version).unwrap();
        secret.encrypt(&state).unwrap();
        assert_eq!(rejected(&bytes(secret)), Reason::Encrypted, "{user_password:?}");
    }
    // An unknown security handler.
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[]/Count 0>>".to_vec(),
        b"<</Filter/Unknown/V 9>>".to_vec(),
    ];
    let unknown = String::from_utf8(raw(&objects)).unwrap();
    let unknown = unknown.replace("/Root 1 0 R", "/Root 1 0 R/Encrypt 3 0 R");
    assert_eq!(rejected(unknown.as_bytes()), Reason::Encrypted);
}

#[test]
fn a_stream_that_inflates_too_far_is_too_large() {
    let bomb = || deflated(0, 300 << 20);
    let of = |stream: Stream| bytes(document([content("BT ET"), stream]));
    let hidden = {
        // No page refers to it.
        let mut document = numbered(1);
        document.add_object(filtered(&["FlateDecode"], bomb()));
        bytes(document)
    };
    let objects = deflated(b' ', 40 << 20);
    let head = format!(
        "<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length {}>>\nstream\n",
        objects.len()
    );
    let objects = raw(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R>>".to_vec(),
        [head.as_bytes(), &objects, b"\nendstream"].concat(),
    ]);
    let cases = [
        ("a page", of(filtered(&["FlateDecode"], bomb()))),
        ("two layers", of(filtered(&["FlateDecode", "FlateDecode"], deflated_again(&bomb())))),
        ("seventeen layers", of(filtered(&["FlateDecode"; 17], Vec::new()))),
        ("a run", of(filtered(&["RunLengthDecode"], [129, b' '].repeat(600_000)))),
        ("hidden", hidden),
        ("objects", objects),
    ];
    for (case, bytes) in cases {
        assert_eq!(rejected(&bytes), Reason::TooLarge, "{case}");
    }
}

#[test]
fn pages_are_counted_before_they_are_read() {
    assert_eq!(rejected(&bytes(numbered(1_001))), Reason::TooLarge);
    assert_eq!(rejected(&bytes(numbered(0))), Reason::Empty);
}

#[test]
fn what_is_no_pdf_is_not_read_as_one() {
    let whole = bytes(numbered(2));
    let cases: [(&[u8], Reason); 5] = [
        (b"no PDF", Reason::TypeMismatch),
        (b"PK\x03\x04", Reason::TypeMismatch),
        (b"%PDF-1.7\nnothing", Reason::Unreadable),
        (
            b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>",
            Reason::Unreadable,
        ),
        (&whole[..40], Reason::Unreadable),
    ];
    for (bytes, expected) in cases {
        assert_eq!(rejected(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_pdf_with_a_damaged_end_is_read_all_the_same() {
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>".to_vec(),
    ];
    let whole = raw(&objects);
    let damaged = String::from_utf8(whole).unwrap().replace("startxref\n", "startxref\n9");
    let (ended, parts) = parts(damaged.as_bytes()).unwrap();
    assert_eq!((ended.pages, parts.len()), (Some(1), 1));
}

#[test]
fn pages_that_refer_to_each_other_end() {
    // The tree is its own child, and the child of its page.
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R 2 0 R]/Count 1/Parent 3 0 R>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/Resources 4 0 R>>".to_vec(),
        b"<</Font 4 0 R/XObject 4 0 R/Self[4 0 R]>>".to_vec(),
    ];
    let (ended, parts) = parts(&raw(&objects)).unwrap();
    assert!(ended.pages.is_some_and(|pages| pages > 0) && !parts.is_empty());
}

#[test]
fn a_sink_that_refuses_a_part_ends_the_work() {
    let mut calls = 0;
    let ended = split(&bytes(numbered(45)), &mut |_| {
        calls += 1;
        Err(Reason::TooLarge)
    });
    assert_eq!((ended, calls), (Err(Reason::TooLarge), 1));
}
