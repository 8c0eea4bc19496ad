//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again creates nothing again.
//!
//! What a request came to is remembered in the transaction that creates its resource, so a function that dies leaves either
//! both or neither. Of two requests at once with one key the second to commit does nothing and is answered 409.

use jiff::Timestamp;

use crate::config::ConfigError;
use crate::http::Call;
use crate::identity::Principal;
use crate::platform::Platform;
use crate::problem::Problem;
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
    id: String,
    body: String,
}

impl Repeats {
    /// Uses the secret and the table that `SEAL_SECRET_ARN` and `IDEMPOTENCY_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { seal: Seal::new(platform)?, remembered: Remembered::new(platform.database()?, &platform.config)? })
    }

    /// The claim of a request that has the header. It belongs to its caller, or where nobody is signed in to an address.
    pub async fn claim(&self, call: &Call, caller: Option<&Principal>) -> Result<Option<Claim>, Problem> {
        let Some(value) = call.headers.get("idempotency-key") else { return Ok(None) };
        let key = value
            .to_str()
            .ok()
            .filter(|key| is_key(key))
            .ok_or_else(|| Problem::malformed_request("The header Idempotency-Key must be 1 to 128 printable ASCII characters."))?;
        let caller = caller.map_or(call.context.address.as_str(), |caller| caller.user_id.as_str());
        let id = self.seal.fingerprint("idempotency key", &format!("{caller}\n{}\n{key}", call.route_key)).await?;
        let body = self.seal.fingerprint("idempotent body", &String::from_utf8_lossy(call.body())).await?;
        Ok(Some(Claim { id, body }))
    }

    /// What an earlier request with this claim came to.
    pub async fn earlier(&self, claim: &Claim, now: Timestamp) -> Result<Option<Record>, Problem> {
        match self.remembered.get(&claim.id, now).await? {
            Some(record) if record.body != claim.body => Err(Problem::idempotency_key_reused()),
            found => Ok(found),
        }
    }

    /// Remembers what a request came to.
    pub fn remember(&self, claim: &Claim, status: u16, resource: String, now: Timestamp) -> Result<Write, StoreError> {
        let expires_at = now.as_second() + REMEMBERED_SECONDS;
        self.remembered.remember(&Record { claim: claim.id.clone(), body: claim.body.clone(), status, resource, expires_at }, now)
    }
}

fn is_key(key: &str) -> bool {
    (1..=128).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::is_key;

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
            assert_eq!(is_key(key), expected, "{key}");
        }
    }
}
