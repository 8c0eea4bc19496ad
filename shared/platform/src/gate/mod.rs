//! The steps that requests and messages share: authentication, authorisation, rate limits, and the commit with its event.
//!
//! A request of a protected route passes an [`Authenticator`], a [`RateLimiter`] and a [`Committer`]; one of a public route and a message
//! the last two; the work of a worker the last one.

mod authenticator;
mod committer;
mod counted;
mod denials;
mod login_attempt;
mod rate_limiter;

pub use authenticator::{Authenticated, Authenticator, bearer};
pub use committer::{Committed, Committer, Repetition};
pub use rate_limiter::{RateLimiter, Refused};

use std::time::Instant;

use jiff::Timestamp;

use crate::clock::millis_since;
use crate::context::Context;
use crate::idempotency::RequestFingerprint;

/// One request or message on its way, with the data that its event needs.
pub struct RequestInfo<'a> {
    /// Where it came from.
    pub context: &'a Context,
    /// When it arrived.
    pub now: Timestamp,
    /// Start of its latency.
    pub since: Instant,
    /// Audit action of its route.
    pub action: Option<&'static str>,
    /// The `Idempotency-Key` under which its resource is remembered.
    pub fingerprint: Option<RequestFingerprint>,
}

impl<'a> RequestInfo<'a> {
    /// A request or message that starts now, without an `Idempotency-Key`.
    pub fn new(context: &'a Context, now: Timestamp, action: Option<&'static str>) -> Self {
        Self { context, now, since: Instant::now(), action, fingerprint: None }
    }

    /// Its latency so far.
    fn latency_ms(&self) -> u64 {
        millis_since(self.since)
    }
}
