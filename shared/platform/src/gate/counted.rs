//! A call that counts against a limit.

use crate::limits::{Policy, Quota, Standing};

/// A call that has been counted for a subject.
#[derive(Debug, Clone)]
pub(super) struct Count<'a> {
    pub(super) policy: &'a Policy,
    pub(super) quota: Quota,
    pub(super) subject: String,
    pub(super) standing: Standing,
}
