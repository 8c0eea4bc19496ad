//! A token as it arrives: text of which nothing is believed yet but which key it claims.

use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::domain::{Claims, TokenError};

/// Longest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 4096;

/// A token of the kind `C` by its shape: JWS compact serialization (RFC 7515 section 7.1) with the header that we write.
pub struct Unverified<'t, C> {
    /// The key it claims to be signed with.
    pub kid: String,
    /// What is signed: header and payload.
    pub(super) signed: &'t str,
    /// The signature, not decoded.
    pub(super) signature: &'t str,
    payload: &'t str,
    kind: PhantomData<C>,
}

/// Every member that a header may have, and must. With any other (`crit`, `jku`, `jwk`, `b64`), or with one twice, a token is
/// none of ours; nor does one that we signed spell its members with escapes, which borrowed text refuses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'h> {
    typ: &'h str,
    alg: &'h str,
    kid: &'h str,
}

impl<'t, C: Claims> Unverified<'t, C> {
    /// Takes a token apart; one of another algorithm or type (RFC 8725 sections 3.1 and 3.11) goes no further.
    pub fn parse(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_LIMIT {
            return Err(TokenError);
        }
        // A further dot would be in what is decoded, where it is no base64.
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError)?;
        let header = decode(header)?;
        let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| TokenError)?;
        if header.alg != "HS256" || header.typ != C::TYP {
            return Err(TokenError);
        }
        Ok(Self { kid: header.kid.to_owned(), signed, signature, payload, kind: PhantomData })
    }

    /// What it says. A claim that is missing, of the wrong type or there twice is refused.
    pub(super) fn claims(&self) -> Result<C, TokenError> {
        serde_json::from_slice(&decode(self.payload)?).map_err(|_| TokenError)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError)
}
