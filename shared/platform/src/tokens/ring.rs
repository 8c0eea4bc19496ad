//! Key rings: the key that signs, the one that will, and the one that did.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};

use super::claims::{Claims, TokenError};
use crate::ids;
use crate::secrets::Secret;

/// Longest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 4096;

/// A ring whose secret is not usable. The log has which.
#[derive(Debug, thiserror::Error)]
#[error("the key ring has no usable key `current`")]
pub struct RingError;

/// The keys of one kind of token.
pub struct Ring {
    keys: Vec<Key>,
}

struct Key {
    kid: String,
    signs: EncodingKey,
    verifies: DecodingKey,
}

impl Ring {
    /// The ring of access tokens.
    pub fn access(secret: &Secret) -> Result<Self, RingError> {
        Self::new(secret, "tally access token")
    }

    /// The ring of refresh tokens.
    pub fn refresh(secret: &Secret) -> Result<Self, RingError> {
        Self::new(secret, "tally refresh token")
    }

    /// Keys are derived from the secret's text for one purpose (HKDF-SHA-256, RFC 5869), so that the same text in
    /// both rings by mistake would still not make one kind of token pass for the other.
    fn new(secret: &Secret, purpose: &str) -> Result<Self, RingError> {
        let keys = ["current", "next", "previous"].into_iter().filter_map(|name| secret.get(name)).map(|text| Key::derive(text, purpose));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if secret.get("current").is_none() { Err(RingError) } else { Ok(Self { keys }) }
    }

    /// `kid` of the key that signs now.
    pub fn current_kid(&self) -> &str {
        self.keys.first().map_or("", |key| &key.kid)
    }

    /// Signs claims with the key `kid`: the same claims give the same token, byte for byte.
    pub fn sign<C: Claims>(&self, claims: &C, kid: &str) -> Result<String, TokenError> {
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or(TokenError)?;
        let header = Header { typ: Some(C::TYP.to_owned()), kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, claims, &key.signs).map_err(|_| TokenError)
    }

    /// Verifies a token in full: type, algorithm, key, signature, issuer, audience, kind and times (leeway 30 s).
    pub fn verify<C: Claims>(&self, token: &str, issuer: &str, now: Timestamp) -> Result<C, TokenError> {
        if token.len() > TOKEN_LIMIT {
            return Err(TokenError);
        }
        let header = decode_header(token).map_err(|_| TokenError)?;
        if header.alg != Algorithm::HS256 || header.typ.as_deref() != Some(C::TYP) {
            return Err(TokenError);
        }
        let key = self.keys.iter().find(|key| Some(&key.kid) == header.kid.as_ref()).ok_or(TokenError)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[C::AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // The library would read the machine's clock; ours can be set.
        validation.validate_exp = false;
        let claims = decode::<C>(token, &key.verifies, &validation).map_err(|_| TokenError)?.claims;
        if claims.is_current(now) { Ok(claims) } else { Err(TokenError) }
    }
}

impl Key {
    fn derive(text: &str, purpose: &str) -> Result<Self, RingError> {
        let mut bytes = [0; 32];
        let secret = Salt::new(HKDF_SHA256, b"").extract(text.as_bytes());
        secret.expand(&[purpose.as_bytes()], HKDF_SHA256).and_then(|key| key.fill(&mut bytes)).map_err(|_| RingError)?;
        Ok(Self {
            kid: ids::sha256(&URL_SAFE_NO_PAD.encode(bytes))[..16].to_owned(),
            signs: EncodingKey::from_secret(&bytes),
            verifies: DecodingKey::from_secret(&bytes),
        })
    }
}
