//! The counts of one call against every policy that applies to it.

use futures_util::future::{OptionFuture, join, join_all};
use jiff::Timestamp;

use super::counted::Count;
use super::login_attempt::CountedAttempt;
use crate::database::StoreError;
use crate::limits::LimitStatuses;
use crate::store::LimitCounters;

/// The counts that were made of a call.
pub(super) struct Counts<'a> {
    /// Its counts in windows.
    pub(super) windows: Vec<Count<'a>>,
    /// Its counts as an attempt to sign in, if it is one.
    pub(super) attempt: Option<CountedAttempt<'a>>,
}

impl<'a> Counts<'a> {
    /// The statuses of the caller with every policy, and the count that refuses the call, if one
    /// does.
    pub(super) async fn verdict(&self) -> Result<(LimitStatuses, Option<Count<'a>>), StoreError> {
        let near = self.attempt.as_ref().map(CountedAttempt::counts);
        let mut counts: Vec<&Count> = near.iter().flatten().chain(&self.windows).collect();
        let mut statuses = LimitStatuses(
            counts.iter().map(|count| (count.policy.name, count.quota, count.status)).collect(),
        );
        counts.retain(|count| !count.status.allowed);
        let refusing = counts.into_iter().max_by_key(|count| count.status.reset_seconds);
        let slowed = match (refusing, &self.attempt) {
            (None, Some(attempt)) => attempt.slow().await?,
            _ => None,
        };
        if let Some(slowed) = &slowed {
            statuses.replace(slowed.policy, slowed.status);
        }
        Ok((statuses, refusing.cloned().or(slowed)))
    }

    /// Reverts all of them at the same time, because the call is not admitted. A count that cannot
    /// be reverted stays, and keeps no other.
    pub(super) async fn revert(&self, counters: &LimitCounters, now: Timestamp) {
        let windows = join_all(self.windows.iter().map(|count| count.revert(counters, now)));
        let attempt = OptionFuture::from(self.attempt.as_ref().map(CountedAttempt::revert));
        join(windows, attempt).await;
    }
}
