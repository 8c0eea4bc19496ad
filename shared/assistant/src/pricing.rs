//! Prices of tokens by model, and the worst-case cost of a reply.

use std::collections::BTreeMap;
use std::str::FromStr;

use platform::ConfigError;
use platform::config::{Config, invalid};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::domain::{Cost, Usage};

/// The default of `AI_MODEL`: the model that the provider's own SDK shows first.
const MODEL: &str = "claude-opus-5-5";

/// Default of `AI_MAX_TOKENS`, the tokens of one reply at most.
const MAX_TOKENS: u64 = 4_096;

/// Name of the setting with the prices.
const PRICES: &str = "AI_PRICES";

/// Tokens that a request takes in addition to its texts, and those that each of its messages takes.
/// Both are more than the framing of any model.
const REQUEST_TOKENS: u64 = 64;
const MESSAGE_TOKENS: u64 = 16;

/// Tokens that a provider adds to a request with tools, so that the model can use them: more than
/// any model takes.
pub const TOOLS_TOKENS: u64 = 2_048;

/// Tokens of one page of a document at most: its picture and its text.
pub const PAGE_TOKENS: u64 = 8_000;

/// Tokens that a provider adds to a request with a schema of the answer, beside the schema itself.
const FORMAT_TOKENS: u64 = 256;

/// The models that write replies, with their prices.
#[derive(Debug, Clone)]
pub struct Pricing {
    /// The models of the settings, in the order in which they are asked; there is at least one.
    models: Vec<String>,
    /// The prices, those of [`Self::models`] and any others that an agent may name.
    prices: BTreeMap<String, Price>,
    max_tokens: u64,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy)]
struct Price {
    input: Decimal,
    output: Decimal,
    cache_write: Decimal,
    cache_read: Decimal,
}

impl Pricing {
    /// The prices of the provider that `AI_PROVIDER` names; `None` if replies cost nothing.
    pub fn from_config(config: &Config) -> Result<Option<Self>, ConfigError> {
        match config.get("AI_PROVIDER") {
            Some("anthropic" | "openai" | "bedrock") => Self::of_settings(config).map(Some),
            // The crate that talks to the providers refuses an unknown name.
            _ => Ok(None),
        }
    }

    /// The prices of a provider whose replies cost something. `AI_MODEL` and `AI_FALLBACK_MODEL` are
    /// asked in this order, for `AI_MAX_TOKENS` at most (default 4096). `AI_PRICES` has
    /// `model=input/output/cache write/cache read` for each of them, with a comma between two, in US
    /// dollars for a million tokens. It may have further models, which an agent can name. Every model
    /// needs a price, because without one it would be free.
    pub fn of_settings(config: &Config) -> Result<Self, ConfigError> {
        let text = config.get(PRICES).unwrap_or_default();
        let wrong = |expected: &str| invalid(PRICES, text, expected);
        let prices: Option<BTreeMap<_, _>> = text.split(',').map(entry).collect();
        let prices = prices.ok_or_else(|| {
            wrong(
                "it must be like `model=3/15/3.75/0.30`, input, output, \
                cache write and read, commas between",
            )
        })?;
        let models = [config.get("AI_MODEL").or(Some(MODEL)), config.get("AI_FALLBACK_MODEL")]
            .into_iter()
            .flatten();
        let models: Vec<_> = models.map(str::to_owned).collect();
        if let Some(free) = models.iter().find(|model| !prices.contains_key(*model)) {
            return Err(wrong(&format!("it must have the prices of {free}")));
        }
        Ok(Self { models, prices, max_tokens: config.count("AI_MAX_TOKENS", MAX_TOKENS)? })
    }

