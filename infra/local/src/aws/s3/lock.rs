//! Object Lock: which versions may be deleted, and how their locks may change.

use s3s::dto::{ObjectLockLegalHoldStatus, ObjectLockMode, Timestamp};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::clock;
use crate::template::model::{DefaultRetention, ObjectLock, RetentionMode};

/// The lock of one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    pub(super) retention: Option<Retention>,
    /// `None` if the legal hold has never been set.
    pub(super) legal_hold: Option<bool>,
}

/// Until when a version is retained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retention {
    pub(super) mode: RetentionMode,
    pub(super) until: Timestamp,
}

/// What a request says about the lock of the version that it writes.
#[derive(Debug)]
pub(super) struct LockRequest {
    pub(super) mode: Option<ObjectLockMode>,
    pub(super) until: Option<Timestamp>,
    pub(super) legal_hold: Option<ObjectLockLegalHoldStatus>,
}

impl LockRequest {
    /// The lock of a new version in a bucket with this Object Lock.
    pub(super) fn resolve(self, bucket: Option<&ObjectLock>) -> S3Result<Lock> {
        let Self { mode, until, legal_hold } = self;
        let Some(bucket) = bucket else {
            let is_plain = mode.is_none() && until.is_none() && legal_hold.is_none();
            return if is_plain { Ok(Lock::default()) } else { Err(without_lock()) };
        };
        let mode = mode.as_ref().map(ObjectLockMode::as_str);
        let asked = Retention::requested(mode, until, &clock::now())?;
        let retention = asked.or_else(|| bucket.default_retention.as_ref().map(Retention::from));
        let legal_hold = legal_hold.map(|status| is_on(status.as_str())).transpose()?;
        Ok(Lock { retention, legal_hold })
    }
}

impl Lock {
    /// Refuses the deletion of the version, unless its lock allows it.
    pub(super) fn check_deletion(&self, bypasses_governance: bool, now: &Timestamp) -> S3Result {
        let is_retained = self.active(now).is_some_and(|retention| {
            retention.mode == RetentionMode::Compliance || !bypasses_governance
        });
        if is_retained || self.legal_hold == Some(true) { Err(protected()) } else { Ok(()) }
    }

    /// Changes the retention. It may grow; only a caller that bypasses governance may reduce it.
    pub(super) fn retain(
        &mut self,
        retention: Option<Retention>,
        bypasses_governance: bool,
        now: &Timestamp,
    ) -> S3Result {
        if let Some(active) = self.active(now) {
            let grows = retention
                .as_ref()
                .is_some_and(|new| new.mode == active.mode && new.until >= active.until);
            let may_reduce = active.mode == RetentionMode::Governance && bypasses_governance;
            if !grows && !may_reduce {
                return Err(protected());
            }
        }
        self.retention = retention;
        Ok(())
    }

    fn active(&self, now: &Timestamp) -> Option<&Retention> {
        self.retention.as_ref().filter(|retention| retention.until > *now)
    }
}

impl Retention {
    /// The retention that a request gives by its mode and its end.
    pub(super) fn requested(
        mode: Option<&str>,
        until: Option<Timestamp>,
        now: &Timestamp,
    ) -> S3Result<Option<Self>> {
        let (mode, until) = match (mode, until) {
            (None, None) => return Ok(None),
            (Some(mode), Some(until)) => (mode, until),
            _ => {
                return Err(s3_error!(
                    InvalidArgument,
                    "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be \
                     supplied"
                ));
            }
        };
        let known = [RetentionMode::Governance, RetentionMode::Compliance];
        let Some(mode) = known.into_iter().find(|known| mode_text(*known) == mode) else {
            return Err(s3_error!(InvalidArgument, "Unknown wormMode directive."));
        };
        if until <= *now {
            return Err(s3_error!(InvalidArgument, "The retain until date must be in the future!"));
        }
        Ok(Some(Self { mode, until }))
    }
}

impl From<&DefaultRetention> for Retention {
    fn from(default: &DefaultRetention) -> Self {
        Self { mode: default.mode, until: clock::in_days(default.days) }
    }
}

/// The mode as S3 spells it.
pub(super) fn mode_text(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    }
}

