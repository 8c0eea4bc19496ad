//! The tables of a stack as they were at one moment, from which other stacks begin.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A copy of the embedded database's file: tables, items and records of streams.
#[derive(Clone)]
pub struct Image(Arc<[u8]>);

impl fmt::Debug for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Image({} bytes)", self.0.len())
    }
}

impl Image {
    /// Reads a file that no process has open.
    pub(super) fn read(file: &Path) -> io::Result<Self> {
        fs::read(file).map(|bytes| Self(bytes.into()))
    }

    /// Writes it to a file.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        fs::write(file, &self.0)
    }
}
