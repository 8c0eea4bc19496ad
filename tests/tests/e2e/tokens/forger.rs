//! Signs any input, as an attacker with a key could.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// One key of a ring. It is derived from its text as the contract says, without the code under
/// test.
#[derive(Clone)]
pub struct Forger {
    pub kid: String,
    pub key: [u8; 32],
    typ: &'static str,
}

impl Forger {
    /// The key of access tokens with this text.
    pub fn access(text: &Value) -> Self {
        Self::new(text, "tally access token", "at+jwt")
    }

    /// The key of refresh tokens with this text.
    pub fn refresh(text: &Value) -> Self {
        Self::new(text, "tally refresh token", "rt+jwt")
    }

    fn new(text: &Value, purpose: &str, typ: &'static str) -> Self {
        let mut key = [0; 32];
        let secret = Salt::new(HKDF_SHA256, b"").extract(text.as_str().unwrap().as_bytes());
        secret.expand(&[purpose.as_bytes()], HKDF_SHA256).unwrap().fill(&mut key).unwrap();
        let kid = encode(digest::digest(&digest::SHA256, encode(key).as_bytes()))[..16].to_owned();
        Self { kid, key, typ }
    }

    /// The header of a genuine token.
    pub fn header(&self) -> Value {
        json!({"typ": self.typ, "alg": "HS256", "kid": self.kid})
    }

    /// A token in the genuine form, with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(self.header().to_string(), claims.to_string())
    }

    /// Signs header and payload as they are, correctly.
    pub fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        signed(hmac::HMAC_SHA256, &self.key, header, payload)
    }
}

/// Signs header and payload as they are, with this key.
pub fn signed(
    algorithm: hmac::Algorithm,
    key: &[u8],
    header: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes());
    format!("{message}.{}", encode(signature))
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The content of a part of a token: 0 is the header, 1 the claims.
pub fn part(token: &str, part: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(part).unwrap()).unwrap())
        .unwrap()
}
