//! Uploads of ranges: their beginning, their parts and their end.

use cells::part::MAX_CELLS;
use cells::stored::Damaged;
use platform::clock::Timestamp;
use platform::config::invalid;
use platform::database::{StoreError, Write};
use platform::problem::FieldError;
use platform::{ConfigError, Platform, Problem};
use tally_access::domain::Action;
use tally_access::store::{Rules, Scope, Snapshot, Snapshots, Workbooks};

use crate::domain::{RangeHead, is_granted};
use crate::store::{Graphs, Heads, Pieces};

/// Uploads of ranges.
#[derive(Debug, Clone)]
pub struct Ranges {
    pub(crate) heads: Heads,
    pub(crate) pieces: Pieces,
    pub(crate) graphs: Graphs,
    pub(crate) snapshots: Snapshots,
    pub(crate) workbooks: Workbooks,
    pub(crate) rules: Rules,
    /// Seconds for which a range exists.
    pub(crate) lifetime: i64,
    /// Cells of a range, at most.
    pub(crate) max_cells: u64,
}

/// A range with the data that decides about it, for its uploader.
pub(crate) struct Upload {
    pub(crate) head: RangeHead,
    pub(crate) snapshot: Snapshot,
}

impl Ranges {
    /// Uses the tables that `RANGES_TABLE` and those of [`Snapshots`] name, and the settings
    /// `RANGE_TTL_HOURS` and `MAX_RANGE_CELLS`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let hours = platform.config.count("RANGE_TTL_HOURS", 72)?;
        let lifetime = i64::try_from(hours).ok().and_then(|hours| hours.checked_mul(3_600));
        let too_many = || invalid("RANGE_TTL_HOURS", &hours.to_string(), "it is too large");
        Ok(Self {
            heads: Heads::new(platform)?,
            pieces: Pieces::new(platform)?,
            graphs: Graphs::new(platform)?,
            snapshots: Snapshots::new(platform)?,
            workbooks: Workbooks::new(platform)?,
            rules: Rules::new(platform)?,
            lifetime: lifetime.ok_or_else(too_many)?,
            max_cells: platform.config.count("MAX_RANGE_CELLS", MAX_CELLS)?.min(MAX_CELLS),
        })
    }

    /// The write that deletes a range, for its uploader and for those who manage the workbook. Its
    /// condition fails where the range has gone.
    pub async fn delete(
        &self,
        range_id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Vec<Write>, Problem> {
        let head = self.heads.get(range_id, now).await?.ok_or_else(Problem::not_found)?;
        let snapshot = self.snapshots.load(Some(&head.workbook_id), &[user_id], &[]).await?;
        let decision = snapshot.decision(user_id, now);
        let is_there = snapshot.workbook.is_some()
            && (decision.manages() || head.is_seen_by(&decision, user_id));
        if !is_there {
            return Err(Problem::not_found());
        }
        if head.uploaded_by != user_id && !decision.manages() {
            return Err(Problem::not_granted("manage"));
        }
        Ok(vec![self.heads.delete(range_id)])
    }

    /// Deletes the cells of a range whose head has been deleted. After a crash, DynamoDB deletes
    /// the rest when the range expires.
    pub async fn delete_cells(&self, range_id: &str) -> Result<(), StoreError> {
        self.pieces.delete(range_id).await
    }

    /// At most `limit` of the ranges that exist for a user in a workbook, and where the list goes
    /// on. They come before the one with the id `after`, the newest first. Pages and their ends do
    /// not disclose other ranges. A new range is listed a moment after it was made.
    pub async fn list(
        &self,
        workbook_id: &str,
        after: Option<String>,
        limit: usize,
        (user_id, now): (&str, Timestamp),
    ) -> Result<(Vec<RangeHead>, Option<String>), Problem> {
        let snapshot = self.snapshots.load(Some(workbook_id), &[user_id], &[]).await?;
        let decision = snapshot.decision(user_id, now);
        if snapshot.workbook.is_none() || !decision.sees_workbook() {
            return Err(Problem::not_found());
        }
        Ok(self.heads.list(workbook_id, after, limit, now, (&decision, user_id)).await?)
    }

    /// The writes that reset the graph of a workbook, for those who manage it. If the condition of
    /// a write fails, the caller makes a new plan. From then on callers who are denied anything see
    /// only cells of ranges that are completed later.
    pub async fn reset_graph(
        &self,
        workbook_id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Vec<Write>, Problem> {
        let snapshot = self.snapshots.load(Some(workbook_id), &[user_id], &[]).await?;
        let decision = snapshot.decision(user_id, now);
        if snapshot.workbook.is_none() || !decision.sees_workbook() {
            return Err(Problem::not_found());
        }
        if !decision.manages() {
            return Err(Problem::not_granted(Action::Manage.as_str()));
        }
        let mut writes = vec![self.graphs.reset(workbook_id), self.workbooks.must_be(workbook_id)];
        writes.extend(self.must_hold(workbook_id, &snapshot));
        Ok(writes)
    }

    /// Requires at the commit that the rules which decided have not changed.
    pub(crate) fn must_hold(&self, workbook_id: &str, snapshot: &Snapshot) -> [Write; 2] {
        [
            self.rules.must_be(&Scope::Workbook(workbook_id.to_owned()), snapshot.head),
            self.rules.must_be(&Scope::Every, snapshot.every_head),
        ]
    }

    /// A range for the user who uploads it, if it exists for them, or 404. They need `write` on its
    /// sheet.
    pub(crate) async fn upload(
        &self,
        range_id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Upload, Problem> {
        let found = self.heads.get(range_id, now).await?;
        let head = found.filter(|head| head.uploaded_by == user_id);
        let head = head.ok_or_else(Problem::not_found)?;
        let snapshot = self.snapshots.load(Some(&head.workbook_id), &[user_id], &[]).await?;
        let may_upload = {
            let decision = snapshot.decision(user_id, now);
            if snapshot.workbook.is_none() || !head.is_seen_by(&decision, user_id) {
                return Err(Problem::not_found());
            }
            let mut sheets = decision.sheets().filter(|(sheet, _)| sheet.id == head.sheet_id);
            sheets.any(|(_, place)| is_granted(&place, Action::Write))
        };
        if !may_upload {
            return Err(Problem::not_granted(Action::Write.as_str()));
        }
        Ok(Upload { head, snapshot })
    }
}

/// The problem of an upload without formulas, spills or pivot tables, although a deny touches the
/// workbook. It names the missing lists.
pub(crate) fn formulas_required(unstated: &[String]) -> Problem {
    let left_out = |name: &String| FieldError {
        pointer: Some(format!("/{name}")),
        parameter: None,
        detail: "is required here; give an empty list if there are none".to_owned(),
    };
    Problem { errors: unstated.iter().map(left_out).collect(), ..Problem::formulas_required() }
}

/// The problem of a whole body.
pub(crate) fn refused(detail: String) -> Problem {
    let pointer = Some(String::new());
    Problem::validation_failed(vec![FieldError { pointer, parameter: None, detail }])
}

/// The problem of pieces that have no valid form. The log says whose they are.
pub(crate) fn damaged(range_id: &str) -> impl Fn(Damaged) -> Problem {
    move |_| {
        tracing::error!(range_id, "failed to read the stored cells of a range");
        Problem::internal()
    }
}