/// The status of a legal hold as S3 spells it.
pub(super) fn hold_text(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

/// Whether the status of a legal hold is `ON`.
pub(super) fn is_on(status: &str) -> S3Result<bool> {
    match status {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(s3_error!(InvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'")),
    }
}

/// The error for a lock in a bucket that has no Object Lock.
pub(super) fn without_lock() -> S3Error {
    s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration")
}

fn protected() -> S3Error {
    s3_error!(AccessDenied, "Access Denied because object protected by object lock.")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::RetentionMode::{Compliance, Governance};
    use super::*;

    const NOW: u64 = 1_000_000;
    /// In the year 2286.
    const FAR: u64 = 10_000_000_000;

    fn at(seconds: u64) -> Timestamp {
        (UNIX_EPOCH + Duration::from_secs(seconds)).into()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is a cell of a table")]
    fn until(mode: RetentionMode, seconds: u64) -> Option<Retention> {
        Some(Retention { mode, until: at(seconds) })
    }

    #[test]
    fn a_version_can_be_deleted_when_nothing_holds_it_any_more() {
        for (retention, legal_hold, bypass, allowed) in [
            (None, None, false, true),
            (None, Some(false), false, true),
            (None, Some(true), false, false),
            (None, Some(true), true, false),
            (until(Governance, NOW + 1), None, false, false),
            (until(Governance, NOW + 1), None, true, true),
            (until(Governance, NOW + 1), Some(true), true, false),
            (until(Governance, NOW), None, false, true),
            (until(Compliance, NOW + 1), None, false, false),
            (until(Compliance, NOW + 1), None, true, false),
            (until(Compliance, NOW), None, false, true),
        ] {
            let lock = Lock { retention, legal_hold };
            assert_eq!(lock.check_deletion(bypass, &at(NOW)).is_ok(), allowed, "{lock:?} {bypass}");
        }
    }

    #[test]
    fn a_retention_grows_and_only_governance_can_be_reduced() {
        for (old, new, bypass, allowed) in [
            (None, until(Compliance, NOW + 1), false, true),
            (until(Governance, NOW + 5), until(Governance, NOW + 5), false, true),
            (until(Governance, NOW + 5), until(Governance, NOW + 6), false, true),
            (until(Governance, NOW + 5), until(Governance, NOW + 4), false, false),
            (until(Governance, NOW + 5), until(Compliance, NOW + 6), false, false),
            (until(Governance, NOW + 5), None, false, false),
            (until(Governance, NOW + 5), None, true, true),
            (until(Governance, NOW + 5), until(Compliance, NOW + 6), true, true),
            (until(Compliance, NOW + 5), until(Compliance, NOW + 6), false, true),
            (until(Compliance, NOW + 5), until(Compliance, NOW + 4), true, false),
            (until(Compliance, NOW + 5), until(Governance, NOW + 6), true, false),
            (until(Compliance, NOW + 5), None, true, false),
            (until(Compliance, NOW), None, false, true),
        ] {
            let mut lock = Lock { retention: old, legal_hold: None };
            let before = lock.clone();
            let changed = lock.retain(new.clone(), bypass, &at(NOW)).is_ok();
            assert_eq!(changed, allowed, "{before:?} -> {new:?}, {bypass}");
            assert_eq!(lock.retention, if allowed { new } else { before.retention });
        }
    }

    #[test]
    fn a_lock_that_can_not_be_is_refused() {
        let locked = ObjectLock { default_retention: None };
        for (mode, end, legal_hold, bucket, expected) in [
            (None, None, None, None, None),
            (Some("GOVERNANCE"), Some(FAR), None, None, Some("InvalidRequest")),
            (None, None, Some("ON"), None, Some("InvalidRequest")),
            (Some("GOVERNANCE"), Some(FAR), Some("OFF"), Some(&locked), None),
            (Some("GOVERNANCE"), None, None, Some(&locked), Some("InvalidArgument")),
            (None, Some(FAR), None, Some(&locked), Some("InvalidArgument")),
            (Some("NONE"), Some(FAR), None, Some(&locked), Some("InvalidArgument")),
            (Some("COMPLIANCE"), Some(NOW), None, Some(&locked), Some("InvalidArgument")),
            (None, None, Some("on"), Some(&locked), Some("InvalidArgument")),
        ] {
            let request = LockRequest {
                mode: mode.map(ObjectLockMode::from_static),
                until: end.map(at),
                legal_hold: legal_hold.map(ObjectLockLegalHoldStatus::from_static),
            };
            let said = format!("{request:?}");
            let refusal = request.resolve(bucket).err();
            assert_eq!(
                refusal.as_ref().map(|error| error.code().as_str()),
                expected,
                "{said}: {refusal:?}"
            );
        }
    }
}
