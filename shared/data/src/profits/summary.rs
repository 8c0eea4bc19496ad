//! The figures of groups of rows, in exact decimals.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::query::GroupBy;
use crate::domain::{Company, Money, Month, Year};
use crate::store::Profit;

/// The figures of groups of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProfitsSummary {
    /// The groups that have rows, in their order: companies by name, years and months by number.
    pub items: Vec<ProfitsGroup>,
}

/// The figures of one group. One of `company`, `year` and `month` says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProfitsGroup {
    /// The company.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub company: Option<Company>,
    /// The calendar year.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub year: Option<Year>,
    /// The month of the year, 1 to 12.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub month: Option<Month>,
    /// Rows of the group.
    #[schema(example = 24)]
    pub count: u64,
    /// Their exact sum.
    pub sum: Money,
    /// Their mean, rounded to two places. A half is rounded to the even neighbour.
    pub mean: Money,
    /// The smallest profit.
    pub min: Money,
    /// The largest profit.
    pub max: Money,
}

/// A group, in the order of the answer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Company(Company),
    Year(Year),
    Month(Month),
}

impl ProfitsSummary {
    /// The figures of these rows. `None` if a sum has more digits than an amount can have.
    pub fn of(rows: Vec<Profit>, group_by: GroupBy) -> Option<Self> {
        let mut groups: BTreeMap<Key, Vec<Money>> = BTreeMap::new();
        for Profit { company, year, month, profit } in rows {
            let key = match group_by {
                GroupBy::Company => Key::Company(company),
                GroupBy::Year => Key::Year(year),
                GroupBy::Month => Key::Month(month),
            };
            groups.entry(key).or_default().push(profit);
        }
        let groups = groups.into_iter().map(|(key, profits)| ProfitsGroup::of(key, &profits));
        Some(Self { items: groups.collect::<Option<_>>()? })
    }
}

impl ProfitsGroup {
    fn of(key: Key, profits: &[Money]) -> Option<Self> {
        let (company, year, month) = match key {
            Key::Company(company) => (Some(company), None, None),
            Key::Year(year) => (None, Some(year), None),
            Key::Month(month) => (None, None, Some(month)),
        };
        Some(Self {
            company,
            year,
            month,
            count: u64::try_from(profits.len()).ok()?,
            sum: Money::sum(profits)?,
            mean: Money::mean(profits)?,
            min: profits.iter().min().copied()?,
            max: profits.iter().max().copied()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row(company: &str, year: u64, month: u64, profit: &str) -> Profit {
        Profit {
            company: company.parse().unwrap(),
            year: year.try_into().unwrap(),
            month: month.try_into().unwrap(),
            profit: profit.parse().unwrap(),
        }
    }

    fn items(rows: &[Profit], group_by: GroupBy) -> Value {
        let summary = ProfitsSummary::of(rows.to_vec(), group_by).unwrap();
        serde_json::to_value(summary).unwrap()["items"].take()
    }

    #[test]
    fn groups_come_in_their_order_with_exact_figures() {
        let rows = [
            row("Beta", 2023, 12, "0.10"),
            row("Alpha", 2022, 2, "0.20"),
            row("Alpha", 2023, 10, "-0.30"),
            row("Alpha", 2023, 2, "1000000000000.01"),
        ];
        assert_eq!(
            items(&rows, GroupBy::Company),
            json!([
                {
                    "company": "Alpha", "count": 3, "sum": "999999999999.91",
                    "mean": "333333333333.30", "min": "-0.30", "max": "1000000000000.01",
                },
                {
                    "company": "Beta", "count": 1, "sum": "0.10", "mean": "0.10", "min": "0.10",
                    "max": "0.10",
                },
            ])
        );
        let of_years = items(&rows, GroupBy::Year);
        let years = of_years.as_array().unwrap().iter();
        let years: Vec<_> = years.map(|group| (&group["year"], &group["sum"])).collect();
        assert_eq!(
            years,
            [(&json!(2022), &json!("0.20")), (&json!(2023), &json!("999999999999.81"))]
        );
        let of_months = items(&rows, GroupBy::Month);
        let months = of_months.as_array().unwrap().iter();
        let months: Vec<_> = months.map(|group| (&group["month"], &group["count"])).collect();
        assert_eq!(
            months,
            [(&json!(2), &json!(2)), (&json!(10), &json!(1)), (&json!(12), &json!(1))]
        );
    }

    #[test]
    fn without_rows_there_are_no_groups() {
        for group_by in [GroupBy::Company, GroupBy::Year, GroupBy::Month] {
            assert_eq!(items(&[], group_by), json!([]));
        }
    }

    #[test]
    fn a_sum_that_no_amount_can_hold_is_no_wrong_sum() {
        let most = format!("{}.99", "7".repeat(27));
        let rows = [row("A", 2023, 1, &most), row("A", 2023, 2, &most)];
        assert!(ProfitsSummary::of(rows[..1].to_vec(), GroupBy::Year).is_some());
        assert_eq!(ProfitsSummary::of(rows.to_vec(), GroupBy::Year), None);
        assert!(ProfitsSummary::of(rows.to_vec(), GroupBy::Month).is_some());
    }
}
