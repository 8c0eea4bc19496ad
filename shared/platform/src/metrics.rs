//! Signals for operators, as metrics of CloudWatch.
//!
//! A function prints each signal as one line in CloudWatch's embedded metric format. CloudWatch
//! makes a metric of it when it takes the log in, so no call and no permission is needed. The
//! format nests objects, and [`logging`] writes flat ones. So the line does not go through it, and
//! `RUST_LOG` hides none.
//!
//! - The events of the audit log make most signals: see [`Signal::of`]. The gates that record
//!   events emit them, and no handler does. The sealer of the audit log emits its lag, and the
//!   signals of the events that it records itself.
//! - The only dimension is the stack. Each combination of values of dimensions costs as much as a
//!   metric does, so a dimension never has the name, id or address of a user.
//!
//! [`logging`]: crate::logging

use std::io::{self, Write as _};

use serde_json::{Number, Value, json};

use crate::audit::{Event, Outcome};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::platform::Platform;

/// Namespace of the metrics.
pub const NAMESPACE: &str = "Tally";

/// The only dimension of the metrics: the name of the stack.
pub const DIMENSION: &str = "Stack";

/// Emits signals.
#[derive(Debug, Clone)]
pub struct Metrics {
    stack: String,
    clock: Clock,
}

/// A signal. Each is one metric of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Attempts to sign in that failed.
    FailedLogins,
    /// Sessions that ended because a spent refresh token came again.
    RefreshReuse,
    /// Calls that a credential or a role does not allow. A call without any credential is none.
    Denials,
    /// Calls that a rate limit or a lock refused.
    LimitsHit,
    /// Cost of replies and jobs in US dollars, as it is settled.
    AiSpend,
    /// Changes of items of the audit log's table, and deletions before their time. A change counts
    /// again if the stream delivers it again.
    Tampering,
    /// Time from the oldest event that a run of the sealer has sealed to its checkpoint, in
    /// milliseconds. It is 0 if no event waited, so a sealer that runs emits a value each minute.
    SealingLag,
    /// Time for which the oldest job that needs a worker has needed one, in seconds. It is 0 if none
    /// does, so a schedule that runs emits a value each minute.
    JobQueueAge,
}

impl Metrics {
    /// Uses the stack that `STACK_NAME` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let stack = platform.config.require("STACK_NAME")?.to_owned();
        Ok(Self { stack, clock: platform.clock.clone() })
    }

    /// Emits a value of a signal.
    pub fn emit(&self, signal: Signal, value: impl Into<Number>) {
        let line = self.line(signal, &value.into());
        // A closed standard output must not stop the function. Its logs are lost then, too.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    fn line(&self, signal: Signal, value: &Number) -> Value {
        json!({
            "_aws": {
                "Timestamp": self.clock.now().as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [[DIMENSION]],
                    "Metrics": [{"Name": signal.name(), "Unit": signal.unit()}],
                }],
            },
            DIMENSION: self.stack,
            signal.name(): value,
        })
    }
}

impl Signal {
    /// All signals.
    pub const ALL: [Self; 8] = [
        Self::FailedLogins,
        Self::RefreshReuse,
        Self::Denials,
        Self::LimitsHit,
        Self::AiSpend,
        Self::Tampering,
        Self::SealingLag,
        Self::JobQueueAge,
    ];

    /// The signal that an event of the audit log is, and its value, if it is one.
    pub fn of(event: &Event) -> Option<(Self, Number)> {
        let once = |signal| Some((signal, Number::from(1)));
        match (event.action.as_str(), event.outcome) {
            ("auth.login", Outcome::Failure) => once(Self::FailedLogins),
            ("auth.refresh_reuse", _) => once(Self::RefreshReuse),
            ("auth.locked" | "rate.limited", _) => once(Self::LimitsHit),
            ("audit.tampered", _) => once(Self::Tampering),
            ("chat.message" | "job.ended", _) => {
                let cost: f64 = event.detail.get("cost_usd")?.as_str()?.parse().ok()?;
                let cost = Number::from_f64(cost).filter(|_| cost > 0.0)?;
                Some((Self::AiSpend, cost))
            }
            (_, Outcome::Denied) => once(Self::Denials),
            _ => None,
        }
    }

