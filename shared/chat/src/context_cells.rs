//! The cells of a message's context: whether they may be sent, and the cells themselves. The rules
//! at that moment decide, for the user who sent the message.

use cells::address::{Area, Cell};
use cells::prompt::Options;
use futures_util::future::join_all;
use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};
use tally_access::domain::Action;
use tally_access::sources::Sources;
use tally_ranges::{Opened, Reader};

use crate::domain::{ChatContext, ContextRange};
use crate::excerpts::{CELL_BYTES, Excerpts, SentRange};

/// Most cells that are read to learn how many bytes will be sent. A read of more cells would delay
/// the answer for too little gain.
const MEASURED_CELLS: u64 = 20_000;

/// Most parts of uploads, each of at most a megabyte, that are read for that.
const MEASURED_PARTS: usize = 16;

/// Most bytes of text of a range. The worker has 320 MB for its cells (docs/PERFORMANCE.md).
const TEXT_BYTES: u64 = 24 << 20;

/// Reads the cells of contexts.
#[derive(Clone)]
pub struct ContextCells {
    reader: Reader,
}

/// A context of which something may be sent.
#[derive(Debug, Clone)]
pub struct CheckedContext {
    /// The sources of the cells that will be sent, or may be sent if they were not read.
    pub sources: Sources,
    /// The ranges.
    pub ranges: Vec<SentRange>,
    /// How many columns may be sent.
    pub columns: usize,
    /// Bytes of cells that will be sent, at most.
    pub bytes: usize,
}

/// A range of a context, of which something may be sent.
struct Found {
    opened: Opened,
    area: Area,
    /// The columns of the area that may be sent.
    columns: Vec<u32>,
}

impl ContextCells {
    /// Uses the tables of [`Reader`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: Reader::new(platform)? })
    }

    /// Requires that cells of each range may be sent. A range that does not exist for the user is a
    /// 404, and one that is not complete a 409. An address outside is a 422, and so is a range with
    /// more text than the worker has memory for. If no column may be
    /// read and given to a model, the answer is 403. If the reply can cost something (`is_paid`) and
    /// the cells are few, it reads them. Otherwise it assumes all columns that may be sent, and the
    /// most bytes.
    pub async fn check(
        &self,
        context: &ChatContext,
        user_id: &str,
        is_paid: bool,
        now: Timestamp,
    ) -> Result<CheckedContext, Problem> {
        let all = self.find(context, user_id, now).await?;
        let ranges = all.iter().map(Found::named).collect();
        let columns = all.iter().map(|found| found.columns.len()).sum();
        let cells = all.iter().map(|found| found.with_headers().cells()).sum::<u64>();
        let parts = all.iter().map(Found::parts).sum::<usize>();
        if is_paid && cells <= MEASURED_CELLS && parts <= MEASURED_PARTS {
            let sent = excerpts(&all, context, CELL_BYTES).await?;
            let (bytes, sources) = (sent.text().len(), sent.sources().clone());
            return Ok(CheckedContext { sources, ranges, columns, bytes });
        }
        let mut sources = Sources::default();
        for found in &all {
            if !sources.add(&found.sources(&found.columns)?) {
                return Err(too_many());
            }
        }
        Ok(CheckedContext { sources, ranges, columns, bytes: CELL_BYTES })
    }

    /// The cells that may be sent, in at most `max_bytes`. They are those of
    /// [`ContextCells::check`] if the rules and ranges are still the same.
    pub async fn read(
        &self,
        context: &ChatContext,
        user_id: &str,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Excerpts, Problem> {
        let all = self.find(context, user_id, now).await?;
        let found = excerpts(&all, context, CELL_BYTES).await?;
        if found.text().len() <= max_bytes {
            return Ok(found);
        }
        excerpts(&all, context, max_bytes).await
    }

    /// The ranges, side by side. The problem is that of the first one that has one.
    async fn find(
        &self,
        context: &ChatContext,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Vec<Found>, Problem> {
        let ranges = context.ranges.iter().enumerate();
        let found = ranges.map(|(at, range)| self.find_one(at, range, user_id, now));
        join_all(found).await.into_iter().collect()
    }

    async fn find_one(
        &self,
        at: usize,
        range: &ContextRange,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Found, Problem> {
        let place = |problem: Problem| Problem {
            detail: format!("context.ranges[{at}]: {}", problem.detail),
            ..problem
        };
        let opened = self.reader.open(&range.range_id, user_id, now).await.map_err(place)?;
        opened.must_be_ready().map_err(place)?;
        let head = opened.head();
        if head.text > TEXT_BYTES {
            let fault = format!("has a fault at /ranges/{at}: the range has over 24 MiB of text");
            return Err(Problem::invalid_field("context", fault));
        }
        let area = range.area(&head.sheet_name, head.area).map_err(|detail| {
            let fault = format!("has a fault at /ranges/{at}/address: {detail}");
            Problem::invalid_field("context", fault)
        })?;
        let columns = opened.columns(area, Action::Ai);
        if columns.is_empty() {
            return Err(place(Problem::not_granted(Action::Ai.as_str())));
        }
        Ok(Found { opened, area, columns })
    }
}

/// The blocks of ranges, one after the other: the cells of one range may take much memory.
async fn excerpts(
    all: &[Found],
    context: &ChatContext,
    max_bytes: usize,
) -> Result<Excerpts, Problem> {
    let mut excerpts = Excerpts::default();
    for (at, found) in all.iter().enumerate() {
        let head = found.opened.head();
        let actions = Action::Ai.with_read();
        let cells = found.opened.cells(Some(found.with_headers()), actions).await?;
        let max_bytes = excerpts.room(max_bytes, all.len() - at);
        let options = Options { include_hidden: context.include_hidden, max_bytes };
        let block = cells.excerpt(&head.sheet_name, found.area, options);
        let sources = found.sources(&block.columns)?;
        if !excerpts.add(found.named(), &block, &sources) {
            return Err(too_many());
        }
    }
    Ok(excerpts)
}

/// A message has no room for the sources of so many columns.
fn too_many() -> Problem {
    Problem::invalid_field("context", "has too many columns together")
}

impl Found {
    fn named(&self) -> SentRange {
        let range_id = self.opened.head().id.clone();
        SentRange { range_id, address: self.area.to_string(), rows: None }
    }

    /// The area up to the first row of the range, where the headers are.
    fn with_headers(&self) -> Area {
        let top = Cell { row: self.opened.head().area.first().row, ..self.area.first() };
        Area::new(top, self.area.last()).unwrap_or(self.area)
    }

    /// How many parts of the upload have some of these cells.
    fn parts(&self) -> usize {
        let area = self.with_headers();
        let parts = self.opened.head().arrived.values();
        parts.filter(|part| part.area.intersection(area).is_some()).count()
    }

    /// The sources of cells of these columns. No columns have none.
    fn sources(&self, columns: &[u32]) -> Result<Sources, Problem> {
        if columns.is_empty() {
            return Ok(Sources::default());
        }
        let sources = self.opened.sources(columns, Action::Ai.with_read())?;
        Sources::of(&sources).ok_or_else(|| {
            tracing::error!(
                range_id = self.opened.head().id,
                "failed to name the sources of a range: an id is no UUID"
            );
            Problem::internal()
        })
    }
}
