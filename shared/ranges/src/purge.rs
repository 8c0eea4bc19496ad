//! Ranges that deleted accounts and workbooks leave, and their removal.

use platform::database::StoreError;
use platform::{ConfigError, Platform};

use crate::store::{Graphs, Heads, Pieces};

/// Removes ranges. DynamoDB deletes the rest when the range expires.
#[derive(Debug, Clone)]
pub struct RangesPurge {
    heads: Heads,
    pieces: Pieces,
    graphs: Graphs,
}

impl RangesPurge {
    /// Uses the table that `RANGES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            heads: Heads::new(platform)?,
            pieces: Pieces::new(platform)?,
            graphs: Graphs::new(platform)?,
        })
    }

    /// Deletes a range that a deleted account has uploaded. Gives whether there was one. The index
    /// lags, so a later run may find another.
    pub async fn step_of_account(&self, user_id: &str) -> Result<bool, StoreError> {
        let found = self.heads.of_user(user_id).await?;
        self.delete(found).await
    }

    /// Deletes a range of a deleted workbook, or its graph if there is none. Gives whether there
    /// was one.
    pub async fn step_of_workbook(&self, workbook_id: &str) -> Result<bool, StoreError> {
        let found = self.heads.of_workbook(workbook_id).await?;
        if self.delete(found).await? {
            return Ok(true);
        }
        self.graphs.delete(workbook_id).await?;
        Ok(false)
    }

    /// Deletes the first of these ranges that is there. The index may still have some that have
    /// gone.
    async fn delete(&self, ids: Vec<String>) -> Result<bool, StoreError> {
        for id in ids {
            if self.pieces.has(&id).await? {
                self.pieces.delete(&id).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
