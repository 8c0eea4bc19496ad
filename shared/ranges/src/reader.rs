//! The reader of ranges. It takes out the cells that the caller may not have.

mod blocks;

use std::collections::BTreeSet;
use std::sync::Arc;

use cells::address::{Area, Cell};
use cells::formula::{NONE, Sources, UNRESOLVED};
use cells::grid::{Cleared, Grid, Verdict as _};
use futures_util::future::try_join;
use platform::clock::Timestamp;
use platform::{ConfigError, Platform, Problem};
use tally_access::Decision;
use tally_access::cell_access::{CellAccess, Node, RangeColumns, Reached};
use tally_access::domain::{Action, Actions, Sheet};
use tally_access::places::Places;
use tally_access::sources::Source;
use tally_access::store::{Snapshot, Snapshots};

use crate::blob::{pack, unpack};
use crate::domain::{Completed, RangeHead};
use crate::profile::Profile;
use crate::ranges::damaged;
use crate::store::{Graph, Graphs, Heads, Pieces, Place};
use crate::stored_cells::read;

pub use blocks::Block;

/// The piece with the profile for users who are denied nothing.
const PROFILE: &str = "profile";

/// Opens ranges for their readers.
#[derive(Debug, Clone)]
pub struct Reader {
    heads: Heads,
    pieces: Pieces,
    graphs: Graphs,
    snapshots: Snapshots,
}

/// A range that exists for a user, with the data that decides which of its cells they may have.
#[derive(Debug, Clone)]
pub struct Opened {
    pieces: Pieces,
    head: RangeHead,
    snapshot: Snapshot,
    nodes: Arc<[Node]>,
    user_id: String,
    now: Timestamp,
}

/// How a range stands to a user.
#[derive(Debug, Clone)]
pub enum Sight {
    /// It has expired, or was deleted.
    Gone,
    /// It does not exist for the user. A user without an active account sees none.
    Unseen,
    /// It exists for the user.
    Seen(Box<Opened>),
}

/// Why a cell is shown or withheld.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellReason {
    /// It is shown.
    Shown,
    /// The user may not have its column, or the uploader could not read it.
    Column,
    /// The sources of its formula are unresolved.
    Unresolved,
    /// Its formula leads to a column that the user may not have, or that is unresolved. The ids of
    /// the columns on the way, that one last.
    Chain(Vec<String>),
}

