//! The provider's public keys (RFC 7517).
//!
//! The type of a key says which algorithms it may verify, so a token cannot choose. Entra's keys
//! have no `alg`. A key that cannot verify a token here is left out, and the others still count.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::client::FetchError;

/// Keys of one document at most.
const MOST: usize = 64;

/// Bytes of the modulus of an RSA key with 2048 bits. Shorter keys are left out.
const RSA_BYTES: usize = 256;

/// The algorithms that RSA keys verify.
const OF_RSA: &[Algorithm] = &[Algorithm::RS256, Algorithm::PS256];

/// The algorithm that keys on P-256 verify.
const OF_P256: &[Algorithm] = &[Algorithm::ES256];

/// Bytes of a coordinate of a key on P-256.
const P256_BYTES: usize = 32;

/// The keys of one document.
pub(crate) struct Keys(Vec<Key>);

/// A key that verifies tokens.
pub(crate) struct Key {
    kid: String,
    algorithms: Vec<Algorithm>,
    public: DecodingKey,
    /// The issuer of the tokens that Entra signs with it. It may have `{tenantid}` in it.
    pub issuer: Option<String>,
}

platform::opaque!(Keys, Key);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    issuer: Option<String>,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Deserialize)]
#[serde(tag = "kty")]
enum Numbers {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Curve { crv: String, x: String, y: String },
}

impl Keys {
    /// Reads a document. One without a key that verifies tokens is refused, so that it does not
    /// replace the keys from before.
    pub(super) fn parse(body: &[u8]) -> Result<Self, FetchError> {
        let document: Document = serde_json::from_slice(body)
            .map_err(|error| FetchError::Document(format!("it is no set of keys: {error}")))?;
        if document.keys.len() > MOST {
            return Err(FetchError::Document(format!("it has more than {MOST} keys")));
        }
        let keys: Vec<_> = document.keys.into_iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(FetchError::Document("it has no key that verifies tokens".to_owned()));
        }
        Ok(Self(keys))
    }

    /// The keys that have this name. There may be several.
    pub fn of(&self, kid: &str) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| key.kid == kid)
    }

    /// Whether a key has this name.
    pub fn has(&self, kid: &str) -> bool {
        self.of(kid).next().is_some()
    }
}

impl Key {
    /// A key of the document, if it verifies tokens here.
    fn read(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        if jwk.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (public, algorithms) = match &jwk.numbers {
            Numbers::Rsa { n, e } => (rsa(n, e)?, OF_RSA),
            Numbers::Curve { crv, x, y } if crv == "P-256" => (p256(x, y)?, OF_P256),
            Numbers::Curve { .. } => return None,
        };
        let own = jwk.alg.map(|alg| alg.parse::<Algorithm>()).transpose().ok()?;
        let algorithms: Vec<_> = algorithms
            .iter()
            .copied()
            .filter(|algorithm| own.is_none_or(|own| own == *algorithm))
            .collect();
        let key = Self { kid: jwk.kid, algorithms, public, issuer: jwk.issuer };
        (!key.algorithms.is_empty()).then_some(key)
    }

    /// Whether this is the signature of `signed` by this key.
    pub fn verifies(&self, algorithm: Algorithm, signature: &str, signed: &str) -> bool {
        self.algorithms.contains(&algorithm)
            && crypto::verify(signature, signed.as_bytes(), &self.public, algorithm)
                .is_ok_and(|is_right| is_right)
    }
}

fn rsa(n: &str, e: &str) -> Option<DecodingKey> {
    let (n, e) = (number(n)?, number(e)?);
    // The first byte is not zero. The highest bit of 256 bytes decides whether they are 2048 bits.
    let is_long = n.len() > RSA_BYTES || (n.len() == RSA_BYTES && n[0] >= 0x80);
    is_long.then(|| DecodingKey::from_rsa_raw_components(&n, &e))
}

fn p256(x: &str, y: &str) -> Option<DecodingKey> {
    let coordinate = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == P256_BYTES).then_some(bytes)
    };
    // An uncompressed point (SEC 1, section 2.3.3).
    let point = [vec![4_u8], coordinate(x)?, coordinate(y)?].concat();
    Some(DecodingKey::from_ec_der(&point))
}

