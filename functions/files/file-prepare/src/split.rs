//! The parts of a file, by its media type.

use tally_files::domain::Reason;

use crate::form::{Form, form};
use crate::piece::{Ended, Piece, Pieces};
use crate::{archive, csv, pdf, text};

/// Gives the parts of a file to `sink`, one after the other. A file that is rejected may have given
/// some.
pub fn split(
    bytes: &[u8],
    media_type: &str,
    sink: &mut dyn FnMut(Piece) -> Result<(), Reason>,
) -> Result<Ended, Reason> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    let mut ended = Ended::default();
    let pieces = match media_type.as_str() {
        "application/pdf" => return pdf::split(bytes, sink),
        "application/zip" => {
            if form(bytes) != Some(Form::Zip) {
                return Err(Reason::TypeMismatch);
            }
            let (pieces, skipped) = archive::split(bytes)?;
            ended.skipped = skipped;
            pieces
        }
        "text/csv" => csv::split(read(bytes)?)?,
        other if other.starts_with("text/") || other == "application/json" => {
            let mut pieces = Pieces::default();
            text::split(read(bytes)?, None, &mut pieces)?;
            pieces
        }
        _ => return Err(Reason::TypeMismatch),
    };
    pieces.into_iter().try_for_each(sink)?;
    Ok(ended)
}

/// The text of a file that is announced as text. A file of a known other form is of another type. A
/// PDF may be plain text by its bytes.
fn read(bytes: &[u8]) -> Result<&str, Reason> {
    let form = form(bytes);
    match text::decode(bytes) {
        Ok(_) if form == Some(Form::Pdf) => Err(Reason::TypeMismatch),
        Err(Reason::NotText) if form.is_some() => Err(Reason::TypeMismatch),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use tally_files::domain::Span;

    use super::*;

    fn spans(media_type: &str, bytes: &[u8]) -> Result<Vec<Span>, Reason> {
        let mut spans = Vec::new();
        split(bytes, media_type, &mut |piece| {
            spans.push(piece.span);
            Ok(())
        })?;
        Ok(spans)
    }

    #[test]
    fn the_media_type_says_how_a_file_is_cut() {
        let lines = vec![Span::Lines(1, 2)];
        let rows = vec![Span::Rows(1, 1)];
        let cases = [
            ("text/plain", lines.clone()),
            ("text/markdown; charset=utf-8", lines.clone()),
            ("TEXT/X-RUST", lines.clone()),
            ("application/json", lines),
            ("text/csv", rows.clone()),
            ("text/csv;header=present", rows),
        ];
        for (media_type, expected) in cases {
            assert_eq!(spans(media_type, b"a,b\n1,2\n"), Ok(expected), "{media_type}");
        }
    }

    #[test]
    fn bytes_of_another_form_are_of_another_type() {
        let texts = ["text/plain", "text/csv", "application/json"];
        let png: &[u8] = b"\x89PNG\r\n\x1A\n\0";
        let zip: &[u8] = b"PK\x03\x04\x14\0";
        let pdf: &[u8] = b"%PDF-1.7\n1 0 obj";
        let unknown: &[u8] = b"\x01\x02\x03";
        let text: &[u8] = b"text";
        let nothing: &[u8] = b"";
        for media_type in texts {
            for bytes in [png, zip, pdf] {
                assert_eq!(spans(media_type, bytes), Err(Reason::TypeMismatch), "{bytes:?}");
            }
            assert_eq!(spans(media_type, unknown), Err(Reason::NotText));
            assert_eq!(spans(media_type, b" \n"), Err(Reason::Empty));
        }
        for bytes in [png, pdf, unknown, text, nothing] {
            assert_eq!(spans("application/zip", bytes), Err(Reason::TypeMismatch), "{bytes:?}");
        }
        for bytes in [png, zip, unknown, text, nothing] {
            assert_eq!(spans("application/pdf", bytes), Err(Reason::TypeMismatch), "{bytes:?}");
        }
        assert_eq!(spans("image/png", png), Err(Reason::TypeMismatch));
    }

    #[test]
    fn a_text_may_begin_like_another_form() {
        for text in ["MZ is a name", "BZh", "GIF89a is a format", "RIFF", "see %PDF-1.7"] {
            assert_eq!(spans("text/plain", text.as_bytes()), Ok(vec![Span::Lines(1, 1)]), "{text}");
        }
    }
}
