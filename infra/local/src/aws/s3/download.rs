//! The body of a GET: a range of a file, read in pieces.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use s3s::dto::{self, StreamingBlob};
use s3s::{S3Result, s3_error};
use tokio::task::spawn_blocking;

/// Bytes that are in memory at once.
const PIECE: u64 = 256 * 1024;

/// The bytes that a request asks for, of a content of this size.
pub(super) fn asked_range(asked: Option<dto::Range>, size: u64) -> S3Result<Range<u64>> {
    let Some(asked) = asked else { return Ok(0..size) };
    let range = asked.check(size)?;
    if range.is_empty() {
        return Err(s3_error!(InvalidRange, "The requested range is not satisfiable"));
    }
    Ok(range)
}

/// Reads a range of a file as a body. Blocks to find its start.
pub(super) fn body(mut file: File, range: &Range<u64>) -> io::Result<StreamingBlob> {
    file.seek(SeekFrom::Start(range.start))?;
    let rest = file.take(range.end - range.start);
    Ok(StreamingBlob::wrap(try_unfold(rest, |mut rest| async move {
        let read = spawn_blocking(move || {
            let mut piece = Vec::new();
            rest.by_ref().take(PIECE).read_to_end(&mut piece)?;
            Ok::<_, io::Error>((Bytes::from(piece), rest))
        });
        let (piece, rest) = read.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, rest)))
    })))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    #[test]
    fn a_range_lies_in_the_content() {
        let first = |first, last| Some(dto::Range::Int { first, last });
        let last = |length| Some(dto::Range::Suffix { length });
        for (asked, size, expected) in [
            (None, 10, Some(0..10)),
            (None, 0, Some(0..0)),
            (first(2, Some(4)), 10, Some(2..5)),
            (first(2, Some(40)), 10, Some(2..10)),
            (first(2, None), 10, Some(2..10)),
            (first(10, None), 10, None),
            (last(3), 10, Some(7..10)),
            (last(30), 10, Some(0..10)),
            (last(0), 10, None),
            (last(3), 0, None),
            (first(0, None), 0, None),
        ] {
            assert_eq!(asked_range(asked, size).ok(), expected, "{asked:?} of {size}");
        }
    }

    #[tokio::test]
    async fn a_body_is_exactly_its_range() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        let content: Vec<u8> =
            (0..2 * PIECE + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::fs::write(&path, &content).unwrap();
        for range in [0..0, 0..1, 3..PIECE + 7, 0..2 * PIECE + 5] {
            let body = body(File::open(&path).unwrap(), &range).unwrap();
            let pieces: Vec<Bytes> = body.try_collect().await.unwrap();
            let bytes = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert_eq!(pieces.concat(), content[bytes], "{range:?}");
        }
    }
}
