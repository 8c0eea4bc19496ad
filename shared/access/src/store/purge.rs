//! The remains of deleted accounts, workbooks and groups, and their removal. No user reaches any of
//! it: a workbook or a group without its head does not exist, and no deleted user signs in.
//!
//! Rules that name a deleted user stay. They match no user, because no two accounts ever have the
//! same id. The managers of their workbook see and remove them.

use platform::database::{CommitError, Database, StoreError, Write};
use platform::{ConfigError, Platform};
use serde::Serialize;

use super::groups::Groups;
use super::rules::{LeftRule, Rules};
use super::workbooks::Workbooks;
use crate::domain::Subject;

/// The tables in which data is left.
#[derive(Debug, Clone)]
pub struct Purge {
    database: Database,
    groups: Groups,
    rules: Rules,
    workbooks: Workbooks,
}

/// The payload that starts the worker `purge-conversations` for what deleted workbooks and groups
/// leave. It names none, because the worker finds them all.
#[derive(Debug, Serialize)]
pub struct PurgeLeftovers {}

/// A deleted workbook or group of which something is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// A workbook, by its id.
    Workbook(String),
    /// A group, by its id.
    Group(String),
}

impl Purge {
    /// Uses the tables that `GROUPS_TABLE`, `ACCESS_TABLE` and `WORKBOOKS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            groups: Groups::new(platform)?,
            rules: Rules::new(platform)?,
            workbooks: Workbooks::new(platform)?,
        })
    }

    /// Ends one membership of a deleted account, or deletes one of its workbooks. Gives whether
    /// there was one.
    pub async fn step_of_account(&self, user_id: &str) -> Result<bool, StoreError> {
        if let Some(group) = self.groups.of(user_id).await?.first() {
            if !self.commit(self.groups.part(group, user_id).into()).await? {
                // The group has gone, or the membership. Only the user's own item is left.
                self.forget(group, user_id).await?;
            }
            return Ok(true);
        }
        let mut after = None;
        loop {
            let (ids, more) = self.workbooks.owned(user_id, after.as_deref(), 25).await?;
            for id in &ids {
                // The index may still have one that has gone.
                if self.commit(self.workbooks.delete(id)?.into()).await? {
                    return Ok(true);
                }
            }
            after = ids.into_iter().next_back();
            if !more || after.is_none() {
                break;
            }
        }
        self.groups.end_user(user_id).await?;
        Ok(false)
    }

    /// The remains of deleted workbooks and groups; not all if there are many.
    pub async fn left(&self) -> Result<Vec<Leftover>, StoreError> {
        let workbooks = self.workbooks.left().await?.into_iter().map(Leftover::Workbook);
        let groups = self.groups.left().await?.into_iter().map(Leftover::Group);
        Ok(workbooks.chain(groups).collect())
    }

    /// Deletes a batch of the remains. Returns whether there may be more.
    pub async fn step_of(&self, left: &Leftover) -> Result<bool, StoreError> {
        match left {
            Leftover::Workbook(id) => self.step_of_workbook(id).await,
            Leftover::Group(id) => self.step_of_group(id).await,
        }
    }

    async fn step_of_workbook(&self, id: &str) -> Result<bool, StoreError> {
        let rules = self.rules.left(id).await?;
        if !rules.is_empty() {
            self.drop_rules(id, &rules).await?;
            return Ok(true);
        }
        let sheets = self.workbooks.sheets_left(id).await?;
        if sheets.is_empty() {
            self.workbooks.done(id).await?;
            return Ok(false);
        }
        self.database.delete_all(&self.workbooks.table, sheets).await?;
        Ok(true)
    }

    /// Drops rules, each in one transaction with the count of its group. Another worker may have
    /// dropped one.
    async fn drop_rules(&self, workbook: &str, rules: &[LeftRule]) -> Result<(), StoreError> {
        for place in rules {
            let mut writes = vec![self.rules.drop(workbook, place)];
            if let Some(group) = place.subject.as_ref().and_then(Subject::group) {
                writes.push(self.groups.count_rules(group, -1));
            }
            self.commit(writes).await?;
        }
        Ok(())
    }

    async fn step_of_group(&self, id: &str) -> Result<bool, StoreError> {
        let (members, _) = self.groups.members(id, None, 25).await?;
        if members.is_empty() {
            self.groups.done(id).await?;
            return Ok(false);
        }
        for member in members {
            self.forget(id, &member.user_id).await?;
        }
        Ok(true)
    }

    /// Removes both sides of a membership in a group that has gone, as far as they are there. The
    /// group's side comes last, because the next worker finds the remains by it.
    async fn forget(&self, group: &str, user_id: &str) -> Result<(), StoreError> {
        for side in self.groups.forget(group, user_id) {
            self.commit(vec![side]).await?;
        }
        Ok(())
    }

    /// Commits writes. Gives whether every condition held.
    async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        match self.database.commit(writes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Condition { .. }) => Ok(false),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}
