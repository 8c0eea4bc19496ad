//! The keys that sign tokens. They sign any input, also wrong ones.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use platform::ids;
use serde_json::{Value, json};

/// A key pair and its name.
pub(super) struct SigningKey {
    pub kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// The key that every provider of this process begins with, because a new one takes long.
    pub fn first() -> Arc<Self> {
        static FIRST: OnceLock<Arc<SigningKey>> = OnceLock::new();
        Arc::clone(FIRST.get_or_init(|| Arc::new(Self::rsa())))
    }

    /// A new RSA key of 2048 bits.
    pub fn rsa() -> Self {
        Self::named(Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    /// A new key on the curve P-256.
    pub fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::named(Pair::P256(pair))
    }

    fn named(pair: Pair) -> Self {
        let kid = ids::sha256_of(public_key(&pair))[..27].to_owned();
        Self { kid, pair }
    }

    /// The algorithm of its tokens.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
        }
    }

    /// A token with this header and payload as they are, signed by this algorithm. `none` gives an
    /// empty signature. HS256 takes the public key in PEM for a secret, as an attacker would. For
    /// algorithms that the key does not have it signs by its own.
    pub fn jwt(&self, algorithm: &str, header: &str, payload: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match (algorithm, &self.pair) {
            ("none", _) => Vec::new(),
            ("HS256", _) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.public_pem().as_bytes());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            (_, Pair::P256(pair)) => {
                pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            (_, Pair::Rsa(pair)) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// The public key as a JWK (RFC 7517), without `alg`.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Rsa(pair) => {
                let (modulus, exponent) =
                    (pair.public_key().modulus(), pair.public_key().exponent());
                json!({
                    "kty": "RSA", "use": "sig", "kid": self.kid,
                    "n": text(modulus.big_endian_without_leading_zero()),
                    "e": text(exponent.big_endian_without_leading_zero()),
                })
            }
            Pair::P256(pair) => {
                // SEC 1: the byte 4, then the two coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid,
                    "x": text(x), "y": text(y),
                })
            }
        }
    }

    /// The private key in PEM (PKCS #8), for scripts that sign by themselves.
    pub fn private_pem(&self) -> String {
        let der = match &self.pair {
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der = pair.as_der().unwrap();
                der.as_ref().to_vec()
            }
            Pair::P256(pair) => pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
        };
        pem("PRIVATE KEY", &der)
    }

    /// The public key in PEM.
    fn public_pem(&self) -> String {
        let der: PublicKeyX509Der = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap(),
            Pair::P256(pair) => pair.public_key().as_der().unwrap(),
        };
        pem("PUBLIC KEY", der.as_ref())
    }
}

fn public_key(pair: &Pair) -> &[u8] {
    match pair {
        Pair::Rsa(pair) => pair.public_key().as_ref(),
        Pair::P256(pair) => pair.public_key().as_ref(),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    // Base64 is ASCII, so each chunk is text.
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
