//! Errors in a template, with their place.

use std::fmt;
use std::path::{Path, PathBuf};

/// A template or its parameters are not valid. The text names the file, the place in it and the
/// remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    file: PathBuf,
    // Innermost first: each caller adds its part of the place on the way up.
    place: Vec<String>,
    message: String,
}

impl TemplateError {
    pub(super) fn new(message: impl Into<String>) -> TemplateError {
        TemplateError { file: PathBuf::new(), place: Vec::new(), message: message.into() }
    }

    /// Adds the name of the container around the place so far.
    pub(super) fn within(mut self, container: impl Into<String>) -> TemplateError {
        self.place.push(container.into());
        self
    }

    /// Names the file, unless an inner step has named another.
    pub(super) fn in_file(mut self, file: &Path) -> TemplateError {
        if self.file.as_os_str().is_empty() {
            self.file = file.to_path_buf();
        }
        self
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.file.display())?;
        let place: Vec<&str> = self.place.iter().rev().map(String::as_str).collect();
        if !place.is_empty() {
            write!(formatter, "{}: ", place.join("."))?;
        }
        formatter.write_str(&self.message)
    }
}
