//! The signature of a request, version 4, in its headers. All of it is checked but its time: the
//! clocks of the client and of this server are the same.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tally_local::aws::Credentials;

use super::REGION;
use super::errors::{Error, UNKNOWN_KEY, UNSIGNED, UNSIGNED_HEADER, WRONG_SCOPE, WRONG_SIGNATURE};
use crate::model_server::Received;

/// The characters of a path that are encoded once more.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The header `Authorization`, in its parts.
struct Authorization<'a> {
    key_id: &'a str,
    scope: &'a str,
    /// The names of the signed headers, with `;` between them.
    signed: &'a str,
    signature: &'a str,
}

/// Checks whether a request to this path is signed by one of these credentials.
pub(super) fn check(
    received: &Received,
    path: &str,
    known: &[Credentials],
) -> Result<(), Error<'static>> {
    let authorization = Authorization::read(received.header("authorization")).ok_or(UNSIGNED)?;
    let credentials = known.iter().find(|known| known.access_key_id == authorization.key_id);
    let credentials = credentials.ok_or(UNKNOWN_KEY)?;
    let day = received.header("x-amz-date").get(..8).unwrap_or_default();
    if authorization.scope != format!("{day}/{REGION}/bedrock/aws4_request") {
        return Err(WRONG_SCOPE);
    }
    let is_signed = |name: &str| authorization.signed.split(';').any(|signed| signed == name);
    let mut amazons = received.headers.keys().filter(|name| name.starts_with("x-amz-"));
    if !is_signed("host") || !amazons.all(|name| is_signed(name)) {
        return Err(UNSIGNED_HEADER);
    }
    let expected = authorization.signature_by(&credentials.secret_access_key, received, path);
    if authorization.signature == expected { Ok(()) } else { Err(WRONG_SIGNATURE) }
}

impl<'a> Authorization<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let parts = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let part = |name: &str| {
            parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (key_id, scope) = part("Credential")?.split_once('/')?;
        let (signed, signature) = (part("SignedHeaders")?, part("Signature")?);
        Some(Self { key_id, scope, signed, signature })
    }

    /// The signature that the request has to have.
    fn signature_by(&self, secret: &str, received: &Received, path: &str) -> String {
        let Self { scope, signed, .. } = self;
        let headers = signed.split(';').fold(String::new(), |mut text, name| {
            let words: Vec<_> = received.header(name).split_whitespace().collect();
            // A String takes all that is written to it.
            let _ = writeln!(text, "{name}:{}", words.join(" "));
            text
        });
        let request = format!(
            "POST\n{}\n\n{headers}\n{signed}\n{}",
            utf8_percent_encode(path, ENCODED),
            hash(&received.body)
        );
        let date = received.header("x-amz-date");
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(request.as_bytes()));
        let key = scope
            .split('/')
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part.as_bytes()));
        hex(&mac(&key, text.as_bytes()))
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
