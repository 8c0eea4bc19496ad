//! A token of the provider as it arrives: a JWT (RFC 7519) in JWS compact serialization (RFC 7515),
//! which is not trusted yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use platform::input::json_value;
use serde_json::{Map, Value};

use crate::claims::Claims;
use crate::provider::Keys;

/// Longest token that is read, in bytes.
const TOKEN_LIMIT: usize = 16 * 1024;

/// A token by its shape. Only its header is read, to find the key that it claims.
pub(crate) struct Unverified<'t> {
    /// The name of the key.
    pub kid: String,
    algorithm: Algorithm,
    /// Header and payload.
    signed: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Unverified<'t> {
    /// Splits a token into its parts, if it has one of these algorithms and names its key. A header
    /// with `crit` is refused, because no extension is known here.
    pub fn parse(token: &'t str, algorithms: &[Algorithm]) -> Option<Self> {
        if token.len() > TOKEN_LIMIT {
            return None;
        }
        // A further dot would be in a part that is decoded, and it is not base64.
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header = members(header)?;
        let algorithm: Algorithm = header.get("alg")?.as_str()?.parse().ok()?;
        let kid = header.get("kid")?.as_str()?.to_owned();
        let is_plain = algorithms.contains(&algorithm) && !header.contains_key("crit");
        is_plain.then_some(Self { kid, algorithm, signed, payload, signature })
    }

    /// The claims, if a key of the token's name verifies it. All keys of this name are tried,
    /// because a provider may list one key for several issuers.
    pub fn claims(&self, keys: &Keys, now: Timestamp) -> Option<Claims> {
        let verifying = keys
            .of(&self.kid)
            .filter(|key| key.verifies(self.algorithm, self.signature, self.signed));
        let issuers: Vec<_> = verifying.map(|key| key.issuer.clone()).collect();
        if issuers.is_empty() {
            return None;
        }
        Some(Claims::new(members(self.payload)?, issuers, now))
    }
}

/// The members of the JSON object in a part. A name may come only once.
fn members(part: &str) -> Option<Map<String, Value>> {
    match json_value(&URL_SAFE_NO_PAD.decode(part).ok()?) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}
