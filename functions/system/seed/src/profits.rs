//! The sample profits: the same on every machine.

use tally_data::domain::{Company, Money, Month, Year};
use tally_data::store::Profit;

const COMPANIES: [&str; 5] = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon"];
const YEARS: std::ops::RangeInclusive<u64> = 2022..=2023;

/// 50,000.00 to 250,000.00, in hundredths.
const CENTS: std::ops::RangeInclusive<i64> = 5_000_000..=25_000_000;

/// Any other seed would do as well, but the figures are known by now.
const SEED: u64 = 2022;

/// 120 rows: five companies, each month of two years.
pub fn rows() -> Vec<Profit> {
    let mut state = SEED;
    let periods = YEARS.flat_map(|year| (1..=12).map(move |month| (year, month)));
    let cells = COMPANIES
        .into_iter()
        .flat_map(|company| periods.clone().map(move |(year, month)| (company, year, month)));
    cells
        .filter_map(|(company, year, month)| row(company, year, month, splitmix64(&mut state)))
        .collect()
}

/// A row whose profit is `random` on the scale of [`CENTS`]. The constants above are always a
/// company, a year and a month.
fn row(company: &str, year: u64, month: u64, random: u64) -> Option<Profit> {
    let choices = u128::try_from(CENTS.end() - CENTS.start() + 1).ok()?;
    let cents = CENTS.start() + i64::try_from((u128::from(random) * choices) >> 64).ok()?;
    Some(Profit {
        company: company.parse::<Company>().ok()?,
        year: Year::try_from(year).ok()?,
        month: Month::try_from(month).ok()?,
        profit: Money::from_cents(cents),
    })
}

/// The generator of Steele, Lea and Flood (2014): whole-number arithmetic only, so that no machine
/// rounds differently.
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_generator_is_splitmix64() {
        let mut state = 1_234_567;
        let found = [splitmix64(&mut state), splitmix64(&mut state), splitmix64(&mut state)];
        assert_eq!(
            found,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn there_is_one_row_for_each_company_and_month_and_each_profit_is_in_range() {
        let rows = rows();
        let keys: BTreeSet<_> =
            rows.iter().map(|row| (&row.company, row.year, row.month)).collect();
        assert_eq!((rows.len(), keys.len()), (120, 120));
        let range = Money::from_cents(*CENTS.start())..=Money::from_cents(*CENTS.end());
        assert!(rows.iter().all(|row| range.contains(&row.profit)));
        assert_eq!(rows, super::rows());
    }

    #[test]
    fn both_ends_of_the_range_can_come() {
        let profit = |random| row("Alpha", 2022, 1, random).map(|row| row.profit.to_string());
        assert_eq!(
            (profit(0), profit(u64::MAX)),
            (Some("50000.00".into()), Some("250000.00".into()))
        );
    }

    #[test]
    fn the_figures_stay_what_they_are() {
        let rows = rows();
        let shown =
            |row: &Profit| format!("{} {}-{:02} {}", row.company, row.year, row.month, row.profit);
        assert_eq!(
            (shown(&rows[0]), shown(&rows[119])),
            ("Alpha 2022-01 72379.76".into(), "Epsilon 2023-12 106094.06".into())
        );
    }
}