    /// Name of the metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::FailedLogins => "FailedLogins",
            Self::RefreshReuse => "RefreshReuse",
            Self::Denials => "Denials",
            Self::LimitsHit => "LimitsHit",
            Self::AiSpend => "AiSpend",
            Self::Tampering => "Tampering",
            Self::SealingLag => "SealingLag",
            Self::JobQueueAge => "JobQueueAge",
        }
    }

    /// Unit of the metric. CloudWatch has none for money.
    fn unit(self) -> &'static str {
        match self {
            Self::AiSpend => "None",
            Self::SealingLag => "Milliseconds",
            Self::JobQueueAge => "Seconds",
            _ => "Count",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use jiff::Timestamp;

    use super::*;
    use crate::audit::AuditDetails;
    use crate::context::Context;

    fn signal_of(details: AuditDetails, outcome: Outcome) -> Option<(Signal, Number)> {
        let context = Context::default();
        let event = details.event(None, outcome, None, &context, Timestamp::UNIX_EPOCH, 0);
        Signal::of(&event.unwrap())
    }

    #[test]
    fn events_are_signals_by_their_action_and_outcome() {
        use Outcome::{Denied, Failure, Success};
        for (action, outcome, expected) in [
            ("auth.login", Success, None),
            ("auth.login", Failure, Some(Signal::FailedLogins)),
            // The password is right, and the address is not verified.
            ("auth.login", Denied, Some(Signal::Denials)),
            ("auth.refresh", Success, None),
            ("auth.refresh", Failure, None),
            ("auth.refresh_reuse", Failure, Some(Signal::RefreshReuse)),
            ("auth.locked", Denied, Some(Signal::LimitsHit)),
            ("rate.limited", Denied, Some(Signal::LimitsHit)),
            ("access.denied", Denied, Some(Signal::Denials)),
            ("user.updated", Denied, Some(Signal::Denials)),
            ("user.updated", Failure, None),
            ("user.updated", Success, None),
            ("audit.tampered", Success, Some(Signal::Tampering)),
            ("audit.tampered", Failure, Some(Signal::Tampering)),
            ("ws.connect", Failure, None),
        ] {
            let expected = expected.map(|signal| (signal, Number::from(1)));
            assert_eq!(signal_of(AuditDetails::action(action), outcome), expected, "{action}");
        }
    }

    #[test]
    fn a_reply_is_worth_its_cost_however_it_ended() {
        for outcome in [Outcome::Success, Outcome::Failure] {
            for (cost, expected) in [
                (Some("0.010000005"), Some(0.010_000_005)),
                (Some("12"), Some(12.0)),
                (Some("0"), None),
                (Some("much"), None),
                (Some("NaN"), None),
                (Some("inf"), None),
                (None, None),
            ] {
                let details = AuditDetails::action("chat.message");
                let details =
                    cost.into_iter().fold(details, |found, cost| found.detail("cost_usd", cost));
                let expected =
                    expected.and_then(Number::from_f64).map(|cost| (Signal::AiSpend, cost));
                assert_eq!(signal_of(details, outcome), expected, "{cost:?}");
            }
        }
    }

    #[test]
    fn a_line_is_an_embedded_metric_and_no_more() {
        let clock = Clock::Manual(Arc::new(AtomicI64::new(1_800_000_000_123)));
        let metrics = Metrics { stack: "tally".to_owned(), clock };
        let line = metrics.line(Signal::SealingLag, &250.into()).to_string();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_800_000_000_123_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "Tally",
                    "Dimensions": [["Stack"]],
                    "Metrics": [{"Name": "SealingLag", "Unit": "Milliseconds"}],
                }],
            },
            "Stack": "tally",
            "SealingLag": 250,
        });
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
        assert!(!line.contains('\n'));
    }

    #[test]
    fn every_signal_has_a_name_of_its_own() {
        let mut names = Signal::ALL.map(Signal::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
