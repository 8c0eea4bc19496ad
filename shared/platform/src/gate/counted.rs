//! The count of a call against one policy.

use jiff::Timestamp;

use crate::database::StoreError;
use crate::limits::{LimitStatus, Policy, Quota};
use crate::store::LimitCounters;

/// A call that has been counted for a subject.
#[derive(Debug, Clone)]
pub(super) struct Count<'a> {
    pub(super) policy: &'a Policy,
    pub(super) quota: Quota,
    pub(super) subject: String,
    pub(super) status: LimitStatus,
}

impl Count<'_> {
    /// Reverts the count, because the call is not admitted.
    pub(super) async fn revert(&self, counters: &LimitCounters, now: Timestamp) {
        let reverted = counters.revert(self.policy, self.quota, &self.subject, now).await;
        log_failed_revert(self.policy, reverted);
    }
}

/// Logs that a count could not be reverted. The count stays, which costs the caller some waiting at
/// worst. The log does not name the subject.
pub(super) fn log_failed_revert(policy: &Policy, reverted: Result<(), StoreError>) {
    if let Err(error) = reverted {
        tracing::warn!(
            %error,
            policy = policy.name,
            "failed to revert the count of a call that was not admitted"
        );
    }
}
