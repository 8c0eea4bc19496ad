//! `list_ranges`: the ranges of which the caller may give a part to a model.

use cells::address::{Area, Cell};
use platform::audit::AuditDetails;
use platform::cursor::{Cursors, Page};
use platform::domain::ResourceId;
use platform::identity::Scope;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::{ConfigError, Plan, Platform, Problem};
use serde::{Deserialize, Serialize};
use tally_access::domain::Action;
use tally_access::listing::{ListPlace, WorkbookList};
use tally_access::sources::Sources;
use tally_access::store::Snapshot;
use tally_ranges::domain::RangeHead;
use tally_ranges::tools::{Answer, ListedRange, fence, list_range, weigh};
use tally_ranges::{Opened, Reader};
use utoipa::ToSchema;

use super::ranges::{range, sources};
use crate::cut::{Cut, LIST_BYTES};
use crate::input::Paged;
use crate::sentence::quoted;
use crate::tool::{About, CALLED, Effect, Found, Given, Tool};

/// Ranges of an answer, unless the caller gives a limit.
const DEFAULT_LIMIT: usize = 10;

/// The most ranges of an answer.
const LARGEST_LIMIT: usize = 20;

/// Workbooks that one call looks at, at most.
const BOOKS: usize = 5;

/// Rows below the headers that say the types of columns, at most.
const SAMPLE_ROWS: u32 = 50;

/// Cells of these rows, at most, unless one row has more.
const SAMPLE_CELLS: u32 = 20_000;

/// `list_ranges`.
pub struct ListRanges {
    books: WorkbookList,
    reader: Reader,
    cursors: Cursors,
}

/// Which ranges.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct RangeFilters {
    /// Only ranges of this workbook. Without it, those of all workbooks that the user may see.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub workbook_id: Option<ResourceId>,
}

/// Where the list goes on.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// A workbook with further ranges.
    book: Option<Book>,
    /// Where the list of workbooks goes on behind it. `None` at its end.
    books: Option<ListPlace>,
}

/// A workbook of which some ranges are left.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Book {
    id: String,
    /// The last range that was looked at.
    after: Option<String>,
}

/// How far a workbook was listed.
enum Reached {
    End,
    /// Behind this range, or before the first one.
    Range(Option<String>),
}

/// The ranges that were found.
struct Collected {
    items: Vec<ListedRange>,
    sources: Sources,
    limit: usize,
    /// Bytes that are left.
    room: usize,
    is_cut: bool,
}

impl Input for RangeFilters {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.optional("workbook_id").map(|workbook_id| Self { workbook_id })
    }
}

impl Tool for ListRanges {
    const ABOUT: About = About {
        name: "list_ranges",
        title: "List ranges of cells",
        description: "Lists the ranges of cells that you may read: the id, the address, the number \
                      of rows below the headers, and the letter, header and type of each column. \
                      Call it first. Columns that the user may not give you are not listed. An \
                      answer can have few ranges, or none, before the end of the list: go on while \
                      next_cursor is not null.",
        scope: Scope::RangesRead,
        roles: &[],
        effect: Effect::Read,
        idempotent: false,
        action: CALLED,
        limits: &[],
    };
    type Input = Paged<RangeFilters, DEFAULT_LIMIT, LARGEST_LIMIT>;
    type Output = Cut<Page<ListedRange>>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            books: WorkbookList::new(platform)?,
            reader: Reader::new(platform)?,
            cursors: Cursors::new(platform)?,
        })
    }

    async fn preview(&self, given: Given<'_>, input: &Self::Input) -> Result<String, Problem> {
        let Some(id) = &input.filters.workbook_id else {
            return Ok("List the ranges of cells that you may give to the assistant.".to_owned());
        };
        let found = self.reader.workbook(id, &given.caller.user_id, given.now).await?;
        let name = found.workbook.map(|workbook| quoted(&workbook.name));
        Ok(format!("List the ranges of the workbook {}.", name.unwrap_or_default()))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        Paged { filters, paging }: Self::Input,
    ) -> Result<Plan<Found<Self::Output>>, Problem> {
        let (user_id, tool) = (given.caller.user_id.as_str(), Self::ABOUT.name);
        let from = self.cursors.open_for_tool(user_id, tool, given.arguments).await?;
        let mut found = Collected::new(paging.limit);
        let next = match &filters.workbook_id {
            Some(id) => self.of_one(&mut found, id, from, given).await?,
            None => self.of_all(&mut found, from, given).await?,
        };
        let next_cursor =
            self.cursors.seal_for_tool(next.as_ref(), user_id, tool, given.arguments).await?;
        let Collected { items, sources, is_cut, .. } = found;
        let details = AuditDetails::default().detail("rows", items.len());
        let details = match &filters.workbook_id {
            Some(id) => details.resource("workbook", id),
            None => details,
        };
        let output = Cut::page(Page { items, next_cursor }, is_cut);
        Ok(Plan::reply(Found { output, sources }).details(details))
    }

    fn text(output: &Self::Output) -> Result<String, serde_json::Error> {
        fence(output)
    }
}

