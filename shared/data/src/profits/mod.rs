//! The profits that a user may have. Each company is a sheet of the workbook of the profits, so the
//! access rules decide.

mod page;
mod query;
mod sort;
mod summary;

use std::collections::BTreeSet;

use futures_util::future::try_join;
use platform::clock::Timestamp;
use platform::{ConfigError, Platform, Problem};
use tally_access::Cleared;
use tally_access::domain::Action;
use tally_access::profits::{book_id, clear, company_sheet_id};
use tally_access::sources::{Source, Sources};
use tally_access::store::Snapshots;

use crate::domain::Company;
use crate::store::{Profit, ProfitFilter, Profits};

pub use page::ProfitsPage;
pub use query::{GroupBy, ProfitsQuery, SummaryQuery};
pub use sort::Sort;
pub use summary::{ProfitsGroup, ProfitsSummary};

/// Reads profits for a user.
#[derive(Debug, Clone)]
pub struct ProfitReader {
    profits: Profits,
    snapshots: Snapshots,
}

/// The rows that match and that a user may have, in order of company, year and month.
#[derive(Debug, Clone)]
pub struct ProfitRows(Cleared<Vec<Profit>>);

impl ProfitReader {
    /// Uses the tables that `PROFITS_TABLE` and those of [`Snapshots`] name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { profits: Profits::new(platform)?, snapshots: Snapshots::new(platform)? })
    }

    /// The rows with which the user may do this now. The rows and the rules are read side by side.
    pub async fn rows(
        &self,
        user_id: &str,
        filter: &ProfitFilter,
        action: Action,
        now: Timestamp,
    ) -> Result<ProfitRows, Problem> {
        let book = book_id();
        let (rows, snapshot) = try_join(
            self.profits.matching(filter),
            self.snapshots.load(Some(&book), &[user_id], &[]),
        )
        .await?;
        let decision = snapshot.decision(user_id, now);
        Ok(ProfitRows(clear(rows, &decision, action, |row| row.company.to_string())))
    }

    /// A page of the rows with which the user may do this now.
    pub async fn page(
        &self,
        user_id: &str,
        query: &ProfitsQuery,
        action: Action,
        now: Timestamp,
    ) -> Result<ProfitsPage, Problem> {
        Ok(self.rows(user_id, &query.filter(), action, now).await?.page(query))
    }

    /// The figures of the rows with which the user may do this now.
    pub async fn summary(
        &self,
        user_id: &str,
        query: &SummaryQuery,
        action: Action,
        now: Timestamp,
    ) -> Result<ProfitsSummary, Problem> {
        self.rows(user_id, &query.filter(), action, now).await?.summary(query.group_by)
    }
}

impl ProfitRows {
    /// The page that a query asks for.
    pub fn page(self, query: &ProfitsQuery) -> ProfitsPage {
        ProfitsPage::of(self.0.into_inner(), query)
    }

    /// The figures of the groups.
    pub fn summary(self, group_by: GroupBy) -> Result<ProfitsSummary, Problem> {
        ProfitsSummary::of(self.0.into_inner(), group_by).ok_or_else(|| {
            tracing::error!(%group_by, "failed to sum up profits: the sum has too many digits");
            Problem::internal()
        })
    }

    /// The sheets that the rows come from. `None` if an answer has no room for so many.
    pub fn sources(&self) -> Option<Sources> {
        let companies: BTreeSet<_> = self.0.get().iter().map(|row| &row.company).collect();
        let source = |company: &Company| Source {
            workbook_id: book_id(),
            sheet_id: company_sheet_id(&company.to_string()),
            column_ids: Vec::new(),
            results_only: false,
        };
        Sources::of(&companies.into_iter().map(source).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use tally_access::domain::{Book, Standing};
    use tally_access::{Decision, profits};

    use super::*;
    use crate::domain::Money;

    #[test]
    fn rows_come_from_the_sheets_of_their_companies() {
        let now = Timestamp::UNIX_EPOCH;
        let sheets = ["A", "B"].map(profits::sheet);
        let rules = [profits::open_to_all(now)];
        let book = Book { owner_id: None, sheets: &sheets, rules: &rules, every: &[] };
        let decision = Decision::new(&Standing::default(), book, now);
        let row = |company: &str| Profit {
            company: company.parse().unwrap(),
            year: 2022.try_into().unwrap(),
            month: 1.try_into().unwrap(),
            profit: Money::from_cents(1),
        };
        let rows = |companies: &[&str]| {
            let rows: Vec<_> = companies.iter().map(|company| row(company)).collect();
            ProfitRows(clear(rows, &decision, Action::Ai, |row| row.company.to_string()))
        };
        for (companies, expected) in
            [(&[][..], &[][..]), (&["A"], &["A"]), (&["B", "A", "B", "C"], &["A", "B"])]
        {
            let sources = rows(companies).sources().unwrap().list();
            let expected: BTreeSet<_> =
                expected.iter().map(|company| company_sheet_id(company)).collect();
            let found: BTreeSet<_> = sources.iter().map(|of| of.sheet_id.clone()).collect();
            assert_eq!(found, expected, "{companies:?}");
            assert!(sources.iter().all(|of| of.workbook_id == book_id()));
        }
    }
}
