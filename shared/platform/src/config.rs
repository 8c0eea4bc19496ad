//! Settings: the one place that reads environment variables. Every setting is a parameter of
//! template.yaml.

use std::collections::BTreeMap;
use std::time::Duration;

/// The environment of a function, read once at its start.
#[derive(Clone, Default)]
pub struct Config {
    variables: BTreeMap<String, String>,
}

crate::opaque!(Config);

/// A setting that is missing or cannot be parsed. It stops the function at its start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The template does not give this function the variable.
    #[error("the environment variable {0} is not set: give it to this function in template.yaml")]
    Missing(String),
    /// The variable's text does not parse.
    #[error(
        "the parameter {} has the value {value:?} (environment variable {name}): {expected}",
        parameter(name)
    )]
    Invalid {
        /// Name of the variable.
        name: String,
        /// Its value.
        value: String,
        /// The expected form.
        expected: String,
    },
}

impl Config {
    /// Reads the process's environment.
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn from_env() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        }
    }

    /// The value of a variable. A variable with an empty value counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable that the function cannot work without.
    pub fn require(&self, name: &str) -> Result<&str, ConfigError> {
        self.get(name).ok_or_else(|| ConfigError::Missing(name.to_owned()))
    }

    /// A switch that is `on` or `off`; unset is off.
    pub fn switch(&self, name: &str) -> Result<bool, ConfigError> {
        match self.get(name) {
            Some("on") => Ok(true),
            Some("off") | None => Ok(false),
            Some(value) => Err(invalid(name, value, "it must be `on` or `off`")),
        }
    }

    /// A whole number above zero, or `default`.
    pub fn count(&self, name: &str, default: u64) -> Result<u64, ConfigError> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| invalid(name, value, "it must be a whole number above zero"))
    }

    /// A whole number of seconds above zero, or `default`.
    pub fn seconds(&self, name: &str, default: u64) -> Result<Duration, ConfigError> {
        self.count(name, default).map(Duration::from_secs)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Config {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }
}

/// The parameter of template.yaml that sets a variable: `RateLimits` for `RATE_LIMITS`.
fn parameter(variable: &str) -> String {
    let words = variable.split('_').filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| first.to_owned() + &rest.to_ascii_lowercase()).collect()
}

/// An error that names the parameter, its variable, the value and the expected form.
pub fn invalid(name: &str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Invalid {
        name: name.to_owned(),
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_value_is_named_with_its_parameter_and_variable() {
        let config: Config = [("AI_MAX_TOKENS", "many")].into_iter().collect();
        let text = config.count("AI_MAX_TOKENS", 1).unwrap_err().to_string();
        let expected = "the parameter AiMaxTokens has the value \"many\" (environment variable \
                        AI_MAX_TOKENS): it must be a whole number above zero";
        assert_eq!(text, expected);
    }
}
