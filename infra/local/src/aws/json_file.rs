//! Files of the state directory that hold one JSON value, with secrets in it.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::directory::unusable;
use super::error::AwsError;

/// Reads the file. Without a file, the result is the default value. `holds` says what the file
/// holds, for the error.
pub(super) fn read<T: DeserializeOwned + Default>(
    path: &Path,
    holds: &'static str,
) -> Result<T, AwsError> {
    match fs::read(path) {
        Ok(content) => serde_json::from_slice(&content).map_err(|source| AwsError::Content {
            path: path.to_owned(),
            holds,
            source,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(unusable(path)(error)),
    }
}

/// Replaces the file as a whole, so that after a crash it has the old values or the new ones. Only
/// the owner may read it, because the temporary file is made with that mode.
pub(super) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
