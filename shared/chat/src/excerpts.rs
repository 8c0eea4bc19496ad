//! The cells of a message in the form for its model: a block for each range, together at most
//! [`CELL_BYTES`].

use cells::grid::{Cleared, Grid};
use cells::prompt::{Excerpt, Options};
use platform::ids;
use serde::Serialize;
use tally_access::sources::Sources;
use tally_ranges::domain::RangeHead;

/// Bytes of cells in one prompt, at most, with fences, headers and statistics.
pub const CELL_BYTES: usize = 60_000;

/// Instead of a block without columns.
const NOTHING: &str = "Nothing of this range may be sent: its columns are hidden.\n";

/// Cells on their way to a model.
#[derive(Clone, Default)]
pub struct Excerpts {
    text: String,
    sent: Vec<SentRange>,
    sources: Sources,
}

platform::opaque!(Excerpts);

/// A range of which a model gets cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentRange {
    /// Id of the range.
    pub range_id: String,
    /// The address of the cells. Empty if it is the whole range, and its cells were not read.
    pub address: String,
    /// How many of its rows are sent. `null` if the number is not known.
    pub rows: Option<usize>,
}

impl Excerpts {
    /// The block of a whole range alone, as its preview shows it, and a batch compares its digest.
    /// It is without sources, because it is for no message.
    pub fn of_range(
        head: &RangeHead,
        cells: &Cleared<Grid>,
        include_hidden: bool,
    ) -> (Self, Excerpt) {
        let options = Options { include_hidden, max_bytes: CELL_BYTES };
        let block = cells.excerpt(&head.sheet_name, head.area, options);
        let range =
            SentRange { range_id: head.id.clone(), address: head.area.to_string(), rows: None };
        let mut excerpts = Self::default();
        excerpts.push(range, &block);
        (excerpts, block)
    }

    /// The text of all blocks.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ranges, in the order of their blocks.
    pub fn sent(&self) -> &[SentRange] {
        &self.sent
    }

    /// The columns that are sent.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The hash of the text, which does not disclose it.
    pub fn digest(&self) -> String {
        ids::sha256(&self.text)
    }

    /// Bytes for the next range. So many ranges are left with it, and together all may have
    /// `max_bytes`.
    pub fn room(&self, max_bytes: usize, left: usize) -> usize {
        max_bytes.saturating_sub(self.text.len()) / left.max(1)
    }

    /// Adds the block of a range, which came from these sources. Returns whether a message can keep
    /// the sources too. If not, it adds nothing.
    #[must_use]
    pub fn add(&mut self, range: SentRange, block: &Excerpt, sources: &Sources) -> bool {
        let fits = self.sources.add(sources);
        if fits {
            self.push(range, block);
        }
        fits
    }

    fn push(&mut self, range: SentRange, block: &Excerpt) {
        self.text.push_str(if block.columns.is_empty() { NOTHING } else { &block.text });
        self.sent.push(SentRange { rows: Some(block.rows), ..range });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_access::sources::Source;

    fn block(text: &str, columns: &[u32]) -> Excerpt {
        Excerpt { text: text.to_owned(), rows: 3, columns: columns.to_vec(), is_whole: true }
    }

    fn range(address: &str) -> SentRange {
        SentRange { range_id: "r".to_owned(), address: address.to_owned(), rows: None }
    }

    fn source(column: u32) -> Sources {
        let id = |number: u32| format!("019a0000-0000-7000-8000-0000000000{number:02}");
        let column_ids = vec![id(column + 10)];
        let source =
            Source { workbook_id: id(1), sheet_id: id(2), column_ids, results_only: false };
        Sources::of(&[source]).unwrap()
    }

    #[test]
    fn blocks_share_the_room_and_their_sources_are_joined() {
        let mut excerpts = Excerpts::default();
        assert_eq!([1, 5, 0].map(|left| excerpts.room(CELL_BYTES, left)), [60_000, 12_000, 60_000]);
        assert!(excerpts.add(range("A1:A4"), &block(&"x".repeat(20_000), &[0]), &source(0)));
        assert_eq!([1, 4].map(|left| excerpts.room(CELL_BYTES, left)), [40_000, 10_000]);
        assert!(excerpts.add(range("B1:B4"), &block("y", &[1]), &source(1)));
        assert!(excerpts.add(range("C1:C4"), &block("hidden", &[]), &Sources::default()));
        assert!(excerpts.text().ends_with(&format!("xy{NOTHING}")));
        let addresses: Vec<_> = excerpts.sent().iter().map(|range| &range.address).collect();
        assert_eq!(addresses, ["A1:A4", "B1:B4", "C1:C4"]);
        assert_eq!(excerpts.sources().list()[0].column_ids.len(), 2);
        assert_eq!(excerpts.digest(), ids::sha256(excerpts.text()));
    }
}
