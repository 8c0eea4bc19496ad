//! The parser, as the worker sees it: a process that is given a file and answers with its parts.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tally_files::domain::{Reason, Skipped, Span};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::frame::Header;
use crate::piece::MOST_PARTS;
use crate::sandbox::{self, ARGUMENT};

/// Bytes of a line of the answer, at most.
const MOST_OF_LINE: u64 = 256 << 10;

/// Bytes of an object, at most.
const MOST_OF_OBJECT: usize = 64 << 20;

/// Bytes of the whole answer, at most. The parser itself gives less.
const MOST_OF_ALL: usize = 384 << 20;

/// The program of this process.
pub fn program() -> PathBuf {
    if cfg!(target_os = "linux") {
        // This path leads to the program even if another one has replaced it on the disk.
        return PathBuf::from("/proc/self/exe");
    }
    env::current_exe().unwrap_or_default()
}

/// A part, as the parser gives it.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Index, from 0.
    pub index: u32,
    /// Path within the archive.
    pub path: Option<String>,
    /// Place in the file.
    pub span: Span,
    /// Its object.
    pub bytes: Vec<u8>,
    /// The text of its pages as JSON, if it is a PDF.
    pub texts: Option<Vec<u8>>,
}

/// The end of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The file can be used.
    Ready {
        /// Number of pages of a PDF.
        pages: Option<u32>,
        /// Entries of an archive that have no part.
        skipped: Vec<Skipped>,
    },
    /// The file cannot be used.
    Rejected(Reason),
}

/// A piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// A part.
    Part(Part),
    /// The end.
    End(End),
}

/// The parser gave no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum Died {
    /// It could not be started, or its streams failed.
    #[error("the parser failed: {0}")]
    Failed(#[from] io::Error),
    /// It ended before its answer did.
    #[error("the parser ended before its answer: {0}")]
    Early(String),
    /// Its answer has another form, or is too large.
    #[error("the answer of the parser is malformed")]
    Malformed,
}

/// A running parser. Dropping it ends the process.
#[derive(Debug)]
pub struct Parser {
    process: Child,
    output: BufReader<ChildStdout>,
    parts: usize,
    left: usize,
}

impl Parser {
    /// Starts a parser, and gives it a file.
    pub async fn start(program: &Path, media_type: &str, bytes: &[u8]) -> Result<Self, Died> {
        sandbox::shut()?;
        let mut process = Command::new(program)
            .args([ARGUMENT, media_type])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A panic may quote the file.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Died::Malformed);
        };
        // The parser reads the whole file before it answers. Dropping the stream ends the file.
        input.write_all(bytes).await?;
        drop(input);
        Ok(Self { process, output: BufReader::new(output), parts: 0, left: MOST_OF_ALL })
    }

    /// The next piece of the answer.
    pub async fn next(&mut self) -> Result<Answer, Died> {
        let mut line = Vec::new();
        (&mut self.output).take(MOST_OF_LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(self.early().await);
        }
        let header: Header = serde_json::from_slice(&line).map_err(|_| Died::Malformed)?;
        match header {
            Header::Part { path, span, bytes, texts } => {
                if self.parts == MOST_PARTS {
                    return Err(Died::Malformed);
                }
                let index = u32::try_from(self.parts).map_err(|_| Died::Malformed)?;
                self.parts += 1;
                let bytes = self.object(bytes).await?;
                let texts = match texts {
                    Some(texts) => Some(self.object(texts).await?),
                    None => None,
                };
                Ok(Answer::Part(Part { index, path, span, bytes, texts }))
            }
            Header::Ended { pages, skipped } => Ok(Answer::End(End::Ready { pages, skipped })),
            Header::Rejected { reason } => Ok(Answer::End(End::Rejected(reason))),
        }
    }

    async fn object(&mut self, size: usize) -> Result<Vec<u8>, Died> {
        self.left = self.left.checked_sub(size).ok_or(Died::Malformed)?;
        if size > MOST_OF_OBJECT {
            return Err(Died::Malformed);
        }
        let mut bytes = vec![0; size];
        let read = self.output.read_exact(&mut bytes).await;
        match read {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.early().await),
            Err(error) => Err(error.into()),
        }
    }

    /// How the process has ended.
    async fn early(&mut self) -> Died {
        let status = self.process.wait().await;
        Died::Early(status.map_or_else(|error| error.to_string(), |status| status.to_string()))
    }
}
