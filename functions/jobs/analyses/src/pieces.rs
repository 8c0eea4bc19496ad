//! The pieces of inputs. A model gets one piece at a time.

use futures_util::future::try_join_all;
use jiff::Timestamp;
use platform::problem::FieldError;
use platform::{ConfigError, Platform, Problem};
use tally_files::domain::{NumberedLines, Part, numbered};
use tally_files::{Readable, Reader, ReadyFile};
use tally_jobs::domain::{Piece, Source};

use crate::input::NewInput;

/// Pieces of an analysis, at most.
const MOST_PIECES: usize = 500;

/// Makes pieces of inputs.
pub struct Pieces {
    files: Reader,
}

/// Why an input has no pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// There is no such file, or it is another user's.
    File,
    /// The file is not ready.
    Parts,
}

impl Pieces {
    /// Uses the table and the bucket of [`Reader`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { files: Reader::new(platform)? })
    }

    /// The pieces of a user's inputs, in their order. There is at least one. Files that are not
    /// there are a 422 that names each, and a file that is not ready is a 409.
    pub async fn of(
        &self,
        user_id: &str,
        inputs: Vec<NewInput>,
        now: Timestamp,
    ) -> Result<Vec<Piece>, Problem> {
        let read: Vec<_> = inputs.into_iter().map(|input| self.read(user_id, input, now)).collect();
        all(try_join_all(read).await?)
    }

    async fn read(
        &self,
        user_id: &str,
        input: NewInput,
        now: Timestamp,
    ) -> Result<Result<Vec<Piece>, Lack>, Problem> {
        let id = match input {
            NewInput::Text { name, text } => return Ok(Ok(of_text(&name, &text))),
            NewInput::File(id) => id,
        };
        Ok(match self.files.find(user_id, &id, now).await? {
            Readable::Ready(file) => Ok(of_file(&id, file)),
            Readable::NotReady => Err(Lack::Parts),
            Readable::Gone => Err(Lack::File),
        })
    }
}

/// The pieces of all inputs, if each has some.
fn all(found: Vec<Result<Vec<Piece>, Lack>>) -> Result<Vec<Piece>, Problem> {
    let gone = found.iter().enumerate().filter(|(_, found)| matches!(found, Err(Lack::File)));
    let faults = gone.map(|(at, _)| FieldError {
        pointer: Some(format!("/inputs/{at}/file_id")),
        parameter: None,
        detail: "must be a file of yours".to_owned(),
    });
    let faults: Vec<_> = faults.collect();
    if !faults.is_empty() {
        return Err(Problem::validation_failed(faults));
    }
    let found = found.into_iter().collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|_| Problem::file_not_ready())?;
    let pieces: Vec<_> = found.into_iter().flatten().collect();
    if pieces.len() > MOST_PIECES {
        let count = pieces.len();
        let detail = format!("must have at most {MOST_PIECES} pieces together; they have {count}");
        return Err(Problem::invalid_field("inputs", detail));
    }
    Ok(pieces)
}

/// The pieces of a text: numbered lines, as a file of text has them.
fn of_text(name: &str, text: &str) -> Vec<Piece> {
    let piece = |part: NumberedLines| Piece {
        input: name.to_owned(),
        path: None,
        source: Source::Text { text: part.text, first: part.first, last: part.last },
    };
    numbered(text).map(piece).collect()
}

/// The pieces of a file: its parts.
fn of_file(id: &str, file: ReadyFile) -> Vec<Piece> {
    let ReadyFile { name, parts } = file;
    let piece = |(index, part): (u32, Part)| Piece {
        input: name.clone(),
        path: part.path,
        source: Source::Part {
            file_id: id.to_owned(),
            part: index,
            span: part.span,
            bytes: part.bytes,
        },
    };
    (0..).zip(parts).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::problem::Code;
    use tally_files::domain::Span;

    fn pieces(count: usize) -> Vec<Piece> {
        of_text("a", "x").into_iter().cycle().take(count).collect()
    }

    #[test]
    fn inputs_without_pieces_are_named() {
        let (gone, not_ready) = (|| Err(Lack::File), || Err(Lack::Parts));
        for (found, expected) in [
            (vec![Ok(pieces(1)), Ok(pieces(499))], Ok(500)),
            (vec![Ok(pieces(1)), Ok(pieces(500))], Err((Code::ValidationFailed, "/inputs"))),
            (vec![Ok(pieces(1)), not_ready()], Err((Code::FileNotReady, ""))),
            (
                vec![not_ready(), gone(), Ok(pieces(1)), gone()],
                Err((Code::ValidationFailed, "/inputs/1/file_id /inputs/3/file_id")),
            ),
        ] {
            let found = all(found).map(|pieces| pieces.len()).map_err(|problem| {
                let pointers: Vec<_> =
                    problem.errors.into_iter().filter_map(|error| error.pointer).collect();
                (problem.code, pointers.join(" "))
            });
            assert_eq!(found, expected.map_err(|(code, faults)| (code, faults.to_owned())));
        }
    }

    #[test]
    fn a_text_is_cut_like_a_file() {
        let line = "x".repeat(59_000);
        let pieces = of_text("src/a.rs", &format!("{line}\n{line}"));
        let found = pieces.iter().map(|piece| match &piece.source {
            Source::Text { text, first, last } => (text.len(), *first, *last),
            Source::Part { .. } => panic!("a text has no file"),
        });
        assert_eq!(found.collect::<Vec<_>>(), [(59_003, 1, 1), (59_003, 2, 2)]);
        assert!(pieces.iter().all(|piece| piece.input == "src/a.rs" && piece.path.is_none()));
    }

    #[test]
    fn a_file_has_its_parts() {
        let part = |path: &str, span, bytes| Part { path: Some(path.to_owned()), span, bytes };
        let parts = vec![part("a", Span::Lines(1, 9), 70), part("b", Span::Lines(1, 2), 20)];
        let pieces = of_file("f", ReadyFile { name: "src.zip".to_owned(), parts });
        let found = pieces.iter().map(|piece| match &piece.source {
            Source::Part { file_id, part, span, bytes } => {
                (piece.path.as_deref(), file_id.as_str(), *part, *span, *bytes)
            }
            Source::Text { .. } => panic!("a part has no text"),
        });
        let expected = [
            (Some("a"), "f", 0, Span::Lines(1, 9), 70),
            (Some("b"), "f", 1, Span::Lines(1, 2), 20),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
