//! What the tools of profits share.

use platform::Problem;
use tally_access::sources::Sources;
use tally_data::store::ProfitFilter;
use tally_data::{ProfitRows, ProfitsPage, ProfitsSummary};

use crate::cut::Listing;
use crate::sentence::quoted;

impl Listing for ProfitsPage {
    type Item = tally_data::store::Profit;

    fn items(&mut self) -> &mut Vec<Self::Item> {
        &mut self.items
    }
}

impl Listing for ProfitsSummary {
    type Item = tally_data::ProfitsGroup;

    fn items(&mut self) -> &mut Vec<Self::Item> {
        &mut self.items
    }
}

/// The columns that an answer about these rows comes from.
pub fn sources(rows: &ProfitRows) -> Result<Sources, Problem> {
    let too_many = "is needed: the rows are those of too many companies for one answer";
    rows.sources().ok_or_else(|| Problem::invalid_field("company", too_many))
}

/// The profits that are meant, as a part of a sentence: `the profits of “Alpha” in 2023`.
pub fn named(filter: &ProfitFilter) -> String {
    let ProfitFilter { company, year, month } = filter;
    let company = company.as_ref().map(|company| quoted(&company.to_string()));
    let company = company.as_deref().unwrap_or("all companies");
    let time = match (year, month) {
        (None, None) => String::new(),
        (Some(year), None) => format!(" in {year}"),
        (None, Some(month)) => format!(" in month {month} of each year"),
        (Some(year), Some(month)) => format!(" in month {month} of {year}"),
    };
    format!("the profits of {company}{time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profits_are_named_by_company_and_time() {
        for (company, year, month, expected) in [
            (None, None, None, "the profits of all companies"),
            (Some("Alpha"), None, None, "the profits of “Alpha”"),
            (Some("Alpha"), Some(2023), None, "the profits of “Alpha” in 2023"),
            (None, None, Some(7), "the profits of all companies in month 7 of each year"),
            (
                Some("Al\u{202e}pha"),
                Some(2023),
                Some(12),
                "the profits of “Alpha” in month 12 of 2023",
            ),
        ] {
            let filter = ProfitFilter {
                company: company.map(|name| name.parse().unwrap()),
                year: year.map(|year: u64| year.try_into().unwrap()),
                month: month.map(|month: u64| month.try_into().unwrap()),
            };
            assert_eq!(named(&filter), expected);
        }
    }
}
