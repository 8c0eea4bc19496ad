//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again
//! creates nothing again.
//!
//! The transaction that creates a resource also writes the record of its request. So a function
//! that dies leaves either both or neither. Of two concurrent requests with the same key, the
//! second to commit writes nothing. It is answered 409.
//!
//! If the resource failed later for a temporary reason, a repeated request tries again under the
//! same key. The record of the new attempt then replaces the record of the failed one, and no
//! other.

use std::str::FromStr;

use jiff::Timestamp;

use crate::config::ConfigError;
use crate::database::{StoreError, Write};
use crate::domain::Fingerprint;
use crate::fingerprinter::Fingerprinter;
use crate::identity::Principal;
use crate::input::{FromField, RawValue};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::request::HttpCall;
use crate::store::{Record, Remembered};

/// Seconds for which a request is remembered.
const REMEMBERED_SECONDS: i64 = 86_400;

/// Recognises requests that are sent again.
#[derive(Debug, Clone)]
pub struct Repeats {
    fingerprinter: Fingerprinter,
    remembered: Remembered,
}

/// HMACs of one request's key and body. Neither the key nor the body is stored.
#[derive(Debug, Clone)]
pub struct RequestFingerprint {
    id: Fingerprint,
    body: Fingerprint,
    /// Id of the resource that an earlier request with this fingerprint created.
    earlier: Option<String>,
}

impl Repeats {
    /// Uses the secret and the table that `SEAL_SECRET_ARN` and `IDEMPOTENCY_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            fingerprinter: Fingerprinter::new(platform)?,
            remembered: Remembered::new(platform)?,
        })
    }

    /// The fingerprint of a request that has the header. It belongs to the caller, or without a
    /// signed-in caller to the client's address.
    pub async fn fingerprint(
        &self,
        call: &HttpCall,
        caller: Option<&Principal>,
    ) -> Result<Option<RequestFingerprint>, Problem> {
        let Some(value) = call.headers.get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().and_then(|key| key.parse().ok());
        let key = key.ok_or_else(|| {
            Problem::malformed_request(
                "The header Idempotency-Key must be 1 to 128 printable ASCII characters.",
            )
        })?;
        let caller = caller.map_or(call.context.address.as_str(), |caller| caller.user_id.as_str());
        self.fingerprint_of(caller, &call.route_key, &key, &String::from_utf8_lossy(call.body()))
            .await
            .map(Some)
    }

    /// The fingerprint of a caller's request to a route or an action, with this content.
    pub async fn fingerprint_of(
        &self,
        caller: &str,
        route: &str,
        key: &IdempotencyKey,
        body: &str,
    ) -> Result<RequestFingerprint, Problem> {
        let id = self
            .fingerprinter
            .fingerprint("idempotency key", &format!("{caller}\n{route}\n{}", key.0))
            .await?;
        let body = self.fingerprinter.fingerprint("idempotent body", body).await?;
        Ok(RequestFingerprint { id, body, earlier: None })
    }

    /// The fingerprint, and the result of an earlier request with it. If that request had another
    /// body, this one is refused with 422.
    pub async fn recognise(
        &self,
        mut fingerprint: RequestFingerprint,
        now: Timestamp,
    ) -> Result<(Option<RequestFingerprint>, Option<Record>), Problem> {
        let found = self.remembered.get(fingerprint.id.as_str(), now).await?;
        if found.as_ref().is_some_and(|record| record.body != fingerprint.body.as_str()) {
            return Err(Problem::idempotency_key_reused());
        }
        fingerprint.earlier = found.as_ref().map(|record| record.resource.clone());
        Ok((Some(fingerprint), found))
    }

    /// The write that remembers the result of a request.
    pub fn remember(
        &self,
        fingerprint: &RequestFingerprint,
        status: u16,
        resource: String,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let expires_at = now.as_second() + REMEMBERED_SECONDS;
        let record = Record {
            fingerprint: fingerprint.id.as_str().to_owned(),
            body: fingerprint.body.as_str().to_owned(),
            status,
            resource,
            expires_at,
        };
        self.remembered.remember(&record, fingerprint.earlier.as_deref(), now)
    }
}

/// A client's key: 1 to 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl FromStr for IdempotencyKey {
    type Err = &'static str;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let is_good =
            (1..=128).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b));
        is_good.then(|| Self(key.to_owned())).ok_or("must be 1 to 128 printable ASCII characters")
    }
}

impl FromField for IdempotencyKey {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::IdempotencyKey;

    #[test]
    fn a_key_is_short_and_printable() {
        for (key, expected) in [
            ("a", true),
            ("\"8e03978e\"", true),
            (&"x".repeat(128), true),
            ("", false),
            (&"x".repeat(129), false),
            ("a\tb", false),
            ("é", false),
        ] {
            assert_eq!(key.parse::<IdempotencyKey>().is_ok(), expected, "{key}");
        }
    }
}
