//! How long a sign-in lasts.

use std::time::Duration;

use platform::ConfigError;
use platform::clock::Timestamp;
use platform::config::Config;
use tally_accounts::tokens::Lifetimes;

/// Defaults of the settings below.
const SESSION_SECONDS: u64 = 8 * 3600;
const KEY_DAYS: u64 = 30;

const DAY_MILLISECONDS: u64 = 86_400_000;

/// The settings `SSO_SESSION_SECONDS` and `SSO_KEY_DAYS`.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    session: Duration,
    key_days: u64,
    lifetimes: Lifetimes,
}

impl Terms {
    /// Reads the settings.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            session: config.seconds("SSO_SESSION_SECONDS", SESSION_SECONDS)?,
            key_days: config.count("SSO_KEY_DAYS", KEY_DAYS)?,
            lifetimes: Lifetimes::from_config(config)?,
        })
    }

    /// When the session of a sign-in ends for good, in seconds since 1970. No session outlives
    /// `SESSION_SECONDS`, because the key rings keep their keys for that time.
    pub fn session_end(&self, now: Timestamp) -> i64 {
        let own = i64::try_from(self.session.as_secs()).unwrap_or(i64::MAX);
        now.as_second().saturating_add(own).min(self.lifetimes.session_end(now))
    }

    /// Until when a sign-in keeps the API keys of its account valid, in milliseconds since 1970.
    pub fn keys_until(&self, now: Timestamp) -> i64 {
        let lasts = self.key_days.saturating_mul(DAY_MILLISECONDS);
        now.as_millisecond().saturating_add(i64::try_from(lasts).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_and_keys_last_as_long_as_the_settings_say() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let terms = |settings: &[(&str, &str)]| {
            let terms = Terms::from_config(&settings.iter().copied().collect()).unwrap();
            (terms.session_end(now) - 1_800_000_000, terms.keys_until(now) - 1_800_000_000_000)
        };
        let usual = (28_800, 30 * 86_400_000);
        assert_eq!(terms(&[]), usual);
        let own = [("SSO_SESSION_SECONDS", "900"), ("SSO_KEY_DAYS", "1")];
        assert_eq!(terms(&own), (900, 86_400_000));
        assert_eq!(terms(&[("SESSION_SECONDS", "600")]), (600, usual.1));
    }
}
