//! Key rings: the current signing key, the next one and the previous one.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto, encode};
use serde::{Deserialize, Serialize};

use super::unverified::Unverified;
use crate::domain::{Claims, TokenError};
use crate::ids;
use crate::secrets::Secret;

/// The secret of a ring is not usable. The log says which one.
#[derive(Debug, thiserror::Error)]
#[error("the key ring has no usable key `current`")]
pub struct RingError;

/// The kind of tokens that a ring is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RingKind {
    /// Access tokens.
    Access,
    /// Refresh tokens.
    Refresh,
}

/// The keys of one kind of token.
pub struct Ring {
    /// `current`, then `next` and `previous` if they exist.
    keys: Vec<Key>,
}

struct Key {
    kid: String,
    signs: EncodingKey,
    verifies: DecodingKey,
}

impl RingKind {
    /// The setting with the ARN of its secret.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Access => "ACCESS_RING_ARN",
            Self::Refresh => "REFRESH_RING_ARN",
        }
    }

    /// The purpose that its keys are derived for.
    fn purpose(self) -> &'static [u8] {
        match self {
            Self::Access => b"tally access token",
            Self::Refresh => b"tally refresh token",
        }
    }
}

impl Ring {
    /// Derives the keys from the secret's texts for one kind of token (HKDF-SHA-256, RFC 5869). So
    /// even if both rings have the same text by mistake, a token of one kind does not pass for the
    /// other.
    pub fn derive(kind: RingKind, secret: &Secret) -> Result<Self, RingError> {
        let texts = [
            Some(secret.get("current").ok_or(RingError)?),
            secret.get("next"),
            secret.get("previous"),
        ];
        Ok(Self {
            keys: texts
                .into_iter()
                .flatten()
                .map(|text| Key::derive(kind, text))
                .collect::<Result<_, _>>()?,
        })
    }

    /// `kid` of the key that signs now.
    pub fn current_kid(&self) -> &str {
        self.kids().next().unwrap_or_default()
    }