impl ListRanges {
    /// Adds ranges of one workbook.
    async fn of_one(
        &self,
        found: &mut Collected,
        id: &ResourceId,
        from: Option<Position>,
        given: Given<'_>,
    ) -> Result<Option<Position>, Problem> {
        let snapshot = self.reader.workbook(id, &given.caller.user_id, given.now).await?;
        let after = from.and_then(|from| from.book).and_then(|book| book.after);
        let reached = self.add(found, &snapshot, after, given).await?;
        Ok(reached.position(id.as_str(), None))
    }

    /// Adds ranges of the workbooks that the caller may see, one after the other.
    async fn of_all(
        &self,
        found: &mut Collected,
        from: Option<Position>,
        given: Given<'_>,
    ) -> Result<Option<Position>, Problem> {
        let is_first = from.is_none();
        let Position { book, books } = from.unwrap_or_default();
        if let Some(Book { id, after }) = book {
            let reached = self.rest_of(found, &id, after, given).await?;
            if let Some(position) = reached.position(&id, books.clone()) {
                return Ok(Some(position));
            }
        }
        if books.is_none() && !is_first {
            return Ok(None);
        }
        let user_id = &given.caller.user_id;
        let page = self.books.page(user_id, books, BOOKS, given.now).await?;
        let page = page.ok_or_else(Problem::invalid_token)?;
        for book in page.items {
            let reached = self.add(found, &book.snapshot, None, given).await?;
            if let Some(position) = reached.position(&book.workbook.id, Some(book.behind)) {
                return Ok(Some(position));
            }
        }
        Ok(page.next.map(|next| Position { book: None, books: Some(next) }))
    }

    /// Adds the rest of a workbook. It may have gone since the last call.
    async fn rest_of(
        &self,
        found: &mut Collected,
        id: &str,
        after: Option<String>,
        given: Given<'_>,
    ) -> Result<Reached, Problem> {
        match self.reader.workbook(id, &given.caller.user_id, given.now).await {
            Ok(snapshot) => self.add(found, &snapshot, after, given).await,
            Err(problem) if problem.code == Code::NotFound => Ok(Reached::End),
            Err(problem) => Err(problem),
        }
    }

    /// Adds the next ranges of a workbook.
    async fn add(
        &self,
        found: &mut Collected,
        snapshot: &Snapshot,
        after: Option<String>,
        given: Given<'_>,
    ) -> Result<Reached, Problem> {
        let left = found.limit - found.items.len();
        if left == 0 {
            return Ok(Reached::Range(after));
        }
        let caller = (given.caller.user_id.as_str(), given.now);
        let mut reached = after.clone();
        let (ranges, next) = self.reader.list(snapshot, after, left, Action::Ai, caller).await?;
        for opened in ranges {
            let Some(answer) = described(&opened).await? else { continue };
            let sources = sources(&opened, &answer.columns)?;
            if !found.take(answer.output, &sources) {
                return Ok(Reached::Range(reached));
            }
            reached = Some(opened.head().id.clone());
        }
        Ok(next.map_or(Reached::End, |next| Reached::Range(Some(next))))
    }
}

impl Reached {
    /// Where the list goes on in this workbook, if it does.
    fn position(self, book_id: &str, books: Option<ListPlace>) -> Option<Position> {
        match self {
            Self::End => None,
            Self::Range(after) => {
                Some(Position { book: Some(Book { id: book_id.to_owned(), after }), books })
            }
        }
    }
}

impl Collected {
    fn new(limit: usize) -> Self {
        Self {
            items: Vec::new(),
            sources: Sources::default(),
            limit,
            room: LIST_BYTES,
            is_cut: false,
        }
    }

    /// Takes a range with its sources. Returns whether there is room for both. There is always room
    /// for one range.
    fn take(&mut self, range: ListedRange, sources: &Sources) -> bool {
        let room = weigh(&range).ok().and_then(|bytes| self.room.checked_sub(bytes));
        let Some(room) = room.filter(|_| self.sources.add(sources)) else {
            self.is_cut = true;
            return false;
        };
        self.room = room;
        self.items.push(range);
        true
    }
}

