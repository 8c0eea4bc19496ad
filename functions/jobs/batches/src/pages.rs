//! A page of a batch's rows: from a row on, as many as the page has room for.

use std::collections::BTreeMap;

use platform::Problem;
use tally_access::sources::Sources;
use tally_jobs::domain::{BatchWork, ItemStatus, StoredRows};
use tally_jobs::rows_of;
use tally_jobs::store::{Head, Items};

use crate::row::{BatchRow, RowStatus};

/// Items that one query reads, at most, and queries for one page. A page may be short, even empty,
/// and go on.
const ITEMS: usize = 100;
const QUERIES: usize = 10;

/// Bytes of the rows of a page, unless one row has more. An answer of a function can have 6 MB.
const MOST_BYTES: usize = 4 << 20;

/// The rows that a page has.
pub struct Wanted<'a> {
    /// Only those in this state.
    pub status: Option<RowStatus>,
    /// As many, at most.
    pub limit: usize,
    /// Bytes of a row in the answer.
    pub weigh: &'a (dyn Fn(&BatchRow) -> usize + Sync),
}

/// A page.
#[derive(Debug, Default, PartialEq)]
pub struct RowPage {
    /// The rows, in order.
    pub rows: Vec<BatchRow>,
    /// Where their outputs came from: different sources.
    pub sources: Vec<Sources>,
    /// The row with which the list goes on. `None` at its end.
    pub next: Option<u32>,
    bytes: usize,
}

/// Reads the rows of a batch from one on.
pub async fn read(
    items: &Items,
    (work, head): (&BatchWork, &Head),
    from: u32,
    wanted: &Wanted<'_>,
) -> Result<RowPage, Problem> {
    let mut page = RowPage::default();
    let Some(mut index) = work.item_of(from) else { return Ok(page) };
    for _ in 0..QUERIES {
        let (found, more) = items.page(&head.id, index, ITEMS).await?;
        let mut known: BTreeMap<_, _> =
            found.into_iter().map(|item| (item.state.index, item)).collect();
        // Items that were never begun are not in the table.
        let last = more.unwrap_or_else(|| work.items().saturating_sub(1));
        for at in index..=last {
            let item = known.remove(&at);
            let rows = rows_of(work, at, item.as_ref(), head);
            if page.is_full_with(work, rows, from, wanted) {
                return Ok(page);
            }
        }
        if more.is_none() {
            return Ok(page);
        }
        index = last + 1;
    }
    page.next = Some(*work.rows_of(index).start());
    Ok(page)
}

impl RowPage {
    /// Adds the rows of an item. Gives whether the page ends with them, or before.
    fn is_full_with(
        &mut self,
        work: &BatchWork,
        found: StoredRows,
        from: u32,
        wanted: &Wanted<'_>,
    ) -> bool {
        let StoredRows { rows, sources } = found;
        let is_wanted = |status: ItemStatus| {
            wanted.status.is_none_or(|wanted| wanted == RowStatus::from(status))
        };
        for row in rows.into_iter().filter(|row| row.row >= from && is_wanted(row.status)) {
            let is_new = row.status == ItemStatus::Succeeded && !self.sources.contains(&sources);
            let number = row.row;
            let row = BatchRow::new(work, row);
            let bytes = (wanted.weigh)(&row);
            if self.bytes + bytes > MOST_BYTES && !self.rows.is_empty() {
                self.next = Some(number);
                return true;
            }
            self.bytes += bytes;
            self.rows.push(row);
            if is_new {
                self.sources.push(sources.clone());
            }
            if self.rows.len() == wanted.limit {
                self.next = (number < work.last_row).then_some(number + 1);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tally_jobs::domain::{Operation, StoredRow};

    use super::*;

    fn work() -> BatchWork {
        BatchWork {
            range_id: "r".into(),
            operation: Operation::Explain,
            input_columns: vec!["B".parse().unwrap()],
            first_row: 2,
            last_row: 6,
            rows_per_call: 5,
            bytes: Vec::new(),
        }
    }

    /// Rows 2 to 6: two have succeeded, one is pending, two have failed.
    fn found() -> StoredRows {
        let row = |number: u32, status| StoredRow::new(number, status, 1);
        let good = |number: u32| row(number, ItemStatus::Pending).with(json!("x"), Vec::new());
        let rows = vec![
            good(2),
            row(3, ItemStatus::Failed),
            good(4),
            row(5, ItemStatus::Running),
            row(6, ItemStatus::Failed),
        ];
        StoredRows { rows, sources: serde_json::from_value(source()).unwrap() }
    }

    fn source() -> Value {
        json!("AQ")
    }

    #[test]
    fn a_page_has_the_wanted_rows_and_says_where_the_list_goes_on() {
        for (from, status, limit, weight, expected, next) in [
            (2, None, 10, 1, &[2, 3, 4, 5, 6][..], None),
            (4, None, 10, 1, &[4, 5, 6], None),
            (2, None, 2, 1, &[2, 3], Some(4)),
            (5, None, 2, 1, &[5, 6], None),
            (2, Some(RowStatus::Succeeded), 10, 1, &[2, 4], None),
            (2, Some(RowStatus::Succeeded), 2, 1, &[2, 4], Some(5)),
            (2, Some(RowStatus::Pending), 10, 1, &[5], None),
            (2, Some(RowStatus::Cancelled), 10, 1, &[], None),
            // The bytes are few, but for the first row.
            (2, None, 10, MOST_BYTES / 2, &[2, 3], Some(4)),
            (2, None, 10, MOST_BYTES + 1, &[2], Some(3)),
            (2, Some(RowStatus::Failed), 10, MOST_BYTES + 1, &[3], Some(6)),
        ] {
            let wanted = Wanted { status, limit, weigh: &|_| weight };
            let mut page = RowPage::default();
            let is_full = page.is_full_with(&work(), found(), from, &wanted);
            let rows: Vec<_> = page.rows.iter().map(|row| row.row).collect();
            assert_eq!((&rows[..], page.next), (expected, next), "{from} {status:?} {limit}");
            assert_eq!(is_full, next.is_some() || rows.len() == limit);
        }
    }

    #[test]
    fn sources_are_those_of_rows_with_outputs() {
        for (status, expected) in
            [(None, 1), (Some(RowStatus::Succeeded), 1), (Some(RowStatus::Failed), 0)]
        {
            let mut page = RowPage::default();
            let wanted = Wanted { status, limit: 10, weigh: &|_| 1 };
            // Two items with the same sources.
            page.is_full_with(&work(), found(), 2, &wanted);
            page.is_full_with(&work(), found(), 2, &wanted);
            assert_eq!(page.sources.len(), expected, "{status:?}");
        }
    }
}
