//! The rows of a batch, with the rights of its user at each call. The cells are read in blocks, which
//! the calls share. Each call clears its own rows.

use std::ops::RangeInclusive;

use cells::address::Area;
use cells::grid::{Cleared, Grid};
use platform::Problem;
use platform::clock::Clock;
use platform::problem::Code;
use tally_access::domain::{Action, Actions};
use tally_access::sources::Sources;
use tally_jobs::domain::{BatchWork, ErrorCode, JobError};
use tally_ranges::{Block, Opened, Reader, Sight};
use tokio::sync::Mutex;

use crate::work::NoCall;

/// What the cells have to be allowed for.
const ACTIONS: Actions = Action::Ai.with_read();

/// Blocks that are kept: calls of two blocks run at once where one of them ends, and the headers are
/// a block too.
const KEPT: usize = 3;

/// Reads the rows of a batch.
pub struct Source {
    reader: Reader,
    clock: Clock,
    user_id: String,
    /// The blocks, the one that was used last at the end.
    kept: Mutex<Vec<(Area, Block)>>,
}

/// The rows of a call that its user may give to a model.
pub struct Rows {
    cells: Cleared<Grid>,
    headers: Vec<Option<String>>,
    /// First column of the headers, from zero in the sheet.
    left: u32,
    sheet: String,
    /// The columns that an answer about them comes from.
    pub sources: Sources,
}

impl Source {
    pub fn new(reader: Reader, clock: Clock, user_id: String) -> Self {
        Self { reader, clock, user_id, kept: Mutex::new(Vec::new()) }
    }

    /// The rows of a call. The rules, the groups and the account of the user are those of now. A key
    /// that was revoked, or a session that has ended, since the batch was asked for changes nothing:
    /// the user asked for it while it was valid, and can stop it.
    pub async fn rows(&self, work: &BatchWork, index: u32) -> Result<Rows, NoCall> {
        let now = self.clock.now();
        let opened = match self.reader.look(&work.range_id, &self.user_id, now).await? {
            Sight::Seen(opened) => opened,
            Sight::Gone => return Err(ended(ErrorCode::InputGone)),
            Sight::Unseen => return Err(ended(ErrorCode::AccessRevoked)),
        };
        let columns: Vec<_> = work.columns().collect();
        let area = area_of(work, &work.rows_of(index))?;
        let allowed = opened.columns(area, Action::Ai);
        if columns.iter().any(|column| !allowed.contains(column)) {
            return Err(ended(ErrorCode::AccessRevoked));
        }
        let block = area_of(work, &work.rows_of_all(&work.block_of(index)))?;
        let cells = self.cells(&opened, block, area).await.map_err(gone)?;
        let top = opened.header_area();
        let headers = if opened.head().header_rows == 0 {
            Vec::new()
        } else {
            self.cells(&opened, top, top).await.map_err(gone)?.headers()
        };
        let sources = opened.sources(&columns, ACTIONS).map_err(gone)?;
        let sources = Sources::of(&sources).ok_or_else(|| {
            tracing::error!(
                range_id = work.range_id,
                "failed to name the sources of a range: an id is no UUID"
            );
            Problem::internal()
        })?;
        let sheet = opened.head().sheet_name.clone();
        Ok(Rows { cells, headers, left: top.first().column, sheet, sources })
    }

    /// The cells of an area of a block, cleared for the user. One call at a time looks for the block,
    /// so that it is read once.
    async fn cells(
        &self,
        opened: &Opened,
        block: Area,
        area: Area,
    ) -> Result<Cleared<Grid>, Problem> {
        let mut kept = self.kept.lock().await;
        if let Some(at) = kept.iter().position(|(of, _)| *of == block) {
            let (_, found) = kept.remove(at);
            if let Some(cells) = opened.cells_of(&found, area, ACTIONS)? {
                kept.push((block, found));
                return Ok(cells);
            }
        }
        let found = opened.block(block).await?;
        // It has just been read, so it is not outdated.
        let cells = opened.cells_of(&found, area, ACTIONS)?.ok_or_else(Problem::internal)?;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((block, found));
        Ok(cells)
    }
}

impl Rows {
    /// Whether all input cells of a row are empty. Rows count from one.
    pub fn is_blank(&self, work: &BatchWork, row: u32) -> bool {
        self.cells.is_blank(row - 1, work.columns())
    }

    /// The text of some rows for a model.
    pub fn text(&self, work: &BatchWork, rows: &[u32]) -> String {
        let named = work.columns().map(|column| {
            let place = usize::try_from(column - self.left).unwrap_or(usize::MAX);
            (column, self.headers.get(place).and_then(Option::as_deref))
        });
        let rows = rows.iter().map(|row| row - 1);
        self.cells.rows_prompt(&self.sheet, &named.collect::<Vec<_>>(), rows)
    }

    /// The cells.
    pub fn cells(&self) -> &Cleared<Grid> {
        &self.cells
    }
}

fn area_of(work: &BatchWork, rows: &RangeInclusive<u32>) -> Result<Area, NoCall> {
    work.area(rows).ok_or_else(|| NoCall::Problem(Problem::internal()))
}

/// The end of the whole job.
fn ended(code: ErrorCode) -> NoCall {
    NoCall::Job(JobError::of(code))
}

/// A range whose cells are being deleted is gone.
fn gone(problem: Problem) -> NoCall {
    match problem.code {
        Code::NotFound => ended(ErrorCode::InputGone),
        _ => NoCall::Problem(problem),
    }
}
