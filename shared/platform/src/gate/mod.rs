//! The steps that requests and messages share: authentication, authorisation, rate limits, and the
//! commit with its event.
//!
//! - A request of a protected route passes an [`Authenticator`], a [`RateLimiter`] and a
//!   [`Committer`].
//! - A request of a public route, a WebSocket message and `$connect` pass a [`RateLimiter`] and a
//!   [`Committer`].
//! - A worker commits its plans by a [`Committer`].

mod authenticated;
mod authenticator;
mod committer;
mod counted;
mod counts;
mod denials;
mod login_attempt;
mod rate_limiter;

pub use authenticated::Authenticated;
pub use authenticator::{Authenticator, bearer};
pub(crate) use committer::run_steps;
pub use committer::{Committed, Committer, Repetition};
pub use rate_limiter::{Admitted, RateLimiter, Refused};

use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::millis_since;
use crate::context::Context;
use crate::database::Write;
use crate::idempotency::RequestFingerprint;
use crate::problem::Problem;

/// What the audit event of a request, a message or the work of a worker needs to know of it.
pub struct RequestInfo<'a> {
    /// Where it came from.
    pub context: &'a Context,
    /// When it arrived.
    pub now: Timestamp,
    /// Start of its latency.
    pub since: Instant,
    /// Audit action of its route.
    pub action: Option<&'static str>,
    /// Fingerprint of its `Idempotency-Key` and body, under which its resource is remembered.
    pub fingerprint: Option<RequestFingerprint>,
    /// What every attempt at the plan adds to it.
    pub always: Always,
}

/// What every attempt at a plan adds to it, also if another request changed an item first and the
/// plan is made anew.
#[derive(Debug, Default)]
pub struct Always {
    /// Writes that every plan without a refusal has, each with the problem for its failed
    /// condition. They stand before the plan's own, so their refusal wins.
    pub writes: Vec<(Write, Problem)>,
    /// Details of the event.
    pub details: Vec<(&'static str, Value)>,
}

impl<'a> RequestInfo<'a> {
    /// A request or message that starts now, without an `Idempotency-Key`.
    pub fn new(context: &'a Context, now: Timestamp, action: Option<&'static str>) -> Self {
        Self {
            context,
            now,
            since: Instant::now(),
            action,
            fingerprint: None,
            always: Always::default(),
        }
    }

    /// Its latency so far.
    fn latency_ms(&self) -> u64 {
        millis_since(self.since)
    }
}
