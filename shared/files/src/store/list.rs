//! Lists of a user's files, the newest first.
//!
//! A page makes one query and looks at a bounded number of files. Those that have expired, or have
//! another status than the wanted one, are left out. So a page may be short, even empty, and go on.

use jiff::Timestamp;
use platform::database::{Expression, StoreError, key2, query, read, s};

use super::files::FilesTable;
use super::record::Record;
use crate::domain::{File, FilePlace, FileStatus};

/// Files that a page looks at, at most.
const LOOK_AT: i32 = 300;

/// Bytes of the JSON of a page, unless its first file alone has more. Lambda takes 6 MB.
const PAGE_BYTES: usize = 2_000_000;

/// Sorts before all ids, and after the item `#quota`.
const FIRST_ID: &str = "0";

/// Sorts after all ids.
const LAST_ID: &str = "~";

impl FilesTable {
    /// The next files after a place, at most `limit`. Gives also where the list goes on, if it
    /// does.
    pub async fn list(
        &self,
        user_id: &str,
        status: Option<FileStatus>,
        after: Option<FilePlace>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<File>, Option<FilePlace>), StoreError> {
        let expression = Expression::default()
            .value("user", s(user_id))
            .value("first", s(FIRST_ID))
            .value("last", s(LAST_ID));
        let start = after.as_ref().map(|place| key2(("user_id", user_id), ("id", place.id())));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("user_id = :user AND id BETWEEN :first AND :last")
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(start)
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(LOOK_AT),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        let records = page.items.unwrap_or_default().into_iter().map(read::<Record>);
        let records = records.collect::<Result<Vec<_>, _>>()?;
        Ok(page_of(&records, more, status, after, (limit, PAGE_BYTES), now))
    }
}

/// The wanted files of these, as many as a page has, and where the list goes on. `more` says that
/// there are further ones behind them.
fn page_of(
    records: &[Record],
    more: bool,
    status: Option<FileStatus>,
    after: Option<FilePlace>,
    (limit, max_bytes): (usize, usize),
    now: Timestamp,
) -> (Vec<File>, Option<FilePlace>) {
    let is_wanted = |record: &Record| {
        record.is_kept(now) && status.is_none_or(|status| record.status_at(now) == status)
    };
    let (mut found, mut place, mut room) = (Vec::new(), after, max_bytes);
    for record in records {
        if is_wanted(record) {
            let file = record.shown(now);
            let bytes = weight(&file);
            if found.len() == limit || (bytes > room && !found.is_empty()) {
                return (found, place);
            }
            room = room.saturating_sub(bytes);
            found.push(file);
        }
        place = Some(FilePlace::new(&record.id));
    }
    (found, place.filter(|_| more))
}

/// Bytes of a file in a list in JSON.
fn weight(file: &File) -> usize {
    serde_json::to_string(file).map_or(0, |json| json.len() + ",".len())
}

#[cfg(test)]
mod tests {
    use super::super::record::samples::{at, file, origin};
    use super::*;
    use crate::store::Terms;

    /// Files with these numbers as ids. Every third one is being prepared, and those above 90 have
    /// expired.
    fn records(numbers: &[u32]) -> Vec<Record> {
        let terms = Terms { most_bytes: 100, kept_seconds: 86_400 };
        let record = |number: &u32| {
            let id = format!("{number:02}");
            let pending = Record { id, ..file() };
            match *number {
                91.. => Record { expires_at: 2_000, ..pending },
                _ if number.is_multiple_of(3) => pending.processing(origin(), terms, at(2_000)),
                _ => pending,
            }
        };
        numbers.iter().map(record).collect()
    }

    #[test]
    fn a_page_has_the_wanted_files_that_have_not_expired() {
        let pending = Some(FileStatus::Pending);
        let processing = Some(FileStatus::Processing);
        for (numbers, more, status, limit, expected, place) in [
            (&[9, 8, 7][..], false, None, 9, &["09", "08", "07"][..], None),
            (&[9, 8, 7], false, None, 3, &["09", "08", "07"], None),
            (&[9, 8, 7], true, None, 3, &["09", "08", "07"], Some("07")),
            (&[9, 8, 7], false, None, 2, &["09", "08"], Some("08")),
            (&[99, 8, 7], false, None, 9, &["08", "07"], None),
            (&[9, 8, 7], false, pending, 9, &["08", "07"], None),
            (&[9, 8, 7], false, processing, 9, &["09"], None),
            (&[9, 8, 7], true, processing, 9, &["09"], Some("07")),
            // The page looks for one more match.
            (&[9, 8, 7], false, processing, 1, &["09"], None),
            (&[9, 8, 6], false, processing, 1, &["09"], Some("08")),
            (&[99, 98], true, None, 9, &[], Some("98")),
            (&[], false, None, 9, &[], None),
        ] {
            let bounds = (limit, usize::MAX);
            let (found, next) = page_of(&records(numbers), more, status, None, bounds, at(2_001));
            let found: Vec<_> = found.iter().map(|file| file.id.as_str()).collect();
            let next = next.as_ref().map(FilePlace::id);
            assert_eq!((&found[..], next), (expected, place), "{numbers:?} {status:?} {limit}");
        }
        // A preparation whose deadline is over is shown as rejected, and found so.
        let rejected = Some(FileStatus::Rejected);
        let (found, _) =
            page_of(&records(&[9, 8]), false, rejected, None, (9, usize::MAX), at(3_000));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_page_has_no_more_bytes_than_it_may_but_a_file_at_least() {
        let one = weight(&records(&[8])[0].shown(at(2_001)));
        for (max_bytes, count) in
            [(0, 1), (one - 1, 1), (one, 1), (2 * one - 1, 1), (2 * one, 2), (3 * one, 3)]
        {
            let records = records(&[8, 7, 5]);
            let (found, next) = page_of(&records, false, None, None, (9, max_bytes), at(2_001));
            assert_eq!((found.len(), next.is_some()), (count, count < 3), "{max_bytes}");
        }
    }
}