    /// `kid` of every key, the current one first. They are no secrets: each token names its own.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.kid.as_str())
    }

    /// Signs claims with the key `kid`: the same claims give the same token, byte for byte.
    pub fn sign<C: Claims>(&self, claims: &C, kid: &str) -> Result<String, TokenError> {
        let header = Header {
            typ: Some(C::TYP.to_owned()),
            kid: Some(kid.to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        encode(&header, claims, &self.key(kid)?.signs).map_err(|_| TokenError)
    }

    /// Verifies the rest of a token after its header: key, signature, then the claims with their
    /// times (leeway 30 s).
    pub fn verify<C: Claims>(
        &self,
        token: &Unverified<'_, C>,
        issuer: &str,
        now: Timestamp,
    ) -> Result<C, TokenError> {
        let key = self.key(&token.kid)?;
        match crypto::verify(
            token.signature,
            token.signed.as_bytes(),
            &key.verifies,
            Algorithm::HS256,
        ) {
            Ok(true) => token.claims().and_then(|claims| {
                if claims.hold(issuer, now) { Ok(claims) } else { Err(TokenError) }
            }),
            _ => Err(TokenError),
        }
    }

    fn key(&self, kid: &str) -> Result<&Key, TokenError> {
        self.keys.iter().find(|key| key.kid == kid).ok_or(TokenError)
    }
}

impl Key {
    fn derive(kind: RingKind, text: &str) -> Result<Self, RingError> {
        let mut bytes = [0; 32];
        let secret = Salt::new(HKDF_SHA256, b"").extract(text.as_bytes());
        secret
            .expand(&[kind.purpose()], HKDF_SHA256)
            .and_then(|key| key.fill(&mut bytes))
            .map_err(|_| RingError)?;
        Ok(Self {
            kid: ids::sha256(&URL_SAFE_NO_PAD.encode(bytes))[..16].to_owned(),
            signs: EncodingKey::from_secret(&bytes).map_err(|_| RingError)?,
            verifies: DecodingKey::from_secret(&bytes).map_err(|_| RingError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{AccessClaims, RefreshClaims};

    const IAT: i64 = 1_800_000_000;
    const EXP: i64 = IAT + 900;

    fn ring(kind: RingKind, members: &[(&str, &str)]) -> Result<Ring, RingError> {
        let members: serde_json::Map<_, _> = members
            .iter()
            .map(|(name, letter)| ((*name).to_owned(), letter.repeat(64).into()))
            .collect();
        Ring::derive(kind, &serde_json::from_value(members.into()).unwrap())
    }

    fn access_claims() -> AccessClaims {
        let claims = json!({
            "iss": "tally", "aud": "tally-api", "sub": "u", "username": "anna", "roles": ["user"],
            "sid": "s", "jti": "j",
            "iat": IAT, "exp": EXP, "type": "access",
        });
        serde_json::from_value(claims).unwrap()
    }

    fn verify<C: Claims>(ring: &Ring, token: &str, second: i64) -> Result<C, TokenError> {
        Unverified::parse(token)
            .and_then(|token| ring.verify(&token, "tally", Timestamp::from_second(second).unwrap()))
    }

    #[test]
    fn a_token_is_good_from_when_it_was_issued_until_it_expires_give_or_take_the_leeway() {
        let ring = ring(RingKind::Access, &[("current", "a")]).unwrap();
        let token = ring.sign(&access_claims(), ring.current_kid()).unwrap();
        for (second, is_good) in [
            (IAT - 31, false),
            (IAT - 30, true),
            (IAT, true),
            (EXP, true),
            (EXP + 29, true),
            (EXP + 30, false),
            (EXP + 31, false),
        ] {
            assert_eq!(
                verify::<AccessClaims>(&ring, &token, second).is_ok(),
                is_good,
                "{}",
                second - IAT
            );
        }
        let far = AccessClaims { iat: i64::MIN, exp: i64::MAX, ..access_claims() };
        let token = ring.sign(&far, ring.current_kid()).unwrap();
        assert_eq!(verify(&ring, &token, IAT), Ok(far));
    }

    #[test]
    fn a_ring_verifies_by_each_of_its_keys_before_and_after_a_shift() {
        let before =
            ring(RingKind::Access, &[("previous", "a"), ("current", "b"), ("next", "c")]).unwrap();
        let after =
            ring(RingKind::Access, &[("previous", "b"), ("current", "c"), ("next", "d")]).unwrap();
        for kid in before.kids() {
            let token = before.sign(&access_claims(), kid).unwrap();
            assert_eq!(token, before.sign(&access_claims(), kid).unwrap());
            assert_eq!(verify(&before, &token, IAT), Ok(access_claims()));
            let is_known = after.kids().any(|known| known == kid);
            assert_eq!(verify::<AccessClaims>(&after, &token, IAT).is_ok(), is_known);
        }
        let unpublished = after.kids().nth(1).unwrap();
        assert_eq!(before.sign(&access_claims(), unpublished), Err(TokenError));
        assert_eq!(
            after.current_kid(),
            before.kids().nth(1).unwrap(),
            "the first is the one that signs, then the next"
        );
    }

    #[test]
    fn one_text_makes_two_keys_for_two_kinds_of_token() {
        let (access, refresh) = (
            ring(RingKind::Access, &[("current", "a")]).unwrap(),
            ring(RingKind::Refresh, &[("current", "a")]).unwrap(),
        );
        assert_ne!(access.current_kid(), refresh.current_kid());
        let token = access.sign(&access_claims(), access.current_kid()).unwrap();
        assert_eq!(verify::<AccessClaims>(&refresh, &token, IAT), Err(TokenError));
        assert_eq!(verify::<RefreshClaims>(&access, &token, IAT), Err(TokenError));
    }

    #[test]
    fn a_ring_needs_a_key_that_signs_and_leaves_out_what_is_too_short() {
        assert!(ring(RingKind::Access, &[]).is_err());
        assert!(ring(RingKind::Access, &[("next", "a"), ("previous", "b")]).is_err());
        let short = serde_json::from_value(
            json!({"current": "a".repeat(64), "next": "b".repeat(63), "previous": ""}),
        )
        .unwrap();
        assert_eq!(Ring::derive(RingKind::Access, &short).unwrap().kids().count(), 1);
    }
}