    /// The models of the settings, in the order in which they are asked; there is at least one.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(String::as_str)
    }

    /// All models that have a price, by name. An agent may name any of them.
    pub fn priced(&self) -> impl Iterator<Item = &str> {
        self.prices.keys().map(String::as_str)
    }

    /// Whether a model has a price. Without one it is never asked.
    pub fn is_priced(&self, model: &str) -> bool {
        self.prices.contains_key(model)
    }

    /// The models that are asked for a request, in order: the request's own model or the first one
    /// of the settings, then the fallback model.
    pub fn asked<'a>(&'a self, own: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let replaced = usize::from(own.is_some());
        let others = self.models().skip(replaced).filter(move |model| Some(*model) != own);
        own.into_iter().filter(move |own| self.is_priced(own)).chain(others)
    }

    /// Tokens of one reply at most.
    pub fn max_tokens(&self) -> u64 {
        self.max_tokens
    }

    /// The exact cost of this usage; zero for a model without a price, which is never asked.
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        self.prices.get(model).map_or(Cost::ZERO, |price| price.of(usage))
    }

    /// The cost of so many tokens that the first model reads for a request with this model of its
    /// own. It reads none of them from a cache.
    pub fn of_input(&self, own: Option<&str>, tokens: u64) -> Cost {
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        self.asked(own).next().map_or(Cost::ZERO, |model| self.cost(model, &usage))
    }

    /// The worst-case cost of a call with these texts, the system prompt among them, with any of
    /// the models. The provider may write all of the input to its cache.
    pub fn worst<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Cost {
        self.worst_of(texts.into_iter().map(tokens_at_most).sum())
    }

    /// The same for texts, given only their tokens: see [`tokens_at_most`].
    pub fn worst_of(&self, tokens: u64) -> Cost {
        self.worst_with(None, tokens)
    }

    /// The same for a request with a model of its own, as an agent may have one.
    pub fn worst_with(&self, own: Option<&str>, tokens: u64) -> Cost {
        self.worst_call(own, tokens, None)
    }

    /// The same for a request that allows so many tokens of its answer, if that is less than the
    /// settings allow.
    pub fn worst_call(&self, own: Option<&str>, tokens: u64, max_tokens: Option<u64>) -> Cost {
        let input = tokens + REQUEST_TOKENS;
        let output = max_tokens.map_or(self.max_tokens, |own| own.min(self.max_tokens));
        self.asked(own)
            .filter_map(|model| self.prices.get(model))
            .map(|price| price.worst(input, output))
            .max()
            .unwrap_or_default()
    }
}

/// The tokens that texts of so many bytes have at most in practice, before a provider has counted
/// them: two for three bytes.
pub fn tokens_estimated(bytes: u64) -> u64 {
    (2 * bytes).div_ceil(3)
}

fn entry(entry: &str) -> Option<(String, Price)> {
    let (model, price) = entry.split_once('=')?;
    Some((model.trim().to_owned(), price.parse().ok()?))
}

/// The most tokens that a message can have: each token has at least one byte of its text.
pub fn tokens_at_most(text: &str) -> u64 {
    tokens_of_bytes(text.len())
}

/// The most tokens that a message of so many bytes can have.
pub fn tokens_of_bytes(bytes: usize) -> u64 {
    bytes as u64 + MESSAGE_TOKENS
}

/// The most tokens that the schema of an answer adds to a request: the provider describes it to the
/// model.
pub fn tokens_of_schema(schema: &Value) -> u64 {
    tokens_estimated(schema.to_string().len() as u64) + FORMAT_TOKENS
}

impl Price {
    fn of(&self, usage: &Usage) -> Cost {
        let parts = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_write_tokens, self.cache_write),
            (usage.cache_read_tokens, self.cache_read),
        ];
        Cost::new(
            parts.into_iter().map(|(tokens, price)| Decimal::from(tokens) * price).sum::<Decimal>()
                / Decimal::from(1_000_000),
        )
    }

    fn worst(&self, input_tokens: u64, output_tokens: u64) -> Cost {
        let input = self.input.max(self.cache_write).max(self.cache_read);
        Self { input, ..*self }.of(&Usage { input_tokens, output_tokens, ..Usage::default() })
    }
}

