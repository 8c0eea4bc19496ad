//! `GET /profits`: profits by company and month, filtered, sorted and in numbered pages. Each
//! company is a sheet of the workbook of the profits. The caller gets the rows of the sheets that
//! they may read. A warm call costs two reads, side by side, and the event, because the token is
//! trusted for its lifetime.

mod sort;

use futures_util::future::try_join;
use platform::audit::AuditDetails;
use platform::http::{Parameters, WithETag, in_query, with_etag};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::Cleared;
use tally_access::domain::Action;
use tally_access::profits::{book_id, clear};
use tally_access::store::Snapshots;
use tally_data::domain::{Company, Month, Year};
use tally_data::store::{Profit, ProfitFilter, Profits};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

pub use sort::Sort;

/// The endpoints of this function.
pub type Endpoints = (ListProfits,);

/// Rows that numbered pages reach. To see rows beyond them, a client should filter.
const REACH: u64 = 10_000;

/// Rows of a page, unless the caller says otherwise.
const DEFAULT_SIZE: u64 = 20;

/// The endpoint.
pub struct ListProfits {
    profits: Profits,
    snapshots: Snapshots,
}

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProfitsQuery {
    /// Only this company, by its exact name.
    #[param(
        value_type = Option<String>, min_length = 1, max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "Alpha"
    )]
    pub company: Option<Company>,
    /// Only this year.
    #[param(value_type = Option<u16>, minimum = 1900, maximum = 2999, example = 2023)]
    pub year: Option<Year>,
    /// Only this month of the year.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 12, example = 12)]
    pub month: Option<Month>,
    /// Number of the page, from 1. `page` times `size` must be at most 10,000.
    #[param(required = false, minimum = 1, maximum = 10_000, default = 1)]
    pub page: u64,
    /// Rows of a page.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub size: u64,
    /// Fields to sort by, the first one first, each with a `-` in front for descending order:
    /// `company`, `year`, `month`.
    #[param(value_type = String, required = false, default = "company,-year,month", example = "company,-year,month",
        pattern = r"^-?(company(,-?(year(,-?(month))?|month(,-?(year))?))?|year(,-?(company(,-?(month))?|month(,-?(company))?))?|month(,-?(company(,-?(year))?|year(,-?(company))?))?)$")]
    pub sort: Sort,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfitsPage {
    /// The rows. A page past the last one has none.
    pub items: Vec<Profit>,
    /// Number of this page, from 1.
    #[schema(example = 1)]
    pub page: u64,
    /// Rows of a page.
    #[schema(example = 20)]
    pub size: u64,
    /// Rows that match, on all pages.
    #[schema(example = 120)]
    pub total: u64,
    /// Pages that have rows.
    #[schema(example = 6)]
    pub pages: u64,
}

impl Endpoint for ListProfits {
    const ROUTE: Route = routes::PROFITS;
    type Caller = Principal;
    type Body = ();
    type Query = ProfitsQuery;
    type Output = WithETag<ProfitsPage>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { profits: Profits::new(platform)?, snapshots: Snapshots::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<WithETag<ProfitsPage>>, Problem> {
        let query = request.query;
        let filter =
            ProfitFilter { company: query.company.clone(), year: query.year, month: query.month };
        let (book, user_id) = (book_id(), request.caller.user_id.as_str());
        let (mut rows, snapshot) = try_join(
            self.profits.matching(&filter),
            self.snapshots.load(Some(&book), &[user_id], &[]),
        )
        .await?;
        query.sort.apply(&mut rows);
        let decision = snapshot.decision(user_id, request.now);
        let company = |row: &Profit| row.company.to_string();
        let rows = clear(rows, &decision, Action::Read, company);
        let details = query.details();
        let page = paged(rows, query.page, query.size);
        let details = details.detail("rows", page.items.len());
        Ok(Plan::reply(with_etag(request.call, page)?).details(details))
    }
}

impl Parameters for ProfitsQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Input for ProfitsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let company = fields.optional("company");
        let year = fields.optional("year");
        let month = fields.optional("month");
        let page = fields.optional::<u64>("page");
        let size = fields.optional::<u64>("size");
        let sort = fields.optional("sort");
        let page = page?.unwrap_or(1);
        let size = size?.unwrap_or(DEFAULT_SIZE);
        if page == 0 {
            fields.refuse("page", "must be 1 or more");
        }
        if !(1..=100).contains(&size) {
            fields.refuse("size", "must be 1 to 100");
        } else if page.saturating_mul(size) > REACH {
            fields.refuse(
                "page",
                "is too large: page times size must be at most 10,000, so use filters",
            );
        }
        Some(Self {
            company: company?,
            year: year?,
            month: month?,
            page,
            size,
            sort: sort?.unwrap_or_default(),
        })
    }
}

