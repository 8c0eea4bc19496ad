//! The count of a call against one policy.

use crate::limits::{LimitStatus, Policy, Quota};

/// A call that has been counted for a subject.
#[derive(Debug, Clone)]
pub(super) struct Count<'a> {
    pub(super) policy: &'a Policy,
    pub(super) quota: Quota,
    pub(super) subject: String,
    pub(super) status: LimitStatus,
}
