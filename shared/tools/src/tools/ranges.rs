//! What the tools of ranges share.

use cells::grid::{Cleared, Grid};
use platform::audit::AuditDetails;
use platform::domain::ResourceId;
use platform::{Plan, Problem};
use tally_access::domain::Action;
use tally_access::sources::Sources;
use tally_ranges::tools::{
    CellRow, CellRows, FoundCell, FoundCells, Range, Statistic, Statistics, address_of,
};
use tally_ranges::{Opened, Reader};

use crate::cut::{Listing, refused};
use crate::sentence::quoted;
use crate::tool::{Found, Given};

/// Bytes of text of a range, at most. A function has memory for the cells of so much.
const TEXT_BYTES: u64 = 24 << 20;

/// Kind of the resource that an event names.
const RANGE: &str = "range";

impl Listing for CellRows {
    type Item = CellRow;

    fn items(&mut self) -> &mut Vec<CellRow> {
        &mut self.items
    }
}

impl Listing for FoundCells {
    type Item = FoundCell;

    fn items(&mut self) -> &mut Vec<FoundCell> {
        &mut self.items
    }
}

impl Listing for Statistics {
    type Item = Statistic;

    fn items(&mut self) -> &mut Vec<Statistic> {
        &mut self.items
    }
}

/// Opens a range as the caller. It is complete, and the caller may give a part of it to a model.
pub async fn open(
    reader: &Reader,
    range_id: &ResourceId,
    given: Given<'_>,
) -> Result<Opened, Problem> {
    let opened = reader.open(range_id, &given.caller.user_id, given.now).await?;
    opened.must_be_ready()?;
    if !opened.allows(Action::Ai) {
        return Err(Problem::not_granted(Action::Ai.as_str()));
    }
    if opened.head().text > TEXT_BYTES {
        return Err(refused("The range has over 24 MiB of text, which is too much for a tool."));
    }
    Ok(opened)
}

/// A range with its cells, for a tool.
pub fn range<'a>(opened: &'a Opened, cells: &'a Cleared<Grid>) -> Range<'a> {
    let head = opened.head();
    Range { id: &head.id, sheet: &head.sheet_name, cells, include_hidden: false }
}

/// The name of a range in a sentence: its sheet and its rectangle.
pub fn named(opened: &Opened) -> String {
    quoted(&address_of(&opened.head().sheet_name, opened.head().area))
}

/// The sources of an answer that is made of these columns of a range.
pub fn sources(opened: &Opened, columns: &[u32]) -> Result<Sources, Problem> {
    if columns.is_empty() {
        return Ok(Sources::default());
    }
    let sources = opened.sources(columns, Action::Ai.with_read())?;
    Sources::of(&sources).ok_or_else(|| {
        let range_id = opened.head().id.as_str();
        tracing::error!(range_id, "failed to name the sources of a range");
        Problem::internal()
    })
}

/// The plan of an answer that is made of these columns of a range. Its event names the range.
pub fn answered<O>(
    output: O,
    (opened, columns): (&Opened, &[u32]),
    details: AuditDetails,
) -> Result<Plan<Found<O>>, Problem> {
    let sources = sources(opened, columns)?;
    let details = details.resource(RANGE, &opened.head().id);
    Ok(Plan::reply(Found { output, sources }).details(details))
}

/// The plan of a call. The event names the range, also if the call fails.
pub fn planned<O>(plan: Result<Plan<O>, Problem>, range_id: &ResourceId) -> Plan<O> {
    plan.unwrap_or_else(|problem| {
        Plan::refuse(problem).details(AuditDetails::default().resource(RANGE, range_id))
    })
}
