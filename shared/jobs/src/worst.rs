//! What a job would cost at worst, before it starts.

use assistant::domain::Cost;
use assistant::pricing::Pricing;
use serde::Serialize;
use utoipa::ToSchema;

/// The worst case of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JobEstimate)]
pub struct Estimate {
    /// Number of its items.
    #[schema(example = 30)]
    pub items: u32,
    /// Tokens that the model would read, at most.
    #[schema(example = 48_000)]
    pub input_tokens_at_most: u64,
    /// Cost of all items, at most, in US dollars.
    #[schema(value_type = String, example = "0.25")]
    pub worst_usd: Cost,
}

/// The worst cases of the calls of a job that is to start.
#[derive(Debug, Clone, Default)]
pub struct Worst {
    /// Tokens that the model reads, at most.
    pub input_tokens: u64,
    /// Cost of each item's call in nano-dollars. Empty where calls cost nothing.
    pub nanos: Vec<i64>,
}

impl Worst {
    /// Adds a call that reads so many tokens at most, and may answer with `max_tokens`. `model` is
    /// asked instead of the first one of the settings. Without prices, calls cost nothing.
    pub fn add(
        &mut self,
        pricing: Option<&Pricing>,
        model: Option<&str>,
        tokens: u64,
        max_tokens: Option<u64>,
    ) {
        self.input_tokens += tokens;
        if let Some(pricing) = pricing {
            self.nanos.push(pricing.worst_call(model, tokens, max_tokens).nanos());
        }
    }

    /// Cost of all calls.
    pub fn cost(&self) -> Cost {
        total(&self.nanos)
    }

    /// The worst case of a job of these calls.
    pub fn estimate(&self, items: u32) -> Estimate {
        let worst_usd = self.cost();
        Estimate { items, input_tokens_at_most: self.input_tokens, worst_usd }
    }
}

/// The sum of amounts in nano-dollars.
pub(crate) fn total<'a>(nanos: impl IntoIterator<Item = &'a i64>) -> Cost {
    Cost::from_nanos(nanos.into_iter().fold(0, |sum: i64, nanos| sum.saturating_add(*nanos)))
}

#[cfg(test)]
mod tests {
    use platform::config::Config;

    use super::*;

    #[test]
    fn a_worst_case_is_added_for_each_call_by_the_price_of_its_model() {
        let settings = [
            ("AI_MODEL", "a"),
            ("AI_PRICES", "a=5/25/6.25/0.50,b=10/50/12.50/1"),
            ("AI_MAX_TOKENS", "1000"),
        ];
        let pricing = Pricing::of_settings(&settings.into_iter().collect::<Config>()).unwrap();
        let mut worst = Worst::default();
        let calls = [(None, 100, None), (Some("b"), 100, Some(10)), (None, 0, Some(5_000))];
        for (model, tokens, max_tokens) in calls {
            worst.add(Some(&pricing), model, tokens, max_tokens);
        }
        // 64 tokens more for each request. The dearest price of what is read is that of writing to
        // the cache.
        let expected =
            [164 * 6_250 + 1_000 * 25_000, 164 * 12_500 + 10 * 50_000, 64 * 6_250 + 1_000 * 25_000];
        assert_eq!((worst.input_tokens, &worst.nanos[..]), (200, &expected[..]));
        let sum = Cost::from_nanos(expected.iter().sum());
        assert_eq!(worst.cost(), sum);
        let estimate = Estimate { items: 3, input_tokens_at_most: 200, worst_usd: sum };
        assert_eq!(worst.estimate(3), estimate);
    }

    #[test]
    fn where_calls_cost_nothing_they_have_no_worst_case() {
        let mut worst = Worst::default();
        worst.add(None, None, 100, None);
        assert_eq!((worst.input_tokens, worst.nanos.len(), worst.cost()), (100, 0, Cost::ZERO));
        assert_eq!(total(&[i64::MAX, 1]), Cost::from_nanos(i64::MAX));
    }
}
