//! Rate limits: named policies, sliding windows, and the headers that tell a client where it
//! stands.

mod lockout;
mod policy;
mod window;

pub use policy::{Limits, OnStoreFailure, Policy, Quota, Subject};
pub use window::{LimitStatus, bucket_of, buckets_to_keep, status, used};

use http::{HeaderName, HeaderValue};

use crate::domain::Fingerprint;

/// The statuses of a caller with every policy that applied to it.
#[derive(Debug, Default)]
pub struct LimitStatuses(pub Vec<(&'static str, Quota, LimitStatus)>);

impl LimitStatuses {
    /// Replaces the caller's status with a policy.
    pub fn replace(&mut self, policy: &Policy, status: LimitStatus) {
        for (_, _, stood) in self.0.iter_mut().filter(|(name, ..)| *name == policy.name) {
            *stood = status;
        }
    }

    /// The IETF fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers),
    /// if any policy applied.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let policy = self.0.iter().map(|(name, quota, _)| {
            format!("\"{name}\";q={};w={}", quota.limit, quota.window_seconds)
        });
        let limit = self.0.iter().map(|(name, _, status)| {
            format!("\"{name}\";r={};t={}", status.remaining, status.reset_seconds)
        });
        [("ratelimit-policy", policy.collect::<Vec<_>>()), ("ratelimit", limit.collect())]
            .into_iter()
            .filter_map(|(name, items)| {
                Some((
                    HeaderName::from_static(name),
                    HeaderValue::from_str(&items.join(", ")).ok()?,
                ))
            })
            .collect()
    }
}

/// The subject of a limit that only the endpoint can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A person by their identifier: the one whose password is tried, or the recipient of a mail.
    Named(Fingerprint),
    /// The session whose refresh token is spent, by its id.
    Session(String),
    /// The person of an identity provider, by the fingerprint of their identity.
    SsoIdentity(String),
}

impl Key {
    /// The text under which the counters know it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(fingerprint) => fingerprint.as_str(),
            Self::Session(id) | Self::SsoIdentity(id) => id,
        }
    }
}

/// The subject for which attempts to sign in are counted: an identifier from an address.
pub fn attempt_subject(address: &str, identifier: &Fingerprint) -> String {
    format!("{address} {}", identifier.as_str())
}
