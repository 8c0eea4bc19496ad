//! Files that deleted accounts leave, and their removal. No deleted user signs in, so no caller
//! reaches them.

use futures_util::future::try_join_all;
use platform::{ConfigError, Platform, Problem};

use crate::bucket::Bucket;
use crate::store::FilesTable;

/// Removes files.
#[derive(Debug, Clone)]
pub struct FilesPurge {
    table: FilesTable,
    bucket: Bucket,
}

impl FilesPurge {
    /// Uses the table and the bucket that `FILES_TABLE` and `FILES_BUCKET` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: FilesTable::new(platform)?, bucket: Bucket::new(platform)? })
    }

    /// Deletes the next files of a deleted account with their objects, and at last their revision.
    /// Gives whether there were any. The objects go first, because the items lead to them.
    pub async fn step_of_account(&self, user_id: &str) -> Result<bool, Problem> {
        let ids = self.table.some_of(user_id).await?;
        if ids.is_empty() {
            return Ok(false);
        }
        let files = ids.iter().filter(|id| FilesTable::is_file(id));
        try_join_all(files.map(|id| self.bucket.delete_file(id))).await?;
        self.table.delete_each(user_id, &ids).await?;
        Ok(true)
    }
}
