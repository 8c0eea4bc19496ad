//! How long events are kept, and what belongs to them.

use jiff::Timestamp;

use crate::config::{Config, ConfigError, invalid};

/// The setting that has the days.
const SETTING: &str = "AUDIT_RETENTION_DAYS";

/// Days without a setting.
const DEFAULT_DAYS: u64 = 400;

/// Days at most: a hundred years.
const MOST_DAYS: i64 = 36_500;

/// How long events, their texts and their places in the sealed log are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    days: i64,
}

impl Retention {
    /// Reads `AUDIT_RETENTION_DAYS`; without it, 400 days.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let days = config.count(SETTING, DEFAULT_DAYS)?;
        let days = i64::try_from(days).ok().filter(|days| *days <= MOST_DAYS).ok_or_else(|| {
            invalid(SETTING, &days.to_string(), "it must be a number of days, 36500 at most")
        })?;
        Ok(Self { days })
    }

    /// Time to live of an event of this time, in seconds since 1970.
    pub fn expires_at(self, time: Timestamp) -> i64 {
        time.as_second() + self.seconds()
    }

    /// The time of the oldest events that are kept, in seconds since 1970.
    pub(super) fn begins_at(self, now: Timestamp) -> i64 {
        now.as_second() - self.seconds()
    }

    /// Its length in seconds.
    pub fn seconds(self) -> i64 {
        self.days * 86_400
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_for_as_many_days_as_the_setting_says() {
        let time = Timestamp::from_second(1_800_000_000).unwrap();
        for (setting, days) in
            [("", Some(400)), ("1", Some(1)), ("36500", Some(36_500)), ("0", None), ("36501", None)]
        {
            let config: Config = [(SETTING, setting)].into_iter().collect();
            let retention = Retention::new(&config).ok();
            let expires_at = retention.map(|retention| retention.expires_at(time));
            assert_eq!(expires_at, days.map(|days| 1_800_000_000 + days * 86_400), "{setting}");
        }
    }
}
