//! Whether a conversation is active, by the time of its last message.

use jiff::Timestamp;
use platform::ConfigError;
use platform::config::Config;
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds without a message after which a conversation is idle, if `CONVERSATION_IDLE_SECONDS` is
/// not set.
const IDLE_SECONDS: u64 = 86_400;

/// The time without a message after which a conversation is idle.
#[derive(Debug, Clone, Copy)]
pub struct IdleAfter(i64);

/// Whether a conversation has had a message lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConversationStatus {
    /// It had a message lately.
    Active,
    /// It had none for a day, or for as long as the deployment says. Its working state has gone. A
    /// message makes it active again.
    Idle,
}

impl IdleAfter {
    /// The setting `CONVERSATION_IDLE_SECONDS`.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let after = config.seconds("CONVERSATION_IDLE_SECONDS", IDLE_SECONDS)?;
        Ok(Self(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment from which a conversation is idle whose last message came at this one. Both are
    /// milliseconds since 1970.
    pub fn idle_at(self, last_message_at: i64) -> i64 {
        last_message_at.saturating_add(self.0)
    }

    /// The latest time of a last message, in milliseconds since 1970, at which a conversation is
    /// idle now.
    pub fn latest_idle(self, now: Timestamp) -> i64 {
        now.as_millisecond().saturating_sub(self.0)
    }

    /// The status of a conversation whose last message came at this time, in milliseconds since
    /// 1970.
    pub fn status(self, last_message_at: i64, now: Timestamp) -> ConversationStatus {
        if last_message_at > self.latest_idle(now) {
            ConversationStatus::Active
        } else {
            ConversationStatus::Idle
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_idle_after_its_time_without_a_message() {
        let last = 1_800_000_000_000;
        for (setting, seconds) in [(None, 86_400), (Some("60"), 60)] {
            let config = setting.map(|text| ("CONVERSATION_IDLE_SECONDS", text));
            let idle = IdleAfter::from_config(&config.into_iter().collect()).unwrap();
            let at = |offset| Timestamp::from_millisecond(last + seconds * 1_000 + offset).unwrap();
            for (offset, expected) in [
                (-1, ConversationStatus::Active),
                (0, ConversationStatus::Idle),
                (1, ConversationStatus::Idle),
            ] {
                assert_eq!(idle.status(last, at(offset)), expected, "{seconds} {offset}");
            }
            assert_eq!(idle.idle_at(last), at(0).as_millisecond());
            assert_eq!(idle.latest_idle(at(0)), last);
        }
        for text in ["0", "-1", "soon"] {
            let config = [("CONVERSATION_IDLE_SECONDS", text)].into_iter().collect();
            assert!(IdleAfter::from_config(&config).is_err(), "{text}");
        }
    }
}
