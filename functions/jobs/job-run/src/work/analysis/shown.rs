//! What a model is shown of a piece.

use assistant::{Content, Document};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::{Problem, ids};
use serde_json::{Value, json};
use tally_files::Bucket;
use tally_files::domain::{Span, keys};
use tally_jobs::domain::{ErrorCode, JobError, Piece, Source};
use tally_jobs::pieces::{heading, place, short_name};

use super::anchor::Given;
use crate::work::NoCall;

/// Bytes of a PDF that a request has room for. The provider takes 32 MB, and base64 adds a third.
const MOST_OF_PDF: u64 = 23_000_000;

/// Bytes of the PDFs of calls at once, at most. While a call begins, it holds its PDF some six times:
/// in base64, and in the bodies that count its tokens and ask about it.
const PDFS_AT_ONCE: u64 = 48_000_000;

/// What stands in the place of the text of a PDF.
const ATTACHED: &str = "The attached document has these pages.";

/// A piece as a model is shown it.
pub struct Shown {
    /// The input of the prompt: a line that names the piece, an empty line, and its text.
    pub input: String,
    /// The pages of a PDF.
    pub document: Option<Document>,
    /// The text in which quotes are looked up.
    pub given: Given,
    /// What was given, without its data, for the event.
    pub about: Value,
}

platform::opaque!(Shown);

impl Shown {
    /// Reads a piece. One whose file was deleted cannot be shown.
    pub async fn read(bucket: &Bucket, piece: &Piece) -> Result<Self, NoCall> {
        let (file_id, part, span, bytes) = match &piece.source {
            Source::Text { text, .. } => {
                return Ok(Self::of_text(piece, Given::Lines(text.clone()), text));
            }
            Source::Part { file_id, part, span, bytes } => (file_id, *part, *span, *bytes),
        };
        if matches!(span, Span::Pages(..)) && bytes > MOST_OF_PDF {
            return Err(NoCall::Item(JobError::of(ErrorCode::TooLarge)));
        }
        let part_of_file = object(bucket, &keys::part(file_id, part)).await?;
        match span {
            Span::Lines(..) => {
                let text = String::from_utf8_lossy(&part_of_file).into_owned();
                Ok(Self::of_text(piece, Given::Lines(text.clone()), &text))
            }
            Span::Rows(first, _) => {
                let text = String::from_utf8_lossy(&part_of_file).into_owned();
                Ok(Self::of_text(piece, Given::Rows(text.clone(), first), &text))
            }
            Span::Pages(first, last) => {
                let texts = object(bucket, &keys::page_texts(file_id, part)).await?;
                let texts = serde_json::from_slice(&texts).map_err(|error| {
                    tracing::error!(%error, file_id, part, "failed to read the texts of pages");
                    Problem::internal()
                })?;
                let given = Given::Pages(texts, first);
                Ok(Self::of_pages(piece, &part_of_file, last + 1 - first, given))
            }
        }
    }

    fn of_text(piece: &Piece, given: Given, text: &str) -> Self {
        let input = format!("{}\n\n{text}", heading(piece));
        Self { input, document: None, given, about: about(piece, text.as_bytes()) }
    }

    fn of_pages(piece: &Piece, pdf: &[u8], pages: u32, given: Given) -> Self {
        Self {
            input: format!("{}\n\n{ATTACHED}", heading(piece)),
            document: Some(Document {
                title: short_name(piece),
                data: STANDARD.encode(pdf),
                pages,
            }),
            given,
            about: about(piece, pdf),
        }
    }
}

/// Calls about these pieces at once, at most, by the largest PDF among them.
pub fn most_at_once(pieces: &[Piece]) -> usize {
    let of_pdf = |piece: &Piece| match piece.source {
        Source::Part { span: Span::Pages(..), bytes, .. } => Some(bytes),
        Source::Part { .. } | Source::Text { .. } => None,
    };
    let largest = pieces.iter().filter_map(of_pdf).max().unwrap_or_default();
    usize::try_from(PDFS_AT_ONCE / largest.max(1)).unwrap_or(usize::MAX).max(1)
}

/// The parts of the user's turn with this text. The document stands before it, as providers advise.
pub fn contents(document: Option<Document>, text: String) -> Vec<Content> {
    document.map(Content::Document).into_iter().chain([Content::Text(text)]).collect()
}

/// What was given, without its data.
fn about(piece: &Piece, data: &[u8]) -> Value {
    let mut about = json!({
        "name": piece.input, "place": place(piece), "sha256": ids::sha256_of(data),
    });
    if let Some(path) = &piece.path {
        about["path"] = json!(path);
    }
    about
}

/// An object of a file. It is gone if the file was deleted or has expired.
async fn object(bucket: &Bucket, key: &str) -> Result<Vec<u8>, NoCall> {
    let found = bucket.get(key).await.map_err(Problem::from)?;
    found.ok_or_else(|| NoCall::Item(JobError::of(ErrorCode::InputGone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(path: Option<&str>, source: Source) -> Piece {
        Piece { input: "Books.zip".into(), path: path.map(str::to_owned), source }
    }

    #[test]
    fn a_text_stands_behind_its_name() {
        let text = "1\tone\n2\ttwo\n";
        let source = Source::Text { text: text.into(), first: 1, last: 2 };
        let piece = piece(Some("src/a.rs"), source);
        let shown = Shown::of_text(&piece, Given::Lines(text.into()), text);
        assert_eq!(shown.input, "File: src/a.rs, lines 1-2\n\n1\tone\n2\ttwo\n");
        let expected = json!({
            "name": "Books.zip", "path": "src/a.rs", "place": "lines 1-2",
            "sha256": ids::sha256(text),
        });
        assert_eq!((shown.document.is_none(), shown.about), (true, expected));
        assert_eq!(contents(None, "x".into()), [Content::Text("x".into())]);
    }

    #[test]
    fn large_pdfs_are_shown_by_few_calls_at_once() {
        let part =
            |span, bytes| piece(None, Source::Part { file_id: "f".into(), part: 0, span, bytes });
        let pdf = |bytes| part(Span::Pages(1, 20), bytes);
        let text = Source::Text { text: "1\tone\n".into(), first: 1, last: 1 };
        for (pieces, expected) in [
            (vec![piece(None, text), part(Span::Lines(1, 2), 60_000)], 48_000_000),
            (vec![pdf(1_000_000), pdf(400_000)], 48),
            (vec![pdf(400_000), pdf(12_000_000)], 4),
            (vec![pdf(MOST_OF_PDF)], 2),
            (vec![pdf(100_000_000)], 1),
        ] {
            assert_eq!(most_at_once(&pieces), expected);
        }
    }

    #[test]
    fn a_pdf_is_a_document_before_the_text() {
        let span = Span::Pages(21, 30);
        let piece = piece(None, Source::Part { file_id: "f".into(), part: 1, span, bytes: 4 });
        let shown = Shown::of_pages(&piece, b"%PDF", 10, Given::Pages(Vec::new(), 21));
        assert!(shown.input.starts_with("File: Books.zip, pages 21-30\n\n"), "{}", shown.input);
        let expected = Document { title: "Books.zip".into(), data: "JVBERg==".into(), pages: 10 };
        assert_eq!(
            contents(shown.document, "x".into()),
            [Content::Document(expected), Content::Text("x".into())]
        );
        assert!(shown.about.get("path").is_none());
    }
}
