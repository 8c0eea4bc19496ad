//! `secrets.json`: every version of every secret, under the secrets' names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::super::directory::unusable;
use super::super::error::AwsError;
use super::versions::Versions;

/// Reads the file. The result is empty if there is no file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Versions>, AwsError> {
    match fs::read(path) {
        Ok(content) => serde_json::from_slice(&content)
            .map_err(|source| AwsError::Secrets { path: path.to_owned(), source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(unusable(path)(error)),
    }
}

/// Replaces the file as a whole, so that after a crash it has the old values or the new ones. Only
/// the owner may read it, because the temporary file is made with that mode.
pub(super) fn write(path: &Path, kept: &BTreeMap<String, Versions>) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    serde_json::to_writer_pretty(&mut file, kept)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
