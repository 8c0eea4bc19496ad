//! The parts of files, for functions that give them to models.

use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};

use crate::bucket::Bucket;
use crate::domain::{FileStatus, Manifest, Part, keys};
use crate::store::FilesTable;

/// Finds files and their parts.
#[derive(Debug, Clone)]
pub struct Reader {
    table: FilesTable,
    bucket: Bucket,
}

/// A file, as far as its parts can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readable {
    /// It has parts.
    Ready(ReadyFile),
    /// It has none, or none yet.
    NotReady,
    /// There is no such file, or it is another user's.
    Gone,
}

/// A file that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyFile {
    /// Its name, for people.
    pub name: String,
    /// The parts, in their order. There is at least one.
    pub parts: Vec<Part>,
}

impl Reader {
    /// Uses the table and the bucket that `FILES_TABLE` and `FILES_BUCKET` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: FilesTable::new(platform)?, bucket: Bucket::new(platform)? })
    }

    /// A file of a user as it is now, with the places of its parts. Their bytes are not read.
    pub async fn find(&self, user_id: &str, id: &str, now: Timestamp) -> Result<Readable, Problem> {
        let Some(record) = self.table.get(user_id, id, now).await? else {
            return Ok(Readable::Gone);
        };
        if record.status_at(now) != FileStatus::Ready {
            return Ok(Readable::NotReady);
        }
        // Between the two reads, its user may delete it.
        let Some(stored) = self.bucket.get(&keys::manifest(id)).await? else {
            return Ok(Readable::Gone);
        };
        let manifest: Manifest = serde_json::from_slice(&stored).map_err(|error| {
            tracing::error!(%error, file_id = id, "failed to read the list of a file's parts");
            Problem::internal()
        })?;
        let name = record.name.as_str().to_owned();
        Ok(Readable::Ready(ReadyFile { name, parts: manifest.parts }))
    }
}