/// A range, with the columns that a model may have. `None` if it has none that is visible, or if
/// the range has just been deleted.
async fn described(opened: &Opened) -> Result<Option<Answer<ListedRange>>, Problem> {
    let head = opened.head();
    let cells = match opened.cells(Some(top(head)), Action::Ai.with_read()).await {
        Ok(cells) => cells,
        Err(problem) if problem.code == Code::NotFound => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let answer = list_range(range(opened, &cells), &head.workbook_id, head.area);
    Ok(Some(answer).filter(|answer| !answer.columns.is_empty()))
}

/// The headers of a range and its first rows.
fn top(head: &RangeHead) -> Area {
    let (first, last) = (head.area.first(), head.area.last());
    let rows = head.header_rows + (SAMPLE_CELLS / head.area.columns()).clamp(1, SAMPLE_ROWS);
    let row = last.row.min(first.row + rows - 1);
    Area::new(first, Cell { row, ..last }).unwrap_or(head.area)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tally_ranges::tools::ListedColumn;

    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000001";

    #[test]
    fn arguments_are_refused_with_what_would_be_right() {
        for (value, expected) in [
            (json!({}), Ok(10)),
            (json!({"workbook_id": ID, "limit": 20, "cursor": "c"}), Ok(20)),
            (json!({"workbook_id": null}), Ok(10)),
            (json!({"limit": 21}), Err("must be 1 to 20")),
            (json!({"limit": 0}), Err("must be 1 to 20")),
            (json!({"workbook_id": "budget"}), Err("must be a UUID")),
            (json!({"workbook": ID}), Err("is unknown: leave it out")),
        ] {
            let Value::Object(members) = value.clone() else { panic!("{value} is no object") };
            let read = Fields::json(members).read::<<ListRanges as Tool>::Input>();
            let found = read.map(|arguments| arguments.paging.limit);
            let found = found.map_err(|problem| problem.errors[0].detail.clone());
            assert_eq!(found, expected.map_err(str::to_owned), "{value}");
        }
    }

    #[test]
    fn the_first_rows_of_a_range_say_its_types() {
        for (area, header_rows, expected) in [
            ("B2:D14", 1, "B2:D14"),
            ("A1:C9000", 1, "A1:C51"),
            ("A1:C9000", 0, "A1:C50"),
            ("A5:CV900", 3, "A5:CV57"),
            ("A1:ALL40", 1, "A1:ALL21"),
            // All columns are whole rows.
            ("A1:XFD20", 2, "1:3"),
        ] {
            let head = json!({
                "id": "r", "workbook_id": "w", "sheet_id": "s", "sheet_name": "S",
                "visibility": "visible", "user_id": "u", "status": "ready", "area": area,
                "parts": 1, "arrived": {}, "text": 0, "headers": "auto",
                "header_rows": header_rows,
                "settings": {"decimal": ".", "group": ",", "date_system": "1900"}, "about": [],
                "unstated": [], "created_at": 1, "expires_at": 2,
            });
            let head: RangeHead = serde_json::from_value(head).unwrap();
            assert_eq!(top(&head).to_string(), expected, "{area}");
        }
    }

    #[test]
    fn an_answer_takes_ranges_as_long_as_there_is_room() {
        let range = |bytes: usize| {
            let column = ListedColumn {
                letter: "A".to_owned(),
                header: "x".repeat(bytes),
                kind: "text".to_owned(),
            };
            ListedRange {
                range_id: ID.to_owned(),
                workbook_id: ID.to_owned(),
                range: "S!A1".to_owned(),
                rows: 1,
                columns_in_all: 1,
                columns: vec![column],
            }
        };
        let mut found = Collected::new(10);
        let none = Sources::default();
        let taken = [20_000, 8_000, 8_000, 100].map(|bytes| found.take(range(bytes), &none));
        assert_eq!(taken, [true, true, false, true]);
        assert!(found.is_cut);
        assert_eq!(found.items.len(), 3);
    }

    #[test]
    fn a_list_goes_on_in_its_workbook_and_then_in_the_next() {
        assert_eq!(Reached::End.position("w", None), None);
        let expected = json!({"book": {"id": "w", "after": "r"}, "books": null});
        let position = Reached::Range(Some("r".to_owned())).position("w", None).unwrap();
        assert_eq!(serde_json::to_value(position).unwrap(), expected);
    }
}
