//! The work of a batch: which rows each of its calls is about.

use std::ops::RangeInclusive;

use cells::address::{Area, Cell};
use serde::{Deserialize, Serialize};
use tally_access::domain::Letter;

use super::operation::Operation;

/// Cells that are read at once, unless the rows of one call have more.
const BLOCK_CELLS: u32 = 40_000;

/// Bytes that the text of a call may have beside those that were counted: the tags round it, and
/// cells that the rules withhold or show by then.
pub const SLACK_BYTES: usize = 1_000;

/// Bytes of the text of a call, at most. No call is made for rows with more.
const MOST_TEXT_BYTES: usize = 300_000;

/// The work of a batch: an item for each group of rows.
#[derive(Clone, Serialize, Deserialize)]
pub struct BatchWork {
    /// Id of the range.
    pub range_id: String,
    /// What is done with each row.
    pub operation: Operation,
    /// The input columns, from the left.
    pub input_columns: Vec<Letter>,
    /// The first row, as the sheet counts it, from 1.
    pub first_row: u32,
    /// The last row.
    pub last_row: u32,
    /// Rows of a call.
    pub rows_per_call: u32,
    /// Bytes that the text of each call's rows may have. The hold pays for no more. 0 where no call
    /// is made: the rows are empty, or have too much text.
    #[serde(default)]
    pub bytes: Vec<u32>,
}

platform::opaque!(BatchWork);

impl BatchWork {
    /// Number of rows.
    pub fn rows(&self) -> u32 {
        (self.last_row + 1).saturating_sub(self.first_row)
    }

    /// Number of items.
    pub fn items(&self) -> u32 {
        self.rows().div_ceil(self.rows_per_call.max(1))
    }

    /// Number of rows of an item.
    pub fn units(&self, index: u32) -> u32 {
        let before = index.saturating_mul(self.rows_per_call);
        self.rows().saturating_sub(before).min(self.rows_per_call)
    }

    /// The rows of an item, as the sheet counts them. Empty if there is no such item.
    pub fn rows_of(&self, index: u32) -> RangeInclusive<u32> {
        let first = self.first_row.saturating_add(index.saturating_mul(self.rows_per_call));
        first..=first.saturating_add(self.units(index)).saturating_sub(1)
    }

    /// The item of a row. `None` if the batch does not have the row.
    pub fn item_of(&self, row: u32) -> Option<u32> {
        let is_one = (self.first_row..=self.last_row).contains(&row);
        is_one.then(|| (row - self.first_row) / self.rows_per_call.max(1))
    }

    /// The input columns, from zero in the sheet.
    pub fn columns(&self) -> impl Iterator<Item = u32> {
        self.input_columns.iter().map(|letter| letter.number())
    }

    /// The cells of these rows, from the first input column to the last one.
    pub fn area(&self, rows: &RangeInclusive<u32>) -> Option<Area> {
        let (first, last) = (self.columns().min()?, self.columns().max()?);
        let top = Cell { row: rows.start().checked_sub(1)?, column: first };
        let bottom = Cell { row: rows.end().checked_sub(1)?, column: last };
        Area::new(top, bottom).filter(|_| !rows.is_empty())
    }

    /// The groups of items whose cells are read together, in order.
    pub fn blocks(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        let step = self.items_of_block();
        let last = self.items().saturating_sub(1);
        (0..self.items())
            .step_by(step as usize)
            .map(move |first| first..=last.min(first + step - 1))
    }

    /// The group of an item.
    pub fn block_of(&self, index: u32) -> RangeInclusive<u32> {
        let step = self.items_of_block();
        let first = index / step * step;
        first..=self.items().saturating_sub(1).min(first + step - 1)
    }

    /// The rows of a group of items.
    pub fn rows_of_all(&self, items: &RangeInclusive<u32>) -> RangeInclusive<u32> {
        *self.rows_of(*items.start()).start()..=*self.rows_of(*items.end()).end()
    }

    /// Items whose cells are read together.
    fn items_of_block(&self) -> u32 {
        let width = self.area(&(1..=1)).map_or(1, Area::columns);
        (BLOCK_CELLS / width / self.rows_per_call.max(1)).max(1)
    }