impl Reader {
    /// Uses the tables that `RANGES_TABLE` and those of [`Snapshots`] name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            heads: Heads::new(platform)?,
            pieces: Pieces::new(platform)?,
            graphs: Graphs::new(platform)?,
            snapshots: Snapshots::new(platform)?,
        })
    }

    /// A range with the data that decides about it, or 404 where it does not exist for the user.
    pub async fn open(
        &self,
        range_id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Opened, Problem> {
        match self.look(range_id, user_id, now).await? {
            Sight::Seen(opened) => Ok(*opened),
            Sight::Gone | Sight::Unseen => Err(Problem::not_found()),
        }
    }

    /// A range with the data that decides about it. It reads the head first, because the head names
    /// the workbook. Then one consistent batch reads the rules, the workbook and the user. The graph
    /// is read beside it. The process keeps rules, sheets and the graph by their versions.
    pub async fn look(
        &self,
        range_id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Sight, Problem> {
        let Some(head) = self.heads.get(range_id, now).await? else { return Ok(Sight::Gone) };
        let users = [user_id];
        let (snapshot, Graph { nodes, generation }) = try_join(
            self.snapshots.load(Some(&head.workbook_id), &users, &[]),
            self.graphs.get(&head.workbook_id),
        )
        .await?;
        let is_seen = snapshot.workbook.is_some()
            && head.is_seen_by(&snapshot.decision(user_id, now), user_id);
        if !is_seen {
            return Ok(Sight::Unseen);
        }
        let (pieces, user_id) = (self.pieces.clone(), user_id.to_owned());
        let head = head.under(generation);
        Ok(Sight::Seen(Box::new(Opened { pieces, head, snapshot, nodes, user_id, now })))
    }

    /// A workbook with the data that decides about it, or 404 where it does not exist for the user.
    pub async fn workbook(
        &self,
        workbook_id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Snapshot, Problem> {
        let snapshot = self.snapshots.load(Some(workbook_id), &[user_id], &[]).await?;
        let is_seen =
            snapshot.workbook.is_some() && snapshot.decision(user_id, now).sees_workbook();
        if is_seen { Ok(snapshot) } else { Err(Problem::not_found()) }
    }

    /// The complete ranges of a workbook of which the user may do this with a part, as
    /// [`Reader::open`] gives them. They are among the next `limit` ranges that exist for the user
    /// before the one with the id `after`, the newest first. The second value says where the list
    /// goes on.
    pub async fn list(
        &self,
        snapshot: &Snapshot,
        after: Option<String>,
        limit: usize,
        action: Action,
        (user_id, now): (&str, Timestamp),
    ) -> Result<(Vec<Opened>, Option<String>), Problem> {
        let Some(workbook) = &snapshot.workbook else { return Err(Problem::not_found()) };
        let decision = snapshot.decision(user_id, now);
        let (mut heads, next) =
            self.heads.list(&workbook.id, after, limit, now, (&decision, user_id)).await?;
        heads.retain(|head| head.is_ready() && head.allows(&decision, action));
        if heads.is_empty() {
            return Ok((Vec::new(), next));
        }
        // A graph that was read earlier could lack the formulas of a range that is complete now.
        let Graph { nodes, generation } = self.graphs.get(&workbook.id).await?;
        let opened = heads.into_iter().map(|head| Opened {
            pieces: self.pieces.clone(),
            head: head.under(generation),
            snapshot: snapshot.clone(),
            nodes: Arc::clone(&nodes),
            user_id: user_id.to_owned(),
            now,
        });
        Ok((opened.collect(), next))
    }
}

impl Opened {
    /// The head.
    pub fn head(&self) -> &RangeHead {
        &self.head
    }

    /// The decision about the user.
    pub fn decision(&self) -> Decision<'_> {
        self.snapshot.decision(&self.user_id, self.now)
    }

    /// The data that decides about the workbook.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Refuses a range that is not whole.
    pub fn must_be_ready(&self) -> Result<(), Problem> {
        self.completed().map(drop)
    }

    /// Whether the user may do this with any column of the range.
    pub fn allows(&self, action: Action) -> bool {
        self.head.allows(&self.decision(), action)
    }

    /// The columns of an area, from zero in the sheet, with which the user may do this. A column whose
    /// cells were dropped is none of them.
    pub fn columns(&self, area: Area, action: Action) -> Vec<u32> {
        let decision = self.decision();
        let columns = decision.columns(&self.head.sheet_id);
        let allowed: BTreeSet<_> = columns
            .filter(|(_, place)| place.allows(action))
            .flat_map(|(column, _)| column.ids())
            .collect();
        let dropped = self.head.completed.iter().flat_map(|completed| &completed.dropped);
        let dropped: BTreeSet<_> = dropped.collect();
        let is_allowed = |column: &u32| {
            !dropped.contains(column)
                && self.head.column_id(*column).is_some_and(|id| allowed.contains(id))
        };
        (area.first().column..=area.last().column).filter(is_allowed).collect()
    }

    /// The cells of an area, or of the range, that the user may have for all of these actions.
    /// Only the pieces are read that have something of the area.
    pub async fn cells(
        &self,
        area: Option<Area>,
        actions: Actions,
    ) -> Result<Cleared<Grid>, Problem> {
        let area = area.unwrap_or(self.head.area);
        let (grid, places) = self.uncleared(area).await?;
        Ok(grid.clear(&self.access(&places, actions)?))
    }

    /// The headers of the range's columns, from the left, that the user may have.
    pub async fn headers(&self, actions: Actions) -> Result<Vec<Option<String>>, Problem> {
        Ok(self.cells(Some(self.header_area()), actions).await?.headers())
    }

    /// The rows with the headers. Without headers, it is the first row.
    pub fn header_area(&self) -> Area {
        let (first, last) = (self.head.area.first(), self.head.area.last());
        let bottom = first.row + self.head.header_rows.saturating_sub(1);
        let area = Area::new(first, Cell { row: bottom.min(last.row), ..last });
        area.unwrap_or(self.head.area)
    }

    /// The facts that the user may know about the columns. They come from all cells of the range.
    /// They are the same for all users who are denied nothing, so the first of them stores them for
    /// the others.
    pub async fn profile(&self) -> Result<Profile, Problem> {
        let actions = Action::Read.with_read();
        let no_places = Places::default();
        let is_unrestricted = self.access(&no_places, actions)?.is_unrestricted();
        let place = Place::of_range(&self.head.id, PROFILE.to_owned());
        let places = std::slice::from_ref(&place);
        if is_unrestricted && let Some(found) = self.pieces.get(places).await? {
            return unpack(&found).map_err(damaged(&self.head.id));
        }
        let profile = Profile::of(&self.cells(None, actions).await?)?;
        if is_unrestricted {
            self.store(place, &profile).await;
        }
        Ok(profile)
    }

    /// Stores a profile that fits into one piece. If the write fails, the next reader computes it
    /// again.
    async fn store(&self, place: Place, profile: &Profile) {
        let Ok(Ok([piece])) = pack(profile).map(<[Vec<u8>; 1]>::try_from) else { return };
        if let Err(error) = self.pieces.put(vec![(place, piece)], self.head.expires_at).await {
            let range_id = self.head.id.as_str();
            tracing::warn!(%error, range_id, "failed to store the profile of a range");
        }
    }

    /// Why a cell is shown to the user or withheld. The caller has to check which of the named
    /// columns the user may know.
    pub async fn reason(&self, cell: Cell) -> Result<CellReason, Problem> {
        let area = Area::new(cell, cell).ok_or_else(Problem::not_found)?;
        let (grid, places) = self.uncleared(area).await?;
        let completed = self.completed()?;
        let access = self.access(&places, Action::Read.with_read())?;
        if completed.dropped.contains(&cell.column)
            || !access.is_unrestricted() && !access.shows_column(cell.column)
        {
            return Ok(CellReason::Column);
        }
        let group = grid.groups().ids.first().copied().unwrap_or(UNRESOLVED);
        let sources = grid.groups().sources(group);
        Ok(if access.is_unrestricted() || completed.has_formulas && group == NONE {
            CellReason::Shown
        } else {
            let sources = sources.filter(|_| completed.has_formulas);
            sources.map_or(CellReason::Unresolved, |sources| of_sources(&access, sources))
        })
    }

    /// What an answer to these actions came from, if it is made of these columns of the range: the
    /// columns, and those that the user saw through results of their formulas, if only the results
    /// of those. An answer from something unknown came from the whole workbook.
    pub fn sources(&self, columns: &[u32], actions: Actions) -> Result<Vec<Source>, Problem> {
        let completed = self.completed()?;
        let ids: Option<Vec<_>> =
            columns.iter().map(|column| self.head.column_id(*column)).collect();
        let places = Places::default();
        let access = self.access(&places, actions)?;
        let is_whole = access.is_unrestricted() && !completed.has_formulas;
        let ids = ids.filter(|_| !is_whole);
        let source = |sheet: &Sheet, column_ids, results_only| Source {
            workbook_id: self.head.workbook_id.clone(),
            sheet_id: sheet.id.clone(),
            column_ids,
            results_only,
        };
        let sheets = || self.snapshot.sheets.iter();
        let Some(Reached { open, results }) = ids.and_then(|ids| access.reached(ids)) else {
            // No columns stand for all.
            return Ok(sheets().map(|sheet| source(sheet, Vec::new(), false)).collect());
        };
        let mut found = Vec::new();
        for (reached, results_only) in [(open, false), (results, true)] {
            for sheet in sheets() {
                let columns = sheet.columns.iter().map(|column| &column.id);
                let ids: Vec<_> =
                    columns.filter(|id| reached.contains(id.as_str())).cloned().collect();
                if !ids.is_empty() {
                    found.push(source(sheet, ids, results_only));
                }
            }
        }
        Ok(found)
    }

    fn completed(&self) -> Result<&Completed, Problem> {
        let completed = self.head.completed.as_ref().filter(|_| self.head.is_ready());
        completed.ok_or_else(Problem::not_ready)
    }

    /// The cells of an area of the range, before anything is taken out.
    async fn uncleared(&self, area: Area) -> Result<(Grid, Places), Problem> {
        self.completed()?;
        if !self.head.area.covers(area) {
            let range = self.head.area;
            let detail = format!("reaches beyond the range {range}");
            return Err(Problem::invalid_parameter("address", detail));
        }
        // A piece is missing where the range is just being deleted.
        read(&self.pieces, &self.head, area).await?.ok_or_else(Problem::not_found)
    }

    fn access<'a>(
        &'a self,
        places: &'a Places,
        actions: Actions,
    ) -> Result<CellAccess<'a>, Problem> {
        let range = RangeColumns {
            sheet_id: &self.head.sheet_id,
            first: self.head.area.first().column,
            ids: &self.completed()?.column_ids,
            places,
        };
        Ok(CellAccess::new(&self.decision(), range, &self.nodes, actions))
    }
}

fn of_sources(access: &CellAccess<'_>, sources: &Sources) -> CellReason {
    if access.shows_results(sources) {
        return CellReason::Shown;
    }
    let chain = access.chain(sources);
    if chain.is_empty() {
        return CellReason::Unresolved;
    }
    CellReason::Chain(chain.into_iter().map(str::to_owned).collect())
}
