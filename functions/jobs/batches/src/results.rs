//! `GET /batches/{id}/results`: the rows of a batch in JSON, or an export of them as comma-separated
//! values. They are for users who may read the input columns, and all columns that the outputs came
//! from.

use cells::csv::weigh;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Answer, Output, Parameters, PathParameter, Rendered, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::Action;
use tally_access::sources::Readers;
use tally_files::Bucket;
use tally_jobs::domain::{BatchWork, JobKind, Operation, Work};
use tally_jobs::inputs_of;
use tally_jobs::store::{Head, Items, Jobs};
use tally_ranges::events::of_area;
use tally_ranges::{Opened, Reader};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::csv::{line, names};
use crate::pages::{RowPage, Wanted, read};
use crate::request::area;
use crate::row::{BatchRow, RowStatus};

/// Rows of a part of an export, at most.
const LARGEST_EXPORT: usize = 5_000;

/// `GET /batches/{id}/results`.
pub struct ReadBatchResults {
    jobs: Jobs,
    items: Items,
    bucket: Bucket,
    reader: Reader,
    readers: Readers,
    cursors: Cursors,
}

/// The form of an answer, which the caller chooses by `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Rows in JSON.
    Json,
    /// Comma-separated values.
    Csv,
}

/// The query parameters, and the form of the answer.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResultsQuery {
    /// Only rows in this state.
    #[param(inline)]
    pub status: Option<RowStatus>,
    /// Largest number of rows. A page in JSON has at most 100, and 20 unless you say otherwise. A
    /// part of an export has at most 5,000, and as many unless you say otherwise. Both have at most 4
    /// MB.
    #[param(required = false, minimum = 1, maximum = 5_000)]
    pub limit: usize,
    /// `next_cursor` of the previous page, as the header `Link` has it too. Send the same filters
    /// with it. A page may be short, even empty, before the end of the list.
    pub cursor: Option<String>,
    /// The form of the answer.
    #[param(ignore)]
    pub form: Form,
}

/// Rows in the form that the caller has chosen.
pub struct BatchResults {
    form: Form,
    operation: Operation,
    page: Page<BatchRow>,
}

impl Input for ResultsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let status = fields.optional("status");
        let form = fields.accepted(&[("application/json", Form::Json), ("text/csv", Form::Csv)])?;
        let paging = match form {
            Form::Json => Paging::read(fields),
            Form::Csv => Paging::within(fields, LARGEST_EXPORT, LARGEST_EXPORT),
        };
        let Paging { limit, cursor } = paging?;
        Some(Self { status: status?, limit, cursor, form })
    }
}

impl Parameters for ResultsQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Output for BatchResults {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        if self.form == Form::Json {
            return Rendered::json(&self.page);
        }
        let lines = self.page.items.iter().map(|row| line(&self.operation, row));
        let text: String = std::iter::once(names(&self.operation)).chain(lines).collect();
        Ok(Rendered { content_type: "text/csv; charset=utf-8", body: text.into_bytes() })
    }

    fn describe() -> Vec<Answer> {
        let lines = "A line of names, then a line for each row (RFC 4180). The columns are \
                     `row,status,error,attempts,cells,ungrounded`, and behind them `output`, or the \
                     fields of `extract`, or `amount,currency`. `error` is a code. The texts of a \
                     list stand in one cell, with `; ` between them. An apostrophe stands before \
                     text that a spreadsheet would run as a formula. The header `Link` leads to the \
                     next part.";
        vec![Answer::json::<Page<BatchRow>>().or_lines("text/csv", lines)]
    }
}

