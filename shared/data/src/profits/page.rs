//! One page of rows.

use serde::Serialize;
use utoipa::ToSchema;

use super::query::ProfitsQuery;
use crate::store::Profit;

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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

impl ProfitsPage {
    /// The page of these rows that a query asks for. Only these rows are counted.
    pub fn of(mut rows: Vec<Profit>, query: &ProfitsQuery) -> Self {
        query.sort.apply(&mut rows);
        let ProfitsQuery { page, size, .. } = *query;
        let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let skipped = usize::try_from((page - 1) * size).unwrap_or(usize::MAX);
        let taken = usize::try_from(size).unwrap_or(usize::MAX);
        let items = rows.into_iter().skip(skipped).take(taken).collect();
        Self { items, page, size, total, pages: total.div_ceil(size) }
    }
}

#[cfg(test)]
mod tests {
    use platform::input::Fields;

    use super::*;
    use crate::domain::Money;

    #[test]
    fn a_page_has_its_rows_and_counts_all() {
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
            let query = Fields::query(&format!("page={page}&size={size}")).read().unwrap();
            let found = ProfitsPage::of((0..rows).map(row).collect(), &query);
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
}
