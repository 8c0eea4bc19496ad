//! The table of handoffs: sign-ins in a browser that wait for their page to take them.
//!
//! Key: `code_hash`, the SHA-256 of the code that the page gets. The function that makes an item
//! knows the provider's credential and no account. The function that takes it away knows accounts
//! and no credential.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use platform::database::{Database, Expression, StoreError, Write, item, key};
use platform::{ConfigError, Platform, ids};
use serde::{Deserialize, Serialize};

use crate::Verified;

/// Seconds for which a code is valid.
const VALID_SECONDS: i64 = 60;

/// The handoffs' table.
#[derive(Debug, Clone)]
pub struct Handoffs {
    database: Database,
    table: String,
}

/// A verified sign-in that waits.
#[derive(Clone, Serialize, Deserialize)]
pub struct Handoff {
    code_hash: String,
    /// The sign-in.
    pub verified: Verified,
    /// The challenge of the page that began it (PKCE, RFC 7636, method S256).
    challenge: String,
    /// Seconds since 1970. Also its time to live.
    expires_at: i64,
}

platform::opaque!(Handoff);

impl Handoff {
    /// A handoff, and the code that takes it.
    pub fn new(verified: Verified, challenge: String, now: Timestamp) -> (Self, String) {
        let code = ids::new_secret::<32>();
        let expires_at = now.as_second() + VALID_SECONDS;
        let handoff = Self { code_hash: ids::sha256(&code), verified, challenge, expires_at };
        (handoff, code)
    }

    /// Whether a page that knows this verifier began the sign-in, and it has not expired.
    fn is_for(&self, verifier: &str, now: Timestamp) -> bool {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        ids::same(&challenge, &self.challenge) && now.as_second() < self.expires_at
    }
}

impl Handoffs {
    /// Uses the table that `SSO_HANDOFFS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("SSO_HANDOFFS_TABLE")?.to_owned(),
        })
    }

    /// A new handoff.
    pub fn create(&self, handoff: &Handoff) -> Result<Write, StoreError> {
        let is_new = "attribute_not_exists(code_hash)";
        Ok(Write::put(&self.table, item(handoff)?, is_new, &Expression::default()))
    }

    /// The handoff of a code, for the page that began the sign-in.
    pub async fn find(
        &self,
        code: &str,
        verifier: &str,
        now: Timestamp,
    ) -> Result<Option<Handoff>, StoreError> {
        let key = key("code_hash", &ids::sha256(code));
        let found: Option<Handoff> = self.database.get(&self.table, key, true).await?;
        Ok(found.filter(|handoff| handoff.is_for(verifier, now)))
    }

    /// Takes a handoff away, once. The condition fails where another request has taken it.
    pub fn take(&self, handoff: &Handoff) -> Write {
        let key = key("code_hash", &handoff.code_hash);
        let is_there = "attribute_exists(code_hash)";
        Write::delete_if(&self.table, key, is_there, &Expression::default())
    }
}
