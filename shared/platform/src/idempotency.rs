//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again creates nothing again.
//!
//! What a request came to is remembered in the transaction that creates its resource, so a function that dies leaves either
//! both or neither. Of two requests at once with one key the second to commit does nothing and is answered 409.
//!
//! What has failed later for a passing reason is tried again under the same key: then the record of the new attempt takes the place
//! of that one, and of no other.

use std::str::FromStr;

use jiff::Timestamp;

use crate::config::ConfigError;
use crate::domain::Fingerprint;
use crate::identity::Principal;
use crate::input::{Field, Raw};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::request::Call;
use crate::seal::Seal;
use crate::store::{Record, Remembered, StoreError, Write};

/// Seconds for which a request is remembered.
const REMEMBERED_SECONDS: i64 = 86_400;

/// Recognises requests that are sent again.
#[derive(Debug, Clone)]
pub struct Repeats {
    seal: Seal,
    remembered: Remembered,
}

/// One request with its key, by HMACs: neither the key nor the body is kept.
#[derive(Debug, Clone)]
pub struct Claim {
    id: Fingerprint,
    body: Fingerprint,
    /// What an earlier request with it created.
    earlier: Option<String>,
}

impl Repeats {
    /// Uses the secret and the table that `SEAL_SECRET_ARN` and `IDEMPOTENCY_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { seal: Seal::new(platform)?, remembered: Remembered::new(platform.database()?, &platform.config)? })
    }

    /// The claim of a request that has the header. It belongs to its caller, or where nobody is signed in to an address.
    pub async fn claim(&self, call: &Call, caller: Option<&Principal>) -> Result<Option<Claim>, Problem> {
        let Some(value) = call.headers.get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().and_then(|key| key.parse().ok());
        let key =
            key.ok_or_else(|| Problem::malformed_request("The header Idempotency-Key must be 1 to 128 printable ASCII characters."))?;
        let caller = caller.map_or(call.context.address.as_str(), |caller| caller.user_id.as_str());
        self.claim_of(caller, &call.route_key, &key, &String::from_utf8_lossy(call.body())).await.map(Some)
    }

    /// The claim of a caller's request to a route or an action, with what it says.
    pub async fn claim_of(&self, caller: &str, route: &str, key: &IdempotencyKey, body: &str) -> Result<Claim, Problem> {
        let id = self.seal.fingerprint("idempotency key", &format!("{caller}\n{route}\n{}", key.0)).await?;
        let body = self.seal.fingerprint("idempotent body", body).await?;
        Ok(Claim { id, body, earlier: None })
    }

    /// The claim with what an earlier request with it came to.
    pub async fn recognise(&self, mut claim: Claim, now: Timestamp) -> Result<(Option<Claim>, Option<Record>), Problem> {
        let found = self.remembered.get(claim.id.as_str(), now).await?;
        if found.as_ref().is_some_and(|record| record.body != claim.body.as_str()) {
            return Err(Problem::idempotency_key_reused());
        }
        claim.earlier = found.as_ref().map(|record| record.resource.clone());
        Ok((Some(claim), found))
    }

    /// Remembers what a request came to.
    pub fn remember(&self, claim: &Claim, status: u16, resource: String, now: Timestamp) -> Result<Write, StoreError> {
        let expires_at = now.as_second() + REMEMBERED_SECONDS;
        let record = Record { claim: claim.id.as_str().to_owned(), body: claim.body.as_str().to_owned(), status, resource, expires_at };
        self.remembered.remember(&record, claim.earlier.as_deref(), now)
    }
}

/// A client's key: 1 to 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl FromStr for IdempotencyKey {
    type Err = &'static str;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let is_good = (1..=128).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b));
        is_good.then(|| Self(key.to_owned())).ok_or("must be 1 to 128 printable ASCII characters")
    }
}

impl Field for IdempotencyKey {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
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
