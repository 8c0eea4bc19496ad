//! How the versions of a prompt did: means and standard deviations of what their items gave.

use std::collections::BTreeMap;

use assistant::domain::Cost;
use tally_jobs::domain::{Score, VersionScores};

use super::answer::Scored;

/// What the items of a version gave, so far.
#[derive(Debug, Default)]
pub struct Numbers {
    answered: u32,
    failed: u32,
    scores: BTreeMap<String, Vec<f64>>,
    latencies: Vec<f64>,
    cost: Cost,
}

impl Numbers {
    /// Adds the cost of an item, whether it has a result or not.
    pub fn spend(&mut self, cost: Cost) {
        self.cost += cost;
    }

    /// Adds an item that failed. It counts in no score.
    pub fn fail(&mut self) {
        self.failed += 1;
    }

    /// Adds the result of an item.
    pub fn answer(&mut self, scored: Scored) {
        self.answered += 1;
        for (check, score) in scored.scores {
            self.scores.entry(check).or_default().push(score);
        }
        let latency = u32::try_from(scored.latency_ms).unwrap_or(u32::MAX);
        self.latencies.push(f64::from(latency));
    }

    /// How a version did. A version without an answer has no scores.
    pub fn of(self, version: u32) -> VersionScores {
        let Self { answered, failed, scores, latencies, cost } = self;
        let scores = scores.into_iter().map(|(check, numbers)| (check, spread(&numbers)));
        VersionScores {
            version,
            answered,
            failed,
            scores: scores.collect(),
            cost_usd: cost,
            latency_ms: spread(&latencies),
        }
    }
}

/// The mean and the population standard deviation of numbers. Both are 0 if there are none.
fn spread(numbers: &[f64]) -> Score {
    let count = f64::from(u32::try_from(numbers.len()).unwrap_or(u32::MAX));
    if numbers.is_empty() {
        return Score::default();
    }
    let mean = numbers.iter().sum::<f64>() / count;
    let squares = numbers.iter().map(|number| (number - mean).powi(2));
    Score { mean, spread: (squares.sum::<f64>() / count).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    fn scored(exact: f64, latency_ms: u64) -> Scored {
        let scores = BTreeMap::from([("exact".to_owned(), exact), ("schema".to_owned(), 1.0)]);
        let text = String::new();
        Scored { version: 7, case: 0, repetition: 0, text, truncated: false, scores, latency_ms }
    }

    #[test]
    fn a_mean_has_the_spread_of_its_numbers() {
        let (many, large) = (vec![0.1; 5_000], 1e12);
        for (numbers, mean, deviation) in [
            (&[][..], 0.0, 0.0),
            (&[0.5], 0.5, 0.0),
            (&[1.0, 0.0], 0.5, 0.5),
            (&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 5.0, 2.0),
            (&[1.0, 1.0, 0.0], 2.0 / 3.0, 2.0_f64.sqrt() / 3.0),
            (&many, 0.1, 0.0),
            // The deviation of large numbers is not lost in their squares.
            (&[large + 1.0, large + 3.0], large + 2.0, 1.0),
        ] {
            let found = spread(numbers);
            let is_good = is_near(found.mean, mean) && is_near(found.spread, deviation);
            assert!(is_good, "{found:?} for {mean} {deviation}");
        }
    }

    #[test]
    fn failed_items_cost_and_count_in_no_score() {
        let mut numbers = Numbers::default();
        for (score, latency_ms) in [(1.0, 100), (0.0, 300)] {
            numbers.answer(scored(score, latency_ms));
            numbers.spend(Cost::from_nanos(250_000_000));
        }
        numbers.fail();
        numbers.spend(Cost::from_nanos(1));
        let found = numbers.of(7);
        assert_eq!((found.version, found.answered, found.failed), (7, 2, 1));
        assert_eq!(found.cost_usd, Cost::from_nanos(500_000_001));
        let [exact, schema] = ["exact", "schema"].map(|check| found.scores[check]);
        assert!(is_near(exact.mean, 0.5) && is_near(exact.spread, 0.5));
        assert!(is_near(schema.mean, 1.0) && is_near(schema.spread, 0.0));
        assert!(is_near(found.latency_ms.mean, 200.0) && is_near(found.latency_ms.spread, 100.0));
    }

    #[test]
    fn a_version_without_an_answer_has_no_scores() {
        let mut numbers = Numbers::default();
        numbers.fail();
        let found = numbers.of(0);
        assert_eq!((found.answered, found.failed, found.scores.len()), (0, 1, 0));
        assert_eq!(found.latency_ms, Score::default());
    }
}