/// The bytes of a positive number, without zeros in front.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples::{CURVE, FIRST, SECOND, patched};

    fn keys(of: &[Value]) -> Result<Keys, FetchError> {
        Keys::parse(json!({"keys": of}).to_string().as_bytes())
    }

    /// Whether the one key of a document verifies a text signed by this algorithm.
    fn verifies(jwk: &Value, alg: &str) -> bool {
        let signer = if alg == "ES256" { &CURVE } else { &FIRST };
        let signature = signer.sign(alg, "text");
        let algorithm: Algorithm = alg.parse().unwrap();
        keys(std::slice::from_ref(jwk)).is_ok_and(|keys| {
            keys.of("a").any(|key| {
                key.verifies(algorithm, &signature, "text")
                    && !key.verifies(algorithm, &signature, "texts")
            })
        })
    }

    #[test]
    fn the_type_of_a_key_says_which_algorithms_it_verifies() {
        let (rsa, curve) = (FIRST.jwk("a"), CURVE.jwk("a"));
        for (jwk, patch, verified) in [
            (&rsa, json!({}), &["RS256", "PS256"][..]),
            (&rsa, json!({"use": "sig", "alg": "RS256"}), &["RS256"]),
            (&rsa, json!({"alg": "PS256"}), &["PS256"]),
            (&rsa, json!({"alg": "RS512"}), &[]),
            (&rsa, json!({"alg": "RSA-OAEP"}), &[]),
            (&rsa, json!({"alg": "HS256"}), &[]),
            (&rsa, json!({"alg": "ES256"}), &[]),
            (&rsa, json!({"use": "enc"}), &[]),
            (&rsa, json!({"kid": null}), &[]),
            (&rsa, json!({"kid": "b"}), &[]),
            (&rsa, json!({"kty": "oct", "k": "AAAA"}), &[]),
            (&rsa, json!({"kty": "rsa"}), &[]),
            (&rsa, json!({"n": "AAAA"}), &[]),
            (&rsa, json!({"n": ""}), &[]),
            (&rsa, json!({"n": URL_SAFE_NO_PAD.encode([0xff_u8; 128])}), &[]),
            (&rsa, json!({"e": "AA"}), &[]),
            (&rsa, json!({"e": null}), &[]),
            (&rsa, json!({"e": "AAEAAQ"}), &["RS256", "PS256"]),
            (&curve, json!({}), &["ES256"]),
            (&curve, json!({"alg": "ES256", "use": "sig"}), &["ES256"]),
            (&curve, json!({"alg": "ES384"}), &[]),
            (&curve, json!({"crv": "P-384"}), &[]),
            (&curve, json!({"crv": "secp256k1"}), &[]),
            (&curve, json!({"x": "AAAA"}), &[]),
            (&curve, json!({"x": URL_SAFE_NO_PAD.encode([1_u8; 32])}), &[]),
        ] {
            let jwk = patched(jwk, &patch);
            for alg in ["RS256", "PS256", "ES256"] {
                assert_eq!(verifies(&jwk, alg), verified.contains(&alg), "{alg} {patch}");
            }
        }
    }

    #[test]
    fn a_short_rsa_key_is_left_out() {
        let jwk = |n: &[u8]| {
            let n = URL_SAFE_NO_PAD.encode(n);
            json!({"kid": "a", "kty": "RSA", "n": n, "e": "AQAB"})
        };
        for (n, is_long) in [
            (vec![0x80_u8; 256], true),
            (vec![0x7f; 256], false),
            (vec![0xff; 255], false),
            (vec![0x01; 257], true),
            ([vec![0_u8], vec![0xff; 255]].concat(), false),
            ([vec![0_u8], vec![0xff; 256]].concat(), true),
        ] {
            assert_eq!(keys(&[jwk(&n)]).is_ok(), is_long, "{} bytes", n.len());
        }
    }

    #[test]
    fn all_keys_of_one_name_are_tried_and_others_are_not() {
        let keys = keys(&[SECOND.jwk("a"), json!(7), FIRST.jwk("a"), SECOND.jwk("b")]).unwrap();
        let signature = FIRST.sign("RS256", "text");
        let verify = |key: &&Key| key.verifies(Algorithm::RS256, &signature, "text");
        for (kid, named, verified) in [("a", 2, 1), ("b", 1, 0), ("c", 0, 0)] {
            assert_eq!(keys.of(kid).count(), named, "{kid}");
            assert_eq!(keys.of(kid).filter(verify).count(), verified, "{kid}");
        }
        assert!(keys.has("a") && !keys.has("c") && !keys.has(""));
    }

    #[test]
    fn a_document_has_at_most_64_keys_and_one_that_verifies() {
        let many = |count: usize| vec![FIRST.jwk("a"); count];
        assert!(keys(&many(64)).is_ok());
        assert!(keys(&many(65)).is_err());
        assert!(keys(&[]).is_err());
        assert!(keys(&[json!({"kid": "a", "kty": "oct", "k": "AAAA"})]).is_err());
        for text in ["", "{}", "[]", r#"{"keys": {}}"#, "<html>"] {
            assert!(Keys::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
