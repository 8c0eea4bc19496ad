//! `GET /ranges/{id}/cells`: cells in JSON, or an export of them as comma-separated values.

use cells::address::{Area, Cell};
use cells::answer::{CellsError, MAX_CELLS};
use cells::csv::MAX_ROWS;
use cells::grid::{Cleared, Grid};
use cells::value::Value;
use platform::cursor::{Cursors, Paging};
use platform::http::{Answer, Output, PathParameter, Rendered};
use platform::identity::Principal;
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::Action;
use tally_ranges::events::{of_area, withholding};
use tally_ranges::{Opened, Reader};
use utoipa::ToSchema;

use crate::cells_query::{CellsQuery, Form};
use crate::fields::area_within;
use crate::read::PATH;
use crate::weight::{LIMIT, must_fit, too_much};

/// `GET /ranges/{id}/cells`.
pub struct ReadCells {
    reader: Reader,
    cursors: Cursors,
}

/// Cells in the form that the caller has chosen.
pub struct CellsAnswer {
    form: Form,
    body: Vec<u8>,
}

/// Cells of a range. A withheld cell is null in each matrix.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct RangeCells {
    /// The rectangle.
    #[schema(example = "A1:B2")]
    address: String,
    /// Values as text: numbers as decimals, days and times in the form of ISO 8601, durations as in
    /// `26:30:00`. An empty cell has an empty text.
    values: Vec<Vec<Option<String>>>,
    /// Formulas. Null for a cell that has none, or none that you may see.
    formulas: Vec<Vec<Option<String>>>,
    /// Types of the values, by the names that columns have.
    value_types: Vec<Vec<Option<String>>>,
    /// Rectangles of withheld cells.
    withheld: Vec<String>,
}

impl Output for CellsAnswer {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        let content_type = match self.form {
            Form::Json => "application/json",
            Form::Csv => "text/csv; charset=utf-8",
        };
        Ok(Rendered { content_type, body: self.body })
    }

    fn describe() -> Vec<Answer> {
        let lines = "A line for each row (RFC 4180), without withheld columns. Another withheld \
                     cell is empty. An apostrophe stands before text that a spreadsheet would run \
                     as a formula. A part has at most 5,000 rows and 4 MB. The header `Link` leads \
                     to the next part.";
        let answer = Answer::json::<RangeCells>().or_lines("text/csv", lines);
        vec![Answer { is_page: true, ..answer }]
    }
}

impl Endpoint for ReadCells {
    const ROUTE: Route = routes::RANGE_CELLS;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::NotAcceptable, Code::NotReady];
    type Caller = Principal;
    type Body = ();
    type Query = CellsQuery;
    type Output = CellsAnswer;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: Reader::new(platform)?, cursors: Cursors::new(platform)? })
    }

    /// An export leaves an event of its own.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        match request.query.form {
            Form::Json => Self::ROUTE,
            Form::Csv => Route { audit: Some("range.exported"), ..Self::ROUTE },
        }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<CellsAnswer>, Problem> {
        let id = request.call.path_id("id")?;
        let opened = self.reader.open(&id, &request.caller.user_id, request.now).await?;
        opened.must_be_ready()?;
        let CellsQuery { form, address, style, .. } = &request.query;
        let head = opened.head();
        let area = match address {
            Some(text) => area_within("address", text, *style, (&head.sheet_name, head.area))?,
            None => head.area,
        };
        match form {
            Form::Json => in_json(&opened, area).await,
            Form::Csv => self.exported(&request, &opened, area).await,
        }
    }
}

