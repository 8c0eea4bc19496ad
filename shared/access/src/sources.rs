//! Sources of messages: the columns that a message came from, and who may still read them.
//!
//! A message stays readable as long as its reader may read every one of its sources. A workbook, a
//! sheet or a column that is gone is not readable. Some columns were seen only through results of
//! formulas, because a rule denied the cells and let results through: then the rules must still do
//! that.

mod rights;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use rights::{Readers, Rights};

/// Bytes of the stored sources of a message, at most.
const STORED_BYTES: usize = 40_000;

/// Workbooks that the sources of a message, or of a page of messages, name at most. Each has two
/// heads, and 90 heads are read at once.
pub const WORKBOOKS: usize = 45;

/// Version of the stored form.
const VERSION: u8 = 1;

/// Columns of a sheet that a message came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MessageSource)]
pub struct Source {
    /// The workbook.
    #[schema(format = "uuid")]
    pub workbook_id: String,
    /// The sheet.
    #[schema(format = "uuid")]
    pub sheet_id: String,
    /// The columns. An empty list stands for all columns of the sheet.
    pub column_ids: Vec<String>,
    /// Whether only results of formulas that lead to these columns were seen. Users are not told of
    /// such columns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(ignore)]
    pub results_only: bool,
}

/// The sources of a message, each sheet once, or twice if some of its columns were seen through
/// results alone. Their stored form is a text: base64 of a version, then for each sheet the ids of
/// workbook and sheet, the number of its columns, and their ids. The highest bit of the number says
/// that only results were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sources(BTreeMap<SheetKey, Columns>);

/// A workbook, a sheet of it, and what was seen of the columns.
type SheetKey = (Uuid, Uuid, Seen);

/// What was seen of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Seen {
    /// Cells.
    Cells,
    /// Results of formulas that lead to them, and no cell.
    Results,
}

/// The bit of a number of columns that says [`Seen::Results`]. No stored number is as large.
const RESULTS: u16 = 1 << 15;

/// Columns of a sheet. None stands for all of them.
type Columns = BTreeSet<Uuid>;

impl Sources {
    /// These sources. `None` if they are too many, or if an id is no UUID.
    pub fn of(sources: &[Source]) -> Option<Self> {
        let mut all = Self::default();
        for Source { workbook_id, sheet_id, column_ids, results_only } in sources {
            let seen = if *results_only { Seen::Results } else { Seen::Cells };
            let (workbook, sheet) = (Uuid::try_parse(workbook_id), Uuid::try_parse(sheet_id));
            let sheet = (workbook.ok()?, sheet.ok()?, seen);
            let columns = column_ids.iter().map(|id| Uuid::try_parse(id).ok());
            all.join(sheet, &columns.collect::<Option<_>>()?);
        }
        all.shrink().then_some(all)
    }

    /// Whether the message has no sources.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sources as users are shown them: without columns whose cells they did not see.
    pub fn list(&self) -> Vec<Source> {
        let mut all = self.record();
        all.retain(|source| !source.results_only);
        all
    }

    /// All sources, for [`Sources::of`].
    pub fn record(&self) -> Vec<Source> {
        let source = |((workbook, sheet, seen), columns): (&SheetKey, &Columns)| Source {
            workbook_id: workbook.to_string(),
            sheet_id: sheet.to_string(),
            column_ids: columns.iter().map(Uuid::to_string).collect(),
            results_only: *seen == Seen::Results,
        };
        self.0.iter().map(source).collect()
    }

    /// Adds other sources. If there is no room for all of them, it adds none and returns false.
    #[must_use]
    pub fn add(&mut self, other: &Self) -> bool {
        let mut all = self.clone();
        for (sheet, columns) in &other.0 {
            all.join(*sheet, columns);
        }
        let fits = all.shrink();
        if fits {
            *self = all;
        }
        fits
    }

    /// The number of sources, from the first one on, that can be looked up together. One always
    /// can.
    pub fn fitting<'a>(sources: impl IntoIterator<Item = &'a Self>) -> usize {
        let mut workbooks = BTreeSet::new();
        let fits = |sources: &&Self| {
            workbooks.extend(sources.workbooks());
            workbooks.len() <= WORKBOOKS
        };
        sources.into_iter().take_while(fits).count()
    }

    fn workbooks(&self) -> BTreeSet<Uuid> {
        self.0.keys().map(|(workbook, ..)| *workbook).collect()
    }

    fn join(&mut self, sheet: SheetKey, columns: &Columns) {
        match self.0.entry(sheet) {
            Entry::Vacant(place) => {
                place.insert(columns.clone());
            }
            Entry::Occupied(mut place) => {
                let known = place.get_mut();
                if known.is_empty() || columns.is_empty() {
                    known.clear();
                } else {
                    known.extend(columns);
                }
            }
        }
    }

    /// Widens the sheets with the most columns to whole sheets until all can be stored. Returns
    /// whether they can.
    fn shrink(&mut self) -> bool {
        while self.bytes() > STORED_BYTES {
            let widest = self.0.values_mut().max_by_key(|columns| columns.len());
            let Some(widest) = widest.filter(|columns| !columns.is_empty()) else { return false };
            widest.clear();
        }
        self.workbooks().len() <= WORKBOOKS
    }

    /// Bytes of the stored form.
    fn bytes(&self) -> usize {
        let raw = self.0.values().map(|columns| 34 + 16 * columns.len()).sum::<usize>() + 1;
        (4 * raw).div_ceil(3)
    }
}

impl From<Sources> for String {
    fn from(sources: Sources) -> Self {
        let mut bytes = vec![VERSION];
        for ((workbook, sheet, seen), columns) in &sources.0 {
            bytes.extend(workbook.as_bytes());
            bytes.extend(sheet.as_bytes());
            // More columns do not fit, and would be the whole sheet.
            let count = u16::try_from(columns.len()).unwrap_or_default();
            let marked = if *seen == Seen::Results { count | RESULTS } else { count };
            bytes.extend(marked.to_be_bytes());
            bytes.extend(columns.iter().take(count.into()).flat_map(Uuid::as_bytes));
        }
        STANDARD_NO_PAD.encode(bytes)
    }
}

impl TryFrom<String> for Sources {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "must be the stored form of sources";
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| wrong)?;
        let mut rest = bytes.strip_prefix(&[VERSION]).ok_or(wrong)?;
        let mut all = BTreeMap::new();
        while !rest.is_empty() {
            let (sheet, columns) = read_sheet(&mut rest).ok_or(wrong)?;
            all.insert(sheet, columns);
        }
        Ok(Self(all))
    }
}

fn read_sheet(rest: &mut &[u8]) -> Option<(SheetKey, Columns)> {
    let (workbook, sheet) = (read_id(rest)?, read_id(rest)?);
    let marked = u16::from_be_bytes(take(rest)?);
    let seen = if marked & RESULTS == 0 { Seen::Cells } else { Seen::Results };
    let columns = (0..marked & !RESULTS).map(|_| read_id(rest)).collect::<Option<_>>()?;
    Some(((workbook, sheet, seen), columns))
}

fn read_id(rest: &mut &[u8]) -> Option<Uuid> {
    take(rest).map(Uuid::from_bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests;
