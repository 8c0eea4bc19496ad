//! What tokens cost, by model.

use std::collections::BTreeMap;
use std::str::FromStr;

use platform::config::{Config, ConfigError, invalid};
use platform::domain::{Cost, Usage};
use rust_decimal::Decimal;

/// Name of the setting.
const SETTING: &str = "AI_PRICES";

/// Prices by the names of models.
#[derive(Debug, Clone)]
pub struct Prices(BTreeMap<String, Price>);

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy)]
struct Price {
    input: Decimal,
    output: Decimal,
    cache_write: Decimal,
    cache_read: Decimal,
}

impl Prices {
    /// The setting `AI_PRICES`, `model=input/output/cache write/cache read` and a comma between two models, in US dollars for a
    /// million tokens. Each of `models` must be in it: what has no price would be free.
    pub fn from_config<'a>(config: &Config, models: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let text = config.require(SETTING)?;
        let wrong = |expected: &str| invalid(SETTING, text, expected);
        let entry = |entry: &str| Some((entry.split_once('=')?.0.trim().to_owned(), entry.split_once('=')?.1.parse().ok()?));
        let prices: Option<BTreeMap<_, _>> = text.split(',').map(entry).collect();
        let prices =
            prices.ok_or_else(|| wrong("it must be like `model=3/15/3.75/0.30`, input, output, cache write and read, commas between"))?;
        match models.into_iter().find(|model| !prices.contains_key(*model)) {
            Some(model) => Err(wrong(&format!("it must have the prices of {model}"))),
            None => Ok(Self(prices)),
        }
    }

    /// What this much costs, exactly; nothing for a model that was not asked for.
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        let Some(price) = self.0.get(model) else { return Cost::ZERO };
        let parts = [
            (usage.input_tokens, price.input),
            (usage.output_tokens, price.output),
            (usage.cache_write_tokens, price.cache_write),
            (usage.cache_read_tokens, price.cache_read),
        ];
        Cost::new(parts.into_iter().map(|(tokens, price)| Decimal::from(tokens) * price).sum::<Decimal>() / Decimal::from(1_000_000))
    }
}

impl FromStr for Price {
    type Err = rust_decimal::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let prices = text.split('/').map(|price| price.trim().parse::<Decimal>()).collect::<Result<Vec<_>, _>>()?;
        match prices[..] {
            [input, output, cache_write, cache_read] if prices.iter().all(|price| !price.is_sign_negative()) => {
                Ok(Self { input, output, cache_write, cache_read })
            }
            _ => Err(rust_decimal::Error::ErrorString("four prices".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(text: &str) -> Result<Prices, ConfigError> {
        Prices::from_config(&[("AI_PRICES", text)].into_iter().collect(), ["a", "b"])
    }

    #[test]
    fn a_cost_is_exact_to_the_token() {
        let prices = prices("a=5/25/6.25/0.50, b = 0.8/4/1/0.08").unwrap();
        let usage = |input_tokens, output_tokens, cache_write_tokens, cache_read_tokens| Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
        };
        for (model, usage, expected) in [
            ("a", usage(0, 0, 0, 0), "0.00"),
            ("a", usage(1, 0, 0, 0), "0.000005"),
            ("a", usage(1_000_000, 1_000_000, 1_000_000, 1_000_000), "36.75"),
            ("a", usage(12, 87, 0, 2_048), "0.003259"),
            ("b", usage(1, 1, 1, 1), "0.00000588"),
            ("c", usage(1, 1, 1, 1), "0.00"),
        ] {
            assert_eq!(prices.cost(model, &usage).to_string(), expected, "{model} {usage:?}");
        }
    }

    #[test]
    fn prices_are_stated_for_every_model_or_the_function_stops() {
        for text in
            ["", "a=1/1/1/1", "a=1/1/1/1,b=1/1/1", "a=1/1/1/1,b=1/1/1/-1", "a=1/1/1/1,b=1/1/1/x", "a=1/1/1/1,b", "a=1/1/1/1,b=1/1/1/1/1"]
        {
            assert!(prices(text).is_err(), "{text}");
        }
    }
}
