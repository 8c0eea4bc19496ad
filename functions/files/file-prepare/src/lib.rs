//! The worker that prepares files. No other function reads the bytes that users upload, and this
//! one has no table: it reads and writes objects of one bucket.
//!
//! 1. It compares the bytes with those that the user announced.
//! 2. A process of its own parses them ([`sandbox`]) and gives the parts. The worker stores each
//!    one.
//! 3. It stores the bytes themselves, and last the list of the parts. No function reads objects that
//!    no list names. So the objects of a worker that dies stay unread until the bucket deletes them.
//!
//! A second run for the same file writes the same objects again.

mod archive;
mod csv;
mod form;
mod frame;
pub mod parser;
mod pdf;
mod piece;
pub mod sandbox;
mod split;
mod text;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::{TryStreamExt as _, stream};
use platform::runtime::Invocation;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem};
use tally_files::Bucket;
use tally_files::domain::{Manifest, Part, Prepare, Prepared, Reason, Span, keys};
use tokio::time::timeout;

use parser::{Answer, Died, End, Parser};

/// Time before the end of the invocation for what follows the parts.
const AFTER_PARTS: Duration = Duration::from_secs(12);

/// Parts of a text that are stored at once.
const TEXTS_AT_ONCE: usize = 8;

/// Parts of a PDF that are stored at once. One may be as large as the file.
const PDFS_AT_ONCE: usize = 2;

/// The worker.
pub struct FilePrepare {
    bucket: Bucket,
    program: PathBuf,
}

/// The reason why not all parts were stored.
enum Failure {
    Died(Died),
    Problem(Problem),
}

/// A piece of the parser's answer, after it has been stored.
enum Stored {
    Part(Part),
    End(End),
}

impl Worker for FilePrepare {
    type Payload = Prepare;
    type Output = Prepared;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { bucket: Bucket::new(platform)?, program: parser::program() })
    }

    async fn run(&self, prepare: Prepare, invocation: Invocation) -> Result<Prepared, Problem> {
        let file_id = &prepare.file_id;
        let Some(bytes) = self.bucket.get(&keys::incoming(file_id)).await? else {
            tracing::warn!(file_id, "failed to find the bytes of a file");
            return Ok(Prepared::Rejected { reason: Reason::Unreadable });
        };
        // The signature of the upload admits the announced bytes alone, so these are damaged.
        if !is_announced(&prepare, &bytes) {
            tracing::warn!(file_id, "failed to find the announced bytes of a file");
            return Ok(Prepared::Rejected { reason: Reason::Unreadable });
        }
        let time = invocation.remaining().saturating_sub(AFTER_PARTS);
        let stored = timeout(time, self.store_parts(&prepare, &bytes)).await;
        let failure = match stored {
            Ok(Ok(stored)) => return self.finish(&prepare, bytes, stored).await,
            Ok(Err(Failure::Problem(problem))) => return Err(problem),
            Ok(Err(Failure::Died(died))) => died.to_string(),
            Err(_) => "the time is over".to_owned(),
        };
        tracing::warn!(file_id, error = failure, "failed to parse a file; it is rejected");
        Ok(Prepared::Rejected { reason: Reason::Unreadable })
    }
}

impl FilePrepare {
    /// Stores the parts as the parser gives them.
    async fn store_parts(&self, prepare: &Prepare, bytes: &[u8]) -> Result<Vec<Stored>, Failure> {
        let parser = Parser::start(&self.program, &prepare.media_type, bytes).await;
        let parser = parser.map_err(Failure::Died)?;
        let answers = stream::try_unfold(Some(parser), |parser| async move {
            let Some(mut parser) = parser else { return Ok(None) };
            let answer = parser.next().await.map_err(Failure::Died)?;
            let is_part = matches!(answer, Answer::Part(_));
            Ok::<_, Failure>(Some((answer, is_part.then_some(parser))))
        });
        let is_pdf = prepare.media_type == "application/pdf";
        let at_once = if is_pdf { PDFS_AT_ONCE } else { TEXTS_AT_ONCE };
        let stored = answers.map_ok(|answer| self.store(&prepare.file_id, answer));
        stored.try_buffered(at_once).try_collect().await
    }

    async fn store(&self, file_id: &str, answer: Answer) -> Result<Stored, Failure> {
        let part = match answer {
            Answer::Part(part) => part,
            Answer::End(end) => return Ok(Stored::End(end)),
        };
        let bytes = part.bytes.len() as u64;
        let media_type = match part.span {
            Span::Lines(..) => "text/plain; charset=utf-8",
            Span::Rows(..) => "text/csv; charset=utf-8",
            Span::Pages(..) => "application/pdf",
        };
        self.put(&keys::part(file_id, part.index), part.bytes, media_type).await?;
        if let Some(texts) = part.texts {
            let key = keys::page_texts(file_id, part.index);
            self.put(&key, texts, "application/json").await?;
        }
        Ok(Stored::Part(Part { path: part.path, span: part.span, bytes }))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), Failure> {
        let put = self.bucket.put(key, bytes, media_type).await;
        put.map_err(|error| Failure::Problem(error.into()))
    }

    /// Completes the file: stores its bytes, and then the list of the parts.
    async fn finish(
        &self,
        prepare: &Prepare,
        bytes: Vec<u8>,
        stored: Vec<Stored>,
    ) -> Result<Prepared, Problem> {
        let mut manifest = Manifest::default();
        for stored in stored {
            match stored {
                Stored::Part(part) => manifest.parts.push(part),
                Stored::End(End::Rejected(reason)) => return Ok(Prepared::Rejected { reason }),
                Stored::End(End::Ready { pages, skipped }) => {
                    let original = keys::original(&prepare.file_id);
                    self.bucket.put(&original, bytes, &prepare.media_type).await?;
                    let list = serde_json::to_vec(&manifest).map_err(|_| Problem::internal())?;
                    let key = keys::manifest(&prepare.file_id);
                    self.bucket.put(&key, list, "application/json").await?;
                    let parts = manifest.parts.len();
                    let parts = u32::try_from(parts).map_err(|_| Problem::internal())?;
                    return Ok(Prepared::Ready { parts, pages, skipped });
                }
            }
        }
        // The last answer is always an end.
        Err(Problem::internal())
    }
}

/// Whether these are the bytes that the user announced.
fn is_announced(prepare: &Prepare, bytes: &[u8]) -> bool {
    let sum = digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut sum, byte| {
        let _ = write!(sum, "{byte:02x}");
        sum
    });
    bytes.len() as u64 == prepare.size && sum == prepare.sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_checksum_are_those_of_the_announcement() {
        let prepare = |size: u64, sha256: &str| Prepare {
            user_id: "user".into(),
            file_id: "file".into(),
            size,
            sha256: sha256.into(),
            media_type: "text/plain".into(),
        };
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(is_announced(&prepare(3, sha256), b"abc"));
        assert!(!is_announced(&prepare(4, sha256), b"abc"));
        assert!(!is_announced(&prepare(3, &sha256.replace('b', "c")), b"abc"));
        assert!(!is_announced(&prepare(3, sha256), b"abd"));
    }
}
