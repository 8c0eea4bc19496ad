//! The table of profits.
//!
//! Key: `dataset` (always `profits`) and `row` (`<company>#<yyyy>-<mm>`). All rows are one item
//! collection, because every question is asked of all companies or of one. The key condition
//! narrows by company, then year, then month, and a filter does the rest. A list that can be sorted
//! by any column and counts its pages needs every matching row anyway. So all of them are read, and
//! sorted in memory. At some 150 bytes a row one read takes 1 MB, or 7,000 rows (an organisation of
//! 50 companies in ten years has 6,000). Beyond that each further 7,000 rows cost one more read,
//! one after the other. A partition's 1,000 writes a second bound an import. Where that is too
//! slow, the collection is to be split by year.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use platform::database::{
    CommitError, Database, Expression, Item, StoreError, Write, item, n, read, s, unavailable,
};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Company, Money, Month, Year};

/// The one item collection.
const DATASET: &str = "profits";

/// The most rows that one transaction adds, which is DynamoDB's limit.
const ROWS_AT_ONCE: usize = 100;

/// Rows that are written at the same time, each by its own call.
const WRITES_AT_ONCE: usize = 8;

/// The condition of a row that is not there yet.
const ABSENT: &str = "attribute_not_exists(#row)";

/// The profits' table.
#[derive(Debug, Clone)]
pub struct Profits {
    database: Database,
    table: String,
}

/// The profit of a company in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profit {
    /// Name of the company.
    pub company: Company,
    /// Calendar year.
    pub year: Year,
    /// Calendar month.
    pub month: Month,
    /// The profit.
    pub profit: Money,
}

/// Criteria for rows: a row must meet all that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfitFilter {
    /// Name of the company, exactly.
    pub company: Option<Company>,
    /// Calendar year.
    pub year: Option<Year>,
    /// Calendar month.
    pub month: Option<Month>,
}

/// A row as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    dataset: String,
    row: String,
    #[serde(flatten)]
    profit: Profit,
}

impl Profits {
    /// Uses the table that `PROFITS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("PROFITS_TABLE")?.to_owned(),
        })
    }

    /// The rows that match, in order of company, year and month.
    pub async fn matching(&self, filter: &ProfitFilter) -> Result<Vec<Profit>, StoreError> {
        let mut expression =
            Expression::default().name("dataset", "dataset").value("dataset", s(DATASET));
        let mut key_condition = "#dataset = :dataset".to_owned();
        if let Some(prefix) = filter.row_prefix() {
            expression = expression.name("row", "row").value("prefix", s(prefix));
            key_condition.push_str(" AND begins_with(#row, :prefix)");
        }
        // The prefix alone is not enough: it can also begin the name of another company.
        let values = [
            ("company", filter.company.as_ref().map(|company| s(company.to_string()))),
            ("year", filter.year.map(n)),
            ("month", filter.month.map(n)),
        ];
        let mut clauses = Vec::new();
        for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            expression = expression.name(name, name).value(name, value);
            clauses.push(format!("#{name} = :{name}"));
        }
        let pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression(key_condition)
            .set_filter_expression((!clauses.is_empty()).then(|| clauses.join(" AND ")))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .into_paginator()
            .items()
            .send();
        let items = pages.collect::<Result<Vec<_>, _>>().await.map_err(unavailable)?;
        items.into_iter().map(|item| Ok(read::<Stored>(item)?.profit)).collect()
    }

    /// Adds the rows that are not there yet and leaves the others as they are, so that it can be
    /// repeated. Gives how many were new.
    pub async fn add_missing(&self, rows: Vec<Profit>) -> Result<usize, StoreError> {
        let items = rows.into_iter().map(item_of).collect::<Result<Vec<_>, _>>()?;
        let mut added = 0;
        for items in items.chunks(ROWS_AT_ONCE) {
            added += self.add(items).await?;
        }
        Ok(added)
    }

    /// Adds rows by one transaction. If one of them is there already, adds the others one by one.
    async fn add(&self, items: &[Item]) -> Result<usize, StoreError> {
        let names = Expression::default().name("row", "row");
        let put = |item: &Item| Write::put(&self.table, item.clone(), ABSENT, &names);
        match self.database.commit(items.iter().map(put).collect()).await {
            Ok(()) => Ok(items.len()),
            Err(CommitError::Store(error)) => Err(error),
            Err(CommitError::Condition { .. }) => {
                let added = stream::iter(items.to_vec())
                    .map(|item| self.database.put_if(&self.table, item, ABSENT, &names))
                    .buffer_unordered(WRITES_AT_ONCE);
                added.try_fold(0, async |total, added| Ok(total + usize::from(added))).await
            }
        }
    }
}

/// A row as an item of the table.
fn item_of(profit: Profit) -> Result<Item, StoreError> {
    let row = format!("{}#{}-{:02}", profit.company, profit.year, profit.month);
    item(Stored { dataset: DATASET.to_owned(), row, profit })
}

impl ProfitFilter {
    /// The beginning of the keys of all matching rows.
    fn row_prefix(&self) -> Option<String> {
        let company = self.company.as_ref()?;
        Some(match (self.year, self.month) {
            (Some(year), Some(month)) => format!("{company}#{year}-{month:02}"),
            (Some(year), None) => format!("{company}#{year}-"),
            (None, _) => format!("{company}#"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_stored_and_read_back_as_it_was() {
        let profit = Profit {
            company: "Alpha".parse().unwrap(),
            year: 2023.try_into().unwrap(),
            month: 4.try_into().unwrap(),
            profit: Money::from_cents(12_345_670),
        };
        let stored = item(Stored {
            dataset: DATASET.into(),
            row: "Alpha#2023-04".into(),
            profit: profit.clone(),
        })
        .unwrap();
        assert_eq!((&stored["year"], &stored["profit"]), (&n(2023), &s("123456.70")));
        assert_eq!(read::<Stored>(stored).unwrap().profit, profit);
    }

    #[test]
    fn a_company_narrows_the_key_and_then_the_year_and_the_month_do() {
        for (company, year, month, expected) in [
            (None, None, None, None),
            (None, Some(2023), Some(4), None),
            (Some("Alpha"), None, None, Some("Alpha#")),
            (Some("Alpha"), None, Some(4), Some("Alpha#")),
            (Some("Alpha"), Some(2023), None, Some("Alpha#2023-")),
            (Some("Alpha"), Some(2023), Some(4), Some("Alpha#2023-04")),
        ] {
            let filter = ProfitFilter {
                company: company.map(|name| name.parse().unwrap()),
                year: year.map(|year: u64| year.try_into().unwrap()),
                month: month.map(|month: u64| month.try_into().unwrap()),
            };
            assert_eq!(filter.row_prefix().as_deref(), expected, "{filter:?}");
        }
    }
}