impl FromStr for Price {
    type Err = rust_decimal::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let prices = text
            .split('/')
            .map(|price| price.trim().parse::<Decimal>())
            .collect::<Result<Vec<_>, _>>()?;
        match prices[..] {
            [input, output, cache_write, cache_read]
                if prices.iter().all(|price| !price.is_sign_negative()) =>
            {
                Ok(Self { input, output, cache_write, cache_read })
            }
            _ => Err(rust_decimal::Error::ErrorString("four prices".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [(&str, &str); 2] = [("AI_MODEL", "a"), ("AI_FALLBACK_MODEL", "b")];

    fn pricing(prices: &str) -> Result<Pricing, ConfigError> {
        Pricing::of_settings(
            &BOTH.into_iter().chain([(PRICES, prices), ("AI_MAX_TOKENS", "1000")]).collect(),
        )
    }

    fn usage(
        input_tokens: u64,
        output_tokens: u64,
        cache_write_tokens: u64,
        cache_read_tokens: u64,
    ) -> Usage {
        Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens }
    }

    #[test]
    fn a_cost_is_exact_to_the_token() {
        let pricing = pricing("a=5/25/6.25/0.50, b = 0.8/4/1/0.08, c=1/1/1/1").unwrap();
        for (model, usage, expected) in [
            ("a", usage(0, 0, 0, 0), "0.00"),
            ("a", usage(1, 0, 0, 0), "0.000005"),
            ("a", usage(1_000_000, 1_000_000, 1_000_000, 1_000_000), "36.75"),
            ("a", usage(12, 87, 0, 2_048), "0.003259"),
            ("b", usage(1, 1, 1, 1), "0.00000588"),
            // An agent may name it.
            ("c", usage(1, 1, 1, 1), "0.000004"),
            ("d", usage(1, 1, 1, 1), "0.00"),
        ] {
            assert_eq!(pricing.cost(model, &usage).to_string(), expected, "{model} {usage:?}");
        }
    }

    #[test]
    fn nothing_that_a_model_can_take_costs_more_than_the_worst() {
        let pricing = pricing("a=5/25/6.25/0.50,b=10/20/0/0").unwrap();
        let texts = ["You are…", "Hi", "€€€"];
        // Texts of 10, 2 and 9 bytes, three messages and one request.
        let input = 10 + 2 + 9 + 3 * 16 + 64;
        let worst = pricing.worst(texts);
        assert_eq!(worst, pricing.cost("a", &usage(0, 1_000, input, 0)));
        for used in
            [usage(input, 1_000, 0, 0), usage(0, 1_000, 0, input), usage(21, 1_000, input - 21, 0)]
        {
            assert!(["a", "b"].iter().all(|model| pricing.cost(model, &used) <= worst), "{used:?}");
        }
    }

    #[test]
    fn the_models_are_asked_in_the_order_of_the_settings() {
        let prices = (PRICES, "a=1/1/1/1,b=1/1/1/1,claude-opus-5-5=1/1/1/1");
        for (own, expected) in [
            (&[][..], &[MODEL][..]),
            (&[("AI_MODEL", "a")], &["a"]),
            (&[("AI_MODEL", "a"), ("AI_FALLBACK_MODEL", "b")], &["a", "b"]),
            (&[("AI_FALLBACK_MODEL", "b")], &[MODEL, "b"]),
        ] {
            let pricing =
                Pricing::of_settings(&own.iter().copied().chain([prices]).collect()).unwrap();
            assert_eq!(pricing.models().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_model_of_an_agent_replaces_the_first_one_and_the_fallback_stays() {
        let pricing = pricing("a=5/25/6.25/0.50,b=1/5/1.25/0.10,c=10/50/12.50/1").unwrap();
        for (own, asked, worst) in [
            (None, &["a", "b"][..], "a"),
            (Some("a"), &["a", "b"], "a"),
            (Some("b"), &["b"], "b"),
            (Some("c"), &["c", "b"], "c"),
            // Its price was removed after the agent was stored.
            (Some("d"), &["b"], "b"),
        ] {
            assert_eq!(pricing.asked(own).collect::<Vec<_>>(), asked, "{own:?}");
            let read = usage(0, 1_000, 100 + 64, 0);
            assert_eq!(pricing.worst_with(own, 100), pricing.cost(worst, &read), "{own:?}");
            let read = usage(100, 0, 0, 0);
            assert_eq!(pricing.of_input(own, 100), pricing.cost(asked[0], &read), "{own:?}");
        }
        assert_eq!(pricing.priced().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(pricing.worst_of(100), pricing.worst_with(None, 100));
    }

    #[test]
    fn prices_are_stated_for_every_model_or_the_function_stops() {
        for text in [
            "",
            "a=1/1/1/1",
            "a=1/1/1/1,b=1/1/1",
            "a=1/1/1/1,b=1/1/1/-1",
            "a=1/1/1/1,b=1/1/1/x",
            "a=1/1/1/1,b",
            "a=1/1/1/1,b=1/1/1/1/1",
        ] {
            assert!(pricing(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_free_has_no_tariff() {
        for (provider, has) in [
            ("", false),
            ("lorem", false),
            ("anthropic", true),
            ("openai", true),
            ("bedrock", true),
        ] {
            let config = BOTH
                .into_iter()
                .chain([("AI_PROVIDER", provider), (PRICES, "a=1/1/1/1,b=1/1/1/1")])
                .collect();
            assert_eq!(Pricing::from_config(&config).unwrap().is_some(), has, "{provider}");
        }
    }
}