impl ReadCells {
    /// The next part of an export.
    async fn exported(
        &self,
        request: &Request<'_, Self>,
        opened: &Opened,
        area: Area,
    ) -> Result<Plan<CellsAnswer>, Problem> {
        if !opened.allows(Action::Export) {
            return Err(Problem::not_granted("export"));
        }
        let (call, user_id) = (request.call, &request.caller.user_id);
        let paging = Paging { limit: MAX_ROWS, cursor: request.query.cursor.clone() };
        let from = self.cursors.open::<u32>(&paging, user_id, call).await?;
        let part = rows_from(area, from.unwrap_or(area.first().row));
        let part = part.ok_or_else(Problem::not_found)?;
        let cleared = opened.cells(Some(part), Action::Export.with_read()).await?;
        let page = cleared.csv(part.first().row);
        must_fit(&page.text)?;
        let behind = part.last().row + 1;
        let next = page.next.or((behind <= area.last().row).then_some(behind));
        let reached = next.map_or(area.last().row, |next| next - 1);
        let shown = rows_until(part, reached).unwrap_or(part);
        let details = withholding(of_area(opened.head(), shown), cleared.withheld());
        let reply = self.cursors.page(Vec::<()>::new(), next, user_id, call).await?;
        let answer = CellsAnswer { form: Form::Csv, body: page.text.into_bytes() };
        Ok(Plan::reply(reply.map(|_| answer)).details(details.detail("format", "csv")))
    }
}

/// Cells in JSON.
async fn in_json(opened: &Opened, area: Area) -> Result<Plan<CellsAnswer>, Problem> {
    let refused = |error: CellsError| {
        let text = error.to_string();
        let detail = text.strip_prefix("address ").unwrap_or(&text).to_owned();
        Problem::invalid_parameter("address", detail)
    };
    if area.cells() > MAX_CELLS {
        return Err(refused(CellsError::TooMany(area.cells())));
    }
    let cleared = opened.cells(Some(area), Action::Read.with_read()).await?;
    // The texts are counted before they are copied.
    if text_of(&cleared, area) > LIMIT {
        return Err(too_much());
    }
    let found = cleared.cells(area).map_err(refused)?;
    let body = serde_json::to_string(&found).map_err(|_| Problem::internal())?;
    must_fit(&body)?;
    let details = withholding(of_area(opened.head(), area), cleared.withheld());
    Ok(Plan::reply(Reply::new(CellsAnswer { form: Form::Json, body: body.into_bytes() }))
        .details(details))
}

/// Bytes of the texts and formulas of an area.
fn text_of(cleared: &Cleared<Grid>, area: Area) -> usize {
    let all = (0..).map_while(|index| area.cell(index));
    let bytes = all.map(|cell| {
        let text = cleared.value(cell).and_then(Value::as_text).map_or(0, str::len);
        text + cleared.formula(cell).map_or(0, str::len)
    });
    bytes.sum()
}

/// As many rows of an area, from one on, as a part of an export has.
fn rows_from(area: Area, from: u32) -> Option<Area> {
    let most = u32::try_from(MAX_ROWS).ok()?;
    let bottom = area.last().row.min(from.checked_add(most - 1)?);
    let (first, last) = (area.first(), area.last());
    let is_inside = (first.row..=last.row).contains(&from);
    Area::new(Cell { row: from, ..first }, Cell { row: bottom, ..last }).filter(|_| is_inside)
}

/// The rows of an area up to one.
fn rows_until(area: Area, last: u32) -> Option<Area> {
    Area::new(area.first(), Cell { row: last.max(area.first().row), ..area.last() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cells::address::Address;

    #[test]
    fn an_export_goes_through_all_rows_once() {
        let area = |text: &str| text.parse::<Address>().unwrap().area;
        for (whole, from, part) in [
            ("B2:D14", 1, Some("B2:D14")),
            ("B2:D14", 5, Some("B6:D14")),
            ("A1:A12000", 0, Some("A1:A5000")),
            ("A1:A12000", 5_000, Some("A5001:A10000")),
            ("A1:A12000", 10_000, Some("A10001:A12000")),
            ("A1048000:A1048576", 1_048_575, Some("A1048576")),
            ("B2:D14", 0, None),
            ("B2:D14", 14, None),
            ("B2:D14", u32::MAX, None),
        ] {
            let found = rows_from(area(whole), from);
            assert_eq!(found, part.map(area), "{whole} from {from}");
        }
        assert_eq!(rows_until(area("B2:D14"), 5), Some(area("B2:D6")));
        assert_eq!(rows_until(area("B2:D14"), 0), Some(area("B2:D2")));
    }
}
