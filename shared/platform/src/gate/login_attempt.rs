//! Counts attempts to sign in before any work is done for them.
//!
//! After too many failures for an identifier from one address, the next attempts from there are
//! refused until a wait is over. Too many attempts from all addresses together are refused
//! likewise. Networks from which the identifier has signed in lately are exempt from this second
//! wait.

use futures_util::future::join;
use jiff::Timestamp;

use super::counted::{Count, log_failed_revert};
use crate::database::StoreError;
use crate::domain::Fingerprint;
use crate::limits::{Limits, Policy, Quota, attempt_subject, bucket_of, status, used};
use crate::store::{LimitCounters, LoginAttempts};

/// An attempt for an identifier from an address.
pub(super) struct LoginAttempt<'a> {
    counters: &'a LimitCounters,
    login: Quota,
    lock: Quota,
    /// Fingerprint of the identifier.
    identifier: &'a Fingerprint,
    subject: String,
    now: Timestamp,
}

/// An attempt that has been counted.
pub(super) struct CountedAttempt<'a> {
    attempt: LoginAttempt<'a>,
    /// Whether the wait after the earlier failures was over. If not, the attempt was not counted
    /// for its address.
    waited: bool,
    before: LoginAttempts,
    /// Attempts in the last hour from anywhere, this one included.
    anywhere: u64,
}

impl<'a> LoginAttempt<'a> {
    pub(super) fn new(
        counters: &'a LimitCounters,
        limits: &Limits,
        address: &str,
        identifier: &'a Fingerprint,
        now: Timestamp,
    ) -> Self {
        let login = limits.quota(&Policy::LOGIN);
        let lock = limits.quota(&Policy::LOGIN_LOCK);
        Self {
            counters,
            login,
            lock,
            identifier,
            subject: attempt_subject(address, identifier),
            now,
        }
    }

    /// Counts the attempt for its address, and for all addresses together. If one of the two counts
    /// fails, the other is reverted.
    pub(super) async fn count(self) -> Result<CountedAttempt<'a>, StoreError> {
        let near = self.counters.count_attempt(self.login, self.lock, &self.subject, self.now);
        let anywhere = self.counters.count(
            &Policy::LOGIN_LOCK,
            self.lock.anywhere(),
            self.identifier.as_str(),
            self.now,
        );
        let counted = join(near, anywhere).await;
        match counted {
            (Ok((waited, before)), Ok(anywhere)) => {
                let anywhere = used(self.lock.anywhere(), &anywhere, self.now);
                Ok(CountedAttempt { attempt: self, waited, before, anywhere })
            }
            (Ok((waited, before)), Err(error)) => {
                self.revert(waited.then_some(&before), false).await;
                Err(error)
            }
            (Err(error), anywhere) => {
                self.revert(None, anywhere.is_ok()).await;
                Err(error)
            }
        }
    }

    /// Reverts the counts that were made, at the same time: that for the address, from the state
    /// `before` it, and that for all addresses together (`anywhere`).
    async fn revert(&self, before: Option<&LoginAttempts>, anywhere: bool) {
        let Self { counters, login, lock, identifier, subject, now } = self;
        let near = async {
            if let Some(before) = before {
                let reverted = counters.revert_attempt(*login, subject, before, *now).await;
                log_failed_revert(&Policy::LOGIN, reverted);
            }
        };
        let all = async {
            if anywhere {
                let quota = lock.anywhere();
                let reverted =
                    counters.revert(&Policy::LOGIN_LOCK, quota, identifier.as_str(), *now).await;
                log_failed_revert(&Policy::LOGIN_LOCK, reverted);
            }
        };
        join(near, all).await;
    }
}

impl CountedAttempt<'_> {
    /// The limit statuses of its address with `login` and with `login_lock`.
    pub(super) fn counts(&self) -> [Count<'static>; 2] {
        let LoginAttempt { login, lock, subject, now, .. } = &self.attempt;
        let mut windows = self.before.windows.clone();
        if self.waited {
            *windows.entry(bucket_of(*login, *now)).or_default() += 1;
        }
        let locked = if self.waited {
            lock.after_attempt(self.before.failures + 1)
        } else {
            lock.too_early(self.before.failures, self.before.last_at, *now)
        };
        [
            Count {
                policy: &Policy::LOGIN,
                quota: *login,
                subject: subject.clone(),
                status: status(*login, &windows, *now),
            },
            Count {
                policy: &Policy::LOGIN_LOCK,
                quota: *lock,
                subject: subject.clone(),
                status: locked,
            },
        ]
    }

    /// Slows attempts down after too many from all addresses together.
    ///
    /// One attempt passes per wait. Attempts from known networks are not slowed. Gives the count of
    /// a refused attempt.
    pub(super) async fn slow(&self) -> Result<Option<Count<'static>>, StoreError> {
        let LoginAttempt { counters, lock, identifier, now, .. } = &self.attempt;
        // The last free attempt goes through `pass` too: it sets the time from which the first wait
        // counts.
        let all = Quota { window_seconds: lock.window_seconds, ..lock.anywhere() };
        if self.anywhere < all.limit || self.before.known(*now) {
            return Ok(None);
        }
        let failures = self.anywhere - 1;
        let Err(last_at) =
            counters.pass(identifier.as_str(), all.wait_after(failures), *now).await?
        else {
            return Ok(None);
        };
        let status = all.too_early(failures, last_at, *now);
        Ok(Some(Count {
            policy: &Policy::LOGIN_LOCK,
            quota: *lock,
            subject: identifier.as_str().to_owned(),
            status,
        }))
    }

    /// Reverts the counts of the attempt.
    pub(super) async fn revert(&self) {
        self.attempt.revert(self.waited.then_some(&self.before), true).await;
    }
}
