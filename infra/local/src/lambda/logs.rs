//! Output of the functions. It goes into one file per function, and on to tracing as events with
//! the level of the line.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::Level;

/// The log of one function.
pub(super) struct FunctionLog {
    function: String,
    file: File,
}

/// The stream that a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// The file in `directory` that holds the log of `function`.
pub fn file(directory: &Path, function: &str) -> PathBuf {
    directory.join(format!("{function}.log"))
}

impl FunctionLog {
    /// Opens the log so that only the user can read it: it may contain data that users have sent.
    pub(super) fn open(function: &str, directory: &Path) -> io::Result<FunctionLog> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(file(directory, function))?;
        Ok(FunctionLog { function: function.to_owned(), file })
    }

    /// Takes a line that the function wrote.
    pub(super) fn line(&self, stream: Stream, line: &str, shown: bool) {
        if line.is_empty() {
            return;
        }
        self.keep(line);
        if shown {
            self.show(level_of(line, stream), line);
        }
    }

    /// Takes a line about the function.
    pub(super) fn note(&self, line: &str) {
        self.keep(line);
        self.show(Level::ERROR, line);
    }

    fn keep(&self, line: &str) {
        // Each line is one write in append mode, so that lines of several processes do not mix. A
        // full disk must not stop the function.
        let _ = (&self.file).write_all(format!("{line}\n").as_bytes());
    }

    fn show(&self, level: Level, line: &str) {
        let function = &self.function;
        match level {
            Level::ERROR => tracing::error!("{function} | {line}"),
            Level::WARN => tracing::warn!("{function} | {line}"),
            Level::INFO => tracing::info!("{function} | {line}"),
            Level::DEBUG => tracing::debug!("{function} | {line}"),
            Level::TRACE => tracing::trace!("{function} | {line}"),
        }
    }
}

/// The level that the line itself states, as JSON or in plain text. Any other line on stderr (a
/// panic, for example) is worth a look.
fn level_of(line: &str, stream: Stream) -> Level {
    let stated = match serde_json::from_str::<serde_json::Value>(line) {
        Ok(json) => json.get("level").and_then(|level| level.as_str()?.parse().ok()),
        Err(_) => line.split_whitespace().take(2).find_map(|word| match word {
            "ERROR" => Some(Level::ERROR),
            "WARN" => Some(Level::WARN),
            "INFO" => Some(Level::INFO),
            "DEBUG" => Some(Level::DEBUG),
            "TRACE" => Some(Level::TRACE),
            _ => None,
        }),
    };
    stated.unwrap_or(if stream == Stream::Stderr { Level::WARN } else { Level::INFO })
}

#[cfg(test)]
mod tests {
    use super::{Level, Stream, level_of};

    #[test]
    fn a_line_has_the_level_that_it_states() {
        for (line, stream, expected) in [
            (r#"{"level":"ERROR","fields":{}}"#, Stream::Stdout, Level::ERROR),
            (r#"{"level":"info","message":"ERROR"}"#, Stream::Stderr, Level::INFO),
            ("2025-01-01T00:00:00Z  WARN login: slow", Stream::Stdout, Level::WARN),
            ("thread 'main' panicked at src/lib.rs:1:1:", Stream::Stderr, Level::WARN),
            ("hello", Stream::Stdout, Level::INFO),
            ("17", Stream::Stdout, Level::INFO),
        ] {
            assert_eq!(level_of(line, stream), expected, "{line}");
        }
    }
}