impl Endpoint for ReadBatchResults {
    const ROUTE: Route = routes::BATCH_RESULTS;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the batch's job.")];
    const PROBLEMS: &'static [Code] = &[Code::NotAcceptable];
    type Caller = Principal;
    type Body = ();
    type Query = ResultsQuery;
    type Output = BatchResults;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            jobs: Jobs::new(platform)?,
            items: Items::new(platform)?,
            bucket: Bucket::new(platform)?,
            reader: Reader::new(platform)?,
            readers: Readers::new(platform)?,
            cursors: Cursors::new(platform)?,
        })
    }

    /// An export leaves an event of its own.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        match request.query.form {
            Form::Json => Self::ROUTE,
            Form::Csv => Route { audit: Some("batch.exported"), ..Self::ROUTE },
        }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BatchResults>, Problem> {
        let (call, user_id) = (request.call, request.caller.user_id.as_str());
        let id = call.path_id("id")?;
        let (head, work) = self.batch(user_id, &id, request.now).await?;
        let opened = self.reader.open(&work.range_id, user_id, request.now).await?;
        must_read(&opened, &work)?;
        let ResultsQuery { status, limit, cursor, form } = request.query;
        let from = self.cursors.open::<u32>(&Paging { limit, cursor }, user_id, call).await?;
        let operation = work.operation.clone();
        let weigh = |row: &BatchRow| match form {
            Form::Json => serde_json::to_string(row).map_or(0, |row| weigh(&row)),
            Form::Csv => weigh(&line(&operation, row)),
        };
        let wanted = Wanted { status, limit, weigh: &weigh };
        let from = from.unwrap_or(work.first_row);
        let page = read(&self.items, (&work, &head), from, &wanted).await?;
        self.must_read_sources(user_id, &page, request.now).await?;
        let details = details(&opened, &work, &page, status)?;
        let details = match form {
            Form::Json => details,
            Form::Csv => details.detail("format", "csv"),
        };
        let reply = self.cursors.page(page.rows, page.next, user_id, call).await?;
        let reply = reply.map(|page| BatchResults { form, operation, page });
        Ok(Plan::reply(reply).details(details))
    }
}

impl ReadBatchResults {
    /// A batch of a user. Another job is none, so that is a 404.
    async fn batch(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<(Head, BatchWork), Problem> {
        let head = self.jobs.get(user_id, id, now).await?;
        let head =
            head.filter(|head| head.kind == JobKind::Batch).ok_or_else(Problem::not_found)?;
        let inputs = inputs_of(&self.bucket, user_id, id).await?.ok_or_else(Problem::not_found)?;
        match inputs.work {
            Work::Batch(work) => Ok((head, work)),
            Work::Analysis(_) | Work::Evaluation(_) => Err(Problem::not_found()),
        }
    }

    /// Requires that the user may read all columns that the outputs of a page came from. A formula in
    /// an input column may have led to others.
    async fn must_read_sources(
        &self,
        user_id: &str,
        page: &RowPage,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let sources: Vec<_> = page.sources.iter().collect();
        let rights = self.readers.rights(user_id, &sources, now).await?;
        let may_read = sources.iter().all(|sources| rights.may(sources, Action::Read));
        if may_read { Ok(()) } else { Err(Problem::not_granted(Action::Read.as_str())) }
    }
}

/// Requires that the user may read the input columns.
fn must_read(opened: &Opened, work: &BatchWork) -> Result<(), Problem> {
    let allowed = opened.columns(area(work)?, Action::Read);
    if work.columns().all(|column| allowed.contains(&column)) {
        Ok(())
    } else {
        Err(Problem::not_granted(Action::Read.as_str()))
    }
}

/// The event of a page: the cells of its rows, and no output.
fn details(
    opened: &Opened,
    work: &BatchWork,
    page: &RowPage,
    status: Option<RowStatus>,
) -> Result<AuditDetails, Problem> {
    let (first, last) = (page.rows.first(), page.rows.last());
    let shown = first.zip(last).and_then(|(first, last)| work.area(&(first.row..=last.row)));
    let area = match shown {
        Some(area) => area,
        None => area(work)?,
    };
    let details = of_area(opened.head(), area).detail("rows", page.rows.len());
    Ok(match status {
        Some(status) => details.detail("status", status.as_str()),
        None => details,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_answer_says_how_many_rows_it_can_have() {
        for (accept, query, expected) in [
            ("", "", Ok((Form::Json, 20, None))),
            ("application/json", "limit=100", Ok((Form::Json, 100, None))),
            ("text/csv", "status=failed", Ok((Form::Csv, 5_000, Some(RowStatus::Failed)))),
            ("text/csv", "limit=5000", Ok((Form::Csv, 5_000, None))),
            ("text/csv", "limit=5001", Err("validation_failed")),
            ("", "limit=101", Err("validation_failed")),
            ("", "status=running", Err("validation_failed")),
            ("", "from=3", Err("validation_failed")),
            ("application/xml", "limit=0", Err("not_acceptable")),
        ] {
            let read = Fields::query(query).accepting(accept.to_owned()).read::<ResultsQuery>();
            let found = read.map(|query| (query.form, query.limit, query.status));
            let found = found.map_err(|problem| problem.code.as_str());
            assert_eq!(found, expected, "{accept} {query}");
        }
    }
}
