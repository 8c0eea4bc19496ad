//! The end of a verification that has no answer.

/// Why the log, or a file that the auditor gave, can't be read. The answer is then neither good nor
/// bad.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl Unreadable {
    /// A failure to read this file or folder.
    pub(crate) fn file(path: &str, error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        Self(format!("can't read {path}: {}", causes.join(": ")))
    }
}