impl ProfitsQuery {
    /// The query, as details for the audit log.
    fn details(&self) -> AuditDetails {
        let details = AuditDetails::default()
            .detail("page", self.page)
            .detail("size", self.size)
            .detail("sort", self.sort.to_string());
        let details = self
            .company
            .iter()
            .fold(details, |details, company| details.detail("company", company.to_string()));
        let details = self
            .year
            .iter()
            .fold(details, |details, year| details.detail("year", u64::from(*year)));
        self.month.iter().fold(details, |details, month| details.detail("month", u64::from(*month)))
    }
}

/// One page of the rows. Only rows that the caller may have are counted.
fn paged(rows: Cleared<Vec<Profit>>, page: u64, size: u64) -> ProfitsPage {
    let rows = rows.into_inner();
    let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let skipped = usize::try_from((page - 1) * size).unwrap_or(usize::MAX);
    let items =
        rows.into_iter().skip(skipped).take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
    ProfitsPage { items, page, size, total, pages: total.div_ceil(size) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::clock::Timestamp;
    use tally_access::domain::{Book, Standing};
    use tally_access::{Decision, profits};
    use tally_data::domain::Money;

    #[test]
    fn a_page_has_its_rows_and_counts_all() {
        let now = Timestamp::UNIX_EPOCH;
        let (sheets, rules) = ([profits::sheet("A")], [profits::open_to_all(now)]);
        let book = Book { owner_id: None, sheets: &sheets, rules: &rules, every: &[] };
        let decision = Decision::new(&Standing::default(), book, now);
        let row = |cents| Profit {
            company: "A".parse().unwrap(),
            year: 2022.try_into().unwrap(),
            month: 1.try_into().unwrap(),
            profit: Money::from_cents(cents),
        };
        for (rows, page, size, first, items, pages) in [
            (0, 1, 20, None, 0, 0),
            (5, 1, 2, Some(0), 2, 3),
            (5, 3, 2, Some(4), 1, 3),
            (5, 4, 2, None, 0, 3),
            (4, 2, 2, Some(2), 2, 2),
        ] {
            let all = (0..rows).map(row).collect();
            let company = |row: &Profit| row.company.to_string();
            let found = paged(clear(all, &decision, Action::Read, company), page, size);
            assert_eq!(
                found.items.first().map(|row| row.profit),
                first.map(Money::from_cents),
                "page {page}"
            );
            assert_eq!(
                (found.items.len(), found.total, found.pages),
                (items, u64::try_from(rows).unwrap(), pages),
                "page {page}"
            );
        }
    }

    #[test]
    fn a_query_is_refused_parameter_by_parameter() {
        for (query, expected) in [
            ("", &[][..]),
            ("page=100&size=100", &[]),
            ("page=101&size=100", &["page"]),
            ("page=10001&size=1", &["page"]),
            ("page=18446744073709551615&size=100", &["page"]),
            ("page=0", &["page"]),
            ("size=0", &["size"]),
            ("size=101", &["size"]),
            ("size=1.5", &["size"]),
            ("year=1899&month=13", &["year", "month"]),
            ("company=", &["company"]),
            ("sort=profit", &["sort"]),
            ("page=0&size=0&limit=5", &["page", "size", "limit"]),
        ] {
            let errors = Fields::query(query)
                .read::<ProfitsQuery>()
                .err()
                .map(|problem| problem.errors)
                .unwrap_or_default();
            let refused: Vec<_> = errors.into_iter().filter_map(|error| error.parameter).collect();
            assert_eq!(refused, expected, "{query}");
        }
    }
}
