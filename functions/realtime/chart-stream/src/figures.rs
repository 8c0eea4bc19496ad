//! The figures of a frame. They depend only on the chart, the number of the frame and the
//! subscription. They are computed in whole numbers, so that every machine makes the same bytes.

use serde::Serialize;
use tally_data::domain::ChartType;
use utoipa::ToSchema;

const COMPANIES: [&str; 5] = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Smallest figure in cents.
const LOWEST: u32 = 5_000_000;
/// Difference between the smallest and the largest figure, in cents.
const SPAN: u32 = 20_000_000;
/// Frames from one turn of a curve to the next.
const TURN: u32 = 8;
/// The most that a figure may stray from its curve in either direction, in cents.
const STRAY: u32 = 200_000;
/// The whole in hundredths of a percent.
const WHOLE: u64 = 10_000;

/// The points or slices to draw.
#[derive(Debug, Clone, PartialEq)]
pub enum Figures {
    /// Of a line or bar chart.
    Points(Vec<Point>),
    /// Of a pie, whose percents add up to 100.
    Slices(Vec<Slice>),
}

/// One point of a line, or one bar.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// Month or company.
    #[schema(example = "Jan")]
    pub label: &'static str,
    /// Profit.
    #[schema(example = 123_456.78)]
    pub value: f64,
}

/// One slice of a pie.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Slice {
    /// Company.
    #[schema(example = "Alpha")]
    pub label: &'static str,
    /// Profit.
    #[schema(example = 123_456.78)]
    pub value: f64,
    /// Share of the whole.
    #[schema(example = 21.35)]
    pub percent: f64,
}

/// The figures of frame `sequence`: a line moves on by a month a frame, bars and slices change.
pub fn figures(chart_type: ChartType, sequence: u64, subscription_id: &str) -> Figures {
    let seed = seed(subscription_id);
    let company = |curve: u64| cents(seed, curve, sequence);
    match chart_type {
        ChartType::Line => {
            let month =
                |at: u64| (MONTHS[usize::try_from(at % 12).unwrap_or(0)], cents(seed, 0, at));
            Figures::Points(
                (sequence..sequence + 12)
                    .map(month)
                    .map(|(label, cents)| Point { label, value: units(cents) })
                    .collect(),
            )
        }
        ChartType::Bar => Figures::Points(
            (1..)
                .zip(COMPANIES)
                .map(|(curve, label)| Point { label, value: units(company(curve)) })
                .collect(),
        ),
        ChartType::Pie => {
            let parts: Vec<_> =
                (1..).zip(COMPANIES).map(|(curve, label)| (label, company(curve))).collect();
            let shares = shares(&parts.iter().map(|(_, cents)| *cents).collect::<Vec<_>>());
            let slice = |((label, cents), share)| Slice {
                label,
                value: units(cents),
                percent: units(share),
            };
            Figures::Slices(parts.into_iter().zip(shares).map(slice).collect())
        }
    }
}

/// A point of a curve: straight lines between turns that hashes choose, plus a small deviation.
fn cents(seed: u64, curve: u64, at: u64) -> u32 {
    let turn = |number: u64| pick(seed, curve, number, SPAN);
    let number = at / u64::from(TURN);
    let step = u32::try_from(at % u64::from(TURN)).unwrap_or(0);
    let on_curve = turn(number) / TURN * (TURN - step) + turn(number + 1) / TURN * step;
    // Another range of curves, so that the deviation does not depend on the turns.
    let beside = pick(seed, curve + 100, at, 2 * STRAY);
    LOWEST + (on_curve + beside).saturating_sub(STRAY).min(SPAN)
}

/// Each part's share of the whole in hundredths of a percent. The remainder goes to the parts that
/// lost most by rounding.
fn shares(parts: &[u32]) -> Vec<u32> {
    let total = parts.iter().map(|part| u64::from(*part)).sum::<u64>().max(1);
    let exact: Vec<_> = parts.iter().map(|part| u64::from(*part) * WHOLE).collect();
    let mut shares: Vec<_> = exact.iter().map(|exact| exact / total).collect();
    let left_over = usize::try_from(WHOLE - shares.iter().sum::<u64>()).unwrap_or(0);
    let mut by_loss: Vec<_> = (0..parts.len()).collect();
    by_loss.sort_by_key(|part| std::cmp::Reverse(exact[*part] % total));
    for part in by_loss.into_iter().take(left_over) {
        shares[part] += 1;
    }
    shares.into_iter().map(|share| u32::try_from(share).unwrap_or(0)).collect()
}

/// Hundredths as a number for drawing.
fn units(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}

/// FNV-1a.
fn seed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A number below `bound`, mixed as `SplitMix64` mixes.
fn pick(seed: u64, curve: u64, number: u64, bound: u32) -> u32 {
    let mut hash = seed
        ^ curve.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        hash = (hash ^ (hash >> 29)).wrapping_mul(factor);
    }
    u32::try_from((hash ^ (hash >> 32)) % u64::from(bound)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019bd9c5-3b00-7000-8000-000000000001";

    #[test]
    fn a_frame_does_not_depend_on_its_worker() {
        for chart_type in ChartType::ALL {
            assert_eq!(figures(chart_type, 7, ID), figures(chart_type, 7, ID));
            assert_ne!(figures(chart_type, 7, ID), figures(chart_type, 8, ID));
            assert_ne!(figures(chart_type, 7, ID), figures(chart_type, 7, "another"));
        }
        let Figures::Points(points) = figures(ChartType::Bar, 1, ID) else {
            panic!("bars are points")
        };
        let bytes = serde_json::to_string(&points).unwrap();
        // Every version has to make these bytes.
        let expected = r#"[{"label":"Alpha","value":162957.81},{"label":"Beta","value":132390.11},{"label":"Gamma","value":219451.44},{"label":"Delta","value":91770.26},{"label":"Epsilon","value":207916.74}]"#;
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_line_moves_on_by_a_month() {
        let points = |sequence| match figures(ChartType::Line, sequence, ID) {
            Figures::Points(points) => points,
            Figures::Slices(_) => panic!("a line has points"),
        };
        assert_eq!(points(5)[1..], points(6)[..11]);
    }

    #[test]
    fn figures_look_like_profits() {
        for sequence in 1..2_000 {
            for curve in 0..6 {
                let cents = cents(seed(ID), curve, sequence);
                assert!((LOWEST..=LOWEST + SPAN).contains(&cents), "{cents}");
            }
        }
    }

    #[test]
    fn percents_add_up_to_a_hundred() {
        for (parts, expected) in [
            (&[1, 1, 1][..], &[3_334, 3_333, 3_333][..]),
            (&[1, 2], &[3_333, 6_667]),
            (&[7, 0, 0], &[10_000, 0, 0]),
            (&[999_999, 1], &[10_000, 0]),
        ] {
            assert_eq!(shares(parts), expected, "{parts:?}");
        }
        for sequence in 1..500 {
            let Figures::Slices(slices) = figures(ChartType::Pie, sequence, ID) else {
                panic!("a pie has slices")
            };
            let sum: f64 = slices.iter().map(|slice| slice.percent).sum();
            assert!((sum - 100.0).abs() < 1e-9, "{sum}");
        }
    }
}
