//! A token as it arrives: text that is not trusted yet. Only its header is read, to find the key
//! that it claims.

use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::domain::{Claims, TokenError};

/// Longest token that is read, in bytes.
const TOKEN_LIMIT: usize = 4096;

/// A token of the kind `C` by its shape: JWS compact serialization (RFC 7515 section 7.1) with the
/// header that we write.
pub struct Unverified<'t, C> {
    /// The key it claims to be signed with.
    pub kid: String,
    /// The signed part: header and payload.
    pub(super) signed: &'t str,
    /// The signature, not decoded.
    pub(super) signature: &'t str,
    payload: &'t str,
    kind: PhantomData<C>,
}

/// The members of a header: all of them are required, and no other is allowed. A token with any
/// other member (`crit`, `jku`, `jwk`, `b64`), or with one twice, is none of ours. Our tokens do
/// not write their members with escapes either, and borrowed text refuses escapes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'h> {
    typ: &'h str,
    alg: &'h str,
    kid: &'h str,
}

impl<'t, C: Claims> Unverified<'t, C> {
    /// Splits a token into its parts. A token of another algorithm or type (RFC 8725 sections 3.1
    /// and 3.11) is refused.
    pub fn parse(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_LIMIT {
            return Err(TokenError);
        }
        // A further dot would be in a part that is decoded, and it is not base64.
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError)?;
        let header = decode(header)?;
        let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| TokenError)?;
        if header.alg != "HS256" || header.typ != C::TYP {
            return Err(TokenError);
        }
        Ok(Self { kid: header.kid.to_owned(), signed, signature, payload, kind: PhantomData })
    }

    /// The claims. A claim that is missing, of the wrong type or there twice is refused.
    pub(super) fn claims(&self) -> Result<C, TokenError> {
        serde_json::from_slice(&decode(self.payload)?).map_err(|_| TokenError)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError)
}