    /// Bytes that a text of so many may have when its call is made. 0 if it has too many.
    pub fn bytes_at_most(text: usize) -> u32 {
        let most = if text > MOST_TEXT_BYTES { 0 } else { text + SLACK_BYTES };
        u32::try_from(most).unwrap_or_default()
    }

    /// Whether the hold pays for a text of so many bytes in the call of an item.
    pub fn pays_for(&self, index: u32, text: usize) -> bool {
        let most = self.bytes.get(index as usize).copied().unwrap_or_default();
        text <= most as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(letters: &[&str], rows: RangeInclusive<u32>, rows_per_call: u32) -> BatchWork {
        BatchWork {
            range_id: "r".into(),
            operation: Operation::Explain,
            input_columns: letters.iter().map(|letter| letter.parse().unwrap()).collect(),
            first_row: *rows.start(),
            last_row: *rows.end(),
            rows_per_call,
            bytes: Vec::new(),
        }
    }

    #[test]
    fn each_row_is_in_one_item() {
        for (rows, per_call, items, last) in [
            (2..=21, 20, 1, 20),
            (2..=22, 20, 2, 1),
            (2..=2, 50, 1, 1),
            (7..=16, 3, 4, 1),
            (1_048_570..=1_048_576, 1, 7, 1),
            (2..=50_001, 20, 2_500, 20),
        ] {
            let work = work(&["B"], rows.clone(), per_call);
            assert_eq!((work.items(), work.units(items - 1)), (items, last), "{rows:?}");
            let all = (0..items).flat_map(|index| work.rows_of(index));
            assert!(all.eq(rows.clone()), "{rows:?} {per_call}");
            assert!((0..items).all(|index| {
                let rows = work.rows_of(index);
                rows.clone().count() == work.units(index) as usize
                    && rows.into_iter().all(|row| work.item_of(row) == Some(index))
            }));
            assert_eq!(work.units(items), 0);
            assert!(work.rows_of(items).is_empty());
            assert_eq!(work.item_of(rows.start() - 1), None);
            assert_eq!(work.item_of(rows.end() + 1), None);
        }
    }

    #[test]
    fn cells_are_read_in_blocks_of_whole_items() {
        for (letters, rows, per_call, blocks) in [
            (&["B"][..], 2..=10_001, 20, 1),
            (&["A", "D"], 2..=10_001, 20, 1),
            (&["A", "E"], 2..=10_001, 20, 2),
            (&["A", "XFD"], 2..=31, 20, 2),
            (&["A"], 2..=50_001, 1, 2),
            (&["A"], 5..=5, 50, 1),
        ] {
            let work = work(letters, rows.clone(), per_call);
            let all: Vec<_> = work.blocks().collect();
            assert_eq!(all.len(), blocks, "{letters:?}");
            assert!(all.iter().cloned().flatten().eq(0..work.items()), "{letters:?}");
            assert!(all.iter().cloned().flat_map(|block| work.rows_of_all(&block)).eq(rows));
            for block in all {
                assert!(block.clone().all(|index| work.block_of(index) == block), "{letters:?}");
            }
        }
    }

    #[test]
    fn the_area_reaches_from_the_first_column_to_the_last() {
        for (letters, rows, expected) in [
            (&["B"][..], 2..=4, Some("B2:B4")),
            (&["B", "D"], 7..=7, Some("B7:D7")),
            (&["AA", "C"], 1..=2, Some("C1:AA2")),
            (&["B"], 0..=4, None),
            (&[], 1..=4, None),
        ] {
            let area = work(letters, 1..=9, 1).area(&rows);
            assert_eq!(area.map(|area| area.to_string()).as_deref(), expected, "{letters:?}");
        }
    }

    #[test]
    fn the_hold_pays_for_the_text_that_was_counted_and_some_more() {
        let work = BatchWork {
            bytes: vec![BatchWork::bytes_at_most(500), 0, BatchWork::bytes_at_most(300_001)],
            ..work(&["B"], 1..=4, 1)
        };
        for (index, text, expected) in
            [(0, 1_500, true), (0, 1_501, false), (1, 1, false), (2, 1, false), (3, 1, false)]
        {
            assert_eq!(work.pays_for(index, text), expected, "{index} {text}");
        }
    }
}
